"""Leakage: columns that tell the answer because they were filled in after it was known."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from detectors.prediction.engine.encoding import Floats, Ints, Kind
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.search import Answers

DOUBT_LEFT = 0.1
"""A column that alone leaves no more than this share of the doubt about the class tells it."""

SAME_NUMBER = 0.9995
"""Correlation from which on a number is the target itself in another unit."""

STEPS = 64
"""Numbers and dates are held against the classes in so many quantile steps, and blank as one more."""


def leaks(features: Features, matrix: Floats, answers: Answers, classes: Sequence[str]) -> Iterator[str]:
    """Names of the features that alone tell nearly every answer; whether a cell is blank counts as telling.

    matrix: (n_rows, n_features) readings. answers: (n_rows,) class positions, or numbers where `classes` is empty.
    """
    for place, feature in enumerate(features.features):
        readings = matrix[:, place]
        if not classes:
            told = _is_same_number(readings, answers)
        else:
            groups = _groups(readings, category=feature.kind is Kind.CATEGORY)
            usual = np.bincount(answers).max() / len(answers)
            told = 1 - _share_told(groups, answers, len(classes)) <= DOUBT_LEFT * (1 - usual)
        if told:
            yield feature.name


def _is_same_number(readings: Floats, answers: Floats) -> bool:
    known = np.isfinite(readings)
    if known.sum() < len(answers) / 2 or not np.ptp(readings[known]) or not np.ptp(answers[known]):
        return False
    return bool(abs(np.corrcoef(readings[known], answers[known])[0, 1]) > SAME_NUMBER)


def _groups(readings: Floats, *, category: bool) -> Ints:
    """(n,) rows of like readings, blank ones together."""
    known = readings[np.isfinite(readings)]
    distinct = np.unique(known)
    if not category and len(distinct) > STEPS:
        distinct = np.unique(np.quantile(known, np.linspace(0, 1, STEPS + 1)))[1:-1]
    return np.where(np.isnan(readings), 0, 1 + np.searchsorted(distinct, readings))


def _share_told(groups: Ints, answers: Ints, classes: int) -> float:
    """Share of rows whose answer is the commonest of their group, the row itself left out."""
    counts = np.zeros((int(groups.max()) + 1, classes))
    np.add.at(counts, (groups, answers), 1)
    others = counts[groups]
    others[np.arange(len(groups)), answers] -= 1
    return float(np.mean((others.argmax(axis=1) == answers) & (others.max(axis=1) > 0)))
