"""Which number of a record is wrong, where a reckoning does not come out? And what should a blank one be?

A wrong cell breaks every dependency that it is in, and no other. Where that leaves several, each is weighed: how usual
the value would be that mends it, how unusual the one that stands there is, whether a slip makes the one of the other
(a factor of ten, two digits exchanged), and how often that column, by that factor, was wrong in other rows.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.amounts import Amounts, Floats, Ints
from detectors.conflicts.doubts import Doubt, rule_of
from detectors.conflicts.repairs import Repair
from detectors.conflicts.usual import Usual
from detectors.conflicts.verifying import Dependency, getter

_DECIDED = 0.9
"""Share of the weight from which one cell is proposed; below, the record is flagged."""

_ROUNDS = 4
_SLIP, _HABIT, _ANYTHING = 0.5, 0.3, 0.2
_LEAST_EXACT = 0.5
_MOST_BLANK = 0.5
_SINGLE, _HABITUAL, _OFTEN, _NO_POWER = 3, 10, 5, 1e-3
"""Powers of the agreement by which a score is lowered: the more rows break it, the likelier there is a reason; the more
so where a factor that is no slip comes back so often."""

_POWERS = {
    10: ("ten times", "a tenth"), 100: ("a hundred times", "a hundredth"), 1000: ("a thousand times", "a thousandth"),
}  # fmt: skip


@dataclass
class _Cases:
    """Ways to mend rows; all arrays (n_cases,). held, meant: the value that stands there, and the one that mends.

    is_target: whether the column is the one that is reckoned from the others.
    """

    row: Ints
    column: Ints
    dependency: Ints
    held: Floats
    meant: Floats
    is_target: np.ndarray


def judge(named: Mapping[str, Amounts], found: Sequence[Dependency]) -> Iterator[Repair | Doubt]:
    """Repairs of wrong cells and of blanks, and doubts about records of which nobody can tell the wrong cell."""
    if not found:
        return
    states = np.array([one.state for one in found])
    named = {name: named[name] for name in named if any(name in one.formula.columns for one in found)}
    usual = {name: Usual(column) for name, column in named.items()}
    yield from _filled(named, usual, found, states)
    broken = np.flatnonzero((states < 0).any(axis=0))
    if not len(broken):
        return
    cases = _cases(named, usual, found, states, broken)
    weight = _weighed(usual, cases)
    best: dict[int, int] = {}
    for at in np.argsort(weight, kind="stable").tolist():
        best[int(cases.row[at])] = at
    decided = np.array([at for at in best.values() if weight[at] >= _DECIDED], dtype=np.int64)
    yield from _mended(named, found, cases, weight, decided)
    for row in np.setdiff1d(broken, cases.row[decided]).tolist():
        yield _doubted(named, found[int(np.argmax(states[:, row] < 0))], row)


# Ways to mend a row


def _cases(
    named: Mapping[str, Amounts],
    usual: Mapping[str, Usual],
    found: Sequence[Dependency],
    states: np.ndarray,
    broken: Ints,
) -> _Cases:
    names = list(named)
    made: list[tuple[Ints, int, int, Floats, Floats]] = []
    patterns, which = np.unique(states[:, broken].T, axis=0, return_inverse=True)
    for at, pattern in enumerate(patterns):
        rows = broken[which.ravel() == at]
        bad = [one for one, state in zip(found, pattern, strict=True) if state < 0]
        for name in _suspects(found, pattern):
            one = max(bad, key=lambda dependency: dependency.exact[name])
            meant, mends = _solved(named, one, name, bad, rows)
            mends &= usual[name].possible(meant)
            place = (names.index(name), next(at for at, other in enumerate(found) if other is one))
            made.append((rows[mends], *place, named[name].values[rows[mends]], meant[mends]))
    sizes = [len(one[0]) for one in made]
    return _Cases(
        np.concatenate([one[0] for one in made] or [np.zeros(0, dtype=np.int64)]),
        np.repeat(np.array([one[1] for one in made], dtype=np.int64), sizes),
        np.repeat(np.array([one[2] for one in made], dtype=np.int64), sizes),
        np.concatenate([one[3] for one in made] or [np.zeros(0)]),
        np.concatenate([one[4] for one in made] or [np.zeros(0)]),
        np.repeat(np.array([names[one[1]] == found[one[2]].formula.target for one in made], dtype=np.bool_), sizes),
    )


def _suspects(found: Sequence[Dependency], pattern: np.ndarray) -> list[str]:
    """Columns of every broken dependency and of none that holds; else of every broken one."""
    columns = [one.formula.columns for one in found]
    common = frozenset.intersection(*(one for one, state in zip(columns, pattern, strict=True) if state < 0))
    sound = frozenset().union(*(one for one, state in zip(columns, pattern, strict=True) if state > 0))
    return sorted(common - sound or common)


def _solved(
    named: Mapping[str, Amounts], one: Dependency, name: str, bad: Sequence[Dependency], rows: Ints
) -> tuple[Floats, np.ndarray]:
    """What the column should hold in these rows, and whether that mends all that is broken."""
    get = getter(named, rows)
    with np.errstate(all="ignore"):
        meant = named[name].rounded(one.formula.solved(name, get), half_up=one.half_up)
    mends = np.isfinite(meant) & (np.abs(meant) < 1e15)
    for other in bad:
        mends &= other.formula.holds(lambda asked: meant if asked == name else get(asked), named) > 0
    return meant, mends


# Which of them it was


def _weighed(columns: Mapping[str, Usual], cases: _Cases) -> Floats:
    """(n_cases,) probability of each among the ways to mend its row."""
    if not len(cases.row):
        return np.zeros(0)
    usual, slip, anything = np.zeros(len(cases.row)), np.zeros(len(cases.row)), np.zeros(len(cases.row))
    for at, known in enumerate(columns.values()):
        here = np.flatnonzero(cases.column == at)
        if len(here):
            usual[here] = known.ratio(cases.meant[here], cases.held[here])
            usual[here[cases.is_target[here]]] = 1.0  # what is reckoned is as usual as what it is reckoned from
            slip[here] = known.slips(cases.held[here], cases.meant[here], cases.is_target[here])
            anything[here] = known.anything
    units = np.array([one.unit for one in columns.values()])[cases.column]
    with np.errstate(all="ignore"):
        factor = np.round(cases.held / cases.meant, 3)
        slack = 0.51 * units * (1 + np.abs(factor) * cases.is_target)
        factor[~(np.abs(cases.held - factor * cases.meant) <= slack)] = np.nan
    _, habit = np.unique(np.stack([cases.column, np.nan_to_num(factor, nan=-1e18)]), axis=1, return_inverse=True)
    _, row = np.unique(cases.row, return_inverse=True)
    habit = habit.ravel()
    share = np.where(np.bincount(row)[row] == 1, 1.0, 0.0)  # habits are learned where nothing else can be, first
    for _ in range(_ROUNDS):
        of_column = np.bincount(cases.column, weights=share)[cases.column] - share
        of_habit = np.where(np.isnan(factor), 0, np.bincount(habit, weights=share)[habit] - share)
        again = of_habit / (of_column + 3)
        weight = (1 + of_column) * usual * (_SLIP * slip + _HABIT * again + _ANYTHING * anything)
        share = weight / np.bincount(row, weights=weight)[row]
    return share


# What is said


def _filled(
    named: Mapping[str, Amounts], usual: Mapping[str, Usual], found: Sequence[Dependency], states: np.ndarray
) -> Iterator[Repair]:
    """Cells that are blank, or hold no number, where the others of a dependency give their value."""
    sound = ~(states < 0).any(axis=0)
    for name, column in named.items():
        open_ = np.isnan(column.values) & sound
        known = usual[name]
        if not open_.any() or known.rows < _MOST_BLANK * len(open_):
            continue
        for one in sorted(found, key=lambda one: -one.exact.get(name, 0.0)):
            rows = np.flatnonzero(open_)
            if not len(rows) or one.exact.get(name, 0.0) < _LEAST_EXACT:
                break
            value, fits = _solved(named, one, name, [one], rows)
            # A zero that nobody writes is how this column says "none".
            fits &= (value != 0) | (known.rows_of(value) > 1)
            fits &= known.possible(value)
            for row, meant, said in _told(named, found, one, name, rows[fits], value[fits]):
                written = column.form.write(meant, _written_alike(named, said, column, row))
                is_so = "is blank" if column.blank[row] else f'is "{(column.text(row) or "")[:40]}"'
                detail = f"{name} {is_so}; {_makes(named, said, column, row, written)}."
                yield _repair("sum-blank", row, name, written, said, one.exact[name], detail)
            open_[rows[fits]] = False


def _written_alike(named: Mapping[str, Amounts], one: Dependency, column: Amounts, row: int) -> str | None:
    """A cell of the record in another column with signs around it: the currency is the record's, not the column's."""
    if not column.form.around:
        return None
    beside = (other for name, other in named.items() if name in one.formula.columns and other.form.around)
    return next(filter(None, (other.text(row) for other in beside)), None)


def _mended(
    named: Mapping[str, Amounts], found: Sequence[Dependency], cases: _Cases, weight: Floats, decided: Ints
) -> Iterator[Repair]:
    """The wrong cells of these cases, mended."""
    names = list(named)
    ratios = _ratios(cases, decided)
    for place in sorted({(int(cases.column[at]), int(cases.dependency[at])) for at in decided}):
        here = decided[(cases.column[decided] == place[0]) & (cases.dependency[decided] == place[1])]
        column, one = named[names[place[0]]], found[place[1]]
        told = _told(named, found, one, column.name, cases.row[here], cases.meant[here])
        for at, (row, meant, said) in zip(here.tolist(), told, strict=True):
            written = column.form.write(meant, column.text(row))
            makes = _makes(named, said, column, row, written)
            ratio, often = ratios.get(at, (0.0, 0))
            detail = f"{column.name} is {_shown(column, row)}; {makes}.{_times(column, row, written, meant)}"
            if often:
                detail += f" It is {ratio:g} times that, as in {often - 1:,} more of these rows."
            score = float(weight[at]) * one.exact[column.name] * one.agreement ** (_HABITUAL if often else _SINGLE)
            yield _repair("sum", row, column.name, written, said, score, detail)


def _repair(kind: str, row: int, name: str, written: str, said: Dependency, score: float, detail: str) -> Repair:
    told_by = tuple(sorted(said.formula.columns - {name}))
    return Repair(row, name, written, rule_of(kind, str(said.formula)), score, detail, told_by)


def _ratios(cases: _Cases, decided: Ints) -> dict[int, tuple[float, int]]:
    """Case -> by what factor the cell is wrong and in how many rows, where it comes back and is no slip of the point.

    There may be a reason that the table does not tell, such as a discount.
    """
    with np.errstate(all="ignore"):
        ratio = np.round(cases.held[decided] / cases.meant[decided], 3)
        power = np.log10(np.abs(ratio))
        told = np.isfinite(power) & (np.abs(power - np.round(power)) > _NO_POWER)
    _, which, counts = np.unique(
        np.stack([cases.column[decided], np.where(told, ratio, 0)]), axis=1, return_inverse=True, return_counts=True
    )
    often = counts[which.ravel()]
    return {
        int(at): (float(factor), int(count))
        for at, factor, count, is_told in zip(decided, ratio, often, told, strict=True)
        if is_told and count >= _OFTEN
    }


def _told(
    named: Mapping[str, Amounts], found: Sequence[Dependency], one: Dependency, name: str, rows: Ints, meant: Floats
) -> Iterator[tuple[int, float, Dependency]]:
    """Each row and value with the dependency by which it is told: one without a rate, if it gives the same."""
    said = np.full(len(rows), -1)
    for at, other in enumerate(found):
        if other.formula.rate == 1 and name in other.formula.columns and other is not one:
            value, fits = _solved(named, other, name, [other], rows)
            said[(said < 0) & fits & np.isclose(value, meant, rtol=1e-12, atol=0.01 * named[name].unit)] = at
    if one.formula.rate == 1:
        said[:] = -1
    for row, value, at in zip(rows.tolist(), meant.tolist(), said.tolist(), strict=True):
        yield row, value, one if at < 0 else found[at]


def _times(column: Amounts, row: int, written: str, meant: float) -> str:
    """A slip of the decimal point in words; nothing otherwise."""
    ratio = float(column.values[row]) / meant if meant else 0.0
    for power, (more, less) in _POWERS.items():
        for share, words in ((ratio / power, more), (ratio * power, f"{less} of")):
            if abs(share - 1) < 1e-3:
                return f" {_shown(column, row)} is {words} {column.form.shown(written)}."
    return ""


def _makes(named: Mapping[str, Amounts], one: Dependency, column: Amounts, row: int, value: str) -> str:
    shown, often = column.form.shown(value), f"as in {one.held:,} of {one.told:,} rows"
    formula = one.formula
    if column.name == formula.target:
        return f"{formula.words(lambda name: _held(named[name], row))} makes {shown}, {often}"
    return f"with {shown}, {formula.target} is {formula.words()}, {often}"


def _held(column: Amounts, row: int) -> str | None:
    """The cell as it stands; a blank that is read as nought is one."""
    return "0" if column.blank[row] and column.values[row] == 0 else column.text(row)


def _shown(column: Amounts, row: int) -> str:
    return column.form.shown(column.text(row) or "") or "blank"


def _doubted(named: Mapping[str, Amounts], one: Dependency, row: int) -> Doubt:
    formula, target = one.formula, named[one.formula.target]
    with np.errstate(all="ignore"):
        value = float(formula.value(getter(named, np.array([row])))[0])
    makes = _makes(named, one, target, row, target.form.write(value, target.text(row)))
    detail = (
        f"{target.name} is {_shown(target, row)}; {makes}. Which of {_listed(target.name, *formula.parts)} is wrong"
    )
    fields = tuple(sorted(formula.columns))
    return Doubt(row, fields, rule_of("sum-doubt", str(formula)), one.agreement**4, f"{detail} cannot be told.")


def _listed(*names: str) -> str:
    return f"{', '.join(names[:-1])} and {names[-1]}"
