"""Items much like one: the same pattern, or the same rule on the same columns at a near score."""

from __future__ import annotations

from django.db.models import Q

from review.models import ReviewItem
from review.models.items import ReviewItemQuerySet

NEAR = 0.1
"""How far scores may lie apart."""


def similar(items: ReviewItemQuerySet, *, to: int) -> ReviewItemQuerySet:
    """Those of the items that are like the item of this id, but for itself; none if there is no such item."""
    item = ReviewItem.objects.select_related("finding").filter(pk=to).first()
    if item is None:
        return items.none()
    finding = item.finding
    near = Q(finding__rule=finding.rule, score__range=(item.score - NEAR, item.score + NEAR), action=item.action)
    columns = sorted(finding.proposal.get("changes", ()))
    if item.action == "set":
        near &= Q(finding__proposal__changes__has_keys=columns)
    if item.pattern:
        near |= Q(pattern=item.pattern)
    return items.filter(near, source=item.source_id, detector=item.detector).exclude(pk=to)
