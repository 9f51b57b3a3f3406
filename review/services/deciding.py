"""A person's verdict: recorded with what they saw, applied in the same transaction, undoable.

What holds after every transaction, whatever people, runs and imports do in whatever order:

1. An item is decided exactly while a decision on it stands (is not undone). Its changes stand exactly as long.
2. A claim (a finding) has one open item at most, and only while it is open itself. It is settled only while a
   decision on one of its items stands.
3. A claim is asked once. Undoing a decision opens its item again; where the claim was asked anew since, and is open
   or decided there, the undone item is withdrawn instead. An older decision that stands is no reason to: it was about
   other values.
4. A claim is not asked again while its records hold the values that they held right after a decision on it that
   stands, also when they held others for a while (`filling`). So a rejected one is asked again when a value that it
   rests on changes, an accepted one when its correction is gone.
5. Only open items go stale or are withdrawn; planted ones (`checks`) are neither open nor decided, and are no claim.
6. A person's answer to an item is one to its twins (`twins`): each has a decision of its own, settled along with the
   first, which alone changes the record. They stand together and are undone together.
"""

from __future__ import annotations

import time
from collections.abc import Mapping
from functools import partial
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import QuerySet
from django.utils import timezone

from crmquality.models import ChangeSet, Finding, Record
from crmquality.services import access, correcting, disclosing, masking, undoing
from crmquality.services.errors import Conflict, Refused
from crmquality.services.findings import current_digest
from crmquality.services.undoing import Undone
from review.models import Decision, ReviewItem
from review.models.decisions import SETTLED_BY
from review.services import checks, feedback, locking, merges, staleness, twins
from review.services.filtering import visible_items

Verdict = Decision.Verdict
DIGEST_AFTER = "digest_after"
"""Of the values that the claim rests on, right after the decision; what it was before stands in `values_digest`."""
_SETTLE = """
    WITH closed AS (
        UPDATE review_reviewitem SET state = 'decided', closed_at = statement_timestamp(),
            leased_by_id = NULL, lease_until = NULL
        WHERE id = %(item)s
    ) UPDATE crmquality_finding SET state = 'settled', values_digest = %(digest)s WHERE id = %(finding)s
"""
CORRECTING = {Verdict.ACCEPT, Verdict.EDIT}
PAUSES = (0.01, 0.03, 0.09)
"""Seconds to give way to who holds a twin, once after the other; a twin that is held still is left to be asked."""


class AlreadyDecided(Conflict):
    """Someone was faster, or the item left the queue."""


class _TwinHeld(Exception):
    """Somebody holds a twin of the item at this moment: they may be answering it."""


class StaleFinding(Conflict):
    """The record changed since the finding was made: the item is closed, the record untouched."""


def decide(
    *,
    item: ReviewItem,
    verdict: Decision.Verdict,
    user: Any,
    edited: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    reason: str = "",
    idempotency_key: str = "",
) -> Decision:
    """Record a person's verdict on an item and its twins and, on accept or edit, apply the correction once.

    edited: for EDIT, what to do instead: {"changes": {field: value}}. For a merge, those are the values chosen over
        what the rules choose, and it may hold more: see `merges.apply`.

    Raises AlreadyDecided if someone was faster, StaleFinding (after closing the item as stale) if the record changed
    since detection, Refused if the edit does not fit the claim or writes a masked value, or a merge waits for an
    answer, PermissionDenied if policy leaves this kind of item to stewards.
    """
    disclosing.require_may_decide(user, item.source, item.action)
    if edited and isinstance(edited.get("changes"), dict):
        masking.current().refuse_masked(item.source, edited["changes"])
    try:
        decision = _decide(
            item_id=item.pk,
            verdict=verdict,
            user=user,
            edited=edited,
            seconds=seconds,
            reason=reason,
            idempotency_key=idempotency_key,
        )
    except (AlreadyDecided, IntegrityError):  # said before: looked for only here, since most is said once
        earlier = _said_before(item, verdict, user, idempotency_key)
        if earlier is None:
            raise
        return earlier
    if decision is None:
        raise StaleFinding("The record changed since this was found; nothing was written.")
    for one in (decision, *decision.along):
        feedback.learn_from(one)
    return decision


