"""An isolation forest held as flat arrays: every leaf of every tree is a member that feedback can weigh.

A node cuts one random column that varies at a random place, as scikit-learn's `IsolationForest` does. Its trees
stop at depth log2(256), where the leaves that feedback has to tell apart are still mixed; these are grown to single
rows. Held as arrays they are stored without pickle, walked by compiled code, and read by people. Grown by
scikit-learn's `ExtraTreeRegressor` a forest took 0.25 s, most of it in calls; here it takes 0.01 s.

Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008; leaves as members: Das et al., IDEA workshop 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Leaves = npt.NDArray[np.uint16]

TREES = 100
SAMPLE = 256
BLOCK = 1024


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees laid end to end; a node's children are positions in the same arrays.

    feature: (nodes,) column tested, -1 at a leaf.
    cut: (nodes,) rows with value <= cut go left.
    left, right: (nodes,) children, -1 at a leaf; the right one follows the left one.
    leaf: (nodes,) number of the leaf over the whole forest, -1 inside a tree.
    roots: (trees,) first node of each tree.
    depth: (leaves,) edges from the root to the leaf.
    path: (leaves,) expected path length: the depth, plus that of an unfinished subtree.
    share: (leaves,) share of the tree's own sample that ended in the leaf.
    """

    feature: npt.NDArray[np.int32]
    cut: npt.NDArray[np.float64]
    left: npt.NDArray[np.int32]
    right: npt.NDArray[np.int32]
    leaf: npt.NDArray[np.int32]
    roots: npt.NDArray[np.int32]
    depth: Matrix
    path: Matrix
    share: Matrix

    @property
    def trees(self) -> int:
        """The number of trees."""
        return len(self.roots)

    def leaves(self, values: Matrix) -> Leaves:
        """The leaf each row (n, features) reaches in each tree: (n, trees), numbered over the forest."""
        reached = np.empty((len(values), self.trees), np.uint16)
        _walk(
            np.ascontiguousarray(values, np.float32),
            self.feature, self.cut, self.left, self.leaf, self.roots, reached,
        )  # fmt: skip
        return reached

    def score(self, leaves: Leaves) -> Floats:
        """The isolation score 2^(-mean path / c(sample)) in (0, 1), higher = easier to isolate: (n,)."""
        mean_path = _mean_path(leaves, self.path)
        return np.asarray(np.exp2(-mean_path / float(_expected_path(np.array([SAMPLE]))[0])))

    def tree_of_leaf(self) -> npt.NDArray[np.int32]:
        """The tree each leaf belongs to: (leaves,)."""
        at = np.flatnonzero(self.leaf >= 0)
        owner = np.empty(len(at), np.int32)
        owner[self.leaf[at]] = np.searchsorted(self.roots, at, side="right") - 1
        return owner


def grow(values: Matrix, seed: int, *, trees: int = TREES, sample: int = SAMPLE) -> Forest:
    """A forest of `trees` trees, each on `sample` rows drawn without repeats from `values` (n, features).

    Raises ValueError if there is no row or no feature.
    """
    if not values.size:
        raise ValueError("a forest needs at least one row and one feature")
    rng = np.random.default_rng(seed)
    return _join([_one_tree(values, rng, min(sample, len(values))) for _ in range(trees)])


def replace(forest: Forest, which: npt.NDArray[np.int64], values: Matrix, seed: int) -> Forest:
    """The forest with the trees numbered `which` grown anew on `values`; the others keep their nodes."""
    rng = np.random.default_rng(seed)
    renewed = {int(tree): _one_tree(values, rng, min(SAMPLE, len(values))) for tree in which}
    return _join([renewed.get(tree) or _cut_out(forest, tree) for tree in range(forest.trees)])


def _one_tree(values: Matrix, rng: np.random.Generator, sample: int) -> dict[str, Any]:
    rows = values[rng.choice(len(values), sample, replace=False)]
    feature, cut, left, right, count = _isolate(np.ascontiguousarray(rows, np.float32), int(rng.integers(2**31)))
    return {"feature": feature, "cut": cut, "left": left, "right": right, "rows": count}


def _cut_out(forest: Forest, tree: int) -> dict[str, Any]:
    """One tree of the forest, numbered from 0 again."""
    start = int(forest.roots[tree])
    end = int(forest.roots[tree + 1]) if tree + 1 < forest.trees else len(forest.feature)
    rows = np.zeros(end - start)
    at_leaf = forest.leaf[start:end] >= 0
    # Shares are kept, sizes are not: SAMPLE stands for the size.
    rows[at_leaf] = forest.share[forest.leaf[start:end][at_leaf]] * SAMPLE
    return {
        "feature": forest.feature[start:end],
        "cut": forest.cut[start:end],
        "left": np.where(forest.left[start:end] < 0, -1, forest.left[start:end] - start),
        "right": np.where(forest.right[start:end] < 0, -1, forest.right[start:end] - start),
        "rows": rows,
    }


