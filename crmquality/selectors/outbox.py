"""The outbox as people see it: what each entry writes, masked for whoever looks, and how much waits."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

from django.db.models import Count

from crmquality.connectors.contract import Call, Merging
from crmquality.masking import masked_together
from crmquality.models import Connection, Feed, OutboxEntry, Record, Source
from crmquality.services import masking

SHOWN = 500


@dataclass(frozen=True)
class Value:
    """A field: what it holds there as far as we know, what it shall hold, and what it was found to hold."""

    name: str
    before: str | None
    after: str | None
    now: str | None = None
    differs: bool = False


@dataclass(frozen=True)
class EntryView:
    """One entry. losers: keys of the rows merged into it, or let go. children: how many rows move along."""

    entry: OutboxEntry
    values: list[Value]
    error: str
    losers: list[str] = field(default_factory=list)
    children: int = 0

    @property
    def can_overwrite(self) -> bool:
        """Whether ours may be written over what stands there."""
        return self.entry.state == OutboxEntry.State.CONFLICT and self.entry.kind != OutboxEntry.Kind.UNMERGE

    @property
    def can_take_theirs(self) -> bool:
        """Whether what stands there may be taken."""
        return self.entry.state == OutboxEntry.State.CONFLICT and self.entry.kind == OutboxEntry.Kind.SET


def view(entry: OutboxEntry) -> EntryView:
    """An entry as it may be shown."""
    mask = masking.current()
    hidden = mask.hides(entry.record)
    values = []
    for name, (before, after) in entry.step["values"].items():
        now, differs = entry.now.get(name), name in entry.now
        if name in hidden:
            before, after, now = masked_together([before, after, now])
        values.append(Value(name, before, after, now, differs))
    error = mask.row(entry.record.source, entry.error) if entry.error else ""
    return EntryView(entry, values, error, entry.step.get("losers", []), len(entry.step.get("children", [])))


def views(entries: Iterable[OutboxEntry]) -> list[EntryView]:
    """Several entries."""
    return [view(entry) for entry in entries]


def may_see_calls(entry: OutboxEntry) -> bool:
    """Whether the exact requests may be shown: they hold values in the clear."""
    return not masking.current().hides(entry.record)


def call_lines(calls: Iterable[Call]) -> list[Mapping[str, object]]:
    """Requests as plain values."""
    return [{"method": call.method, "address": call.address, "body": call.body} for call in calls]


def with_names() -> Any:
    """Entries with all that showing them needs."""
    return OutboxEntry.objects.select_related("connection", "feed", "record__source", "change_set__by", "settled_by")


def counts(connection: Connection | None = None) -> dict[str, int]:
    """State -> how many entries of a connection, or of all."""
    rows = OutboxEntry.objects.all() if connection is None else OutboxEntry.objects.filter(connection=connection)
    found = dict.fromkeys(OutboxEntry.State.values, 0)
    return found | dict(rows.values_list("state").annotate(Count("id")).order_by())


def of_record(record: Record) -> list[EntryView]:
    """What of a record is still to be written, or waits for a person."""
    return views(with_names().unsettled().filter(records__contains=[record.pk]).order_by("id"))


def leaves(source: Source, *, names: Collection[str] = (), merges: bool = False) -> list[str]:
    """What a card says of the system that a correction of these fields, or a merge, is written to; [] if to none."""
    feed: Feed | None = getattr(source, "feed", None)
    if feed is None or not feed.write_back or not (merges or set(names) & set(feed.writable)):
        return []
    connection = feed.connection
    when = f"{_words(connection.grace)} later, unless undone" if connection.grace else "at once"
    said = [f"{connection.name} is written {when}" + (", once it is in use again" if connection.is_paused else "")]
    if merges and feed.description.get("merging") == Merging.NONE:
        said.append(f"{connection.name} cannot merge these: there they stay apart")
    elif merges and not feed.description.get("unmerge", True):
        said.append(f"{connection.name} merges for good: undoing puts back what is here, not there")
    return said


def _words(grace: timedelta) -> str:
    minutes = max(1, round(grace.total_seconds() / 60))
    return f"{minutes} minute{'s' if minutes > 1 else ''}" if minutes < 120 else f"{minutes // 60} hours"
