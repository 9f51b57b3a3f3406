"""The conflict detector keeps the contract of every detector."""

import pytest

from detectors.conflicts.detector import ConflictDetector
from detectors.testing import all_checks


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_conflict_detector_keeps_the_contract(check):
    check(ConflictDetector())
