"""Making one golden record of several; the others stay and point at it, and their children move with them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from django.db import transaction

from crmquality.models import ChangeSet, Record, Run
from crmquality.models.records import REFERENCES
from crmquality.services.correcting import Edit, StaleRecord, lock_records, write
from crmquality.services.errors import Refused

GOLDEN = "golden record"


@transaction.atomic
def merge(
    *,
    survivor: int,
    members: Sequence[int],
    changes: Mapping[str, str | None],
    cause: str,
    by: Any = None,
    reasons: Mapping[str, str] | None = None,
    run: Run | None = None,
) -> ChangeSet:
    """Point `members` at `survivor`, write `changes` into it, and move all children to it.

    Raises Refused if fewer than two records or more than one source are named, StaleRecord if one of them was
    merged meanwhile or is gone.
    """
    ids = {survivor, *members}
    if len(ids) < 2:
        raise Refused("A merge needs at least two different records.")
    locked = lock_records(ids | set(_children_of(members)))
    absent = sorted(ids - set(locked))
    if absent:
        raise StaleRecord("A record of this merge no longer exists.")
    dead = [locked[record].external_id for record in sorted(ids) if not _is_live(locked[record])]
    if dead:
        raise StaleRecord(f"Merged or gone meanwhile: {', '.join(dead)}.")
    golden = locked[survivor]
    if len({locked[record].source_id for record in ids}) > 1:
        raise Refused("Records of different sources are linked, not merged.")
    edits = [Edit(record, GOLDEN, None, str(survivor), is_pointer=True) for record in sorted(ids - {survivor})]
    edits += [
        Edit(survivor, name, golden.fields.get(name), value or None, (reasons or {}).get(name, ""))
        for name, value in changes.items()
        if golden.fields.get(name) != (value or None)
    ]
    edits += _moved_children(golden, [locked[record] for record in sorted(ids - {survivor})], locked)
    return write(
        source=golden.source, action=ChangeSet.Action.MERGE, cause=cause, by=by, edits=edits, locked=locked, run=run
    )


def children(record: Record) -> list[Record]:
    """The records of the same system that refer to this one by its external id."""
    return list(
        Record.objects.select_related("source").filter(
            source__system=record.source.system, refs__contains=[_reference(record)]
        )
    )


def _is_live(record: Record) -> bool:
    return record.golden_id is None and record.gone_at is None


def _reference(record: Record) -> str:
    return f"{record.source.kind}:{record.external_id}"


def _children_of(members: Sequence[int]) -> list[int]:
    found: list[int] = []
    for record in Record.objects.select_related("source").filter(id__in=members):
        found += [child.pk for child in children(record)]
    return found


def _moved_children(golden: Record, losers: Sequence[Record], locked: Mapping[int, Record]) -> list[Edit]:
    """Every reference of a child to a loser becomes one to the golden record, whichever column holds it."""
    moved = {loser.external_id for loser in losers}
    edits = []
    for child in locked.values():
        for column, role in child.source.column_roles.items():
            points_here = REFERENCES.get(role) == golden.source.kind and child.source.system == golden.source.system
            if points_here and child.fields.get(column) in moved:
                edits.append(Edit(child.pk, column, child.fields[column], golden.external_id, "moved with its parent"))
    return edits
