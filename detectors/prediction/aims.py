"""What is to be predicted: an aim as a person states it, and the rows whose answer is known."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from detectors.prediction.engine.encoding import Column, Ints, Kind, read_column
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.search import Answers
from detectors.prediction.leakage import leaks
from detectors.prediction.sensitive import is_sensitive
from detectors.roles import Role

OUTER = 5
FEWEST = 60
CLASSES = 50
RARE = 10
"""Rows a class needs to be told from others in every fold; rows of rarer ones are left out."""

FEW_NUMBERS = 20
"""A column of at most so many different numbers is predicted as classes: a rating, a number of seats."""


class CannotPredict(ValueError):
    """The aim does not fit the records; the message says what, where and how to mend it, in one line."""


@dataclass(frozen=True, kw_only=True)
class Aim:
    """What to predict, and what from.

    target: the column whose value is predicted.
    positive: its values that count as the outcome, whose probability is the score ("churned", "won"). None: every
        value is a class of its own, or the column holds numbers (lifetime value).
    negative: its values that count as the outcome not having come. Given these, other values say that nobody knows
        yet: such records are scored and not learned from.
    incumbent: the column in which the present process writes its score: the baseline to beat, never learned from.
    groups: columns whose groups the report tells apart; none: sensitive ones, then those of few values.
    left_out: columns not to learn from.
    kept: columns to learn from whatever speaks against them: sensitive ones, those that seem to tell the answer.
    """

    target: str
    positive: tuple[str, ...] = ()
    negative: tuple[str, ...] = ()
    incumbent: str = ""
    groups: tuple[str, ...] = ()
    left_out: tuple[str, ...] = ()
    kept: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """Plain values, for a database or a model file."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Aim:
        """Read `to_json`. Raises ValueError if it is something else."""
        unknown = set(data) - {field.name for field in fields(cls)}
        if unknown or not data.get("target"):
            raise ValueError(f"no aim: {', '.join(sorted(unknown)) or 'it names no target'}")
        given: dict[str, Any] = {
            name: tuple(value) if isinstance(value, list) else value for name, value in data.items()
        }
        return cls(**given)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it names."""
        named = (self.target, self.incumbent, *self.groups, *self.left_out, *self.kept)
        return tuple(name for name in named if name)


@dataclass(frozen=True)
class Question:
    """The rows whose answer is known.

    answers: (n_rows,) class positions, or numbers where `classes` is empty; of two classes the second is the outcome.
    notes: what a reader should know about rows that were left out.
    """

    aim: Aim
    frame: pd.DataFrame
    roles: Mapping[str, Role]
    answers: Answers
    classes: list[str]
    seed: int = 0
    notes: tuple[str, ...] = ()

    @property
    def numeric(self) -> bool:
        """Whether a number is asked for."""
        return not self.classes

    def folds(self) -> list[tuple[Ints, Ints]]:
        """The outer folds: (rows to learn from, rows to judge by)."""
        kind = KFold if self.numeric else StratifiedKFold
        return list(kind(OUTER, shuffle=True, random_state=self.seed).split(self.frame, self.answers))

    def features(self, rows: Ints | None = None) -> Features:
        """What to learn from in these rows. Raises CannotPredict if nothing is left."""
        frame = self.frame if rows is None else self.frame.iloc[rows]
        found = Features.learn(frame, self.aim.target, self.roles, left_out=self._left_out)
        if not found.features:
            raise CannotPredict(f"{self.aim.target}: no other column can be used to predict it")
        return found

    @property
    def _left_out(self) -> dict[str, str]:
        reasons = dict.fromkeys(self.aim.left_out, "left out by choice")
        if self.aim.incumbent:
            reasons[self.aim.incumbent] = "the present process's score, to be beaten"
        for name in map(str, self.frame.columns):
            if name in reasons or name in self.aim.kept or name == self.aim.target:
                continue
            if is_sensitive(name, self.roles.get(name)):
                reasons[name] = "sensitive"
            elif name in self.leaks:
                reasons[name] = "tells the answer alone"
        return reasons

    @cached_property
    def leaks(self) -> frozenset[str]:
        """Columns that alone tell nearly every answer: as a rule filled in after the fact."""
        features = Features.learn(self.frame, self.aim.target, self.roles)
        return frozenset(leaks(features, features.read(self.frame), self.answers, self.classes))


def question_of(frame: pd.DataFrame, aim: Aim, roles: Mapping[str, Role], seed: int = 0) -> Question:
    """The rows of a frame of text cells whose answer is known.

    Raises CannotPredict if a column is not there, or its values cannot be predicted.
    """
    absent = [name for name in aim.columns if name not in frame.columns]
    if absent:
        raise CannotPredict(
            f"no column {', '.join(map(repr, absent))}; there are: {', '.join(map(str, frame.columns))}"
        )
    column = read_column(frame[aim.target], roles.get(aim.target))
    if column.filled < FEWEST:
        raise CannotPredict(f"{aim.target}: {column.filled} filled rows; a prediction needs at least {FEWEST}")
    if aim.positive:
        return _outcome(frame, aim, roles, column, seed)
    if len(column.values) < 2:
        raise CannotPredict(f"{aim.target}: holds one value only")
    if column.numbers is not None and column.kind is Kind.NUMBER and len(column.values) > FEW_NUMBERS:
        known = np.isfinite(column.numbers)
        return Question(aim, frame.loc[known], roles, column.numbers[known], [], seed)
    return _classes(frame, aim, roles, column, seed)


def _outcome(frame: pd.DataFrame, aim: Aim, roles: Mapping[str, Role], column: Column, seed: int) -> Question:
    """Two classes: the outcome has come, or it has not."""
    absent = [value for value in (*aim.positive, *aim.negative) if value not in column.values]
    if absent:
        raise CannotPredict(f"{aim.target}: never holds {', '.join(map(repr, absent))}")
    of_value = [1 if value in aim.positive else 0 if value in aim.negative or not aim.negative else -1
                for value in column.values]  # fmt: skip
    answers = np.array([*of_value, -1])[column.codes]
    known = answers >= 0
    come = " or ".join(aim.positive)
    classes = [" or ".join(aim.negative) or f"not {come}", come]
    for place, name in enumerate(classes):
        count = int((answers == place).sum())
        if count < RARE:
            raise CannotPredict(f"{aim.target}: {count} rows are {name!r}; at least {RARE} are needed to learn from")
    undecided = len(frame) - int(known.sum())
    notes = (f"{undecided} rows whose outcome is not known were not learned from",) if undecided else ()
    return Question(aim, frame.loc[known], roles, answers[known], classes, seed, notes)


def _classes(frame: pd.DataFrame, aim: Aim, roles: Mapping[str, Role], column: Column, seed: int) -> Question:
    kept = sorted(value for value, count in zip(column.values, column.counts, strict=True) if count >= RARE)
    if not 2 <= len(kept) <= CLASSES:
        raise CannotPredict(
            f"{aim.target}: {len(kept)} values occur in {RARE} rows or more; between 2 and {CLASSES} can be predicted"
        )
    place = {value: position for position, value in enumerate(kept)}
    positions = np.array([place.get(value, -1) for value in column.values] + [-1])[column.codes]
    known = positions >= 0
    rare = int((~known & (column.codes >= 0)).sum())
    notes = (f"{rare} rows of values rarer than {RARE} were left out",) if rare else ()
    return Question(aim, frame.loc[known], roles, positions[known], kept, seed, notes)
