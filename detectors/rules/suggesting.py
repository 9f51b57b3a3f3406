"""Rules that the data itself keeps: proposed with their support, for an admin to take or leave.

A regularity is proposed where nearly all records keep it: the lower end of a one-sided 99 % Beta interval of the share
that keeps it must reach `SURE`. What holds by construction, or is said by a rule that the source has, is left out.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from itertools import combinations

import numpy as np
import pandas as pd
import polars as pl
from scipy.special import betaincinv

from detectors.formats.numbers import LIMITS
from detectors.roles import Role, ValueType
from detectors.rules.columns import Cells, Floats, Table
from detectors.rules.conditions import Condition
from detectors.rules.kinds import LONGEST_NAME, InRange, Matches, OfType, OneOf, Refers, Required, Rule
from detectors.rules.relations import Compares, Unique

SURE = 0.98
"""Share of records that must keep a rule, with 99 % confidence, before it is proposed."""

FEWEST = 50
"""Records that a rule must apply to."""

MOST_VALUES, RARE = 30, 0.005
"""A set has at most so many values; one that fewer than this share of records hold is no member of it."""

ELSEWHERE = 0.7
"""A field that is filled where a condition holds is proposed as required there if at most this share is elsewhere."""

_VALIDATED = {Role.EMAIL, Role.PHONE, Role.WEBSITE, Role.COUNTRY, Role.CURRENCY, Role.POSTCODE}
_SETS = {
    Role.STAGE,
    Role.STATUS,
    Role.REASON,
    Role.CURRENCY,
    Role.CONSENT,
    Role.CATEGORY,
    Role.SOURCE_SYSTEM,
    Role.GENDER,
}
_SHAPED = {Role.ID, Role.POSTCODE, Role.TAX_ID, Role.ACCOUNT_REF, Role.CONTACT_REF, Role.OPPORTUNITY_REF,
           Role.QUOTATION_REF, Role.NATIONAL_ID, Role.BANK_ACCOUNT}  # fmt: skip
_SEQUENCE = (Role.DATE_OF_BIRTH, Role.CREATED_AT, Role.DATE, Role.UPDATED_AT, Role.VERIFIED_AT, Role.CLOSED_AT)
_OPTIONAL = {Role.TEXT, Role.IGNORE}
_SPECIAL = re.compile(r"([\\.^$*+?{}\[\]()|])")


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A rule that most records keep: `kept` of `applies`. low: the least share that keeps it, with 99 % confidence."""

    rule: Rule
    kept: int
    applies: int
    low: float


def suggest(
    frame: pd.DataFrame | pl.DataFrame,
    roles: Mapping[str, Role],
    *,
    have: Sequence[Rule] = (),
    known: Mapping[str, pl.Series] | None = None,
    references: Mapping[Role, str] | None = None,
    today: date | None = None,
    whole: bool = True,
) -> list[Suggestion]:
    """The rules that a table of text cells keeps, those that some records break first, then by support.

    have: rules that are set already; none is proposed that says something about the same fields by the same kind.
    whole: the frame is the whole table; a sample does not tell what is unique.
    known, references: as `check` takes them, and role -> the kind of record that such a column refers to.
    """
    table = Table(frame, today or date.today(), known)
    columns = [name for name in frame.columns if roles.get(name, Role.IGNORE) is not Role.IGNORE]
    said = {(rule.kind, frozenset(_about(rule))) for rule in have}
    found = []
    for rule in _candidates(table, columns, roles, references or {}):
        if (rule.kind, frozenset(_about(rule))) in said or (isinstance(rule, Unique) and not whole):
            continue
        applies, kept = rule.judge(table)
        total, keeps = int(applies.sum()), int((applies & kept).sum())
        low = _least(keeps, total)
        if total >= FEWEST and low >= SURE:
            found.append(Suggestion(rule, keeps, total, low))
    return sorted(found, key=lambda one: (one.kept == one.applies, -one.low, one.rule.name))


def _about(rule: Rule) -> tuple[str, ...]:
    return (rule.field,) if isinstance(rule, Required) and not rule.when else rule.columns


def _least(kept: int, total: int) -> float:
    return float(betaincinv(kept + 0.5, total - kept + 0.5, 0.01)) if total else 0.0


def _candidates(
    table: Table, columns: Sequence[str], roles: Mapping[str, Role], references: Mapping[Role, str]
) -> Iterator[Rule]:
    of_a_field: list[Callable[[str, Role, Cells], Iterator[Rule]]] = [
        _required,
        _typed,
        _range,
        _set,
        _pattern,
        _unique,
    ]
    for name in columns:
        role, cells = roles[name], table.cells(name)
        if cells.filled.sum() < FEWEST:
            continue
        for make in of_a_field:
            yield from make(name, role, cells)
        if role in references:
            yield Refers(name=f"{name} exists", field=name, to=references[role])
    yield from _orders(columns, roles)
    yield from _equals(table, columns, roles)
    yield from _required_where(table, columns, roles)


