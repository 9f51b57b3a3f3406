"""Answers spread to similar rows: a Gaussian process over the features, updated at every answer.

Whether a row is an anomaly is Phi(f) of a latent f. Before any answer f rises with the row's rank without labels.
Each answer pulls the rows near it, and all rows by which members (ECOD, forest, ...) find them odd: a confirmed
anomaly lifts them, a dismissed one sinks them. So an order whose outliers were dismissed is left by itself for
regions nobody has looked at, and for the members that proved right. How far an answer is believed: `sites.py`.

Kernel: SPREAD * exp(-L1 distance / length) over the features + linear over the members' normal scores. Tried, mean
area over six public sets by this part alone, two seeds, no wrong answers / a fifth wrong:

    verdicts 0 and 1 as plain targets, no members              .742 / .53
    believed as in `sites.py`, no members                       not run / .60
    with the members (this)                                     .754 / .678

On eight further sets (UCI tables with one class thinned out) the members lifted .390 to .406, and .287 to .359.
Length and spread averaged by their evidence gained nothing there (.367 / .301, without the members).

Source: Rasmussen, Williams, "Gaussian Processes for Machine Learning", 2006, sections 2.2 and 3.6; active search by a
model of this kind: Garnett et al., "Bayesian Optimal Active Search", ICML 2012.
"""

from __future__ import annotations

from copy import copy

import numpy as np
import numpy.typing as npt
from numba import njit
from scipy.linalg import solve_triangular
from scipy.special import ndtr, ndtri
from scipy.stats import rankdata

from detectors.anomalies import sites
from detectors.anomalies.forest import Floats, Matrix
from detectors.anomalies.sites import Sites

Rows = npt.NDArray[np.int64]
Verdicts = npt.NDArray[np.bool_]

SPREAD, LENGTH = 4.0, 1.0
"""Prior variance of the part of f that near rows share, and the distance at which they share a third of it."""
BASE, SLOPE = -2.0, 0.5
"""Prior mean of f for a row of middling rank, and how it rises with the normal score of the rank."""
SLOPE_VARIANCE, MEMBER_VARIANCE = 0.25, 0.1
"""How uncertain that rise is, and how much a single member's normal score may count beside it."""
CHUNK = 16_384
"""Rows reckoned at once where a whole table is, so that memory stays bounded."""


class _Store:
    """Room for the answers' part of the posterior, shared by a model and those that went on from it.

    used: rows taken so far. Who holds exactly `used` answers may write the next row; anyone else copies
    first, so that learning never changes an older model.
    """

    _BY_ANSWER = ("rows", "confirmed", "error", "precision", "shift", "solved", "sign", "spread")

    def __init__(self, room: int, width: int) -> None:
        self.used = 0
        self.rows: Rows = np.zeros(room, np.int64)
        self.confirmed: Verdicts = np.zeros(room, bool)
        self.error, self.precision, self.shift, self.solved = np.zeros((4, room))
        self.sign = np.ones(room)
        self.factor = np.zeros((room, room))
        self.spread = np.zeros((room, width), np.float32)

    def copy(self, known: int, room: int) -> _Store:
        """A store of one's own with the first `known` answers in it."""
        other = _Store(room, self.spread.shape[1])
        other.used = known
        for name in self._BY_ANSWER:
            getattr(other, name)[:known] = getattr(self, name)[:known]
        other.factor[:known, :known] = self.factor[:known, :known]
        return other


