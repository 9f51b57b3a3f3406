"""The duplicate detector keeps the contract of all detectors."""

from __future__ import annotations

import pytest

from detectors.duplicates.detector import DuplicateDetector
from detectors.testing import Check, all_checks


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_detector_keeps_the_contract(check: Check) -> None:
    check(DuplicateDetector())
