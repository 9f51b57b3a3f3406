"""One state for the whole feedback loop: what a steward answers, and the order that follows from it.

    order = probability by similar rows     at every answer (similarity.py)
          + LEAF_SHARE * rank by leaf weights   as of the last refit (active.py)

`answer` is instant; `refit` weighs all answers anew against each other and solves the leaf weights: every few answers,
in a worker.

Mixing ranks (as the leaf weights and their naive Bayes were first mixed) was worse than adding expected
verdicts: a rank forgets that only a handful of rows near the top are likely anomalies at all. Randomised trees
retrained on the answers, once a third part, added nothing beside the similarity and believed wrong answers: see
docs/benchmarks/anomalies.md.
"""

from __future__ import annotations

from collections.abc import Sequence
from copy import copy
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from scipy.special import ndtr

from detectors.anomalies import members
from detectors.anomalies.active import LeafWeights
from detectors.anomalies.departures import SURE, surest
from detectors.anomalies.features import MEASURED, Features, in_one_unit
from detectors.anomalies.forest import Floats, Forest, Leaves, Matrix, grow
from detectors.anomalies.similarity import BASE, SPREAD, Rows, Similarity, Verdicts, normal_scores, standardised
from detectors.anomalies.sites import Sites
from detectors.anomalies.unlike import unlike
from detectors.compiling import compiled

REFIT_EVERY = 5
"""Answers between two refits."""
LEAF_SHARE = 0.05
MOST_ANSWERS, ROOM = 600, 200
"""Similarity costs the square of the answers: beyond these, the latest of each verdict are kept. ROOM: so many more are
taken in between two times that the oldest are dropped."""
ONE_BY_ONE = 128
"""More answers than these at once are weighed anew with all the others, which costs as much."""
POOL = 16_384
"""Rows moved between two refits, the best of the order; the rest waits for the next refit."""
WIDER = 20
"""Where a page found nothing, the next is picked from so many times as many rows."""
ALONE = "one value alone"
"""The name of the member that asks each column by itself."""
LEAST_ERROR = 0.01
"""Nobody is taken to err less often."""


@dataclass(frozen=True, slots=True)
class Answer:
    """A row's verdict; trust in (0, 1] is how far the person is believed: 1 - 2 * how often they err."""

    row: int
    confirmed: bool
    trust: float = 1.0

    @property
    def error(self) -> float:
        """How often who gave this answer errs."""
        return min(max((1 - self.trust) / 2, LEAST_ERROR), 0.49)

    def belief(self, expected: float) -> float:
        """The probability that the row is an anomaly, by this answer on one that was expected to be with `expected`."""
        right, wrong = (1 - self.error, self.error) if self.confirmed else (self.error, 1 - self.error)
        return right * expected / max(right * expected + wrong * (1 - expected), 1e-12)


@dataclass(frozen=True)
class Unlabelled:
    """What is known of a table before the first answer.

    values: (n, d) features without gaps; forest and leaves (n, trees) of them.
    ranks: (n, members) every member's rank of each row, the forest's first; names: of the members.
    outlyingness: (n,) the members' common order as ranks.
    sure: (n,) whether one value alone makes a row worth a look.
    """

    values: Matrix
    forest: Forest
    leaves: Leaves
    ranks: Matrix
    outlyingness: Floats
    names: tuple[str, ...]
    sure: Verdicts

    def __len__(self) -> int:
        return len(self.values)

    @property
    def isolation(self) -> Matrix:
        """The rank of the forest's score: (n,)."""
        return self.ranks[:, 0]

    @cached_property
    def similar(self) -> Matrix:
        """The features as the similarity measures them: (n, d)."""
        return standardised(self.values)

    @cached_property
    def members(self) -> Matrix:
        """The common rank and the members' as the similarity weighs them: (n, 1 + members)."""
        return normal_scores(self.outlyingness, self.ranks)


def unlabelled(made: Features, seed: int, forest: Forest | None = None) -> Unlabelled:
    """Grow the forest, unless one is given, and rank the rows by every member.

    Raises ValueError for a table without rows or columns.
    """
    values = np.ascontiguousarray(made.values, np.float32)
    forest = grow(values, seed) if forest is None else forest
    leaves = forest.leaves(values)
    whole, special = _members(made, forest.score(leaves))
    alone = surest(made)
    scored = whole | special | ({} if alone is None else {ALONE: alone})
    ranks = np.empty((len(values), len(scored)), np.float32)
    for place, score in enumerate(scored.values()):
        ranks[:, place] = members.ranks(score)
    together = members.combined(list(whole.values()), list(special.values()), alone)
    sure = np.zeros(len(values), bool) if alone is None else alone > SURE
    return Unlabelled(values, forest, leaves, ranks, together, tuple(scored), sure)


