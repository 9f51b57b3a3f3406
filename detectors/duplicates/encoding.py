"""A column of text as flat arrays: one code a row, and each distinct cleaned value once.

Cleaning, comparing and blocking then touch distinct values and integers, never Python strings.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd
import pyarrow as pa

from detectors.compiling import compiled
from detectors.duplicates import text as kernels
from detectors.duplicates.spread import Spread, tallied
from detectors.duplicates.text import ALNUM, DIGITS, EMAIL, WORDS, Bytes, Codes, Hashes, Ints
from detectors.missing_values import PLACEHOLDERS

__all__ = ["ALNUM", "DIGITS", "EMAIL", "WORDS", "Column", "cut", "encode", "encode_values", "joined", "pieces"]

NAMES_TOO = frozenset({"na", "nan", "nc", "nil", "nie", "ka", "unk", "nat", "set", "missing", "blank"})
"""Placeholders that, once cleaned, could be somebody's name; kept as values."""


@dataclass(frozen=True)
class Column:
    """A column, dictionary-encoded after cleaning.

    codes: (rows,) position of the row's value among the distinct values; -1 where it is missing.
    text, starts: the distinct cleaned values, one after the other; value i is text[starts[i]:starts[i + 1]].
    hashes: (values,) 64-bit hash of each value; equal in every batch, so that keys can be kept.
    """

    codes: Codes
    text: Bytes
    starts: Ints
    hashes: Hashes

    def __len__(self) -> int:
        """How many distinct values there are."""
        return len(self.starts) - 1

    @cached_property
    def counts(self) -> Ints:
        """(values,) rows that hold each value."""
        return np.asarray(tallied(self.codes, len(self)))

    @cached_property
    def filled(self) -> int:
        """How many rows hold a value."""
        return int((self.codes >= 0).sum())

    @cached_property
    def signatures(self) -> Hashes:
        """(values,) `text.signatures` of each distinct value."""
        numbers = bool(((self.text >= 48) & (self.text <= 57)).all())
        return np.asarray(kernels.signatures(self.text, self.starts[:-1], self.starts[1:], numbers))

    def values(self) -> list[str]:
        """Every distinct cleaned value as text."""
        whole = self.text.tobytes()
        bounds = zip(self.starts[:-1].tolist(), self.starts[1:].tolist(), strict=True)
        return [whole[first:last].decode("utf-8", "replace") for first, last in bounds]

    def by_row(self, per_value: npt.NDArray[np.uint64]) -> Spread:
        """A value's property spread to rows; 0 where the row has no value."""
        return Spread.of(self.codes, per_value)

    def rows(self, positions: Ints) -> Column:
        """The same dictionary over other rows."""
        return Column(self.codes[positions], self.text, self.starts, self.hashes)


def encode(series: pd.Series, mode: int) -> Column:
    """A frame's column cleaned by `mode` (see `text.clean`) and dictionary-encoded; placeholders are missing."""
    text, starts = _buffers(series)
    text, starts = _folded(text, starts)
    text, starts, hashes = kernels.clean(text, starts, mode)
    codes, sample = kernels.intern(hashes)
    nobody = np.isin(hashes[sample], _placeholders(mode))
    if nobody.any():
        kept = np.where(nobody, -1, np.cumsum(~nobody) - 1).astype(np.int32)
        codes, sample = np.append(kept, np.int32(-1))[codes], sample[~nobody]
    text, starts = kernels.take(text, starts, sample)
    return Column(codes, text, starts, hashes[sample])


def encode_values(values: list[str], codes: Codes) -> Column:
    """A column from one cleaned text a former value and the former codes; empty text is missing."""
    text, starts = joined([value.encode() for value in values])
    hashes = kernels.hash_parts(text, starts[:-1], starts[1:])
    merged, sample = kernels.intern(hashes)
    text, starts = kernels.take(text, starts, sample)
    return Column(np.append(merged, np.int32(-1))[codes], text, starts, hashes[sample])


def pieces(column: Column) -> tuple[Codes, Ints, Column]:
    """The words of every value: (word codes, bounds, the words as a column over their occurrences).

    Value i has the words codes[bounds[i]:bounds[i + 1]].
    """
    firsts, lasts, bounds = _word_bounds(column.text, column.starts)
    hashes = kernels.hash_parts(column.text, firsts, lasts)
    codes, sample = kernels.intern(hashes)
    text, starts = cut(column.text, firsts[sample], lasts[sample])
    return codes, bounds, Column(codes, text, starts, hashes[sample])


