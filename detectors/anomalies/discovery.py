"""One state for the whole feedback loop: what a steward answers, and the order that follows from it.

    order = expected verdict by similar rows            exact at every answer (similarity.py)
          + A / (A + 10) * share by retrained trees     as of the last refit (hybrid.py)
          + LEAF_SHARE * rank by leaf weights           as of the last refit (active.py)

with A the anomalies confirmed so far. `answer` is instant; `refit` chooses the similarity's length and noise
anew, retrains the trees and solves the leaf weights: every few answers, in a worker.

Mixing ranks (as the leaf weights and their naive Bayes were first mixed) was worse than adding expected
verdicts: a rank forgets that only a handful of rows near the top are likely anomalies at all.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass

import numpy as np

from detectors.anomalies import members
from detectors.anomalies.active import LeafWeights
from detectors.anomalies.features import MEASURED, Features
from detectors.anomalies.forest import Floats, Forest, Leaves, Matrix, grow
from detectors.anomalies.hybrid import retrained
from detectors.anomalies.similarity import Rows, Similarity, Verdicts, standardised

REFIT_EVERY = 5
"""Answers between two refits."""
MIX = 10
LEAF_SHARE = 0.05
MOST_ANSWERS = 600
"""Similarity costs the square of the answers: beyond these, the latest of each verdict are kept."""
POOL = 32_000
"""Rows moved between two refits, the best of the order; the rest waits for the next refit."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A row's verdict; trust in (0, 1] is how far the person is believed."""

    row: int
    confirmed: bool
    trust: float = 1.0


@dataclass(frozen=True, slots=True)
class Unlabelled:
    """What is known of a table before the first answer.

    values: (n, d) features without gaps; forest and leaves (n, trees) of them.
    isolation: (n,) rank of the forest's score; outlyingness: (n,) rank of the mean tail share over all members.
    inputs: (n, d + members) the features extended by the members' ranks, for the retrained trees.
    similar: (n, d) the features as the similarity measures them.
    """

    values: Matrix
    forest: Forest
    leaves: Leaves
    isolation: Floats
    outlyingness: Floats
    inputs: Matrix
    similar: Matrix

    def __len__(self) -> int:
        return len(self.values)


def unlabelled(made: Features, seed: int) -> Unlabelled:
    """Grow the forest and rank the rows by every member. Raises ValueError for a table without rows or columns."""
    values = np.ascontiguousarray(made.values, np.float32)
    forest = grow(values, seed)
    leaves = forest.leaves(values)
    whole, special = _members(made, forest.score(leaves))
    ranked = [members.ranks(score) for score in (*whole, *special)]
    together = members.combined(whole, special)
    inputs = np.column_stack([values, *ranked, together]).astype(np.float32)
    return Unlabelled(values, forest, leaves, ranked[0], together, inputs, standardised(values))


