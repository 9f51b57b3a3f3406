"""Tables: a place that holds them is opened, and a table is read as blocks of text cells.

Whoever reads a table learns of every row: it comes in a block, or as a `Rejected` row with its bytes and the reason.
A connector keeps text as it stands ("NA" and "00123" stay) and gives a blank cell as null.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import polars as pl

from crmquality.connectors.contract import Connector


class Unreadable(Exception):
    """The place cannot be read as a table; the message says what, where and how to mend it."""


@dataclass(frozen=True, slots=True)
class Rejected:
    """A row that cannot be read: its first line in the file (from 1), its exact bytes, and why."""

    line: int
    raw: bytes
    reason: str


@dataclass(frozen=True, slots=True)
class Block:
    """Some consecutive rows.

    frame: one row a row, every column `String`, a blank cell null; columns as in `Description.columns`.
    lines: (rows,) Int64, the line of the file (row of the sheet) on which each row begins, from 1.
    raw: (rows,) String, each row as it stood: the text of the CSV line, or a JSON array of typed cells.
    rejected: rows of this stretch that cannot be read.
    position: how much of the table's `Description.size` has been read after this block.
    """

    frame: pl.DataFrame
    lines: pl.Series
    raw: pl.Series
    rejected: Sequence[Rejected]
    position: int


@dataclass(frozen=True, slots=True)
class Description:
    """What a table looks like, before its rows are read.

    columns: names, unique and not empty, in the order of the table.
    renamed: the new name -> what stood there, for names that were empty or stood twice.
    options: how it is read, as detected or given (format, encoding, delimiter, sheet ...); plain JSON values.
    size: of the whole table, in the unit of `Block.position` (bytes or rows); 0 if unknown.
    """

    columns: tuple[str, ...]
    renamed: Mapping[str, str] = field(default_factory=dict)
    options: Mapping[str, Any] = field(default_factory=dict)
    size: int = 0


class Table(ABC):
    """One table that can be read from its beginning, again and again, always with the same rows."""

    @abstractmethod
    def describe(self) -> Description:
        """Columns and options, without reading all rows. Raises Unreadable."""

    @abstractmethod
    def blocks(self) -> Iterator[Block]:
        """All rows in order, in blocks that bound the memory. Raises Unreadable where nothing more can be read."""

    def rows(self) -> Iterator[dict[str, str | None]]:
        """The readable rows, one at a time."""
        for block in self.blocks():
            yield from block.frame.iter_rows(named=True)


class TableConnector(Connector):
    """A kind of place that holds tables."""

    @abstractmethod
    def open(self, location: str, options: Mapping[str, Any]) -> Table:
        """The table at this location; options given by a person go before what would be detected.

        Raises Unreadable if there is no table, or it could do harm (a zip bomb).
        """


def unique_names(header: Sequence[str | None], width: int) -> tuple[tuple[str, ...], dict[str, str]]:
    """Column names from a header, and what was renamed: "" becomes "Column 3", a second "Name" "Name (2)".

    width: how many columns there are; where the header is shorter, the rest is named by position.
    """
    given = [" ".join((name or "").split()) for name in header]
    given += [""] * (width - len(given))
    taken: set[str] = {name for name in given if name}
    seen: set[str] = set()
    names: list[str] = []
    renamed: dict[str, str] = {}
    for place, name in enumerate(given, 1):
        chosen = name
        if not name or name in seen:
            chosen = _free(name or f"Column {place}", taken, numbered=bool(name))
            renamed[chosen] = name
        taken.add(chosen)
        seen.add(chosen)
        names.append(chosen)
    return tuple(names), renamed


def _free(name: str, taken: set[str], *, numbered: bool) -> str:
    if not numbered and name not in taken:
        return name
    count = 2
    while f"{name} ({count})" in taken:
        count += 1
    return f"{name} ({count})"
