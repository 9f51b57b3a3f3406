"""From a batch of text to numeric process rows in time order, and back to words a steward reads.

Rows are ordered by date within a customer where customers have enough rows each, else over the whole source.
A number becomes its signed logarithm (amounts spread over powers of ten), a category one column a frequent
value, a date the days since the row before and to the row's other dates.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Self

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.contract import Batch
from detectors.roles import Role

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

DATE_ROLES = (Role.DATE, Role.CREATED_AT, Role.CLOSED_AT, Role.UPDATED_AT)
NUMBER_ROLES = (Role.AMOUNT, Role.QUANTITY, Role.PROBABILITY, Role.NUMBER)
CATEGORY_ROLES = (Role.STAGE, Role.STATUS, Role.REASON, Role.CURRENCY, Role.CATEGORY)
DEAL_ROLES = (Role.AMOUNT, Role.QUANTITY, Role.PROBABILITY, Role.STAGE)
"""A table of people has dates too, but the order in which they were entered is no process."""
CUSTOMER_ROLES = (Role.ACCOUNT_REF, Role.CONTACT_REF)

ROWS_EACH = 4
"""Customers' own histories are used where the median customer with more than one row has at least this many."""

MOST_LEVELS = 12
GAP = "days since the row before"
_BLANK, _OTHER = "(blank)", "(other)"
_NUMBER = re.compile(r"[-+]?\d[\d.,' \u00a0\u202f]*(?:e[-+]?\d{1,3})?", re.IGNORECASE)
_MOST_CHARACTERS = 64


@dataclass(frozen=True, slots=True)
class Process:
    """A batch's dated rows in process order.

    ids: (n,) record ids. starts: (n,) True at the first row of each customer (of the source: the first row).
    frame: the rows' text, in that order. days: (n,) days since the row before, NaN at a start.
    dates: date column -> (n,) days since 1970, NaN where missing. dated_by: the column that orders.
    """

    ids: Ints
    starts: npt.NDArray[np.bool_]
    frame: pd.DataFrame
    days: Floats
    dates: Mapping[str, Floats]
    dated_by: str
    roles: Mapping[str, Role]

    def __len__(self) -> int:
        return len(self.ids)


def process_of(batch: Batch) -> Process | None:
    """The batch as a process; None without a date column or a dated row.

    The date column with the most readable dates orders; ties of date by record id, so that the order of the
    batch's rows does not matter.
    """
    dates = {name: parse_dates(batch.frame[name]) for name in batch.columns(*DATE_ROLES)}
    readable = {name: int(np.isfinite(days).sum()) for name, days in dates.items()}
    if not any(readable.values()):
        return None
    dated_by = max(readable, key=lambda name: readable[name])
    customer = _customers(batch)
    ids = batch.frame.index.to_numpy(dtype=np.int64)
    order = np.lexsort((ids, dates[dated_by], customer))
    order = order[np.isfinite(dates[dated_by][order])]
    when = dates[dated_by][order]
    starts = np.diff(customer[order], prepend=-1) != 0
    days = np.where(starts, np.nan, np.diff(when, prepend=np.nan))
    return Process(
        ids=ids[order],
        starts=starts,
        frame=batch.frame.iloc[order],
        days=days,
        dates={name: values[order] for name, values in dates.items()},
        dated_by=dated_by,
        roles=batch.roles,
    )


def _customers(batch: Batch) -> Ints:
    """A number a customer, (n,); all 0 where customers have too few rows for a history of their own."""
    for name in batch.columns(*CUSTOMER_ROLES):
        keys = batch.frame[name]
        # Numbered by their text, not by their first row: the order of the rows must not matter.
        codes = pd.Categorical(keys).codes.astype(np.int64) + 1
        counts = np.bincount(codes)[1:]
        repeated = counts[counts > 1]
        if len(repeated) > 1 and np.median(repeated) >= ROWS_EACH:
            return np.asarray(codes, dtype=np.int64)
    return np.zeros(len(batch), dtype=np.int64)


def parse_dates(cells: pd.Series) -> Floats:
    """Days since 1970 of ISO dates and times, then of other unambiguous ones; NaN where unreadable, (n,)."""
    text = cells.where(cells.notna(), None).astype(object).map(_short)
    moments = pd.to_datetime(text, format="ISO8601", errors="coerce", utc=True)
    rest = text[moments.isna() & text.notna()]
    if len(rest):
        for pattern in ("%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%Y/%m/%d"):
            found = pd.to_datetime(rest, format=pattern, errors="coerce", utc=True)
            moments = moments.fillna(found)
            rest = rest[found.isna()]
    days = (moments - pd.Timestamp("1970-01-01", tz="UTC").as_unit("s")) / pd.Timedelta(1, "D").as_unit("s")
    return np.asarray(days, dtype=np.float64)


def parse_numbers(cells: pd.Series) -> Floats:
    """Numbers with or without currency signs and thousands separators; NaN where there is none, (n,)."""
    plain = pd.to_numeric(cells.where(cells.notna(), None), errors="coerce").to_numpy(dtype=np.float64).copy()
    for place in np.flatnonzero(~np.isfinite(plain) & cells.notna().to_numpy()):
        plain[place] = _number(cells.iloc[place])
    return np.where(np.abs(plain) < 1e100, plain, np.nan)


def _number(cell: Any) -> float:
    match = _NUMBER.search(str(cell)) if len(str(cell)) <= _MOST_CHARACTERS else None
    if match is None:
        return np.nan
    digits = re.sub(r"[' \u00a0\u202f]", "", match.group()).rstrip(".,")
    if digits.rfind(",") > digits.rfind("."):
        # "1.234,50" and "12,5" have a decimal comma, "1,234" a thousands comma.
        decimal = "." in digits or not re.search(r",\d{3}$", digits)
        digits = digits.replace(".", "").replace(",", "." if decimal else "")
    try:
        return float(digits.replace(",", ""))
    except ValueError:
        return np.nan


