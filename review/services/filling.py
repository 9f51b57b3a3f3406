"""Bringing the open items in line with the claims and the policy: statements over all of them at once."""

from __future__ import annotations

from typing import Any

from django.db import connection

from review.models import PolicyVersion
from review.policy import Route
from review.services import describing
from review.services.patterning import stage_patterns

# The values were others for a while, and the claim open on those; now they are what a decision left them at.
# IS NOT DISTINCT FROM, as no join is hashed on it: what was seen is read of the few that match, not of all decisions.
_SETTLE = """
    UPDATE crmquality_finding f SET state = 'settled'
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id
    WHERE i.finding_id = f.id AND f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open'
      AND i.state = 'decided' AND d.undone_at IS NULL AND d.seen->>'digest_after' IS NOT DISTINCT FROM f.values_digest
"""
_WITHDRAW = """
    UPDATE review_reviewitem i SET state = 'withdrawn', closed_at = now(), leased_by_id = NULL, lease_until = NULL
    FROM crmquality_finding f
    WHERE f.id = i.finding_id AND i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
      AND (f.state <> 'open' OR f.score < %(shown_from)s AND NOT i.sampled)
"""
_REFRESH = """
    UPDATE review_reviewitem i SET score = f.score, rank = f.score, worth = NULL, variety = NULL
    FROM crmquality_finding f
    WHERE f.id = i.finding_id AND i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
      AND i.score <> f.score
"""
_PATTERN = """
    UPDATE review_reviewitem i SET pattern = p.pattern
    FROM patterned p WHERE p.finding_id = i.finding_id AND i.state = 'open' AND i.pattern <> p.pattern
"""
_ADD = """
    INSERT INTO review_reviewitem
        (finding_id, source_id, detector, action, state, score, rank, policy_id, skips, pattern)
    SELECT f.id, f.source_id, f.detector, f.proposal->>'action', 'open', f.score, f.score, %(policy)s, 0,
        coalesce(p.pattern, '')
    FROM crmquality_finding f LEFT JOIN patterned p ON p.finding_id = f.id
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open' AND f.score >= %(shown_from)s
    ORDER BY f.id
    ON CONFLICT (finding_id) WHERE state = 'open' DO NOTHING
"""


def fill(version: PolicyVersion, *, after_run: bool = False) -> None:
    """Claims no longer made, or too weak, leave the queue; known ones take their new score; new ones enter it.

    A claim whose records hold the very values at which a decision left them is settled, not asked again.

    On each is noted what it is about.

    after_run: the values behind open claims may have changed, so that their patterns are worked out anew too.
    """
    values: dict[str, Any] = {
        "source": version.source_id,
        "detector": version.detector,
        "policy": version.pk,
        "shown_from": version.bounds.lowest(Route.REVIEW),
    }
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, values)
    stage_patterns(values | {"anew": after_run})
    with connection.cursor() as cursor:
        for statement in (_WITHDRAW, _REFRESH, _PATTERN, _ADD):
            cursor.execute(statement, values)
    describing.describe(source=version.source, detector=version.detector)
