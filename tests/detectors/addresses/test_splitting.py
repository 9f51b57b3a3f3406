"""A whole address in the street column is put into the blank columns of its parts; nothing else is taken apart."""

import pandas as pd
import pytest

from detectors.addresses.detector import AddressDetector
from detectors.contract import Batch, RunContext
from detectors.roles import Role

COLUMNS = {"street": Role.STREET, "city": Role.CITY, "state": Role.REGION, "zip": Role.POSTCODE}


def found(*row, columns=COLUMNS, **more):
    """What is proposed for a record of (street, city, state, zip) and further columns: (rule, changes) of each."""
    frame = pd.DataFrame([row], columns=list(columns)[: len(row)], dtype=object).assign(**more)
    roles = columns | dict.fromkeys(more, Role.COUNTRY)
    findings = AddressDetector().detect(Batch(frame.where(frame != "", None), roles), RunContext())
    return [(one.rule, dict(one.proposal.changes)) for one in findings]


@pytest.mark.parametrize(
    ("row", "changes"),
    [
        (
            ("123 Main St Apt 4, Springfield, IL 62701", "", "", ""),
            {"street": "123 Main St Apt 4", "city": "Springfield", "state": "IL", "zip": "62701"},
        ),
        (
            ("123 Main St, Springfield, IL 62701", "", "IL", ""),
            {"street": "123 Main St", "city": "Springfield", "zip": "62701"},
        ),
        (("Springfield, IL 62701", "", "", ""), {"street": None, "city": "Springfield", "state": "IL", "zip": "62701"}),
    ],
)
def test_the_parts_go_where_they_belong(row, changes):
    assert found(*row) == [("address-split", changes)]


@pytest.mark.parametrize(
    "row",
    [
        ("1 Boston Post Rd", "", "", ""),
        ("100 Washington Ave", "", "", ""),
        ("12 Virginia Ave", "", "", "62701"),
        ("123 Main St, Springfield, IL 62701", "Chicago", "", ""),
        ("123 Main St, Springfield, IL 62701", "Springfield", "IL", "62701"),
        ("Hauptstr. 5, 80331 München", "", "", ""),
        ("123 Main Steet, Nowhere at All", "", "", ""),
    ],
)
def test_street_lines_other_countries_and_contradictions_are_left_whole(row):
    assert "address-split" not in [rule for rule, _ in found(*row)]


def test_what_the_line_says_of_the_country_is_not_lost():
    line = "350 Fifth Ave, New York, NY 10118, USA"
    changes = {"street": "350 Fifth Ave", "city": "New York", "state": "NY", "zip": "10118"}
    assert found(line, "", "", "", country="") == [("address-split", changes | {"country": "US"})]
    assert found(line, "", "", "", country="USA") == [("address-split", changes)]
    assert found(line, "", "", "") == []


def test_a_part_without_a_column_keeps_the_line_whole():
    two = {"street": Role.STREET, "city": Role.CITY, "zip": Role.POSTCODE}
    assert found("123 Main St, Springfield, IL 62701", "", "", columns=two) == []
