"""A table of text cells read once: which column is a number, a date or a category, and by what it can be looked up."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.missing_values import is_missing
from detectors.prediction.engine.given_names import usual_gender
from detectors.roles import Role, ValueType

Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]
Bools = npt.NDArray[np.bool_]

READABLE = 0.98
"""A column is a number (date) if this share of its filled rows reads as one; strays are then missing."""

BINS = 32
"""A number with more distinct values than this is also looked up by its quantile bin."""

MANY = 64
"""A category of more distinct values than this is also looked up by parts of its text."""

_NUMBER = re.compile(r"[$€£¥₹]?\s*([+-]?\d{1,3}(?:,\d{3})*(?:\.\d+)?|[+-]?\d+(?:\.\d+)?)\s*[%$€£¥₹]?")
_DATED = re.compile(r"\s*\d{4}-\d\d-\d\d")
_ZERO_LED = re.compile(r"[+-]?0\d")


class Kind(StrEnum):
    """How a column is read."""

    NUMBER = "number"
    DATE = "date"
    CATEGORY = "category"


@dataclass(frozen=True)
class Column:
    """One column of a table.

    codes: (n_rows,) position in `values`, most frequent first; -1 where missing.
    values: the distinct texts as the source writes them.
    numbers: (n_rows,) the numeric reading, days for a date; NaN where missing. None for a category.
    """

    name: str
    kind: Kind
    codes: Ints
    values: list[str]
    numbers: Floats | None = None
    role: Role | None = None

    @cached_property
    def counts(self) -> Ints:
        """(n_values,) how many rows hold each value."""
        return np.bincount(self.codes[self.codes >= 0], minlength=len(self.values))

    @property
    def filled(self) -> int:
        """Rows that hold a value."""
        return int(self.counts.sum())

    @cached_property
    def repeated(self) -> int:
        """Rows whose value another row holds too."""
        return int(self.counts[self.counts > 1].sum())

    @cached_property
    def feature(self) -> Floats:
        """(n_rows,) the column as a feature of a tree: the number, or the value's frequency rank; NaN = missing."""
        if self.numbers is not None:
            return self.numbers
        return np.where(self.codes < 0, np.nan, self.codes).astype(float)

    def without(self, hidden: Mapping[str, Bools]) -> Column:
        """The same with the rows blank in which this column is hidden; hidden: column -> (n_rows,)."""
        if self.name not in hidden:
            return self
        gone = hidden[self.name]
        numbers = None if self.numbers is None else np.where(gone, np.nan, self.numbers)
        return replace(self, codes=np.where(gone, -1, self.codes), numbers=numbers)


@dataclass(frozen=True)
class Key:
    """Something rows can be looked up by: a column's value, its bin, or a part of its text.

    codes: (n_rows,) group of each row; -1 where the row has none.
    label: as a steward reads it ("City", "first letters of ZIP").
    columns: the columns it is made from.
    """

    label: str
    columns: tuple[str, ...]
    codes: Ints
    size: int


def read_column(series: pd.Series, role: Role | None = None) -> Column:
    """Read a column of text cells; blanks and placeholders are missing."""
    filled = series.astype(object).mask(is_missing(series), None)
    found, distinct = pd.factorize(filled)
    counts = np.bincount(found[found >= 0], minlength=len(distinct))
    texts = [str(value) for value in distinct]
    order = np.array(sorted(range(len(texts)), key=lambda place: (-counts[place], texts[place])), dtype=np.int64)
    rank = np.empty(len(texts) + 1, dtype=np.int64)
    rank[order], rank[-1] = np.arange(len(texts)), -1
    values = [texts[place] for place in order]
    codes = rank[found]
    kind, readings = _reading(values, counts[order], role)
    numbers = None if readings is None else np.append(readings, np.nan)[codes]
    return Column(str(series.name), kind, codes, values, numbers, role)


def read_table(frame: pd.DataFrame, roles: Mapping[str, Role] | None = None) -> dict[str, Column]:
    """Every column of a frame of text cells, in its order; of two columns of one name, the first."""
    roles = roles or {}
    columns: dict[str, Column] = {}
    for place, name in enumerate(frame.columns):
        if name not in columns:
            columns[name] = read_column(frame.iloc[:, place], roles.get(name))
    return columns


def keys_of(column: Column) -> list[Key]:
    """What a column's rows can be looked up by, coarse and fine; a column without repeated values gives parts only."""
    keys = []
    normal = [" ".join(value.lower().split()) for value in column.values]
    if column.repeated:
        keys.append(_key(column, column.name, normal))
    if column.kind is not Kind.CATEGORY:
        keys += _bins(column)
    elif len(column.values) > MANY:
        keys += [_key(column, label.format(column.name), parts) for label, parts in _parts(normal, column.role)]
    return [key for key in keys if key.size > 1]


