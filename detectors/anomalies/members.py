"""Detectors that need no label: each gives every row a score, higher = odder; their ranks are averaged.

Every member takes values (n, d) without gaps and returns (n,) unless it says otherwise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import rankdata

from detectors.anomalies.forest import Floats

Codes = npt.NDArray[np.int64]

MAD_TO_SIGMA = 1.4826
SMALL_GROUP = 20
"""A group of fewer rows is compared with the whole table."""


def ranks(scores: npt.ArrayLike) -> Floats:
    """Mid-ranks in (0, 1), ties sharing one: the only scale on which members can be averaged."""
    scores = np.asarray(scores, np.float64)
    return np.asarray((rankdata(scores) - 0.5) / max(len(scores), 1))


def rank_average(members: list[Floats]) -> Floats:
    """Mean rank of the members, as ranks again: (n,)."""
    return ranks(np.mean([ranks(member) for member in members], axis=0))


def tail_average(members: list[Floats]) -> Floats:
    """Mean log of the members' tail shares, as ranks: (n,).

    The plain mean of ranks buries a row that three members put first of 5,000 and two in the middle; on this
    scale "1 in 5,000" counts for what it is. Source: Fisher, "Statistical Methods for Research Workers", 1925.
    """
    return ranks(np.mean([-np.log1p(-ranks(member)) for member in members], axis=0))


def ecod(values: Floats) -> Floats:
    """Sum over columns of -log tail probability, each row by its worse side (left, right, or by skewness).

    Source: Li et al., "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
    Functions", TKDE 2022, eq. 8 to 12.
    """
    rows = len(values)
    left = -np.log(rankdata(values, "max", axis=0) / rows)
    right = -np.log(rankdata(-values, "max", axis=0) / rows)
    centred = values - values.mean(axis=0)
    by_skew = np.where((centred**3).mean(axis=0) < 0, left, right)
    return np.asarray(np.maximum.reduce([left.sum(axis=1), right.sum(axis=1), by_skew.sum(axis=1)]))


def quantile_hbos(values: Floats, *, bins: int = 20) -> Floats:
    """Sum over columns of -log density, by bins of equal count; a value that repeats has a bin of its own.

    Equal-width bins put everything but the outlier into one bin when an amount has a wild value; bins of
    equal count do not. Source: Goldstein, Dengel, "Histogram-based Outlier Score (HBOS)", KI 2012.
    """
    return np.asarray(sum((_bin_score(column, bins) for column in values.T), np.zeros(len(values))))


def _bin_score(column: Floats, bins: int) -> Floats:
    edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)))
    if len(edges) < 2:
        return np.zeros(len(column))
    bin_of = np.clip(np.searchsorted(edges, column, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(bin_of, minlength=len(edges) - 1)
    density = count / len(column) / (np.diff(edges) / (edges[-1] - edges[0]))
    return np.asarray(-np.log(np.maximum(density, 1e-9))[bin_of])


def robust_z(values: Floats, groups: Codes | None = None) -> Floats:
    """|value - median| / (1.4826 MAD) a column and a group: (n, d).

    A column of which more than half is one value has MAD 0; its mean absolute deviation stands in.
    Source: Iglewicz, Hoaglin, "How to Detect and Handle Outliers", 1993.
    """
    return _by_group(values, groups, _plain_robust_z)


def iqr_fences(values: Floats, groups: Codes | None = None) -> Floats:
    """How many interquartile ranges outside Tukey's fences (1.5 beyond the quartiles), 0 inside: (n, d)."""
    return _by_group(values, groups, _plain_fences)


def regression_residual(values: Floats, *, ridge: float = 1.0) -> Floats:
    """Robust z of each column's residual from a ridge regression on the other columns: (n, d).

    A deal of usual amount and usual quantity may still be odd for its quantity. Columns enter as clipped
    robust z, so that one wild value bends no line.
    """
    if values.shape[1] < 2:
        return np.zeros_like(values)
    middle, scale = _middle(values)
    clipped = np.clip((values - middle) / scale, -6, 6)
    clipped = clipped - clipped.mean(axis=0)
    precision = np.linalg.pinv(clipped.T @ clipped + ridge * np.eye(values.shape[1]))
    # With P the inverse covariance, row . P[:, j] / P[j, j] is column j's residual on all the others.
    residual = clipped @ precision / np.maximum(np.diag(precision), 1e-12)
    return _plain_robust_z(residual)


def rare_pairs(codes: Codes) -> Floats:
    """The least expected pair of categories a row: max over column pairs of log2(expected / seen), >= 0.

    codes: (n, c) category numbers, -1 where blank. Rare words alone do not count, only words that are common
    apart and rare together ("Boston" with "TX").
    """
    worst = np.zeros(len(codes))
    for first in range(codes.shape[1]):
        for second in range(first):
            worst = np.maximum(worst, pair_surprise(codes[:, first], codes[:, second]))
    return worst


def pair_surprise(first: Codes, second: Codes) -> Floats:
    """log2(expected / seen) of each row's pair, 0 where it is seen as often as chance has it or one is blank."""
    both = (first >= 0) & (second >= 0)
    surprise = np.zeros(len(first))
    if not both.any():
        return surprise
    left, right = first[both], second[both]
    pair, place = np.unique(left * (right.max() + 1) + right, return_inverse=True)
    seen = np.bincount(place, minlength=len(pair))[place]
    expected = np.bincount(left)[left] * np.bincount(right)[right] / both.sum()
    surprise[both] = np.maximum(np.log2(expected / seen), 0)
    return surprise


def one_in(position: int, rows: int) -> str:
    """A row's place from the top (0 = oddest) as a share that people read: "1 in 2,000"."""
    return f"1 in {max(round(rows / (position + 1)), 1):,}"


def _by_group(values: Floats, groups: Codes | None, member: object) -> Floats:
    assert callable(member)
    result = np.asarray(member(values), np.float64)
    if groups is None:
        return result
    for group in np.unique(groups):
        rows = np.flatnonzero(groups == group)
        if group >= 0 and len(rows) >= SMALL_GROUP:
            result[rows] = member(values[rows])
    return result


def _plain_robust_z(values: Floats) -> Floats:
    middle, scale = _middle(values)
    return np.asarray(np.abs(values - middle) / scale)


def _plain_fences(values: Floats) -> Floats:
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(values - np.median(values, axis=0)).mean(axis=0), 1e-12))
    return np.asarray(np.maximum(np.maximum(low - 1.5 * span - values, values - high - 1.5 * span), 0) / span)


def _middle(values: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation a column; never 0."""
    middle = np.median(values, axis=0)
    apart = np.abs(values - middle)
    mad = np.median(apart, axis=0) * MAD_TO_SIGMA
    scale = np.where(mad > 0, mad, apart.mean(axis=0) * 1.2533)
    return middle, np.where(scale > 0, scale, 1.0)
