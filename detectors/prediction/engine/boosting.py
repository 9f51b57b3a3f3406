"""Boosted trees that judge candidates: look-ups propose values for a cell, trees say how likely each one is.

One question ("which of these candidates is it, or none?") for every column, whatever its number of values: a
multi-class model grows a tree a value a step, is slow and unstable on rare values, and cannot be had for two
thousand cities.

Tried and rejected: HistGradientBoosting multi-class (adult .79 at three times the cost, .57 on a column of 16
values with the usual learning rate); leave-one-out counts as features (trees read the answer out of the missing
one: adult .69; folds cure it).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from detectors.prediction.engine.calibration import Calibrator, conformal_radius
from detectors.prediction.engine.encoding import MANY, Bools, Column, Floats, Ints
from detectors.prediction.engine.lookups import Lookup, Target
from detectors.prediction.engine.trees import Bins, Bytes, Shape, Trees, boost_choices, boost_numbers, shares

CANDIDATES = 5
LEADERS = 3
CHUNK = 20_000

PARTS = 4
"""The sample is cut in so many parts, and a model trained on each pair of them. Every sampled row is judged by the
models that saw neither of their parts with it, as a blank cell is by all of them, so that calibration meets what it
was made for. Two halves, each judged by the other alone, claimed too little: a mean of models is better than one."""
FINE = 200
"""A key of more groups than this also tells the trees how large the row's group is."""


@dataclass(frozen=True)
class Guesses:
    """Candidates of some rows, the likeliest first.

    values: (n_rows, n_candidates) target codes; -1 where there are fewer candidates.
    probabilities: the same shape; that of the first is calibrated.
    """

    values: Ints
    probabilities: Floats


class ValueModel:
    """Ranks the values that a missing cell could hold."""

    def __init__(self, target: Target, lookups: Sequence[Lookup], others: Sequence[Column]) -> None:
        self.target = target
        self.lookups = list(lookups)
        self._leaders = [lookup.leading(LEADERS) for lookup in self.lookups]
        self._log_prior = np.log(target.prior)
        self._rows = [column.feature for column in others if column.numbers is not None or len(column.values) <= MANY]
        self._trees: list[Trees] = []
        self._bins = Bins([])
        self._calibrate: Calibrator | None = None

    def fit(self, seed: int, steps: int) -> None:
        """Train a model on each pair of parts; calibrate on every row the mean of those that did not see it."""
        rows = self.target.sample
        values, features = self._questions(rows)
        live = values >= 0
        right = live & (values == self.target.codes[rows][:, None])
        part = np.random.default_rng(seed).permutation(np.arange(len(rows)) % PARTS)
        fewest = min(right[part == each].sum() for each in range(PARTS)) if len(rows) else 0
        if fewest < 5 or right.all():
            return
        self._bins = Bins.fit(features.reshape(-1, features.shape[2]))
        binned = self._bins(features.reshape(-1, features.shape[2])).reshape(features.shape)
        utility, judges = np.zeros(right.shape), np.zeros(len(rows))
        for pair in combinations(range(PARTS), 2):
            seen = np.isin(part, pair)
            model = boost_choices(binned[seen], right[seen], live[seen], Shape(steps), seed + len(self._trees))
            self._trees.append(model)
            utility[~seen] += _utility(model, binned[~seen], live[~seen])
            judges[~seen] += 1
        scores = shares(utility / judges[:, None], live)
        best = scores.argmax(axis=1)[:, None]
        self._calibrate = Calibrator.fit(
            np.take_along_axis(scores, best, 1)[:, 0], np.take_along_axis(right, best, 1)[:, 0].astype(float)
        )

    def guess(self, rows: Ints) -> Guesses:
        """The candidates of these rows and how likely each is."""
        parts = [self._guess(rows[start : start + CHUNK]) for start in range(0, len(rows), CHUNK)]
        if not parts:
            return Guesses(np.empty((0, CANDIDATES), dtype=np.int64), np.empty((0, CANDIDATES)))
        return Guesses(*(np.concatenate(field) for field in zip(*parts, strict=True)))

    def _guess(self, rows: Ints) -> tuple[Ints, Floats]:
        values, features = self._questions(rows)
        scores = self._judge(values, features) if self._trees else np.exp(self._log_prior[values])
        scores = np.where(values < 0, -1.0, scores)
        order = np.argsort(-scores, axis=1, kind="stable")
        values, scores = np.take_along_axis(values, order, 1), np.take_along_axis(scores, order, 1)
        first = self._calibrate(scores[:, 0]) if self._calibrate else scores[:, 0].clip(0)
        rest = scores[:, 1:].clip(0)
        room = np.minimum(1 - first, first * rest.sum(axis=1) / np.maximum(scores[:, 0], 1e-9))
        rest *= (room / np.maximum(rest.sum(axis=1), 1e-9))[:, None]
        return values, np.column_stack([first, rest])

    def _judge(self, values: Ints, features: Floats) -> Floats:
        """(n, m) probability of each candidate by the mean utility that all models give it.

        The mean of probabilities claims too little where one model doubts: that of utilities is their geometric mean.

        Source: Genest and Zidek, "Combining probability distributions", Statistical Science 1986 (logarithmic pool).
        """
        binned = self._bins(features.reshape(-1, features.shape[2])).reshape(features.shape)
        live = values >= 0
        return shares(np.asarray(np.mean([_utility(model, binned, live) for model in self._trees], axis=0)), live)

    def _questions(self, rows: Ints) -> tuple[Ints, Floats]:
        """Candidates (n, m) and what the trees see of each: (n, m, n_features)."""
        values, votes = self._candidates(rows)
        known = np.maximum(values, 0)
        seen = [votes, votes - votes.max(axis=1, keepdims=True), self._log_prior[known], known]
        for lookup in self.lookups:
            evidence, _, size = lookup.evidence(rows, known)
            seen.append(evidence)
            if lookup.key.size > FINE:
                seen.append(np.broadcast_to(size, evidence.shape))
        seen += [np.broadcast_to(feature[rows][:, None], values.shape) for feature in self._rows]
        features: Floats = np.stack(seen, axis=-1)
        return values, features

    def _candidates(self, rows: Ints) -> tuple[Ints, Floats]:
        """The values that look-ups propose for each row, by the sum of their evidence; (n, CANDIDATES) twice."""
        common = np.broadcast_to(np.arange(min(LEADERS, self.target.size)), (len(rows), min(LEADERS, self.target.size)))
        proposed, votes = [common], [np.zeros(common.shape)]
        for lookup, leaders in zip(self.lookups, self._leaders, strict=True):
            key = lookup.key.codes[rows]
            values = np.where(key[:, None] < 0, -1, leaders[key])
            evidence, held, _ = lookup.evidence(rows, np.maximum(values, 0))
            proposed.append(np.where(held > 0, values, -1))
            votes.append(evidence)
        return self._leading(np.concatenate(proposed, axis=1), np.concatenate(votes, axis=1))

    def _leading(self, proposed: Ints, votes: Floats) -> tuple[Ints, Floats]:
        """Add up the votes of equal proposals of a row and keep the best CANDIDATES."""
        row, place = np.nonzero(proposed >= 0)
        pairs, inverse = np.unique(row * self.target.size + proposed[row, place], return_inverse=True)
        total = np.bincount(inverse, weights=votes[row, place])
        rows, values = np.divmod(pairs, self.target.size)
        total = total + self._log_prior[values]
        order = np.lexsort((values, -total, rows))
        rows, values, total = rows[order], values[order], total[order]
        rank = np.arange(len(rows)) - np.searchsorted(rows, rows)
        keep = rank < CANDIDATES
        best = np.full((len(proposed), CANDIDATES), -1, dtype=np.int64)
        score = np.full(best.shape, -50.0)
        best[rows[keep], rank[keep]], score[rows[keep], rank[keep]] = values[keep], total[keep]
        return best, score


