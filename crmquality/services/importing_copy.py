"""Rows in the binary format of PostgreSQL's COPY.

The server reads it without looking for tabs, line ends and escapes: a sixth less of its time than text, and the bytes
are laid down here by one compiled pass over all rows.

Source: PostgreSQL documentation, "COPY", section "Binary Format"; for text[], `array_recv` of the server.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl
import pyarrow as pa

from detectors.compiling import compiled

Bytes = npt.NDArray[np.uint8]
Offsets = npt.NDArray[np.int64]
Strings = tuple[Bytes, Offsets, npt.NDArray[np.bool_]]
"""The bytes of all strings, where each begins and ends, shape (n + 1,), and which are there, shape (n,)."""

HEADER = b"PGCOPY\n\xff\r\n\0" + bytes(8)
TRAILER = b"\xff\xff"
COLUMNS = ("source_id", "external_id", "line", "raw", "fields", "digest", "refs")
REFERENCE = "reference "
_TEXT_OID = 25


def binary(rows: pl.DataFrame, *, source: int) -> memoryview:
    """Rows for `COLUMNS` as COPY takes them; empty if there are none.

    rows: "external_id" (String, null where the key is still to be given), "line" (Int64), "raw", "fields" (String, JSON
        objects), "digest", and any number of columns whose name begins with `REFERENCE` (String): each an element of
        `refs`, which is null where all of them are.
    """
    if not rows.height:
        return memoryview(b"")
    keys, raw, fields, digests = (_strings(rows[name]) for name in ("external_id", "raw", "fields", "digest"))
    references = [rows[name] for name in rows.columns if name.startswith(REFERENCE)]
    stacked = _strings(pl.concat(references) if references else pl.Series([], dtype=pl.String))
    sizes = _sizes(rows.height, keys, raw, fields, digests, stacked)
    out = np.empty(len(HEADER) + int(sizes.sum()) + len(TRAILER), np.uint8)
    out[: len(HEADER)] = np.frombuffer(HEADER, np.uint8)
    out[-len(TRAILER) :] = np.frombuffer(TRAILER, np.uint8)
    _fill(out, len(HEADER), source, rows["line"].to_numpy(), keys, raw, fields, digests, stacked)
    return out.data


def _strings(series: pl.Series) -> Strings:
    array: Any = series.to_arrow(compat_level=pl.CompatLevel.oldest())
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    _, offsets, data = array.buffers()
    bounds = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    content = np.frombuffer(data if data is not None and data.size else b"\0", np.uint8)
    there = series.is_not_null().to_numpy()
    for part in (content, bounds, there):
        part.setflags(write=False)  # compiled code is made for one kind of array: read only
    return content, bounds, there


@compiled
def _sizes(count: int, keys: Strings, raw: Strings, fields: Strings, digests: Strings, refs: Strings) -> Offsets:
    """Bytes of each row, shape (count,): two of the number of columns, four a column, and the values."""
    sizes = np.empty(count, np.int64)
    for row in range(count):
        size = 2 + 7 * 4 + 8 + 8 + 1
        for _, bounds, there in (keys, raw, fields, digests):
            if there[row]:
                size += bounds[row + 1] - bounds[row]
        some = False
        for place in range(row, len(refs[2]), count):
            if refs[2][place]:
                size += 4 + refs[1][place + 1] - refs[1][place]
                some = True
        sizes[row] = size + (20 if some else 0)
    return sizes


@compiled
def _fill(
    out: Bytes, at: int, source: int, lines: Offsets, keys: Strings, raw: Strings, fields: Strings, digests: Strings,
    refs: Strings,
) -> None:  # fmt: skip
    for row in range(len(lines)):
        at = _number(out, at, 7, 2)
        at = _number(out, _number(out, at, 8, 4), source, 8)
        at = _text(out, at, keys, row)
        at = _number(out, _number(out, at, 8, 4), lines[row], 8)
        at = _text(out, at, raw, row)
        at = _number(out, at, 1 + fields[1][row + 1] - fields[1][row], 4)
        at = _bytes(out, _number(out, at, 1, 1), fields, row)  # a jsonb begins with its version
        at = _text(out, at, digests, row)
        at = _array(out, at, refs, row, len(lines))


@compiled
def _array(out: Bytes, at: int, refs: Strings, row: int, count: int) -> int:
    """The references of a row as text[], null if there are none; returns the place after it."""
    elements, size = 0, 20
    for place in range(row, len(refs[2]), count):
        if refs[2][place]:
            elements += 1
            size += 4 + refs[1][place + 1] - refs[1][place]
    if not elements:
        return _number(out, at, -1, 4)
    at = _number(out, at, size, 4)
    for number in (1, 0, _TEXT_OID, elements, 1):  # dimensions, whether one is null, type, length, first index
        at = _number(out, at, number, 4)
    for place in range(row, len(refs[2]), count):
        if refs[2][place]:
            at = _text(out, at, refs, place)
    return at


@compiled
def _text(out: Bytes, at: int, strings: Strings, row: int) -> int:
    """The length and bytes of a string, -1 for null; returns the place after it."""
    if not strings[2][row]:
        return _number(out, at, -1, 4)
    return _bytes(out, _number(out, at, strings[1][row + 1] - strings[1][row], 4), strings, row)


@compiled
def _bytes(out: Bytes, at: int, strings: Strings, row: int) -> int:
    begin, end = int(strings[1][row]), int(strings[1][row + 1])
    out[at : at + end - begin] = strings[0][begin:end]
    return at + end - begin


@compiled
def _number(out: Bytes, at: int, number: int, width: int) -> int:
    """A whole number of so many bytes, most significant first; returns the place after it."""
    for byte in range(width):
        out[at + byte] = (number >> 8 * (width - 1 - byte)) & 0xFF
    return at + width
