"""Handing out items: each to one steward at a time, the most worthwhile first, the next ones beside it."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db import connection, transaction
from django.db.models import F

from crmquality.models import Record
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import ReviewItem, Skip
from review.models.items import LEASE, ReviewItemQuerySet
from review.services import checks, staleness, twins
from review.services.filtering import Filters, visible_items

__all__ = ["Desk", "Filters", "assign", "claim", "claim_next", "fill", "release", "renew", "skip", "visible_items"]

DESK = 3
"""Cards on a desk: the one on the screen, and the next two."""

DEEPEST = 40
"""So many at most, for somebody who answers faster than the server does."""


# In SQL, for every decision runs them: most of what a query costs the web process is the ORM building it anew.
_TAKE = """
    UPDATE review_reviewitem
    SET leased_by_id = %(user)s, lease_until = statement_timestamp() + make_interval(secs => %(lease)s)
    WHERE id = ANY(%(items)s::bigint[])
"""
_RENEW = (
    _TAKE
    + """
    AND (state = 'open' AND (lease_until IS NULL OR lease_until < statement_timestamp() OR leased_by_id = %(user)s)
         OR state = 'check' AND leased_by_id = %(user)s AND closed_at IS NULL)
    RETURNING id
"""
)
_ABOUT = """
    SELECT i.id FROM review_reviewitem i JOIN crmquality_finding f ON f.id = i.finding_id
    WHERE i.id = ANY(%(items)s::bigint[]) AND i.state = 'open' AND f.subjects && %(records)s::bigint[]
"""


@dataclass(frozen=True)
class Desk:
    """What became of a desk.

    fresh: items to lay on it, in order, each leased. gone: ids that lay there and are no longer theirs to decide.
    records: id -> record of the fresh items, read when they were compared with the claim.
    """

    fresh: list[ReviewItem] = field(default_factory=list)
    gone: list[int] = field(default_factory=list)
    records: dict[int, Record] = field(default_factory=dict)


@transaction.atomic
def fill(
    *,
    user: Any,
    filters: Filters | None = None,
    held: Sequence[int] = (),
    want: int = DESK,
    avoid: Collection[int] = (),
    touched: Collection[int] = (),
) -> Desk:
    """Lease items to a person until `want` lie on their desk; those of `held` that are still theirs count.

    avoid: items not to hand out now. touched: records that were just written: held items about them come again, as
    they are now.

    Rows that another steward is being given at this moment are passed over (SKIP LOCKED), so no two ever get the
    same; nor an item that asks what another desk or this one asks already (`twins`). An item whose records changed
    since it was found is closed as stale on the way. A share of a steward's cards is planted: their answer is known
    (see `checks`).
    """
    filters = filters or Filters()
    kept, desk = _keep(user, held, touched)
    desk.fresh.extend(_planted(user, filters, held, want - len(kept) - len(desk.fresh)))
    passed: set[int] = set()
    while len(kept) + len(desk.fresh) < want:
        lying = {*held, *avoid, *(item.pk for item in desk.fresh)}
        rows = (
            filters.apply(visible_items(user).available_to(user.pk), user)
            .exclude(pk__in=lying | passed)
            .select_related("finding", "source", "assigned_to")
            .select_for_update(skip_locked=True, of=("self",))
            .order_by(*filters.order)
        )
        found = list(rows[: want - len(kept) - len(desk.fresh)])
        if not found:
            break
        passed.update(item.pk for item in found)
        fresh, records = staleness.sorted_out(found)
        desk.fresh.extend(twins.one_each(fresh, user, lying=lying))
        desk.records.update(records)
    _lease(user, [item.pk for item in desk.fresh])
    return desk


def claim_next(*, user: Any, filters: Filters | None = None) -> ReviewItem | None:
    """The next item for this person, leased to them, and nothing else; None if nothing is left."""
    desk = fill(user=user, filters=filters, want=1)
    release(user=user, but=[item.pk for item in desk.fresh])
    return desk.fresh[0] if desk.fresh else None


@transaction.atomic
def claim(*, user: Any, item_id: int) -> ReviewItem | None:
    """This very item, leased to this person; None if it is not open, not theirs to see, or it or a twin of it is on
    another's desk."""
    rows = visible_items(user).free_for(user.pk).select_related("finding", "source", "assigned_to")
    item: ReviewItem | None = rows.select_for_update(skip_locked=True, of=("self",)).filter(pk=item_id).first()
    if item is None or staleness.close_if_stale(item):
        return None
    if twins.elsewhere(twins.locked_twins([item]).get(item.pk, []), user) is not None:
        return None
    _lease(user, [item.pk])
    item.leased_by = user
    return item


