"""Arithmetic dependencies held against all rows: how often they hold, and whether what breaks them has a reason."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.conflicts.amounts import Amounts, Bools, Floats, Ints
from detectors.conflicts.formulas import Formula, Get

_HELD = 0.95
_LEAST_ROWS = 30
_LARGE, _A_CENT_OR_TWO = 1000, 2.1
"""Units of the last decimal from which a column is of amounts, and such units that nobody need be asked about."""


@dataclass(frozen=True)
class Dependency:
    """A formula that holds in nearly all rows.

    state: (n,) 1 where it holds, -1 where it is broken, 0 where a part is blank. held, told: rows of the first, and of
    the first two. exact: column -> share of the told rows in which the others give its value to the last digit.
    half_up: halves were rounded up, as more rows say.
    """

    formula: Formula
    state: npt.NDArray[np.int8]
    held: int
    told: int
    exact: Mapping[str, float]
    half_up: bool

    @property
    def agreement(self) -> float:
        """Posterior mean of the share of rows in which it holds; half a broken row is assumed."""
        return (self.held + 0.5) / (self.told + 1)


def getter(columns: Mapping[str, Amounts], rows: Ints | slice) -> Get:
    """Columns by name, in these rows."""
    taken: dict[str, Floats] = {}

    def get(name: str) -> Floats:
        if name not in taken:
            taken[name] = columns[name].values[rows]
        return taken[name]

    return get


def verified(formula: Formula, named: Mapping[str, Amounts], sample: Ints) -> Dependency | None:
    """The dependency, if it holds in nearly all of all rows."""
    target, whole = named[formula.target], getter(named, slice(None))
    state = formula.holds(whole, named).astype(np.int8)
    if target.size >= _LARGE:
        state[(state < 0) & (np.abs(formula.value(whole) - target.values) <= _A_CENT_OR_TWO * target.unit)] = 0
    held, told = int((state > 0).sum()), int((state != 0).sum())
    if told < _LEAST_ROWS or held < _HELD * told:
        return None
    get = getter(named, sample)
    seen = state[sample] != 0
    ways = [(_exact(formula, target, get, seen, half_up=half_up), half_up) for half_up in (False, True)]
    half_up = max(ways)[1]
    exact = {name: _exact(formula, named[name], get, seen, half_up=half_up) for name in sorted(formula.columns)}
    return Dependency(formula, state, held, told, exact, half_up)


def _exact(formula: Formula, column: Amounts, get: Get, seen: Bools, *, half_up: bool) -> float:
    """Share of these rows in which the others give the column's value to the last digit."""
    with np.errstate(all="ignore"):
        values = get(column.name)
        off = np.abs(column.rounded(formula.solved(column.name, get), half_up=half_up) - values)
    return float((off[seen] <= 0.01 * column.unit + 1e-9 * np.abs(values[seen])).mean())


def other_rates(one: Dependency, found: Sequence[Dependency], named: Mapping[str, Amounts]) -> bool:
    """Whether rows that break a constant rate share another one (a reduced tax): a habit of theirs, no slip.

    Rows that break what goes without a rate are wrong for another reason.
    """
    if one.formula.rate == 1:
        return False
    broken = one.state < 0
    for other in found:
        if other.formula.rate == 1:
            broken &= other.state >= 0
    rows = np.flatnonzero(broken)
    get = getter(named, rows)
    with np.errstate(all="ignore"):
        rates = get(one.formula.target) / replace(one.formula, rate=1.0).value(get)
    rates = rates[np.isfinite(rates)]
    shifts = np.log10(np.abs(np.where(rates == 0, np.nan, rates / one.formula.rate)))
    rates = rates[~(np.abs(shifts - np.round(shifts)) <= 1e-3)]  # a slip of the point is no rate
    if not len(rates):
        return False
    most = int(np.unique(np.round(rates, 3), return_counts=True)[1].max())
    return most >= 3 and most >= 0.3 * len(rates)


def with_nought(columns: Sequence[Amounts], found: Sequence[Dependency]) -> list[Amounts]:
    """The columns, blanks read as nought where nearly all of them mean it: no discount, no freight."""
    named = {one.name: one for one in columns}
    for name in [one.name for one in columns if one.blank.sum() >= _LEAST_ROWS]:
        rows = np.flatnonzero(named[name].blank)
        read = replace(named[name], values=np.where(named[name].blank, 0.0, named[name].values))
        for one in found:
            if name in one.formula.optional:
                state = one.formula.holds(getter({**named, name: read}, rows), named)
                if (state != 0).sum() >= _LEAST_ROWS and (state > 0).sum() >= _HELD * (state != 0).sum():
                    named[name] = read
                    break
    return list(named.values())
