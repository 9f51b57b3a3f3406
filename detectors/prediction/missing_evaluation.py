"""`manage.py evaluate missing FILE --hide .1`: hides cells of a table, guesses them, compares."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.evaluation import DoesNotFit, add_map_argument, parse_map, read_table
from detectors.mapping import guess_roles
from detectors.missing_values import blank_out
from detectors.prediction.engine import encoding
from detectors.prediction.engine.calibration import calibration_error
from detectors.prediction.engine.encoding import Column, Floats, Ints, Kind
from detectors.prediction.engine.imputation import Filler, Table
from detectors.roles import Role, ValueType

SURE = 0.95
"""The probability above which a guess is suggested without a second look."""

CONFIDENT = 0.8
"""A guessed role is used from this confidence on."""

GATHERED = 0.7
"""Share of a row's cells that are hidden where cells are hidden together."""

IDENTIFIER = 0.98
"""A column with at least this share of distinct values holds identifiers, which are no categories."""


def add_arguments(parser: ArgumentParser) -> None:
    """The table, the share of cells to hide, the seed, and what columns mean."""
    parser.add_argument("file", help="CSV or Parquet, as complete as there is")
    parser.add_argument("--hide", type=float, default=0.1, help="share of filled cells to hide (default .1)")
    parser.add_argument("--seed", type=int, default=0, help="which cells are hidden, and the models' seed")
    parser.add_argument("--together", action="store_true", help="hide them in few rows, most cells of each")
    add_map_argument(parser)


def evaluate(options: Namespace) -> dict[str, Any]:
    """Hide cells of every column at random and guess each of them, with no look at what was hidden.

    `--together` hides most cells of a few rows instead, as people leave whole parts of a form out.

    All columns are guessed, sensitive ones too: this measures; the detector leaves those blank unless an admin
    allows them. Blanks and placeholders are never hidden, as nobody knows what they should hold.

    Returns
    accuracy: share of hidden categorical cells (neither numbers nor identifiers) whose best guess is exactly
        the hidden text; a guess is made for every cell, however unsure.
    accuracy_with_identifiers: the same with identifier columns (`IDENTIFIER`) counted in.
    precision_at_95, coverage_at_95: of the categorical cells guessed with probability >= .95, the share right
        (null if there are none); and their share of all hidden categorical cells.
    calibration_error: expected calibration error of those probabilities, 15 bins of equal count.
    by_column: for every column its kind, hidden cells and these figures; for numbers rmse, spread (standard
        deviation of the hidden numbers) and interval_coverage (share inside the 90 % interval).

    Raises DoesNotFit if the file is no table, `--hide` is not between 0 and 1, or nothing could be hidden.
    """
    if not 0 < options.hide < 1:
        raise DoesNotFit(f"--hide {options.hide}: must lie between 0 and 1")
    frame = read_table(options.file)
    roles = parse_map(options.map, frame)
    return measure(frame, roles, hide=options.hide, seed=options.seed, what=options.file, together=options.together)


def measure(
    frame: pd.DataFrame,
    roles: dict[str, Role],
    *,
    hide: float,
    seed: int,
    what: str = "table",
    together: bool = False,
) -> dict[str, Any]:
    """`evaluate` on a frame of text cells; `roles` go before guessed ones."""
    guessed = {name: guess.role for name, guess in guess_roles(frame).items() if guess.confidence >= CONFIDENT}
    whole = blank_out(frame)
    hidden = _hidden(whole.shape, hide, seed, together=together) & whole.notna().to_numpy()
    if not hidden.any():
        raise DoesNotFit(f"{what}: no filled cell to hide; it needs more filled rows or a larger --hide")
    table = Table(encoding.read_table(whole.mask(hidden, None), {**guessed, **roles}))
    answers = {
        column.name: _answer(table, column, whole.iloc[:, place], np.flatnonzero(hidden[:, place]), seed)
        for place, column in enumerate(table.columns.values())
    }
    by_column = {name: answer.figures() for name, answer in answers.items()}
    categories = [answer for answer in answers.values() if answer.kind == "category"]
    texts = [answer for answer in answers.values() if answer.kind != "number"]
    return {
        "accuracy": _share(_joined(categories, "right")),
        "precision_at_95": _share(_joined(categories, "right")[_joined(categories, "probability") >= SURE]),
        "coverage_at_95": _share(_joined(categories, "probability") >= SURE),
        "calibration_error": calibration_error(_joined(categories, "probability"), _joined(categories, "right")),
        "accuracy_with_identifiers": _share(_joined(texts, "right")),
        "cells": int(sum(len(answer.right) for answer in categories)),
        "by_column": by_column,
    }


def _hidden(shape: tuple[int, int], share: float, seed: int, *, together: bool) -> npt.NDArray[np.bool_]:
    """Which cells to hide: any; or, together, `GATHERED` of the cells of as few rows as give that share."""
    rng = np.random.default_rng(seed)
    if not together:
        return np.asarray(rng.random(shape) < share)
    return np.asarray((rng.random(shape) < GATHERED) & (rng.random((shape[0], 1)) < share / GATHERED))


class _Answer:
    """The guesses for one column's hidden cells."""

    def __init__(self, kind: str, right: Floats, probability: Floats, numeric: dict[str, float]) -> None:
        self.kind, self.right, self.probability, self.numeric = kind, right, probability, numeric

    def figures(self) -> dict[str, Any]:
        sure = self.probability >= SURE
        return {
            "kind": self.kind,
            "hidden": len(self.right),
            "accuracy": _share(self.right),
            "precision_at_95": _share(self.right[sure]),
            "coverage_at_95": _share(sure),
            "calibration_error": calibration_error(self.probability, self.right),
            **self.numeric,
        }


def _answer(table: Table, column: Column, truth: pd.Series, rows: Ints, seed: int) -> _Answer:
    filler = Filler(table, column.name, seed=seed)
    guesses = filler.guess(rows)
    texts = np.array([*column.values, None], dtype=object)[guesses.values[:, 0]]
    right = (texts == truth.to_numpy(dtype=object)[rows]).astype(float)
    numeric: dict[str, float] = {}
    numbers = filler.numbers(rows)
    if numbers is not None and len(rows):
        actual = np.array([encoding.read_number(str(text)) for text in truth.iloc[rows]])
        error, radius = (each[np.isfinite(actual)] for each in (numbers.numbers - actual, numbers.radius))
        numeric = {
            "rmse": float(np.sqrt(np.mean(error**2))),
            "spread": float(np.nanstd(actual)),
            "interval_coverage": float(np.mean(np.abs(error) <= radius)),
        }
    return _Answer(_kind(column), right, guesses.probabilities[:, 0], numeric)


def _kind(column: Column) -> str:
    if column.kind is Kind.NUMBER:
        return "number"
    keyed = column.role is not None and column.role.value_type is ValueType.KEY
    return "identifier" if keyed or len(column.values) >= IDENTIFIER * max(column.filled, 1) else "category"


def _joined(answers: list[_Answer], field: str) -> Floats:
    return np.concatenate([getattr(answer, field) for answer in answers] or [np.zeros(0)])


def _share(right: npt.NDArray[Any]) -> float | None:
    return float(right.mean()) if len(right) else None
