"""Rules over a table, and over one record: each answers with a fraction and the rows that fail it.

A rule is data (see `Rule.config` and `rule_of`), so it can be stored, shown on a page and replayed on the next import.
Each column is turned into an Arrow string column once, and regular expressions, sets and numbers run over it in
compiled code. Tried first and rejected: a mask of distinct values in Python, quick where values repeat but slower
than pandas on keys and e-mails, which do not.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import MISSING, dataclass, fields
from datetime import date
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
import polars as pl

from detectors.rules.columns import Table
from detectors.rules.conditions import condition_of
from detectors.rules.kinds import Fresh, InRange, Matches, OfType, OneOf, Record, Refers, Required, Rule
from detectors.rules.relations import Compares, Never, Unique

Rows = npt.NDArray[np.intp]
KINDS: Mapping[str, type[Rule]] = {
    rule.kind: rule for rule in (Required, OfType, InRange, OneOf, Matches, Compares, Never, Unique, Fresh, Refers)
}
ACROSS: tuple[type[Rule], ...] = (Unique, Refers)
"""Kinds that one record alone cannot be judged by."""

_NUMBERS = {"low": float, "high": float, "days": int}


def rule_of(config: Mapping[str, Any]) -> Rule:
    """The rule that `Rule.config` described. Raises ValueError that says what is wrong with it."""
    kind = str(config.get("kind"))
    if kind not in KINDS:
        raise ValueError(f"no rule of kind {kind!r}; there are {', '.join(KINDS)}")
    known = {one.name: one for one in fields(KINDS[kind])}
    unknown = set(config) - set(known) - {"kind"}
    if unknown:
        raise ValueError(f"{kind}: no setting {', '.join(sorted(unknown))}; there are {', '.join(sorted(known))}")
    lacking = [
        name
        for name, one in known.items()
        if name not in config and one.default is MISSING and one.default_factory is MISSING
    ]
    if lacking:
        raise ValueError(f"{kind}: {', '.join(lacking)} must be given")
    try:
        return KINDS[kind](**{name: _setting(name, value) for name, value in config.items() if name != "kind"})
    except TypeError as error:
        raise ValueError(f"{kind}: {error}") from error


def _setting(name: str, value: Any) -> Any:
    if name in {"when", "conditions"}:
        if not isinstance(value, list | tuple):
            raise ValueError(f"{name} is a list of conditions")
        return tuple(condition_of(one) for one in value)
    if name in {"values", "fields"}:
        if not isinstance(value, list | tuple) or not all(isinstance(one, str) for one in value):
            raise ValueError(f"{name} is a list of texts")
        return tuple(value)
    if name in _NUMBERS:
        if isinstance(value, bool) or not isinstance(value, int | float | None):
            raise ValueError(f"{name} is a number")
        if name == "days" and value != int(value or 0):
            raise ValueError("days is a whole number")
        return None if value is None else _NUMBERS[name](value)
    if not isinstance(value, str):
        raise ValueError(f"{name} is a text")
    return value


@dataclass(frozen=True)
class Result:
    """What a rule found: numerator of denominator rows keep it.

    rows: (k,) positions of the rows that do not. failing: their record ids, which the frame's index holds.
    keys: the same rows by the source's own key, if one was named.
    """

    rule: Rule
    numerator: int
    denominator: int
    rows: Rows
    failing: pd.Index
    keys: tuple[str | None, ...] = ()

    @property
    def share(self) -> float | None:
        """numerator / denominator; None where the rule applies to no row."""
        return self.numerator / self.denominator if self.denominator else None


def check(
    frame: pd.DataFrame,
    rules: Sequence[Rule],
    *,
    key: str = "",
    today: date | None = None,
    known: Mapping[str, pl.Series] | None = None,
) -> list[Result]:
    """Every rule over the whole frame of text cells; the index holds the record ids.

    key: a column whose values name the failing rows to the people of the source. today: for freshness.
    known: kind of record -> the external ids there are of it, for references.
    """
    table = Table(frame, today or date.today(), known)
    results = []
    for rule in rules:
        applies, kept = rule.judge(table)
        rows = np.flatnonzero(applies & ~kept)
        keys = tuple(table.cells(key).text.gather(rows).to_list()) if key else ()
        total = int(applies.sum())
        results.append(Result(rule, total - len(rows), total, rows, frame.index[rows], keys))
    return results


def check_record(
    record: Record,
    rules: Sequence[Rule],
    *,
    taken: Mapping[str, Collection[tuple[str | None, ...]]] | None = None,
    today: date | None = None,
) -> list[Rule]:
    """The rules that one record fails, before it is saved.

    taken: name of a `Unique` rule -> the values other records hold; without it uniqueness is not judged.
    """
    cells = {name: pl.Series([value], dtype=pl.String) for name, value in record.items()}
    table = Table(pl.DataFrame(cells), today or date.today())
    failed = []
    for rule in rules:
        if isinstance(rule, Unique):
            broken = tuple(record.get(name) for name in rule.fields) in (taken or {}).get(rule.name, ())
        else:
            applies, kept = rule.judge(table)
            broken = bool(applies[0] and not kept[0])
        if broken:
            failed.append(rule)
    return failed
