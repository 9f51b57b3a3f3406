"""Deciding many items in one step, and taking that step back: each item by itself, none twice.

A batch is a job. Its members are written down when it is asked for; then each is settled in a transaction of its own,
which locks the member, decides the item as the desk would, and notes the outcome. A worker that dies leaves the rest
waiting for the next one. Small batches are done at once, in the request; the row is the same.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from typing import Any

from django.db import IntegrityError, connection, transaction
from django.db.models import Count, Max, QuerySet
from django.utils import timezone

from crmquality.models.jobs import JobState
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from review.models import BatchMember, Decision, DecisionBatch, ReviewItem
from review.models.items import ReviewItemQuerySet
from review.services import deciding, feedback, queue

AT_ONCE = 100
"""Batches up to this size are done within the request; larger ones by a worker, with progress."""
CHUNK = 200
TASK = "review.tasks.execute_batch"
VERDICTS = {Decision.Verdict.ACCEPT, Decision.Verdict.REJECT}
Kind, Outcome = DecisionBatch.Kind, BatchMember.Outcome


def alike(item: ReviewItem, user: Any) -> ReviewItemQuerySet:
    """The open items of the same source and pattern that this person may see; itself among them while it is open."""
    if not item.pattern:
        return ReviewItem.objects.none()
    return queue.visible_items(user).open().filter(source=item.source_id, pattern=item.pattern)


def decide_group(
    *,
    item: ReviewItem,
    verdict: Decision.Verdict,
    user: Any,
    without: Collection[int] = (),
    newest: int | None = None,
    reason: str = "",
) -> DecisionBatch:
    """Give one verdict on all open items of the item's pattern; done on return if there are few, else by a worker.

    without: items that the person unticked; they stay open.
    newest: the highest id the person was shown; what a run has added since stays open too.
    Raises PermissionDenied for others than stewards, Refused if the verdict is not one for many or nothing is left.
    """
    access.require(user, UserRole.STEWARD)
    if verdict not in VERDICTS:
        raise Refused("Many items at once are accepted or rejected; give other verdicts one by one.")
    group = alike(item, user)
    if newest is not None:
        group = group.filter(pk__lte=newest)
    ticked = group.exclude(pk__in=list(without))
    batch = start(
        DecisionBatch(
            kind=Kind.GROUP,
            verdict=verdict,
            source=item.source,
            pattern=item.pattern,
            filters={"detector": item.detector, "rule": item.finding.rule},
            reason=reason,
            requested_by=user,
            set_apart=group.count() - ticked.count(),
        ),
        ticked,
        user,
    )
    return do_or_queue(batch)


@transaction.atomic
def start(batch: DecisionBatch, items: ReviewItemQuerySet, user: Any) -> DecisionBatch:
    """Store a batch with the items that are free for this person as its members. Raises Refused if there are none."""
    batch.save()
    free = items.available_to(user.pk)
    batch.size = _enrol(batch, free)
    batch.left_out = items.count() - batch.size
    if not batch.size:
        raise Refused("None of these items is open and free: they were decided, or are on a colleague's desk.")
    batch.save(update_fields=["size", "left_out"])
    return batch


def request_undo(*, batch: DecisionBatch, user: Any) -> DecisionBatch:
    """Take back every decision of a batch that still stands; what cannot be is listed with the reason.

    An undo that is under way is given back. Raises Refused if nothing is left to undo.
    """
    access.require(user, UserRole.STEWARD)
    if batch.kind == Kind.UNDO:
        raise Refused("An undo is not undone: decide the items again.")
    if batch.is_active:
        raise Refused("It is still being done: cancel it first.")
    standing = BatchMember.objects.filter(
        batch=batch, outcome=Outcome.DECIDED, decision__isnull=False, decision__undone_at__isnull=True
    ).order_by("-id")
    try:
        with transaction.atomic():
            undo = DecisionBatch.objects.create(
                kind=Kind.UNDO, source=batch.source, undoes=batch, requested_by=user, filters=batch.filters
            )
            members = [BatchMember(batch=undo, item_id=one.item_id, decision_id=one.decision_id) for one in standing]
            if not members:
                raise Refused("Nothing of it is left to undo.")
            BatchMember.objects.bulk_create(members, batch_size=5_000)
            undo.size = len(members)
            undo.save(update_fields=["size"])
    except IntegrityError:
        active: DecisionBatch = DecisionBatch.objects.active().get(undoes=batch)
        return active
    return do_or_queue(undo)


def do_or_queue(batch: DecisionBatch) -> DecisionBatch:
    """Do a small batch now; leave a large one to a worker."""
    if batch.size > AT_ONCE:
        publish(TASK, batch.pk)
        return batch
    execute_batch(batch.pk)
    batch.refresh_from_db()
    return batch


def execute_batch(batch_id: int) -> None:
    """Do a batch, or the rest of it, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(DecisionBatch, batch_id, _settle_all)