def _short(cell: Any) -> str | None:
    text = None if cell is None else str(cell).strip()
    return text if text and len(text) <= _MOST_CHARACTERS else None


@dataclass(frozen=True, slots=True)
class Encoding:
    """Which columns become which numbers, as learned from one process.

    numbers: source column -> its median (of the signed logarithm), for missing values.
    gaps: GAP and other date columns -> their median, likewise.
    levels: category column -> its frequent values, then _OTHER.
    """

    numbers: Mapping[str, float]
    gaps: Mapping[str, float]
    levels: Mapping[str, tuple[str, ...]]

    @classmethod
    def of(cls, process: Process) -> Self:
        """The encoding of a process; columns that never vary are left out."""
        columns = [name for name in process.frame.columns if name in process.roles]
        numbers = {
            name: signed_log(parse_numbers(process.frame[name]))
            for name in columns
            if process.roles[name] in NUMBER_ROLES
        }
        gaps = {name: _gap(process, name) for name in (GAP, *process.dates) if name != process.dated_by}
        levels = {name: _levels(process.frame[name]) for name in columns if process.roles[name] in CATEGORY_ROLES}
        return cls(
            {name: float(np.nanmedian(values)) for name, values in numbers.items() if _varies(values)},
            {name: float(np.nanmedian(values)) for name, values in gaps.items() if _varies(values)},
            {name: kept for name, kept in levels.items() if len(kept) > 1},
        )

    @property
    def columns(self) -> tuple[str, ...]:
        """What a score is explained by: numbers, gaps, then categories."""
        return (*self.numbers, *self.gaps, *self.levels)

    @property
    def numeric(self) -> int:
        """How many leading features are numbers or gaps."""
        return len(self.numbers) + len(self.gaps)

    def blocks(self) -> list[slice]:
        """The features of each category, in the order of `levels`."""
        ends = np.cumsum([self.numeric, *(len(kept) for kept in self.levels.values())]).tolist()
        return [slice(start, end) for start, end in pairwise(ends)]

    def encode(self, process: Process) -> Floats:
        """The process as numbers, (n, features)."""
        parts = [
            np.nan_to_num(signed_log(parse_numbers(_column(process, name))), nan=middle)
            for name, middle in self.numbers.items()
        ]
        parts += [np.nan_to_num(_gap(process, name), nan=middle) for name, middle in self.gaps.items()]
        rows = np.stack(parts, axis=1) if parts else np.zeros((len(process), 0))
        return np.concatenate([rows, *(self._one_hot(process, name) for name in self.levels)], axis=1)

    def _one_hot(self, process: Process, name: str) -> Floats:
        kept = self.levels[name]
        place = {level: number for number, level in enumerate(kept)}
        codes = _words(_column(process, name)).map(lambda word: place.get(word, len(kept) - 1)).to_numpy()
        return np.asarray(codes[:, None] == np.arange(len(kept)), dtype=np.float64)

    def to_json(self) -> dict[str, Any]:
        """Plain values for a file."""
        return {
            "numbers": dict(self.numbers),
            "gaps": dict(self.gaps),
            "levels": {name: list(kept) for name, kept in self.levels.items()},
        }

    @classmethod
    def from_json(cls, plain: Mapping[str, Any]) -> Self:
        """What `to_json` gave. Raises KeyError, TypeError or ValueError for anything else."""
        return cls(
            {str(name): float(value) for name, value in plain["numbers"].items()},
            {str(name): float(value) for name, value in plain["gaps"].items()},
            {str(name): tuple(map(str, kept)) for name, kept in plain["levels"].items()},
        )


def signed_log(values: Floats) -> Floats:
    """log(1 + |x|) with x's sign: near-linear at 0, logarithmic beyond."""
    return np.asarray(np.sign(values) * np.log1p(np.abs(values)), dtype=np.float64)


def undo_signed_log(values: Floats) -> Floats:
    """The inverse of `signed_log`; values that no double holds are cut at 1e100."""
    return np.asarray(np.sign(values) * np.expm1(np.minimum(np.abs(values), 230.0)), dtype=np.float64)


def _gap(process: Process, name: str) -> Floats:
    if name == GAP:
        return signed_log(process.days)
    other = process.dates.get(name)
    if other is None:
        return np.full(len(process), np.nan)
    return signed_log(other - process.dates[process.dated_by])


def _column(process: Process, name: str) -> pd.Series:
    if name in process.frame.columns:
        return process.frame[name]
    return pd.Series([None] * len(process), index=process.frame.index, dtype=object)


def _words(cells: pd.Series) -> pd.Series:
    """Category text, shortened and stripped; blank cells are a value of their own."""
    return cells.map(lambda cell: (str(cell).strip()[:_MOST_CHARACTERS] if pd.notna(cell) else "") or _BLANK)


def _levels(cells: pd.Series) -> tuple[str, ...]:
    """The values that at least one row in a hundred has, at most MOST_LEVELS, by name; then _OTHER."""
    counts = _words(cells).value_counts()
    frequent: Sequence[str] = list(counts[counts >= max(2, len(cells) / 100)].sort_index(kind="stable").index)
    if len(frequent) > MOST_LEVELS:
        frequent = sorted(counts.loc[frequent].sort_values(ascending=False, kind="stable").index[:MOST_LEVELS])
    return (*frequent, _OTHER) if frequent else ()


def _varies(values: Floats) -> bool:
    known = values[np.isfinite(values)]
    return len(known) > 1 and float(known.max() - known.min()) > 1e-9
