"""An isolation forest held as flat arrays: every leaf of every tree is a member that feedback can weigh.

The trees are scikit-learn's (`ExtraTreeRegressor` with one random feature and a random cut a node, which is
what its `IsolationForest` grows). They are grown to single rows, because that class stops at depth log2(256),
where the leaves that feedback has to tell apart are still mixed. Held as arrays they are stored without
pickle, walked by compiled code, and read by people.

Source: Liu, Ting, Zhou, "Isolation Forest", ICDM 2008; leaves as members: Das et al., IDEA workshop 2017.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from numba import njit
from sklearn.tree import ExtraTreeRegressor

Floats = npt.NDArray[np.float64]
Matrix = npt.NDArray[np.float32]
Leaves = npt.NDArray[np.uint16]

TREES = 100
SAMPLE = 256


@dataclass(frozen=True, slots=True)
class Forest:
    """Trees laid end to end; a node's children are positions in the same arrays.

    feature: (nodes,) column tested, -1 at a leaf.
    cut: (nodes,) rows with value <= cut go left.
    left, right: (nodes,) children, -1 at a leaf.
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
            self.feature, self.cut, self.left, self.right, self.leaf, self.roots, reached,
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
    # A random target makes every split as good as any other: only the random cut decides.
    tree = ExtraTreeRegressor(max_features=1, random_state=int(rng.integers(2**31))).fit(rows, rng.random(sample)).tree_
    return {
        "feature": np.where(tree.children_left < 0, -1, tree.feature),
        "cut": tree.threshold,
        "left": tree.children_left,
        "right": tree.children_right,
        "rows": tree.n_node_samples,
    }


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
def _walk(values, feature, cut, left, right, leaf, roots, reached):  # type: ignore[no-untyped-def]
    for row in range(values.shape[0]):
        for tree in range(roots.shape[0]):
            node = roots[tree]
            while feature[node] >= 0:
                node = left[node] if values[row, feature[node]] <= cut[node] else right[node]
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
