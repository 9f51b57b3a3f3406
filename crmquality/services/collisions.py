"""What a merge would put where only one record may hold it: found and shown before anything is written."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from django.db import connection

from crmquality.models import Record, Source, SurvivorshipRules
from crmquality.services import merging
from detectors.roles import Role

UNIQUE_ROLES = (Role.ID, Role.EMAIL, Role.TAX_ID, Role.NATIONAL_ID)
"""Roles of which one value belongs to one record."""

SMALL = 50_000
"""Records up to which a column is searched without an index."""

MOST = 5
"""Other records named for one value."""

MOST_CHILDREN = 2_000
"""Children compared with each other; a merge that moves more is not searched for collisions among them."""

_HOLDERS = """
    SELECT id FROM crmquality_record
    WHERE source_id = %s AND lower(btrim(fields->>%s)) = lower(btrim(%s))
      AND golden_id IS NULL AND gone_at IS NULL AND id <> ALL(%s)
    ORDER BY id LIMIT %s
"""


@dataclass(frozen=True)
class Collision:
    """One value that two records would hold.

    others: the records outside the merge that hold it, or the children that would stand beside each other.
    is_new: the merge brings it about; else it was so before, and stays so. children_of: the source of such children.
    """

    column: str
    value: str
    others: list[Record]
    is_new: bool
    children_of: str = ""

    def __str__(self) -> str:
        names = ", ".join(record.external_id for record in self.others) or "another record"
        if self.children_of:
            return f"{self.children_of} {names} would share {self.column} “{self.value}” under one record"
        return f"{self.column} “{self.value}” is held by {names} too"


def find_collisions(
    records: Sequence[Record],
    values: Mapping[str, str | None],
    unique: Sequence[str],
    *,
    moves_children: bool,
) -> list[Collision]:
    """Values of the golden record that others hold, and children of different parents that would collide.

    records: of the merge, the surviving one first. values: what the golden record will hold. unique: columns that an
    admin marked, besides those whose role says so. moves_children: False if it is known that none will move.
    """
    golden = records[0]
    found = []
    columns = [
        column
        for column, role in golden.source.column_roles.items()
        if values.get(column) and (role in UNIQUE_ROLES or column in unique)
    ]
    quick = _quick(golden.source, columns)
    for column in columns:
        value = values[column] or ""
        is_new = (golden.fields.get(column) or "") != value
        if is_new or column in quick:
            others = _holders(golden.source, column, value, [record.pk for record in records])
            if others:
                found.append(Collision(column, value, others, is_new))
    return found + (_among_children(records) if moves_children else [])


def index_unique_columns(source_id: int) -> list[str]:
    """Index the source's unique columns, so that a card need not read the whole table; returns the names of new ones.

    For a worker, outside any transaction: the table stays writable meanwhile.
    """
    source = Source.objects.get(pk=source_id)
    marked = SurvivorshipRules.in_force(source).unique
    columns = [name for name, role in source.column_roles.items() if role in UNIQUE_ROLES or name in marked]
    known = _indexed(source, columns)
    made = []
    for column in columns:
        if column not in known and source.column_roles[column] is not Role.ID:
            made.append(_index_name(source, column))
            _build(made[-1], source.pk, column)
    return made


def _index_name(source: Source, column: str) -> str:
    return f"unique_{source.pk}_{hashlib.md5(column.encode(), usedforsecurity=False).hexdigest()[:12]}"


def _indexed(source: Source, columns: Sequence[str]) -> set[str]:
    """Those of the columns that have an index that is ready."""
    names = {_index_name(source, column): column for column in columns}
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT relname FROM pg_index JOIN pg_class ON pg_class.oid = indexrelid "
            "WHERE indisvalid AND relname = ANY(%s)",
            [list(names)],
        )
        return {names[row[0]] for row in cursor.fetchall()}


def _quick(source: Source, columns: Sequence[str]) -> set[str]:
    """Those of the columns that can be searched at once: they have an index, or the table is small."""
    found = {column for column in columns if source.column_roles[column] is Role.ID}
    rest = [column for column in columns if column not in found]
    if not rest:
        return found
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'crmquality_record'")
        if cursor.fetchone()[0] <= SMALL:
            return set(columns)
    return found | _indexed(source, rest)


def _build(name: str, source_id: int, column: str) -> None:
    how = "" if connection.in_atomic_block else "CONCURRENTLY"
    with connection.cursor() as cursor:
        cursor.execute(f'DROP INDEX IF EXISTS "{name}"')  # left by a build that was cut off
        cursor.execute(
            f'CREATE INDEX {how} "{name}" ON crmquality_record USING hash (lower(btrim(fields->>%s))) '
            "WHERE source_id = %s",
            [column, source_id],
        )


def _holders(source: Source, column: str, value: str, outside: Sequence[int]) -> list[Record]:
    if source.column_roles[column] is Role.ID:  # an index of its own holds it
        same = Record.objects.live().filter(source=source, external_id=value.strip()).exclude(pk__in=outside)
        return list(same.select_related("source"))
    with connection.cursor() as cursor:
        cursor.execute(_HOLDERS, [source.pk, column, value, list(outside), MOST])
        ids = [row[0] for row in cursor.fetchall()]
    return list(Record.objects.filter(pk__in=ids).select_related("source").order_by("id")) if ids else []


def _among_children(records: Sequence[Record]) -> list[Collision]:
    golden = records[0]
    moved = list(merging.moving(golden, merging.family(record.pk for record in records[1:]))[: MOST_CHILDREN + 1])
    if not moved or len(moved) > MOST_CHILDREN:
        return []
    moving = {record.pk for record in moved}
    held: dict[tuple[str, str, str], list[Record]] = defaultdict(list)
    marked: dict[int, list[str]] = {}
    for child in {record.pk: record for record in [*merging.children(golden)[:MOST_CHILDREN], *moved]}.values():
        if child.source_id not in marked:
            marked[child.source_id] = SurvivorshipRules.in_force(child.source).unique
        for column, role in child.source.column_roles.items():
            value = (child.fields.get(column) or "").strip().casefold()
            if value and (role is Role.ID or column in marked[child.source_id]):
                held[child.source.kind, "" if role is Role.ID else column, value].append(child)
    return [
        Collision(_column(children[0], column), value, children[:MOST], True, children[0].source.name)
        for (_, column, value), children in held.items()
        if len(children) > 1 and any(child.pk in moving for child in children)
    ]


def _column(child: Record, column: str) -> str:
    return column or next(iter(child.source.columns_of(Role.ID)), "id")
