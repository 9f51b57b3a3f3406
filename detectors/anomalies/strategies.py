"""Which rows to ask about next: the likeliest, unlike ones side by side, or those that would teach most."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from detectors.anomalies.discovery import Discovery
from detectors.anomalies.forest import Floats
from detectors.anomalies.similarity import Rows

WIDER = 5
"""Of the best WIDER * k rows, k unlike ones are picked."""

REMEMBERED = 10
"""A fresh pick is unlike so many of the latest answers too: cards come one after another, not as a page."""


class Strategy(StrEnum):
    """TOP finds most anomalies; DIVERSE shows unlike ones side by side; INFORMATIVE learns most a question."""

    TOP = "top"
    DIVERSE = "diverse"
    INFORMATIVE = "informative"


def pick(discovery: Discovery, many: int, strategy: Strategy = Strategy.TOP) -> list[int]:
    """At most `many` rows without an answer, the first to be asked first."""
    match strategy:
        case Strategy.TOP:
            return discovery.next(many)
        case Strategy.DIVERSE:
            best = np.array(discovery.next(WIDER * many), np.int64)
            return [int(best[place]) for place in varied(discovery, best, many)]
        case Strategy.INFORMATIVE:
            return _informative(discovery, many)


def varied(discovery: Discovery, best: Rows, many: int, *, lately: int = 0) -> list[int]:
    """Positions in `best` of at most `many` rows, greedily the one that shares fewest leaves with those picked.

    best: rows, the likeliest first; the first is picked first. lately: how many of the latest answers count as picked.

    Sharing a leaf is lying in the same box, so this is the papers' least overlap of boxes. Tried for pages of 20: each
    row picked as if those before it had their likeliest verdict; mean area of six public sets .67, of the plain best
    twenty .71 (eight further sets .37 and .34).
    """
    if not len(best):
        return []
    leaves = discovery.table.leaves[best]
    overlap = np.zeros(len(best))
    answered = list(discovery.answers)[-lately:] if lately else []
    for row in answered:
        overlap = np.maximum(overlap, (leaves == discovery.table.leaves[row]).mean(axis=1))
    picked: list[int] = []
    while len(picked) < min(many, len(best)):
        fresh = int(overlap.argmin())
        picked.append(fresh)
        overlap = np.maximum(overlap, (leaves == leaves[fresh]).mean(axis=1))
        overlap[picked] = np.inf
    return picked


def worth(discovery: Discovery, rows: Rows) -> Floats:
    """What a verdict on each row would teach, in [0, .5]: (len(rows),).

    2 p (1 - p), which is .5 where the verdict is a coin's toss, times the share of the doubt that is about the row's
    latent value and that answers can take away, variance / (1 + variance), and not about the verdict itself.
    """
    similarity = discovery.similarity
    places = discovery.place_in_pool[rows]
    inside = places >= 0
    variance = similarity.variance_before(discovery.table.members[rows]).astype(np.float64)
    variance[inside] = similarity.variance[places[inside]]
    expected = np.clip(discovery.expected_at(rows).astype(np.float64), 0.01, 0.99)
    return np.asarray(2 * expected * (1 - expected) * variance / (1 + variance), np.float64)


def _informative(discovery: Discovery, many: int) -> list[int]:
    """Rows whose verdict would teach most, of those that answers move."""
    pool = discovery.pool
    taught = worth(discovery, pool)
    answered = discovery.place_in_pool[list(discovery.answers)]
    taught[answered[answered >= 0]] = -np.inf
    order = np.argsort(-taught, kind="stable")
    return [int(pool[place]) for place in order[:many] if np.isfinite(taught[place])]
