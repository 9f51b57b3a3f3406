"""JSON lines: one object a line, streamed; nested values stay JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import polars as pl

from crmquality.connectors.files_typed import MOST_COLUMNS, text_block
from crmquality.connectors.tables import Block, Description, Rejected, Table, Unreadable, unique_names

LONGEST_LINE = 32 * 2**20
SAMPLE_LINES = 1_000
_BLOCK_ROWS = 20_000
_BOM = b"\xef\xbb\xbf"


class JsonLinesTable(Table):
    """A file of JSON objects, one a line, in UTF-8. Options: columns (their names, as `describe` gave them).

    Its columns are the names found in the first thousand lines. A line that is no object, or brings a name that none of
    those had, is rejected: what it says would be lost.
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.given = options

    def describe(self) -> Description:
        """Columns, in the order in which they first appear. Raises Unreadable if no line is an object."""
        columns = tuple(self.given.get("columns") or self._columns())
        return Description(columns, options={"format": "json lines"}, size=self.path.stat().st_size)

    def blocks(self) -> Iterator[Block]:
        """All lines that are not blank."""
        columns = self.describe().columns
        known = set(columns)
        rows: list[tuple[str | None, ...]] = []
        lines: list[int] = []
        rejected: list[Rejected] = []
        position = 0
        for line, raw in self._lines():
            position += len(raw)
            if not raw.strip():
                continue
            found, reason = _object(raw)
            more = sorted(set(found) - known)
            if reason or more:
                reason = reason or f"it has {', '.join(map(repr, more[:5]))}, which the lines before have not"
                rejected.append(Rejected(line, raw.rstrip(b"\r\n"), reason))
                continue
            rows.append(tuple(_text(found.get(name)) for name in columns))
            lines.append(line)
            if len(rows) >= _BLOCK_ROWS:
                yield _block(rows, columns, lines, rejected, position)
                rows, lines, rejected = [], [], []
        yield _block(rows, columns, lines, rejected, position)

    def _columns(self) -> tuple[str, ...]:
        names: dict[str, None] = {}
        for line, raw in self._lines():
            if line > SAMPLE_LINES:
                break
            names |= dict.fromkeys(_object(raw)[0])
        if not names:
            raise Unreadable("No line of the file is a JSON object with names and values.")
        if len(names) > MOST_COLUMNS:
            raise Unreadable(f"The file has {len(names):,} columns; at most {MOST_COLUMNS:,} can be read.")
        if unique_names(list(names), len(names))[0] != tuple(names):
            raise Unreadable("A name in the file is empty, or has spaces at its ends or in a row: mend it first.")
        return tuple(names)

    def _lines(self) -> Iterator[tuple[int, bytes]]:
        """Lines with their numbers, from 1. Raises Unreadable at one that is too long to be read."""
        with self.path.open("rb") as file:
            line = 0
            while raw := file.readline(LONGEST_LINE + 1):
                line += 1
                if len(raw) > LONGEST_LINE:
                    raise Unreadable(f"Line {line:,} is longer than {LONGEST_LINE // 2**20} MB: this is no JSON lines.")
                yield line, raw.removeprefix(_BOM) if line == 1 else raw


def looks_like_json_lines(head: bytes) -> bool:
    """Whether the first bytes of a file begin a JSON object."""
    start = head.removeprefix(_BOM).lstrip()
    return start.startswith(b"{") and start[1:].lstrip()[:1] in (b'"', b"}")


def _object(raw: bytes) -> tuple[dict[str, Any], str]:
    """The object of a line, and why it is none."""
    try:
        found = json.loads(raw.decode(), parse_float=str, parse_int=str)
    except UnicodeDecodeError:
        return {}, "it is not UTF-8"
    except (ValueError, RecursionError) as error:
        return {}, f"it is not JSON ({error})"[:200]
    return (found, "") if isinstance(found, dict) else ({}, "it is JSON, but no object")


def _text(value: Any) -> str | None:
    """A value as text; numbers as they are written, nested values as JSON."""
    match value:
        case None | "":
            return None
        case str():
            return value
        case bool():
            return "true" if value else "false"
    return json.dumps(value, ensure_ascii=False)


def _block(
    rows: list[tuple[str | None, ...]],
    columns: tuple[str, ...],
    lines: list[int],
    rejected: list[Rejected],
    position: int,
) -> Block:
    frame = pl.DataFrame(rows, dict.fromkeys(columns, pl.String), orient="row")
    return text_block(frame, lines, rejected, position)
