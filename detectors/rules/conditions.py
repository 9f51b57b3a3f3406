"""Conditions on a record: "Stage is won", "Amount > 50,000", "days from Created to Closed <= 1"."""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import Any

import numpy as np

from detectors.rules.columns import Bools, Days, Floats, Table


class Measure(StrEnum):
    """What of a record a condition compares."""

    TEXT = "text"
    NUMBER = "number"
    DATE = "date"
    DAYS = "days"
    RATIO = "ratio"
    LENGTH = "length"


COMPARE: Mapping[str, Callable[[Any, Any], Any]] = {
    "<": operator.lt,
    "<=": operator.le,
    "=": operator.eq,
    "!=": operator.ne,
    ">=": operator.ge,
    ">": operator.gt,
}
FILLED, BLANK = "filled", "blank"
RELATIONS = (*COMPARE, FILLED, BLANK)
PAIRS = {Measure.DAYS, Measure.RATIO}
"""Measures of two fields."""


@dataclass(frozen=True, slots=True)
class Condition:
    """What must be true of a record; a record whose fields are blank or cannot be read so does not meet it.

    field: the column; for days and ratios the first, and `other` the second ("days from field to other").
    relation: one of RELATIONS. value: a text, or several, of which one is meant ("=": is one of; "!=": is none of);
        a number or an ISO date as text for the other measures; "" for filled and blank.

    Raises ValueError if the value does not fit the measure.
    """

    field: str
    relation: str
    value: str | tuple[str, ...] = ""
    measure: str = Measure.TEXT.value
    other: str = ""

    def __post_init__(self) -> None:
        if self.relation not in RELATIONS:
            raise ValueError(f"no relation {self.relation!r}; there are {', '.join(RELATIONS)}")
        if self.measure not in list(Measure):
            raise ValueError(f"no measure {self.measure!r}; there are {', '.join(Measure)}")
        if (self.measure in PAIRS) != bool(self.other):
            raise ValueError(f"{self.measure} needs {'two fields' if self.measure in PAIRS else 'one field'}")
        if self.relation not in (FILLED, BLANK):
            self._check_value()

    def _check_value(self) -> None:
        if isinstance(self.value, tuple) and not (
            self.value and self.measure == Measure.TEXT and self.relation in {"=", "!="}
        ):
            raise ValueError("several values are compared as text, and only with = and !=")
        if self.measure == Measure.TEXT and self.relation not in {"=", "!="}:
            raise ValueError(f"text is compared with = and !=; for {self.relation} choose number or date")
        if self.measure != Measure.TEXT:
            self._bound()

    @property
    def fields(self) -> tuple[str, ...]:
        """The columns it reads."""
        return (self.field, self.other) if self.other else (self.field,)

    def holds(self, table: Table) -> Bools:
        """(n,) which records meet it."""
        if self.relation in (FILLED, BLANK):
            filled = table.cells(self.field).filled
            return filled if self.relation == FILLED else ~filled
        if self.measure == Measure.TEXT:
            cells = table.cells(self.field)
            values = self.value if isinstance(self.value, tuple) else (self.value,)
            found = cells.is_in(values)
            return found & cells.filled if self.relation == "=" else ~found & cells.filled
        with np.errstate(invalid="ignore", divide="ignore"):
            measured = self._measured(table)
            known = np.isfinite(measured) if measured.dtype.kind == "f" else ~np.isnat(measured)
            return np.asarray(known & COMPARE[self.relation](measured, self._bound()), dtype=np.bool_)

    def _measured(self, table: Table) -> Floats | Days:
        one = table.cells(self.field)
        match self.measure:
            case Measure.NUMBER:
                return one.number
            case Measure.LENGTH:
                return one.length
            case Measure.DATE:
                return one.day.astype("datetime64[D]")
            case Measure.DAYS:
                apart = (table.cells(self.other).day - one.day).astype("timedelta64[s]")
                return np.where(np.isnat(apart), np.nan, apart.astype(np.int64) / 86_400)
        return one.number / table.cells(self.other).number

    def _bound(self) -> Any:
        text = self.value if isinstance(self.value, str) else ""
        try:
            if self.measure == Measure.DATE:
                return np.datetime64(date.fromisoformat(text), "D")
            number = float(text)
        except ValueError:
            kind = "a date such as 2026-05-31" if self.measure == Measure.DATE else "a number"
            raise ValueError(f"{text!r} is not {kind}") from None
        if not np.isfinite(number):
            raise ValueError(f"{text!r} is not a finite number")
        return number

    def __str__(self) -> str:
        what = {
            Measure.DAYS: f"days from {self.field} to {self.other}",
            Measure.RATIO: f"{self.field} / {self.other}",
            Measure.LENGTH: f"length of {self.field}",
        }.get(Measure(self.measure), self.field)
        if self.relation in (FILLED, BLANK):
            return f"{what} is {self.relation}"
        if self.measure != Measure.TEXT:
            shown = str(self.value) if self.measure == Measure.DATE else readable(float(str(self.value)))
            return f"{what} {self.relation} {shown}"
        values = self.value if isinstance(self.value, tuple) else (self.value,)
        negated = "" if self.relation == "=" else "not "
        return f"{what} is {negated}{listed(values)}"


def condition_of(config: Mapping[str, Any]) -> Condition:
    """The condition that its fields as JSON describe. Raises ValueError that says what is wrong with it."""
    if not isinstance(config, Mapping):
        raise ValueError("a condition is an object with field, relation and value")
    unknown = set(config) - set(Condition.__slots__)
    if unknown:
        raise ValueError(f"a condition has no {', '.join(sorted(map(str, unknown)))}")
    given: dict[str, Any] = {
        name: tuple(map(str, value)) if isinstance(value, list | tuple) else value for name, value in config.items()
    }
    if not isinstance(given.get("field"), str) or not given.get("field"):
        raise ValueError("a condition needs a field")
    if isinstance(given.get("value"), int | float):
        given["value"] = f"{given['value']:g}"
    try:
        return Condition(**given)
    except TypeError:
        raise ValueError("a condition needs a field and a relation, and text as its value") from None


def all_hold(conditions: tuple[Condition, ...], table: Table) -> Bools:
    """(n,) which records meet every condition; all of them where there is none."""
    met = np.ones(len(table), dtype=np.bool_)
    for condition in conditions:
        met &= condition.holds(table)
    return met


def readable(number: float) -> str:
    """A number as a person reads it: 50,000, 0.125, 1.5e+09."""
    if number == int(number) and abs(number) < 1e15:
        return f"{int(number):,}"
    return f"{number:,.6g}" if abs(number) < 1e6 else f"{number:,.2f}"


def listed(values: tuple[str, ...], most: int = 6) -> str:
    """Values in quotes: “won”, “won” or “lost”, “a”, “b” or 12 more."""
    quoted = [f"“{value}”" for value in values]
    if len(quoted) > most:
        return f"{', '.join(quoted[: most - 1])} or {len(quoted) - most + 1} more"
    return " or ".join([", ".join(quoted[:-1]), quoted[-1]] if len(quoted) > 1 else quoted)
