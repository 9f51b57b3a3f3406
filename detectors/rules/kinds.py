"""The kinds of rule about one field: required, type, range, set, pattern, freshness, reference."""

from __future__ import annotations

import re
from abc import ABC, abstractmethod
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, ClassVar

import numpy as np

from detectors.formats.validity import valid_mask
from detectors.roles import Role, ValueType
from detectors.rules.columns import Bools, Table
from detectors.rules.conditions import Condition, all_hold, listed, readable

Verdict = tuple[Bools, Bools]
"""(n,) to which rows the rule applies, and (n,) which rows keep it."""

Record = Mapping[str, str | None]
LONGEST_NAME = 100


def of_what(role: Role) -> str:
    """What a value of a role is, as a person reads it: an e-mail, a date, a number."""
    plain = {ValueType.DATE: "date", ValueType.NUMBER: "number"}
    return plain.get(role.value_type, role.label.lower())


class Severity(StrEnum):
    """What becomes of a record that breaks a rule."""

    NOTE = "note"
    WARNING = "warning"
    BLOCKING = "blocking"


@dataclass(frozen=True, kw_only=True)
class Rule(ABC):
    """One thing that must hold.

    name: unique among a source's rules; shown with its failing rows. when: it applies only to records that meet all.
    severity: note (counted), warning (a person decides about each record), blocking (rows are kept out by an import).

    Raises ValueError if what it is given makes no sense.
    """

    name: str
    when: tuple[Condition, ...] = ()
    severity: str = Severity.WARNING.value
    kind: ClassVar[str]

    def __post_init__(self) -> None:
        if not self.name.strip() or len(self.name) > LONGEST_NAME:
            raise ValueError(f"a rule needs a name of at most {LONGEST_NAME} characters")
        if self.severity not in list(Severity):
            raise ValueError(f"no severity {self.severity!r}; there are {', '.join(Severity)}")

    def judge(self, table: Table) -> Verdict:
        """Which rows it applies to, and which keep it. Blank cells are left to `Required`."""
        applies, kept = self._judge(table)
        return (applies & all_hold(self.when, table), kept) if self.when else (applies, kept)

    @property
    def columns(self) -> tuple[str, ...]:
        """Every column that it reads, each once, its own first."""
        return tuple(dict.fromkeys([*self._own(), *(name for one in self.when for name in one.fields)]))

    def words(self) -> str:
        """What must hold, as a person reads it."""
        return f"{self._words()}, where {' and '.join(map(str, self.when))}" if self.when else self._words()

    def config(self) -> dict[str, Any]:
        """The rule as plain JSON values, for `rule_of`."""
        return {"kind": self.kind, **_plain(asdict(self))}

    @abstractmethod
    def why(self, record: Record) -> str:
        """Why a record that breaks it does so, a sentence with the values."""

    @abstractmethod
    def _judge(self, table: Table) -> Verdict: ...

    @abstractmethod
    def _words(self) -> str: ...

    @abstractmethod
    def _own(self) -> tuple[str, ...]:
        """The columns that it is about."""


@dataclass(frozen=True, kw_only=True)
class OfField(Rule):
    """A rule about what one field holds."""

    field: str

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.field:
            raise ValueError("choose a field")

    def _own(self) -> tuple[str, ...]:
        return (self.field,)

    def _held(self, record: Record) -> str:
        return f"{self.field} “{record.get(self.field) or ''}”"


@dataclass(frozen=True, kw_only=True)
class Required(OfField):
    """The field is filled; blank, "N/A", "unknown" and the like are not."""

    kind: ClassVar[str] = "required"

    def why(self, record: Record) -> str:
        held = (record.get(self.field) or "").strip()
        return f"{self.field} says nothing: “{held}”." if held else f"{self.field} is blank."

    def _judge(self, table: Table) -> Verdict:
        return np.ones(len(table), dtype=np.bool_), table.cells(self.field).filled

    def _words(self) -> str:
        return f"{self.field} is filled"


@dataclass(frozen=True, kw_only=True)
class OfType(OfField):
    """What is filled is valid for a role ("email", "phone", "date" ...). country: the column that decides phones."""

    role: str
    country: str = ""
    kind: ClassVar[str] = "type"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.role not in list(Role):
            raise ValueError(f"no type {self.role!r}")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is no valid {of_what(Role(self.role))}."

    def _judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        country = table.cells(self.country).series if self.country else None
        return cells.filled, valid_mask(Role(self.role), cells.series, country).to_numpy()

    def _words(self) -> str:
        by = f" by the country in {self.country}" if self.country else ""
        return f"{self.field} is a valid {of_what(Role(self.role))}{by}"

    def _own(self) -> tuple[str, ...]:
        return (self.field, self.country) if self.country else (self.field,)


