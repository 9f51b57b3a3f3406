"""The trees, the look-ups by parts of a text, and what calibration promises of them."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detectors.prediction.engine.encoding import read_table
from detectors.prediction.engine.given_names import usual_gender
from detectors.prediction.engine.imputation import Filler, Table
from detectors.prediction.engine.trees import Bins, Shape, boost_choices, boost_numbers, shares
from detectors.roles import Role

ROWS = 3_000


def test_trees_learn_which_candidate_is_right_and_leave_room_for_none():
    rng = np.random.default_rng(1)
    features = rng.normal(size=(ROWS, 3, 2))
    best = features[:, :, 0].argmax(axis=1)
    none = features[:, 0, 1] > 1
    right = (np.arange(3) == best[:, None]) & ~none[:, None]
    features[:, :, 1] = features[:, :1, 1]
    live = np.ones(right.shape, dtype=bool)
    binned = Bins.fit(features.reshape(-1, 2))(features.reshape(-1, 2)).reshape(features.shape)
    trees = boost_choices(binned, right, live, Shape(60, columns=1.0), seed=0)
    chances = shares(trees(np.ascontiguousarray(binned.reshape(-1, 2))).reshape(right.shape), live)
    assert (chances[~none].argmax(axis=1) == best[~none]).mean() > 0.85
    assert chances[none].sum(axis=1).mean() < 0.1 < 0.9 < chances[~none].sum(axis=1).mean()
    assert chances.sum(axis=1).max() <= 1


def test_trees_send_missing_numbers_where_they_fit_best():
    rng = np.random.default_rng(2)
    feature = rng.random(ROWS)
    numbers = np.where(feature > 0.5, 1.0, -1.0)
    feature[rng.random(ROWS) < 0.2] = np.nan
    numbers[np.isnan(feature)] = 1.0
    binned = Bins.fit(feature[:, None])(feature[:, None])
    told = boost_numbers(binned, numbers, Shape(40), seed=0)(binned)
    assert np.abs(told - numbers).mean() < 0.05


def test_the_same_seed_grows_the_same_trees():
    features = np.random.default_rng(3).normal(size=(ROWS, 4))
    binned = Bins.fit(features)(features)
    one, two = (boost_numbers(binned, features[:, 0], Shape(5), seed=7)(binned) for _ in range(2))
    assert (one == two).all()


def test_a_column_that_is_blank_throughout_is_one_bin():
    assert not Bins.fit(np.full((10, 1), np.nan))(np.full((10, 1), np.nan)).any()


@pytest.mark.parametrize(("name", "share"), [("Mary Ann", "6"), ("JOHN", "0"), ("jean-luc", "4"), ("Xqzt", "")])
def test_the_census_says_how_a_given_name_is_usually_borne(name, share):
    assert usual_gender(name) == share


def _people() -> pd.DataFrame:
    rng = np.random.default_rng(4)
    trades = {"Dental": "dentist", "Eye": "optician", "Heart": "cardiologist", "Bone": "surgeon"}
    word = rng.choice(list(trades), ROWS)
    firm = [f"{prefix} {each} Centre {number}" for prefix, each, number in
            zip(rng.choice(["New", "Old", "First", "City"], ROWS), word, range(ROWS), strict=True)]  # fmt: skip
    return pd.DataFrame({"Firm": firm, "Trade": [trades[each] for each in word]}, dtype=object)


def test_a_text_that_no_other_row_holds_tells_by_its_words():
    frame = _people()
    truth = frame["Trade"].copy()
    frame.loc[::10, "Trade"] = None
    filler = Filler(Table(read_table(frame)), "Trade")
    rows = np.arange(0, ROWS, 10)
    guesses = filler.guess(rows)
    told = np.array(filler.column.values, dtype=object)[guesses.values[:, 0]]
    assert (told == truth[rows].to_numpy()).mean() > 0.99
    assert "words of Firm" in {lookup.key.label for lookup in filler.lookups}


def test_probabilities_hold_where_large_groups_differ_little_between_folds():
    """Folds' counts of a large group are complements: were they seen exactly, trees would read the answer in them."""
    rng = np.random.default_rng(5)
    rows = 8_000
    group = rng.integers(0, 8, (rows, 4))
    chance = 0.35 + 0.3 * (group.sum(axis=1) > 14)
    frame = pd.DataFrame({f"Group {place}": [f"g{each}" for each in group[:, place]] for place in range(4)})
    frame["Answer"] = np.where(rng.random(rows) < chance, "yes", "no")
    truth = frame["Answer"].copy()
    frame.loc[::5, "Answer"] = None
    frame = frame.astype(object)
    filler = Filler(Table(read_table(frame, {"Answer": Role.CATEGORY})), "Answer")
    hidden = np.arange(0, rows, 5)
    guesses = filler.guess(hidden)
    right = np.array(filler.column.values, dtype=object)[guesses.values[:, 0]] == truth[hidden].to_numpy()
    assert abs(guesses.probabilities[:, 0].mean() - right.mean()) < 0.04


def _towns(rows: int = 400, seed: int = 0) -> pd.DataFrame:
    """Town, postcode and state tell each other; the name tells nothing; every twelfth row lacks all three."""
    rng = np.random.default_rng(seed)
    at = rng.integers(0, 6, rows)
    frame = pd.DataFrame(
        {
            "Town": np.array(["Ash", "Bay", "Cove", "Dale", "Elm", "Fir"])[at],
            "Postcode": np.array(["10001", "20002", "30003", "40004", "50005", "60006"])[at],
            "State": np.array(["NY", "DC", "GA", "IL", "KS", "OH"])[at],
            "Name": rng.choice(["Ann", "Bob", "Cid"], rows),
        },
        dtype=object,
    )
    frame.loc[::12, ["Town", "Postcode", "State"]] = None
    frame.loc[5::40, "State"] = None
    return frame


def test_a_row_that_lacks_what_would_tell_is_not_guessed_with_the_certainty_of_rows_that_have_it():
    frame = _towns()
    filler = Filler(Table(read_table(frame)), "State")
    bare = np.flatnonzero(frame["Town"].isna())
    other = np.flatnonzero(frame["State"].isna() & frame["Town"].notna())
    assert filler.bare.rows.sum() == len(bare)
    assert filler.guess(bare).probabilities[:, 0].max() < 0.4
    assert filler.guess(other).probabilities[:, 0].min() > 0.9


def test_rows_that_lack_no_more_than_others_are_guessed_as_ever():
    frame = _towns().dropna().reset_index(drop=True)
    frame = frame.mask(np.random.default_rng(3).random(frame.shape) < 0.1, None)
    assert not Filler(Table(read_table(frame)), "State").bare.rows.any()


def test_a_number_of_a_row_that_lacks_what_would_tell_has_a_wide_interval():
    rng = np.random.default_rng(1)
    size = rng.uniform(1, 100, 600)
    frame = pd.DataFrame({"Size": size.round(2).astype(str), "Price": (3 * size).round(2).astype(str)}, dtype=object)
    frame.loc[::10, ["Size", "Price"]] = None
    frame.loc[3::20, "Price"] = None
    filler = Filler(Table(read_table(frame)), "Price")
    rows = np.flatnonzero(frame["Price"].isna())
    found = filler.numbers(rows)
    bare = frame["Size"].isna().to_numpy()[rows]
    assert found.radius[bare].min() > 100
    assert found.radius[~bare].max() < 30