def accept_by_policy(*, item: ReviewItem) -> Decision | None:
    """Accept as policy says, by no person; None if the claim is stale, or a person has to look at it first.

    Twins are not settled along: their own policies may want a person. They are stale once the value is written.
    """
    try:
        return _decide(item_id=item.pk, verdict=Verdict.ACCEPT, user=None, reason="accepted by policy")
    except Refused:  # a value to be chosen, a collision: it stays open, and stops no other
        return None


def decide_one_of_many(
    *, item_id: int, verdict: Decision.Verdict, user: Any, reason: str = "", looked_at: bool = True
) -> Decision | None:
    """As `decide`, for one item of a batch, which learns from all of them together; None after closing a stale item.

    looked_at: False if the person saw a sample that this item is not in; it teaches nothing then.
    """
    decision = _decide(item_id=item_id, verdict=verdict, user=user, reason=reason, looked_at=looked_at)
    for one in decision.along if decision else ():
        feedback.learn_later(one)
    return decision


def _decide(**said: Any) -> Decision | None:
    """As `_decide_at_once`; begun anew while somebody holds a twin, so that of two who answer twins one is first."""
    for pause in PAUSES:
        try:
            return _decide_at_once(**said)
        except _TwinHeld:
            time.sleep(pause)
    return _decide_at_once(**said, whole=False)


@transaction.atomic
def _decide_at_once(
    *,
    item_id: int,
    verdict: Decision.Verdict,
    user: Any,
    edited: Mapping[str, Any] | None = None,
    seconds: float | None = None,
    reason: str = "",
    idempotency_key: str = "",
    looked_at: bool = True,
    whole: bool = True,
) -> Decision | None:
    """None after closing a stale item: an exception would roll the closing back.

    whole: raise _TwinHeld where a twin is held by somebody else, in place of leaving it open.
    """
    item = locking.locked_item(item_id)
    if item.state != ReviewItem.State.OPEN:
        raise AlreadyDecided(f"This item is {item.get_state_display().lower()} already.")
    if user and item.holder_id not in (None, user.pk):
        raise AlreadyDecided("Another steward has this item on their desk.")
    finding = item.finding
    records = correcting.lock_records(finding.subjects)
    if staleness.is_stale(finding, records):
        staleness.close(item)
        return None
    seen = _seen(item, records)
    same = [(one, _seen(one, records)) for one in _twins(item, records, user, whole=whole)] if user else []
    change_set, done = _apply(item, records, edited or {}, verdict, user)
    digest = finding.values_digest
    if change_set:  # a correction wrote into the records at hand, a merge into others too
        digest = current_digest(finding, list(records.values())) if finding.action == "set" else _digest_after(finding)
    decision = Decision.objects.create(
        item=item,
        verdict=verdict,
        by=user,
        seconds=seconds,
        seen=seen | {DIGEST_AFTER: digest},
        changes=done,
        reason=reason,
        model_version_id=locking.model_version(item),
        policy_id=item.policy_id,
        change_set=change_set,
        idempotency_key=idempotency_key,
        looked_at=looked_at,
    )
    _settle(item, digest)
    decision.along = [
        _along(one, verdict, seen_then, current_digest(one.finding, list(records.values())), by=decision)
        for one, seen_then in same
    ]
    return decision


def _twins(item: ReviewItem, records: Mapping[int, Record], user: Any, *, whole: bool) -> list[ReviewItem]:
    """The item's twins that this person may see, locked, as `locking` gives them; those that are stale are closed.

    Of two people with twins on their desks the first to answer counts: a run may have found one of them since. Who
    has the item on no desk leaves the question to whoever has.
    """
    found = twins.locked_twins([item]).get(item.pk, [])
    if twins.elsewhere(found, user) is not None and item.holder_id != user.pk:
        raise AlreadyDecided("Another steward has the same question, by another check, on their desk.")
    if whole and not all(twin.is_locked for twin in found):
        raise _TwinHeld
    ids = [twin.item for twin in found if twin.is_locked]
    if ids and not access.sees_everything(user):
        ids = list(visible_items(user).filter(pk__in=ids).values_list("pk", flat=True))
    same = []
    for one in locking.locked_items(ids) if ids else ():
        if staleness.is_stale(one.finding, records):
            staleness.close(one)
        else:
            same.append(one)
    return same


