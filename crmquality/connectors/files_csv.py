"""CSV files, streamed: memory is that of a few windows, whatever the size of the file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pyarrow as pa

from crmquality.connectors import files_sniff as sniff
from crmquality.connectors.files_tokens import (
    Bytes,
    Dialect,
    Mask,
    Positions,
    Scan,
    cells_of,
    count_line_ends,
    read_record,
    scan,
)
from crmquality.connectors.tables import Block, Description, Rejected, Table, Unreadable, unique_names

WINDOW = 2 * 2**20
LONGEST_ROW = 32 * 2**20
MOST_COLUMNS = 5_000
_MARKED = r"^'('*[=+\-@\t\r])"
_BARE = r"^[=+\-@\t\r]"
_MARKS = (b"'=", b"'+", b"'-", b"'@", b"'\t", b"'\r")
_FEW = 64
_ROWS_A_BLOCK = 20_000


@dataclass(frozen=True, slots=True)
class Start:
    """Where the rows begin. All positions are in the text as UTF-8, without a byte order mark."""

    encoding: str
    dialect: Dialect
    columns: tuple[str, ...]
    renamed: Mapping[str, str]
    first_row: int
    first_line: int


class CsvTable(Table):
    """Delimited text.

    Options: encoding, delimiter, quote, columns (their names, as `describe` gave them), header (False: the first row is
    data), formula_marks (True: an apostrophe before a character that begins a formula is a mark, not part of the value,
    and is taken away; where not given, it is so if every such cell of the file has one, as in our own exports).
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.given = options

    def describe(self) -> Description:
        """Columns, encoding, delimiter and quote, from the beginning of the file."""
        start = self._start
        options = {
            "format": "csv",
            "encoding": start.encoding,
            "delimiter": start.dialect.delimiter,
            "quote": start.dialect.quote,
            "header": bool(self.given.get("header", True)),
            "formula_marks": self._formula_marks,
        }
        return Description(start.columns, start.renamed, options, self.path.stat().st_size)

    def blocks(self) -> Iterator[Block]:
        """All rows: each in a block, or rejected with its line, its bytes and the reason."""
        return self._read(unmark=self._formula_marks)

    def _read(self, *, unmark: bool) -> Iterator[Block]:
        reader = _Reader(self.path, self._start)
        pending: list[_Piece] = []
        for piece in reader.pieces():
            pending.append(piece)
            if sum(len(piece.lines) for piece in pending) >= _ROWS_A_BLOCK or piece.bytes >= WINDOW // 2:
                yield self._block(pending, reader.position, unmark=unmark)
                pending = []
        if pending:
            yield self._block(pending, reader.position, unmark=unmark)

    def _block(self, pieces: list[_Piece], position: int, *, unmark: bool) -> Block:
        columns = self._start.columns
        cells = pl.concat([piece.cells for piece in pieces], rechunk=True)
        if unmark:
            cells = cells.str.replace(_MARKED, "$1")
        width = len(columns)
        frame = pl.DataFrame([cells.gather_every(width, place).alias(name) for place, name in enumerate(columns)])
        lines = pl.Series("line", np.concatenate([piece.lines for piece in pieces]), dtype=pl.Int64)
        raw = pl.concat([piece.raw for piece in pieces]).alias("raw")
        rejected = sorted((row for piece in pieces for row in piece.rejected), key=lambda row: row.line)
        return Block(frame, lines, raw, rejected, position)

    @cached_property
    def _formula_marks(self) -> bool:
        """Whether apostrophes before formula characters are marks: some cells have one, and none lacks it."""
        if "formula_marks" in self.given:
            return bool(self.given["formula_marks"])
        text = (chunk for chunk, _ in sniff.utf8_chunks(self.path, self._start.encoding, WINDOW))
        if not any(mark in chunk for chunk in text for mark in _MARKS):
            return False
        found = False
        for block in self._read(unmark=False):
            if block.frame.select(pl.any_horizontal(pl.all().str.contains(_BARE).any())).item():
                return False
            found = found or block.frame.select(pl.any_horizontal(pl.all().str.contains(_MARKED).any())).item()
        return found

    @cached_property
    def _start(self) -> Start:
        given = self.given
        encoding = (
            sniff.known_encoding(given["encoding"]) if given.get("encoding") else sniff.detect_encoding(self.path)
        )
        sample, complete = self._sample(encoding)
        named, skipped = sniff.separator_line(sample)
        dialect = self._dialect(sample[skipped:], named)
        position = _past_blank_lines(sample, skipped)
        header = read_record(sample, position, dialect, width=0, final=complete)
        if header is None or header.cells is None:
            line = count_line_ends(sample[:position]) + 1
            why = header.reason if header else f"it does not end within the first {WINDOW // 2**20} MB"
            raise Unreadable(f"Line {line}, which should name the columns, cannot be read: {why}.")
        names = [cell.decode("utf-8", "replace").replace("\0", "") for cell in header.cells]
        width = len(given.get("columns", ())) or _width(sample[skipped:], dialect, len(names))
        if width > MOST_COLUMNS:
            raise Unreadable(f"The file has {width:,} columns; at most {MOST_COLUMNS:,} can be read.")
        if given.get("header", True):
            position = header.next
        else:
            names = []
        columns, renamed = unique_names(names, width)
        return Start(encoding, dialect, columns, renamed, position, count_line_ends(sample[:position]) + 1)

    def _sample(self, encoding: str) -> tuple[bytes, bool]:
        """The first text, up to its last line end, and whether that is all of it."""
        size = WINDOW
        text = b"".join(chunk for chunk, _ in _first(sniff.utf8_chunks(self.path, encoding, size)))
        complete = self.path.stat().st_size <= size
        if not text.strip():
            raise Unreadable("The file is empty: it holds no row that could name the columns.")
        return text, complete

    def _dialect(self, sample: bytes, named: str) -> Dialect:
        delimiter = self.given.get("delimiter") or named
        quote = self.given.get("quote")
        if not delimiter or quote is None:
            end = sample.rfind(b"\n", 0, sniff.SAMPLE)
            head = sample if len(sample) <= sniff.SAMPLE else sample[: end + 1 or sniff.SAMPLE]
            found = sniff.detect_dialect(head)
            delimiter, quote = delimiter or found.delimiter, found.quote if quote is None else quote
        delimiter = {"\\t": "\t", "tab": "\t"}.get(delimiter, delimiter)
        for what, char in (("delimiter", delimiter), ("quote", quote or '"')):
            if len(char) != 1 or not char.isascii() or char in "\r\n\0":
                raise Unreadable(f"The {what} must be one ASCII character, not {char!r}.")
        return Dialect(delimiter, quote)