def outcomes(batch: DecisionBatch) -> dict[str, int]:
    """Outcome -> number of members."""
    counted = batch.members.order_by().values_list("outcome").annotate(count=Count("id"))
    return dict.fromkeys(Outcome.values, 0) | dict(counted)


def standing(batch: DecisionBatch) -> int:
    """How many of its decisions still stand."""
    return batch.members.filter(outcome=Outcome.DECIDED, decision__undone_at__isnull=True).count()


def _enrol(batch: DecisionBatch, items: ReviewItemQuerySet) -> int:
    """Make the items members, in one statement however many they are."""
    chosen, values = items.order_by().values("id").query.sql_with_params()
    with connection.cursor() as cursor:
        cursor.execute(
            "INSERT INTO review_batchmember (batch_id, item_id, outcome, note) "  # noqa: S608 - the ORM's own SQL
            f"SELECT %s, chosen.id, %s, '' FROM ({chosen}) AS chosen ORDER BY chosen.id",
            [batch.pk, Outcome.WAITING, *values],
        )
        return int(cursor.rowcount)


def _settle_all(batch: DecisionBatch, report: Report) -> None:
    user = batch.requested_by
    if user is None or not user.is_active or not access.has_role(user, UserRole.STEWARD):
        raise Refused("Who asked for this is no longer a steward.")
    done = batch.members.exclude(outcome=Outcome.WAITING).count()
    stage = "taking back" if batch.kind == Kind.UNDO else "deciding"
    for member in _waiting(batch):
        report(done, batch.size, stage)
        _settle(member, batch, user)
        done += 1
    _learn(batch)
    ended = DecisionBatch.objects.held(batch).update(
        state=JobState.SUCCEEDED, finished_at=timezone.now(), lease_until=None, progress_done=done
    )
    if not ended:
        raise Lost


def _waiting(batch: DecisionBatch) -> Iterator[int]:
    """The ids of the waiting members, in order, a chunk at a time; an undo takes the last decided first."""
    after = 0
    while chunk := list(
        batch.members.filter(outcome=Outcome.WAITING, pk__gt=after).order_by("pk").values_list("pk", flat=True)[:CHUNK]
    ):
        yield from chunk
        after = chunk[-1]


@transaction.atomic
def _settle(member_id: int, batch: DecisionBatch, user: Any) -> None:
    """Settle one member unless another worker has settled it."""
    member = BatchMember.objects.select_for_update(of=("self",)).select_related("decision").get(pk=member_id)
    if member.outcome != Outcome.WAITING:
        return
    try:
        with transaction.atomic():
            member.outcome = _undo(member, user) if batch.kind == Kind.UNDO else _decide(member, batch, user)
    except deciding.AlreadyDecided as refusal:
        member.outcome, member.note = Outcome.TAKEN, str(refusal)
    except Refused as refusal:
        member.outcome, member.note = Outcome.REFUSED, str(refusal)
    member.save(update_fields=["outcome", "decision", "note"])


def _decide(member: BatchMember, batch: DecisionBatch, user: Any) -> BatchMember.Outcome:
    decision = deciding.decide_one_of_many(
        item_id=member.item_id,
        verdict=Decision.Verdict(batch.verdict),
        user=user,
        reason=batch.reason,
        looked_at=batch.kind != Kind.REST,
    )
    member.decision = decision
    return Outcome.DECIDED if decision else Outcome.STALE


def _undo(member: BatchMember, user: Any) -> BatchMember.Outcome:
    if member.decision is None:
        raise Refused("Its decision is gone.")
    undone = deciding.undo_decision(decision=member.decision, user=user, learn=False)
    if undone and undone.kept:
        member.note = f"Edited since, left as it is: {', '.join(sorted({change.field for change, _ in undone.kept}))}."
    return Outcome.UNDONE


def _learn(batch: DecisionBatch) -> None:
    """Take the decisions in once a detector, not once an item."""
    latest: QuerySet[BatchMember, Any] = batch.members.filter(decision__isnull=False)
    newest = latest.order_by().values_list("item__detector").annotate(newest=Max("decision"))
    for decision in Decision.objects.filter(pk__in=[decision for _, decision in newest]).select_related("item__source"):
        feedback.learn_from(decision)