class Similarity:
    """What the answers so far say of every row. mean, variance: of each row's latent value, (n,).

    features: (n, d) as `standardised` gives them.
    members: (n, 1 + m) the normal scores of the rows' common rank and of each member's, as `normal_scores` gives them.
    """

    def __init__(self, features: Matrix, members: Matrix) -> None:
        self.features = np.ascontiguousarray(features, np.float32)
        self.members = np.ascontiguousarray(members, np.float32)
        self.known = 0
        self.mean, self.variance = self._prior(self.members)
        self.store = _Store(0, len(self.features))

    def fork(self) -> Similarity:
        """A model that goes on from this one and leaves it as it is; costs a copy of `mean` and `variance`."""
        other = copy(self)
        other.mean, other.variance = self.mean.copy(), self.variance.copy()
        return other

    @property
    def expected(self) -> Matrix:
        """The probability that each row is an anomaly: (n,)."""
        return _chance(self.mean, self.variance)

    @property
    def answered(self) -> tuple[Rows, Verdicts]:
        """The answered rows, in the order they were first answered, and the latest verdict on each: (answers,)."""
        latest = dict(zip(self.store.rows[: self.known].tolist(), self.store.confirmed[: self.known], strict=True))
        return np.array(list(latest), np.int64), np.array(list(latest.values()), bool)

    @property
    def sites(self) -> Sites:
        """What the answers on each answered row were found to say, together."""
        rows = self.store.rows[: self.known].tolist()
        place = {row: at for at, row in enumerate(dict.fromkeys(rows))}
        at = [place[row] for row in rows]
        precision, shift = np.zeros((2, len(place)))
        np.add.at(precision, at, self.store.precision[: self.known])
        np.add.at(shift, at, self.store.shift[: self.known])
        return Sites(precision, shift)

    def learn(self, rows: Rows, confirmed: Verdicts, error: Floats) -> None:
        """Start over with these answers, each weighed anew against all the others.

        rows: (k,) positions; confirmed: (k,) verdicts; error: (k,) how often who gave it errs, in (0, .5).
        """
        prior, _ = self._prior(self.members[rows])
        found = sites.fit(self._covariance(rows), prior.astype(np.float64), confirmed, error)
        self.resume(rows, confirmed, error, found)

    def resume(self, rows: Rows, confirmed: Verdicts, error: Floats, found: Sites) -> None:
        """Start over with these answers as they were found to say."""
        known = self.known = len(rows)
        store = self.store = _Store(known + 16, len(self.features))
        store.used = known
        for name, values in (("rows", rows), ("confirmed", confirmed), ("error", error)):
            getattr(store, name)[:known] = values
        store.precision[:known], store.shift[:known] = found.precision, found.shift
        store.factor[:known, :known] = np.linalg.cholesky(self._covariance(rows) + np.diag(1 / found.precision))
        prior, _ = self._prior(self.members[rows])
        store.solved[:known] = solve_triangular(store.factor[:known, :known], found.targets - prior, lower=True)
        whitener = self._whitener()
        for part in _parts(len(self.features)):
            features, members = self.features[part], self.members[part]
            spread, self.mean[part], self.variance[part] = self._posterior(features, members, whitener)
            store.spread[:known, part] = spread

    def answer(self, row: int, confirmed: bool, error: float) -> None:
        """One more answer, weighed against what the others say of its row: O(n * answers).

        One on a row that has an answer takes that one's place: what the earlier was found to say is taken back and the
        later taken in, both at once, by the difference of the two.
        """
        mean, variance = float(self.mean[row]), float(self.variance[row])
        earlier = self.store.rows[: self.known] == row
        if not earlier.any():
            self._take(row, confirmed, error, *sites.site_of(mean, variance, confirmed, error))
            return
        precision = float(self.store.precision[: self.known][earlier].sum())
        shift = float(self.store.shift[: self.known][earlier].sum())
        rest = max(1 / variance - precision, 1e-9)
        others = (mean / variance - shift) / rest
        fresh, moved = sites.site_of(others, 1 / rest, confirmed, error)
        more = fresh - precision
        if abs(more) < sites.LEAST_PRECISION:
            more = sites.LEAST_PRECISION
        wanted = (others * rest + moved) / (rest + fresh)
        self._take(row, confirmed, error, more, wanted * (1 / variance + more) - mean / variance)

    def _take(self, row: int, confirmed: bool, error: float, precision: float, shift: float) -> None:
        """Move every row by one more site; a negative precision takes back what was taken in.

        The answers' covariance is factored as L S L', S the signs: a site that takes back has -1.
        """
        known, store = self.known, self._own_store()
        column = np.empty(len(self.features), np.float32)
        _kernel(self.features, self.members, row, self._scale(), column)
        link = np.ascontiguousarray(store.spread[:known, row])
        left = float(self.variance[row]) + 1 / precision
        sign, pivot = float(np.sign(left)), float(np.sqrt(abs(left)))
        step = (shift / precision - float(self.mean[row])) / pivot
        # By BLAS: as a compiled loop it took eight times as long.
        column -= (link * store.sign[:known].astype(np.float32)) @ store.spread[:known]
        _append(column, np.float32(pivot * sign), np.float32(step), store.spread[known], self.mean, self.variance)
        store.factor[known, :known], store.factor[known, known] = link, pivot
        store.rows[known], store.confirmed[known], store.error[known] = row, confirmed, error
        store.precision[known], store.shift[known], store.solved[known] = precision, shift, step
        store.sign[known] = sign
        self.known = store.used = known + 1

    def expected_of(self, features: Matrix, members: Matrix) -> Matrix:
        """The probability that rows which are not among the model's own are anomalies: (m, d), (m, 1 + k) -> (m,)."""
        chances, whitener = np.empty(len(features), np.float32), self._whitener()
        for part in _parts(len(features)):
            _, mean, variance = self._posterior(features[part], members[part], whitener)
            chances[part] = _chance(mean, variance)
        return chances

    def nearness(self, row: Matrix, others: Matrix) -> Floats:
        """The kernel over the features between a row (d,) and others (m, d), as a share of its height: (m,)."""
        distance = np.abs(others - row).sum(axis=1) / np.sqrt(len(row))
        return np.asarray(np.exp(-distance / LENGTH), np.float64)

    def before(self, rows: Rows) -> Matrix:
        """The probability that rows are anomalies before any answer: (len(rows),)."""
        return _chance(*self._prior(self.members[rows]))

    def variance_before(self, members: Matrix) -> Matrix:
        """Variance of f before any answer, of rows with these members' scores (m, 1 + k): (m,)."""
        return self._prior(members)[1]

    def covariance_now(self, rows: Rows) -> Floats:
        """Between the f of some of the model's rows, after the answers: (k, k)."""
        spread = self.store.spread[: self.known, rows].astype(np.float64)
        return self._covariance(rows) - (spread * self.store.sign[: self.known, None]).T @ spread

    def left_out(self) -> Floats:
        """Each answered row's probability by the other answers: (answers,), in the order of `answered`."""
        rows, _ = self.answered
        prior, _ = self._prior(self.members[rows])
        return sites.left_out(self._covariance(rows), prior.astype(np.float64), self.sites).expected

    def member_weights(self) -> tuple[Floats, Floats]:
        """How much f rises with one of the common normal score, and of each member's: before any answer, and now.

        (1 + m,) each.
        """
        scale = np.sqrt([SLOPE_VARIANCE] + [MEMBER_VARIANCE] * (self.members.shape[1] - 1))
        before = np.zeros(self.members.shape[1])
        before[0] = SLOPE
        if not self.known:
            return before, before
        store, known = self.store, self.known
        pull = store.sign[:known] * store.solved[:known]
        pull = solve_triangular(store.factor[:known, :known], pull, lower=True, trans="T")
        return before, before + scale * (pull @ self.members[store.rows[:known]])

    def _scale(self) -> np.float32:
        return np.float32(1 / (LENGTH * np.sqrt(self.features.shape[1])))

    def _prior(self, members: Matrix) -> tuple[Matrix, Matrix]:
        """Mean and variance of f before any answer: (m,) each."""
        return BASE + SLOPE / np.float32(np.sqrt(SLOPE_VARIANCE)) * members[:, 0], SPREAD + (members**2).sum(axis=1)

    def _covariance(self, rows: Rows) -> Floats:
        """Between the f of some of the model's rows; a trace is added so that equal rows stay apart: (k, k)."""
        between = self._kernel_to(self.features[rows], self.members[rows], rows).astype(np.float64)
        return between + 1e-6 * np.eye(len(rows))

    def _kernel_to(self, features: Matrix, members: Matrix, rows: Rows) -> Matrix:
        """(m, d), (m, 1 + k) against some of the model's rows: (len(rows), m)."""
        columns = np.empty((len(rows), len(features)), np.float32)
        _kernels(
            np.ascontiguousarray(features, np.float32), np.ascontiguousarray(members, np.float32),
            self.features[rows], self.members[rows], self._scale(), columns,
        )  # fmt: skip
        return columns

    def _whitener(self) -> Matrix:
        """The inverse of the answers' factor: (known, known).

        Not scipy's triangular solve, which holds the interpreter's lock: seconds in which no other request moves.
        """
        return np.linalg.inv(self.store.factor[: self.known, : self.known]).astype(np.float32)

    def _posterior(self, features: Matrix, members: Matrix, whitener: Matrix) -> tuple[Matrix, Matrix, Matrix]:
        """The whitened kernel to the answers (known, m), and mean and variance of f: (m,) each."""
        mean, variance = self._prior(members)
        known, store = self.known, self.store
        if not known:
            return np.zeros((0, len(features)), np.float32), mean, variance
        columns = self._kernel_to(features, members, store.rows[:known])
        spread = whitener @ columns
        sign = store.sign[:known].astype(np.float32)
        spread *= sign[:, None]
        mean = mean + store.solved[:known].astype(np.float32) @ spread
        return spread, mean, np.maximum(variance - np.einsum("k,kn,kn->n", sign, spread, spread), 1e-6)

    def _own_store(self) -> _Store:
        """A store whose next row is free for this model."""
        full = self.known == len(self.store.rows)
        if full or self.store.used != self.known:
            self.store = self.store.copy(self.known, 2 * self.known + 16 if full else len(self.store.rows))
        return self.store


