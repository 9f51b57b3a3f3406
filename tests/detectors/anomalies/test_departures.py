"""One value out of place among usual ones: steps of paths, what is filled beside what, money of several currencies."""

import numpy as np
import pandas as pd
import pytest

from detectors.anomalies.departures import SURE, beyond, surest
from detectors.anomalies.detector import AnomalyDetector
from detectors.anomalies.features import features, in_one_unit, in_proportion
from detectors.anomalies.members import combined, pair_surprise
from detectors.anomalies.paths import Paths
from detectors.contract import Batch, RunContext
from detectors.roles import Role
from detectors.rules.boxes import Bound, conditions_of

ROWS = 2_000
ROLES = {
    "Stage": Role.STAGE,
    "History": Role.CATEGORY,
    "Amount": Role.AMOUNT,
    "Currency": Role.CURRENCY,
    "Discount": Role.NUMBER,
    "Loss Reason": Role.REASON,
    "Created": Role.CREATED_AT,
    "Closed": Role.CLOSED_AT,
    "Owner": Role.OWNER,
}
SKIPPED, REASON_OF_A_WIN, YEN, DISCOUNT, LATE = 11, 222, 333, 444, 555


@pytest.fixture(scope="module")
def deals() -> Batch:
    """Deals in two currencies a hundredfold apart, with one record out of place in each of five ways."""
    rng = np.random.default_rng(8)
    won = rng.random(ROWS) < 0.5
    yen = rng.random(ROWS) < 0.2
    created = np.datetime64("2024-01-01") + rng.integers(0, 500, ROWS)
    lost_after = rng.choice(["New > Lost", "New > Offer > Lost"], ROWS)
    frame = pd.DataFrame(
        {
            "Stage": np.where(won, "Won", "Lost"),
            "History": np.where(won, "New > Offer > Talks > Won", lost_after),
            "Amount": (rng.lognormal(8, 0.5, ROWS) * np.where(yen, 150, 1)).round(2).astype(str),
            "Currency": np.where(yen, "JPY", "USD"),
            "Discount": rng.choice(["0", "0", "5", "10", "15"], ROWS),
            "Loss Reason": np.where(won, None, rng.choice(["Price", "Timing"], ROWS)),
            "Created": created.astype(str),
            "Closed": (created + rng.integers(5, 90, ROWS)).astype(str),
            "Owner": rng.choice(["Ann", "Ben", "Cleo", "Dan"], ROWS),
        }
    ).astype(object)
    won_deals = {SKIPPED: "History", REASON_OF_A_WIN: "Loss Reason"}
    for row in won_deals:
        frame.loc[row, ["Stage", "History", "Loss Reason"]] = ["Won", "New > Offer > Talks > Won", None]
    frame.loc[SKIPPED, "History"] = "New > Talks > Won"
    frame.loc[REASON_OF_A_WIN, "Loss Reason"] = "Price"
    frame.loc[YEN, ["Amount", "Currency"]] = ["3000.00", "JPY"]
    frame.loc[DISCOUNT, "Discount"] = "95"
    frame.loc[LATE, "Closed"] = "2034-01-28"
    return Batch(frame, ROLES, kind="opportunities")


@pytest.fixture(scope="module")
def found(deals):
    return {one.subjects[0]: one for one in AnomalyDetector().detect(deals, RunContext(seed=1))}


@pytest.mark.parametrize(
    ("row", "words"),
    [
        (SKIPPED, "History “New > Talks > Won” goes from “New” on to “Talks”, as only 1 of 2,000 that went on"),
        (REASON_OF_A_WIN, "Loss Reason “Price” is filled where Stage is “Won”, as in only 1 of"),
        (YEN, "Amount 3000.00 for Currency “JPY”"),
        (DISCOUNT, "Discount 95"),
        (LATE, "Closed 2034-01-28"),
    ],
)
def test_a_record_with_one_value_out_of_place_is_among_the_first_and_says_which(found, row, words):
    assert found[row].score > 0.99
    assert words in found[row].evidence[0].detail


def test_a_column_of_paths_is_told_by_what_stands_between_its_steps():
    for mark in (" > ", ">", " -> ", " / ", "|", ", ", " → "):
        ways = {("New", "Offer", "Won"): 60, ("New", "Won"): 40, ("New", "Offer", "Lost"): 60, ("New", "Lost"): 40}
        cells = pd.Series([mark.join(way) for way, many in ways.items() for _ in range(many)] + [None])
        paths = Paths.of(cells)
        assert paths is not None
        bits = paths.rarest(cells)
        assert np.allclose(bits[[0, 60]], [1, np.log2(200 / 40)])
        assert np.isnan(bits[-1])


@pytest.mark.parametrize(
    "cells",
    [
        ["won", "lost", "open"] * 100,
        [f"{first}, {second}" for first in "abcdefghijklmnop" for second in "qrstuvwxyz"],
        [f"{family}, {given}" for family, given in zip("ABCDEFGH", "ijklmnop", strict=True)] * 60,
        [f"Deal {number} > Deal {number + 1}" for number in range(300)],
        [],
        [None, ""],
    ],
    ids=["plain words", "every cell another", "names", "no step recurs", "empty", "blank"],
)
def test_other_columns_are_no_paths(cells):
    assert Paths.of(pd.Series(cells, dtype=object)) is None


