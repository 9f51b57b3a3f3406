"""Missing values: proposes a value for a blank cell where the record's other fields say what it must be."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any, ClassVar, Self

import numpy as np

from detectors.contract import (
    Batch,
    Finding,
    Label,
    ModelFileError,
    RunContext,
    SetFields,
    TrainableDetector,
)
from detectors.prediction.acceptance import Acceptance, name_of
from detectors.prediction.engine.encoding import Column, Ints, Kind, read_table
from detectors.prediction.engine.imputation import Filler, Table
from detectors.prediction.explaining import explain, say_number
from detectors.prediction.sensitive import is_sensitive
from detectors.roles import Role, ValueType

LEAST = 0.7
"""Below this probability a cell is left blank: a steward would not sign it."""

FEWEST = 20
"""Filled cells a column needs before anything is learned from it."""

REPEATED = 0.5
"""Share of filled cells whose value occurs again; a column with less holds names or keys, not choices."""

LONGEST = 120
"""Longer texts are notes, not choices."""

NARROW = 0.05
"""A number is proposed only if its 90 % interval reaches no further to a side than this share of the column's
5 % to 95 % range."""

COVERED = 0.9
"""The share of truths inside the interval, which is the score of such a proposal."""

FORMAT = 1
FILE = "acceptance.json"

_PERSONAL = frozenset(
    {
        Role.NAME,
        Role.GIVEN_NAME,
        Role.MIDDLE_NAME,
        Role.FAMILY_NAME,
        Role.EMAIL,
        Role.PHONE,
        Role.FAX,
        Role.ADDRESS,
        Role.STREET,
        Role.HOUSE_NUMBER,
        Role.UNIT,
        Role.CONSENT,
        Role.IGNORE,
    }
)
"""Never guessed: they identify one person or place, or are that person's own word (consent)."""