def _said_before(item: ReviewItem, verdict: Decision.Verdict, user: Any, idempotency_key: str) -> Decision | None:
    """The decision that this person made with this key. Raises Refused if it was another one."""
    if not idempotency_key:
        return None
    earlier = Decision.objects.filter(by=user, idempotency_key=idempotency_key).first()
    if earlier and (earlier.item_id != item.pk or earlier.verdict != verdict):
        raise Refused("This idempotency key was used for another decision.")
    return earlier


def seen_of(item: ReviewItem) -> dict[str, Any]:
    """What a person sees of an item now, as a decision keeps it."""
    return _seen(item, {one.pk: one for one in Record.objects.filter(id__in=item.finding.subjects)})


@transaction.atomic
def settle_along(*, item: ReviewItem, verdict: Decision.Verdict, seen: Mapping[str, Any], by: Decision) -> Decision:
    """Settle an open claim that another decision of the same person has answered by the value it wrote.

    seen: as `seen_of` gave it before that value was written. by: that decision; undoing either takes both back.
    """
    item = locking.locked_item(item.pk)
    if item.state != ReviewItem.State.OPEN:
        raise AlreadyDecided(f"This item is {item.get_state_display().lower()} already.")
    decision = _along(item, verdict, seen, _digest_after(item.finding), by=by)
    feedback.learn_from(decision)
    return decision


def _along(
    item: ReviewItem, verdict: Decision.Verdict, seen: Mapping[str, Any], digest: str, *, by: Decision
) -> Decision:
    """Settle a locked item along with a decision of the same person. digest: of its claim as that decision left it."""
    decision = Decision.objects.create(
        item=item,
        verdict=verdict,
        by=by.by,
        seen={**seen, SETTLED_BY: by.pk, DIGEST_AFTER: digest},
        changes=by.changes if verdict == Verdict.EDIT else {},
        reason=by.reason,
        model_version_id=locking.model_version(item),
        policy_id=item.policy_id,
        looked_at=by.looked_at,
    )
    _settle(item, digest)
    return decision


@transaction.atomic
def undo_decision(
    *, decision: Decision, user: Any, take: Mapping[int, undoing.Take] | None = None, learn: bool = True
) -> Undone | None:
    """Take a verdict back: its changes are undone, its label is withdrawn, the item is open again.

    So it is with all that was settled along with it, whichever of them is named. An item is withdrawn where the same
    claim was asked anew since, and is open or decided: it is asked once.
    take: see `undoing.undo`. learn: rank the open items anew at once; a batch does so when it is undone to the end.

    Raises AlreadyDecided if it was undone before, CannotUndo if a later merge stands in the way.
    """
    decision = _with_claim().select_for_update(of=("self",)).get(pk=decision.answer_id)
    if decision.undone_at:
        raise AlreadyDecided("This decision was undone already.")
    undone = undoing.undo(change_set=decision.change_set, by=user, take=take) if decision.change_set else None
    merges.take_back_split(decision)
    now = timezone.now()
    for one in [decision, *_settled_along(decision)]:
        Decision.objects.filter(pk=one.pk).update(undone_at=now)
        _ask_again(one)
        if learn:
            transaction.on_commit(partial(feedback.learn_from, one))
        elif one is not decision:
            feedback.learn_later(one)
    return undone


def _settled_along(decision: Decision) -> QuerySet[Decision]:
    """What was settled along with a decision and stands: of claims about the same record, for an index to find them."""
    subjects = decision.item.finding.subjects
    about = _with_claim().filter(item__finding__subjects__overlap=subjects, undone_at__isnull=True)
    return about.filter(**{f"seen__{SETTLED_BY}": decision.pk})