def _first(chunks: Iterator[tuple[bytes, int]]) -> Iterator[tuple[bytes, int]]:
    first = next(chunks, None)
    if first is not None:
        yield first


def _past_blank_lines(text: bytes, position: int) -> int:
    while text[position : position + 1] in (b"\r", b"\n"):
        position += 1
    return position


def _width(sample: bytes, dialect: Dialect, header: int) -> int:
    """How many columns there are: the header's, or more where nearly all rows have as many more."""
    counts = [count for count in sniff.widths(sample, dialect)[1:] if count]
    common, times = Counter(counts).most_common(1)[0] if counts else (0, 0)
    return common if common > header and times >= 0.9 * len(counts) else header


@dataclass(slots=True)
class _Piece:
    """Rows cut together. cells: (rows * width,) row by row, null where blank; bytes: of the text they were cut from."""

    cells: pl.Series
    lines: Positions
    raw: pl.Series
    rejected: list[Rejected]
    bytes: int


@dataclass
class _Reader:
    """Moves a window over the text and cuts it into pieces."""

    path: Path
    start: Start
    position: int = 0
    text: bytes = b""
    line: int = 0
    _few: int = field(default=_FEW)

    def pieces(self) -> Iterator[_Piece]:
        """All rows, regular stretches by `scan`, the others by `read_record`."""
        chunks = sniff.utf8_chunks(self.path, self.start.encoding, WINDOW)
        skip, self.line = self.start.first_row, self.start.first_line
        wanted, final = WINDOW, False
        while True:
            while not final and len(self.text) < wanted:
                chunk, self.position = next(chunks, (b"", self.position))
                final = not chunk and self.position >= self.path.stat().st_size
                self.text += chunk[skip:]
                skip = max(0, skip - len(chunk))
            if not self.text:
                return
            before = len(self.text)
            yield from self._cut(final=final)
            wanted = WINDOW
            if len(self.text) == before:  # not one row ends in this window
                if before >= LONGEST_ROW:
                    yield self._give_up_line(final=final)
                wanted = 2 * before

    def _cut(self, *, final: bool) -> Iterator[_Piece]:
        """Cut what can be cut, and forget it."""
        found = scan(self.text, self.start.dialect, final=final)
        broken, stop = found.broken, found.stop
        width = len(self.start.columns)
        suspect = np.flatnonzero((found.counts != width - 1) & found.spans)
        rows = len(found.starts)
        if len(suspect):
            rows, broken = int(suspect[0]), True
            stop = int(found.starts[rows])
        if rows:
            yield _cut_regular(self.text, found, rows, self.start, self.line)
        self._advance(stop)
        if broken:
            piece, stop = self._cut_with_care(final=final)
            yield piece
            self._advance(stop)
            self._few = min(2 * self._few, 2**16)  # trouble comes in company: look at more rows one by one
        else:
            self._few = max(_FEW, self._few // 2)

    def _advance(self, position: int) -> None:
        self.line += count_line_ends(self.text[:position])
        self.text = self.text[position:]

    def _cut_with_care(self, *, final: bool) -> tuple[_Piece, int]:
        careful = _Careful(self.start, self.line)
        position = 0
        for _ in range(self._few):
            if position >= len(self.text):
                break
            row = read_record(self.text, position, self.start.dialect, width=len(self.start.columns), final=final)
            if row is None:
                break
            careful.add(self.text[position : row.end], row.cells, row.reason)
            careful.line += count_line_ends(self.text[position : row.next])
            position = row.next
        return careful.piece(), position

    def _give_up_line(self, *, final: bool) -> _Piece:
        ends = [end for mark in (b"\n", b"\r") if (end := self.text.find(mark)) >= 0]
        end = min(ends, default=len(self.text))
        following = end + (2 if self.text.startswith(b"\r\n", end) else 1)
        careful = _Careful(self.start, self.line)
        careful.add(self.text[:end], None, f"the row does not end within {LONGEST_ROW // 2**20} MB: an open quote?")
        self._advance(min(following, len(self.text)))
        return careful.piece()


def _cut_regular(text: bytes, found: Scan, rows: int, start: Start, line: int) -> _Piece:
    """The first rows of a scan, in a few operations on all of them."""
    width = len(start.columns)
    starts, ends = found.starts[:rows], found.ends[:rows]
    stop = int(found.starts[rows]) if rows < len(found.starts) else found.stop
    blank = ends == starts
    good = (found.counts[:rows] == width - 1) & ~blank
    reasons: dict[int, str] = {}
    _mark_bytes(text, stop, starts, good, reasons, start.encoding)
    for row in np.flatnonzero(~good & ~blank):
        reasons.setdefault(int(row), f"{found.counts[row] + 1} cells instead of {width}")
    rejected = [
        Rejected(line + int(found.lines[row]), sniff.original(text[starts[row] : ends[row]], start.encoding), reason)
        for row, reason in sorted(reasons.items())
    ]
    cells, cells_at, raw, rows_at = cells_of(text, starts[good], ends[good], start.dialect, width)
    return _Piece(
        _strings(cells_at, cells, blank=cells_at[1:] == cells_at[:-1]),
        line + found.lines[:rows][good],
        _strings(rows_at, raw),
        rejected,
        stop,
    )


def _strings(offsets: Positions, data: Bytes, *, blank: Mask | None = None) -> pl.Series:
    """Valid UTF-8 cut at the offsets, shape (len(offsets) - 1,), null where it is marked as blank."""
    valid = None if blank is None else pa.py_buffer(np.packbits(~blank, bitorder="little"))
    buffers = [valid, pa.py_buffer(offsets), pa.py_buffer(data)]
    return pl.Series(pl.from_arrow(pa.Array.from_buffers(pa.large_utf8(), len(offsets) - 1, buffers)), dtype=pl.String)


def _mark_bytes(text: bytes, stop: int, starts: Positions, good: Mask, reasons: dict[int, str], encoding: str) -> None:
    """Mark as not good, in place, the rows with bytes that are no text: invalid in the encoding, or NUL."""
    position = 0
    while position < stop:
        try:
            text[position:stop].decode("utf-8")
            break
        except UnicodeDecodeError as error:
            row = int(np.searchsorted(starts, position + error.start, side="right")) - 1
            good[row] = False
            reasons[row] = _not_text(text[starts[row] : stop], encoding)
            position = int(starts[row + 1]) if row + 1 < len(starts) else stop
    zero = text.find(b"\0", 0, stop)
    while zero >= 0:
        row = int(np.searchsorted(starts, zero, side="right")) - 1
        good[row] = False
        reasons.setdefault(row, _NUL)
        zero = text.find(b"\0", int(starts[row + 1]), stop) if row + 1 < len(starts) else -1


_NUL = "it holds a NUL character, which no text has"


def _not_text(row: bytes, encoding: str) -> str:
    """Which byte of a row is wrong."""
    try:
        row.decode("utf-8")
    except UnicodeDecodeError as error:
        rest = row[error.start : error.start + 3].decode("utf-8", "surrogatepass") if encoding != "utf-8" else ""
        byte = ord(rest[0]) - 0xDC00 if rest else row[error.start]
        return f"byte {error.start + 1} (0x{byte:02X}) is not {encoding}: the row is in another encoding"
    return ""


class _Careful:
    """Gathers rows that were read one at a time."""

    def __init__(self, start: Start, line: int) -> None:
        self.start = start
        self.line = line
        self.cells: list[str | None] = []
        self.lines: list[int] = []
        self.raw: list[str] = []
        self.rejected: list[Rejected] = []
        self.bytes = 0

    def add(self, raw: bytes, cells: list[bytes] | None, reason: str) -> None:
        """Take a row, or reject it; a blank line is neither."""
        self.bytes += len(raw)
        if not raw:
            return
        width = len(self.start.columns)
        reason = _not_text(raw, self.start.encoding) or (_NUL if b"\0" in raw else "") or reason
        if not reason and cells is not None and len(cells) != width:
            reason = f"{len(cells)} cells instead of {width}"
        if reason or cells is None:
            self.rejected.append(Rejected(self.line, sniff.original(raw, self.start.encoding), reason))
            return
        self.cells += [cell.decode() or None for cell in cells]
        self.raw.append(raw.decode())
        self.lines.append(self.line)

    def piece(self) -> _Piece:
        """All rows taken so far."""
        return _Piece(
            pl.Series(self.cells, dtype=pl.String),
            np.array(self.lines, dtype=np.int64),
            pl.Series(self.raw, dtype=pl.String),
            self.rejected,
            self.bytes,
        )
