"""Streams: which trees no longer fit the records that arrive, and a forest with only those grown anew.

A tree drifts when the share of a window's rows in its leaves lies further from the reference's (Kullback-
Leibler divergence) than two halves of the reference lie from each other. Leaves see a change of correlation
that no column shows by itself; a shift of one column is seen better by a test a column: use both.

Source: Das et al., "Active Anomaly Detection via Ensembles", 2019, section 5, algorithm 4.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.anomalies.forest import Floats, Forest, Leaves, Matrix, replace

ALPHA = 0.05
SPLITS = 10
PSEUDO = 0.5
"""Added to every leaf's count: an empty leaf has no finite divergence."""


@dataclass(frozen=True, slots=True)
class Drift:
    """divergence, bound: (trees,); trees: those beyond their bound; drifted: whether more are than chance has it."""

    divergence: Floats
    bound: float
    trees: npt.NDArray[np.int64]
    drifted: bool


def measure(forest: Forest, reference: Leaves, window: Leaves, seed: int = 0) -> Drift:
    """Compare a window's leaves (m, trees) with the reference's (n, trees).

    Chance puts ALPHA of the trees beyond the bound; a drift is twice as many.
    Raises ValueError if either has no row.
    """
    if not len(reference) or not len(window):
        raise ValueError("drift needs rows in both the reference and the window")
    bound = _by_chance(forest, reference, len(window), np.random.default_rng(seed))
    divergence = _divergence(forest, reference, window)
    beyond = np.flatnonzero(divergence > bound)
    return Drift(divergence, bound, beyond, len(beyond) > 2 * ALPHA * forest.trees)


def adapt(forest: Forest, reference: Leaves, values: Matrix, seed: int = 0) -> tuple[Forest, Drift]:
    """The forest for a window's values (m, d): drifted trees grown anew on it, the others kept.

    Labels are rows, not leaves, so they stay: let the kept answers reach their leaves in the new forest.
    """
    drift = measure(forest, reference, forest.leaves(values), seed)
    return (replace(forest, drift.trees, values, seed) if drift.drifted else forest), drift


def _by_chance(forest: Forest, reference: Leaves, size: int, rng: np.random.Generator) -> float:
    """The 1 - ALPHA quantile of divergences between random parts of the reference, one of the window's size."""
    seen = []
    for _ in range(SPLITS):
        order = rng.permutation(len(reference))
        part = min(size, len(reference) // 2) or 1
        seen.append(_divergence(forest, reference[order[part:]], reference[order[:part]]))
    return float(np.quantile(np.concatenate(seen), 1 - ALPHA))


def _divergence(forest: Forest, reference: Leaves, window: Leaves) -> Floats:
    """KL(window || reference) of the leaf shares, a tree at a time: (trees,)."""
    owner = forest.tree_of_leaf()
    p, q = _shares(window, owner), _shares(reference, owner)
    return np.asarray(np.bincount(owner, weights=p * np.log(p / q), minlength=forest.trees), np.float64)


def _shares(leaves: Leaves, owner: npt.NDArray[np.int32]) -> Floats:
    count = np.bincount(leaves.ravel(), minlength=len(owner)) + PSEUDO
    return np.asarray(count / np.bincount(owner, weights=count)[owner])