def pair_of(left: Key, right: Key) -> Key:
    """The key of two keys together."""
    both = np.where((left.codes < 0) | (right.codes < 0), -1, left.codes * right.size + right.codes)
    codes, distinct = pd.factorize(pd.Series(both).where(both >= 0))
    return Key(f"{left.label} + {right.label}", left.columns + right.columns, codes.astype(np.int64), len(distinct))


def read_number(text: str) -> float:
    """The number a cell says ("1,234.50", "$ 12", "40 %"); NaN if it is none, or a code with a leading zero."""
    text = text.strip()
    if _ZERO_LED.match(text):
        return np.nan
    try:
        number = float(text)
    except ValueError:
        match = _NUMBER.fullmatch(text)
        number = float(match.group(1).replace(",", "")) if match else np.nan
    return number if np.isfinite(number) else np.nan


def _reading(values: list[str], counts: Ints, role: Role | None) -> tuple[Kind, Floats | None]:
    """The kind of a column and the number of each distinct value."""
    if not values or (role is not None and role.value_type in (ValueType.KEY, ValueType.CATEGORY)):
        return Kind.CATEGORY, None
    wanted = READABLE * counts.sum()
    numbers = np.array([read_number(value) for value in values[:200]])
    if np.isfinite(numbers).mean() > READABLE / 2:
        numbers = np.array([read_number(value) for value in values])
        if counts[np.isfinite(numbers)].sum() >= wanted:
            return Kind.NUMBER, numbers
    if sum(any(letter.isdigit() for letter in value) for value in values[:50]) < 40 and len(values) >= 50:
        return Kind.CATEGORY, None
    days = days_of(values)
    if counts[np.isfinite(days)].sum() >= wanted:
        return Kind.DATE, days
    return Kind.CATEGORY, None


def days_of(values: list[str]) -> Floats:
    """Days since 1970 of ISO dates; NaN for other text. Other date orders are the formats detector's to mend."""
    dated = [value if _DATED.match(value) else None for value in values]
    moments = pd.to_datetime(pd.Series(dated, dtype=object), format="ISO8601", errors="coerce", utc=True)
    seconds = moments.dt.tz_localize(None).to_numpy().astype("datetime64[s]").astype(np.int64)
    return np.where(moments.isna(), np.nan, seconds / 86_400)


def _key(column: Column, label: str, parts: list[str]) -> Key:
    """Group rows by one text a distinct value; "" is no group."""
    of_value, distinct = pd.factorize(pd.Series(parts, dtype=object).mask(lambda part: part == "", None))
    codes = np.append(of_value, -1).astype(np.int64)[column.codes]
    return Key(label, (column.name,), codes, len(distinct))


def _bins(column: Column) -> list[Key]:
    """A number by quantile bins, fine and coarse."""
    numbers = column.numbers
    if numbers is None or len(column.values) <= BINS:
        return []
    keys = []
    for bins in (BINS, BINS // 4):
        edges = np.unique(np.nanquantile(numbers, np.linspace(0, 1, bins + 1)[1:-1]))
        codes = np.where(np.isnan(numbers), -1, np.searchsorted(edges, numbers, side="left"))
        keys.append(Key(f"{column.name} in {bins} steps", (column.name,), codes.astype(np.int64), len(edges) + 1))
    return keys


def _parts(texts: list[str], role: Role | None) -> list[tuple[str, list[str]]]:
    """Parts of text that often carry the meaning: domain, area code, first and last letters and words."""
    if role is Role.EMAIL or sum("@" in text for text in texts) > len(texts) / 2:
        return [("domain of {}", [text.rpartition("@")[2] for text in texts])]
    if role in (Role.PHONE, Role.FAX):
        return [("area code of {}", [area_code(text) for text in texts])]
    ends = [("first letter of {}", slice(1)), ("first 3 letters of {}", slice(3))]
    ends += [("last letter of {}", slice(-1, None)), ("last 2 letters of {}", slice(-2, None))]
    ends += [("last 3 letters of {}", slice(-3, None))]
    parts = [(label, [text[end] for text in texts]) for label, end in ends]
    if role is Role.GIVEN_NAME:
        parts.append(("usual gender of {}", [usual_gender(text) for text in texts]))
    words = [text.split() for text in texts]
    if sum(len(each) > 1 for each in words) > len(words) / 10:
        parts.append(("first word of {}", [each[0] if each else "" for each in words]))
        parts.append(("last word of {}", [each[-1] if each else "" for each in words]))
    return parts


def area_code(phone: str) -> str:
    """The digits that locate a number: country code and area of an international one, else the leading three."""
    digits = "".join(letter for letter in phone if letter.isdigit())
    if phone.lstrip().startswith("+") or digits.startswith("00"):
        digits = digits.removeprefix("00")
        return f"+{digits[:4]}"
    if len(digits) == 11 and digits[0] == "1":
        digits = digits[1:]
    return digits[:3] if len(digits) >= 6 else ""
