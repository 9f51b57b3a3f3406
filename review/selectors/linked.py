"""Which records of other sources are the same person or company, as people decided: accepted links that stand."""

from __future__ import annotations

from typing import Any

from crmquality.models import Record
from crmquality.services import access
from review.models import Decision


def linked(user: Any, record: Record) -> list[tuple[Record, Decision]]:
    """The records that are linked to this one, directly or through others, with the decision that reached each.

    Only those that the person may see, and no way leads through one that they may not.
    """
    found: dict[int, Decision] = {}
    reached = seen = {record.pk}
    while reached:
        standing = Decision.objects.filter(
            item__action="link",
            verdict=Decision.Verdict.ACCEPT,
            undone_at__isnull=True,
            item__finding__subjects__overlap=list(reached),
        ).select_related("item__finding", "by")
        near = {
            other: decision
            for decision in standing.order_by("-id")
            for other in decision.item.finding.subjects
            if other not in seen
        }
        visible = access.visible_records(user, Record.objects.filter(pk__in=list(near)))
        reached = set(visible.values_list("pk", flat=True))
        seen = seen | reached
        found |= {one: near[one] for one in reached}
    records = Record.objects.filter(pk__in=list(found)).select_related("source").order_by("source__name", "pk")
    return [(one, found[one.pk]) for one in records]
