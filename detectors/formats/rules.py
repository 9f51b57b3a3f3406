"""Rules that an admin sets: required, type, range, set, pattern, cross-field, unique, fresh.

A rule is data (see `Rule.config` and `rule_of`), so it can be stored, shown on a page and replayed on the next import.
`check` answers every rule with a fraction and the rows that fail it; `check_record` asks the same of one record.

Each column is turned into an Arrow string column once, and regular expressions, sets and numbers run over it in
compiled code. Tried first and rejected: a mask of distinct values in Python, quick where values repeat but slower
than pandas on keys and e-mails, which do not.
"""

from __future__ import annotations

import operator
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from datetime import date
from functools import cached_property
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from detectors.formats import numbers
from detectors.formats.column import Bools
from detectors.formats.dates import read_dates
from detectors.formats.placeholders import PLACEHOLDERS
from detectors.formats.validity import valid_mask
from detectors.roles import Role

Floats = npt.NDArray[np.float64]

_FEW = 64


class Cells:
    """One column, read once for all rules of a check. series: (n,) text or missing."""

    def __init__(self, series: pd.Series) -> None:
        self.series = series
        values = series.to_numpy(dtype=object, copy=True)
        values[pd.isna(values)] = None
        self.values = values

    @cached_property
    def text(self) -> pl.Series:
        """(n,) the cells as an Arrow column."""
        return pl.Series(self.values.tolist(), dtype=pl.String, strict=False)

    def matches(self, pattern: str) -> Bools:
        """(n,) whether the text is there and matches the regular expression as a whole.

        Rust's engine takes most expressions, and is linear; what it does not know (looking around, back
        references) is asked of Python's, and so are a few rows, for which compiling costs more than it saves.
        """
        if len(self.values) > _FEW:
            try:
                return _mask(self.text.str.contains(rf"\A(?:{pattern})\z"))
            except pl.exceptions.ComputeError:
                pass
        found = re.compile(pattern).fullmatch
        return np.array([value is not None and found(value) is not None for value in self.values], dtype=np.bool_)

    def is_in(self, values: Collection[str]) -> Bools:
        """(n,) whether the text is there and one of these."""
        if len(self.values) <= _FEW:
            return np.array([value in values for value in self.values], dtype=np.bool_)
        return _mask(self.text.is_in(list(values)))

    @cached_property
    def filled(self) -> Bools:
        """(n,) neither missing, blank nor a placeholder."""
        there = np.asarray(~pd.isna(self.values), dtype=np.bool_)
        return there & ~self.matches(rf"\s*(?:{PLACEHOLDERS})?\s*")

    @cached_property
    def number(self) -> Floats:
        """(n,) the number in the text; NaN where there is none. Plain digits are read at once."""
        plain = np.full(len(self.values), np.nan)
        if len(self.values) > _FEW:
            plain = self.text.str.strip_chars().cast(pl.Float64, strict=False).fill_null(np.nan).to_numpy().copy()
        unread = np.flatnonzero(np.isnan(plain) & self.filled)
        plain[unread] = [_number(text) for text in self.values[unread]]
        return plain

    @cached_property
    def day(self) -> npt.NDArray[np.datetime64]:
        """(n,) the date in the text, its order decided by the column; NaT where there is none."""
        return np.asarray(read_dates(self.series)["date"].to_numpy(dtype="datetime64[s]"))


def _mask(series: pl.Series) -> Bools:
    return np.asarray(series.fill_null(False).to_numpy(), dtype=np.bool_)


def _number(text: str) -> float:
    reading = numbers.read(text)
    return float(reading.value) if reading is not None else float("nan")


class Table:
    """The columns of a frame, each read once. today: the day that freshness counts from."""

    def __init__(self, frame: pd.DataFrame, today: date) -> None:
        self.frame = frame
        self.today = today
        self._cells: dict[str, Cells] = {}

    def cells(self, name: str) -> Cells:
        """One column; a column that is not there is all missing."""
        if name not in self._cells:
            there = name in self.frame.columns
            series = self.frame[name] if there else pd.Series(None, index=self.frame.index, dtype=object)
            self._cells[name] = Cells(series)
        return self._cells[name]


