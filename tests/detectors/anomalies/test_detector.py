"""The anomaly detector keeps the contract, says why, and learns from verdicts."""

import pytest

from detectors.anomalies.detector import AnomalyDetector
from detectors.testing import all_checks


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_anomaly_detector_keeps_the_contract(check):
    check(AnomalyDetector())
