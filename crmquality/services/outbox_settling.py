"""What a person does about writes that got stuck: try again, write ours, take theirs, leave it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from crmquality.models import ChangeSet, OutboxEntry
from crmquality.services import correcting, outbox
from crmquality.services.errors import Conflict, Refused
from crmquality.services.publishing import publish

Kind, State = OutboxEntry.Kind, OutboxEntry.State


class Settled(Conflict):
    """The entry is no longer waiting for a person."""


@transaction.atomic
def retry(*, entry: OutboxEntry, by: Any = None) -> OutboxEntry:
    """Send it again: a write that was not delivered, or one that the system warned of, which `by` now insists on."""
    kept = _stuck(entry)
    step = kept.step | {"insist": True} if kept.needs_person and kept.kind == Kind.SET else kept.step
    return _again(kept, by, step=step)


@transaction.atomic
def overwrite(*, entry: OutboxEntry, by: Any = None) -> OutboxEntry:
    """Write ours over what was seen there; if it changes once more, that is a conflict again."""
    kept = _stuck(entry)
    if kept.state != State.CONFLICT or kept.kind == Kind.UNMERGE:
        raise Refused("Only a conflict can be overwritten.")
    step = dict(kept.step)
    for name, held in kept.now.items():
        if name in step["values"]:
            step["values"] = step["values"] | {name: [held, step["values"][name][1]]}
    return _again(kept, by, step=step)


@transaction.atomic
def take_theirs(*, entry: OutboxEntry, by: Any = None) -> OutboxEntry:
    """Take what stands there into our record, as a change of its own that can be undone; ours is not written."""
    kept = _stuck(entry)
    if kept.state != State.CONFLICT or kept.kind != Kind.SET:
        raise Refused("Only a conflict about values can be settled so.")
    outbox.annul(kept, "their values were taken", by)
    record = correcting.lock_records([kept.record_id])[kept.record_id]
    values = {name: held for name, held in kept.now.items() if record.fields.get(name) != held}
    if values:
        cause = f"conflict: values of {kept.connection.name} taken"
        correcting.set_fields(
            record_id=record.pk, changes=values, cause=cause, by=by, action=ChangeSet.Action.EDIT,
            locked={record.pk: record},
        )  # fmt: skip
    kept.refresh_from_db()
    return kept


@transaction.atomic
def dismiss(*, entry: OutboxEntry, by: Any = None) -> OutboxEntry:
    """Leave it unwritten: here it stays as it is, there too."""
    kept = _stuck(entry)
    outbox.annul(kept, "left as it is, on both sides", by)
    kept.refresh_from_db()
    return kept


def _stuck(entry: OutboxEntry) -> OutboxEntry:
    """The entry, locked. Raises Settled if it is not stuck any more."""
    kept: OutboxEntry = (
        OutboxEntry.objects.select_for_update(of=("self",)).select_related("connection", "feed").get(pk=entry.pk)
    )
    if not kept.is_stuck:
        raise Settled("Somebody settled this already.")
    return kept


def _again(entry: OutboxEntry, by: Any, *, step: Mapping[str, Any]) -> OutboxEntry:
    plan = entry.plan if entry.kind != Kind.SET and not entry.now else None
    OutboxEntry.objects.filter(pk=entry.pk).update(
        state=State.WAITING, step=step, plan=plan, due_at=Now(), failures=0, error="", now={}, needs_person=False,
        settled_by=by,
    )  # fmt: skip
    publish("crmquality.tasks.deliver_outbox", entry.connection_id)
    entry.refresh_from_db()
    return entry
