"""The format detector keeps the contract of every detector."""

import pytest

from detectors.formats.detector import FormatDetector
from detectors.testing import all_checks


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_format_detector_keeps_the_contract(check):
    check(FormatDetector())
