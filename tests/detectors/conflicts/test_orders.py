"""Dates and bounds that come in one order: found by themselves; a record that breaks it is flagged."""

import numpy as np
import pandas as pd
import pytest

from detectors.conflicts import reckoning
from detectors.contract import Batch
from detectors.roles import Role


def quotes(rows=300, seed=0, written="%Y-%m-%d"):
    rng = np.random.default_rng(seed)
    born = pd.Timestamp("1950-01-01") + pd.to_timedelta(rng.integers(0, 12000, rows), "D")
    made = pd.Timestamp("2020-01-01") + pd.to_timedelta(rng.integers(0, 1500, rows), "D")
    until = made + pd.to_timedelta(rng.choice([14, 30, 60], rows), "D")
    columns = {"born": born, "made": made, "until": until}
    return pd.DataFrame({name: days.strftime(written) for name, days in columns.items()}).astype(object)


def doubts(frame):
    batch = Batch(frame, dict.fromkeys(frame.columns, Role.TEXT))
    return reckoning.find(batch, list(frame.columns), lambda *_: None)[1]


def test_a_date_before_its_time_is_flagged_with_both_cells_and_how_often_the_order_holds():
    frame = quotes()
    frame.loc[7, "until"] = "2019-02-01"
    (one,) = doubts(frame)
    assert one.row == 7
    assert set(one.fields) == {"made", "until"}
    assert one.rule == "order: made <= until"
    assert f"until (2019-02-01) lies before made ({frame.loc[7, 'made']}); in 299 of 300 rows" in one.detail
    assert 0.9 < one.score <= 299 / 300


def test_two_dates_that_changed_places_are_said_to_have():
    frame = quotes()
    frame.loc[7, ["made", "until"]] = frame.loc[7, ["until", "made"]].to_numpy()
    (one,) = doubts(frame)
    assert one.detail.endswith("Exchanged, the two would be as usual.")


@pytest.mark.parametrize("written", ["%d.%m.%Y", "%m/%d/%Y", "%d %B %Y"])
def test_dates_are_read_in_the_order_of_their_column(written):
    frame = quotes(written=written)
    assert not doubts(frame)
    frame.loc[7, "until"] = pd.Timestamp("2019-02-13").strftime(written)
    assert [one.row for one in doubts(frame)] == [7]


def test_what_holds_by_chance_alone_is_no_rule():
    frame = quotes()
    frame.loc[7, "born"] = "2023-02-01"
    assert not doubts(frame)


def test_shuffled_dates_have_no_order():
    frame = quotes()
    frame["until"] = frame["until"].sample(frac=1, random_state=1).to_numpy()
    assert not doubts(frame)


def test_bounds_are_in_order_too():
    rng = np.random.default_rng(1)
    low = rng.integers(1, 500, 400)
    frame = pd.DataFrame({"least": low.astype(str), "most": (low + rng.integers(0, 100, 400)).astype(str)}).astype(
        object
    )
    assert not doubts(frame)
    frame.loc[9, ["least", "most"]] = ["450", "20"]
    (one,) = doubts(frame)
    assert one.row == 9
    assert "most (20) is less than least (450)" in one.detail


def test_few_rows_and_blanks_say_nothing():
    assert not doubts(quotes(3))
    frame = quotes()
    frame["until"] = None
    assert not doubts(frame)
