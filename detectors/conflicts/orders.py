"""Order dependencies, found by themselves: which date never lies before which, which number is never above which?

A pair is believed where it stands in this order in nearly all rows, and would not if the second column's values were
dealt out anew: that all births lie before all orders is no rule about a record.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import permutations

import numpy as np
import pandas as pd

from detectors.conflicts.amounts import Amounts, Floats, Ints, evenly
from detectors.conflicts.doubts import Doubt, rule_of
from detectors.formats.date_columns import read_dates
from detectors.formats.dates import take_apart
from detectors.formats.placeholders import is_placeholder
from detectors.roles import Role, ValueType

_SAMPLE, _GLANCE = 5000, 200
_DATES = 0.9
_LEAST_ROWS, _LEAST_DISTINCT = 50, 10
_HELD, _HELD_NUMBERS = 0.98, 0.995
_CHANCE, _CHANCE_NUMBERS = 0.05, 0.2
"""Least share of rows that break the order when values are dealt out anew."""

_BEYOND = 4
_MOST_NAMED = 3


@dataclass(frozen=True)
class Axis:
    """One column on a line. values: (n,) days or numbers, NaN where not told; text: what its cells hold."""

    name: str
    values: Floats
    text: Callable[[int], str]
    is_date: bool


@dataclass(frozen=True)
class Order:
    """lower <= upper in nearly all rows. broken: rows in which not. chance: share broken when dealt out anew."""

    lower: Axis
    upper: Axis
    broken: Ints
    told: int
    chance: float
    gaps: tuple[float, float]

    @property
    def score(self) -> float:
        """Estimated probability that a row that breaks it is wrong: exceptions are likelier where more rows do."""
        kept = (self.told - len(self.broken) + 0.5) / (self.told + 1)
        return float(kept**5 * max(0.0, 1 - (1 - kept) / self.chance))


def dates(
    frame: pd.DataFrame, names: Sequence[str], roles: Mapping[str, Role], order: Ints, report: Callable[..., None]
) -> list[Axis]:
    """The columns of dates; where the column does not tell day from month, the cell is not told. order: by record."""
    glance = evenly(order, _GLANCE)
    found = []
    for done, name in enumerate(names):
        report(done, len(names), "conflicts: order of dates")
        role = roles.get(name, Role.TEXT)
        if role.value_type in (ValueType.KEY, ValueType.NUMBER) or role is Role.IGNORE:
            continue
        column = frame[name]
        some = [text for text in column.iloc[glance].tolist() if isinstance(text, str) and not is_placeholder(text)]
        if sum(take_apart(text) is not None for text in some) < max(1, _DATES * len(some)):
            continue
        read = read_dates(column, past=role is Role.DATE_OF_BIRTH)
        days = read["date"].to_numpy().astype("datetime64[D]")
        values = days.astype(np.float64)
        values[np.isnat(days) | read["ambiguous"].to_numpy()] = np.nan
        found.append(Axis(str(name), values, _cells(column), True))
    return found


def numbers(columns: Sequence[Amounts]) -> list[Axis]:
    """The columns of numbers."""
    return [Axis(one.name, one.values, lambda row, one=one: one.text(row) or "", False) for one in columns]  # type: ignore[misc]


def _cells(column: pd.Series) -> Callable[[int], str]:
    held = column.to_numpy(dtype=object)
    return lambda row: str(held[row]).strip()


def find(axes: Sequence[Axis], order: Ints, reckoned: Collection[frozenset[str]] = ()) -> list[Order]:
    """The orders that hold in nearly all rows, the strictest first. reckoned: columns of one reckoning, left out."""
    if len(order) < _LEAST_ROWS:
        return []
    sample = evenly(order, _SAMPLE)
    varied = [one for one in axes if len(np.unique(_known(one.values[sample]))) >= _LEAST_DISTINCT]
    found = []
    for lower, upper in permutations(varied, 2):
        if lower.is_date == upper.is_date and not any({lower.name, upper.name} <= one for one in reckoned):
            one = _measured(lower, upper, sample)
            if one is not None:
                found.append(one)
    both = {(one.lower.name, one.upper.name) for one in found}
    strict = [one for one in found if (one.upper.name, one.lower.name) not in both]
    return sorted(strict, key=lambda one: (-one.score, one.lower.name, one.upper.name))


def _known(values: Floats) -> Floats:
    return np.asarray(values[np.isfinite(values)])


def _measured(lower: Axis, upper: Axis, sample: Ints) -> Order | None:
    held, chance, beyond = (
        (_HELD, _CHANCE, _BEYOND) if lower.is_date else (_HELD_NUMBERS, _CHANCE_NUMBERS, 10 * _BEYOND)
    )
    gap = upper.values[sample] - lower.values[sample]
    told = np.isfinite(gap)
    if told.sum() < min(_LEAST_ROWS, len(sample)) or (gap[told] < 0).mean() > 1.5 * (1 - held):
        return None
    ups, lows = upper.values[sample][told], lower.values[sample][told]
    dealt = ups[np.random.default_rng(0).permutation(len(ups))]
    by_chance = float((dealt < lows).mean())
    if by_chance < chance:
        return None
    gap = upper.values - lower.values
    told = np.isfinite(gap)
    with np.errstate(invalid="ignore"):
        broken = np.flatnonzero(gap < 0)
    rows = int(told.sum())
    if rows < _LEAST_ROWS or len(broken) > min(1 - held, by_chance / beyond) * rows:
        return None
    low, high = np.quantile(gap[told & (gap >= 0)], [0.01, 0.99])
    return Order(lower, upper, broken, rows, by_chance, (float(low), float(high)))


def judge(found: Sequence[Order]) -> Iterator[Doubt]:
    """One doubt a record: all the orders that it breaks, the strictest first."""
    broken: dict[int, list[Order]] = defaultdict(list)
    for one in found:
        for row in one.broken.tolist():
            broken[row].append(one)
    for row, orders in broken.items():
        first = orders[0]
        fields = dict.fromkeys(axis.name for one in orders for axis in (one.upper, one.lower))
        rule = rule_of("order", f"{first.lower.name} <= {first.upper.name}")
        detail = " ".join(_said(one, row) for one in orders[:_MOST_NAMED])
        yield Doubt(row, tuple(fields), rule, first.score, detail)


def _said(one: Order, row: int) -> str:
    upper, lower = (f"{axis.name} ({axis.text(row)[:40]})" for axis in (one.upper, one.lower))
    kept = one.told - len(one.broken)
    relation, rule = ("lies before", "not before") if one.lower.is_date else ("is less than", "at least")
    said = f"{upper} {relation} {lower}; in {kept:,} of {one.told:,} rows it is {rule} {one.lower.name}."
    back = float(one.lower.values[row] - one.upper.values[row])
    if one.gaps[0] <= back <= one.gaps[1]:
        said += " Exchanged, the two would be as usual."
    return said
