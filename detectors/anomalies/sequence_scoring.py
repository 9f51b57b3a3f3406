"""Scores of forecast residuals, the same for every sequence model and for none.

Residuals are held against their covariance on a span the model was not trained on (Mahalanobis distance),
because a plain norm lets one noisy column drown the rest: whitening alone lifted a convolutional network
from .83 to .96 AUROC on a process stream. That is why `Whitening` is also the no-model control: row minus
mean, whitened.

Source: Mahalanobis 1936; anomaly likelihood after Ahmad et al., "Unsupervised real-time anomaly detection for
streaming data", Neurocomputing 2017, with a tail fitted to the scores in place of their normal.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.special import erfc

Floats = npt.NDArray[np.float64]
Singles = npt.NDArray[np.float32]
Flags = npt.NDArray[np.bool_]

_RIDGE = 1e-3
_TRIM = 0.02


@dataclass(frozen=True, slots=True)
class Scaling:
    """Mean and standard deviation of each column, from the training span only; each (features,)."""

    mean: Floats
    deviation: Floats

    @classmethod
    def of(cls, rows: Floats) -> Scaling:
        """The scaling of these rows, (n, features); a constant column keeps its unit."""
        deviation = rows.std(axis=0)
        return cls(rows.mean(axis=0), np.where(deviation > 1e-9, deviation, 1.0))

    def apply(self, rows: Floats) -> Floats:
        """The rows in standard deviations from the mean."""
        scaled: Floats = (rows - self.mean) / self.deviation
        return scaled

    def undo(self, scaled: Floats) -> Floats:
        """Back to the columns' own units."""
        rows: Floats = scaled * self.deviation + self.mean
        return rows


@dataclass(frozen=True, slots=True)
class Whitening:
    """Center and inverse covariance of residuals, (features,) and (features, features)."""

    center: Floats
    precision: Floats

    @classmethod
    def of(cls, residuals: Floats) -> Whitening:
        """From residuals (n, features) of a held-out span.

        The longest 2 % are left out: the anomalies we look for may lie in that span too. A thousandth of the
        mean variance is added to each, so that a column that never varied there weighs much, not infinitely.
        """
        length = plain_error(residuals - np.median(residuals, axis=0))
        residuals = residuals[length <= np.quantile(length, 1 - _TRIM)]
        center = residuals.mean(axis=0)
        covariance = np.atleast_2d(np.cov(residuals - center, rowvar=False, bias=True))
        ridge = _RIDGE * max(float(np.trace(covariance)) / len(covariance), 1e-12)
        precision = np.linalg.pinv(covariance + ridge * np.eye(len(covariance)), hermitian=True)
        return cls(center, np.asarray(precision, dtype=np.float64))

    def distance(self, residuals: Floats) -> Floats:
        """Mahalanobis distance of each residual, (n,)."""
        away = residuals - self.center
        squared = np.einsum("ij,jk,ik->i", away, self.precision, away, optimize=True)
        return np.asarray(np.sqrt(np.maximum(squared, 0.0)), dtype=np.float64)

    def shares(self, residuals: Floats) -> Floats:
        """How much of each squared distance each feature makes up, (n, features), rows sum to 1.

        The terms r_i (P r)_i sum to the squared distance; a negative one (a feature that makes the others
        plausible) counts as 0.
        """
        away = residuals - self.center
        terms = np.maximum((away @ self.precision) * away, 0.0)
        total = terms.sum(axis=1, keepdims=True)
        even = np.full_like(terms, 1 / terms.shape[1])
        return np.asarray(np.divide(terms, total, out=even, where=total > 0), dtype=np.float64)


def plain_error(residuals: Floats) -> Floats:
    """The Euclidean norm of each residual, (n,): what the papers score by."""
    return np.asarray(np.linalg.norm(residuals, axis=1), dtype=np.float64)


@dataclass(frozen=True, slots=True)
class Tail:
    """The distribution of reference scores: what share of them is at least as high?

    ordered: (n,) reference scores, rising. Beyond their 95 % quantile an exponential tail is fitted.
    """

    ordered: Floats

    @classmethod
    def of(cls, scores: Floats) -> Tail:
        """From at least one reference score."""
        return cls(np.sort(scores))

    def rarity(self, scores: Floats) -> Floats:
        """-log10 of the share of reference scores at least as high, (n,); 3 means one in 1,000."""
        count = len(self.ordered)
        above = count - np.searchsorted(self.ordered, scores, side="left")
        share = (above + 1.0) / (count + 1.0)
        cut = min(int(count * 0.95), count - 1)
        bound = self.ordered[cut]
        mean_excess = max(float(self.ordered[cut:].mean() - bound), 1e-6 * abs(float(bound)) + 1e-12)
        reach = np.minimum((scores - bound) / mean_excess, 600.0)
        fitted = (count - cut) / count * np.exp(-np.maximum(reach, 0.0))
        share = np.where(scores > bound, fitted, np.minimum(share, 1.0))
        return np.asarray(-np.log10(share), dtype=np.float64)


def likelihood(scores: Floats, *, recent: int = 10, reference: int = 1000) -> Floats:
    """Anomaly likelihood: how unusual is the mean of the last few scores against the scores before, (n,).

    scores: (n,) in time order. recent, reference: rows of the short and of the long mean.

    Returns probabilities in [0, 1]; 0.5 is usual, near 1 a lasting rise. A single wild score raises it less
    than a stretch of high ones does.
    """
    if not len(scores):
        return np.zeros(0)
    short = _moving(scores, recent)[0]
    mean, deviation = _moving(scores, reference)
    z = (short - mean) / np.maximum(deviation, 1e-12 + 1e-9 * np.abs(mean))
    return np.asarray(1.0 - 0.5 * erfc(z / np.sqrt(2)), dtype=np.float64)


def _moving(scores: Floats, width: int) -> tuple[Floats, Floats]:
    """Mean and standard deviation of the last `width` scores at each place (fewer at the start)."""
    shift = scores.mean()
    ends = np.arange(len(scores)) + 1
    starts = np.maximum(ends - width, 0)
    sums = np.concatenate([[0.0], np.cumsum(scores - shift)])
    squares = np.concatenate([[0.0], np.cumsum((scores - shift) ** 2)])
    count = ends - starts
    mean = (sums[ends] - sums[starts]) / count
    variance = (squares[ends] - squares[starts]) / count - mean**2
    return mean + shift, np.sqrt(np.maximum(variance, 0.0))


def area_under_curve(scores: Floats, is_anomaly: Flags) -> float:
    """AUROC; ties count half. 0.5 where there is only one class."""
    positives = int(is_anomaly.sum())
    if not 0 < positives < len(scores):
        return 0.5
    _, place, counts = np.unique(scores, return_inverse=True, return_counts=True)
    ranks = (np.cumsum(counts) - (counts - 1) / 2.0)[place]
    negatives = len(scores) - positives
    return float((ranks[is_anomaly].sum() - positives * (positives + 1) / 2) / (positives * negatives))


def average_precision(scores: Floats, is_anomaly: Flags) -> float:
    """Mean precision at each anomaly, ties taken together; 0 where there is none."""
    if not is_anomaly.any():
        return 0.0
    order = np.argsort(-scores, kind="stable")
    hits = np.cumsum(is_anomaly[order])
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    found = np.diff(hits[ends], prepend=0)
    return float((found * hits[ends] / (ends + 1)).sum() / hits[-1])
