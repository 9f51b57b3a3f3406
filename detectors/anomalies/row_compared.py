"""Methods on rows that failed for others, beside the product's members: to be compared on a user's own table.

Each takes the table's features and gives every row a score, higher = odder. None is ever a default.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from detectors.anomalies.features import Features
from detectors.anomalies.members import robust_z

Floats = npt.NDArray[np.float64]

RowMethod = Callable[[Features, int], Floats]
"""(features of n rows, seed) -> (n,) scores."""

MOST_FITTED = 3_000
"""Rows that a method of quadratic cost is fitted on, drawn at random."""

_CLIP = 10.0


def _scaled(made: Features) -> Floats:
    """Robust z of every column with its sign, clipped: one wild value must not be all there is."""
    away = made.values - np.median(made.values, axis=0)
    return np.asarray(np.clip(np.sign(away) * robust_z(made.values), -_CLIP, _CLIP))


def _drawn(rows: int, seed: int) -> npt.NDArray[np.int64]:
    return np.random.default_rng(seed).permutation(rows)[:MOST_FITTED]


def _one_class_svm(made: Features, seed: int) -> Floats:
    from sklearn.svm import OneClassSVM

    z = _scaled(made)
    return np.asarray(-OneClassSVM(nu=0.01, gamma="scale").fit(z[_drawn(len(z), seed)]).decision_function(z))


def _spectral_signature(made: Features, seed: int) -> Floats:
    """Squared projection on the direction of largest variance (Tran, Li and Madry, NeurIPS 2018)."""
    z = _scaled(made)
    away = z - z.mean(axis=0)
    return np.asarray((away @ np.linalg.svd(away, full_matrices=False)[2][0]) ** 2)


def _entropy(made: Features, seed: int) -> Floats:
    """How much the table's entropy falls without the row, summed over columns in ten bins (He, Xu and Deng, 2006)."""
    score = np.zeros(len(made.values))
    rows = len(score)
    for column in made.values.T:
        edges = np.unique(np.quantile(column, np.linspace(0, 1, 11)))
        bins = np.searchsorted(edges[1:-1], column, side="right") if len(edges) > 2 else np.zeros(rows, np.int64)
        counts = np.bincount(bins)
        score += (_entropy_of(counts) - np.array([_without(counts, one) for one in range(len(counts))]))[bins]
    return score


def _entropy_of(counts: npt.NDArray[np.int64]) -> float:
    share = counts[counts > 0] / max(counts.sum(), 1)
    return float(-(share * np.log2(share)).sum())


def _without(counts: npt.NDArray[np.int64], bin_: int) -> float:
    fewer = counts.copy()
    fewer[bin_] -= counts[bin_] > 0
    return _entropy_of(fewer)


def _feed_forward(made: Features, seed: int) -> Floats:
    """Error of a feed-forward network that passes the row through a layer a third as wide."""
    from sklearn.neural_network import MLPRegressor

    z = _scaled(made) / _CLIP
    width = max(1, z.shape[1] // 3)
    network = MLPRegressor(hidden_layer_sizes=(width,), max_iter=60, random_state=seed, early_stopping=len(z) >= 20)
    taught = z[_drawn(len(z), seed)]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # 60 passes need not converge
        network.fit(taught, taught if taught.shape[1] > 1 else taught.ravel())
        again = network.predict(z).reshape(z.shape)
    return np.asarray(((z - again) ** 2).sum(axis=1))


COMPARED_ON_ROWS: dict[str, RowMethod] = {
    "one-class SVM": _one_class_svm,
    "spectral signature": _spectral_signature,
    "entropy": _entropy,
    "feed-forward net": _feed_forward,
}
"""By name. ARIMA is not among them: rows without an order have no past."""
