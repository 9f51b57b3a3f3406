"""The missing-value detector keeps the contract of every detector."""

from __future__ import annotations

import pytest

from detectors.prediction.detector import MissingValueDetector
from detectors.testing import all_checks, check_hostile_batches


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_missing_value_detector_keeps_the_contract(check):
    check(MissingValueDetector())


def test_it_bears_hostile_batches_with_sensitive_attributes_allowed():
    check_hostile_batches(MissingValueDetector(sensitive=True))
