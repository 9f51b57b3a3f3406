"""The quality score of any group of records, and how sure it is."""

from __future__ import annotations

from datetime import UTC, datetime

import numpy as np
import pandas as pd
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmquality import metrics, metrics_records
from detectors.contract import Batch
from detectors.roles import Role

ROLES = {"Name": Role.NAME, "Email": Role.EMAIL, "Updated": Role.UPDATED_AT}
NOW = datetime(2026, 6, 1, tzinfo=UTC)
cells = st.tuples(
    st.sampled_from(["Ann Lee", None]),
    st.sampled_from(["ann@example.com", "ann(at)", "n/a", None]),
    st.sampled_from(["2026-05-01", "2020-01-01", None]),
)


def table(rows):
    frame = pd.DataFrame(list(rows), columns=list(ROLES), dtype=object).set_axis(range(1, len(rows) + 1))
    return Batch(frame, ROLES, kind="contacts")


def parts(batch, surplus=()):
    return metrics_records.parts(batch, metrics.masks(batch), surplus=surplus, now=NOW)


def whole(batch, surplus=()):
    return metrics_records.scores(parts(batch, surplus), np.zeros(len(batch), dtype=np.intp), [""])


@settings(max_examples=40, deadline=None)
@given(st.lists(cells, min_size=1, max_size=12), st.integers(0, 3))
def test_the_score_of_all_records_is_that_of_the_metrics(rows, duplicates):
    batch = table(rows)
    surplus = list(batch.frame.index[:duplicates])
    seen = metrics.masks(batch)
    plain = {
        "completeness": metrics.completeness(batch, seen)[0].value,
        "validity": metrics.validity(batch, seen)[0].value,
        "consistency": metrics.consistency(batch, seen)[0].value if metrics.consistency(batch, seen) else None,
        "uniqueness": metrics.uniqueness(len(batch), [2] * len(surplus)).value,
        "timeliness": metrics.timeliness(batch, seen, now=NOW).value,
    }
    found = whole(batch, surplus)
    assert found[0].value == pytest.approx(metrics.quality_score(plain))
    for one in found[1:]:
        assert one.value == pytest.approx(plain[one.name])
    if found[0].low is not None:
        assert 0 <= found[0].low <= found[0].value + 1e-9
        assert found[0].value - 1e-9 <= found[0].high <= 1


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(cells, st.sampled_from(["DE", "FR", None])), min_size=2, max_size=15))
def test_a_segment_scores_what_its_records_alone_would(rows):
    batch = table([row for row, _ in rows])
    groups, names = metrics_records.segments(pd.Series([segment for _, segment in rows], dtype=object))
    found = {
        one.segment: one for one in metrics_records.scores(parts(batch), groups, names) if one.name == "quality score"
    }
    for name in names:
        alone = table([row for row, segment in rows if (segment or "(blank)") == name])
        assert found[name].value == pytest.approx(whole(alone)[0].value)
        assert found[name].denominator == len(alone)


def test_the_interval_is_that_of_a_repeated_draw():
    chance = np.random.default_rng(5)
    row = [("Ann Lee", "ann@example.com", "2026-05-01"), (None, "ann(at)", "2020-01-01")]
    values, halves = [], []
    for _ in range(150):
        batch = table([row[int(bad)] for bad in chance.random(80) < 0.3])
        score = whole(batch)[0]
        values.append(score.value)
        halves.append((score.high - score.low) / 2)
    assert np.mean(halves) == pytest.approx(1.96 * np.std(values), rel=0.2)


def test_the_rare_values_of_a_column_are_one_segment():
    values = pd.Series([f"v{n % 20}" for n in range(200)] + ["v0"] * 50, dtype=object)
    groups, names = metrics_records.segments(values)
    assert len(names) == metrics_records.MOST_SEGMENTS
    assert names[0] == "v0"
    assert (groups == names.index("(others)")).sum() == 90