class Discovery:
    """The order of a table's rows under feedback.

    `answer` and `refit` change it in place; `fork` it first to keep it.
    """

    def __init__(self, table: Unlabelled, answers: Sequence[Answer] = ()) -> None:
        self.table = table
        self.answers: dict[int, Answer] = {answer.row: answer for answer in answers}
        self.pool: Rows = np.arange(len(table))
        self.place_in_pool: Rows = self.pool
        self.similarity = Similarity(table.similar, table.members)
        self.moving = self.standing = self.similarity.expected
        self.beliefs = {answer.row: answer.belief(self.chance_of(answer.row)) for answer in answers}
        self.by_leaves: Floats = table.isolation.astype(np.float64)
        if answers:
            self.refit()

    @property
    def found(self) -> float:
        """How many anomalies the answers found, each counted as far as it is believed."""
        return sum(self.beliefs.values())

    @property
    def usual(self) -> float:
        """The probability that the middling row is an anomaly, before any answer."""
        return float(ndtr(BASE / np.sqrt(1 + SPREAD)))

    @property
    def expected(self) -> Matrix:
        """The probability that each row is an anomaly: (n,)."""
        if self._pool_is_all():
            return self.moving
        whole = self.standing.copy()
        whole[self.pool] = self.moving
        return whole

    def expected_at(self, rows: Rows) -> Matrix:
        """The same of these rows alone, without touching the rest of the table: (len(rows),)."""
        places = self.place_in_pool[rows]
        return np.where(places >= 0, self.moving[places], self.standing[rows])

    def chance_of(self, row: int) -> float:
        """The same of one row."""
        return float(self.expected_at(np.array(row)))

    def fork(self) -> Discovery:
        """A state that goes on from this one and leaves it as it is."""
        other = copy(self)
        other.answers, other.beliefs = dict(self.answers), dict(self.beliefs)
        other.similarity = self.similarity.fork()
        return other

    def answer(self, answer: Answer) -> None:
        """Take one verdict in and move the order at once. A second verdict on a row replaces the first.

        O(pool * answers); once in ROOM answers, when the oldest are dropped, O(pool * answers^2).
        """
        self.answers[answer.row] = answer
        self.beliefs[answer.row] = answer.belief(self.chance_of(answer.row))
        if self.place_in_pool[answer.row] >= 0:
            self.similarity.answer(int(self.place_in_pool[answer.row]), answer.confirmed, answer.error)
            if self.similarity.known > MOST_ANSWERS + ROOM:
                self._drop_oldest()
        self._spread_pool()

    def take(self, answers: Sequence[Answer]) -> None:
        """Take several verdicts in, in the order given: one by one, or where they are many, all at once."""
        if len(answers) <= ONE_BY_ONE:
            for answer in answers:
                self.answer(answer)
            return
        for answer in answers:
            self.answers.pop(answer.row, None)  # it is the latest now
            self.answers[answer.row] = answer
            self.beliefs[answer.row] = answer.belief(self.chance_of(answer.row))
        self._learn()
        self._spread_pool()

    def refit(self) -> None:
        """Retrain on all answers so far."""
        rows, confirmed, _ = self._arrays()
        self._choose_pool(rows[_latest(confirmed)])
        self._learn()
        self._spread_pool(everywhere=True)
        rows, confirmed, _ = self._arrays()
        belief = np.array([self.beliefs[int(row)] for row in rows])
        leaf_weights = LeafWeights(self.table.leaves, self.table.forest.depth)
        leaf_weights.solve(rows, confirmed, np.where(confirmed, belief, 1 - belief))
        self.by_leaves = members.ranks(leaf_weights.scores)

    def resume(
        self,
        answers: Sequence[Answer],
        *,
        pool: Rows,
        sites: Sites,
        beliefs: Floats,
        expected: Matrix,
        by_leaves: Floats,
    ) -> None:
        """Take up a stored state as it was after its last refit and answers.

        sites: what the answers that the similarity keeps were found to say; beliefs: of all answers, (k,).
        """
        self.answers = {answer.row: answer for answer in answers}
        self.beliefs = dict(zip(self.answers, map(float, beliefs), strict=True))
        self.by_leaves, self.standing = np.asarray(by_leaves, np.float64), expected
        if len(pool) < len(self.table):
            self._set_pool(pool)
        rows, confirmed, error = self._kept()
        self.similarity.resume(self.place_in_pool[rows], confirmed, error, sites)
        self._spread_pool()

    def scores(self) -> Floats:
        """Every row's place in today's order, higher = sooner: (n,), in units of a probability."""
        order = self.expected.astype(np.float64)
        order += LEAF_SHARE * self.by_leaves
        return order

    def shares(self, rows: Rows) -> Floats:
        """Share of the table's rows that stand below each of these in today's order: (len(rows),), in [0, 1).

        One pass over the table, which counts the rows between each two of these and keeps nothing of its size.
        """
        if not len(rows):
            return np.zeros(0)
        if not self.answers:
            return _shares_at(self.table.outlyingness, rows)
        return _shares_below(self.standing, self.moving, self.place_in_pool, self.by_leaves, rows)

    def next(self, many: int = 1) -> list[int]:
        """The rows to ask about: the best of today's order that have no answer yet.

        Several at once, where the latest as many answers all said no: likely ones that are unlike each other.
        """
        latest = list(self.answers.values())[-many:]
        if many == 1 or not latest or any(answer.confirmed for answer in latest):
            return self.best(many)
        best = np.array(self.best(WIDER * many), np.int64)
        return [int(best[place]) for place in self._unlike(best, many)]

    def varied(self, best: Rows, many: int) -> list[int]:
        """Positions in `best` of at most `many` rows, each unlike those before it and those answered.

        best: rows, the likeliest first. Those that answers do not move come last.
        """
        return self._unlike(best, many, before=self.similarity.variance_before(self.table.members[best]))

    def _unlike(self, best: Rows, many: int, *, before: Matrix | None = None) -> list[int]:
        places = self.place_in_pool[best]
        inside = np.flatnonzero(places >= 0)
        merit = self.expected_at(best[inside]) + LEAF_SHARE * self.by_leaves[best[inside]]
        doubt = None if before is None else before[inside].astype(np.float64)
        picked = inside[unlike(self.similarity, places[inside], merit, many, before=doubt)]
        return [int(place) for place in np.append(picked, np.flatnonzero(places < 0))[:many]]

    def best(self, many: int) -> list[int]:
        """The best of today's order that have no answer yet, whatever the latest answers found."""
        order = self.scores()
        order[list(self.answers)] = -np.inf
        many = min(many, len(order) - len(self.answers))
        if many == 1:
            return [int(order.argmax())]
        best = np.argpartition(-order, many - 1)[:many] if many < len(order) else np.arange(len(order))
        return [int(row) for row in best[np.argsort(-order[best], kind="stable")]]

    def _pool_is_all(self) -> bool:
        return len(self.pool) == len(self.table)

    def _choose_pool(self, answered: Rows) -> None:
        """The rows that move between refits: all, or the best POOL of today's order and those `answered`."""
        if len(self.table) <= POOL:
            self.similarity = self.similarity.fork()
            return
        best = np.argpartition(-self.scores(), POOL)[:POOL]
        self._set_pool(np.union1d(best, answered))

    def _set_pool(self, pool: Rows) -> None:
        self.pool = pool
        self.place_in_pool = np.full(len(self.table), -1)
        self.place_in_pool[pool] = np.arange(len(pool))
        self.similarity = Similarity(self.table.similar[pool], self.table.members[pool])

    def _learn(self) -> None:
        """Weigh all answers anew against each other."""
        rows, confirmed, error = self._kept()
        self.similarity.learn(self.place_in_pool[rows], confirmed, error)
        expected = self.similarity.left_out() if len(rows) else np.zeros(0)
        self.beliefs |= {
            int(row): self.answers[int(row)].belief(float(p)) for row, p in zip(rows, expected, strict=True)
        }

    def _drop_oldest(self) -> None:
        """Go on with the latest answers, each saying what it was found to say."""
        rows, confirmed, error = self._kept()
        answered, _ = self.similarity.answered
        place = {row: at for at, row in enumerate(answered.tolist())}
        inside = self.place_in_pool[rows]
        known = np.array([row in place for row in inside.tolist()], bool)
        rows_in_pool = inside[known]
        at = [place[row] for row in rows_in_pool.tolist()]
        found = self.similarity.sites
        self.similarity = self.similarity.fork()  # which an older state may go on with
        self.similarity.resume(
            rows_in_pool, confirmed[known], error[known], Sites(found.precision[at], found.shift[at])
        )

    def _kept(self) -> tuple[Rows, Verdicts, Floats]:
        """Row, verdict and error of the answers that the similarity keeps, in the order given."""
        rows, confirmed, error = self._arrays()
        inside = np.flatnonzero(self.place_in_pool[rows] >= 0)
        kept = inside[_latest(confirmed[inside])]
        return rows[kept], confirmed[kept], error[kept]

    def _spread_pool(self, *, everywhere: bool = False) -> None:
        """Take up the pool's probabilities; `everywhere` also reckons the rows outside it."""
        if everywhere and not self._pool_is_all():
            self.standing = self.similarity.expected_of(self.table.similar, self.table.members)
        self.moving = self.similarity.expected

    def _arrays(self) -> tuple[Rows, Verdicts, Floats]:
        """Row, verdict and error of all answers, in the order given."""
        given = list(self.answers.values())
        return (
            np.array([answer.row for answer in given], np.int64),
            np.array([answer.confirmed for answer in given], bool),
            np.array([answer.error for answer in given], np.float64),
        )


