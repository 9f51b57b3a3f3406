"""The columns of a table as rules read them: an Arrow column each, made once, and numbers or days at need."""

from __future__ import annotations

import re
from collections.abc import Collection, Mapping
from datetime import date
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from detectors.formats import numbers
from detectors.formats.date_columns import read_dates
from detectors.missing_values import missing_texts

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]
Days = npt.NDArray[np.datetime64]

FEW = 64
"""Fewer rows than this are asked in Python: compiling an expression costs more than it saves."""


class Cells:
    """One column, read once for all rules of a check. values: (n,) text or missing, as pandas or polars holds it."""

    def __init__(self, values: pd.Series | pl.Series) -> None:
        self._given = values

    def __len__(self) -> int:
        return len(self._given)

    @cached_property
    def text(self) -> pl.Series:
        """(n,) the cells as an Arrow column."""
        if isinstance(self._given, pl.Series):
            return self._given
        cells = self._given.to_numpy(dtype=object)
        gaps = cells != cells  # NaN; None is equal to itself, and taken as it is
        if gaps.any():
            cells = np.where(gaps, None, cells)
        return pl.Series(cells.tolist(), dtype=pl.String)

    @cached_property
    def series(self) -> pd.Series:
        """(n,) the cells as pandas holds them."""
        return self._given if isinstance(self._given, pd.Series) else pd.Series(self._given.to_list(), dtype=object)

    @cached_property
    def stripped(self) -> pl.Series:
        """(n,) the cells without white space around them."""
        return self.text.str.strip_chars()

    def matches(self, pattern: str) -> Bools:
        """(n,) whether the text is there and matches the regular expression as a whole.

        Rust's engine takes most expressions, and is linear; what it does not know (looking around, back
        references) is asked of Python's, and so are a few rows.
        """
        if len(self) > FEW:
            try:
                return mask(self.text.str.contains(rf"\A(?:{pattern})\z"))
            except pl.exceptions.ComputeError:
                pass
        found = re.compile(pattern).fullmatch
        return np.array([value is not None and found(value) is not None for value in self.text.to_list()], np.bool_)

    def is_in(self, values: Collection[str] | pl.Series) -> Bools:
        """(n,) whether the text, stripped, is there and one of these."""
        known = (values if isinstance(values, pl.Series) else pl.Series(list(values), dtype=pl.String)).implode()
        found = self.text.is_in(known)
        if found.all():
            return mask(found)
        others = np.flatnonzero(~mask(found))
        answer = mask(found).copy()
        answer[others] = mask(self.text.gather(others).str.strip_chars().is_in(known))
        return answer

    @cached_property
    def filled(self) -> Bools:
        """(n,) whether a cell holds a value (see `detectors.missing_values`)."""
        return ~missing_texts(self.text)

    @cached_property
    def number(self) -> Floats:
        """(n,) the number in the text; NaN where there is none. Plain digits are read at once."""
        plain = self.text.cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
        unread = np.flatnonzero(~np.isfinite(plain) & self.filled)
        if len(unread):
            codes, texts = pd.factorize(self.text.gather(unread).str.strip_chars().to_numpy())
            plain[unread] = np.array([_number(str(text)) for text in texts], np.float64)[codes]
        return np.asarray(plain, dtype=np.float64)

    @cached_property
    def day(self) -> Days:
        """(n,) the date in the text, its order decided by the column; NaT where there is none."""
        return np.asarray(read_dates(self.series)["date"].to_numpy(dtype="datetime64[s]"))

    @cached_property
    def length(self) -> Floats:
        """(n,) characters of the text without white space around it; NaN where blank."""
        count = self.stripped.str.len_chars().cast(pl.Float64).fill_null(np.nan).to_numpy().copy()
        count[~self.filled] = np.nan
        return np.asarray(count, dtype=np.float64)

    @cached_property
    def is_repeated(self) -> Bools:
        """(n,) whether another row holds the same text. Missing cells count as equal: leave them out by `filled`.

        Only rows whose hash occurs twice are compared, so that a column of distinct keys is sorted, not stored.
        """
        return repeated(self.text.to_frame("0"))


def repeated(keys: pl.DataFrame) -> Bools:
    """(n,) which rows of a frame occur more than once."""
    hashes = keys.hash_rows().to_numpy()
    ordered = np.sort(hashes)
    twice = ordered[1:][ordered[1:] == ordered[:-1]]
    found = np.zeros(len(hashes), dtype=np.bool_)
    if len(twice):
        suspects = np.flatnonzero(np.isin(hashes, twice))
        found[suspects] = ~keys[suspects].is_unique().to_numpy()
    return found


def mask(series: pl.Series) -> Bools:
    """A column of true, false and null as bools; null is False."""
    return np.asarray(series.fill_null(False).to_numpy(), dtype=np.bool_)


def _number(text: str) -> float:
    reading = numbers.read(text)
    return float(reading.value) if reading is not None else float("nan")


class Table:
    """The columns of a frame, each read once.

    frame: text cells, of pandas or polars. today: the day that freshness counts from.
    keys: kind of record -> the external ids there are of it, for references; a kind that is not named is not judged.
    """

    def __init__(
        self, frame: pd.DataFrame | pl.DataFrame, today: date, keys: Mapping[str, pl.Series] | None = None
    ) -> None:
        self.frame = frame
        self.today = today
        self.keys = keys or {}
        self._cells: dict[str, Cells] = {}

    def __len__(self) -> int:
        return len(self.frame)

    def cells(self, name: str) -> Cells:
        """One column; a column that is not there is all missing."""
        if name not in self._cells:
            there = name in self.frame.columns
            column = self.frame[name] if there else pl.Series([None] * len(self), dtype=pl.String)
            self._cells[name] = Cells(column)
        return self._cells[name]
