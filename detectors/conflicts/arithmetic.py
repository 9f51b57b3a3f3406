"""Arithmetic dependencies, found by themselves: which number of a record is reckoned from which others?

Every usual form (sums, products, quotients, per cents, invoices, a constant rate) is tried over all columns on a few
full rows, the few that pass on a sample, and what is left on all rows. A form is believed where it holds in nearly
all rows, hardly ever when the target's values are dealt out anew, and where each part matters: in rows where that
part is not what it nearly always is, the form holds still, and would not if it were.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from itertools import combinations, permutations

import numpy as np

from detectors.conflicts.amounts import Amounts, Bools, Floats, Ints, evenly
from detectors.conflicts.formulas import (
    HALF,
    LESS,
    LESS_SHARE,
    MORE,
    MORE_SHARE,
    OVER,
    SPREAD,
    TIMES,
    WHOLE,
    WIDE,
    Formula,
    Get,
)  # fmt: skip
from detectors.conflicts.verifying import Dependency, getter, other_rates, verified, with_nought

_FEW, _SAMPLE = 64, 5000
_LIKELY, _PASSES = 0.93, 0.75
"""Shares of the rows in which a form must hold: of the sample, and of the few rows tried first."""

_LEAST_ROWS = 30
_LEAST_TELLING, _TELLING_HELD = 10, 0.9
_BY_CHANCE = 0.5
_ROUNDED = 0.0002
"""Share of the rows up to which a lesser tolerance may break more: each would be a sum said to be wrong by a cent."""

_MOST_COLUMNS, _MANY_COLUMNS = 24, 12
_MOST_TRIED, _MOST = 2000, 20

Report = Callable[..., None]
Rank = tuple[int, int, int, bool, int, str]


def find(columns: Sequence[Amounts], order: Ints, report: Report) -> tuple[list[Dependency], list[Amounts]]:
    """The arithmetic dependencies among these columns, the simplest first, and the columns as they are read by them.

    order: the rows by record.
    """
    columns = list(columns[:_MOST_COLUMNS])
    if len(columns) < 2 or len(order) < _LEAST_ROWS:
        return [], columns
    named = {one.name: one for one in columns}
    sample = evenly(order, _SAMPLE)
    get = getter(named, sample)
    best: dict[frozenset[str], tuple[Rank, Formula]] = {}
    for formula in _tried(columns, sample, report):
        judged = _judged(formula, named, get, len(sample))
        if judged is not None and (formula.columns not in best or judged < best[formula.columns]):
            best[formula.columns] = judged
    formulas = [one for _, one in sorted(best.values(), key=lambda one: (len(one[1].columns), str(one[1])))]
    found = _all_verified(formulas, named, sample, report)
    read = with_nought(columns, found)
    if any(one is not other for one, other in zip(read, columns, strict=True)):
        found = _all_verified(formulas, {one.name: one for one in read}, sample, report)
    return found[:_MOST], read


def _all_verified(
    formulas: Sequence[Formula], named: Mapping[str, Amounts], sample: Ints, report: Report
) -> list[Dependency]:
    found = []
    for done, formula in enumerate(formulas):
        report(done, len(formulas), f"conflicts: {formula.target} reckoned")
        dependency = verified(formula, named, sample)
        if dependency is not None:
            found.append(dependency)
    return [one for one in found if not other_rates(one, found, named)]


# What is tried


def _terms(columns: Sequence[Amounts], get: Get) -> Iterator[Formula]:
    """Every product, quotient, discount and sum that a target may be, the simple first."""
    names = [one.name for one in columns]
    shares = [factor for name in names for factor in _as_share(name, get(name))]
    few = len(names) <= _MANY_COLUMNS
    for one in names:
        yield Formula("", ((TIMES, one),))
    for one, other in combinations(names, 2):
        yield Formula("", ((TIMES, one), (TIMES, other)))
        yield Formula("", ((TIMES, one),), ((1, other),))
    for one, other in permutations(names, 2):
        yield Formula("", ((TIMES, one), (OVER, other)))
    discounted = [((TIMES, one), share) for one in names for share in shares if share[1] != one]
    for factors in discounted:
        yield Formula("", factors)
    for one, other in combinations(names, 2):
        for share in shares:
            if share[1] not in (one, other):
                yield Formula("", ((TIMES, one), (TIMES, other), share))
    for factors in discounted:
        for share in shares:
            if share[1] not in (name for _, name in factors):
                yield Formula("", (*factors, share))
    if few:
        for factors in discounted:
            for other in names:
                if other not in (name for _, name in factors):
                    yield Formula("", factors, ((1, other),))
        for one, other, third in combinations(names, 3):
            yield Formula("", ((TIMES, one),), ((1, other), (1, third)))


def _as_share(name: str, values: Floats) -> Iterator[tuple[str, str]]:
    """The column as a discount and as a surcharge, if its values look like per cents or shares of one."""
    known = values[np.isfinite(values)]
    if len(known) and ((known >= 0) & (known <= 100)).mean() >= 0.9:
        yield LESS, name
        yield MORE, name
        if ((known >= 0) & (known <= 1)).mean() >= 0.9 and (known != np.round(known)).any():
            yield LESS_SHARE, name
            yield MORE_SHARE, name


def _tried(columns: Sequence[Amounts], sample: Ints, report: Report) -> Iterator[Formula]:
    """The formulas that hold in most of the rows that are filled most."""
    filled = sum(np.isfinite(one.values[sample]).astype(int) for one in columns)
    rows = sample[np.argsort(-np.asarray(filled), kind="stable")[:_FEW]]
    get = getter({one.name: one for one in columns}, rows)
    table = np.array([get(one.name) for one in columns])
    units = np.array([one.unit for one in columns])
    named = {one.name: one for one in columns}
    many = 0
    for done, term in enumerate(_terms(columns, get)):
        if done % 500 == 0:
            report(done, done + 500, "conflicts: sums and products")
        for formula in _closed(term, [one.name for one in columns], table, units, get, named):
            many += 1
            yield formula
        if many >= _MOST_TRIED:
            return


def _closed(
    term: Formula, names: list[str], table: Floats, units: Floats, get: Get, named: Mapping[str, Amounts]
) -> Iterator[Formula]:
    """The term with the targets, rates and last addends with which it holds in the few rows."""
    with np.errstate(all="ignore"):
        value = term.value(get)
        spread = replace(term, target=names[0], tolerance=WIDE).slack(get, named) - 0.51 * units[0]
        free = np.array([name not in term.parts for name in names])
        alone = len(term.parts) == 1
        if not alone:
            for at in np.flatnonzero(free & _passes(table - value, units[:, None] * 1.01 + spread)):
                yield replace(term, target=names[at])
        if not any(kind == OVER for kind, _ in term.factors):
            yield from _with_addend(term, names, table, units, value, spread, free)
        if not term.addends:
            ratios = table / np.where(value == 0, np.nan, value)
            for at in np.flatnonzero(free & (np.isfinite(ratios).sum(1) >= 8)):
                rate = _round_rate(ratios[at], value, units[at] + spread)
                if rate is not None and (rate != 1 and not (alone and abs(rate) == 1)):
                    yield replace(term, target=names[at], rate=rate)


def _with_addend(
    term: Formula,
    names: list[str],
    table: Floats,
    units: Floats,
    value: Floats,
    spread: Floats,
    free: Bools,
) -> Iterator[Formula]:
    """The term with one more column added to it or taken from it."""
    rest = (table - value)[:, None, :]
    slack = units[:, None, None] * 1.01 + units[None, :, None] / 2 + spread
    pairs = free[:, None] & free[None, :] & ~np.eye(len(names), dtype=np.bool_)
    for sign in (1, -1):
        for target, other in np.argwhere(pairs & _passes(rest - sign * table[None], slack)):
            yield replace(term, target=names[target], addends=(*term.addends, (sign, names[other])))


def _passes(off: Floats, slack: Floats) -> Bools:
    told = np.isfinite(off).sum(-1)
    return np.asarray((told >= 8) & ((np.abs(off) <= slack).sum(-1) >= _PASSES * told))


def _round_rate(ratios: Floats, value: Floats, slack: Floats) -> float | None:
    """The roundest rate of at most four digits that most rows have; None if there is none."""
    middle = float(np.nanmedian(ratios))
    if not 1e-4 <= abs(middle) <= 1e4:
        return None
    for digits in (1, 2, 3, 4):
        rate = float(f"{middle:.{digits}g}")
        if _passes((ratios - rate) * value, slack):
            return rate
    return None


# What is believed


def _judged(formula: Formula, named: Mapping[str, Amounts], get: Get, rows: int) -> tuple[Rank, Formula] | None:
    """The formula with the least tolerance that explains it, and its rank (lower = better); None if not believed."""
    states = [replace(formula, tolerance=one).holds(get, named) for one in (HALF, WHOLE, SPREAD, WIDE)]
    told = int((states[0] != 0).sum())
    broken = [int((state < 0).sum()) for state in states]
    widest = SPREAD if broken[SPREAD] <= (1 - _LIKELY) * told else WIDE
    if told < min(_LEAST_ROWS, rows) or broken[widest] > (1 - _LIKELY) * told:
        return None
    level = next(at for at, count in enumerate(broken) if count <= broken[widest] + _ROUNDED * told)
    formula = replace(formula, tolerance=level)
    if not _beyond_chance(formula, named, get) or not all(
        _matters(part, formula, named, get, states[level]) for part in formula.parts
    ):
        return None
    with np.errstate(all="ignore"):
        strict = np.nanmedian(formula.slack(get, named) / np.abs(formula.value(get)))
    # The strictest form first: "quantity = total / price" holds of totals that are half a piece off.
    taken = sum(sign < 0 for sign, _ in formula.addends)
    return (round(float(np.log10(strict))), broken[level], level, formula.rate != 1, taken, str(formula)), formula


def _beyond_chance(formula: Formula, named: Mapping[str, Amounts], get: Get) -> bool:
    """Whether it hardly holds when the target's values are dealt out anew."""
    target = get(formula.target)
    dealt = target[np.random.default_rng(0).permutation(len(target))]
    state = formula.holds(lambda name: dealt if name == formula.target else get(name), named)
    return int((state > 0).sum()) <= _BY_CHANCE * max(1, int((state != 0).sum()))


def _matters(part: str, formula: Formula, named: Mapping[str, Amounts], get: Get, state: Floats) -> bool:
    """Whether rows in which the part is not as usual hold, and would not if it were."""
    values = get(part)
    known, counts = np.unique(values[np.isfinite(values)], return_counts=True)
    usual = known[counts.argmax()]
    replaced = np.where(np.isfinite(values), usual, np.nan)
    without = formula.holds(lambda name: replaced if name == part else get(name), named)
    telling = (values != usual) & (state != 0) & (without <= 0)
    many = int(telling.sum())
    return many >= _LEAST_TELLING and int((state[telling] > 0).sum()) >= _TELLING_HELD * many
