"""Detectors that need no label: each gives every row a score, higher = odder; their votes are averaged.

Every member takes values (n, d) without gaps and returns (n,) unless it says otherwise.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from scipy.stats import chi2, rankdata

from detectors.anomalies.forest import Floats, Matrix

Codes = npt.NDArray[np.int64]

MAD_TO_SIGMA = 1.4826
MEAN_TO_SIGMA = 1.2533
"""Of the mean absolute distance."""
SMALL_GROUP = 20
"""A group of fewer rows has no usual values of its own."""
SAY_ALONE = 2.0
"""The say of a value that is sure to be out of place, in votes of a member that judges whole rows."""
SURE_OF_COUNT = 0.99


def ranks(scores: npt.ArrayLike) -> Floats:
    """Mid-ranks in (0, 1), ties sharing one: the only scale on which members can be averaged."""
    scores = np.asarray(scores, np.float64)
    return np.asarray((rankdata(scores) - 0.5) / max(len(scores), 1))


def combined(whole: list[Floats], special: list[Floats], alone: Floats | None = None) -> Floats:
    """The members' common order as ranks (n,): the trimmed mean log tail of those that judge whole rows.

    A special member's half log tail stands instead where it is higher, and so does what one value alone says, as far
    as it is sure (`departures.surest`, nats beyond chance): 0 for nearly all rows, and no rank can tell that.

    The plain mean of ranks buries a row that three members put first of 5,000 and two in the middle; as the log
    of its share, "1 in 5,000" counts for what it is (Fisher, "Statistical Methods for Research Workers", 1925).
    A row's highest and lowest vote are left out where three or more vote: one member that is blind to a table, or
    raves about it, has no say (AP .317, of the mean .304, of the median .313; mean of six public sets).
    Averaged in like the rest, the regression residual cost precision (AP .314 to .293): it is silent about most
    anomalies. As a maximum it speaks where it is sure, and costs none.
    """
    order = np.zeros(len(whole[0]))
    lowest, highest = np.full(len(order), np.inf), np.full(len(order), -np.inf)
    for member in whole:
        vote = _tail(member)
        order += vote
        np.minimum(lowest, vote, out=lowest)
        np.maximum(highest, vote, out=highest)
    if len(whole) > 2:
        order = (order - lowest - highest) / (len(whole) - 2)
    else:
        order /= len(whole)
    for member in special:
        order = np.maximum(order, _tail(member) / 2)
    if alone is not None:
        order = np.maximum(order, np.minimum(SAY_ALONE * _tail(alone), alone))
    return ranks(order)


def _tail(scores: Floats) -> Floats:
    """-log of the share of rows at least as odd."""
    return np.asarray(-np.log1p(-ranks(scores)))


def ecod(values: Floats) -> Floats:
    """Sum over columns of -log tail probability, each value by its worse side.

    The paper picks one side for all columns of a row (left, right, or by skewness); a side a value, as its
    authors' own code has it, is better (AP .31 to .25, mean of six public sets).
    Source: Li et al., "ECOD: Unsupervised Outlier Detection Using Empirical Cumulative Distribution
    Functions", TKDE 2022.
    """
    score = np.zeros(len(values))
    for column in values.T:
        _, place, counts = np.unique(column, return_inverse=True, return_counts=True)
        upto = np.cumsum(counts)
        rarer = np.minimum(upto, len(column) - upto + counts)
        score -= np.log(rarer / len(column))[place]
    return score


def quantile_hbos(values: Floats, *, bins: int = 20) -> Floats:
    """Sum over columns of -log density, by bins of equal count; a value that repeats has a bin of its own.

    Equal-width bins put everything but the outlier into one bin when an amount has a wild value; bins of
    equal count do not. Source: Goldstein, Dengel, "Histogram-based Outlier Score (HBOS)", KI 2012.
    """
    score = np.zeros(len(values))
    for column in values.T:
        score += _bin_score(column, bins)
    return score


def _bin_score(column: Floats, bins: int) -> Floats:
    edges = np.unique(np.quantile(column, np.linspace(0, 1, bins + 1)))
    if len(edges) < 2:
        return np.zeros(len(column))
    bin_of = np.clip(np.searchsorted(edges, column, side="right") - 1, 0, len(edges) - 2)
    count = np.bincount(bin_of, minlength=len(edges) - 1)
    density = count / len(column) / (np.diff(edges) / (edges[-1] - edges[0]))
    return np.asarray(-np.log(np.maximum(density, 1e-9))[bin_of])


def robust_z(values: Floats) -> Floats:
    """|value - median| / (1.4826 MAD) a column: (n, d).

    A column of which more than half is one value has MAD 0; its mean absolute deviation stands in.
    Source: Iglewicz, Hoaglin, "How to Detect and Handle Outliers", 1993.
    """
    middle, scale = _middle(values)
    return np.asarray(np.abs(values - middle) / scale)


def farthest_z(values: Floats) -> Floats:
    """The largest robust z of each row over its columns."""
    farthest = np.zeros(len(values))
    for place in range(values.shape[1]):
        np.maximum(farthest, robust_z(values[:, place : place + 1])[:, 0], out=farthest)
    return farthest


def beyond_fences(values: Floats) -> Floats:
    """How far each row lies outside its columns' fences, summed."""
    beyond = np.zeros(len(values))
    for place in range(values.shape[1]):
        beyond += iqr_fences(values[:, place : place + 1])[:, 0]
    return beyond