class MissingValueDetector(TrainableDetector):
    """Fills blank cells from dependencies in the table, by look-ups and boosted trees; scores are calibrated.

    A value is proposed only if the record's own fields at least halve the doubt that the column's most frequent
    value would leave: a mode is never written into a person's record. Names, keys, addresses, consent and
    dates are never filled, sensitive attributes only if asked for.
    """

    name: ClassVar[str] = "missing"
    version: ClassVar[str] = "1"
    fits_on_records: ClassVar[bool] = False

    def __init__(self, *, sensitive: bool = False, acceptance: Acceptance | None = None) -> None:
        """sensitive: also fill gender, age and the like, whatever the context allows.

        acceptance: what stewards answered so far.
        """
        self._sensitive = sensitive
        self._acceptance = acceptance or Acceptance()

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One SetFields finding a blank cell that can be told with a probability of at least `LEAST`."""
        context.report(0, 1, "reading columns")
        frame = batch.frame.sort_index()
        table = Table(read_table(frame, batch.roles))
        targets = [column for column in table.columns.values() if self._may_fill(column, context.sensitive)]
        records = [int(record) for record in frame.index]
        for done, column in enumerate(targets):
            context.report(done, len(targets), f"missing {column.name}")
            yield from self._fill(table, column, records, context.seed)
        context.report(1, 1, "missing values")

    def fit(self, batch: Batch, labels: Sequence[Label], context: RunContext) -> Self:
        """A detector that believes each rule as far as these answers bear it out; look-ups are found anew a run."""
        return self._with(Acceptance(self._acceptance.target).plus(labels))

    def reweight(self, labels: Sequence[Label]) -> Self:
        """The same with further answers."""
        return self._with(self._acceptance.plus(labels))

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        """Scores by today's acceptance of each rule; 0 for a rule that stopped."""
        return [self._acceptance.rescored(finding) for finding in findings]

    def metrics(self) -> Mapping[str, float]:
        """Acceptance by rule and field, and which of them stopped suggesting."""
        return self._acceptance.metrics()

    def save(self, directory: Path) -> None:
        """Write one JSON file with a digest of its content."""
        state = {"format": FORMAT, "sensitive": self._sensitive, **self._acceptance.to_json()}
        text = json.dumps({"digest": _digest(state), "state": state}, indent=1)
        (directory / FILE).write_text(text, encoding="utf-8")

    @classmethod
    def load(cls, directory: Path) -> Self:
        """Read what `save` wrote. Raises ModelFileError if it is damaged, foreign or of another format."""
        try:
            saved = json.loads((directory / FILE).read_text(encoding="utf-8"))
            state = saved["state"]
            if saved["digest"] != _digest(state):
                raise ModelFileError(f"{FILE}: its content does not match its digest")
            if state["format"] != FORMAT:
                raise ModelFileError(f"{FILE}: format {state['format']}, this version reads {FORMAT}")
            return cls(sensitive=bool(state["sensitive"]), acceptance=Acceptance.from_json(state))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise ModelFileError(f"{FILE}: cannot be read: {type(error).__name__}") from error

    def _with(self, acceptance: Acceptance) -> Self:
        return type(self)(sensitive=self._sensitive, acceptance=acceptance)

    def _may_fill(self, column: Column, allowed: frozenset[str]) -> bool:
        """Whether the column has blanks and holds choices or measures rather than names, keys or secrets."""
        role = column.role
        if role is None or role in _PERSONAL or role.value_type in (ValueType.KEY, ValueType.DATE):
            return False
        if not self._sensitive and column.name not in allowed and is_sensitive(column.name, role):
            return False
        if column.kind is Kind.DATE or column.filled == len(column.codes):
            return False
        return (
            column.filled >= FEWEST
            and len(column.values) > 1
            and (column.kind is Kind.NUMBER or column.repeated >= REPEATED * column.filled)
            and max(map(len, column.values)) <= LONGEST
        )

    def _fill(self, table: Table, column: Column, records: list[int], seed: int) -> Iterator[Finding]:
        rows = np.flatnonzero(column.codes < 0)
        filler = Filler(table, column.name, seed=seed)
        if not filler.exact:
            yield from self._measure(filler, rows, records)
            return
        guesses = filler.guess(rows)
        first = guesses.probabilities[:, 0]
        doubt = 1 - filler.target.prior[np.maximum(guesses.values[:, 0], 0)]
        telling = (first >= LEAST) & (1 - first <= doubt / 2) & (guesses.values[:, 0] >= 0)
        for place in np.flatnonzero(telling):
            value = column.values[guesses.values[place, 0]]
            if not value.isprintable():
                continue  # a damaged value is not spread to further records
            proposal = SetFields({column.name: value})
            rule, evidence = explain(
                filler, table, int(rows[place]), guesses.values[place], guesses.probabilities[place]
            )
            yield from self._judged(Finding((records[rows[place]],), proposal, float(first[place]), evidence, rule))

    def _measure(self, filler: Filler, rows: Ints, records: list[int]) -> Iterator[Finding]:
        """Numbers that no look-up tells exactly, where the interval is so narrow that any value in it would do."""
        guesses = filler.numbers(rows)
        known = filler.column.numbers
        if guesses is None or known is None:
            return
        low, high = np.nanquantile(known, [0.05, 0.95])
        for row, number, radius in zip(rows, guesses.numbers, guesses.radius, strict=True):
            narrow = 0 < radius <= NARROW * (high - low)
            if narrow and np.nanmin(known) <= number <= np.nanmax(known):
                text, reason = say_number(filler.column, float(number), float(radius))
                proposal = SetFields({filler.column.name: text})
                yield from self._judged(Finding((records[row],), proposal, COVERED, (reason,), "trees:interval"))

    def _judged(self, finding: Finding) -> Iterator[Finding]:
        """The finding by what stewards said of its rule; nothing if the rule stopped."""
        if not self._acceptance.stopped(name_of(finding)):
            score = self._acceptance.rescored(finding)
            yield replace(finding, score=score)


def _digest(state: Mapping[str, Any]) -> str:
    return hashlib.sha256(json.dumps(state, sort_keys=True).encode()).hexdigest()
