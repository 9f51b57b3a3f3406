"""Which rows to ask about next: the likeliest, unlike ones side by side, or those that would teach most."""

from __future__ import annotations

from enum import StrEnum

import numpy as np

from detectors.anomalies.discovery import Discovery
from detectors.anomalies.forest import Floats
from detectors.anomalies.similarity import Rows

WIDER, LEAST = 5, 20
"""Of the best WIDER * max(k, LEAST) rows, k unlike ones are picked: as many as the review queue looks at."""


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
            best = np.array(discovery.best(WIDER * max(many, LEAST)), np.int64)
            return [int(best[place]) for place in discovery.varied(best, many)]
        case Strategy.INFORMATIVE:
            return _informative(discovery, many)


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
