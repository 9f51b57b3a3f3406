"""Cutting CSV text into rows and cells, a window of bytes at a time.

The grammar is RFC 4180, read strictly: a quote opens a cell only at its beginning, and after the closing quote comes a
delimiter or the line's end. One liberty: a quote in the middle of an unquoted cell (`5" pipe`) is an ordinary one.

`scan` finds the rows of a whole window in one compiled pass, for as long as all quoting in it is regular, and
`cells_of` cuts them; `read_record` reads one row with care where it is not. A row whose quoting is broken is given up
one line at a time, so that an open quote never swallows the rows behind it.

Tried and rejected: csv.reader (swallows rows, shifts columns, cannot give the bytes of a row; 5 times slower); polars'
and pyarrow's readers on windows cut here (two grammars must then agree about every quote); numpy operations on all
quotes, delimiters and line ends of a window (four times slower).

Source: Y. Shafranovich, "Common Format and MIME Type for Comma-Separated Values (CSV) Files", RFC 4180, 2005.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled

LF, CR = 10, 13
Bytes = npt.NDArray[np.uint8]
Positions = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Dialect:
    """delimiter: one ASCII character; quote: one ASCII character, or "" if cells are never quoted."""

    delimiter: str = ","
    quote: str = '"'


@dataclass(frozen=True, slots=True)
class Scan:
    """The regular rows at the beginning of a window.

    starts, ends: (rows,) where each row's text begins and ends, without its line end.
    lines: (rows,) how many line ends stand before each row; spans: (rows,) whether it stands on more than one line.
    counts: (rows,) how many delimiters each has between its cells.
    stop: where the regular rows end; broken: whether the row there is broken (else it is only not complete yet).
    """

    starts: Positions
    ends: Positions
    lines: Positions
    spans: Mask
    counts: Positions
    stop: int
    broken: bool


def scan(window: bytes, dialect: Dialect, *, final: bool) -> Scan:
    """Find the regular rows at the beginning of a window. final: the file ends where the window does."""
    most = window.count(b"\n") + window.count(b"\r") + 1
    found = np.empty((4, most), np.int64)
    spans = np.zeros(most, bool)
    rows, stop, broken = _scan(*_codes(window, dialect), final, found, spans)
    starts, ends, lines, counts = found[:, :rows]
    return Scan(starts, ends, lines, spans[:rows], counts, stop, broken)


def cells_of(
    window: bytes, starts: Positions, ends: Positions, dialect: Dialect, width: int
) -> tuple[Bytes, Positions, Bytes, Positions]:
    """The cells of regular rows of `width` cells each, and the rows as they stand.

    Returns the bytes of all cells with the place where each begins, shape (rows * width + 1,), row by row, and the
    bytes of all rows with the place where each begins, shape (rows + 1,).
    """
    rows_at = np.zeros(len(starts) + 1, np.int64)
    np.cumsum(ends - starts, out=rows_at[1:])
    raw = np.empty(rows_at[-1], np.uint8)
    cells = np.empty(rows_at[-1], np.uint8)
    cells_at = np.empty(len(starts) * width + 1, np.int64)
    size = _cells_of(*_codes(window, dialect), starts, ends, cells, cells_at, raw)
    return cells[:size], cells_at, raw, rows_at


def _codes(window: bytes, dialect: Dialect) -> tuple[Bytes, int, int]:
    return np.frombuffer(window, np.uint8), ord(dialect.delimiter), ord(dialect.quote) if dialect.quote else -1


@compiled
def _scan(data: Bytes, delimiter: int, quote: int, final: bool, found: Positions, spans: Mask) -> tuple[int, int, bool]:
    """Fill in starts, ends, lines, counts and spans; returns how many rows there are, where they end, and `broken`."""
    last = len(data) - 1
    row = start = count = seen = begun = 0
    inside = False
    for place in range(len(data)):
        code = data[place]
        if code == quote:
            beside = place - 1 if not inside else place + 1
            if 0 <= beside <= last and data[beside] not in (quote, delimiter, LF, CR):
                return row, start, True
            inside = not inside
        elif code == LF or (code == CR and (data[place + 1] != LF if place < last else final)):
            seen += 1
            if not inside:
                end = place - 1 if code == LF and place > start and data[place - 1] == CR else place
                found[0, row], found[1, row], found[2, row], found[3, row] = start, end, begun, count
                spans[row] = seen > begun + 1
                row, start, count, begun = row + 1, place + 1, 0, seen
        elif code == delimiter and not inside:
            count += 1
    if final and start <= last and not inside:
        found[0, row], found[1, row], found[2, row], found[3, row] = start, last + 1, begun, count
        spans[row] = seen > begun
        return row + 1, last + 1, False
    return row, start, final and inside


@compiled
def _cells_of(
    data: Bytes, delimiter: int, quote: int, starts: Positions, ends: Positions,
    cells: Bytes, cells_at: Positions, raw: Bytes,
) -> int:  # fmt: skip
    """Fill in the cells, where each begins, and the rows; returns how many bytes the cells have."""
    at = cell = place_in_raw = 0
    for row in range(len(starts)):
        start, end = starts[row], ends[row]
        raw[place_in_raw : place_in_raw + end - start] = data[start:end]
        place_in_raw += end - start
        cells_at[cell] = at
        cell += 1
        inside = False
        for place in range(start, end):
            code = data[place]
            if code == quote:
                inside = not inside
                if not inside or place == start or data[place - 1] != quote:
                    continue  # it opens or closes the cell; the second of a doubled pair is the cell's own
            elif code == delimiter and not inside:
                cells_at[cell] = at
                cell += 1
                continue
            cells[at] = code
            at += 1
    cells_at[cell] = at
    return at


@dataclass(frozen=True, slots=True)
class Row:
    """One row read with care. cells: its values, or None if it is broken for this reason; end, next: as in `Scan`."""

    cells: list[bytes] | None
    end: int
    next: int
    reason: str = ""


def read_record(window: bytes, start: int, dialect: Dialect, *, width: int, final: bool) -> Row | None:
    """The row that begins at `start`; None if the window ends before it does.

    A row with broken quoting ends at its first line end. So does a row over several lines that has not `width` cells,
    if a line in it is a row of its own: then an open quote had swallowed it.
    """
    cells, position, reason = _cells(window, start, dialect)
    if not final and (position == len(window) or window[position:] == b"\r"):
        return None
    if reason:
        return _first_line(window, start, reason, final=final)
    end, following = _past_line_end(window, position)
    if len(cells) != width and _swallowed(window, start, end, dialect, width):
        return _first_line(window, start, "an open quote swallows the lines behind it", final=final)
    return Row(cells, end, following)


def _cells(window: bytes, start: int, dialect: Dialect) -> tuple[list[bytes], int, str]:
    """The cells from `start`, where they end, and what is wrong, if anything."""
    quote, delimiter = dialect.quote.encode(), dialect.delimiter.encode()
    border = _border(dialect.delimiter)
    cells: list[bytes] = []
    position = start
    while True:
        if quote and window.startswith(quote, position):
            value, position = _quoted(window, position + 1, quote)
            if value is None:
                return cells, len(window), f"the quote that opens cell {len(cells) + 1} is never closed"
            if position < len(window) and not border.match(window, position):
                return cells, position, f"text follows the closing quote of cell {len(cells) + 1}"
        else:
            found = border.search(window, position)
            end = found.start() if found else len(window)
            value, position = window[position:end], end
        cells.append(value)
        if not window.startswith(delimiter, position):
            return cells, position, ""
        position += 1


@lru_cache
def _border(delimiter: str) -> re.Pattern[bytes]:
    return re.compile(b"[" + re.escape(delimiter.encode()) + rb"\r\n]")


def _quoted(window: bytes, position: int, quote: bytes) -> tuple[bytes | None, int]:
    """The value of a quoted cell whose first character is at `position`, and the place after its closing quote."""
    begin = position
    while (found := window.find(quote, position)) >= 0:
        if not window.startswith(quote, found + 1):
            return window[begin:found].replace(quote * 2, quote), found + 1
        position = found + 2
    return None, len(window)


def _past_line_end(window: bytes, position: int) -> tuple[int, int]:
    """The end of a row at `position`, and where the next begins."""
    if window.startswith(b"\r\n", position):
        return position, position + 2
    return position, min(position + 1, len(window))


_LINE_END = re.compile(rb"\r\n?|\n")


def _first_line(window: bytes, start: int, reason: str, *, final: bool) -> Row | None:
    found = _LINE_END.search(window, start)
    if found is None or (not final and window[found.start() :] == b"\r"):
        return Row(None, len(window), len(window), reason) if final else None
    return Row(None, found.start(), found.end(), reason)


def _swallowed(window: bytes, start: int, end: int, dialect: Dialect, width: int) -> bool:
    """Whether a line behind the first, up to the fiftieth, is a whole row by itself."""
    lines = _LINE_END.split(window[start:end], maxsplit=50)
    return width > 1 and any(_stands_alone(line, dialect, width) for line in lines[1:50])


def _stands_alone(line: bytes, dialect: Dialect, width: int) -> bool:
    cells, _, reason = _cells(line, 0, dialect)
    return not reason and len(cells) == width


def count_line_ends(text: bytes) -> int:
    """How many lines end in the text."""
    feeds = text.count(b"\n")
    return feeds + text.count(b"\r") - text.count(b"\r\n") if b"\r" in text else feeds
