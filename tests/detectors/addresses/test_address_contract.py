"""The address detector keeps the contract."""

import pytest

from detectors.addresses.detector import AddressDetector
from detectors.testing import all_checks


@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_the_address_detector_keeps_the_contract(check):
    check(AddressDetector())