class Discovery:
    """The order of a table's rows under feedback.

    `answer` and `refit` change it in place; `fork` it first to keep it.
    """

    def __init__(self, table: Unlabelled, answers: Sequence[Answer] = (), *, seed: int = 0) -> None:
        self.table, self.seed = table, seed
        self.answers: dict[int, Answer] = {answer.row: answer for answer in answers}
        self.pool: Rows = np.arange(len(table))
        self.place_in_pool: Rows = self.pool
        self.similarity = Similarity(table.similar, table.outlyingness)
        self.expected = self.similarity.mean
        self.by_trees: Floats | None = None
        self.by_leaves = table.isolation
        if answers:
            self.refit()

    @property
    def confirmed(self) -> int:
        """How many answers confirmed an anomaly."""
        return sum(answer.confirmed for answer in self.answers.values())

    def fork(self) -> Discovery:
        """A state that goes on from this one and leaves it as it is."""
        other = copy(self)
        other.answers = dict(self.answers)
        other.similarity = self.similarity.fork()
        other.expected = other.similarity.mean if self._pool_is_all() else self.expected.copy()
        return other

    def answer(self, answer: Answer) -> None:
        """Take one verdict in and move the order at once. A second verdict on a row replaces the first."""
        again = answer.row in self.answers
        self.answers[answer.row] = answer
        if again:
            self._replay()
        elif self.place_in_pool[answer.row] >= 0:
            self.similarity.add(int(self.place_in_pool[answer.row]), answer.confirmed, answer.trust)
        self._spread_pool()

    def refit(self) -> None:
        """Retrain on all answers so far."""
        rows, confirmed, trust = self._arrays()
        self._choose_pool(rows)
        kept = _latest(confirmed)
        self.similarity.learn(self.place_in_pool[rows[kept]], confirmed[kept], trust[kept])
        self._spread_pool(everywhere=True)
        leaf_weights = LeafWeights(self.table.leaves, self.table.forest.depth)
        leaf_weights.solve(rows, confirmed, trust)
        self.by_leaves = members.ranks(leaf_weights.scores)
        self.by_trees = retrained(self.table.inputs, rows, confirmed, trust, self.seed + len(rows))

    def resume(
        self, answers: Sequence[Answer], *, pool: Rows, length: float, noise: float, base: float, expected: Matrix,
        by_leaves: Floats, by_trees: Floats | None,
    ) -> None:  # fmt: skip
        """Take up a stored state as it was after its last refit and answers."""
        self.answers = {answer.row: answer for answer in answers}
        self.by_leaves, self.by_trees, self.expected = by_leaves, by_trees, np.array(expected)
        if len(pool) < len(self.table):
            self._set_pool(pool)
        self.similarity.length, self.similarity.noise, self.similarity.base = length, noise, base
        self._replay()
        self._spread_pool()

    def scores(self) -> Floats:
        """Every row's place in today's order, higher = sooner: (n,), in units of an expected verdict."""
        order = self.expected.astype(np.float64)
        order += LEAF_SHARE * self.by_leaves
        if self.by_trees is not None:
            found = self.confirmed
            order += found / (found + MIX) * self.by_trees
        return order

    def next(self, many: int = 1) -> list[int]:
        """The rows to ask about: the best of today's order that have no answer yet."""
        order = self.scores()
        order[list(self.answers)] = -np.inf
        many = min(many, len(order) - len(self.answers))
        best = np.argpartition(-order, many - 1)[:many] if many < len(order) else np.arange(len(order))
        return [int(row) for row in best[np.argsort(-order[best], kind="stable")]]

    def _pool_is_all(self) -> bool:
        return len(self.pool) == len(self.table)

    def _choose_pool(self, answered: Rows) -> None:
        """The rows that move between refits: all, or the best POOL of today's order and every answered one."""
        if len(self.table) <= POOL:
            self.similarity = self.similarity.fork()
            return
        best = np.argpartition(-self.scores(), POOL)[:POOL]
        self._set_pool(np.union1d(best, answered))

    def _set_pool(self, pool: Rows) -> None:
        self.pool = pool
        self.place_in_pool = np.full(len(self.table), -1)
        self.place_in_pool[pool] = np.arange(len(pool))
        self.similarity = Similarity(self.table.similar[self.pool], self.table.outlyingness[self.pool])

    def _replay(self) -> None:
        rows, confirmed, trust = self._arrays()
        inside = np.flatnonzero(self.place_in_pool[rows] >= 0)
        kept = inside[_latest(confirmed[inside])]
        self.similarity.replay(self.place_in_pool[rows[kept]], confirmed[kept], trust[kept])

    def _spread_pool(self, *, everywhere: bool = False) -> None:
        """Lay the pool's expected verdicts out over the table; `everywhere` also reckons the rows outside it."""
        if self._pool_is_all():
            self.expected = self.similarity.mean
            return
        if everywhere:
            self.expected = self.similarity.expected(self.table.similar, self.table.outlyingness)
        self.expected[self.pool] = self.similarity.mean

    def _arrays(self) -> tuple[Rows, Verdicts, Floats]:
        given = list(self.answers.values())
        return (
            np.array([answer.row for answer in given], np.int64),
            np.array([answer.confirmed for answer in given], bool),
            np.array([answer.trust for answer in given], np.float64),
        )


def _latest(confirmed: Verdicts) -> Rows:
    """Positions of the answers the similarity keeps: the latest MOST_ANSWERS, half of them of each verdict."""
    if len(confirmed) <= MOST_ANSWERS:
        return np.arange(len(confirmed))
    yes, no = np.flatnonzero(confirmed), np.flatnonzero(~confirmed)
    half = MOST_ANSWERS // 2
    yes = yes[-max(half, MOST_ANSWERS - len(no)) :]
    return np.sort(np.concatenate([yes, no[-(MOST_ANSWERS - len(yes)) :]]))


def _members(made: Features, isolation: Floats) -> tuple[list[Floats], list[Floats]]:
    """Scores (n,) of the members that judge a whole row, and of those that look for one kind of oddness."""
    exact = made.values.astype(np.float32).astype(np.float64)
    whole = [isolation, members.ecod(exact), members.quantile_hbos(exact)]
    special = []
    measured = [place for place, feature in enumerate(made.columns) if feature.kind in MEASURED]
    pairs = [place for place, feature in enumerate(made.columns) if feature.kind == "pair"]
    if measured:
        values = made.values[:, measured]
        whole += [members.robust_z(values).max(axis=1), members.iqr_fences(values).sum(axis=1)]
    if len(measured) > 1:
        special.append(members.regression_residual(made.values[:, measured]).max(axis=1))
    if pairs:
        special.append(made.values[:, pairs].max(axis=1))
    return whole, special