Verdict = tuple[Bools, Bools]
"""(n,) to which rows the rule applies, and (n,) which rows keep it."""


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """One thing that must hold. name: unique among an admin's rules; shown with its failing rows."""

    name: str
    kind: ClassVar[str]

    @abstractmethod
    def judge(self, table: Table) -> Verdict:
        """Which rows it applies to, and which keep it. Blank cells are left to `Required`."""

    def config(self) -> dict[str, Any]:
        """The rule as plain JSON values, for `rule_of`."""
        return {"kind": self.kind, **asdict(self)}


@dataclass(frozen=True, kw_only=True)
class Required(Rule):
    """The field is filled. where, equals: only in rows whose field `where` holds one of `equals`."""

    field: str
    where: str = ""
    equals: tuple[str, ...] = ()
    kind: ClassVar[str] = "required"

    def judge(self, table: Table) -> Verdict:
        filled = table.cells(self.field).filled
        applies = np.ones(len(filled), dtype=np.bool_)
        if self.where:
            applies = table.cells(self.where).is_in(self.equals)
        return applies, filled


@dataclass(frozen=True, kw_only=True)
class OfType(Rule):
    """What is filled is valid for a role ("email", "phone", "date" ...). country: the field that decides phones."""

    field: str
    role: str
    country: str = ""
    kind: ClassVar[str] = "type"

    def judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        country = table.cells(self.country).series if self.country else None
        return cells.filled, valid_mask(Role(self.role), cells.series, country).to_numpy()


@dataclass(frozen=True, kw_only=True)
class InRange(Rule):
    """What is filled is a number from low to high, both included; None leaves that end open."""

    field: str
    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "range"

    def judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        return cells.filled, (cells.number >= low) & (cells.number <= high)


@dataclass(frozen=True, kw_only=True)
class OneOf(Rule):
    """What is filled is one of these values, exactly."""

    field: str
    values: tuple[str, ...]
    kind: ClassVar[str] = "set"

    def judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        return cells.filled, cells.is_in(self.values)


@dataclass(frozen=True, kw_only=True)
class Matches(Rule):
    """What is filled matches the regular expression as a whole. Raises re.error where it is none."""

    field: str
    pattern: str
    kind: ClassVar[str] = "pattern"

    def __post_init__(self) -> None:
        re.compile(self.pattern)

    def judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        return cells.filled, cells.matches(self.pattern)


_COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}


@dataclass(frozen=True, kw_only=True)
class Compares(Rule):
    """Two filled fields stand in this relation, as numbers, dates or texts ("closed_at" >= "created_at").

    Rows in which one of the two cannot be read as such fail.
    """

    field: str
    relation: str
    other: str
    read_as: str = "number"
    kind: ClassVar[str] = "cross-field"

    def __post_init__(self) -> None:
        if self.relation not in _COMPARE or self.read_as not in {"number", "date", "text"}:
            raise ValueError(f"{self.name}: unknown relation {self.relation!r} or type {self.read_as!r}")

    def judge(self, table: Table) -> Verdict:
        one, other = table.cells(self.field), table.cells(self.other)
        applies = one.filled & other.filled
        kept = np.zeros(len(applies), dtype=np.bool_)
        compare = _COMPARE[self.relation]
        if self.read_as == "text":
            kept[applies] = compare(one.values[applies], other.values[applies])
        elif self.read_as == "date":
            read = ~(np.isnat(one.day) | np.isnat(other.day))
            kept = read & compare(one.day, other.day)
        else:
            read = ~(np.isnan(one.number) | np.isnan(other.number))
            kept = read & compare(one.number, other.number)
        return applies, kept


