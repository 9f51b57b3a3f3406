"""Open items, locked for a decision, with all that it needs: one prepared query, for every decision runs it."""

from __future__ import annotations

from collections.abc import Collection

from django.db.models import OuterRef, QuerySet

from crmquality.models import ModelVersion
from crmquality.prepared import Prepared, where
from review.models import ReviewItem


def locked_item(item_id: int) -> ReviewItem:
    """The item, locked, with its claim, its source, the claim's last run and the id of the model serving now.

    Raises ReviewItem.DoesNotExist.
    """
    item = _LOCKED.first(items=[item_id])
    if item is None:
        raise ReviewItem.DoesNotExist(f"No item {item_id}.")
    return item


def locked_items(ids: Collection[int]) -> list[ReviewItem]:
    """As `locked_item`, for several, in no order."""
    return _LOCKED.all(items=list(ids))


def model_version(item: ReviewItem) -> int | None:
    """The model behind the claim of a locked item: of the run that made it last, else the one serving now."""
    run = item.finding.last_run
    return (run.model_version_id if run else None) or item.serving  # type: ignore[attr-defined]


def _lockable() -> QuerySet[ReviewItem]:
    serving = ModelVersion.objects.filter(
        source=OuterRef("source"), detector=OuterRef("detector"), state=ModelVersion.State.ACTIVE
    )
    items = ReviewItem.objects.select_related("finding__last_run", "source").annotate(serving=serving.values("id")[:1])
    return items.select_for_update(of=("self",)).filter(where('"review_reviewitem"."id" = ANY(%s)', "items"))


_LOCKED = Prepared(_lockable)
