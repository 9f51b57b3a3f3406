"""An admin's rules as a detector: each record that breaks one is flagged, and a person decides about it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

import pandas as pd

from detectors.contract import Batch, Detector, Evidence, Finding, Flag, RunContext
from detectors.rules.checking import Result
from detectors.rules.kinds import Severity

MOST = 10_000
"""So many records of one rule are flagged, those of the lowest ids; a rule that more break is about the table, not
about records, and its page lists them all."""

SCORES = {Severity.WARNING: 0.9, Severity.BLOCKING: 0.97}
"""What a rule claims of a record that breaks it. Rules of severity note only count."""

_BITS = {Severity.WARNING: 3.17, Severity.BLOCKING: 5.01}
"""The same as log2 odds."""


class StandingRuleDetector(Detector):
    """Flags the records that break a rule which an admin set for the source.

    It holds no rule itself: the runner checks the source's rules for it (`RunContext.check`). A source without rules
    gives no finding.
    """

    name: ClassVar[str] = "rules"
    version: ClassVar[str] = "1"

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One flag a record and rule, as the rules stand now."""
        context.report(0, 1, "checking rules")
        results = [result for result in context.check(batch) if result.rule.severity in SCORES]
        for done, result in enumerate(results, 1):
            yield from _flags(batch.frame, result)
            context.report(done, len(results), f"rule: {result.rule.name}"[:80])


def _flags(frame: pd.DataFrame, result: Result) -> Iterator[Finding]:
    rule, severity = result.rule, Severity(result.rule.severity)
    columns = [name for name in rule.columns if name in frame.columns]
    rows = result.rows[:MOST]
    cells = frame[columns].iloc[rows].to_numpy(dtype=object)
    for record, values in zip(frame.index[rows], cells, strict=True):
        held = {name: None if pd.isna(value) else value for name, value in zip(columns, values, strict=True)}
        why = Evidence(rule.name, _BITS[severity], rule.why(held), tuple(columns))
        yield Finding((int(record),), Flag(), SCORES[severity], (why,), rule.name)
