"""A whole column of dates at once: plain dates by a compiled pass, the order decided by column and source in arrays.

What the pass does not know (times, months in words, other digits) goes through `dates.take_apart`, so that both read
alike: `test_dates_of_a_column_are_read_as_one_by_one` holds them against each other.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.compiling import compiled
from detectors.formats.column import distinct
from detectors.formats.dates import TOLERATED, take_apart

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

WIDTH = 10
"""Letters of the longest text that the compiled pass reads."""

SEPARATORS = "-/. "
GROUPS = 1 + 2 * len(SEPARATORS)
"""Texts whose order is open are told apart by separator and width of the year; group 0 has one order."""


@dataclass(frozen=True)
class Taken:
    """Distinct texts taken apart; all arrays (n_texts,). group: -1 where there is no date."""

    year: Ints
    a: Ints
    b: Ints
    group: Ints

    @property
    def open(self) -> Bools:
        """Where day and month could change places: both readings exist and differ."""
        return np.asarray((self.group > 0) & (self.a <= 12) & (self.b <= 12) & (self.a != self.b))


def read_dates(values: pd.Series, origin: pd.Series | None = None, *, past: bool = False) -> pd.DataFrame:
    """Read a whole column of text.

    values: (n,) text or missing. origin: (n,) name of each row's source, where the column unites several.
    past: two-digit years are of the past, as in dates of birth.

    Returns a frame with the same index: date (datetime64[s], NaT where there is none), sure (probability that
    the order is right) and ambiguous (True where the column does not tell the order: ask before use).
    """
    codes, texts = distinct(values)
    taken = _take_apart(texts, past=past)
    whole = _evidence(taken, np.bincount(codes[codes >= 0], minlength=len(texts)))
    days = np.full(len(codes), np.datetime64("NaT"), dtype="datetime64[s]")
    sure = np.zeros(len(codes))
    sources = np.zeros(len(codes), dtype=np.int64)
    if origin is not None:
        sources, _ = pd.factorize(origin.to_numpy(dtype=object))
    for source in np.unique(sources):
        rows = np.flatnonzero((sources == source) & (codes >= 0))
        counts = np.bincount(codes[rows], minlength=len(texts))
        own = _evidence(taken, counts)
        found, trust = _resolved(taken, _day_first(own if own.any() else whole))
        days[rows], sure[rows] = found[codes[rows]], trust[codes[rows]]
    ambiguous = (sure < 1 - TOLERATED) & ~np.isnat(days)
    return pd.DataFrame({"date": days, "sure": sure, "ambiguous": ambiguous}, index=values.index)


def _take_apart(texts: tuple[str, ...], *, past: bool) -> Taken:
    parts = np.full((4, len(texts)), -1, dtype=np.int64)
    length = np.fromiter(map(len, texts), dtype=np.int64, count=len(texts))
    padded = np.array([text if len(text) <= WIDTH else "" for text in texts], dtype=f"U{WIDTH}")
    letters = padded.view(np.uint32).reshape(len(texts), WIDTH)
    _read(letters, length, date.today().year % 100 if past else 68, parts)
    for position in np.flatnonzero(parts[3] < 0).tolist():
        told = take_apart(texts[position], past=past)
        if told is not None:
            parts[:, position] = told.year, told.a, told.b, _group(told.group)
    return Taken(*parts)


def _group(name: str) -> int:
    """The number of a group by its name, such as "/4"; 0 of none."""
    return 1 + 2 * SEPARATORS.index(name[0]) + (name[1] == "4") if name else 0


def _evidence(taken: Taken, counts: Ints) -> Floats:
    """(2, GROUPS) rows whose first, and whose second, number is above 12, so that it is the day."""
    seen = (taken.group > 0) & (counts > 0)
    first = seen & (taken.a > 12) & (taken.b <= 12)
    second = seen & (taken.b > 12) & (taken.a <= 12)
    rows: Floats = np.zeros((2, GROUPS))
    for place, each in enumerate((first, second)):
        rows[place] = np.bincount(taken.group[each], weights=counts[each], minlength=GROUPS)
    return rows


def _day_first(evidence: Floats) -> Floats:
    """(GROUPS,) posterior mean of the share of day-first values; of a group without evidence, that of all."""
    first, second = evidence
    overall = (first.sum() + 0.5) / (evidence.sum() + 1)
    share: Floats = np.where(first + second > 0, (first + 0.5) / (first + second + 1), overall)
    share[0] = 1.0
    return share


def _resolved(taken: Taken, day_first: Floats) -> tuple[npt.NDArray[np.datetime64], Floats]:
    """The date of each text in its group's order, else in the other one; and how sure the order is."""
    share = day_first[np.maximum(taken.group, 0)]
    leading = share >= 0.5
    day, month = np.where(leading, taken.a, taken.b), np.where(leading, taken.b, taken.a)
    days = _dates(taken.year, month, day)
    turned = np.isnat(days) & (taken.group > 0)
    days[turned] = _dates(taken.year[turned], day[turned], month[turned])
    days[taken.group < 0] = np.datetime64("NaT")
    sure = np.where(taken.open, np.maximum(share, 1 - share), 1.0)
    return days.astype("datetime64[s]"), np.where(np.isnat(days), 0.0, sure)