class NumberModel:
    """Predicts a number, with an interval that holds the truth nine times in ten."""

    def __init__(self, numbers: Floats, sample: Ints, lookups: Sequence[Lookup], others: Sequence[Column]) -> None:
        """numbers: (n_rows,) the target, NaN where missing. sample: rows to train on."""
        self._numbers = numbers
        self._sample = sample
        self._lookups = [lookup for lookup in lookups if lookup.key.size > MANY]
        self._rows = [column.feature for column in others]
        self._trees: list[Trees] = []
        self._bins, self._centre = Bins([]), 0.0
        self.radius = float("inf")

    def fit(self, seed: int, steps: int) -> None:
        """Train two models on a half of the sample each; measure the errors on the other halves."""
        numbers = self._numbers[self._sample]
        half = np.arange(len(numbers)) % 2 == 0
        if len(numbers) < 20:
            return
        features = self._features(self._sample)
        self._bins = Bins.fit(features)
        binned = self._bins(features)
        self._centre = float(numbers.mean())
        errors = np.empty(len(numbers))
        for part in (half, ~half):
            model = boost_numbers(binned[part], numbers[part] - self._centre, Shape(steps, columns=1.0), seed)
            self._trees.append(model)
            errors[~part] = np.abs(model(binned[~part]) + self._centre - numbers[~part])
        self.radius = conformal_radius(errors)

    def predict(self, rows: Ints) -> Floats:
        """(n,) the predicted numbers; the median where there was too little to learn from."""
        if not self._trees or len(rows) == 0:
            known = self._numbers[self._sample]
            return np.full(len(rows), np.median(known) if len(known) else np.nan)
        binned = self._bins(self._features(rows))
        return np.asarray(np.mean([tree(binned) for tree in self._trees], axis=0) + self._centre)

    def _features(self, rows: Ints) -> Floats:
        return np.column_stack([feature[rows] for feature in self._rows] or [np.zeros(len(rows))])


def _utility(model: Trees, binned: Bytes, live: Bools) -> Floats:
    """(n, m) utility of each candidate by one model; 0 where there is none."""
    utility = np.zeros(live.shape)
    utility[live] = model(binned[live])
    return utility