def standardised(values: Matrix) -> Matrix:
    """Each column as normal scores of its ranks, ties sharing one; rows of mean squared length 1: (n, d).

    Ranks make an amount of 10^9 and one of 10^5 neighbours at the far end, which is what a steward's verdict
    on one says about the other.
    """
    scores = np.empty(values.shape, np.float32)
    for place in range(values.shape[1]):
        scores[:, place] = ndtri((rankdata(values[:, place]) - 0.5) / len(values))
        scores[:, place] -= scores[:, place].mean()
    size = float(np.sqrt(np.einsum("nd,nd->", scores, scores, dtype=np.float64) / len(scores)))
    scores /= max(size, 1e-9)
    return scores


def normal_scores(together: Floats, ranks: Matrix) -> Matrix:
    """The rows' common rank (n,) and their rank by each member (n, m) as normal scores: (n, 1 + m).

    In units of how far they may count in the kernel; a member's are centred, for ties move its mean.
    """
    scores = np.empty((len(ranks), 1 + ranks.shape[1]), np.float32)
    scores[:, 0] = np.sqrt(SLOPE_VARIANCE) * ndtri(together)
    for place in range(ranks.shape[1]):
        member = ndtri(ranks[:, place].astype(np.float64))
        scores[:, 1 + place] = np.sqrt(MEMBER_VARIANCE) * (member - member.mean())
    return scores


