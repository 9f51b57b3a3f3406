"""Putting back what was changed: one change set, many, or all that came of a run; a later edit wins unless a person
says otherwise."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from enum import StrEnum
from typing import Any

from django.db import transaction
from django.utils import timezone

from crmquality.models import Change, ChangeSet, JobState, Record, Undoing, UndoPeriod
from crmquality.services.correcting import Edit, lock_records, write
from crmquality.services.errors import Refused
from crmquality.services.leases import do_job
from crmquality.services.publishing import publish

AT_ONCE = 200
"""More values than this are put back by a worker, so that no page waits for it."""


class CannotUndo(Refused):
    """A later merge stands in the way, or the time to undo has passed; the message lists what."""


class Take(StrEnum):
    """Which of three values a person wants where a value was edited after the change that is being undone."""

    BEFORE = "before"
    AFTER = "after"
    NOW = "now"


@dataclass(frozen=True, slots=True)
class Value:
    """One value that a change set wrote: as it was before, right after, and as it stands now."""

    change: Change
    now: str | None

    @property
    def was_edited(self) -> bool:
        """Whether someone changed it since, to something else than what undoing would put back."""
        return self.now not in (self.change.after, self.change.before)

    @property
    def is_back(self) -> bool:
        """Whether it holds the earlier value already."""
        return self.now == self.change.before


@dataclass(frozen=True)
class Preview:
    """What undoing would do. refusal: why it cannot be undone, "" if it can."""

    change_set: ChangeSet
    values: list[Value]
    refusal: str = ""

    @property
    def restored(self) -> list[Value]:
        """The values that are put back."""
        return [value for value in self.values if not value.was_edited and not value.is_back]

    @property
    def edited(self) -> list[Value]:
        """The values that were edited since: a person chooses, else they stay."""
        return [value for value in self.values if value.was_edited]


@dataclass(frozen=True)
class Undone:
    """What an undo did. kept: changes left alone because someone edited the value later, with that value."""

    change_set: ChangeSet
    restored: int
    kept: list[tuple[Change, str | None]] = field(default_factory=list)


@dataclass
class UndoneMany:
    """What undoing several change sets did. refused: those that could not be undone, with the reason."""

    undone: int = 0
    restored: int = 0
    kept: list[tuple[Change, str | None]] = field(default_factory=list)
    refused: list[tuple[ChangeSet, str]] = field(default_factory=list)


Undo = Callable[..., Undone | None]
_undo_with_cause: Undo | None = None


def register_undo(undo_with_cause: Undo) -> None:
    """Say how a change set is undone together with what led to it (a decision, whose item is then open again).

    `review` calls it at start, since nothing here may import it.
    """
    global _undo_with_cause
    _undo_with_cause = undo_with_cause


@transaction.atomic
def undo(*, change_set: ChangeSet, by: Any = None, take: Mapping[int, Take] | None = None, now: Any = None) -> Undone:
    """Put back every value a change set wrote, in one new change set.

    A value that someone changed later is left as it is and listed in `kept`: the later edit wins.
    take: change id -> which value to write instead, for values that were edited since.
    Raises CannotUndo if it was undone before, is an undo itself, is older than the days an admin allows, or a record
    of it was merged into another since.
    """
    change_set = ChangeSet.objects.select_for_update().get(pk=change_set.pk)
    changes = list(change_set.changes.all())
    locked = lock_records(_records_of(changes))
    refusal = _refusal(change_set, changes, locked, now or timezone.now())
    if refusal:
        raise CannotUndo(refusal)
    edits, kept = [], []
    for value in _values(changes, locked):
        change, wanted = value.change, value.change.before
        if value.was_edited:
            chosen = (take or {}).get(change.pk, Take.NOW)
            if chosen is Take.NOW or change.is_pointer:
                kept.append((change, value.now))
                continue
            wanted = change.before if chosen is Take.BEFORE else change.after
        if wanted != value.now:
            edits.append(Edit(change.record_id, change.field, value.now, wanted, "undo", is_pointer=change.is_pointer))
    undone = write(
        source=change_set.source,
        action=ChangeSet.Action.UNDO,
        cause=f"undo of {change_set.cause}",
        by=by,
        edits=edits,
        locked=locked,
        undoes=change_set,
    )
    return Undone(undone, len(edits), kept)


def preview(change_set: ChangeSet) -> Preview:
    """What undoing this change set would find: each value before it, after it and now. Writes and locks nothing."""
    changes = list(change_set.changes.all())
    found = {
        record.pk: record for record in Record.objects.filter(id__in=_records_of(changes)).select_related("source")
    }
    values = _values(changes, found)
    for value in values:
        value.change.record = found[value.change.record_id]
    return Preview(change_set, values, _refusal(change_set, changes, found, timezone.now()))


def undo_with_cause(*, change_set: ChangeSet, by: Any = None, take: Mapping[int, Take] | None = None) -> Undone | None:
    """Undo a change set and take back what led to it. Raises what `undo` raises."""
    return (_undo_with_cause or undo)(change_set=change_set, by=by, take=take)


def undo_many(change_sets: Iterable[ChangeSet], *, by: Any, report: Callable[..., None] | None = None) -> UndoneMany:
    """Undo several change sets with what led to them, the newest first, each by itself: one that fails stops no other.

    Those undone before are passed over. report(done, total, stage) is told how far it is, and may raise to stop.
    """
    wanted = sorted(change_sets, key=lambda one: -one.pk)
    before = set(ChangeSet.objects.filter(undoes__in=[one.pk for one in wanted]).values_list("undoes", flat=True))
    done = UndoneMany()
    for count, change_set in enumerate(wanted, 1):
        if change_set.pk not in before:
            try:
                with transaction.atomic():
                    undone = undo_with_cause(change_set=change_set, by=by)
            except Refused as refusal:
                done.refused.append((change_set, str(refusal)))
            else:
                done.undone += 1
                done.restored += undone.restored if undone else 0
                done.kept += undone.kept if undone else []
        if report:
            report(count, len(wanted), "undoing")
    return done


def standing(change_sets: Any) -> Any:
    """Those of a queryset of change sets that can still be undone: not undone, and no undo themselves."""
    return change_sets.filter(undone_by__isnull=True).exclude(action=ChangeSet.Action.UNDO)


def request_undoing(*, change_sets: Sequence[int], title: str, by: Any) -> Undoing:
    """Queue the undoing of these change sets. Raises Refused if there are none."""
    if not change_sets:
        raise Refused("There is nothing to undo.")
    job = Undoing.objects.create(change_sets=sorted(change_sets, reverse=True), title=title[:200], requested_by=by)
    publish("crmquality.tasks.execute_undoing", job.pk)
    return job


def execute_undoing(job_id: int) -> None:
    """Do a queued undoing. Never raises: how it ended stands in the row, and what is done is passed over."""
    do_job(Undoing, job_id, _undo_all)


def undo_days() -> int:
    """For how many days a change can be undone."""
    return UndoPeriod.in_force().days


def set_undo_days(*, days: int, user: Any) -> UndoPeriod:
    """Add a version of the period. Raises Refused unless it is 1 to 365 days."""
    if not 1 <= days <= UndoPeriod.LONGEST:
        raise Refused(f"Changes can be undone for 1 to {UndoPeriod.LONGEST} days, not {days}.")
    return UndoPeriod.objects.create(days=days, by=user)


def _undo_all(job: Undoing, report: Callable[..., None]) -> None:
    found = list(ChangeSet.objects.filter(pk__in=job.change_sets))
    report(0, len(found), "undoing")
    done = UndoneMany()
    try:
        done = undo_many(found, by=job.requested_by, report=report)
    finally:  # also when it was cancelled half way
        Undoing.objects.filter(pk=job.pk).update(
            undone=ChangeSet.objects.filter(undoes__in=job.change_sets).count(),
            kept=len(done.kept),
            refused=[{"change_set": one.pk, "why": why} for one, why in done.refused],
        )
    report(len(found), len(found), "done")
    Undoing.objects.finish(job, JobState.SUCCEEDED)


def _records_of(changes: Sequence[Change]) -> set[int]:
    """The records that were changed, and those that others were pointed at."""
    pointed = {int(value) for one in changes if one.is_pointer for value in (one.before, one.after) if value}
    return {change.record_id for change in changes} | pointed


def _values(changes: Sequence[Change], records: Mapping[int, Record]) -> list[Value]:
    found = []
    for change in changes:
        record = records[change.record_id]
        pointer = str(record.golden_id) if record.golden_id is not None else None
        found.append(Value(change, pointer if change.is_pointer else record.fields.get(change.field)))
    return found


def _refusal(change_set: ChangeSet, changes: Sequence[Change], records: Mapping[int, Record], now: Any) -> str:
    if change_set.action == ChangeSet.Action.UNDO:
        return "This is an undo itself: decide anew instead."
    if ChangeSet.objects.filter(undoes=change_set).exists():
        return "It was undone already."
    days = undo_days()
    if change_set.at < now - timedelta(days=days):
        return f"It is older than {days} days."
    if change_set.action == ChangeSet.Action.IMPORT:
        return ""  # a record merged since holds up no import's undo: it gets its own values back
    pointers = [change for change in changes if change.is_pointer]
    own = {change.record_id: change.after for change in pointers}
    # of a merge, its members and the golden record: children that were merged since get their reference back
    concerned = _records_of(pointers) if pointers else set(records)
    later = sorted(
        record.external_id
        for record in (records[one] for one in concerned)
        if record.golden_id is not None and own.get(record.pk) != str(record.golden_id)
    )
    if later:
        return f"Merged into another record since: {', '.join(later[:10])}. Undo that merge first."
    return ""
