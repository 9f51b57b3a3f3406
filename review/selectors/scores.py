"""Claims and decisions by score: what thresholds are judged by."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from review.estimation import BINS, Bin, bin_of

_CLAIMS = """
    SELECT floor(f.score * %(bins)s + 1e-9)::int, count(*) FROM crmquality_finding f
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state IN ('open', 'settled')
      AND f.score >= %(lowest)s
    GROUP BY 1
"""
# standing verdicts of people who looked; accepted as it stood, or a true anomaly with a known cause, is right
_SAID = """
    SELECT floor(i.score * %(bins)s + 1e-9)::int, count(*),
           count(*) FILTER (WHERE d.verdict IN ('accept', 'expected'))
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    WHERE i.source_id = %(source)s AND i.detector = %(detector)s AND i.state = 'decided' AND i.score >= %(lowest)s
      AND d.by_id IS NOT NULL AND d.looked_at AND d.verdict <> 'unsure'
    GROUP BY 1
"""
_BY_RULE = """
    SELECT f.rule, count(*) FILTER (WHERE d.verdict IN ('accept', 'expected')), count(*)
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    JOIN crmquality_finding f ON f.id = i.finding_id
    WHERE i.source_id = %(source)s AND i.detector = %(detector)s AND i.state = 'decided' AND i.score >= %(lowest)s
      AND d.by_id IS NOT NULL AND d.looked_at AND d.verdict <> 'unsure'
    GROUP BY 1
"""
_WAITING = """
    SELECT floor(f.score * %(bins)s + 1e-9)::int, count(*) FILTER (WHERE i.id IS NULL), count(i.id),
           count(*) FILTER (WHERE f.proposal->>'action' <> 'flag')
    FROM crmquality_finding f LEFT JOIN review_reviewitem i ON i.finding_id = f.id AND i.state = 'open'
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open'
    GROUP BY 1
"""


@dataclass(frozen=True, slots=True)
class Waiting:
    """Claims of one score that nobody settled yet: not shown, shown as open items, and of both the correctable."""

    unasked: int
    asked: int
    correctable: int


@dataclass(frozen=True, slots=True)
class Effect:
    """What other bounds would do to the queue now. automatic: corrections at or above accept_at."""

    added: int
    dropped: int
    shown: int
    automatic: int


def bins(source_id: int, detector: str, *, lowest: float = 0.0) -> list[Bin]:
    """The claims of a detector by score, with what people decided on them; from the lowest score asked for."""
    values = _values(source_id, detector, lowest)
    with connection.cursor() as cursor:
        cursor.execute(_CLAIMS, values)
        claims = dict(cursor.fetchall())
        cursor.execute(_SAID, values)
        said = {place: (decided, right) for place, decided, right in cursor.fetchall()}
    return [Bin(place / BINS, claims.get(place, 0), *said.get(place, (0, 0))) for place in sorted({*claims, *said})]


def by_rule(source_id: int, detector: str, lowest: float) -> dict[str, tuple[int, int]]:
    """Rule -> (right, decided) of the claims at or above a score."""
    with connection.cursor() as cursor:
        cursor.execute(_BY_RULE, _values(source_id, detector, lowest))
        return {rule: (right, decided) for rule, right, decided in cursor.fetchall()}


def waiting(source_id: int, detector: str) -> dict[int, Waiting]:
    """Thousandth of score -> the claims there that nobody settled yet."""
    with connection.cursor() as cursor:
        cursor.execute(_WAITING, _values(source_id, detector))
        return {place: Waiting(*counts) for place, *counts in cursor.fetchall()}


def _values(source_id: int, detector: str, lowest: float = 0.0) -> dict[str, Any]:
    return {"source": source_id, "detector": detector, "lowest": lowest, "bins": BINS}


def effect(waiting: Mapping[int, Waiting], *, review_at: float, accept_at: float | None) -> Effect:
    """What these bounds would add to the queue, drop from it, and accept by themselves."""
    shown_from = bin_of(review_at)
    above = [one for place, one in waiting.items() if place >= shown_from]
    certain = [one for place, one in waiting.items() if accept_at is not None and place >= bin_of(accept_at)]
    return Effect(
        added=sum(one.unasked for one in above),
        dropped=sum(one.asked for place, one in waiting.items() if place < shown_from),
        shown=sum(one.unasked + one.asked for one in above),
        automatic=sum(one.correctable for one in certain),
    )


def lowest_score(found: Sequence[Bin], *others: float) -> float:
    """Where a picture of the scores begins: a twentieth at or below the lowest of the claims and the others given."""
    least = min([*(one.score for one in found), *others], default=0.0)
    return min(0.95, int(least * 20 + 1e-9) / 20)