def _latest(confirmed: Verdicts) -> Rows:
    """Positions of the answers the similarity keeps: the latest MOST_ANSWERS, half of them of each verdict."""
    if len(confirmed) <= MOST_ANSWERS:
        return np.arange(len(confirmed))
    yes, no = np.flatnonzero(confirmed), np.flatnonzero(~confirmed)
    half = MOST_ANSWERS // 2
    yes = yes[-max(half, MOST_ANSWERS - len(no)) :]
    return np.sort(np.concatenate([yes, no[-(MOST_ANSWERS - len(yes)) :]]))


def _shares_at(order: Floats, rows: Rows) -> Floats:
    """The share of rows that stand below each of these: (len(rows),)."""
    wanted = order[rows]
    above = order[order >= wanted.min()]
    return np.asarray((len(order) - len(above) + np.searchsorted(np.sort(above), wanted, side="left")) / len(order))


@compiled
def _shares_below(standing: Matrix, moving: Matrix, places: Rows, by_leaves: Floats, rows: Rows) -> Floats:
    """The same in the order of `Discovery.scores`, whose sums these are, from what `Discovery` keeps."""
    wanted = np.empty(len(rows))
    for at in range(len(rows)):
        wanted[at] = _order_of(rows[at], standing, moving, places, by_leaves)
    steps = np.sort(wanted)
    between = np.zeros(len(steps) + 1, np.int64)  # [k]: rows that stand at or above k of the steps
    for row in range(len(standing)):
        order = _order_of(row, standing, moving, places, by_leaves)
        if order < steps[0]:
            between[0] += 1
        else:
            between[np.searchsorted(steps, order, side="right")] += 1
    below = np.cumsum(between)
    shares = np.empty(len(rows))
    for at in range(len(rows)):
        shares[at] = below[np.searchsorted(steps, wanted[at], side="left")] / len(standing)
    return shares


@compiled
def _order_of(row: int, standing: Matrix, moving: Matrix, places: Rows, by_leaves: Floats) -> float:
    order: float = np.float64(moving[places[row]] if places[row] >= 0 else standing[row])
    order += LEAF_SHARE * by_leaves[row]
    return order


def _members(made: Features, isolation: Floats) -> tuple[dict[str, Floats], dict[str, Floats]]:
    """Scores (n,) by name of the members that judge a whole row, and of those that look for one kind of oddness."""
    plain = in_one_unit(made.columns)
    whole = {
        "isolation forest": isolation,
        "ECOD": members.ecod(made.values[:, plain]),
        "quantile histogram": members.quantile_hbos(made.values[:, plain]),
    }
    special = {}
    measured = [place for place in plain if made.columns[place].kind in MEASURED]
    pairs = [place for place, feature in enumerate(made.columns) if feature.kind == "pair"]
    if measured:
        values = made.values[:, measured]
        whole |= {"robust z": members.farthest_z(values), "IQR fences": members.beyond_fences(values)}
    if len(measured) > 1:
        special["regression residual"] = members.regression_residual(values).max(axis=1)
    if pairs:
        special["rare pairs"] = made.values[:, pairs].max(axis=1)
    return whole, special
