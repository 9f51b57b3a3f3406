"""Cells that disagree with the rest of their table."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Any, ClassVar, Self

from detectors.conflicts import reckoning, repairs
from detectors.conflicts.doubts import Doubt
from detectors.conflicts.existing import stands
from detectors.conflicts.lessons import Lesson, lessons_of
from detectors.conflicts.repairs import Repair
from detectors.contract import Batch, Finding, Flag, Label, RunContext, SetFields
from detectors.formats.acceptance import Acceptance, RuleDetector, Tally, reason
from detectors.roles import Role

_LEAST = 0.1
"""Repairs less likely than this are noise to a steward."""

_SELF_JUDGED = ("as-corrected", "told", "trusted-sources")
"""Rules made of the corrections themselves: the same corrections cannot also judge them."""

_WORDS = {"sum": "arithmetic"}
"""Kind of a dependency -> its word at a reason, where it is another: the sum of the reasons stands beside it."""
_OF_NUMBERS = ("sum:", "sum-blank:")
"""Rules whose corrections say what a number is, not how its column is written."""


class ConflictDetector(RuleDetector):
    """Slips, conflicts and known-elsewhere values, by what the rest of the table says.

    It needs no role: what determines what is found in the data, so columns may have any name and order. Where a column
    is known to hold cities or given names, one that exists is not taken for a misspelling of another.
    Accepted corrections teach it how a column is written, which sources to trust, and how far each rule can be
    trusted in each column.
    """

    name: ClassVar[str] = "conflicts"
    version: ClassVar[str] = "1"
    fits_on_records: ClassVar[bool] = True  # it looks for repairs anew, to grade them by the answers

    def __init__(self, acceptance: Acceptance | None = None) -> None:
        super().__init__(acceptance)
        self.lessons: list[Lesson] = []
        self.trust: dict[str, Tally] = {}

    def suggest(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One finding a cell that the rest of the table would write otherwise, one a record that it doubts."""
        context.report(0, 1, "conflicts")
        records = batch.frame.index.to_numpy()
        found, doubts = self._found(batch, context)
        for doubt in doubts:
            yield _flag(int(records[doubt.row]), doubt)
        for repair in found:
            score = self._trusted(repair)
            if score >= _LEAST and "\0" not in (repair.value or ""):
                yield _finding(int(records[repair.row]), replace(repair, score=score))

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """Learn from accepted corrections and from answers to earlier findings, from nothing.

        A label whose proposal sets fields to what they hold already says that they are right.
        """
        made = super().fit(batch, labels, context)
        made.lessons = lessons_of(batch, [one for one in labels if not one.finding.rule.startswith(_OF_NUMBERS)])
        made.trust = {}
        if made.lessons:
            made.trust = _graded(made._found(batch, context)[0], batch, labels)
        return made

    def metrics(self) -> dict[str, float]:
        """Acceptance by rule; how many corrected records it learned from, and each rule's precision a column."""
        graded = {f"precision:{key}": tally.precision for key, tally in sorted(self.trust.items())}
        return {**super().metrics(), "lessons": float(len(self.lessons)), **graded}

    def _found(self, batch: Batch, context: RunContext) -> tuple[list[Repair], list[Doubt]]:
        names = [name for name in batch.frame.columns if batch.roles.get(name, Role.IGNORE) is not Role.IGNORE]
        found = repairs.find(batch.frame, names, context.report, self.lessons)
        reckoned, doubts = reckoning.find(batch, names, context.report)
        best = {(one.row, one.field): one for one in found if not stands(batch, one)}
        for one in reckoned:
            other = best.get((one.row, one.field))
            if other is None or other.score <= one.score:
                best[one.row, one.field] = one
        return [best[cell] for cell in sorted(best)], doubts

    def _trusted(self, repair: Repair) -> float:
        tally = self.trust.get(f"{repair.rule}|{repair.field}")
        return repair.score if tally is None else tally.moved(repair.score)

    def _state(self) -> Any:
        return {
            "lessons": [[dict(lesson.before), dict(lesson.after)] for lesson in self.lessons],
            "trust": {key: [tally.accepted, tally.rejected, tally.claimed] for key, tally in self.trust.items()},
        }

    def _restore(self, state: Any) -> None:
        self.lessons = [Lesson(dict(before), dict(after)) for before, after in state["lessons"]]
        self.trust = {key: Tally(*map(float, counts)) for key, counts in state["trust"].items()}


def _graded(found: Sequence[Repair], batch: Batch, labels: Sequence[Label]) -> dict[str, Tally]:
    """Rule and column -> how often the rule was right where a person told the truth."""
    truth: dict[tuple[int, str], str | None] = {}
    position = {record: at for at, record in enumerate(batch.frame.index)}
    for label in labels:
        if label.is_defect and isinstance(label.finding.proposal, SetFields):
            at = position.get(label.finding.subjects[0], -1)
            truth |= {(at, name): value for name, value in label.finding.proposal.changes.items()}
    trust: dict[str, Tally] = {}
    for repair in found:
        cell = repair.row, repair.field
        if cell in truth and not repair.rule.startswith(_SELF_JUDGED):
            key = f"{repair.rule}|{repair.field}"
            trust[key] = trust.get(key, Tally()).counted(repair.value == truth[cell], repair.score)
    return trust


def _finding(record: int, repair: Repair) -> Finding:
    evidence = (reason(_kind(repair.rule), repair.score, repair.detail, (repair.field, *repair.told_by)),)
    return Finding((record,), SetFields({repair.field: repair.value}), repair.score, evidence, repair.rule)


def _flag(record: int, doubt: Doubt) -> Finding:
    evidence = (reason(_kind(doubt.rule), doubt.score, doubt.detail, doubt.fields),)
    return Finding((record,), Flag(), doubt.score, evidence, doubt.rule)


def _kind(rule: str) -> str:
    """What a rule is about, in the word that stands at the reason, whether it fills, mends or doubts."""
    kind, of, _ = rule.partition(":")
    return _WORDS.get(kind.partition("-")[0], kind) if of else rule
