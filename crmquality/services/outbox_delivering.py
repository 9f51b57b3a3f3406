"""Sending the outbox: what is due leaves, once, compared before and read back afterwards; what fails waits or is named.

A worker claims entries under a lease, opens one connection, and sends them: writes of values together, merges one by
one. What a fault means is decided in one place (`_settle`): a conflict for a steward, a dead letter, another try with
back-off, or a rest for the whole connection.
"""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from datetime import timedelta
from typing import Any

from django.db import transaction
from django.db.models import F
from django.db.models.functions import Now

from crmquality.connectors import delivering
from crmquality.connectors.contract import Call, Plan, Step, System, Write
from crmquality.connectors.delivering import EVERYWHERE, Done
from crmquality.connectors.faults import (
    Denied,
    Differs,
    Gone,
    Invalid,
    NeedsPerson,
    NotAsWritten,
    NotSent,
    QuotaSpent,
    Stale,
    SystemFault,
    Throttled,
)
from crmquality.models import Connection, OutboxEntry
from crmquality.services import connections, outbox
from crmquality.services.errors import Refused
from crmquality.services.publishing import publish

Kind, State = OutboxEntry.Kind, OutboxEntry.State
logger = logging.getLogger(__name__)

AT_ONCE = 25
LEASE = timedelta(minutes=5)
MAX_FAILURES = 10
BACK_OFF, LONGEST_BACK_OFF = timedelta(seconds=5), timedelta(minutes=30)
FINAL = (Gone, Invalid, NeedsPerson, NotAsWritten)


def publish_due() -> int:
    """Tell the workers of every connection with entries that are due; returns how many connections."""
    due = outbox.due_connections()
    for connection in due:
        publish("crmquality.tasks.deliver_outbox", connection)
    return len(due)


def deliver(connection_id: int) -> None:
    """Send what is due of a connection. Never raises: what became of each entry stands in it.

    Several workers may do so at once: no entry, and no two entries of one record, are in two hands.
    """
    while entries := _claim(connection_id):
        connection = Connection.objects.get(pk=connection_id)
        try:
            with connections.opened(connection) as system:
                _deliver(connection, system, entries)
                connections.note_quota(connection, system)
        except SystemFault as fault:
            _release(connection, entries, fault)
        except Refused as refusal:
            _release(connection, entries, Denied(str(refusal)))
        except Exception as error:  # a connector's bug stops this connection's batch, no other
            logger.error("delivering to connection %s failed: %s", connection_id, type(error).__name__)
            for entry in entries:
                _settle(connection, entry, error)


def preview(entry: OutboxEntry) -> list[Call]:
    """The exact requests that an entry would send now; sends none. Raises Refused with the reason if it would not."""
    with connections.faults_as_refused(), connections.opened(entry.connection, timeout=20) as system:
        return delivering.preview(system, _steps(system, entry))


def _claim(connection_id: int) -> list[OutboxEntry]:
    free = Connection.objects.filter(pk=connection_id, paused_because="").exclude(held_until__gt=Now())
    if not free.exists():
        return []
    with transaction.atomic():
        due = OutboxEntry.objects.claimable().filter(connection=connection_id).order_by("id")
        ids = list(due.select_for_update(skip_locked=True, of=("self",)).values_list("pk", flat=True)[:AT_ONCE])
        OutboxEntry.objects.filter(pk__in=ids).update(
            state=State.SENDING, lease_until=Now() + LEASE, attempts=F("attempts") + 1
        )
    found = OutboxEntry.objects.filter(pk__in=ids, state=State.SENDING).select_related("feed", "connection")
    return list(found.order_by("pk"))


def _deliver(connection: Connection, system: System, entries: Sequence[OutboxEntry]) -> None:
    """Writes of values together, then merges. After a fault that concerns all, the rest is not sent."""
    writes = [entry for entry in entries if entry.kind == Kind.SET]
    outcomes = delivering.do_many(system, [(outbox.write_of(entry), entry.key.hex) for entry in writes])
    for entry, outcome in zip(writes, outcomes, strict=True):
        _settle(connection, entry, outcome)
    stopped = next((one for one in outcomes if isinstance(one, EVERYWHERE)), None)
    for entry in entries:
        if entry.kind != Kind.SET:
            done = NotSent(str(stopped)) if stopped else _merge(system, entry)
            _settle(connection, entry, done)
            stopped = done if isinstance(done, EVERYWHERE) else stopped


def _merge(system: System, entry: OutboxEntry) -> Done | SystemFault:
    try:
        if not OutboxEntry.objects.held(entry).update(lease_until=Now() + LEASE):
            return Stale("another worker has it")
        if entry.kind == Kind.UNMERGE:
            return _unmerge(system, entry)
        plan = _plan(system, entry)
        done = delivering.carry_out_whole(system, plan, key=entry.key.hex)
        return Done.WRITTEN if Done.WRITTEN in done else Done.ALREADY
    except SystemFault as fault:
        return fault


def _plan(system: System, entry: OutboxEntry) -> Plan:
    """How the merge is done: as planned before its first request, or planned and kept now."""
    if entry.plan is None:
        entry.plan = delivering.plan_to_json(_planned(system, entry))
        OutboxEntry.objects.held(entry).update(plan=entry.plan)
    return delivering.plan_from_json(entry.plan)


