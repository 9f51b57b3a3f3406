"""What a claimed probability promises, on tables large and small, and what it must not depend on."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detectors.prediction.engine.calibration import Calibrator
from detectors.prediction.engine.encoding import read_table
from detectors.prediction.engine.imputation import Filler, Table
from detectors.prediction.missing_evaluation import measure

ROWS = 3_000


def _orders(rows: int, seed: int) -> pd.DataFrame:
    """A town that decides its region, a plan that leans on size and trade, and noise; a tenth of the cells blank."""
    rng = np.random.default_rng(seed)
    town, size, trade = rng.integers(0, 40, rows), rng.integers(0, 6, rows), rng.integers(0, 5, rows)
    plan = (size + trade + rng.normal(0, 1.2, rows) > 5).astype(int) + (size + rng.normal(0, 1, rows) > 4)
    columns = {"Town": town, "Region": town // 5, "Size": size, "Trade": trade, "Plan": plan,
               "Noise": rng.integers(0, 4, rows)}  # fmt: skip
    frame = pd.DataFrame({name: [f"{name} {each}" for each in codes] for name, codes in columns.items()}, dtype=object)
    return frame.mask(rng.random(frame.shape) < 0.1, None)


@pytest.mark.parametrize("answers", [40, 200, 5_000])
def test_scores_that_hold_are_left_as_they_are_and_wrong_ones_are_mended_by_many_answers(answers):
    rng = np.random.default_rng(answers)
    scores = rng.random(answers) ** 0.3
    grid = np.array([0.5, 0.8, 0.95, 0.98])
    kept = Calibrator.fit(scores, (rng.random(answers) < scores).astype(float))(grid)
    assert np.abs(kept - grid).max() < 0.15 if answers < 1_000 else np.abs(kept - grid).max() < 0.04
    doubted = Calibrator.fit(scores, (rng.random(answers) < scores / 2).astype(float))(grid)
    assert (doubted < kept).all()
    if answers == 5_000:
        assert np.abs(doubted - grid / 2).max() < 0.05


def test_a_probability_rises_with_the_score_and_never_leaves_0_to_1():
    rng = np.random.default_rng(1)
    scores = rng.random(400)
    told = Calibrator.fit(scores, np.ones(400))(np.linspace(-1, 2, 100))
    assert (np.diff(told) >= 0).all()
    assert told.min() >= 0
    assert told[-1] < 1, "no number of answers makes certain"


@pytest.mark.parametrize(("rows", "error"), [(400, 0.05), (4_000, 0.02)])
def test_what_is_claimed_holds_on_a_small_table_and_a_large_one(rows, error):
    figures = [measure(_orders(rows, seed), {}, hide=0.1, seed=seed) for seed in range(4)]
    assert np.mean([each["precision_at_95"] for each in figures]) > 0.95
    claimed_less_right = [each["calibration_error"] for each in figures]
    assert np.mean(claimed_less_right) < error + 2 / np.sqrt(rows)


def _guesses(frame: pd.DataFrame, name: str, rows: np.ndarray) -> tuple[list[object], np.ndarray]:
    filler = Filler(Table(read_table(frame)), name)
    guesses = filler.guess(rows)
    return list(np.array([*filler.column.values, None], dtype=object)[guesses.values[:, 0]]), guesses.probabilities


def test_candidates_of_a_cell_never_claim_more_than_1_together():
    frame = _orders(ROWS, 5)
    for name in frame:
        probabilities = _guesses(frame, name, np.arange(ROWS))[1]
        assert probabilities.min() >= 0
        assert probabilities.sum(axis=1).max() <= 1 + 1e-9


def test_a_cell_is_judged_alike_by_itself_and_among_others():
    frame = _orders(ROWS, 6)
    filler = Filler(Table(read_table(frame)), "Plan")
    together = filler.guess(np.arange(60)).probabilities
    alone = np.concatenate([filler.guess(np.array([row])).probabilities for row in range(60)])
    np.testing.assert_allclose(together, alone)


def test_neither_names_nor_order_of_columns_change_a_claim():
    frame = _orders(ROWS, 7)
    rows = np.flatnonzero(frame["Plan"].isna())
    values, before = _guesses(frame, "Plan", rows)
    renamed, after = _guesses(frame.rename(columns={name: f"c {name}" for name in frame}), "c Plan", rows)
    turned, other = _guesses(frame[list(frame)[::-1]], "Plan", rows)
    assert values == renamed == turned
    np.testing.assert_allclose(after, before)
    np.testing.assert_allclose(other, before)


@pytest.mark.parametrize("rows", [1, 2, 50])
def test_small_and_empty_tables_are_guessed_without_certainty(rows):
    frame = _orders(rows, 8)
    frame["Blank"], frame["Same"] = None, "one"
    frame.iloc[0] = None
    for name in frame:
        values, probabilities = _guesses(frame, name, np.arange(rows))
        assert len(values) == rows
        assert np.isfinite(probabilities).all()
        assert probabilities.max(initial=0) <= 1
    empty = frame.mask(frame.notna(), None)
    assert all(np.isfinite(_guesses(empty, name, np.arange(rows))[1]).all() for name in empty)
