"""The filler of one column: chooses look-ups, trains the trees, and guesses what the blank cells hold."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.prediction.engine.boosting import Guesses, NumberModel, ValueModel
from detectors.prediction.engine.encoding import Column, Floats, Ints, Key, Kind, keys_of, pair_of
from detectors.prediction.engine.knowledge import known_lookups
from detectors.prediction.engine.lookups import FOLDS, Lookup, Target, choose

SAMPLE = 8_000
"""Rows a column's trees are trained on; look-ups count all rows."""

STEPS = 45
"""Steps of boosting for a sample of `ENOUGH` rows or more; a smaller one gets fewer, 15 at least."""

ENOUGH = 2_000


@dataclass(frozen=True)
class NumberGuesses:
    """Predicted numbers (n_rows,) and the radius of their 90 % interval."""

    numbers: Floats
    radius: float


class Table:
    """The columns of a batch with the keys to look them up by; pairs are made once and shared by all targets."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = dict(columns)
        self._keys = {name: keys_of(column) for name, column in self.columns.items()}
        self._pairs: dict[tuple[str, str], Key] = {}

    def keys(self, target: str) -> list[Key]:
        """Every key that is not made from the target."""
        return [key for name, keys in self._keys.items() if name != target for key in keys]

    def pair(self, left: Key, right: Key) -> Key:
        """Both keys together."""
        first, second = sorted((left, right), key=lambda key: key.label)
        labels = (first.label, second.label)
        if labels not in self._pairs:
            self._pairs[labels] = pair_of(first, second)
        return self._pairs[labels]


def column_is_chosen(column: Column, target: Target, lookups: Sequence[Lookup]) -> bool:
    """Whether exact values can be told: any category; a number only if one look-up explains half of its entropy."""
    if column.kind is not Kind.NUMBER:
        return True
    prior = target.prior
    entropy = -float(np.sum(prior * np.log(prior)))
    return bool(lookups) and lookups[0].gain() >= entropy / 2


class Filler:
    """Guesses the missing cells of one column of a table."""

    def __init__(self, table: Table, name: str, *, seed: int = 0) -> None:
        self.column = table.columns[name]
        self._seed = seed
        self._others = [column for other, column in table.columns.items() if other != name]
        rng = np.random.default_rng(seed)
        known = np.flatnonzero(self.column.codes >= 0)
        sample = np.sort(rng.permutation(known)[:SAMPLE])
        fold = np.full(len(self.column.codes), -1, dtype=np.int64)
        fold[sample] = rng.permutation(np.arange(len(sample)) % FOLDS)
        self.target = Target(self.column.codes, max(len(self.column.values), 1), sample, fold)
        self.lookups: list[Lookup] = choose(
            table.keys(name), self.target, table.pair, known=known_lookups(table.columns, self.column, self.target)
        )
        self.model = ValueModel(self.target, self.lookups, self._others)
        if column_is_chosen(self.column, self.target, self.lookups):
            self.model.fit(seed, _steps(sample))

    def guess(self, rows: Ints) -> Guesses:
        """The likeliest values of these rows."""
        return self.model.guess(rows)

    def numbers(self, rows: Ints) -> NumberGuesses | None:
        """Predicted numbers of these rows; None if the column holds no numbers."""
        if self.column.kind is not Kind.NUMBER or self.column.numbers is None:
            return None
        model = NumberModel(self.column.numbers, self.target.sample, self.lookups, self._others)
        model.fit(self._seed, _steps(self.target.sample))
        return NumberGuesses(model.predict(rows), model.radius)


def _steps(sample: Ints) -> int:
    return 15 + round((STEPS - 15) * min(1.0, len(sample) / ENOUGH))
