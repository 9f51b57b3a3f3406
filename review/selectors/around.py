"""What stands around a claim, looked up in one step: most have nothing there, and need not be asked for each kind."""

from __future__ import annotations

from typing import NamedTuple

from django.db import connection

from review.models import ReviewItem

_AROUND = """
    SELECT
        EXISTS (SELECT FROM review_comment said JOIN review_reviewitem i ON i.id = said.item_id
                WHERE i.finding_id = %(finding)s),
        EXISTS (SELECT FROM review_question WHERE record_id = ANY(%(subjects)s::bigint[])),
        EXISTS (SELECT FROM crmquality_change WHERE record_id = ANY(%(subjects)s::bigint[])),
        EXISTS (SELECT FROM crmquality_finding f JOIN review_reviewitem i ON i.finding_id = f.id
                WHERE f.subjects && %(subjects)s::bigint[] AND i.state = 'open' AND i.id <> %(item)s)
"""


class Around(NamedTuple):
    """Whether anything of each kind is there at all, seen or unseen by whoever looks."""

    comments: bool
    questions: bool
    history: bool
    others: bool


def around(item: ReviewItem) -> Around:
    """What stands around an item and the records of its claim."""
    with connection.cursor() as cursor:
        cursor.execute(_AROUND, {"finding": item.finding_id, "subjects": item.finding.subjects, "item": item.pk})
        return Around(*cursor.fetchone())