@dataclass(frozen=True, kw_only=True)
class Unique(Rule):
    """No two rows hold the same in all of these fields; rows with a blank among them are left out."""

    fields: tuple[str, ...]
    kind: ClassVar[str] = "unique"

    def judge(self, table: Table) -> Verdict:
        applies = np.ones(len(table.frame), dtype=np.bool_)
        for name in self.fields:
            applies &= table.cells(name).filled
        if len(applies) < 2:
            return applies, np.ones(len(applies), dtype=np.bool_)
        keys = pl.DataFrame([table.cells(name).text.alias(str(at)) for at, name in enumerate(self.fields)])
        kept = np.ones(len(applies), dtype=np.bool_)
        kept[applies] = keys.filter(pl.Series(applies)).is_unique().to_numpy()
        return applies, kept


@dataclass(frozen=True, kw_only=True)
class Fresh(Rule):
    """The date is at most this many days ago, and not in the future."""

    field: str
    days: int
    kind: ClassVar[str] = "freshness"

    def judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        today = np.datetime64(table.today)
        oldest = today - np.timedelta64(self.days, "D")
        return cells.filled, (cells.day >= oldest) & (cells.day < today + np.timedelta64(1, "D"))


_KINDS: Mapping[str, type[Rule]] = {
    rule.kind: rule for rule in (Required, OfType, InRange, OneOf, Matches, Compares, Unique, Fresh)
}


def rule_of(config: Mapping[str, Any]) -> Rule:
    """The rule that `Rule.config` described. Raises ValueError that says what is wrong with it."""
    kind = str(config.get("kind"))
    if kind not in _KINDS:
        raise ValueError(f"no rule of kind {kind!r}; there are {', '.join(_KINDS)}")
    known = {one.name for one in fields(_KINDS[kind])}
    unknown = set(config) - known - {"kind"}
    if unknown:
        raise ValueError(f"{kind}: no setting {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    given: dict[str, Any] = {name: tuple(value) if isinstance(value, list) else value for name, value in config.items()}
    given.pop("kind")
    try:
        return _KINDS[kind](**given)
    except (TypeError, re.error) as error:
        raise ValueError(f"{kind}: {error}") from error


@dataclass(frozen=True)
class Result:
    """What a rule found: numerator of denominator rows keep it.

    failing: record ids of the rows that do not. keys: the same rows by the source's own key, if one was named.
    """

    rule: Rule
    numerator: int
    denominator: int
    failing: pd.Index
    keys: tuple[str | None, ...] = ()

    @property
    def share(self) -> float | None:
        """numerator / denominator; None where the rule applies to no row."""
        return self.numerator / self.denominator if self.denominator else None


def check(frame: pd.DataFrame, rules: Sequence[Rule], *, key: str = "", today: date | None = None) -> list[Result]:
    """Every rule over the whole frame of text cells; the index holds the record ids.

    key: a column whose values name the failing rows to the people of the source. today: for freshness.
    """
    table = Table(frame, today or date.today())
    results = []
    for rule in rules:
        applies, kept = rule.judge(table)
        rows = np.flatnonzero(applies & ~kept)
        keys = tuple(table.cells(key).values[rows].tolist()) if key else ()
        total = int(applies.sum())
        results.append(Result(rule, total - len(rows), total, frame.index[rows], keys))
    return results


def check_record(
    record: Mapping[str, str | None],
    rules: Sequence[Rule],
    *,
    taken: Mapping[str, Collection[tuple[str | None, ...]]] | None = None,
    today: date | None = None,
) -> list[str]:
    """Names of the rules that one record fails, before it is saved.

    taken: name of a `Unique` rule -> the values other records hold; without it uniqueness is not judged.
    """
    frame = pd.DataFrame([dict(record)], dtype=object)
    failed = [result.rule.name for result in check(frame, rules, today=today) if len(result.failing)]
    for rule in rules:
        if isinstance(rule, Unique) and tuple(record.get(name) for name in rule.fields) in (taken or {}).get(
            rule.name, ()
        ):
            failed.append(rule.name)
    return failed