@compiled
def _word_bounds(text: Bytes, starts: Ints) -> tuple[Ints, Ints, Ints]:
    size = len(starts) - 1
    firsts = np.empty(len(text) // 2 + size + 1, np.int64)
    lasts = np.empty(len(text) // 2 + size + 1, np.int64)
    bounds = np.zeros(size + 1, np.int64)
    found = 0
    for value in range(size):
        first = starts[value]
        for place in range(starts[value], starts[value + 1] + 1):
            if place == starts[value + 1] or text[place] == 32:
                if place > first:
                    firsts[found] = first
                    lasts[found] = place
                    found += 1
                first = place + 1
        bounds[value + 1] = found
    return firsts[:found].copy(), lasts[:found].copy(), bounds


@compiled
def cut(text: Bytes, firsts: Ints, lasts: Ints) -> tuple[Bytes, Ints]:
    """The parts text[firsts[i]:lasts[i]] as a new buffer."""
    ends = np.zeros(len(firsts) + 1, np.int64)
    for place in range(len(firsts)):
        ends[place + 1] = ends[place] + lasts[place] - firsts[place]
    out = np.empty(ends[-1], np.uint8)
    for place in range(len(firsts)):
        out[ends[place] : ends[place + 1]] = text[firsts[place] : lasts[place]]
    return out, ends


def _buffers(series: pd.Series) -> tuple[Bytes, Ints]:
    """The column's UTF-8 bytes and offsets; a missing cell is empty."""
    array = pa.array(series, type=pa.large_string(), from_pandas=True)
    if isinstance(array, pa.ChunkedArray):
        array = array.combine_chunks()
    if array.null_count:
        array = array.fill_null("")
    _, offsets, data = array.buffers()
    starts = np.frombuffer(offsets, np.int64)[array.offset : array.offset + len(array) + 1]
    text = np.frombuffer(data, np.uint8) if data is not None and data.size else np.zeros(1, np.uint8)
    return text, starts


def _folded(text: Bytes, starts: Ints) -> tuple[Bytes, Ints]:
    """The same strings with letters beyond ASCII folded (`text.fold`); untouched where there are none."""
    if text.max(initial=0) < 128:
        return text, starts
    odd = np.flatnonzero(np.add.reduceat(np.append(text > 127, False), starts[:-1]) * (np.diff(starts) > 0))
    if not len(odd):
        return text, starts
    known: dict[bytes, bytes] = {}
    cells = [text[starts[row] : starts[row + 1]].tobytes() for row in odd]
    for cell in set(cells):
        known[cell] = kernels.fold(cell.decode("utf-8", "replace")).encode()
    extra, extra_starts = joined([known[cell] for cell in cells])
    chosen = np.arange(len(starts) - 1)
    chosen[odd] = len(starts) - 1 + np.arange(len(odd))
    both = np.concatenate([text, extra])
    ends = np.concatenate([starts[1:], len(text) + extra_starts[1:]])
    firsts = np.concatenate([starts[:-1], len(text) + extra_starts[:-1]])
    return cut(both, firsts[chosen], ends[chosen])


def joined(cells: list[bytes]) -> tuple[Bytes, Ints]:
    starts = np.zeros(len(cells) + 1, np.int64)
    np.cumsum([len(cell) for cell in cells], out=starts[1:])
    return np.frombuffer(b"".join(cells) or b"\0", np.uint8), starts


def _placeholders(mode: int) -> Hashes:
    """Hashes of the cleaned placeholders ("unknown", "n a") that nobody is called."""
    if mode not in _PLACEHOLDER_HASHES:
        text, starts = joined([kernels.fold(word).encode() for word in sorted(PLACEHOLDERS)])
        cleaned, bounds, hashes = kernels.clean(text, starts, mode)
        whole = cleaned.tobytes()
        words = [whole[first:last].decode() for first, last in pairwise(bounds)]
        kept = [code for code, word in zip(hashes, words, strict=True) if word not in NAMES_TOO]
        _PLACEHOLDER_HASHES[mode] = np.unique(np.array(kept, dtype=np.uint64))
    return _PLACEHOLDER_HASHES[mode]


_PLACEHOLDER_HASHES: dict[int, Hashes] = {}
