"""Shapley values: how much of a row's score each feature makes up, with its fair share of what they do together.

The payoff of a set of features is the mean score of rows that have the row's values there and another row's values
elsewhere. Estimated over random orders of the features, each also read backwards, which keeps the sum exact:
the values add up to the row's score less the mean score of the rows it was held against.

Own sampling rather than the SHAP package's TreeExplainer: it explains any score, not only scikit-learn's trees, and
brings no dependency for a page that few people open. The sequences need none of it: the payoff "squared Mahalanobis
distance of these features, the others as expected" has r_i (P r)_i as its exact Shapley values, which is what
`sequence_scoring.Whitening.shares` gives, negative ones left out.

Source: Strumbelj, Kononenko, "Explaining prediction models and individual predictions with feature contributions",
2014; Lundberg, Lee, "A Unified Approach to Interpreting Model Predictions", NIPS 2017.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from detectors.anomalies.forest import Floats, Matrix

ORDERS = 128
"""Random orders, half of them the others read backwards."""


@dataclass(frozen=True, slots=True)
class Shapley:
    """values: (d,) what each feature adds to the score. error: (d,) standard error. usual + values.sum() is `score`."""

    values: Floats
    error: Floats
    usual: float
    score: float


def shapley(
    score: Callable[[Matrix], Floats], row: Matrix, others: Matrix, *, orders: int = ORDERS, seed: int = 0
) -> Shapley:
    """Explain the score of a row.

    score: (m, d) rows -> (m,). row: (d,). others: (n, d), the rows it is held against, one drawn for each two orders.

    Raises ValueError without a row to be held against.
    """
    if not len(others):
        raise ValueError("a row can be explained only against other rows")
    rng = np.random.default_rng(seed)
    width, pairs = len(row), max(1, orders // 2)
    drawn = others[rng.integers(len(others), size=pairs)]
    forwards = np.argsort(rng.random((pairs, width)), axis=1)
    added = np.zeros((pairs, width))
    ends = np.zeros((pairs, 2))
    for order in (forwards, forwards[:, ::-1]):
        scores = score(_steps(row, drawn, order)).reshape(pairs, width + 1)
        np.put_along_axis(added, order, np.take_along_axis(added, order, 1) + np.diff(scores, axis=1) / 2, axis=1)
        ends += scores[:, [0, -1]] / 2
    spread = added.std(axis=0, ddof=1) if pairs > 1 else np.full(width, np.nan)
    usual, reached = ends.mean(axis=0).tolist()
    return Shapley(added.mean(axis=0), spread / np.sqrt(pairs), usual, reached)


def _steps(row: Matrix, drawn: Matrix, order: np.ndarray[tuple[int, int], np.dtype[np.int64]]) -> Matrix:
    """Each drawn row with the row's values put in one by one: (pairs * (d + 1), d)."""
    pairs, width = drawn.shape
    place = np.argsort(order, axis=1)
    taken = np.arange(width + 1)[None, :, None] > place[:, None, :]
    mixed = np.where(taken, row, drawn[:, None, :])
    return np.ascontiguousarray(mixed.reshape(pairs * (width + 1), width), np.float32)
