"""Changing records: compare first, write once, keep before and after; `undoing` puts back."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.db.models.functions import Now

from crmquality.models import Change, ChangeSet, Record, Run, Source
from crmquality.models.records import REFERENCES
from crmquality.prepared import Prepared, where
from crmquality.services import outbox
from crmquality.services.errors import Conflict, Refused

BATCH = 500
"""Records written by one statement."""


class StaleRecord(Conflict):
    """The record changed since the finding was made; nothing was written."""


@dataclass(frozen=True)
class Edit:
    """One value to write: `after` into `field` of the record, if it still holds `before`."""

    record: int
    field: str
    before: str | None
    after: str | None
    reason: str = ""
    is_pointer: bool = False


def references(source: Source, values: Mapping[str, str | None]) -> list[str] | None:
    """The "kind:external id" of what a record refers to; None if nothing."""
    found = [
        f"{REFERENCES[role]}:{values[column]}"
        for column, role in source.column_roles.items()
        if role in REFERENCES and values.get(column)
    ]
    return found or None


_THESE = where('"crmquality_record"."id" = ANY(%s)', "ids")
_WITH_SOURCE = Record.objects.select_related("source__feed__connection").filter(_THESE)
_READ = Prepared(lambda: _WITH_SOURCE)
_LOCKED = Prepared(lambda: _WITH_SOURCE.select_for_update(of=("self",)).order_by("id"))


def read_records(ids: Iterable[int]) -> dict[int, Record]:
    """The records with their source, feed and connection."""
    return {record.pk: record for record in _READ.all(ids=list(set(ids)))}


def lock_records(ids: Iterable[int]) -> dict[int, Record]:
    """The records, locked in id order so that two corrections never wait for each other in a circle."""
    return {record.pk: record for record in _LOCKED.all(ids=sorted(set(ids)))}


@transaction.atomic
def set_fields(
    *,
    record_id: int,
    changes: Mapping[str, str | None],
    cause: str,
    by: Any = None,
    expected: Mapping[str, str | None] | None = None,
    reasons: Mapping[str, str] | None = None,
    action: ChangeSet.Action = ChangeSet.Action.SET,
    run: Run | None = None,
    locked: Mapping[int, Record] | None = None,
) -> ChangeSet:
    """Write values into one record.

    locked: as `lock_records` gave it, where it was locked already; its record holds the new values afterwards.
    expected: what the fields must still hold; today's values if not given. run: whose finding led to it.
    Raises StaleRecord if a value differs from the expected one or the record was merged or is gone, Refused if
    a field does not exist or nothing would change.
    """
    record = _live(lock_records([record_id]) if locked is None else locked, record_id)
    unknown = sorted(set(changes) - set(record.source.columns))
    if unknown:
        raise Refused(f"No field {', '.join(map(repr, unknown))} in source {record.source.name!r}.")
    before = {name: record.fields.get(name) for name in changes}
    moved = [name for name, value in (expected or {}).items() if name in changes and before[name] != value]
    if moved:
        raise StaleRecord(f"The record changed meanwhile: {', '.join(moved)}.")
    edits = [
        Edit(record.pk, name, before[name], value or None, (reasons or {}).get(name, ""))
        for name, value in changes.items()
        if before[name] != (value or None)
    ]
    if not edits:
        raise Refused("The record holds these values already.")
    return write(
        source=record.source, action=action, cause=cause, by=by, edits=edits, locked={record.pk: record}, run=run
    )


def write(
    *,
    source: Source,
    action: ChangeSet.Action,
    cause: str,
    by: Any,
    edits: Sequence[Edit],
    locked: Mapping[int, Record],
    undoes: ChangeSet | None = None,
    run: Run | None = None,
) -> ChangeSet:
    """Apply edits to locked records and note each as a Change. Every change of a record goes through here.

    What was changed in a record of a connected system is put into its outbox.
    """
    change_set = ChangeSet.objects.create(
        source=source, action=action, cause=cause[:200], by=by, undoes=undoes, run=run
    )
    touched: dict[int, Record] = {}
    for edit in edits:
        record = touched.setdefault(edit.record, locked[edit.record])
        if edit.is_pointer:
            record.golden_id = int(edit.after) if edit.after else None
        else:
            record.fields = {**record.fields, edit.field: edit.after}
    changes = Change.objects.bulk_create(
        Change(
            change_set=change_set,
            record_id=edit.record,
            field=edit.field,
            is_pointer=edit.is_pointer,
            before=edit.before,
            after=edit.after,
            reason=edit.reason,
        )
        for edit in edits
    )
    change_set.touched = touched.keys()
    for record in touched.values():
        record.refs = references(record.source, record.fields)
        record.version += 1
        record.updated_at = Now()
    written = ["fields", "refs", "golden", "version", "updated_at"]
    if len(touched) == 1:  # the usual one, and much less work than a statement for many
        record.save(update_fields=written)
    else:
        Record.objects.bulk_update(touched.values(), written, BATCH)
    outbox.enqueue(change_set, changes, locked)
    return change_set


def _live(locked: Mapping[int, Record], record_id: int) -> Record:
    record = locked.get(record_id)
    if record is None or record.gone_at is not None:
        raise StaleRecord("The record no longer exists.")
    if record.golden_id is not None:
        raise StaleRecord("The record was merged into another one.")
    return record
