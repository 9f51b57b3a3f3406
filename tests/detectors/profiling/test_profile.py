"""Profiles: exact counts, an honest sample, distributions that find what was planted, memory that does not grow."""

import json

import numpy as np
import polars as pl
import pytest

from detectors.profiling import distributions, gathering, relations
from detectors.profiling.gathering import Distinct, Gatherer
from detectors.profiling.profile import summary
from detectors.profiling.relations import Measured, strength
from detectors.roles import Role

ROLES = {
    "Id": Role.ID,
    "Stage": Role.STAGE,
    "Amount": Role.AMOUNT,
    "Created": Role.CREATED_AT,
    "Mail": Role.EMAIL,
    "Note": Role.TEXT,
    "Fax": Role.FAX,
}
STAGES = ["Prospecting", "Proposal", "Negotiation", "Closed Won", "Closed Lost"]


def table(rows=3_000, seed=4):
    rng = np.random.default_rng(seed)
    stage = rng.choice(STAGES, rows, p=[0.3, 0.2, 0.1, 0.15, 0.25])
    amount = rng.normal(1_000, 100, rows).round().astype(int)
    amount[:6] = 9_000
    created = np.datetime64("2024-01-01") + rng.integers(0, 365, rows)
    blank = rng.random(rows) < 0.25
    notes = list(zip(blank, rng.integers(1, 900, rows), strict=True))
    return pl.DataFrame(
        {
            "Id": [f"D{at:05d}" for at in range(rows)],
            "Stage": stage.tolist(),
            "Amount": [str(value) for value in amount],
            "Created": created.astype(str).tolist(),
            "Mail": [None if gone else f"p{at}@example.com" for at, gone in enumerate(blank)],
            "Note": [None if gone else f"{size} " + "y" * int(size * 7 % 31) for gone, size in notes],
            "Fax": ["n/a"] * rows,
        }
    )


def profile(frame, *, block=500, sample=gathering.SAMPLE, personal=(), segment="Stage"):
    gathered = Gatherer(list(frame.columns), segment=segment, sample=sample)
    for start in range(0, len(frame), block):
        gathered.add(np.arange(start, min(start + block, len(frame))) + 1, frame[start : start + block])
    return summary(gathered, ROLES, personal=personal)


@pytest.fixture(scope="module")
def found():
    return profile(table())


def column(found, name):
    return next(one for one in found["columns"] if one["name"] == name)


def test_a_profile_is_plain_json_and_the_same_whatever_the_blocks(found):
    assert json.loads(json.dumps(found)) == found
    assert profile(table(), block=170) == found


def test_filled_blank_and_placeholders_are_counted_apart(found):
    mails, fax = column(found, "Mail"), column(found, "Fax")
    assert mails["filled"] + mails["blank"] == 3_000
    assert mails["blank"] == table()["Mail"].null_count()
    assert (fax["filled"], fax["blank"], fax["placeholders"], fax["type"]) == (0, 0, 3_000, "empty")


def test_types_are_told_by_role_and_by_what_the_cells_look_like(found):
    assert {one["name"]: one["type"] for one in found["columns"]} == {
        "Id": "key",
        "Stage": "category",
        "Amount": "number",
        "Created": "date",
        "Mail": "text",
        "Note": "text",
        "Fax": "empty",
    }
    assert column(found, "Amount")["looks"] == {"number": 1.0, "date": 0.0, "text": 0.0}
    assert column(found, "Created")["looks"]["date"] == 1.0


def test_the_commonest_values_are_exact(found):
    counted = dict(table()["Stage"].value_counts().iter_rows())
    assert dict(column(found, "Stage")["top"]) == counted
    assert column(found, "Stage")["distinct"] == 5


def test_a_histogram_holds_every_row_and_names_records_of_each_bar(found):
    bars = column(found, "Amount")["bars"]
    assert sum(bar["count"] for bar in bars) == 3_000
    amounts = table()["Amount"].cast(pl.Float64)
    for bar in bars:
        for record in bar["records"]:
            value = amounts[record - 1]
            assert value >= bar["low"] or bar["is_open"] == "below"
            assert value <= bar["high"] or bar["is_open"] == "above"


def test_planted_outliers_lie_beyond_the_whisker_and_lead_to_their_records(found):
    box = column(found, "Amount")["box"]
    assert box["high_outliers"] >= 6
    assert set(box["high_records"][:6]) == {1, 2, 3, 4, 5, 6}
    assert box["whisker_high"] < 9_000
    assert box["q1"] < box["median"] < box["q3"]


def test_columns_that_are_blank_together_are_found_with_records(found):
    both = next(one for one in found["patterns"] if one["columns"] == ["Mail", "Note", "Fax"])
    assert both["rows"] == table()["Mail"].null_count()
    assert all(table()["Mail"][record - 1] is None for record in both["records"])
    place = {name: at for at, name in enumerate(found["together"]["columns"])}
    assert found["together"]["shares"][place["Mail"]][place["Note"]] == 1.0


def test_the_funnel_runs_in_the_order_of_a_sale_and_sets_the_lost_apart(found):
    steps = found["funnel"]["steps"]
    assert [step["value"] for step in steps] == STAGES[:4]
    assert steps[0]["reached"] == sum(step["rows"] for step in steps)
    assert [one["value"] for one in found["funnel"]["left"]] == ["Closed Lost"]


