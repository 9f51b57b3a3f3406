"""The kinds of rule about several fields or rows: cross-field, forbidden together, unique."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

import numpy as np
import polars as pl

from detectors.rules.columns import FEW, Bools, Table, repeated
from detectors.rules.conditions import COMPARE, Condition, all_hold
from detectors.rules.kinds import OfField, Record, Rule, Verdict

READ_AS = ("number", "date", "text")
_WORDS = {"=": "the same as", "!=": "other than", ">=": "at least", "<=": "at most", ">": "more than", "<": "less than"}
_OF_DATES = {">=": "at or after", "<=": "at or before", ">": "after", "<": "before"}


@dataclass(frozen=True, kw_only=True)
class Compares(OfField):
    """Two filled fields stand in this relation, as numbers, dates or texts ("closed_at" >= "created_at").

    Rows in which one of the two cannot be read as such fail.
    """

    relation: str
    other: str
    read_as: str = "number"
    kind: ClassVar[str] = "cross-field"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.relation not in COMPARE:
            raise ValueError(f"no relation {self.relation!r}; there are {', '.join(COMPARE)}")
        if self.read_as not in READ_AS:
            raise ValueError(f"fields are read as {', '.join(READ_AS)}, not as {self.read_as!r}")
        if not self.other or self.other == self.field:
            raise ValueError("choose two different fields")

    def why(self, record: Record) -> str:
        return f"{self._held(record)} is not {self._relation()} {self.other} “{record.get(self.other) or ''}”."

    def _judge(self, table: Table) -> Verdict:
        one, other = table.cells(self.field), table.cells(self.other)
        applies = one.filled & other.filled
        compare = COMPARE[self.relation]
        with np.errstate(invalid="ignore"):
            if self.read_as == "text":
                kept = np.zeros(len(applies), dtype=np.bool_)
                left, right = (cells.stripped.filter(pl.Series(applies)) for cells in (one, other))
                kept[applies] = compare(left, right).to_numpy()
            elif self.read_as == "date":
                kept = ~(np.isnat(one.day) | np.isnat(other.day)) & compare(one.day, other.day)
            else:
                kept = ~(np.isnan(one.number) | np.isnan(other.number)) & compare(one.number, other.number)
        return applies, np.asarray(kept, dtype=np.bool_)

    def _words(self) -> str:
        return f"{self.field} is {self._relation()} {self.other}"

    def _relation(self) -> str:
        return (_WORDS | _OF_DATES if self.read_as == "date" else _WORDS)[self.relation]

    def _own(self) -> tuple[str, ...]:
        return self.field, self.other


@dataclass(frozen=True, kw_only=True)
class Never(Rule):
    """No record meets all of these conditions together ("Amount > 50,000 and days from Created to Closed <= 1").

    It applies to records of which all conditions can be told.
    """

    conditions: tuple[Condition, ...]
    kind: ClassVar[str] = "never"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.conditions:
            raise ValueError("name at least one condition")

    def why(self, record: Record) -> str:
        names = dict.fromkeys(name for one in self.conditions for name in one.fields)
        held = ", ".join(f"{name} “{record.get(name) or ''}”" for name in names)
        return f"This should not be: {' and '.join(map(str, self.conditions))} ({held})."

    def _judge(self, table: Table) -> Verdict:
        named = {name for one in self.conditions if one.relation != "blank" for name in one.fields}
        applies = np.ones(len(table), dtype=np.bool_)
        for name in named:
            applies &= table.cells(name).filled
        return applies, ~all_hold(self.conditions, table)

    def _words(self) -> str:
        return f"Never {' and '.join(map(str, self.conditions))}"

    def _own(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(name for one in self.conditions for name in one.fields))


@dataclass(frozen=True, kw_only=True)
class Unique(Rule):
    """No two rows hold the same in all of these fields; rows with a blank among them are left out."""

    fields: tuple[str, ...]
    kind: ClassVar[str] = "unique"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.fields:
            raise ValueError("name at least one field")

    def why(self, record: Record) -> str:
        held = ", ".join(f"{name} “{record.get(name) or ''}”" for name in self.fields)
        return f"Another record holds the same {held}."

    def judge(self, table: Table) -> Verdict:
        """Which rows it applies to, and which keep it: alone among the rows that it applies to."""
        applies = all_hold(self.when, table)
        for name in self.fields:
            applies &= table.cells(name).filled
        kept = np.ones(len(table), dtype=np.bool_)
        kept[applies] = ~self._repeated(table, applies)
        return applies, kept

    def _repeated(self, table: Table, applies: Bools) -> Bools:
        if len(self.fields) == 1 and applies.all() and len(table) > FEW:
            return table.cells(self.fields[0]).is_repeated
        keys = pl.DataFrame({str(at): table.cells(name).stripped for at, name in enumerate(self.fields)})
        return repeated(keys.filter(pl.Series(applies)))

    def _judge(self, table: Table) -> Verdict:
        return self.judge(table)

    def _words(self) -> str:
        return f"{' and '.join(self.fields)} {'are' if len(self.fields) > 1 else 'is'} unique"

    def _own(self) -> tuple[str, ...]:
        return self.fields
