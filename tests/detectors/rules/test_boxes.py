"""Confirmed anomalies as standing checks: every feature that a record alone tells, and a clear no for the others."""

import numpy as np
import pandas as pd
import pytest

from detectors.anomalies.features import features
from detectors.anomalies.rules import Condition as Edge
from detectors.anomalies.rules import Rule as Box
from detectors.roles import Role
from detectors.rules.boxes import Bound, bounds_of, conditions_of
from detectors.rules.checking import check
from detectors.rules.relations import Never

ROLES = {
    "Amount": Role.AMOUNT,
    "Pieces": Role.QUANTITY,
    "Created": Role.CREATED_AT,
    "Closed": Role.CLOSED_AT,
    "Stage": Role.STAGE,
    "Note": Role.TEXT,
}


@pytest.fixture(scope="module")
def deals() -> pd.DataFrame:
    rng = np.random.default_rng(3)
    rows = 400
    created = np.datetime64("2024-01-01") + rng.integers(0, 300, rows)
    frame = pd.DataFrame(
        {
            "Amount": rng.integers(1, 99_000, rows).astype(str),
            "Pieces": rng.integers(1, 50, rows).astype(str),
            "Created": created.astype(str),
            "Closed": (created + rng.integers(0, 90, rows)).astype(str),
            "Stage": rng.choice(["new", "won", "lost", "open"], rows),
            "Note": ["x" * int(size) for size in rng.integers(1, 60, rows)],
        },
        index=np.arange(rows) + 7,
    ).astype(object)
    frame.loc[frame.index[::20], "Amount"] = None
    return frame


CASES = [
    [Edge("Amount", 50_000.0, np.inf), Edge("days from Created to Closed", -np.inf, 10.0)],
    [Edge("Stage is won", 0.5, np.inf, True), Edge("Amount / Pieces", 100.0, 5_000.0)],
    [Edge("Stage is won", -np.inf, 0.5, True), Edge("length of Note", 40.0, np.inf)],
    [Edge("Created", 19_800.0, 19_900.5)],
    [Edge("Amount is blank", 0.5, np.inf, True)],
]


@pytest.mark.parametrize("edges", CASES, ids=lambda edges: " and ".join(map(str, edges)))
def test_a_standing_check_finds_the_records_that_the_description_holds_for(deals, edges):
    table = features(deals, ROLES)
    box = Box(tuple(edges), 1, 0, 0.1)
    inside = box.holds(table.values.astype(np.float64), [one.name for one in table.columns])
    names = [one.name for one in table.columns]
    for edge in edges:  # a gap is filled in the features, and unknown to the check
        inside &= table.known[:, names.index(edge.feature)]
    rule = Never(name="r", conditions=conditions_of(bounds_of(box, table.columns)))
    (result,) = check(deals, [rule])
    assert result.failing.tolist() == deals.index[inside].tolist()
    assert inside.any()


@pytest.mark.parametrize(
    ("bound", "says"),
    [
        (Bound("how common the Stage is", "frequency", ("Stage",), low=1.0), "told by the records around it"),
        (Bound("share of digits of Note", "shape", ("Note",), low=0.5), "write a pattern rule"),
    ],
)
def test_what_a_record_alone_does_not_tell_is_refused_with_the_reason(bound, says):
    with pytest.raises(ValueError, match=says):
        conditions_of([bound])


def test_a_description_of_features_that_are_gone_is_refused(deals):
    box = Box((Edge("Colour is red", 0.5, np.inf, True),), 1, 0, 0.1)
    with pytest.raises(ValueError, match="no feature 'Colour is red'"):
        bounds_of(box, features(deals, ROLES).columns)