def test_steps_that_differ_in_capitals_are_the_same_and_told_as_first_written():
    cells = pd.Series(["New > Won"] * 60 + ["NEW > WON"] * 20 + ["new > gone"])
    step = Paths.of(cells).rarest_of["new > gone"]
    assert (step.start, step.end, step.taken, step.left) == ("New", "gone", 1, 81)


@pytest.mark.parametrize("draw", ["normal", "exponential", "laplace", "uniform", "lognormal"])
def test_the_largest_of_a_usual_column_is_no_departure(draw):
    values = in_proportion(getattr(np.random.default_rng(2), draw)(size=5_000))
    assert beyond(values).max() < SURE + 1
    assert beyond(-values).max() < SURE + 1


def test_a_value_far_beyond_what_the_column_foretells_is_one_though_one_in_fifty_lies_there():
    rng = np.random.default_rng(2)
    values = np.concatenate([rng.normal(size=980), rng.normal(30, 1, 20)])
    assert (beyond(values)[980:] > 50).all()
    assert beyond(values)[:980].max() < SURE


def test_any_other_value_departs_from_a_column_of_nearly_one():
    values = np.zeros(1_000)
    values[3] = 1e-3
    assert beyond(values).argmax() == 3
    assert beyond(values)[3] > SURE


def test_bare_numbers_alone_are_left_to_the_members_that_judge_whole_rows():
    frame = pd.DataFrame(np.random.default_rng(1).normal(size=(300, 3)).astype(str), columns=list("abc"))
    assert surest(features(frame, dict.fromkeys("abc", Role.NUMBER))) is None


def test_a_table_too_small_to_foretell_anything_has_no_departures(deals):
    assert not surest(features(deals.frame.head(20), deals.roles)).any()


def test_one_sure_value_outweighs_what_all_members_say_of_the_row():
    whole = [np.arange(100.0)] * 5
    alone = np.zeros(100)
    alone[3] = 12.0
    assert combined(whole, [], alone).argmax() == 3
    alone[3] = 0.1
    assert combined(whole, [], alone)[3] < 0.2


def test_money_is_held_against_its_own_currency_first(deals):
    made = features(deals.frame, deals.roles)
    names = [one.name for one in made.columns]
    assert "Amount for its Currency and Stage" in names
    assert "Amount for its Stage" not in names
    assert names.index("Amount") not in in_one_unit(made.columns)
    assert names.index("Discount") in in_one_unit(made.columns)
    apart = made.values[:, names.index("Amount for its Currency")]
    yen = (deals.frame["Currency"] == "JPY").to_numpy()
    assert abs(np.median(apart[yen]) - np.median(apart[~yen])) < 0.1
    assert np.abs(apart).argmax() == YEN


def test_amounts_count_by_factors_and_what_is_not_lopsided_as_it_is():
    amounts = np.random.default_rng(1).lognormal(8, 0.8, 1_000)
    factors = in_proportion(amounts)
    middle = np.median(factors)
    assert np.quantile(factors, 0.95) - middle == pytest.approx(middle - np.quantile(factors, 0.05), rel=0.15)
    assert in_proportion(np.append(amounts, -amounts[0]))[-1] < 0
    days = np.random.default_rng(1).normal(40, 9, 1_000)
    assert in_proportion(days) is days


def test_a_pair_seen_once_where_a_few_were_expected_is_no_surprise():
    first, second = np.repeat([0, 1], [6, 994]), np.repeat([0, 1], 500)
    first[999] = 0
    assert pair_surprise(first, second).max() == 0


def test_a_small_group_of_like_values_does_not_make_usual_ones_odd(deals):
    frame = deals.frame.copy()
    rng = np.random.default_rng(4)
    frame["Discount"] = rng.integers(0, 50, ROWS).astype(str)
    frame["Currency"] = np.where(np.arange(ROWS) < 60, "BRL", frame["Currency"])
    frame.loc[:59, "Discount"] = rng.choice(["10", "10", "10", "11", "40"], 60)
    made = features(frame, deals.roles)
    apart = made.values[:, [one.name for one in made.columns].index("Discount for its Currency")]
    assert np.abs(apart[:60]).max() < 5


@pytest.mark.parametrize(
    ("name", "kind", "fields"),
    [
        ("rarest step in History", "step", ("History",)),
        ("Loss Reason filled or blank for its Stage, how rare", "filled", ("Loss Reason", "Stage")),
    ],
)
def test_what_only_the_other_records_tell_makes_no_standing_check(deals, name, kind, fields):
    assert name in [one.name for one in features(deals.frame, deals.roles).columns]
    with pytest.raises(ValueError, match="told by the records around it"):
        conditions_of([Bound(name, kind, fields, low=5.0)])


def test_more_than_the_usual_share_is_flagged_where_one_value_makes_each_of_them_sure(deals):
    frame = deals.frame.copy()
    odd = list(range(600, 720))
    frame.loc[odd, "Closed"] = "2034-01-28"
    scores = {one.subjects[0]: one.score for one in AnomalyDetector().detect(Batch(frame, ROLES), RunContext(seed=1))}
    assert set(odd) <= set(scores)
    assert len(scores) < 160
    assert min(scores[record] for record in odd) > 0.985  # none pushes another out of the queue