def renew(*, user: Any, held: Sequence[int]) -> list[int]:
    """Somebody is still at their desk: the leases run anew. Returns the ids that are no longer theirs."""
    kept, _ = _keep(user, held, ())
    return [one for one in held if one not in kept]


def release(*, user: Any, held: Sequence[int] | None = None, but: Sequence[int] = ()) -> None:
    """Give back these items, or all that this person holds, but for some."""
    rows = ReviewItem.objects.open().filter(leased_by=user)
    if held is not None:
        rows = rows.filter(pk__in=held)
    rows.exclude(pk__in=but).update(leased_by=None, lease_until=None)


def skip(*, item: ReviewItem, user: Any, reason: str = "") -> None:
    """Put the item and its twins behind the others; they stay open. The reason, if given, is shown with them again."""
    free = ReviewItem.objects.free_for(user.pk)
    with transaction.atomic():
        if not _put_behind(free.filter(pk=item.pk)):
            return
        same = [twin.item for twin in twins.locked_twins([item]).get(item.pk, []) if twin.is_locked]
        if same:
            _put_behind(free.filter(pk__in=same))
        if reason.strip():
            said = reason.strip()[:300]
            Skip.objects.bulk_create(Skip(item_id=one, by=user, reason=said) for one in [item.pk, *same])


@transaction.atomic
def assign(*, items: Sequence[int], to: Any, by: Any) -> int:
    """Give items to one person, or to nobody in particular (None); returns how many. Only that person is handed them.

    Their twins go with them, for they ask the same. What lies on another's desk stays there until it is decided or
    given back.
    Raises Refused if the person may not decide, or may not see one of the items.
    """
    wanted = visible_items(by).open().filter(pk__in=items)
    if to is not None:
        if not to.is_active or not access.has_role(to, UserRole.STEWARD, UserRole.SALES):
            raise Refused(f"{to.username} decides no items: choose a steward or a sales person.")
        hidden = wanted.exclude(pk__in=visible_items(to).filter(pk__in=items).values("pk")).count()
        if hidden:
            raise Refused(f"{to.username} may not see {hidden} of these items: they are about others' records.")
    asked = list(wanted.select_related("finding"))
    same = {twin.item for own in twins.locked_twins(asked).values() for twin in own} - {item.pk for item in asked}
    if same:
        visible_items(by).open().filter(pk__in=same).update(assigned_to=to)
    return wanted.update(assigned_to=to)


def _put_behind(items: ReviewItemQuerySet) -> int:
    return items.update(skips=F("skips") + 1, leased_by=None, lease_until=None)


def _keep(user: Any, held: Sequence[int], touched: Collection[int]) -> tuple[set[int], Desk]:
    """The held items that are still this person's, renewed; and those to be laid out again, or gone."""
    desk = Desk()
    if not held:
        return set(), desk
    kept = _renewed(user, held)
    about = _about(kept, touched)
    if about:
        rows = ReviewItem.objects.open().filter(pk__in=about).select_related("finding", "source", "assigned_to")
        fresh, records = staleness.sorted_out(list(rows))
        desk.fresh.extend(fresh)
        desk.records.update(records)
        kept -= about
    still = {*kept, *(item.pk for item in desk.fresh)}
    desk.gone.extend(one for one in held if one not in still)
    return kept, desk


def _renewed(user: Any, held: Sequence[int]) -> set[int]:
    """Those of the items that are still on this person's desk, their leases run anew."""
    with connection.cursor() as cursor:
        cursor.execute(_RENEW, {"user": user.pk, "lease": LEASE.total_seconds(), "items": list(held)})
        return {row[0] for row in cursor.fetchall()}


def _about(items: Collection[int], records: Collection[int]) -> set[int]:
    """Those of the open items that are about one of these records."""
    if not items or not records:
        return set()
    with connection.cursor() as cursor:
        cursor.execute(_ABOUT, {"items": list(items), "records": list(records)})
        return {row[0] for row in cursor.fetchall()}


def _planted(user: Any, filters: Filters, held: Sequence[int], places: int) -> list[ReviewItem]:
    """A card with a known answer for one of the free places, now and then; only stewards are checked.

    Never among the cards of a lot: a sample is judged as it was drawn.
    """
    if places <= 0 or filters.lot or not access.has_role(user, UserRole.STEWARD):
        return []
    drawn = (checks.plant(user=user, filters=filters, held=held) for _ in range(places))
    planted = next((item for item in drawn if item is not None), None)
    return [planted] if planted else []


def _lease(user: Any, items: list[int]) -> None:
    if items:
        with connection.cursor() as cursor:
            cursor.execute(_TAKE, {"user": user.pk, "lease": LEASE.total_seconds(), "items": items})