def test_segments_count_records_and_filled_cells(found):
    assert sum(one["rows"] for one in found["segments"]["rows"]) == 3_000
    assert all(0.5 < one["filled"] < 1 for one in found["segments"]["rows"])


def test_a_persons_own_value_is_not_named(found):
    own = table().with_columns(Mail=pl.Series([f"p{at // 20}@example.com" for at in range(3_000)]))
    few = table().with_columns(Mail=pl.Series(["one@example.com"] * 9 + [None] * 2_991))
    assert column(profile(own, personal=["Mail"]), "Mail")["top"]
    assert column(profile(few, personal=["Mail"]), "Mail")["top"] == []
    assert column(profile(few), "Mail")["top"] == [["one@example.com", 9]]


def test_an_empty_table_has_an_empty_profile():
    empty = profile(table().head(0))
    assert (empty["rows"], empty["sampled"], empty["patterns"], empty["segments"]) == (0, 0, [], None)
    assert all(one["type"] == "empty" for one in empty["columns"])


def test_a_sample_of_a_large_table_is_uniform_and_says_its_size():
    rows = 20_000
    gathered = Gatherer(["n"], sample=2_000)
    for start in range(0, rows, 1_000):
        ids = np.arange(start, start + 1_000)
        gathered.add(ids, pl.DataFrame({"n": [str(one) for one in ids]}))
    ids, cells = gathered.sample()
    assert (gathered.rows, len(ids), len(cells)) == (rows, 2_000, 2_000)
    assert np.array_equal(cells["n"].cast(pl.Int64).to_numpy(), ids)
    by_tenth = np.bincount(ids // 2_000, minlength=10)
    assert by_tenth.min() > 130
    assert by_tenth.max() < 280


@pytest.mark.parametrize("true", [50, 5_000, 400_000])
def test_distinct_values_are_told_within_a_few_percent(true):
    sketch = Distinct()
    for start in range(0, true, 100_000):
        values = pl.Series(range(start, min(start + 100_000, true))).cast(pl.String)
        sketch.add(values.hash().to_numpy())
        sketch.add(values.hash().to_numpy())
    assert sketch.count() == pytest.approx(true, rel=0.06)


def test_counts_of_a_column_of_very_many_values_stay_bounded_and_keep_the_common_ones(monkeypatch):
    monkeypatch.setattr(gathering, "MOST_COUNTED", 100)
    counts = gathering.ColumnCounts()
    for block in range(50):
        values = [f"v{block}-{at}" for at in range(300)] + ["often"] * 60
        counts.add(pl.Series(values))
    assert len(counts.counts) <= 500
    (value, count), *_ = counts.top(1)
    assert value == "often"
    assert 3_000 - counts.forgotten <= count <= 3_000
    assert counts.distinct == pytest.approx(15_001, rel=0.06)


RNG = np.random.default_rng(8)
NUMBERS = RNG.normal(size=4_000)
CODES = RNG.integers(0, 4, 4_000)


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        (Measured("a", numbers=NUMBERS), Measured("b", numbers=-np.exp(NUMBERS)), -1.0),
        (Measured("a", codes=CODES), Measured("b", codes=(CODES + 1) % 4), 1.0),
        (Measured("a", codes=CODES), Measured("b", numbers=CODES * 10 + NUMBERS), 0.97),
        (Measured("a", numbers=NUMBERS), Measured("b", numbers=RNG.normal(size=4_000)), 0.0),
        (Measured("a", codes=CODES), Measured("b", codes=RNG.integers(0, 30, 4_000)), 0.0),
        (Measured("a", numbers=NUMBERS), Measured("b", codes=RNG.integers(0, 30, 4_000)), 0.0),
    ],
)
def test_the_strength_of_a_relation_is_one_where_one_tells_the_other_and_zero_where_nothing_does(one, other, expected):
    for pair in ((one, other), (other, one)):
        found = strength(*pair)
        assert found is not None
        assert found[0] == pytest.approx(expected, abs=0.06)


def test_too_few_rows_tell_no_strength():
    assert strength(Measured("a", numbers=NUMBERS[:20]), Measured("b", numbers=NUMBERS[:20])) is None
    assert strength(Measured("a", codes=CODES * 0), Measured("b", codes=CODES)) is None


def test_blanks_together_are_shares_of_the_rows_blank_in_the_first():
    shares = relations.blank_together({np.packbits([1, 0]).tobytes(): 3, np.packbits([1, 1]).tobytes(): 1}, 2)
    assert shares.tolist() == [[1.0, 0.25], [1.0, 1.0]]


def test_values_over_magnitudes_get_a_logarithmic_histogram():
    values = np.exp(RNG.normal(5, 3, 5_000))
    bars = distributions.histogram(values, np.arange(5_000))
    ratios = [bar.high / bar.low for bar in bars]
    assert max(ratios) == pytest.approx(min(ratios), rel=1e-6)
    assert sum(bar.count for bar in bars) == 5_000


def test_few_whole_numbers_get_a_bar_each():
    values = np.repeat([1.0, 2.0, 5.0], [3, 1, 2])
    assert [bar.count for bar in distributions.histogram(values, np.arange(6))] == [3, 1, 0, 0, 2]


def test_balance_tells_how_many_equal_classes_would_be_as_varied():
    even, uneven = distributions.balance([50, 50]), distributions.balance([99, 1])
    assert even is not None
    assert uneven is not None
    assert even["effective"] == pytest.approx(2)
    assert uneven["effective"] < 1.1
    assert uneven["ratio"] == 99
    assert distributions.balance([5]) is None