def _with_claim() -> QuerySet[Decision]:
    return Decision.objects.select_related("item__finding")


def undo_change_set(*, change_set: ChangeSet, by: Any, take: Mapping[int, undoing.Take] | None = None) -> Undone | None:
    """Undo a change set with the decision that made it, if one did. Raises what both raise."""
    decision = Decision.objects.filter(change_set=change_set).first()
    if decision:
        return undo_decision(decision=decision, user=by, take=take)
    return undoing.undo(change_set=change_set, by=by, take=take)


def _ask_again(decision: Decision) -> None:
    """Open an undone decision's item, or withdraw it where its claim was asked anew since."""
    finding = Finding.objects.select_for_update().get(pk=decision.item.finding_id)
    others = ReviewItem.objects.filter(finding=finding).exclude(pk=decision.item_id)
    newer = Decision.objects.filter(item__in=others.filter(pk__gt=decision.item_id), undone_at__isnull=True)
    item = ReviewItem.objects.filter(pk=decision.item_id)
    if others.open().exists() or newer.exists():
        item.update(state=ReviewItem.State.WITHDRAWN)
        return
    item.update(state=ReviewItem.State.OPEN, closed_at=None)
    Finding.objects.filter(pk=finding.pk).update(
        state=Finding.State.OPEN, values_digest=decision.seen.get("values_digest", finding.values_digest)
    )


def _apply(
    item: ReviewItem, records: Mapping[int, Record], edited: Mapping[str, Any], verdict: Decision.Verdict, user: Any
) -> tuple[ChangeSet | None, dict[str, Any]]:
    """The change set, and what was done where a person or the rules had a say in it."""
    finding = item.finding
    if finding.action == "link" and verdict == Verdict.EDIT:
        raise Refused("A link is accepted or rejected: there is nothing in it to edit.")
    if verdict not in CORRECTING or (verdict == Verdict.ACCEPT and finding.action in ("flag", "link")):
        return None, {}
    cause = f"{item.detector} item {item.pk}"
    if finding.action == "merge":
        return merges.apply(item, records, edited, cause=cause, by=user)
    done = _edited_values(edited) if verdict == Verdict.EDIT else {}
    changes = done.get("changes", finding.proposal.get("changes"))
    why = "; ".join(reason["detail"] for reason in finding.evidence[:3])[:500]
    change_set = correcting.set_fields(
        record_id=finding.subjects[0],
        locked=records,
        changes=changes,
        cause=cause,
        by=user,
        reasons=dict.fromkeys(changes, why),
        run=finding.last_run,
    )
    return change_set, done


def _edited_values(edited: Mapping[str, Any]) -> dict[str, Any]:
    """What a person put in place of the proposal."""
    changes = merges.require_values(edited.get("changes"))
    if not changes:
        raise Refused("An edit needs at least one changed field.")
    return {"action": "set", "changes": changes}


def _seen(item: ReviewItem, records: Mapping[int, Record]) -> dict[str, Any]:
    finding = item.finding
    return {
        "score": item.score,
        "score_hidden": checks.score_hidden(item),
        "rank": item.rank,
        "proposal": finding.proposal,
        "evidence": finding.evidence,
        "rule": finding.rule,
        "subjects": finding.subjects,
        "values_digest": finding.values_digest,
        "values": {str(record.pk): record.fields for record in records.values()},
    }


def _digest_after(finding: Finding) -> str:
    """The claim's digest after its own correction, so that only a further change asks again."""
    records = list(Record.objects.filter(id__in=finding.subjects).select_related("source"))
    return current_digest(finding, records)


def _settle(item: ReviewItem, digest: str) -> None:
    """Close the item as decided and its claim as settled, in one statement: every decision does it."""
    with connection.cursor() as cursor:
        cursor.execute(_SETTLE, {"item": item.pk, "finding": item.finding_id, "digest": digest})
