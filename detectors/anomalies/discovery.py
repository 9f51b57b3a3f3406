"""One state for the whole feedback loop: what a steward answers, and the order that follows from it.

    order = expected verdict by similar rows            exact at every answer (similarity.py)
          + A / (A + 10) * share by retrained trees     as of the last refit (hybrid.py)
          + LEAF_SHARE * rank by leaf weights           AAD and leaf naive Bayes (active.py)

with A the anomalies confirmed so far. `answer` is instant; `refit` chooses the similarity's length and noise
anew, retrains the trees and solves the leaf weights to the end: every few answers, in a worker.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.anomalies import members
from detectors.anomalies.active import LeafWeights
from detectors.anomalies.forest import Floats, Forest, Leaves, Matrix, grow
from detectors.anomalies.hybrid import retrained
from detectors.anomalies.similarity import Rows, Similarity, standardised

REFIT_EVERY = 5
"""Answers between two refits."""
MIX = 10
LEAF_SHARE = 0.05
MOST_ANSWERS = 600
"""Similarity costs the square of the answers: beyond these, all confirmed and the latest dismissed are kept."""


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
    isolation: (n,) rank of the forest's score; outlyingness: (n,) mean rank of forest, ECOD and HBOS.
    inputs: (n, d + 4) the features extended by the members' ranks, for the trees.
    similar: (n, e) the features as the similarity measures them.
    """

    values: Matrix
    forest: Forest
    leaves: Leaves
    isolation: Floats
    outlyingness: Floats
    inputs: Matrix
    similar: Matrix


def unlabelled(values: Matrix, seed: int) -> Unlabelled:
    """Grow the forest and rank the rows by every member. Raises ValueError for a table without cells."""
    values = np.ascontiguousarray(values, np.float32)
    forest = grow(values, seed)
    leaves = forest.leaves(values)
    exact = values.astype(np.float64)
    isolation = members.ranks(forest.score(leaves))
    tails, density = members.ranks(members.ecod(exact)), members.ranks(members.quantile_hbos(exact))
    together = members.rank_average([isolation, tails, density])
    inputs = np.column_stack([values, isolation, tails, density, together]).astype(np.float32)
    return Unlabelled(values, forest, leaves, isolation, together, inputs, standardised(values))


class Discovery:
    """The order of a table's rows under feedback. Changes in place; `copy` it to keep the old one."""

    def __init__(self, table: Unlabelled, answers: Sequence[Answer] = (), *, seed: int = 0) -> None:
        self.table, self.seed = table, seed
        self.answers: dict[int, Answer] = {}
        self.similarity = Similarity(table.similar, table.isolation)
        self.leaf_weights = LeafWeights(table.leaves, table.forest.depth)
        self.by_trees: Floats | None = None
        for answer in answers:
            self.answers[answer.row] = answer
        if answers:
            self.refit()

    @property
    def confirmed(self) -> int:
        """How many answers confirmed an anomaly."""
        return sum(answer.confirmed for answer in self.answers.values())

    def answer(self, answer: Answer) -> None:
        """Take one verdict in and move the order at once. A second verdict on a row replaces the first."""
        before = self.answers.get(answer.row)
        self.answers[answer.row] = answer
        self.leaf_weights.count(answer.row, answer.confirmed, answer.trust)
        if before is None:
            self.similarity.add(answer.row, answer.confirmed, answer.trust)
        else:
            self.leaf_weights.count(before.row, before.confirmed, -before.trust)
            self._relearn_similarity()

    def refit(self) -> None:
        """Retrain on all answers so far."""
        rows, confirmed, trust = self._arrays()
        self._relearn_similarity()
        self.leaf_weights.solve(rows, confirmed, trust)
        self.by_trees = retrained(self.table.inputs, rows, confirmed, trust, self.seed + len(rows))

    def scores(self) -> Floats:
        """Every row's place in today's order, higher = sooner: (n,), in units of an expected verdict."""
        order = self.similarity.mean.astype(np.float64)
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

    def _relearn_similarity(self) -> None:
        rows, confirmed, trust = self._arrays()
        if len(rows) > MOST_ANSWERS:
            late = np.flatnonzero(~confirmed)[-max(MOST_ANSWERS - int(confirmed.sum()), MOST_ANSWERS // 2) :]
            kept = np.sort(np.concatenate([np.flatnonzero(confirmed)[-MOST_ANSWERS // 2 :], late]))
            rows, confirmed, trust = rows[kept], confirmed[kept], trust[kept]
        self.similarity.learn(rows, confirmed, trust)

    def _arrays(self) -> tuple[Rows, np.ndarray[tuple[int], np.dtype[np.bool_]], Floats]:
        given = list(self.answers.values())
        return (
            np.array([answer.row for answer in given], np.int64),
            np.array([answer.confirmed for answer in given], bool),
            np.array([answer.trust for answer in given], np.float64),
        )
