"""A planted card shows the claim and its records as they stood when they were first decided, not as they are now."""

from __future__ import annotations

from collections.abc import Mapping

from django.db.models import Q

from crmquality.models import Record
from review.models import ReviewItem


def restore(item: ReviewItem) -> None:
    """Put the claim of a planted item back as it was seen; in memory only, other items stay as they are."""
    if item.known_answer is None:
        return
    seen, finding = item.known_answer.decision.seen, item.finding
    finding.subjects, finding.proposal = seen["subjects"], seen["proposal"]
    finding.score, finding.evidence, finding.rule = seen["score"], seen["evidence"], seen["rule"]


def restore_records(item: ReviewItem, found: Mapping[int, Record]) -> None:
    """Give the records of a planted item the values they had; in memory only."""
    if item.known_answer is None:
        return
    values = item.known_answer.decision.seen["values"]
    for record in found.values():
        record.fields = values.get(str(record.pk), record.fields)
        record.golden_id = None


def known_then(item: ReviewItem) -> Q:
    """Which changes a card's history may show: for a planted item those before its first decision."""
    if item.known_answer is None:
        return Q()
    return Q(change_set__at__lt=item.known_answer.decision.at)
