"""What a run found becomes review items, or automatic corrections, by policy."""

from __future__ import annotations

from typing import Any

from django.db import connection

from crmquality.models import Run
from review.models import ReviewItem
from review.services import deciding, policies

_WITHDRAW = """
    UPDATE review_reviewitem i SET state = 'withdrawn', closed_at = now(), leased_by_id = NULL, lease_until = NULL
    FROM crmquality_finding f
    WHERE f.id = i.finding_id AND i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
      AND (f.state <> 'open' OR f.score < %(review_at)s)
"""
_REFRESH = """
    UPDATE review_reviewitem i SET score = f.score, rank = f.score
    FROM crmquality_finding f
    WHERE f.id = i.finding_id AND i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
      AND i.score <> f.score
"""
_ADD = """
    INSERT INTO review_reviewitem (finding_id, source_id, detector, action, state, score, rank, policy_id, skips)
    SELECT f.id, f.source_id, f.detector, f.proposal->>'action', 'open', f.score, f.score, %(policy)s, 0
    FROM crmquality_finding f
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open' AND f.last_run_id = %(run)s
      AND f.score >= %(review_at)s
    ON CONFLICT (finding_id) WHERE state = 'open' DO NOTHING
"""


def triage(*, run: Run) -> None:
    """Bring the queue in line with what the run found; verdicts given before are never touched.

    Claims no longer made leave the queue, known ones take their new score, new ones at or above `review_at` enter
    it; corrections at or above `accept_at` are applied at once, as decisions of no person, listed and undoable.
    """
    version = policies.current_policy(run.source, run.detector)
    values: dict[str, Any] = {
        "source": run.source_id,
        "detector": run.detector,
        "run": run.pk,
        "policy": version.pk,
        "review_at": version.review_at,
    }
    with connection.cursor() as cursor:
        for statement in (_WITHDRAW, _REFRESH, _ADD):
            cursor.execute(statement, values)
    if version.accept_at is not None:
        certain = ReviewItem.objects.open().filter(
            source=run.source, detector=run.detector, score__gte=version.accept_at
        )
        for item in certain.exclude(action="flag").order_by("-score", "id"):
            deciding.accept_by_policy(item=item)