def _dates(year: Ints, month: Ints, day: Ints) -> npt.NDArray[np.datetime64]:
    """Dates; NaT where there is none."""
    may_be = (year >= 1) & (month >= 1) & (month <= 12) & (day >= 1) & (day <= 31)
    months = ((np.where(may_be, year, 1970) - 1970) * 12 + np.where(may_be, month, 1) - 1).astype("datetime64[M]")
    days = months.astype("datetime64[D]") + (np.where(may_be, day, 1) - 1)
    days[~may_be | (days.astype("datetime64[M]") != months)] = np.datetime64("NaT")
    return np.asarray(days)


@compiled
def _read(letters: npt.NDArray[np.uint32], length: Ints, pivot: int, parts: Ints) -> None:
    """Year, both numbers and group of texts that are digits and two equal separators, or eight digits.

    letters: (n, WIDTH) code points. parts: (4, n); its last row stays as it is where the text is another one.
    """
    number = np.zeros(3, dtype=np.int64)
    digits = np.zeros(3, dtype=np.int64)
    for row in range(letters.shape[0]):
        size = length[row]
        if size < 6 or size > letters.shape[1]:
            continue
        number[:] = 0
        digits[:] = 0
        run, separator, plain = 0, 0, True
        for place in range(size):
            letter = letters[row, place]
            if 48 <= letter <= 57:
                number[run] = number[run] * 10 + (letter - 48)
                digits[run] += 1
            elif run < 2 and digits[run] > 0 and (run == 0 or letter == separator):
                run += 1
                separator = letter
            else:
                plain = False
                break
        if not plain:
            continue
        if run == 0 and size == 8:
            year, month, day = number[0] // 10000, number[0] // 100 % 100, number[0] % 100
            if 1800 <= year < 2100 and 1 <= month <= 12 and 1 <= day <= 31:
                parts[0, row], parts[1, row], parts[2, row], parts[3, row] = year, day, month, 0
            continue
        kind = 0
        if separator == 45:
            kind = 1
        elif separator == 47:
            kind = 3
        elif separator == 46:
            kind = 5
        elif separator == 32:
            kind = 7
        if run != 2 or kind == 0 or digits[1] > 2:
            continue
        if digits[0] == 4 and 1 <= digits[2] <= 2:
            parts[0, row], parts[1, row], parts[2, row], parts[3, row] = number[0], number[2], number[1], 0
        elif digits[0] <= 2 and (digits[2] == 4 or digits[2] == 2):
            year = number[2]
            if digits[2] == 2:
                year += 2000 if year <= pivot else 1900
            parts[0, row], parts[1, row], parts[2, row] = year, number[0], number[1]
            parts[3, row] = kind + (1 if digits[2] == 4 else 0)
