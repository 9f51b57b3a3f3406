"""Active anomaly discovery: every answer moves the weights of the forest's leaves at once.

Row x is a sparse vector z(x): one entry a tree, at its leaf, of value -(depth of the leaf), the whole divided
by its length. Its score is w.z, higher = more anomalous; equal weights give the plain forest's order.

Source: Das et al., "Incorporating Expert Feedback into Active Anomaly Discovery", ICDM 2016, with the tree
leaves as members of "Incorporating Feedback into Tree-based Anomaly Detection", IDEA 2017.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from detectors.anomalies.forest import Floats, Leaves
from detectors.anomalies.similarity import Rows, Verdicts

TAU = 0.03
"""Share of rows taken to be anomalous: the papers' one real parameter."""
RATE, DECAY, EPOCHS, STOP = 1e-3, 0.9, 1000, 1e-6
SIGMA2 = 0.5


class LeafWeights:
    """Weights of a table's leaves under feedback: `solve` them, `count` an answer, read `scores` and `bayes`.

    leaves: (n, trees) leaf numbers; depth: (leaves,).
    """

    def __init__(self, leaves: Leaves, depth: npt.NDArray[np.float32]) -> None:
        self.leaves = leaves
        self.depth = depth.astype(np.float64)
        self.start = 1 / np.sqrt(len(depth))
        self.weights = np.full(len(depth), self.start)
        self.rest = self.start
        self.length = _lengths(leaves, self.depth)
        self.scores = _scores(leaves, self.weights, self.depth, self.length)
        self.evidence = np.zeros((2, len(depth)))

    def solve(self, rows: Rows, confirmed: Verdicts, trust: Floats) -> None:
        """Move the weights until confirmed rows stand above the cut and dismissed ones below it.

        rows: (k,) positions labelled so far; confirmed: (k,) verdicts; trust: (k,) how far each is believed.
        """
        if not len(rows):
            return
        place = max(int(TAU * len(self.scores)) - 1, 0)
        at_cut = int(np.argpartition(-self.scores, place)[place])
        touched = np.unique(self.leaves[np.append(rows, at_cut)])
        local = np.searchsorted(touched, self.leaves[rows]).astype(np.int32)
        local_cut = np.searchsorted(touched, self.leaves[at_cut]).astype(np.int32)
        # The classes' means are apart, so that they weigh alike however unbalanced the answers are.
        share = trust / np.where(confirmed, max(trust[confirmed].sum(), 1e-9), max(trust[~confirmed].sum(), 1e-9))
        moved, self.rest = _descend(
            local, local_cut, self.depth[touched], self.length[rows], self.length[at_cut], confirmed, share,
            self.weights[touched], self.rest, len(self.weights) - len(touched), self.start,
            float(self.scores[at_cut]), 1.0 / len(rows),
        )  # fmt: skip
        self.weights[:] = self.rest
        self.weights[touched] = moved
        self.rescore()

    def rescore(self) -> None:
        """Reckon every row's score anew from today's weights."""
        self.scores = _scores(self.leaves, self.weights, self.depth, self.length)

    def count(self, row: int, confirmed: bool, trust: float = 1.0) -> None:
        """Leaf naive Bayes: note one answer (a negative trust takes it back) in the leaves that the row reaches."""
        self.evidence[int(confirmed), self.leaves[row]] += trust

    def bayes(self, rows: Rows) -> Floats:
        """Log odds that these rows are anomalies by the answers in their leaves, up to a constant: (rows,)."""
        dismissed, confirmed = self.evidence + 0.1
        return np.asarray(np.log(confirmed / dismissed)[self.leaves[rows]].sum(axis=1))


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _lengths(leaves, depth):  # type: ignore[no-untyped-def]
    length = np.empty(leaves.shape[0])
    for row in range(leaves.shape[0]):
        total = 0.0
        for tree in range(leaves.shape[1]):
            total += depth[leaves[row, tree]] ** 2
        length[row] = max(np.sqrt(total), 1e-12)
    return length


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _scores(leaves, weights, depth, length):  # type: ignore[no-untyped-def]
    value = -weights * depth
    scores = np.empty(leaves.shape[0])
    for row in range(leaves.shape[0]):
        total = 0.0
        for tree in range(leaves.shape[1]):
            total += value[leaves[row, tree]]
        scores[row] = total / length[row]
    return scores


@njit(cache=True, nogil=True, fastmath=True)  # type: ignore[misc,unused-ignore]
def _descend(local, at_cut, depth, length, cut_length, confirmed, share, weights, rest, others, start, cut, pull):  # type: ignore[no-untyped-def]
    """RMSProp on the papers' loss; returns the best weights seen, of norm 1, and the weight of the rest."""
    size, trees = weights.shape[0], local.shape[1]
    w, best, gradient, mean_square = weights.copy(), weights.copy(), np.empty(size), np.zeros(size)
    rest_now, rest_best, rest_square = rest, rest, 0.0
    lowest, before = np.inf, np.inf
    for _ in range(EPOCHS):
        loss = 0.5 * others * (rest_now - start) ** 2
        for leaf in range(size):
            gradient[leaf] = pull / SIGMA2 * (w[leaf] - start)
            loss += 0.5 * (w[leaf] - start) ** 2
        loss *= pull / SIGMA2
        cut_now = 0.0
        for tree in range(trees):
            cut_now -= w[at_cut[tree]] * depth[at_cut[tree]]
        cut_now /= cut_length
        at_cut_share = 0.0
        for row in range(local.shape[0]):
            score = 0.0
            for tree in range(trees):
                score -= w[local[row, tree]] * depth[local[row, tree]]
            score /= length[row]
            sign = 1.0 if confirmed[row] else -1.0
            push = 0.0
            if sign * (cut - score) > 0:
                loss += share[row] * sign * (cut - score)
                push += share[row] * sign
            if sign * (cut_now - score) > 0:
                loss += share[row] * sign * (cut_now - score)
                push += share[row] * sign
                at_cut_share += share[row] * sign
            if push != 0.0:
                for tree in range(trees):
                    gradient[local[row, tree]] += push * depth[local[row, tree]] / length[row]
        for tree in range(trees):
            gradient[at_cut[tree]] -= at_cut_share * depth[at_cut[tree]] / cut_length
        if loss < lowest:
            lowest, rest_best = loss, rest_now
            best[:] = w
        if abs(before - loss) < STOP:
            break
        before = loss
        for leaf in range(size):
            mean_square[leaf] = DECAY * mean_square[leaf] + (1 - DECAY) * gradient[leaf] ** 2
            w[leaf] -= RATE * gradient[leaf] / (np.sqrt(mean_square[leaf]) + 1e-8)
        rest_gradient = pull / SIGMA2 * (rest_now - start)
        rest_square = DECAY * rest_square + (1 - DECAY) * rest_gradient**2
        rest_now -= RATE * rest_gradient / (np.sqrt(rest_square) + 1e-8)
    norm = others * rest_best**2
    for leaf in range(size):
        norm += best[leaf] ** 2
    norm = np.sqrt(norm)
    return best / norm, rest_best / norm