def _required(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    if role not in _OPTIONAL:
        yield Required(name=f"{name} is filled", field=name)


def _typed(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    if role in _VALIDATED or role.value_type is ValueType.DATE:
        yield OfType(name=f"{name} is valid", field=name, role=role.value)


def _range(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    """From a bound below which hardly anything lies, to one far above the usual values."""
    if role.value_type is not ValueType.NUMBER:
        return
    numbers = cells.number[np.isfinite(cells.number)]
    if len(numbers) < FEWEST:
        return
    low, first, third, high = np.quantile(numbers, [0.005, 0.25, 0.75, 0.995])
    spread = third - first or high - low
    least, most = LIMITS.get(role, (0.0 if low >= 0 else -np.inf, np.inf))
    lower = max(least, _rounded(low - 3 * spread, np.floor))
    upper = min(most, _rounded(high + 3 * spread, np.ceil))
    if lower <= upper:
        yield InRange(name=f"{name} is believable", field=name, low=lower, high=upper)


def _rounded(number: float, way: Callable[[float], float]) -> float:
    """To two digits."""
    if not number:
        return 0.0
    step = 10.0 ** (np.floor(np.log10(abs(number))) - 1)
    return float(f"{way(number / step) * step:.12g}")


def _set(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    if role not in _SETS:
        return
    held = cells.stripped.filter(pl.Series(cells.filled))
    counts = held.value_counts(sort=True)
    values = [str(value) for value, count in counts.iter_rows() if count >= max(5, RARE * len(held))]
    if 2 <= len(values) <= MOST_VALUES:
        yield OneOf(name=f"{name} is known", field=name, values=tuple(sorted(values)))


def _pattern(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    """The one or two commonest shapes, digits and letters generalised, their numbers kept."""
    if role not in _SHAPED:
        return
    held = cells.stripped.filter(pl.Series(cells.filled))
    shapes = pl.Series(held.str.replace_all(r"\d", "9").str.replace_all(r"[A-Z]", "A").str.replace_all(r"[a-z]", "a"))
    counts = shapes.value_counts(sort=True).head(2).rows()
    if not counts or len(counts[0][0]) > 40:
        return
    enough = counts[:1] if counts[0][1] >= SURE * len(held) else counts
    yield Matches(
        name=f"{name} has its usual form", field=name, pattern="|".join(_expression(shape) for shape, _ in enough)
    )


def _expression(shape: str) -> str:
    parts = []
    for run in re.finditer(r"9+|A+|a+|[^9Aa]+", shape):
        text, size = run[0], len(run[0])
        sort = {"9": r"\d", "A": "[A-Z]", "a": "[a-z]"}.get(text[0])
        parts.append(_SPECIAL.sub(r"\\\1", text) if sort is None else sort + (f"{{{size}}}" if size > 1 else ""))
    return "".join(parts)


def _unique(name: str, role: Role, cells: Cells) -> Iterator[Rule]:
    if role in {Role.EMAIL, Role.TAX_ID, Role.NATIONAL_ID, Role.BANK_ACCOUNT}:
        yield Unique(name=f"{name} is unique", fields=(name,))


def _orders(columns: Sequence[str], roles: Mapping[str, Role]) -> Iterator[Rule]:
    """Events in the order in which a record lives through them."""
    dated = sorted((name for name in columns if roles[name] in _SEQUENCE), key=lambda one: _SEQUENCE.index(roles[one]))
    for first, second in combinations(dated, 2):
        if roles[first] is not roles[second]:
            yield Compares(
                name=f"{second} not before {first}", field=second, relation=">=", other=first, read_as="date"
            )


def _equals(table: Table, columns: Sequence[str], roles: Mapping[str, Role]) -> Iterator[Rule]:
    """Numbers of one role that are never smaller one than the other (a net and a gross amount)."""
    for role in (Role.AMOUNT, Role.QUANTITY):
        for one, other in combinations([name for name in columns if roles[name] is role], 2):
            first, second = _both(table.cells(one).number, table.cells(other).number)
            if len(first) < FEWEST or not (first != second).any():
                continue
            above, below = (one, other) if (first >= second).mean() >= (second >= first).mean() else (other, one)
            yield Compares(name=f"{above} not below {below}", field=above, relation=">=", other=below)


def _both(one: Floats, other: Floats) -> tuple[Floats, Floats]:
    known = np.isfinite(one) & np.isfinite(other)
    return one[known], other[known]


def _required_where(table: Table, columns: Sequence[str], roles: Mapping[str, Role]) -> Iterator[Rule]:
    """A field that is filled for one value of a category and mostly blank for the others: the plainest case a field."""
    best: dict[str, tuple[float, Condition]] = {}
    for category in (name for name in columns if roles[name] in _SETS):
        cells = table.cells(category)
        counts = cells.stripped.filter(pl.Series(cells.filled)).value_counts(sort=True)
        if not 2 <= len(counts) <= MOST_VALUES:
            continue
        groups = [(str(value), cells.is_in([value])) for value, count in counts.iter_rows() if count >= FEWEST]
        for name in (name for name in columns if name != category):
            filled = table.cells(name).filled
            if not 0.02 < filled.mean() < SURE:
                continue
            for value, inside in groups:
                told = float(inside.mean() * (1 - filled[~inside].mean()))
                plain = filled[inside].mean() >= SURE and filled[~inside].mean() <= ELSEWHERE
                if plain and told > best.get(name, (0.0,))[0]:
                    best[name] = told, Condition(category, "=", value)
    for name, (_, condition) in best.items():
        words = f"{name} is filled where {condition.field} is {condition.value}"
        yield Required(name=words[:LONGEST_NAME], field=name, when=(condition,))
