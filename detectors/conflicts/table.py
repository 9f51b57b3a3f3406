"""A table as integers: every column's spellings, and what the spellings mean alike."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.formats.placeholders import is_placeholder

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

_TIME = re.compile(
    r"(?<![\d:])(\d{1,2}):(\d{2})(?::\d{2})?\s*(?:([aApP])(?:\.?\s?[mM]\b\.?|(?![a-z]))|(noon|midnight))?(?![\d:])"
)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)")
_TYPED = 0.6
"""Share of filled rows that must read as times (numbers) for a column to be compared as such."""

LONGEST = 2000
"""Longer cells are documents: they are compared as they stand and never taken for slips."""


@dataclass(frozen=True, slots=True)
class Field:
    """One column. Codes are positions in sorted order, so that the order of the rows changes nothing.

    texts: distinct spellings, sorted. codes: (n,) spelling of each row, -1 = blank.
    counts: rows of each spelling.
    meaning: (spellings,) code of what a spelling means: "7:10 a.m." and "7:10aDec 1" mean the same.
    usual: (meanings,) the commonest spelling of each meaning. keys: (n,) meaning of each row, -1 = blank.
    """

    name: str
    texts: tuple[str, ...]
    codes: Ints
    counts: Ints
    meaning: Ints
    usual: Ints
    keys: Ints

    @property
    def filled(self) -> int:
        """Rows that are not blank."""
        return int(self.counts.sum())

    def text(self, row: int) -> str | None:
        """The cell as it stands; None if blank."""
        code = self.codes[row]
        return None if code < 0 else str(self.texts[code])

    def by_spelling(self) -> Callable[[int], Ints]:
        """The rows of a spelling, in order. Sorted once for all of them: each would look at every row again."""
        order = np.argsort(self.codes, kind="stable")
        starts = np.searchsorted(self.codes[order], np.arange(len(self.texts) + 1))
        return lambda code: order[starts[code] : starts[code + 1]]

    def spelled(self, key: int) -> str:
        """The commonest spelling of a meaning."""
        return str(self.texts[self.usual[key]])


@dataclass(frozen=True, slots=True)
class Table:
    """Columns of equal length, in the frame's order."""

    fields: tuple[Field, ...]
    rows: int

    def field(self, name: str) -> Field:
        """The column of this name."""
        return next(field for field in self.fields if field.name == name)


def encode(frame: pd.DataFrame, names: Sequence[str]) -> Table:
    """These columns of a frame of text cells, as integers; blank cells and placeholders ("N/A") are -1."""
    return Table(tuple(_field(str(name), frame[name]) for name in names), len(frame))


def _field(name: str, column: pd.Series) -> Field:
    raw, values = pd.factorize(column.to_numpy(dtype=object), use_na_sentinel=True)
    texts = [str(value) for value in values]
    order = sorted(
        (position for position, text in enumerate(texts) if text.strip() and not is_placeholder(text)),
        key=texts.__getitem__,
    )
    renumber = np.full(len(texts) + 1, -1, dtype=np.int64)
    renumber[order] = np.arange(len(order))
    codes = renumber[raw]
    kept = tuple(texts[position] for position in order)
    counts = np.bincount(codes[codes >= 0], minlength=len(kept)).astype(np.int64)
    meaning, usual = _meanings(kept, counts)
    return Field(name, kept, codes, counts, meaning, usual, np.append(meaning, -1)[codes])


def _meanings(texts: tuple[str, ...], counts: Ints) -> tuple[Ints, Ints]:
    read = reader(texts, counts)
    codes: dict[str, int] = {}
    meaning = np.array([codes.setdefault(read(text), len(codes)) for text in texts], dtype=np.int64)
    usual = np.zeros(len(codes), dtype=np.int64)
    best = np.zeros(len(codes), dtype=np.int64)
    for code, key in enumerate(meaning):
        if counts[code] > best[key]:
            best[key], usual[key] = counts[code], code
    return meaning, usual


def reader(texts: Sequence[str], counts: Ints) -> Callable[[str], str]:
    """How this column's cells are compared: as times of day, as numbers, or as text without case and spacing."""
    total = counts.sum()
    for read in (_time_key, _number_key):
        understood = sum(int(count) for text, count in zip(texts, counts, strict=True) if read(text))
        if total and understood >= _TYPED * total:
            return partial(_typed_key, read)
    return _text_key


def _typed_key(read: Callable[[str], str], text: str) -> str:
    return read(text) or _text_key(text)


def is_typed(key: str) -> bool:
    """Whether a cell's key says that it was read as a time or a number."""
    return key.startswith(("time ", "number "))


def time_of_day(text: str) -> int | None:
    """Minutes since midnight if the text holds exactly one time of day, whatever stands around it."""
    if len(text) > 80:
        return None
    found = _TIME.findall(text)
    marked = [match for match in found if match[2] or match[3]]
    if len(marked) != 1 and len(found) != 1:
        return None
    hour, minute, half, word = (marked or found)[0]
    clock, minutes = int(hour), int(minute)
    if minutes > 59 or clock > 23:
        return None
    if word or half:
        noon = word == "noon" or half in "pP" if half or word == "noon" else False
        clock = clock % 12 + (12 if noon else 0)
    return clock * 60 + minutes


def _time_key(text: str) -> str:
    minutes = time_of_day(text)
    return "" if minutes is None else f"time {minutes}"


def _number_key(text: str) -> str:
    text = text.strip()
    return f"number {float(text):.12g}" if len(text) < 40 and _NUMBER.fullmatch(text) else ""


def _text_key(text: str) -> str:
    return " ".join(text.casefold().split()) if len(text) <= LONGEST else text