@dataclass(frozen=True, kw_only=True)
class InRange(OfField):
    """What is filled is a number from low to high, both included; None leaves that end open."""

    low: float | None = None
    high: float | None = None
    kind: ClassVar[str] = "range"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.low is None and self.high is None:
            raise ValueError("a range needs a lower or an upper end")
        if any(end is not None and not np.isfinite(end) for end in (self.low, self.high)):
            raise ValueError("the ends of a range are finite numbers; leave one open instead")
        if self.low is not None and self.high is not None and self.low > self.high:
            raise ValueError(f"the lower end {self.low:g} lies above the upper end {self.high:g}")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is not {self._between()}."

    def _judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        low = -np.inf if self.low is None else self.low
        high = np.inf if self.high is None else self.high
        with np.errstate(invalid="ignore"):
            return cells.filled, (cells.number >= low) & (cells.number <= high)

    def _words(self) -> str:
        return f"{self.field} is {self._between()}"

    def _between(self) -> str:
        if self.low is None:
            return f"a number of at most {readable(self.high or 0.0)}"
        if self.high is None:
            return f"a number of at least {readable(self.low)}"
        return f"a number from {readable(self.low)} to {readable(self.high)}"


@dataclass(frozen=True, kw_only=True)
class OneOf(OfField):
    """What is filled is one of these values, but for white space around it."""

    values: tuple[str, ...]
    kind: ClassVar[str] = "set"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.values:
            raise ValueError("name at least one value")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is none of the {len(self.values)} values allowed."

    def _judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        return cells.filled, cells.is_in(self.values)

    def _words(self) -> str:
        return f"{self.field} is {listed(self.values)}"


@dataclass(frozen=True, kw_only=True)
class Matches(OfField):
    """What is filled matches the regular expression as a whole."""

    pattern: str
    kind: ClassVar[str] = "pattern"

    def __post_init__(self) -> None:
        super().__post_init__()
        try:
            re.compile(self.pattern)
        except re.error as error:
            raise ValueError(f"this is no regular expression: {error}") from error
        if not self.pattern:
            raise ValueError("give a pattern")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} does not look like {self.pattern}."

    def _judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        return cells.filled, cells.matches(self.pattern)

    def _words(self) -> str:
        return f"{self.field} matches {self.pattern}"


@dataclass(frozen=True, kw_only=True)
class Fresh(OfField):
    """The date is at most this many days ago, and not in the future."""

    days: int
    kind: ClassVar[str] = "freshness"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not 0 <= self.days <= 36_525:
            raise ValueError("days lie between 0 and 36,525")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is not a date of the last {self.days:,} days."

    def _judge(self, table: Table) -> Verdict:
        cells = table.cells(self.field)
        today = np.datetime64(table.today)
        oldest = today - np.timedelta64(self.days, "D")
        return cells.filled, (cells.day >= oldest) & (cells.day < today + np.timedelta64(1, "D"))

    def _words(self) -> str:
        return f"{self.field} is at most {self.days:,} days ago"


@dataclass(frozen=True, kw_only=True)
class Refers(OfField):
    """What is filled is the id of a record that exists. to: the kind of record, within the same system.

    It applies to no row where no record of that kind was ever imported.
    """

    to: str
    kind: ClassVar[str] = "reference"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.to:
            raise ValueError("choose the kind of record that the field refers to")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is the id of none of the {self.to}."

    def _judge(self, table: Table) -> Verdict:
        cells, known = table.cells(self.field), table.keys.get(self.to)
        if known is None:
            return np.zeros(len(table), dtype=np.bool_), np.ones(len(table), dtype=np.bool_)
        return cells.filled, cells.is_in(known)

    def _words(self) -> str:
        return f"{self.field} is the id of one of the {self.to}"


def _plain(value: Any) -> Any:
    """Tuples as lists, all the way down."""
    if isinstance(value, dict):
        return {name: _plain(one) for name, one in value.items()}
    return [_plain(one) for one in value] if isinstance(value, tuple | list) else value
