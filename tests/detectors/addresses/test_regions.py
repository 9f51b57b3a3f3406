"""A region is written as its column writes regions; a city and a region that changed places are put back."""

import pandas as pd
import pytest

from detectors.addresses.detector import AddressDetector
from detectors.contract import Batch, RunContext
from detectors.roles import Role

ROLES = {"city": Role.CITY, "state": Role.REGION, "zip": Role.POSTCODE, "country": Role.COUNTRY}
CODES = [("Springfield", "IL", "62701", "US"), ("Austin", "TX", "78701", "US"), ("Boston", "MA", "02108", "US")] * 10
NAMES = [("Springfield", "Illinois", "62701", "US"), ("Austin", "Texas", "78701", "US")] * 10


def found(*rows):
    """(rule, changes) of the sure findings."""
    frame = pd.DataFrame(rows, columns=list(ROLES), dtype=object)
    findings = AddressDetector().detect(Batch(frame.where(frame != "", None), ROLES), RunContext())
    return [(one.rule, dict(one.proposal.changes)) for one in findings if one.score >= 0.8]


@pytest.mark.parametrize(
    ("others", "row", "value"),
    [
        (CODES, ("Los Angeles", "California", "90012", "US"), "CA"),
        (CODES, ("Los Angeles", "Calif.", "90012", "US"), "CA"),
        (NAMES, ("Austin", "TX", "78701", "US"), "Texas"),
        (NAMES, ("Los Angeles", "CA", "90012", "US"), "California"),
    ],
)
def test_a_region_is_written_in_the_form_of_its_column(others, row, value):
    assert found(*others, row) == [("region-style", {"state": value})]


def test_a_column_of_both_forms_and_rows_of_other_countries_are_left_alone():
    assert found(*CODES[:10], *NAMES[:10]) == []
    assert found(*CODES, ("München", "Bayern", "80331", "DE")) == []


def test_a_region_that_is_wrong_is_corrected_and_not_only_written_otherwise():
    assert found(*CODES, ("Springfield", "Texas", "62701", "US")) == [("region-from-postcode", {"state": "Illinois"})]


@pytest.mark.parametrize(
    "row",
    [
        ("TX", "Austin", "78701", "US"),
        ("Washington", "Seattle", "98101", "US"),
        ("Ontario", "Toronto", "M5V 2T6", "CA"),
    ],
)
def test_a_city_and_a_region_that_changed_places_are_put_back(row):
    assert found(*CODES, row) == [("city-region-swap", {"city": row[1], "state": row[0]})]


@pytest.mark.parametrize(
    "row",
    [
        ("New York", "New York", "10001", "US"),
        ("Washington", "DC", "20500", "US"),
        ("Nevada", "Missouri", "64772", "US"),
    ],
)
def test_a_city_that_is_called_like_a_region_stays(row):
    assert "city-region-swap" not in [rule for rule, _ in found(*CODES, row)]
