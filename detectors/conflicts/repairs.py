"""Every way to mend a cell from the rest of its table, and the choice among them."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import pandas as pd

from detectors.conflicts import decoys, dependencies, sources
from detectors.conflicts.company import keeps_company
from detectors.conflicts.decoys import Look
from detectors.conflicts.lessons import Lesson, learn, rewrite
from detectors.conflicts.likeness import FAR, likeness, shape
from detectors.conflicts.moved import moved
from detectors.conflicts.styles import Restyled, restyled
from detectors.conflicts.table import Field, Ints, Table, encode
from detectors.conflicts.vocabulary import Misspelling, misspellings
from detectors.conflicts.voting import Disagreement, Vote, vote
from detectors.formats.column import distinct

Report = Callable[..., None]
_Spelling = TypeVar("_Spelling", Misspelling, Restyled)

_FAMILY = {"slip": "slip", "misspelling": "slip", "told": "belief", "trusted-sources": "belief"}
"""Rules whose repairs should fall anywhere in the table: where they gather, something else is going on."""

_WRITING = ("as-corrected", "moved-part", "column-style")
_APPLIED = 0.5
"""Score from which a rewriting is taken as made when the rest of the table is asked."""


@dataclass(frozen=True, slots=True)
class Repair:
    """One cell, one proposed text.

    row: position. value: None empties the cell. score: estimated probability that it is right. told_by: other columns
    whose cells the detail tells.
    """

    row: int
    field: str
    value: str | None
    rule: str
    score: float
    detail: str
    told_by: tuple[str, ...] = ()


def from_votes(table: Table, report: Report) -> Iterator[Repair]:
    """What the other columns say, column by column."""
    for done, (field, determinants) in enumerate(dependencies.find(table, report), start=1):
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
    rows = np.bincount(field.keys[field.keys >= 0], minlength=len(field.usual))
    for one, look in zip(filled, looks, strict=True):
        yield _mend(table, field, one, look, gate.of(look), rows)
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


def _mend(table: Table, field: Field, one: Disagreement, look: Look, precision: float, rows: Ints) -> Repair:
    value = field.spelled(one.proposed)
    if look[0] == FAR:
        return Repair(one.row, field.name, value, "conflict", 0.4 * one.share * one.agreement, _why(table, field, one))
    score = precision * min(1.0, one.share + 0.1)
    if one.support == 1 and not one.against and not look[2]:
        score *= min(1.0, 1.6 * _likelier(one, rows))  # even chances are no proposal
    return Repair(one.row, field.name, value, "slip", score, _why(table, field, one))


def _likelier(one: Disagreement, rows: Ints) -> float:
    """Where one row stands against one: the chance that the proposed value is right, by its rows elsewhere."""
    proposed, current = rows[one.proposed] - 1, rows[one.current] - 1
    return float((proposed + 0.5) / (proposed + current + 1))


def _fill(table: Table, field: Field, one: Disagreement, settled: float) -> Repair:
    # Where the column says nearly always the same, its commonest value is no knowledge about this row.
    score = 0.95 * settled * one.share * min(one.agreement, one.beyond + 0.2)
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
        fits = None
        for row, wrong in _in_rows(field, misspellings(field)):
            fits = fits or keeps_company(table, field)
            if not fits(row, wrong.value):
                continue
            digits = " (9 = any digit)" if "9" in wrong.common else ""
            detail = f'"{_short(wrong.common)}" is in {wrong.rows} rows{digits}, this spelling hardly.'
            yield Repair(row, field.name, wrong.value, "misspelling", wrong.score, detail)


def _in_rows(field: Field, found: Iterable[_Spelling]) -> Iterator[tuple[int, _Spelling]]:
    """What was found about spellings, with each row that is spelled so."""
    rows_of = None
    for one in found:
        rows_of = rows_of or field.by_spelling()  # sorts every row: not for a column of which nothing is found
        for row in rows_of(one.code).tolist():
            yield row, one


def without_systematic(table: Table, repairs: list[Repair]) -> Iterator[Repair]:
    """Leaves out the repairs of a column that gather under one value of another: that is a rule, not a slip.

    Slips fall anywhere. If half of the rows of one state, product or source "deviate", the deviation is how that
    state, product or source is.
    """
    families: dict[tuple[str, str], list[Repair]] = defaultdict(list)
    for repair in repairs:
        if repair.rule in _FAMILY:
            families[repair.field, _FAMILY[repair.rule]].append(repair)
        else:
            yield repair
    for (name, family), found in families.items():
        field = table.field(name)
        rows = np.array(sorted({repair.row for repair in found}), dtype=np.int64)
        systematic = np.zeros(table.rows, dtype=np.bool_)
        for other in table.fields:
            if other.name != name:
                systematic |= _gathered(other, rows, table.rows)
        repeated = _repeated(field, found) if family == "slip" else set()
        for repair in found:
            if not systematic[repair.row] and field.codes[repair.row] not in repeated:
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


def from_styles(table: Table) -> Iterator[Repair]:
    """Cells that stray from the way their column is written."""
    for field in table.fields:
        for row, one in _in_rows(field, restyled(field)):
            detail = f"Nearly all of {field.name} is written otherwise; {one.says}."
            yield Repair(row, field.name, one.value, "column-style", one.score, detail)


def from_lessons(frame: pd.DataFrame, names: Sequence[str], lessons: Sequence[Lesson]) -> Iterator[Repair]:
    """What people's corrections teach about the way a column is written."""
    for name in names:
        learned = learn(lessons, name)
        if not learned:
            continue
        codes, texts = distinct(frame[name])
        made = [rewrite(text, learned) for text in texts]
        for row in np.flatnonzero([code >= 0 and made[code] is not None for code in codes.tolist()]):
            value, by = made[codes[row]] or ("", learned[0])
            detail = f"{by.program.says}, as {by.right} different corrections were made here."
            yield Repair(int(row), name, value or None, f"as-corrected-{by.program.kind}", by.score, detail)


