"""What a person's corrections teach about a column: which programs mend it, and how far to trust them."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from detectors.conflicts.likeness import FAR, likeness
from detectors.conflicts.programs import Program, candidates, signature, template
from detectors.contract import Batch, Label, SetFields

Row = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Lesson:
    """A record as it was, and what a person says some of its fields should hold; equal means "it is right"."""

    before: Row
    after: Row


def lessons_of(batch: Batch, labels: Iterable[Label]) -> list[Lesson]:
    """The accepted corrections of records in the batch, one lesson a record and label."""
    found = []
    for label in labels:
        proposal, subject = label.finding.proposal, label.finding.subjects[0]
        if not label.is_defect or not isinstance(proposal, SetFields) or subject not in batch.frame.index:
            continue
        row = batch.frame.loc[subject]
        before = {str(name): _text(row[name]) for name in batch.frame.columns}
        after = {name: _text(value) for name, value in proposal.changes.items() if name in before}
        if after:
            found.append(Lesson(before, after))
    return found


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value.strip() else None


@dataclass(frozen=True, slots=True)
class Learned:
    """A program that holds for a column. right, wrong: distinct texts it mends as the person did, and not so."""

    program: Program
    right: int
    wrong: int

    @property
    def score(self) -> float:
        """Posterior mean of its precision; half a wrong answer is assumed."""
        return (self.right + 0.5) / (self.right + self.wrong + 1)


_GENERAL = (
    "placeholder",
    "number",
    "number_as_is",
    "one_decimal",
    "time",
    "date",
    "clean",
    "pad",
    "without",
    "replace",
)
_TYPED = {"number", "number_as_is", "one_decimal", "time", "date"}
_LEAST = 0.6


def learn(lessons: Sequence[Lesson], column: str) -> list[Learned]:
    """The programs for a column, the most trusted first.

    A program that would have changed a text the person left alone, or changed one otherwise, is counted wrong
    for it; below a precision of 0.6 it is dropped.
    """
    pairs = {
        (lesson.before[column] or "", lesson.after[column] or "")
        for lesson in lessons
        if column in lesson.after and lesson.before.get(column)
    }
    proposed = {program for old, new in pairs if old != new for program in candidates(old, new)}
    proposed |= {program for old, new in pairs if old != new for program in _exactly(old, new)}
    by_signature: dict[tuple[str, ...], list[tuple[str, str]]] = defaultdict(list)
    for old, new in sorted(pairs):
        if old != new and new:
            by_signature[signature(old)].append((old, new))
    proposed |= {program for same in by_signature.values() if (program := template(same)) is not None}
    judged = [_judged(program, pairs) for program in proposed]
    kept = [one for one in judged if one.right and one.score >= _LEAST]
    return sorted(kept, key=_order)


def _order(one: Learned) -> tuple[float, int, str, tuple[str, ...]]:
    kind = one.program.kind
    return -one.score, _GENERAL.index(kind) if kind in _GENERAL else len(_GENERAL), kind, one.program.arguments


def _exactly(old: str, new: str) -> list[Program]:
    """This text always for that one, where it is a matter of writing: a slip in letters, not another number."""
    digits = [sign for sign in old if sign.isdigit()]
    if not new or digits != [sign for sign in new if sign.isdigit()]:
        return [] if new else [Program("exactly", (old, new))]
    return [Program("exactly", (old, new))] if likeness(old, new) != FAR else []


def _judged(program: Program, pairs: set[tuple[str, str]]) -> Learned:
    right = wrong = 0
    for old, new in pairs:
        made = program(old)
        if made is None or (made == old and old != new):
            continue
        right += made == new != old
        wrong += made != new
    return Learned(program, right, wrong)


def rewrite(text: str, learned: Sequence[Learned]) -> tuple[str, Learned] | None:
    """What the most trusted program that changes this text makes of it ("" = empty), and which it was."""
    for one in learned:
        made = one.program(text)
        if made is not None and made != text:
            return made, one
        if made == text and one.program.kind in _TYPED:
            return None
    return None
