"""The queue as a list: a page of items with what a person recognises them by, and who is on them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count

from crmquality.models import Finding, Record
from crmquality.selectors.naming import title
from crmquality.services import masking
from crmquality.services.access import UserRole
from review.models import Comment, ReviewItem
from review.models.items import ReviewItemQuerySet
from review.services.filtering import Filters, Sort, visible_items

PAGE = 50
_SEGMENTS = """
    SELECT segment FROM (
        SELECT unnest(segments) AS segment FROM review_reviewitem WHERE state = 'open' LIMIT 20000
    ) AS found GROUP BY segment ORDER BY count(*) DESC, segment LIMIT 60
"""


@dataclass(frozen=True)
class Row:
    """One item of the list."""

    item: ReviewItem
    title: str
    claim: str
    holder: Any
    comments: int


@dataclass(frozen=True)
class Page:
    """A page of the list. further: the cursor of the next page, "" on the last."""

    rows: list[Row]
    further: str


def page(*, user: Any, filters: Filters, cursor: str = "") -> Page:
    """The open items that fit, in the order of the queue, after a cursor; a cursor we did not write is the start."""
    items: ReviewItemQuerySet = filters.apply(visible_items(user).open(), user)
    place = _place(filters, cursor)
    if place:
        items = filters.beyond(items, place)
    # the ids first, from the index of the order alone; then what belongs to this page and no more
    found = list(items.order_by(*filters.order)[: PAGE + 1])
    shown = _with_all(found[:PAGE])
    return Page(_rows(shown), _cursor(filters, found[PAGE - 1]) if len(found) > PAGE else "")


def deciders() -> list[User]:
    """The people whom an item can be assigned to."""
    roles = [UserRole.STEWARD.value, UserRole.SALES.value, UserRole.ADMIN.value]
    return list(User.objects.filter(is_active=True, groups__name__in=roles).distinct().order_by("username"))


def segments() -> list[str]:
    """The most frequent "column=value" among open items, for the filter's suggestions."""
    with connection.cursor() as cursor:
        cursor.execute(_SEGMENTS)
        return [name for (name,) in cursor.fetchall()]


def _with_all(items: Sequence[ReviewItem]) -> list[ReviewItem]:
    known = ReviewItem.objects.select_related("finding", "source", "assigned_to", "leased_by").in_bulk(
        [item.pk for item in items]
    )
    return [known[item.pk] for item in items if item.pk in known]


def _rows(items: Sequence[ReviewItem]) -> list[Row]:
    """Masked for whoever looks, as their cards are."""
    subjects = {subject for item in items for subject in item.finding.subjects}
    records = Record.objects.select_related("source").in_bulk(subjects)
    counts = dict(
        Comment.objects.filter(item__in=items).values_list("item").annotate(n=Count("id")).values_list("item", "n")
    )
    mask = masking.current()
    rows = []
    for item in items:
        own = {one: records[one] for one in item.finding.subjects if one in records}
        finding, shown = mask.claim(item.finding, own)
        first = shown.get(finding.subjects[0])
        holder = item.leased_by if item.holder_id else None
        rows.append(Row(item, title(first) if first else "", _claim(finding), holder, counts.get(item.pk, 0)))
    return rows


def _claim(finding: Finding) -> str:
    """What is proposed, in a few words."""
    match finding.action:
        case "set":
            changes = list(finding.proposal["changes"].items())
            return "; ".join(f"{name}: {value or '(blank)'}" for name, value in changes[:3])
        case "merge":
            return f"{len(finding.subjects)} records are one"
        case "link":
            return "one with a record of another source"
    return "; ".join(reason["detail"] for reason in finding.evidence[:1])


def _cursor(filters: Filters, item: ReviewItem) -> str:
    skips, key, number = filters.place(item)
    return f"{skips}_{key.isoformat() if isinstance(key, datetime) else repr(float(key))}_{number}"


def _place(filters: Filters, cursor: str) -> tuple[Any, ...] | None:
    parts = cursor.split("_")
    if len(parts) != 3:
        return None
    try:
        key = datetime.fromisoformat(parts[1]) if filters.sort == Sort.OLDEST else float(parts[1])
        skips, number = int(parts[0]), int(parts[2])
    except ValueError:
        return None
    if key != key or not (0 <= skips < 2**31 and 0 <= number < 2**63):
        return None
    return skips, key, number
