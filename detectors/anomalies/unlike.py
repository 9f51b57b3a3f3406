"""Rows that are likely anomalies and unlike each other: for a page of which no answer is known before all are shown.

Each next row is the one with the highest merit times the share of its doubt that is left, once the rows before it are
answered: how surely a verdict on one foretells the other is the posterior covariance of `similarity.py`, and needs no
verdict. So a row beside one on the page comes later, and where doubt is measured from before the answers, one beside an
answered row too.

Source: the variance that an observation leaves, Krause, Singh, Guestrin, "Near-Optimal Sensor Placements in Gaussian
Processes", JMLR 2008, here times the probability that the row is what is looked for.
"""

from __future__ import annotations

import numpy as np

from detectors.anomalies.forest import Floats
from detectors.anomalies.similarity import Rows, Similarity

VERDICT_VARIANCE = 1.0
"""Of the normal variable whose sign a verdict is, about f: the probit link's own."""


def unlike(similarity: Similarity, rows: Rows, merit: Floats, many: int, *, before: Floats | None = None) -> list[int]:
    """Positions in `rows` of at most `many` of them, the first to be asked first: O(len(rows)^2 * (answers + many)).

    rows: (k,) of the model's own. merit: (k,), 0 or more, how gladly each would be asked alone.
    before: (k,) the doubt of which a share is left; today's where not given, so that the answers count in merit alone.
    """
    if not len(rows):
        return []
    left = similarity.covariance_now(rows)
    worth = np.asarray(merit, np.float64) / (left.diagonal() if before is None else before)
    picked: list[int] = []
    open_ = np.ones(len(rows), bool)
    while len(picked) < min(many, len(rows)):
        fresh = int(np.where(open_, worth * left.diagonal(), -np.inf).argmax())
        picked.append(fresh)
        open_[fresh] = False
        shared = left[fresh].copy()
        left -= np.outer(shared, shared) / (shared[fresh] + VERDICT_VARIANCE)
    return picked
