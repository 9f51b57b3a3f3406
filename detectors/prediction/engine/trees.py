"""Histogram gradient boosting of our own, compiled: trees that choose among candidates, and trees that tell a number.

Choosing is one question a row ("which of these candidates, or none of them?"), not one a candidate: its loss is the
cross-entropy of a conditional logit whose outside option scores 0, so that candidates of a row compete while the
trees are grown. Columns are put into bins once, and every model of a column shares them.

Source: Ke et al., "LightGBM", NeurIPS 2017 (histograms, leaf-wise growth, the smaller child counted and the other one
subtracted); McFadden, "Conditional logit analysis of qualitative choice behavior", 1974 (the loss).

Tried and rejected: scikit-learn's HistGradientBoosting on each candidate by itself (3 to 6 times the time, most of it
in walking trees over unbinned numbers, and probabilities of a row that do not add up).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.prediction.engine.encoding import Bools, Floats

Bytes = npt.NDArray[np.uint8]
Places = npt.NDArray[np.int32]
Unsigned = npt.NDArray[np.uint32]

BINS = 64
"""Bins a feature; the first holds the missing ones."""

LEAVES = 16
FEWEST = 20
"""Rows that a leaf needs."""

PULL = 1.0
"""What is added to a leaf's curvature: its value is drawn towards 0."""


@dataclass(frozen=True)
class Shape:
    """How trees are boosted.

    steps: trees. rate: share of each tree that is taken. columns: share of the features that a tree may ask.
    """

    steps: int
    rate: float = 0.15
    columns: float = 0.5


@dataclass(frozen=True)
class Bins:
    """Where each feature is cut.

    edges: a feature, ascending; a number falls into bin 1 + how many edges are not above it. NaN falls into bin 0.
    """

    edges: list[Floats]

    @classmethod
    def fit(cls, features: Floats) -> Bins:
        """Cuts between distinct numbers if these are few, else at quantiles. features: (n, n_features)."""
        return cls([_cuts(features[:, place]) for place in range(features.shape[1])])

    def __call__(self, features: Floats) -> Bytes:
        """(n, n_features) bins."""
        binned = np.empty(features.shape, dtype=np.uint8)
        for place, edges in enumerate(self.edges):
            column = features[:, place]
            binned[:, place] = np.where(np.isnan(column), 0, 1 + np.searchsorted(edges, column, side="right"))
        return binned


class Trees(NamedTuple):
    """Boosted trees; all arrays (n_trees, n_nodes). A node's children are `left` and `left + 1`; 0 marks a leaf.

    cut: bins up to this go left. stray: whether missing ones do too. value: what a leaf adds, the rate counted in.
    """

    feature: Places
    cut: Places
    stray: Bools
    left: Places
    value: Floats

    def __call__(self, binned: Bytes) -> Floats:
        """(n,) the sum of what the trees say. binned: (n, n_features)."""
        total = np.zeros(len(binned))
        shift = np.where(self.stray, 0, 1).astype(np.uint8)
        cut = (self.cut - shift).astype(np.uint8)
        _walk(binned, self.feature.astype(np.uint32), cut, shift, self.left.astype(np.uint32), self.value, total)
        return total


def boost_choices(binned: Bytes, right: Bools, live: Bools, shape: Shape, seed: int) -> Trees:
    """Trees whose sum is a candidate's utility.

    binned: (n, m, n_features). right: (n, m) the true candidate of a row, if any. live: (n, m) False where there is
    no candidate.
    """
    flat = np.ascontiguousarray(binned.reshape(-1, binned.shape[2]))
    asked = np.flatnonzero(live.ravel()).astype(np.int32)
    utility = np.zeros(right.shape)
    slope, curve = np.zeros(right.shape), np.zeros(right.shape)

    def turn(total: Floats) -> tuple[Floats, Floats]:
        utility[:] = total.reshape(right.shape)
        _choice_slopes(utility, right, live, slope, curve)
        return slope.ravel(), curve.ravel()

    return _boost(flat, asked, turn, shape, seed)


def shares(utility: Floats, live: Bools) -> Floats:
    """(n, m) probability that each candidate is the true one; what is missing to 1 is that none of them is."""
    raised = np.where(live, np.exp(np.clip(utility, -30, 30)), 0.0)
    return np.asarray(raised / (1 + raised.sum(axis=1, keepdims=True)))


def boost_numbers(binned: Bytes, numbers: Floats, shape: Shape, seed: int) -> Trees:
    """Trees whose sum is a number, by least squares. binned: (n, n_features). numbers: (n,), centred."""
    curve = np.ones(len(numbers))
    return _boost(binned, np.arange(len(numbers), dtype=np.int32), lambda total: (total - numbers, curve), shape, seed)