def iqr_fences(values: Floats) -> Floats:
    """How many interquartile ranges outside Tukey's fences (1.5 beyond the quartiles), 0 inside: (n, d)."""
    low, high = np.quantile(values, [0.25, 0.75], axis=0)
    span = np.where(high > low, high - low, np.maximum(np.abs(values - np.median(values, axis=0)).mean(axis=0), 1e-12))
    return np.asarray(np.maximum(np.maximum(low - 1.5 * span - values, values - high - 1.5 * span), 0) / span)


def regression_residual(values: Floats, *, ridge: float = 1.0) -> Matrix:
    """Robust z of each column's residual from a ridge regression on the other columns: (n, d).

    A deal of usual amount and usual quantity may still be odd for its quantity. Columns enter as clipped
    robust z, so that one wild value bends no line.
    """
    if values.shape[1] < 2:
        return np.zeros(values.shape, np.float32)
    clipped = np.empty(values.shape, np.float32)
    for place in range(values.shape[1]):
        middle, scale = _middle(values[:, place : place + 1])
        clipped[:, place] = np.clip((values[:, place] - middle) / scale, -6, 6)
        clipped[:, place] -= clipped[:, place].mean(dtype=np.float64)
    precision = np.linalg.pinv((clipped.T @ clipped).astype(np.float64) + ridge * np.eye(values.shape[1]))
    # With P the inverse covariance, row . P[:, j] / P[j, j] is column j's residual on all the others.
    weights = (precision / np.maximum(np.diag(precision), 1e-12)).astype(np.float32)
    residual = np.empty(values.shape, np.float32)
    for place in range(values.shape[1]):
        residual[:, place] = robust_z((clipped @ weights[:, place]).astype(np.float64)[:, None])[:, 0]
    return residual


def pair_surprise(first: Codes, second: Codes) -> Floats:
    """log2(expected / seen) of each row's pair of category numbers, both (n,), -1 where blank; never below 0: (n,).

    Rare words alone do not count, only words that are common apart and rare together ("Boston" with "TX"). Seen
    counts with what it may be by chance, the upper 99 % bound of a Poisson count: a pair seen once where five were
    expected is nothing, one seen fourteen times where five hundred were is.
    """
    both = (first >= 0) & (second >= 0)
    surprise = np.zeros(len(first))
    if not both.any():
        return surprise
    left, right = first[both], second[both]
    place = left * (right.max() + 1) + right
    if place.max() > 4 * len(place):  # counting needs a place for every pair that could be
        place = np.unique(place, return_inverse=True)[1]
    counts, at = np.unique(np.bincount(place), return_inverse=True)
    at_most = (chi2.ppf(SURE_OF_COUNT, 2 * (counts + 1)) / 2)[at][place]
    expected = np.bincount(left)[left] * np.bincount(right)[right] / both.sum()
    surprise[both] = np.maximum(np.log2(expected / at_most), 0)
    return surprise


def one_in(position: int, rows: int) -> str:
    """A row's place from the top (0 = oddest) as a share that people read: "1 in 2,000"."""
    return f"1 in {max(round(rows / (position + 1)), 1):,}"


def _middle(values: Floats) -> tuple[Floats, Floats]:
    """Median and robust standard deviation a column; never 0."""
    middle = np.median(values, axis=0)
    apart = np.abs(values - middle)
    mad = np.median(apart, axis=0) * MAD_TO_SIGMA
    scale = np.where(mad > 0, mad, apart.mean(axis=0) * MEAN_TO_SIGMA)
    return middle, np.where(scale > 0, scale, 1.0)
