"""Each quality metric counts what it names, and nothing else."""

from __future__ import annotations

from datetime import UTC, datetime

import pandas as pd
import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmquality import metrics
from detectors.contract import Batch
from detectors.roles import Role

ROLES = {
    "Name": Role.NAME,
    "Email": Role.EMAIL,
    "State": Role.REGION,
    "Zip": Role.POSTCODE,
    "Created": Role.CREATED_AT,
    "Updated": Role.UPDATED_AT,
}


def batch(*rows: list[str | None]) -> Batch:
    frame = pd.DataFrame(list(rows), columns=list(ROLES), dtype=object)
    frame.index = range(1, len(frame) + 1)
    return Batch(frame, ROLES, kind="contacts")


GOOD = ["Ann Lee", "ann@example.com", "IL", "62701", "2024-01-01", "2026-01-02"]


def value(measures: list[metrics.Measure]) -> float | None:
    return measures[0].value


def test_a_placeholder_is_missing_and_not_invalid():
    table = batch(GOOD, ["Bob Ray", "N/A", *GOOD[2:]])
    seen = metrics.masks(table)
    assert value(metrics.completeness(table, seen)) == pytest.approx(11 / 12)
    assert value(metrics.validity(table, seen)) == 1


def test_validity_is_of_filled_cells_only():
    table = batch(GOOD, ["Bob Ray", "bob(at)example", *GOOD[2:]], ["Cy Poe", None, *GOOD[2:]])
    email = next(one for one in metrics.validity(table, metrics.masks(table)) if one.field == "Email")
    assert (email.numerator, email.denominator) == (1, 2)


def test_a_rule_applies_only_where_its_fields_are_filled():
    table = batch(GOOD, [*GOOD[:2], "MA", *GOOD[3:]], [*GOOD[:2], None, *GOOD[3:]])
    rows = {one.field: one for one in metrics.consistency(table, metrics.masks(table))}
    place = rows["Postcode and region belong together"]
    assert (place.numerator, place.denominator) == (1, 2)


def test_uniqueness_counts_the_surplus_of_clusters():
    assert metrics.uniqueness(10, [3, 2]).value == pytest.approx(0.7)


def test_timeliness_bears_a_mistyped_century():
    table = batch(GOOD, [*GOOD[:5], "9167-02-03"])
    assert metrics.timeliness(table, metrics.masks(table), now=datetime(2026, 6, 1, tzinfo=UTC)).denominator == 2


def test_what_does_not_apply_is_none_and_not_zero():
    assert metrics.accuracy(0, 0).value is None
    assert metrics.quality_score({"completeness": None}) is None


def test_finding_a_mistake_does_not_lower_the_score():
    known = {"completeness": 0.9, "validity": 0.9}
    assert metrics.quality_score(known | {"accuracy": 0.0}) == metrics.quality_score(known)


def test_a_reference_verifies_shared_filled_cells_only():
    held = pd.DataFrame({"Name": ["Ann ", "Bob", "Cy"]}, index=["1", "2", "3"], dtype=object)
    wanted = pd.DataFrame({"Name": ["ann", "Rob", None], "Other": ["x", "y", "z"]}, index=["1", "2", "3"], dtype=object)
    total = metrics.accuracy_against(held, wanted)[0]
    assert (total.numerator, total.denominator) == (1, 2)


@given(st.integers(0, 500), st.integers(0, 500))
def test_the_wilson_interval_holds_the_share(right, wrong):
    low, high = metrics.wilson(right, right + wrong)
    if right + wrong:
        assert 0 <= low <= right / (right + wrong) <= high <= 1
    else:
        assert (low, high) == (None, None)


def test_a_record_without_fault_scores_one():
    table = batch(GOOD, [None, "nonsense", *GOOD[2:]])
    scores = metrics.record_scores(table, metrics.masks(table))
    assert scores[1] == 1
    assert scores[2] < 1
