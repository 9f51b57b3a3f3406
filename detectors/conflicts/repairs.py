"""Every way to mend a cell from the rest of its table, and the choice among them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from detectors.conflicts import decoys, dependencies
from detectors.conflicts.decoys import Look
from detectors.conflicts.likeness import FAR, likeness, shape
from detectors.conflicts.table import Field, Table
from detectors.conflicts.vocabulary import misspellings
from detectors.conflicts.voting import Disagreement, Vote, vote

Report = Callable[..., None]

_SLIPS = {"slip", "misspelling"}


@dataclass(frozen=True, slots=True)
class Repair:
    """One cell, one proposed text.

    row: position. value: None empties the cell. score: estimated probability that it is right.
    """

    row: int
    field: str
    value: str | None
    rule: str
    score: float
    detail: str


def from_votes(table: Table, report: Report) -> Iterator[Repair]:
    """What the other columns say, column by column."""
    for done, (field, determinants) in enumerate(dependencies.find(table), start=1):
        report(done, len(table.fields), f"conflicts: {field.name}")
        if determinants:
            yield from _from_vote(table, vote(table, field, determinants))


def _from_vote(table: Table, ballot: Vote) -> Iterator[Repair]:
    field = ballot.field
    rare = decoys.rare_shapes(field)
    filled = [one for one in ballot.disagreements if one.current >= 0]
    looks = [_look(field, one, ballot, rare) for one in filled]
    agreeing = np.flatnonzero(ballot.agreeing | ((field.codes >= 0) & ~_denied(table, ballot)))
    sample = np.sort(field.codes[agreeing])[:: max(1, len(agreeing) // 4000)]
    normal = [(not ballot.homes[field.meaning[code]], shape(field.texts[code]) in rare) for code in sample.tolist()]
    chances = decoys.decoy_chances(field, [one.proposed for one in filled], field.meaning[sample].tolist())
    gate = decoys.learn(looks, normal, chances, len(agreeing))
    for one, look in zip(filled, looks, strict=True):
        yield _mend(table, field, one, look, gate.of(look))
    settled = len(agreeing) / max(1, len(agreeing) + len(filled))
    for one in ballot.disagreements:
        if one.current < 0:
            yield _fill(table, field, one, settled)


def _denied(table: Table, ballot: Vote) -> np.ndarray:
    denied = np.zeros(table.rows, dtype=np.bool_)
    denied[[one.row for one in ballot.disagreements]] = True
    return denied


def _look(field: Field, one: Disagreement, ballot: Vote, rare: set[str]) -> Look:
    text = field.texts[field.codes[one.row]]
    return likeness(text, field.spelled(one.proposed)), not ballot.homes[one.current], shape(text) in rare


def _mend(table: Table, field: Field, one: Disagreement, look: Look, precision: float) -> Repair:
    value = field.spelled(one.proposed)
    if look[0] == FAR:
        return Repair(one.row, field.name, value, "conflict", 0.4 * one.share * one.agreement, _why(table, field, one))
    return Repair(one.row, field.name, value, "slip", precision * min(1.0, one.share + 0.1), _why(table, field, one))


def _fill(table: Table, field: Field, one: Disagreement, settled: float) -> Repair:
    score = 0.95 * settled * one.share * one.agreement
    return Repair(one.row, field.name, field.spelled(one.proposed), "known-elsewhere", score, _why(table, field, one))


def _why(table: Table, field: Field, one: Disagreement) -> str:
    told = table.field(one.voter).text(one.row)
    others = one.support + one.against
    return (
        f'{one.support} of {others} other rows with {one.voter} "{_short(told)}" '
        f'have {field.name} "{_short(field.spelled(one.proposed))}".'
    )


def _short(text: str | None) -> str:
    text = text or ""
    return text if len(text) <= 60 else text[:57] + "..."


def from_vocabulary(table: Table, report: Report) -> Iterator[Repair]:
    """Slips in columns whose values repeat."""
    for done, field in enumerate(table.fields):
        report(done, len(table.fields), f"conflicts: spelling of {field.name}")
        for wrong in misspellings(field):
            detail = f'"{_short(wrong.common)}" is in {wrong.rows} rows (9 = any digit), this spelling hardly.'
            for row in np.flatnonzero(field.codes == wrong.code):
                yield Repair(int(row), field.name, wrong.value, "misspelling", wrong.score, detail)


def without_systematic(table: Table, repairs: list[Repair]) -> Iterator[Repair]:
    """Leaves out the slips of a column that gather under one value of another: that is a rule, not a slip.

    Slips fall anywhere. If half of the rows of one state, product or source "deviate", the deviation is how that
    state, product or source is.
    """
    slips: dict[str, list[Repair]] = defaultdict(list)
    for repair in repairs:
        if repair.rule in _SLIPS:
            slips[repair.field].append(repair)
        else:
            yield repair
    for name, found in slips.items():
        rows = np.array(sorted({repair.row for repair in found}), dtype=np.int64)
        systematic = np.zeros(table.rows, dtype=np.bool_)
        for other in table.fields:
            if other.name != name:
                systematic |= _gathered(other, rows, table.rows)
        repeated = _repeated(table.field(name), found)
        for repair in found:
            if not systematic[repair.row] and table.field(name).codes[repair.row] not in repeated:
                yield repair


def _repeated(field: Field, found: list[Repair]) -> set[int]:
    """Spellings that come back too often for slips, which can hit any letter: a rare value of its own."""
    rows = {(repair.row, repair.value) for repair in found}
    slips_of = Counter(value for _, value in rows)
    same = Counter((int(field.codes[row]), value) for row, value in rows)
    return {
        code
        for (code, value), count in same.items()
        if count >= 4 and count > 4 * (slips_of[value] / max(1, len(set(value or ""))) + 1)
    }


def _gathered(other: Field, rows: np.ndarray, total: int) -> np.ndarray:
    keys = other.keys
    sizes = np.bincount(keys[keys >= 0], minlength=len(other.usual))
    held = np.bincount(keys[rows][keys[rows] >= 0], minlength=len(other.usual))
    much = (held >= 4) & (held >= 0.5 * sizes) & (held >= 5 * sizes * len(rows) / max(1, total))
    return np.asarray(np.append(much, False)[keys])


def find(table: Table, report: Report) -> list[Repair]:
    """The best repair of every cell that has one, in order of row and column."""
    found = [*from_votes(table, report), *from_vocabulary(table, report)]
    best: dict[tuple[int, str], Repair] = {}
    for repair in without_systematic(table, found):
        cell = repair.row, repair.field
        if cell not in best or (repair.score, repair.rule) > (best[cell].score, best[cell].rule):
            best[cell] = repair
    return [best[cell] for cell in sorted(best)]
