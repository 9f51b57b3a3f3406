"""A person mends a field of their own record: written once, undoable by them, a label for what was claimed of it."""

from __future__ import annotations

import hmac
from dataclasses import dataclass, field
from typing import Any

from django.db import transaction
from django.db.models import QuerySet
from django.utils import timezone
from django.utils.crypto import salted_hmac

from crmquality.models import ChangeSet, Record, Source
from crmquality.services import correcting, disclosing, masking, undoing
from crmquality.services.checking import LONGEST
from crmquality.services.errors import Conflict, Refused
from review.models import Decision, ReviewItem, VerifiedValue
from review.services import deciding, staleness
from review.services.deciding import Verdict
from review.services.twins import elsewhere, locked_twins

CAUSE = "own record"


class Moved(Conflict):
    """Somebody changed the value meanwhile; nothing was written. now: the value it holds."""

    def __init__(self, field: str, now: str | None) -> None:
        super().__init__(f"{field} was changed meanwhile.")
        self.field = field
        self.now = now


@dataclass(frozen=True)
class Fixed:
    """What a correction did. settled: the decisions that it is, the one that wrote the value first."""

    change_set: ChangeSet
    settled: list[Decision] = field(default_factory=list)


def mark_of(value: str | None) -> str:
    """A keyed digest of a value, for a form to say which value its reader saw without holding the value itself."""
    return salted_hmac("crmquality.seen", value or "", algorithm="sha256").hexdigest()[:32]


@transaction.atomic
def fix(*, record: Record, name: str, value: str | None, seen: str, user: Any) -> Fixed:
    """Write a value into one field, if it still holds what the person saw.

    seen: `mark_of` that value. Every open claim that proposes a value for this field, or flags it, is settled by it:
    accepted if it proposed the same and nothing else, else edited. Where nothing was claimed the value is kept as
    verified.

    Raises Moved if the value changed meanwhile, StaleRecord if the record was merged or is gone, Refused if nothing
    would change, there is no such field, or the value is a masked one.
    """
    locked = correcting.lock_records([record.pk]).get(record.pk)
    if locked is None:
        raise correcting.StaleRecord("The record no longer exists.")
    if name not in locked.source.columns:
        raise Refused(f"No field {name!r} in source {locked.source.name!r}.")
    now, value = locked.fields.get(name), (value or "").strip() or None
    if value and len(value) > LONGEST:
        raise Refused(f"A value has at most {LONGEST:,} characters.")
    masking.current().refuse_masked(locked.source, {name: value})
    if not hmac.compare_digest(mark_of(now), seen):
        raise Moved(name, now)
    claims = _claims(locked, name, value, user)
    if not claims:
        return _verified(locked, name, now, value, user)
    first, *others = claims
    seen_then = {item.pk: deciding.seen_of(item) for item in others}
    verdict = Verdict.ACCEPT if _proposes_just(first, name, value) else Verdict.EDIT
    edited = {"changes": {name: value}} if verdict == Verdict.EDIT else None
    decision = deciding.decide(item=first, verdict=verdict, user=user, edited=edited, reason=CAUSE)
    assert decision.change_set is not None
    twins = {one.item_id for one in decision.along}
    settled = [
        deciding.settle_along(
            item=item,
            verdict=Verdict.ACCEPT if _proposes_just(item, name, value) else Verdict.EDIT,
            seen=seen_then[item.pk],
            by=decision,
        )
        for item in others
        if item.pk not in twins
    ]
    return Fixed(decision.change_set, [decision, *decision.along, *settled])


def verified_values(source: Source) -> QuerySet[VerifiedValue]:
    """The values people corrected in a source where nothing was claimed, without those undone since; newest first."""
    standing = VerifiedValue.objects.filter(change_set__undone_by__isnull=True)
    return standing.filter(record__source=source).select_related("record", "by")


def own_changes(user: Any) -> QuerySet[ChangeSet]:
    """The corrections a person made, the latest first, without those undone since."""
    own: QuerySet[ChangeSet] = undoing.standing(ChangeSet.objects.filter(by=user))
    return own.order_by("-id")


def _claims(record: Record, name: str, value: str | None, user: Any) -> list[ReviewItem]:
    """The open claims about this field that the person may settle: the one closest to the value first.

    Those on another's desk are left to them, and so are their twins.
    """
    items = ReviewItem.objects.free_for(user.pk).filter(finding__subjects__contains=[record.pk])
    found = [
        item
        for item in items.filter(action__in=["set", "flag"]).select_related("finding", "source")
        if name in _about(item)
        and disclosing.may_decide(user, item.source, item.action)
        and not staleness.is_stale(item.finding)
    ]
    same = locked_twins(found)
    found = [item for item in found if elsewhere(same.get(item.pk, []), user) is None]
    proposed = {item.pk: item.finding.proposal.get("changes", {}) for item in found}
    return sorted(
        found,
        key=lambda item: (
            not _proposes_just(item, name, value),
            item.action != "set",
            proposed[item.pk].get(name) != value,
            -item.rank,
            item.pk,
        ),
    )


def _about(item: ReviewItem) -> set[str]:
    if item.action == "set":
        return set(item.finding.proposal["changes"])
    return {name for reason in item.finding.evidence for name in reason.get("fields", ())}


def _proposes_just(item: ReviewItem, name: str, value: str | None) -> bool:
    return bool(item.finding.proposal.get("changes") == {name: value})


def _verified(record: Record, name: str, was: str | None, value: str | None, user: Any) -> Fixed:
    change_set = correcting.set_fields(
        record_id=record.pk,
        changes={name: value},
        expected={name: was},
        cause=CAUSE,
        by=user,
        action=ChangeSet.Action.EDIT,
    )
    VerifiedValue.objects.create(
        record=record, field=name, was=was, value=value, change_set=change_set, by=user, at=timezone.now()
    )
    return Fixed(change_set)