def from_sources(table: Table, lessons: Sequence[Lesson]) -> Iterator[Repair]:
    """What the sources say that were right about the things whose truth is known."""
    if not lessons:
        return
    things = sources.panels(table)
    for field in table.fields:
        judged = [
            (*sources.believe(table, field, thing, source, lessons), thing)
            for thing, source in things
            if field.name not in {thing.name, source.name}
        ]
        if not judged:
            continue
        score, beliefs, thing = max(judged, key=lambda one: (one[0], one[2].name))
        if score <= 0:
            continue
        held = {belief.thing: belief for belief in beliefs}
        for row, name in enumerate(thing.keys.tolist()):
            belief = held.get(name)
            if belief is None or field.keys[row] == belief.key:
                continue
            yield _believed(field, thing, row, belief)


def _believed(field: Field, thing: Field, row: int, belief: sources.Belief) -> Repair:
    value, about = field.spelled(belief.key), f'{thing.name} "{_short(thing.text(row))}"'
    if belief.told:
        return Repair(row, field.name, value, "told", belief.score, f"A person corrected it so for {about}.")
    detail = f"{belief.share:.0%} of the sources' votes about {about}, weighted by how often each was right."
    return Repair(row, field.name, value, "trusted-sources", belief.score * (0.7 + 0.3 * belief.share), detail)


def from_moved(table: Table) -> Iterator[Repair]:
    """Parts that stand in the wrong column of their row, with the column they are missing in."""
    for one in moved(table):
        detail = f'{one.other} is blank, and "{_short(one.part)}" stands in {one.field}.'
        yield Repair(one.row, one.field, one.rest, "moved-part", one.score, detail)
        yield Repair(one.row, one.other, one.part, "moved-part", one.score, detail)


def find(frame: pd.DataFrame, names: Sequence[str], report: Report, lessons: Sequence[Lesson] = ()) -> list[Repair]:
    """The best repair of every cell that has one, in order of row and column.

    What is only a matter of writing is mended first, as people's corrections teach, so that the vote compares
    like with like; the vote's proposal then stands for both.
    """
    raw = encode(frame, names)
    written = [*from_styles(raw), *from_moved(raw), *from_lessons(frame, names, lessons)]
    likely = [repair for repair in written if repair.score >= _APPLIED]
    table = encode(_rewritten(frame, likely), names)
    found = [*written, *from_votes(table, report), *from_vocabulary(table, report), *from_sources(table, lessons)]
    best: dict[tuple[int, str], Repair] = {}
    rewritten = {(repair.row, repair.field) for repair in likely}
    for repair in without_systematic(table, found):
        cell = repair.row, repair.field
        if cell not in best or _rank(repair, cell in rewritten) > _rank(best[cell], cell in rewritten):
            best[cell] = repair
    original = {name: frame[name].to_numpy() for name in names}
    return [best[cell] for cell in sorted(best) if best[cell].value != original[cell[1]][cell[0]]]


def _rank(repair: Repair, rewritten: bool) -> tuple[bool, float, str]:
    """A repair of a rewritten cell builds on the rewriting, so it goes first where it is likely at all."""
    later = rewritten and not repair.rule.startswith(_WRITING) and repair.score >= _APPLIED
    return later, repair.score, repair.rule


def _rewritten(frame: pd.DataFrame, repairs: Sequence[Repair]) -> pd.DataFrame:
    by_column: dict[str, list[Repair]] = defaultdict(list)
    for repair in repairs:
        by_column[repair.field].append(repair)
    rewritten = frame.copy(deep=False)
    for name, found in by_column.items():
        column = frame[name].to_numpy(dtype=object, copy=True)
        column[[repair.row for repair in found]] = np.array([repair.value for repair in found], dtype=object)
        rewritten[name] = column
    return rewritten