Turn = Callable[[Floats], tuple[Floats, Floats]]
"""(n,) what the trees say so far -> slope and curvature of the loss at each row."""


def _boost(binned: Bytes, asked: Places, turn: Turn, shape: Shape, seed: int) -> Trees:
    rng = np.random.default_rng(seed)
    columns = binned.shape[1]
    some = max(1, round(shape.columns * columns))
    nodes = 2 * LEAVES - 1
    trees = Trees(
        np.zeros((shape.steps, nodes), dtype=np.int32),
        np.zeros((shape.steps, nodes), dtype=np.int32),
        np.zeros((shape.steps, nodes), dtype=np.bool_),
        np.zeros((shape.steps, nodes), dtype=np.int32),
        np.zeros((shape.steps, nodes)),
    )
    total = np.zeros(len(binned))
    work = np.empty((LEAVES, some, BINS + 1, 3))
    for tree in range(shape.steps):
        slope, curve = turn(total)
        chosen = np.sort(rng.permutation(columns)[:some]).astype(np.int32)
        parts = (trees.feature[tree], trees.cut[tree], trees.stray[tree], trees.left[tree], trees.value[tree])
        _grow(binned, asked.copy(), slope, curve, chosen, shape.rate, work, *parts, total)
    return trees


def _cuts(column: Floats) -> Floats:
    known = column[np.isfinite(column)]
    if len(known) == 0:
        return np.zeros(0)
    if len(known) > 20_000:
        known = known[:: len(known) // 20_000 + 1]
    known = np.sort(known)
    distinct = known[np.append(True, known[1:] != known[:-1])]
    if len(distinct) > BINS:
        distinct = np.unique(known[np.linspace(0, len(known) - 1, BINS).astype(int)])
    return np.asarray((distinct[1:] + distinct[:-1]) / 2)


@compiled
def _choice_slopes(utility: Floats, right: Bools, live: Bools, slope: Floats, curve: Floats) -> None:
    """First and second derivative of the cross-entropy by each candidate's utility."""
    for row in range(utility.shape[0]):
        whole = 1.0
        for place in range(utility.shape[1]):
            if live[row, place]:
                whole += np.exp(min(utility[row, place], 30.0))
        for place in range(utility.shape[1]):
            if live[row, place]:
                share = np.exp(min(utility[row, place], 30.0)) / whole
                slope[row, place] = share - (1.0 if right[row, place] else 0.0)
                curve[row, place] = max(share * (1 - share), 1e-9)


@compiled
def _walk(
    binned: Bytes, feature: Unsigned, cut: Bytes, shift: Bytes, left: Unsigned, value: Floats, total: Floats
) -> None:
    """Add to each row what all trees say of it.

    shift: what is taken from a bin before it is held against `cut`, itself less by as much; taking 1 makes bin 0, the
    missing ones, the highest. Four rows go down a tree side by side, for a step waits for the one before it. With that
    and numbers without signs, whose places need no look from the end, it takes half the time.
    """
    rows = binned.shape[0]
    for tree in range(feature.shape[0]):
        ask, most, less, child, leaf = feature[tree], cut[tree], shift[tree], left[tree], value[tree]
        for row in range(0, rows - 3, 4):
            a = b = c = d = np.uint32(0)
            going = True
            while going:
                going = False
                if child[a] > 0:
                    a, going = np.uint32(child[a] + (np.uint8(binned[row, ask[a]] - less[a]) > most[a])), True
                if child[b] > 0:
                    b, going = np.uint32(child[b] + (np.uint8(binned[row + 1, ask[b]] - less[b]) > most[b])), True
                if child[c] > 0:
                    c, going = np.uint32(child[c] + (np.uint8(binned[row + 2, ask[c]] - less[c]) > most[c])), True
                if child[d] > 0:
                    d, going = np.uint32(child[d] + (np.uint8(binned[row + 3, ask[d]] - less[d]) > most[d])), True
            total[row] += leaf[a]
            total[row + 1] += leaf[b]
            total[row + 2] += leaf[c]
            total[row + 3] += leaf[d]
        for row in range(rows - rows % 4, rows):
            a = np.uint32(0)
            while child[a] > 0:
                a = np.uint32(child[a] + (np.uint8(binned[row, ask[a]] - less[a]) > most[a]))
            total[row] += leaf[a]


@compiled
def _count(
    binned: Bytes, rows: Places, start: int, end: int, slope: Floats, curve: Floats, chosen: Places, sums: Floats
) -> None:
    """Sums of slope, curve and rows by feature and bin over rows[start:end]."""
    sums[:] = 0.0
    for place in range(start, end):
        row = rows[place]
        first, second = slope[row], curve[row]
        for each in range(len(chosen)):
            held = binned[row, chosen[each]]
            sums[each, held, 0] += first
            sums[each, held, 1] += second
            sums[each, held, 2] += 1.0


@compiled
def _best(sums: Floats, found: Floats) -> None:
    """The best split by the sums of one leaf; found: gain, place of the feature, cut, whether missing go left."""
    found[0] = 1e-7
    found[1] = -1.0
    for each in range(sums.shape[0]):
        whole_slope, whole_curve, whole_rows = 0.0, 0.0, 0.0
        last = 0
        for held in range(sums.shape[1]):
            whole_slope += sums[each, held, 0]
            whole_curve += sums[each, held, 1]
            whole_rows += sums[each, held, 2]
            if held > 0 and sums[each, held, 2] > 0:
                last = held
        before = whole_slope * whole_slope / (whole_curve + PULL)
        for stray in range(2):
            if stray == 1 and sums[each, 0, 2] == 0:
                break
            a = sums[each, 0, 0] if stray else 0.0
            b = sums[each, 0, 1] if stray else 0.0
            rows = sums[each, 0, 2] if stray else 0.0
            for held in range(1, last + 1):
                a += sums[each, held, 0]
                b += sums[each, held, 1]
                rows += sums[each, held, 2]
                if rows < FEWEST:
                    continue
                if whole_rows - rows < FEWEST:
                    break
                rest = whole_slope - a
                gain = a * a / (b + PULL) + rest * rest / (whole_curve - b + PULL) - before
                if gain > found[0]:
                    found[0], found[1], found[2], found[3] = gain, each, held, stray


@compiled
def _part(binned: Bytes, rows: Places, start: int, end: int, feature: int, cut: int, stray: bool) -> int:
    """Order rows[start:end] so that those that go left come first; returns where the others begin."""
    low, high = start, end - 1
    while low <= high:
        held = binned[rows[low], feature]
        if stray if held == 0 else held <= cut:
            low += 1
        else:
            rows[low], rows[high] = rows[high], rows[low]
            high -= 1
    return low


@compiled
def _grow(
    binned: Bytes,
    rows: Places,
    slope: Floats,
    curve: Floats,
    chosen: Places,
    rate: float,
    work: Floats,
    feature: Places,
    cut: Places,
    stray: Bools,
    left: Places,
    value: Floats,
    total: Floats,
) -> None:
    """Grow one tree, always splitting the leaf that gains most. Fills the five arrays and adds to its rows' `total`.

    rows: the rows to grow on, in any order; they are put in another. work: (LEAVES, n_chosen, BINS + 1, 3) for sums.
    """
    leaf_node = np.zeros(LEAVES, dtype=np.int32)
    start = np.zeros(LEAVES, dtype=np.int32)
    end = np.zeros(LEAVES, dtype=np.int32)
    found = np.zeros((LEAVES, 4))
    end[0] = len(rows)
    _count(binned, rows, 0, len(rows), slope, curve, chosen, work[0])
    _best(work[0], found[0])
    leaves, nodes = 1, 1
    while leaves < LEAVES:
        most = 0
        for leaf in range(1, leaves):
            if found[leaf, 0] > found[most, 0]:
                most = leaf
        if found[most, 1] < 0:
            break
        node = leaf_node[most]
        feature[node], cut[node] = chosen[int(found[most, 1])], int(found[most, 2])
        stray[node], left[node] = found[most, 3] > 0, nodes
        middle = _part(binned, rows, start[most], end[most], feature[node], cut[node], stray[node])
        start[leaves], end[leaves] = middle, end[most]
        end[most] = middle
        leaf_node[most], leaf_node[leaves] = nodes, nodes + 1
        if end[most] - start[most] > end[leaves] - start[leaves]:
            _count(binned, rows, start[leaves], end[leaves], slope, curve, chosen, work[leaves])
            work[most] -= work[leaves]
        else:
            work[leaves] = work[most]
            _count(binned, rows, start[most], end[most], slope, curve, chosen, work[most])
            work[leaves] -= work[most]
        _best(work[most], found[most])
        _best(work[leaves], found[leaves])
        leaves, nodes = leaves + 1, nodes + 2
    for leaf in range(leaves):
        first, second = 0.0, 0.0
        for place in range(start[leaf], end[leaf]):
            first += slope[rows[place]]
            second += curve[rows[place]]
        adds = -rate * first / (second + PULL)
        value[leaf_node[leaf]] = adds
        for place in range(start[leaf], end[leaf]):
            total[rows[place]] += adds
