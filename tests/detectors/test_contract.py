"""Every installed detector keeps the contract."""

import pytest

from detectors import registry
from detectors.testing import all_checks


@pytest.mark.parametrize("name", list(registry.available()))
@pytest.mark.parametrize("check", all_checks(), ids=lambda check: check.__name__)
def test_detector_keeps_the_contract(name, check):
    check(registry.load(name)())


def test_an_unknown_detector_is_refused_with_the_names_there_are():
    with pytest.raises(registry.UnknownDetector, match="duplicates"):
        registry.load("nonsense")