def _chance(mean: Matrix, variance: Matrix) -> Matrix:
    return np.asarray(ndtr(mean / np.sqrt(1 + variance)), np.float32)


def _parts(rows: int) -> list[slice]:
    return [slice(start, start + CHUNK) for start in range(0, rows, CHUNK)]


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[misc,unused-ignore]
def _kernel(features, members, row, scale, near):  # type: ignore[no-untyped-def]
    _fill(features, members, features[row], members[row], scale, near)


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[misc,unused-ignore]
def _kernels(features, members, known, known_members, scale, columns):  # type: ignore[no-untyped-def]
    for answer in range(known.shape[0]):
        _fill(features, members, known[answer], known_members[answer], scale, columns[answer])


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[misc,unused-ignore]
def _fill(features, members, row, row_members, scale, near):  # type: ignore[no-untyped-def]
    for other in range(features.shape[0]):
        distance, alike = np.float32(0), np.float32(0)
        for column in range(features.shape[1]):
            distance += abs(features[other, column] - row[column])
        for column in range(members.shape[1]):
            alike += members[other, column] * row_members[column]
        near[other] = np.float32(SPREAD) * np.exp(-distance * scale) + alike


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[misc,unused-ignore]
def _append(column, pivot, step, fresh, mean, variance):  # type: ignore[no-untyped-def]
    """The new answer's row of the whitened kernel; mean and variance moved along it. pivot: below 0 to take back."""
    sign = np.float32(1 if pivot > 0 else -1)
    for row in range(column.shape[0]):
        fresh[row] = column[row] / pivot
        mean[row] += step * fresh[row]
        variance[row] = max(variance[row] - sign * fresh[row] * fresh[row], np.float32(1e-6))
