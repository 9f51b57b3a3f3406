"""Making one golden record of several; the others stay and point at it, and their children move with them."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Any

from django.db import connection, transaction
from django.db.models import QuerySet

from crmquality.models import ChangeSet, Record, Run, Source
from crmquality.models.records import REFERENCES
from crmquality.services.correcting import Edit, StaleRecord, lock_records, write
from crmquality.services.errors import Refused

GOLDEN = "golden record"
ITSELF = "it would refer to itself"

_FAMILY = """
    WITH RECURSIVE family (id) AS (
        SELECT unnest(%s::bigint[])
        UNION SELECT record.id FROM crmquality_record AS record JOIN family ON record.golden_id = family.id
    ) SELECT id FROM family
"""


# Record by record: the children of each and of all that were merged into it.
_COUNTS = """
    WITH RECURSIVE family (root, id) AS (
        SELECT one, one FROM unnest(%(ids)s::bigint[]) AS one
        UNION SELECT family.root, record.id FROM crmquality_record AS record JOIN family ON record.golden_id = family.id
    ), named AS (
        SELECT root, array_agg(record.id) AS own, array_agg(%(kind)s::text || ':' || record.external_id) AS keys
        FROM family JOIN crmquality_record AS record USING (id) GROUP BY root
    )
    SELECT root, (SELECT count(*) FROM crmquality_record AS child JOIN crmquality_source AS source
                  ON source.id = child.source_id
                  WHERE child.refs && named.keys AND child.id <> ALL(named.own) AND source.system = %(system)s)
    FROM named
"""


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
    """Point `members` at `survivor`, write `changes` into it, and move all children to it, whichever column holds them.

    A reference of the survivor to one of its own members would become one to itself, and is blanked.
    Raises Refused if fewer than two records or more than one source are named, or a field does not exist,
    StaleRecord if one of them was merged meanwhile or is gone.
    """
    ids = {survivor, *members}
    if len(ids) < 2:
        raise Refused("A merge needs at least two different records.")
    losers = family(ids - {survivor})
    rows = Record.objects.filter(pk__in=ids).select_related("source")
    golden = next((record for record in rows if record.pk == survivor), None)
    if golden is None:
        raise StaleRecord("A record of this merge no longer exists.")
    locked = lock_records(ids | set(moving(golden, losers).values_list("id", flat=True)))
    _check(golden, ids, locked, changes)
    golden = locked[survivor]
    reasons = reasons or {}
    lost = set(Record.objects.filter(pk__in=losers).values_list("external_id", flat=True))
    edits = [Edit(record, GOLDEN, None, str(survivor), is_pointer=True) for record in sorted(ids - {survivor})]
    for name, value in golden_values(golden, changes, lost).items():
        if golden.fields.get(name) != value:
            reason = reasons.get(name, "") if name in changes else ITSELF
            edits.append(Edit(survivor, name, golden.fields.get(name), value, reason))
    for child in locked.values():
        if child.pk not in ids:
            edits += _moved(child, golden, lost)
    return write(
        source=golden.source, action=ChangeSet.Action.MERGE, cause=cause, by=by, edits=edits, locked=locked, run=run
    )


def family(ids: Iterable[int]) -> set[int]:
    """These records and all that were merged into them, directly or by way of others."""
    with connection.cursor() as cursor:
        cursor.execute(_FAMILY, [list(ids)])
        return {row[0] for row in cursor.fetchall()}


def children(record: Record) -> QuerySet[Record]:
    """The other records of the same system that refer to this one, or to one merged into it, by external id."""
    own = family([record.pk])
    return _referring(record.source, own).exclude(pk__in=own)


def children_counts(source: Source, ids: Collection[int]) -> dict[int, int]:
    """Record id -> how many `children` it has, for records of one source, in one step."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"ids": list(ids), "kind": source.kind, "system": source.system})
        return dict(cursor.fetchall())


def moving(golden: Record, losers: Collection[int]) -> QuerySet[Record]:
    """The children of the losers, that a merge into `golden` would move."""
    return _referring(golden.source, losers).exclude(pk=golden.pk)


def golden_values(golden: Record, changes: Mapping[str, str | None], lost: Collection[str]) -> dict[str, str | None]:
    """Field -> what is written into the golden record: the changes, and no reference to itself.

    lost: the external ids of the records merged into it.
    """
    values = {name: value or None for name, value in changes.items()}
    for column in own_references(golden.source):
        if values.get(column, golden.fields.get(column)) in {*lost, golden.external_id}:
            values[column] = None
    return values


def own_references(source: Source) -> list[str]:
    """The columns by which records of a source refer to others of their own kind: the parent company."""
    return [column for column, role in source.column_roles.items() if REFERENCES.get(role) == source.kind]


def _check(golden: Record, ids: set[int], locked: Mapping[int, Record], changes: Mapping[str, str | None]) -> None:
    if ids - set(locked):
        raise StaleRecord("A record of this merge no longer exists.")
    dead = [locked[record].external_id for record in sorted(ids) if not _is_live(locked[record])]
    if dead:
        raise StaleRecord(f"Merged or gone meanwhile: {', '.join(dead)}.")
    if len({locked[record].source_id for record in ids}) > 1:
        raise Refused("Records of different sources are linked, not merged.")
    unknown = sorted(set(changes) - set(golden.source.columns))
    if unknown:
        raise Refused(f"No field {', '.join(map(repr, unknown))} in source {golden.source.name!r}.")


def _is_live(record: Record) -> bool:
    return record.golden_id is None and record.gone_at is None


def _referring(source: Source, ids: Collection[int]) -> QuerySet[Record]:
    keys = Record.objects.filter(pk__in=ids).values_list("external_id", flat=True)
    wanted = [f"{source.kind}:{key}" for key in keys]
    return Record.objects.select_related("source").filter(source__system=source.system, refs__overlap=wanted)


def _moved(child: Record, golden: Record, lost: Collection[str]) -> list[Edit]:
    """Every reference of a child to a loser becomes one to the golden record, whichever column holds it."""
    return [
        Edit(child.pk, column, child.fields[column], golden.external_id, "moved with its parent")
        for column, role in child.source.column_roles.items()
        if REFERENCES.get(role) == golden.source.kind and child.fields.get(column) in lost
    ]
