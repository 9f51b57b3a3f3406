"""Cells of a database as text and back: the same text for the same value, whichever way it is read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from datetime import date, datetime, time, timedelta
from decimal import Decimal, InvalidOperation
from typing import Any
from uuid import UUID

import polars as pl
import sqlalchemy as sa

from crmquality.connectors.contract import FieldKind
from crmquality.connectors.faults import Invalid

_TRUE, _FALSE = ("true", "t", "1", "yes"), ("false", "f", "0", "no")


def kind_of(column: sa.Column[Any]) -> FieldKind:
    """What a column holds."""
    match column.type:
        case sa.Boolean():
            return FieldKind.FLAG
        case sa.Enum():
            return FieldKind.CHOICE
        case sa.Integer() | sa.Numeric():
            return FieldKind.NUMBER
        case sa.DateTime():
            return FieldKind.TIME
        case sa.Date():
            return FieldKind.DATE
    return FieldKind.TEXT


def text(value: Any) -> str | None:
    """A cell as text: times in ISO 8601, bytes as UTF-8 or else hexadecimal, nested values as JSON; "" is blank."""
    match value:
        case None | "":
            return None
        case str():
            return value.replace("\0", "")
        case bool():
            return "true" if value else "false"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case Decimal():
            return format(value, "f")
        case datetime():
            return value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case bytes() | bytearray() | memoryview():
            return _bytes(bytes(value))
        case dict() | list() | tuple():
            return json.dumps(value, ensure_ascii=False, default=str)
    return str(value)


def native(column: sa.Column[Any], value: str | None) -> Any:
    """A text as the value the column holds. Raises Invalid if it is none."""
    if value is None or value == "":
        return None
    try:
        return _native(column.type, value)
    except (ValueError, InvalidOperation, KeyError):
        raise Invalid(f"{column.name}: {kind_of(column)} is needed, and the text is none.") from None


def _native(kind: sa.types.TypeEngine[Any], value: str) -> Any:
    match kind:
        case sa.Boolean():
            return {**dict.fromkeys(_TRUE, True), **dict.fromkeys(_FALSE, False)}[value.strip().lower()]
        case sa.Integer():
            return int(value)
        case sa.Float():
            return float(value)
        case sa.Numeric():
            return Decimal(value)
        case sa.DateTime():
            return datetime.fromisoformat(value)
        case sa.Date():
            return date.fromisoformat(value)
        case sa.Time():
            return time.fromisoformat(value)
        case sa.Uuid():
            return UUID(value) if kind.as_uuid else value
        case sa.JSON():
            return json.loads(value)
    return value


def frame(rows: Sequence[Sequence[Any]], columns: Sequence[str]) -> pl.DataFrame:
    """Rows as text cells, column by column: those that are text already are taken as they are."""
    cells = list(zip(*rows, strict=True)) if rows else [()] * len(columns)
    return pl.DataFrame([_series(name, values) for name, values in zip(columns, cells, strict=True)])


def _series(name: str, values: Sequence[Any]) -> pl.Series:
    if all(type(value) is str or value is None for value in values):
        series = pl.Series(name, values, dtype=pl.String)
        return series.str.replace_all("\0", "", literal=True).replace("", None)
    return pl.Series(name, [text(value) for value in values], dtype=pl.String)


def _bytes(value: bytes) -> str | None:
    try:
        return value.decode().replace("\0", "") or None
    except UnicodeDecodeError:
        return value.hex()
