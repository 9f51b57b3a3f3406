"""The outbox: what was changed here is written to the system it came from, from the same transaction on.

`enqueue` is called by whatever changes records. An entry waits for the grace period. If its change is undone meanwhile,
neither leaves. `outbox_delivering` sends; `outbox_settling` is what a person does about entries that got stuck.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from django.db.models.functions import Now
from django.utils import timezone

from crmquality.connectors.contract import Merge, Write
from crmquality.connectors.delivering import step_from_json, step_to_json
from crmquality.models import Change, ChangeSet, Connection, Feed, OutboxEntry, Record
from crmquality.services.publishing import publish

Kind, State = OutboxEntry.Kind, OutboxEntry.State


def enqueue(change_set: ChangeSet, changes: Sequence[Change], records: Mapping[int, Record]) -> list[OutboxEntry]:
    """Entries for what a change set changed in records of connected sources; call it in the change's transaction.

    records: those changed, each with its source. Entries of a change that this one undoes, and that have not left yet,
    are annulled, and what would put them back is not made.
    """
    feeds = {record.source_id: feed for record in records.values() if (feed := _writing_feed(record)) is not None}
    if not feeds:
        return []
    writes = {
        record_id: write
        for record_id, own in _by_record(changes).items()
        if (write := _write(records[record_id], own, feeds)) is not None
    }
    entries = _merges(change_set, changes, records, feeds, writes)
    for record_id, write in writes.items():
        record, feed = records[record_id], feeds[records[record_id].source_id]
        entries.append(_entry(change_set, feed, record, [record_id], Kind.SET, step_to_json(write)))
    if change_set.undoes_id:
        entries = _without_annulled(change_set, entries)
    made: list[OutboxEntry] = OutboxEntry.objects.bulk_create(entries)
    for connection in {entry.connection_id: entry.connection for entry in made}.values():
        if not connection.grace:
            publish("crmquality.tasks.deliver_outbox", connection.pk)
    return made


def _writing_feed(record: Record) -> Feed | None:
    feed: Feed | None = getattr(record.source, "feed", None)
    return feed if feed is not None and feed.write_back else None


def _by_record(changes: Iterable[Change]) -> dict[int, list[Change]]:
    found: dict[int, list[Change]] = {}
    for one in changes:
        found.setdefault(one.record_id, []).append(one)
    return found


def _entry(
    change_set: ChangeSet, feed: Feed, record: Record, records: Sequence[int], kind: str, step: Mapping[str, Any]
) -> OutboxEntry:
    due = timezone.now() + feed.connection.grace
    return OutboxEntry(
        connection=feed.connection, feed=feed, change_set=change_set, record=record, records=sorted(records),
        kind=kind, step=dict(step), due_at=due,
    )  # fmt: skip


def _write(record: Record, changes: Sequence[Change], feeds: Mapping[int, Feed]) -> Write | None:
    """What was changed of a record's values, as far as it can be written there; None if nothing."""
    feed = feeds.get(record.source_id)
    if feed is None:
        return None
    values = {
        one.field: (one.before, one.after) for one in changes if not one.is_pointer and one.field in feed.writable
    }
    return Write(feed.name, record.external_id, values) if values else None


def _merges(
    change_set: ChangeSet,
    changes: Sequence[Change],
    records: Mapping[int, Record],
    feeds: Mapping[int, Feed],
    writes: dict[int, Write],
) -> list[OutboxEntry]:
    """One entry a golden record whose members changed: merged into it, or standing for themselves again.

    It takes along the writes of the golden record and, since they make no sense without it, of the children that moved
    with the members: they are taken out of `writes`.
    """
    found: dict[tuple[int, str], list[int]] = {}
    for one in changes:
        if one.is_pointer and records[one.record_id].source_id in feeds:
            pointed_at = one.after or one.before
            if pointed_at:
                what = Kind.MERGE if one.after else Kind.UNMERGE
                found.setdefault((int(pointed_at), what), []).append(one.record_id)
    entries = []
    for (golden_id, kind), members in found.items():
        golden = records[golden_id]
        feed = feeds[golden.source_id]
        own = writes.pop(golden_id, None)
        moved = [one for one in writes if feeds[records[one].source_id].connection_id == feed.connection_id]
        children = [writes.pop(one) for one in moved]
        losers = tuple(records[member].external_id for member in sorted(members))
        merge = Merge(feed.name, golden.external_id, losers, own.values if own else {})
        step = merge_to_json(merge) | {"children": [step_to_json(child) for child in children]}
        entries.append(_entry(change_set, feed, golden, [golden_id, *members, *moved], kind, step))
    return entries


def _without_annulled(change_set: ChangeSet, entries: Sequence[OutboxEntry]) -> list[OutboxEntry]:
    """The entries of an undo that are still needed; what they undo is annulled where it has not left."""
    earlier = OutboxEntry.objects.select_for_update().filter(change_set=change_set.undoes_id)
    before = {(entry.record_id, entry.kind): entry for entry in earlier.exclude(state__in=[State.DONE, State.SENDING])}
    return [entry for entry in entries if _is_needed(entry, before.get((entry.record_id, _undone_kind(entry))))]


def _undone_kind(entry: OutboxEntry) -> str:
    return Kind.MERGE if entry.kind == Kind.UNMERGE else entry.kind


def _is_needed(entry: OutboxEntry, before: OutboxEntry | None) -> bool:
    """Whether an undo has to be sent. before: what it undoes, not sent as far as is known.

    A write that was tried and got no answer may have been done, so what undoes it follows it. One that was refused is
    not sent again, but it may have been done in part. One that never left, or found a conflict, changed nothing.
    """
    if before is None:
        return True
    if before.state == State.DEAD:
        annul(before, "undone")
        return True
    if before.state == State.WAITING and before.begun:
        return True
    if entry.kind == Kind.SET:
        _shorten(before, set(entry.step["values"]))
    else:
        annul(before, "undone before it left")
    return False


def _shorten(entry: OutboxEntry, undone: set[str]) -> None:
    """Take fields out of a write that has not left; annul it if none is left."""
    values = {name: pair for name, pair in entry.step["values"].items() if name not in undone}
    if values:
        OutboxEntry.objects.filter(pk=entry.pk).update(step=entry.step | {"values": values})
    else:
        annul(entry, "undone before it left")


def annul(entry: OutboxEntry, note: str, by: Any = None) -> None:
    """Send it no more."""
    OutboxEntry.objects.filter(pk=entry.pk).update(
        state=State.ANNULLED, note=note, settled_at=Now(), settled_by=by, lease_until=None
    )


# Merges as JSON


def merge_to_json(merge: Merge) -> dict[str, Any]:
    """A merge as plain JSON values."""
    values = {name: list(pair) for name, pair in merge.values.items()}
    return {"object": merge.object, "survivor": merge.survivor, "losers": list(merge.losers), "values": values}


def merge_from_json(kept: Mapping[str, Any]) -> Merge:
    """The merge that was kept."""
    values = {name: (before, after) for name, (before, after) in kept["values"].items()}
    return Merge(kept["object"], kept["survivor"], tuple(kept["losers"]), values)


def write_of(entry: OutboxEntry) -> Write:
    """The write of an entry of values."""
    found = step_from_json(entry.step)
    assert isinstance(found, Write)
    return found


def due_connections() -> list[int]:
    """Connections in use with entries that are due."""
    free = Connection.objects.filter(paused_because="").exclude(held_until__gt=Now())
    due = OutboxEntry.objects.claimable().filter(connection__in=free)
    return sorted(set(due.values_list("connection_id", flat=True)))
