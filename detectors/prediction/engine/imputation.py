"""The filler of one column: chooses look-ups, trains the trees, and guesses what the blank cells hold."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from zlib import crc32

import numpy as np
from threadpoolctl import threadpool_limits

from detectors.prediction.engine.bareness import Bare
from detectors.prediction.engine.boosting import CANDIDATES, Guesses, NumberModel, ValueModel
from detectors.prediction.engine.encoding import Column, Floats, Ints, Key, Kind, keys_of, pair_of
from detectors.prediction.engine.knowledge import known_lookups
from detectors.prediction.engine.lookups import FOLDS, Lookup, Target, choose, telling
from detectors.prediction.engine.texts import text_lookups

WORK = 12_000
"""Rows of work a column gets: those its trees are trained on and, at `GUESSED` each, those to be guessed. Look-ups
count all rows. With a tenth of 100,000 x 15 cells blank, this keeps a table within 20 seconds of one core."""

GUESSED = 0.6
FEWEST = 4_000
STEPS_A_ROW = 45 / 8_000
MOST_STEPS = 60
ENOUGH = 2_000
"""A sample of fewer rows takes fewer steps of boosting, down to `LEAST_STEPS`."""

LEAST_STEPS = 15
NUMBER_STEPS = 60


@dataclass(frozen=True)
class NumberGuesses:
    """Predicted numbers and the radius of the 90 % interval of each; both (n_rows,)."""

    numbers: Floats
    radius: Floats


class Table:
    """The columns of a batch with the keys to look them up by; pairs are made once and shared by all targets."""

    def __init__(self, columns: Mapping[str, Column]) -> None:
        self.columns = dict(columns)
        self._keys = {name: keys_of(column) for name, column in self.columns.items()}
        self._pairs: dict[tuple[str, str], Key] = {}

    @cached_property
    def by_content(self) -> list[Column]:
        """The columns in an order that follows from what they hold, so that neither their order nor names matter."""
        return sorted(self.columns.values(), key=lambda column: (len(column.values), crc32(column.codes.tobytes())))

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
    """Guesses the missing cells of one column of a table.

    Rows that lack more than a known row does are guessed by a model that learned from rows as bare (see `Bare`).

    On one thread: with samples this small a second one mostly waits, and on a busy machine costs ten times as much.
    """

    def __init__(self, table: Table, name: str, *, seed: int = 0) -> None:
        self.column = table.columns[name]
        self._seed = seed
        self._others = [column for column in table.by_content if column.name != name]
        rng = np.random.default_rng(seed)
        known = np.flatnonzero(self.column.codes >= 0)
        sample = np.sort(rng.permutation(known)[: _sample_size(self.column)])
        fold = np.full(len(self.column.codes), -1, dtype=np.int64)
        fold[sample] = rng.permutation(np.arange(len(sample)) % FOLDS)
        self.target = Target(self.column.codes, max(len(self.column.values), 1), sample, fold)
        self.lookups: list[Lookup] = choose(
            table.keys(name), self.target, table.pair, known=known_lookups(table.columns, self.column, self.target)
        )
        self.lookups += telling(text_lookups(self._others, self.target))
        self.bare = Bare.find(self._others, self.target, np.random.default_rng([seed, 1]))
        self.exact = column_is_chosen(self.column, self.target, self.lookups)
        self._models = [ValueModel(self.target, lookups, others) for lookups, others in self._views()]
        with threadpool_limits(1):
            for model in self._models if self.exact else []:
                model.fit(seed, _steps(self.column))

    def guess(self, rows: Ints) -> Guesses:
        """The likeliest values of these rows."""
        found = Guesses(np.empty((len(rows), CANDIDATES), dtype=np.int64), np.empty((len(rows), CANDIDATES)))
        with threadpool_limits(1):
            for bare, model in enumerate(self._models):
                at = np.flatnonzero(self.bare.rows[rows] == bool(bare))
                part = model.guess(rows[at])
                found.values[at], found.probabilities[at] = part.values, part.probabilities
        return found

    def numbers(self, rows: Ints) -> NumberGuesses | None:
        """Predicted numbers of these rows; None if the column holds no numbers."""
        if self.column.kind is not Kind.NUMBER or self.column.numbers is None:
            return None
        numbers, radius = np.zeros(len(rows)), np.zeros(len(rows))
        for bare, (lookups, others) in enumerate(self._views()):
            at = np.flatnonzero(self.bare.rows[rows] == bool(bare))
            model = NumberModel(self.column.numbers, self.target.sample, lookups, others)
            with threadpool_limits(1):
                model.fit(self._seed, NUMBER_STEPS)
            numbers[at], radius[at] = model.predict(rows[at]), model.radius
        return NumberGuesses(numbers, radius)

    def _views(self) -> Iterator[tuple[list[Lookup], list[Column]]]:
        """What is learned from: the table as it is; and, if there are bare rows, as bare as they are."""
        yield self.lookups, self._others
        if self.bare.rows.any():
            hidden = self.bare.hidden
            yield (
                [lookup.without(hidden) for lookup in self.lookups],
                [column.without(hidden) for column in self._others],
            )


def _sample_size(column: Column) -> int:
    blank = len(column.codes) - column.filled
    return max(FEWEST, round(WORK - GUESSED * blank))


def _steps(column: Column) -> int:
    most = min(MOST_STEPS, round(STEPS_A_ROW * _sample_size(column)))
    return LEAST_STEPS + round((most - LEAST_STEPS) * min(1.0, column.filled / ENOUGH))