def _planned(system: System, entry: OutboxEntry) -> Plan:
    """The system's plan, and the children that it does not move by itself."""
    plan = system.plan_merge(outbox.merge_from_json(entry.step))
    moved = {(step.object, step.id) for step in plan.steps}
    children = [one for one in map(delivering.step_from_json, entry.step["children"]) if isinstance(one, Write)]
    left = [one for one in children if (one.object, one.id) not in moved]
    undo = (*plan.undo, *(one.reversed() for one in left))
    return Plan((*plan.steps, *left), undo, plan.irreversible)


def _unmerge(system: System, entry: OutboxEntry) -> Done:
    """Put back what the merge did. What was changed since, and is none of the members' own, stays, and is named."""
    steps = _steps(system, entry)
    members = {entry.step["survivor"], *entry.step["losers"]}
    left, done = [], [Done.ALREADY]
    for place, step in enumerate(steps):
        try:
            done.append(delivering.do(system, step, key=f"{entry.key.hex}-{place}"))
        except (Differs, Gone):
            if step.object == entry.step["object"] and step.id in members:
                raise
            left.append(f"{step.object} {step.id}")
    if left:
        OutboxEntry.objects.held(entry).update(note=f"Changed there since, and left: {', '.join(left)}"[:500])
    return Done.WRITTEN if Done.WRITTEN in done else Done.ALREADY


def _steps(system: System, entry: OutboxEntry) -> Sequence[Step]:
    """What an entry does; reads, sends nothing. Raises Invalid for a merge that cannot be taken back."""
    if entry.kind == Kind.SET:
        return [outbox.write_of(entry)]
    if entry.kind == Kind.MERGE:
        return (delivering.plan_from_json(entry.plan) if entry.plan else _planned(system, entry)).steps
    merge = (
        OutboxEntry.objects.filter(change_set=entry.change_set.undoes_id, record=entry.record_id, kind=Kind.MERGE)
        .exclude(plan=None)
        .first()
    )
    if merge is None or merge.plan is None:
        return []
    plan = delivering.plan_from_json(merge.plan)
    if plan.irreversible:
        raise Invalid(plan.irreversible)
    wanted = _values_of(entry)
    ours = _values_of(merge)
    return [one for step in plan.undo if (one := _narrowed(step, ours, wanted)) is not None]


Fields = Mapping[tuple[str, str], set[str]]


def _values_of(entry: OutboxEntry) -> dict[tuple[str, str], set[str]]:
    """(object, id) -> the fields that a merge or its undo writes for us: of the survivor, and of children."""
    found = {(one["object"], one["id"]): set(one["values"]) for one in entry.step["children"]}
    return found | {(entry.step["object"], entry.step["survivor"]): set(entry.step["values"])}


def _narrowed(step: Step, ours: Fields, wanted: Fields) -> Step | None:
    """A step of the undo, without values of ours that were edited here since, and so stay as they are."""
    about = (step.object, step.id)
    if not isinstance(step, Write) or about not in ours:
        return step
    kept = ours[about] - wanted.get(about, set())
    values = {name: pair for name, pair in step.values.items() if name not in kept}
    return Write(step.object, step.id, values) if values else None


def _release(connection: Connection, entries: Sequence[OutboxEntry], fault: SystemFault) -> None:
    """Let entries wait that were not sent, since the system did not answer or let us in."""
    for entry in entries:
        _settle(connection, entry, NotSent(str(fault)))
    connections.react(connection, fault)


def _settle(connection: Connection, entry: OutboxEntry, outcome: Done | Exception) -> None:
    """Note what became of an entry, if this worker still holds it; and what that means for the connection."""
    words = "" if isinstance(outcome, Done) else _words(outcome)
    said: dict[str, Any] = {"lease_until": None, "begun": True, "error": words}
    match outcome:
        case Done():
            note = "it was so already" if outcome is Done.ALREADY else ""
            said |= {"state": State.DONE, "settled_at": Now(), "now": {}}
            said |= {"note": note} if note else {}
        case Differs():
            said |= {"state": State.CONFLICT, "now": outcome.now}
        case NotSent():
            said |= {"state": State.WAITING, "begun": entry.begun, "due_at": Now() + BACK_OFF}
        case Throttled() | QuotaSpent() | Denied():
            said |= {"state": State.WAITING}
        case _ if isinstance(outcome, FINAL) or entry.failures + 1 >= MAX_FAILURES:
            said |= {"state": State.DEAD, "failures": F("failures") + 1, "now": getattr(outcome, "now", {})}
            said |= {"needs_person": isinstance(outcome, NeedsPerson)}
        case _:
            wait = min(BACK_OFF * 2**entry.failures, LONGEST_BACK_OFF)
            said |= {"state": State.WAITING, "failures": F("failures") + 1, "due_at": Now() + wait}
    if OutboxEntry.objects.held(entry).update(**said) and isinstance(outcome, Throttled | QuotaSpent | Denied):
        connections.react(connection, outcome)


def _words(error: Exception) -> str:
    return str(error)[:1000] if isinstance(error, SystemFault) else f"{type(error).__name__}: see the worker's log"