def _join(trees: list[dict[str, Any]]) -> Forest:
    sizes = [len(tree["feature"]) for tree in trees]
    roots = np.concatenate([[0], np.cumsum(sizes)[:-1]])
    depths = np.concatenate([_depths(tree["left"], tree["right"]) for tree in trees])
    feature = np.concatenate([tree["feature"] for tree in trees]).astype(np.int32)
    at_leaf = feature < 0
    number = np.where(at_leaf, np.cumsum(at_leaf) - 1, -1).astype(np.int32)
    rows = np.concatenate([tree["rows"] for tree in trees])[at_leaf]
    totals = np.repeat([tree["rows"][tree["left"] < 0].sum() for tree in trees], sizes)[at_leaf]
    return Forest(
        feature=feature,
        cut=np.concatenate([tree["cut"] for tree in trees]).astype(np.float64),
        left=_shifted([tree["left"] for tree in trees], roots),
        right=_shifted([tree["right"] for tree in trees], roots),
        leaf=number,
        roots=roots.astype(np.int32),
        depth=depths[at_leaf].astype(np.float32),
        path=(depths[at_leaf] + _expected_path(rows)).astype(np.float32),
        share=(rows / totals).astype(np.float32),
    )


def _shifted(children: list[npt.NDArray[Any]], roots: npt.NDArray[Any]) -> npt.NDArray[np.int32]:
    moved = [np.where(child < 0, -1, child + root) for child, root in zip(children, roots, strict=True)]
    return np.concatenate(moved).astype(np.int32)


def _depths(left: npt.NDArray[Any], right: npt.NDArray[Any]) -> npt.NDArray[np.int64]:
    """The depth of every node; a parent always stands before its children."""
    depth = np.zeros(len(left), np.int64)
    for node in np.flatnonzero(left >= 0):
        depth[left[node]] = depth[right[node]] = depth[node] + 1
    return depth


def _expected_path(rows: npt.NDArray[Any]) -> Floats:
    """Mean path length of an unsuccessful search in a binary tree of so many rows (Liu et al., eq. 1)."""
    many = np.maximum(np.asarray(rows, np.float64), 2)
    length = 2 * (np.log(many - 1) + np.euler_gamma) - 2 * (many - 1) / many
    return np.where(np.asarray(rows) <= 1, 0.0, np.where(np.asarray(rows) <= 2, 1.0, length))


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _isolate(rows, seed):  # type: ignore[no-untyped-def]
    """One tree that parts the rows (sample, features) down to single or equal ones; parents before children."""
    np.random.seed(seed)
    room = 2 * rows.shape[0]
    feature, left, right = np.full(room, -1, np.int32), np.full(room, -1, np.int32), np.full(room, -1, np.int32)
    cut, count = np.full(room, -2.0), np.zeros(room, np.int32)
    at, columns = np.arange(rows.shape[0]), np.arange(rows.shape[1])
    stack = [(0, 0, rows.shape[0])]
    nodes = 1
    while len(stack):
        node, start, end = stack.pop()
        count[node] = end - start
        for place in range(len(columns)):
            other = place + np.random.randint(len(columns) - place)
            columns[place], columns[other] = columns[other], columns[place]
            column = columns[place]
            low = high = rows[at[start], column]
            for row in at[start:end]:
                low, high = min(low, rows[row, column]), max(high, rows[row, column])
            if not high > low:
                continue
            threshold = np.float32(low + (high - low) * np.random.random())
            if threshold >= high:
                threshold = low
            first, last = start, end - 1
            while first <= last:
                if rows[at[first], column] <= threshold:
                    first += 1
                else:
                    at[first], at[last] = at[last], at[first]
                    last -= 1
            feature[node], cut[node], left[node], right[node] = column, threshold, nodes, nodes + 1
            stack.append((nodes, start, first))
            stack.append((nodes + 1, first, end))
            nodes += 2
            break
    return feature[:nodes], cut[:nodes], left[:nodes], right[:nodes], count[:nodes]


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _walk(values, feature, cut, left, leaf, roots, reached):  # type: ignore[no-untyped-def]
    # A tree at a time over a block of rows: tree and block stay in the cache together.
    for start in range(0, values.shape[0], BLOCK):
        end = min(start + BLOCK, values.shape[0])
        for tree in range(roots.shape[0]):
            for row in range(start, end):
                node = roots[tree]
                while feature[node] >= 0:
                    node = left[node] + (values[row, feature[node]] > cut[node])
                reached[row, tree] = leaf[node]


@njit(cache=True, nogil=True)  # type: ignore[misc,unused-ignore]
def _mean_path(leaves, path):  # type: ignore[no-untyped-def]
    mean = np.empty(leaves.shape[0])
    for row in range(leaves.shape[0]):
        total = 0.0
        for tree in range(leaves.shape[1]):
            total += path[leaves[row, tree]]
        mean[row] = total / leaves.shape[1]
    return mean
