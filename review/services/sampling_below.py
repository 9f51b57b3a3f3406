"""Asking about claims that nobody is shown: a sample from below the bound, whose answers say what is missed."""

from __future__ import annotations

from typing import Any

from django.db import connection, transaction

from crmquality.models import Source
from crmquality.services.errors import Refused
from review.services import describing, policies

BANDS = 5
MOST = 500

# Of every band of scores as many: what is rare near the bound is then known as well as what is common far below it.
_DRAW = """
    WITH unasked AS (
        SELECT f.id, f.proposal->>'action' AS action, f.score,
               width_bucket(f.score, %(low)s, %(at)s, %(bands)s) AS band
        FROM crmquality_finding f
        WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open' AND f.score < %(at)s
          AND NOT EXISTS (
              SELECT 1 FROM review_reviewitem i WHERE i.finding_id = f.id AND i.state IN ('open', 'decided'))
    ), placed AS (
        SELECT *, row_number() OVER (PARTITION BY band ORDER BY random()) AS place FROM unasked
    )
    INSERT INTO review_reviewitem
        (finding_id, source_id, detector, action, state, score, rank, policy_id, skips, pattern, sampled)
    SELECT id, %(source)s, %(detector)s, action, 'open', score, score, %(policy)s, 0, '', true
    FROM placed ORDER BY place, random() LIMIT %(count)s
    ON CONFLICT (finding_id) WHERE state = 'open' DO NOTHING
"""
_LOWEST = """
    SELECT min(score) FROM crmquality_finding
    WHERE source_id = %(source)s AND detector = %(detector)s AND state = 'open'
"""


@transaction.atomic
def ask_below(*, source: Source, detector: str, count: int) -> int:
    """Put a sample of the claims below the bound in force into the queue, as many of each of five bands of scores.

    Returns how many were drawn; fewer than asked for where no more are left. Raises Refused for a silly count.
    """
    if not 1 <= count <= MOST:
        raise Refused(f"Between 1 and {MOST} pairs can be asked at once.")
    version = policies.current_policy(source, detector)
    values: dict[str, Any] = {
        "source": source.pk,
        "detector": detector,
        "policy": version.pk,
        "at": version.review_at,
        "bands": BANDS,
        "count": count,
    }
    with connection.cursor() as cursor:
        cursor.execute(_LOWEST, values)
        lowest = cursor.fetchone()[0]
        if lowest is None or lowest >= version.review_at:
            return 0
        cursor.execute(_DRAW, values | {"low": lowest})
        drawn: int = cursor.rowcount
    describing.describe(source=source, detector=detector)
    return drawn
