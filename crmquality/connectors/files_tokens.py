"""Cutting CSV text into rows and cells, a window of bytes at a time.

The grammar is RFC 4180, read strictly: a quote opens a cell only at its beginning, and after the closing quote comes a
delimiter or the line's end. One liberty: a quote in the middle of an unquoted cell (`5" pipe`) is an ordinary one.

`scan` cuts a whole window with a few numpy operations, for as long as all quoting in it is regular; `read_record` reads
one row with care where it is not. A row whose quoting is broken is given up one line at a time, so that an open quote
never swallows the rows behind it.

Tried and rejected: csv.reader (swallows rows, shifts columns, cannot give the bytes of a row; 5 times slower); polars'
and pyarrow's readers on windows cut here (faster by a tenth, but then two grammars must agree about every quote).

Source: Y. Shafranovich, "Common Format and MIME Type for Comma-Separated Values (CSV) Files", RFC 4180, 2005.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt

LF, CR = 10, 13
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
    nexts: (rows,) where the row after it begins.
    lines: (rows,) how many line ends stand before each row.
    delimiters: positions of the delimiters between cells; counts: (rows,) how many of them each row has.
    dropped: positions of bytes that belong to no cell's value (delimiters, line ends, quotes), not sorted.
    stop: where the regular rows end; broken: whether the row there is broken (else it is only not complete yet).
    """

    starts: Positions
    ends: Positions
    nexts: Positions
    lines: Positions
    delimiters: Positions
    counts: Positions
    dropped: Positions
    stop: int
    broken: bool


def scan(window: bytes, dialect: Dialect, *, final: bool) -> Scan:
    """Cut the regular rows at the beginning of a window. final: the file ends where the window does."""
    data = np.frombuffer(window, dtype=np.uint8)
    quotes = np.flatnonzero(data == ord(dialect.quote)) if dialect.quote else np.empty(0, np.int64)
    line_ends = _line_ends(window, data, final=final)
    row_ends = line_ends[np.searchsorted(quotes, line_ends) % 2 == 0]
    if final and (not len(row_ends) or row_ends[-1] != len(data) - 1) and len(data):
        row_ends = np.append(row_ends, len(data))
    wrong = _first_irregular_quote(data, quotes, dialect, final=final)
    whole = len(row_ends) if wrong is None else int(np.searchsorted(row_ends, wrong))
    nexts = np.minimum(row_ends[:whole] + 1, len(data))
    starts = np.concatenate([np.zeros(1, np.int64), nexts[:-1]])[:whole]
    ends = row_ends[:whole].copy()
    has_cr = (ends > starts) & (ends < len(data)) & (data[np.maximum(ends - 1, 0)] == CR)
    has_cr &= data[np.minimum(ends, len(data) - 1)] == LF
    ends -= has_cr
    stop = int(nexts[-1]) if whole else 0
    delimiters = np.flatnonzero(data[:stop] == ord(dialect.delimiter))
    delimiters = delimiters[np.searchsorted(quotes, delimiters) % 2 == 0]
    counts = np.diff(np.searchsorted(delimiters, np.append(starts, stop)))
    row_ends = row_ends[:whole]
    dropped = np.concatenate(
        [delimiters, row_ends[row_ends < len(data)], ends[has_cr], _enclosing(quotes[quotes < stop])]
    )
    lines = np.searchsorted(line_ends, starts)
    return Scan(starts, ends, nexts, lines, delimiters, counts, dropped, stop, wrong is not None)


def _line_ends(window: bytes, data: npt.NDArray[np.uint8], *, final: bool) -> Positions:
    """Every LF, and every CR that no LF follows; a CR at the end of a window may still be followed by one."""
    found = np.flatnonzero(data == LF)
    if b"\r" not in window:
        return found
    returns = np.flatnonzero(data == CR)
    last = len(data) - 1
    if not final:
        returns = returns[returns < last]
    alone = returns[data[np.minimum(returns + 1, last)] != LF]
    return np.sort(np.concatenate([found, alone])) if len(alone) else found


def _first_irregular_quote(
    data: npt.NDArray[np.uint8], quotes: Positions, dialect: Dialect, *, final: bool
) -> int | None:
    """The first quote that neither opens a cell, closes it, nor stands doubled within one."""
    if not len(quotes):
        return None
    borders = np.zeros(256, dtype=bool)
    borders[[ord(dialect.delimiter), LF, CR]] = True
    opening, closing = quotes[0::2], quotes[1::2]
    doubled = np.zeros(len(opening), dtype=bool)  # the opening quote that follows a closing one at once
    doubled[1:] = opening[1:] == closing[: len(opening) - 1] + 1
    opens = (opening == 0) | borders[data[np.maximum(opening - 1, 0)]] | doubled
    last = len(data) - 1
    closes = (closing == last) | borders[data[np.minimum(closing + 1, last)]]
    closes |= np.append(doubled[1:], False)[: len(closing)]
    wrong = [*opening[~opens][:1], *closing[~closes][:1]]
    if final and len(opening) > len(closing):
        wrong.append(opening[-1])
    return int(min(wrong)) if wrong else None


def _enclosing(quotes: Positions) -> Positions:
    """The quotes that are no part of a value: all but the second of a doubled pair within a cell."""
    opening, closing = quotes[0::2], quotes[1::2]
    first = np.ones(len(opening), dtype=bool)
    first[1:] = opening[1:] != closing[: len(opening) - 1] + 1
    return np.concatenate([opening[first], closing])


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
