"""Handing out items: each to one steward at a time, the most worthwhile first."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models import F, Q
from django.db.models.functions import Now

from crmquality.models import Finding
from crmquality.services import access
from review.models import ReviewItem, Skip
from review.models.items import LEASE, ReviewItemQuerySet
from review.services import checks, similarity, staleness


@dataclass(frozen=True)
class Filters:
    """What a steward wants to see; empty means everything."""

    source: int | None = None
    detector: str = ""
    action: str = ""
    rule: str = ""
    min_score: float = 0.0
    record: int | None = None
    mine: bool = False
    pattern: str = ""
    like: int | None = None
    lot: int | None = None

    def apply(self, items: ReviewItemQuerySet, user: Any) -> ReviewItemQuerySet:
        """The items that fit."""
        if self.source:
            items = items.filter(source_id=self.source)
        if self.detector:
            items = items.filter(detector=self.detector)
        if self.action:
            items = items.filter(action=self.action)
        if self.rule:
            items = items.filter(finding__rule=self.rule)
        if self.min_score:
            items = items.filter(score__gte=self.min_score)
        if self.record:
            items = items.filter(finding__subjects__contains=[self.record])
        if self.mine:
            items = items.filter(assigned_to=user)
        if self.pattern:
            items = items.filter(pattern=self.pattern)
        if self.like:
            items = similarity.similar(items, to=self.like)
        if self.lot:
            items = items.filter(place__lot=self.lot, place__drawn=True)
        return items


def visible_items(user: Any) -> ReviewItemQuerySet:
    """The items this person may see: all, or those about their own records and nobody else's.

    Of planted cards they see only their own.
    """
    items = ReviewItem.objects.filter(~Q(state=ReviewItem.State.CHECK) | Q(leased_by=user.pk))
    if access.sees_everything(user):
        return items
    own = list(access.visible_records(user).values_list("id", flat=True)[:50_000])
    return items.filter(finding__in=Finding.objects.filter(subjects__overlap=own, subjects__contained_by=own))


@transaction.atomic
def claim_next(*, user: Any, filters: Filters | None = None, after_skip_of: int | None = None) -> ReviewItem | None:
    """The next item for this person, leased to them; None if nothing is left.

    Rows that another steward is being given at this moment are passed over (SKIP LOCKED), so no two ever get the
    same. An item whose records changed since it was found is closed as stale on the way.
    """
    filters = filters or Filters()
    checked = access.has_role(user, access.UserRole.STEWARD) and not filters.lot  # a sample is judged as it was drawn
    planted = checks.plant(user=user, filters=filters) if checked else None
    if planted:
        release(user=user)
        return planted
    while True:
        rows = filters.apply(visible_items(user).free_for(user.pk), user)
        if after_skip_of:
            rows = rows.exclude(pk=after_skip_of)
        item = (
            rows.select_for_update(skip_locked=True, of=("self",))
            .filter(Q(assigned_to=None) | Q(assigned_to=user.pk))
            .order_by("skips", "-rank", "id")
            .first()
        )
        if item is None:
            return None
        if staleness.close_if_stale(item):
            continue
        release(user=user, keep=item)
        ReviewItem.objects.filter(pk=item.pk).update(leased_by=user, lease_until=Now() + LEASE)
        item.leased_by = user
        return item


@transaction.atomic
def claim(*, user: Any, item_id: int) -> ReviewItem | None:
    """This very item, leased to this person; None if it is not open, not theirs to see, or on another's desk."""
    rows = visible_items(user).free_for(user.pk)
    item: ReviewItem | None = rows.select_for_update(skip_locked=True, of=("self",)).filter(pk=item_id).first()
    if item is None or staleness.close_if_stale(item):
        return None
    release(user=user, keep=item)
    ReviewItem.objects.filter(pk=item.pk).update(leased_by=user, lease_until=Now() + LEASE)
    return item


def release(*, user: Any, keep: ReviewItem | None = None) -> None:
    """Give back what this person holds, but for `keep`."""
    held = ReviewItem.objects.open().filter(leased_by=user)
    if keep:
        held = held.exclude(pk=keep.pk)
    held.update(leased_by=None, lease_until=None)


def skip(*, item: ReviewItem, user: Any, reason: str = "") -> None:
    """Put the item behind the others; it stays open. The reason, if given, is shown when it comes back."""
    free = ReviewItem.objects.free_for(user.pk).filter(pk=item.pk)
    with transaction.atomic():
        skipped = free.update(skips=F("skips") + 1, leased_by=None, lease_until=None)
        if skipped and reason.strip():
            Skip.objects.create(item=item, by=user, reason=reason.strip()[:300])
