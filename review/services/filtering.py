"""Which items a person wants, and in what order: the same words on the page, in the API and in a saved view."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields
from datetime import timedelta
from typing import Any

from django.contrib.postgres.expressions import ArraySubquery
from django.db import models
from django.db.models import BooleanField, F, Func, OuterRef, Q, Value
from django.db.models.expressions import Combinable, RawSQL
from django.db.models.functions import Now

from crmquality.prepared import Prepared, where
from crmquality.services import access
from review.models import ReviewItem
from review.models.items import Minus, MinusVariety, MinusWorth, ReviewItemQuerySet
from review.services import similarity


class Sort(models.TextChoices):
    """What comes first. Items that were skipped come after the others in every order."""

    RANK = "rank", "Most likely first"
    IMPACT = "impact", "Most impact"
    CONFIDENCE = "confidence", "Most certain"
    VARIED = "varied", "Varied"
    INFORMATIVE = "informative", "Most informative"
    OLDEST = "oldest", "Oldest"


_KEYS: dict[str, tuple[Any, Callable[[ReviewItem], Any]]] = {
    Sort.RANK: (Minus("rank"), lambda item: -item.rank),
    Sort.IMPACT: (Minus("impact"), lambda item: -item.impact),
    Sort.CONFIDENCE: (Minus("score"), lambda item: -item.score),
    Sort.VARIED: (MinusVariety("variety", "rank"), lambda item: -(item.rank if item.variety is None else item.variety)),
    Sort.INFORMATIVE: (
        MinusWorth("worth", "score"),
        lambda item: -(0.5 - abs(item.score - 0.5) if item.worth is None else item.worth),
    ),
    Sort.OLDEST: (F("created_at"), lambda item: item.created_at),
}


@dataclass(frozen=True)
class Filters:
    """What a steward wants to see; empty means everything.

    segment: "column=value" of a record. owner: a value of the owner column. assigned: "me", "nobody" or a user name.
    min_age, max_age: days since the item entered the queue.
    """

    source: int | None = None
    detector: str = ""
    action: str = ""
    rule: str = ""
    min_score: float = 0.0
    max_score: float = 1.0
    record: int | None = None
    segment: str = ""
    owner: str = ""
    assigned: str = ""
    min_age: int = 0
    max_age: int | None = None
    mine: bool = False
    pattern: str = ""
    like: int | None = None
    lot: int | None = None
    sort: str = Sort.RANK

    def apply(self, items: ReviewItemQuerySet, user: Any) -> ReviewItemQuerySet:
        """The items that fit, in no order."""
        if self.source:
            items = items.filter(source_id=self.source)
        if self.detector:
            items = items.filter(detector=self.detector)
        if self.action:
            items = items.filter(action=self.action)
        if self.rule:
            items = items.filter(finding__rule=self.rule)
        if self.min_score > 0:
            items = items.filter(score__gte=self.min_score)
        if self.max_score < 1:
            items = items.filter(score__lte=self.max_score)
        if self.record:
            items = items.filter(finding__subjects__contains=[self.record])
        if self.segment:
            items = items.filter(segments__contains=[self.segment])
        if self.owner:
            items = items.filter(owners__contains=[self.owner])
        if self.min_age:
            items = items.filter(created_at__lt=Now() - timedelta(days=self.min_age))
        if self.max_age is not None:
            items = items.filter(created_at__gte=Now() - timedelta(days=self.max_age))
        if self.pattern:
            items = items.filter(pattern=self.pattern)
        if self.like:
            items = similarity.similar(items, to=self.like)
        if self.lot:
            items = items.filter(place__lot=self.lot, place__drawn=True)
        return self._assigned(items, user)

    @property
    def order(self) -> tuple[Any, ...]:
        """The keys to order by, all upwards, the id last."""
        return (F("skips"), _KEYS[Sort(self.sort)][0], F("id"))

    def place(self, item: ReviewItem) -> tuple[Any, ...]:
        """Where an item stands in this order."""
        return (item.skips, _KEYS[Sort(self.sort)][1](item), item.pk)

    def beyond(self, items: ReviewItemQuerySet, place: tuple[Any, ...]) -> ReviewItemQuerySet:
        """The items after a place, by one row comparison that the index of the order answers."""
        return items.filter(_After(*self.order, *map(Value, place)))

    def as_query(self) -> dict[str, str]:
        """As in an address, without what is not set."""
        found = {}
        for one in fields(self):
            value = getattr(self, one.name)
            if value != one.default:
                found[one.name] = "1" if value is True else str(value)
        return found

    def _assigned(self, items: ReviewItemQuerySet, user: Any) -> ReviewItemQuerySet:
        if self.mine or self.assigned == "me":
            return items.filter(assigned_to=user)
        if self.assigned == "nobody":
            return items.filter(assigned_to=None)
        return items.filter(assigned_to__username=self.assigned) if self.assigned else items


class _After(Func):
    """(a, b, c) > (x, y, z)."""

    output_field = BooleanField()

    def as_sql(self, compiler: Any, connection: Any, **_: Any) -> tuple[str, list[Any]]:  # type: ignore[override]
        """Both rows in parentheses."""
        parts = [compiler.compile(one) for one in self.source_expressions]
        half = len(parts) // 2
        left, right = (", ".join(sql for sql, _ in side) for side in (parts[:half], parts[half:]))
        return f"({left}) > ({right})", [value for _, given in parts for value in given]


class _OneOf(Func):
    """x = ANY(array)."""

    template = "(%(expressions)s))"
    arg_joiner = " = ANY("
    output_field = BooleanField()


def visible_item(user: Any, item_id: int) -> ReviewItem:
    """One of the items that this person may see, with its source. Raises ReviewItem.DoesNotExist."""
    if access.sees_everything(user):
        item = _SEEN.first(item=item_id, user=user.pk)
    else:
        item = visible_items(user).select_related("source").filter(pk=item_id).first()
    if item is None:
        raise ReviewItem.DoesNotExist(f"No item {item_id}.")
    return item


def visible_items(user: Any) -> ReviewItemQuerySet:
    """The items this person may see: all, or those about their own records and nobody else's.

    Of planted cards they see only their own.

    The owners noted on the item narrow the search by an index; the records as they are now decide.
    """
    items: ReviewItemQuerySet = ReviewItem.objects.filter(_no_others_check(Q(leased_by=user.pk)))
    if access.sees_everything(user):
        return items
    names = access.owner_names(user)
    own = access.visible_records(user).filter(_OneOf(F("pk"), OuterRef("finding__subjects")))
    if not names:
        return items.none()
    return items.filter(owners__overlap=names, finding__subjects__contained_by=ArraySubquery(own.values("pk")))


def _no_others_check(is_own: Q | RawSQL) -> Q | Combinable:
    """A planted card is seen only by whom it was planted for. is_own: the condition that an item lies on their desk."""
    return ~Q(state=ReviewItem.State.CHECK) | is_own


_SEEN = Prepared(  # as `visible_items` for somebody who sees everything
    lambda: ReviewItem.objects.select_related("source").filter(
        where('"review_reviewitem"."id" = %s', "item"),
        _no_others_check(where('"review_reviewitem"."leased_by_id" = %s', "user")),
    )
)
