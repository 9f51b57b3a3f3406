"""The tables of a database as they are reflected, and as the contract describes them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import sqlalchemy as sa

from crmquality.connectors.contract import FieldKind, FieldType, Merging, ObjectType
from crmquality.connectors.faults import Invalid
from crmquality.connectors.sql_values import kind_of, native
from detectors.roles import Role

CHANGED_NAMES = (
    "updated_at", "modified_at", "changed_at", "last_modified", "last_modified_at", "date_modified", "modifieddate",
    "lastmodifieddate", "systemmodstamp", "write_date", "updatedat", "modified", "updated", "modifiedon",
)  # fmt: skip
"""What a column that holds the time of the last change goes by."""

DATABASE = "database"
QUERY = "query"


@dataclass
class Table:
    """One table of one database, as reflected."""

    table: sa.Table
    key: sa.Column[Any]
    changed: sa.Column[Any] | None
    inactive: tuple[str, str] | None
    refers_to: Mapping[str, str] = field(default_factory=dict)

    def column(self, name: str) -> sa.Column[Any]:
        """A column. Raises Invalid."""
        if name not in self.table.c:
            raise Invalid(f"{self.table.name} has no column {name!r}.")
        return self.table.c[name]

    def key_value(self, value: str) -> Any:
        """A key as its column holds it; None for a text that can be none."""
        try:
            return native(self.key, value)
        except Invalid:
            return None


def reflected(connection: sa.Connection, name: str, settings: Mapping[str, Any]) -> Table | None:
    """A table as the database has it; None without a key of one column. Raises SQLAlchemy's errors."""
    table = sa.Table(name, sa.MetaData(), schema=settings["schema"], autoload_with=connection, resolve_fks=False)
    keys = list(table.primary_key.columns)
    if len(keys) != 1:
        return None
    refers_to = {}
    for one in table.foreign_keys:
        target = one.target_fullname.rsplit(".", 1)[0].removeprefix(f"{settings['schema']}.")
        refers_to[one.parent.name] = target
    return Table(table, keys[0], _changed(table, settings), _inactive(name, settings), refers_to)


def object_type(name: str, one: Table, *, many: bool) -> ObjectType:
    """A table as an object. many: rows say which database they are from."""
    columns = [one.key, *(column for column in one.table.columns if column is not one.key)]
    fields = [_field(one, column) for column in columns]
    return ObjectType(
        name=name,
        label=name.replace("_", " "),
        fields=_with_database(fields, many=many),
        incremental=one.changed is not None,
        merging=Merging.EMULATED if one.inactive else Merging.NONE,
        inactive_field=one.inactive,
    )


def query_type(names: Sequence[str], key: str, *, many: bool) -> ObjectType:
    """The query as an object. Raises Invalid if it does not give its key."""
    if key not in names:
        raise Invalid(f"The query gives no column {key!r}: it gives {', '.join(names)}.")
    fields = [FieldType(key, key, writable=False, role=Role.ID)]
    fields += [FieldType(name, name, writable=False) for name in names if name != key]
    return ObjectType(QUERY, "query", _with_database(fields, many=many), incremental=False, writable=False)


def query(settings: Mapping[str, Any]) -> tuple[sa.Subquery, sa.ColumnElement[Any]]:
    """The query as a table of its own, so that it can be nothing but one SELECT; and its key."""
    words = settings["query"].strip().rstrip(";")
    inner = sa.text(words.replace(":", r"\:")).columns(sa.column(settings["query_key"])).subquery("asked")
    return inner, inner.c[settings["query_key"]]


def _changed(table: sa.Table, settings: Mapping[str, Any]) -> sa.Column[Any] | None:
    by_name = {column.name.lower(): column for column in table.columns}
    wanted = [settings["changed"].lower()] if settings["changed"] else CHANGED_NAMES
    found = (by_name[name] for name in wanted if name in by_name)
    return next((one for one in found if isinstance(one.type, sa.DateTime | sa.Integer)), None)


def _inactive(name: str, settings: Mapping[str, Any]) -> tuple[str, str] | None:
    for line in settings["inactive"]:
        place, _, value = line.partition("=")
        table, _, column = place.strip().rpartition(".")
        if table == name and column:
            return column, value.strip()
    return None


def _field(one: Table, column: sa.Column[Any]) -> FieldType:
    is_key, refers_to = column is one.key, one.refers_to.get(column.name, "")
    return FieldType(
        name=column.name,
        label=column.name.replace("_", " "),
        kind=FieldKind.REFERENCE if refers_to else kind_of(column),
        writable=not is_key and column.computed is None and column is not one.changed,
        required=not column.nullable,
        length=getattr(column.type, "length", None),
        choices=tuple(map(str, getattr(column.type, "enums", ()))),
        refers_to=refers_to,
        role=Role.ID if is_key else Role.UPDATED_AT if column is one.changed else None,
    )


def _with_database(fields: list[FieldType], *, many: bool) -> tuple[FieldType, ...]:
    if not many:
        return tuple(fields)
    return fields[0], FieldType(DATABASE, DATABASE, writable=False, role=Role.SOURCE_SYSTEM), *fields[1:]
