"""What look-ups know of a record as a detector: each value that fills a blank, or differs, is proposed to a person."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import ClassVar

from detectors.contract import Batch, Detector, Evidence, Finding, RecordId, RunContext, SetFields

SOURCE, LICENCE = "source", "licence"
"""Names of the evidence that says where a value is from, and under which licence: kept with the claim."""


@dataclass(frozen=True, slots=True)
class Suggestion:
    """A value that a look-up knows of a record.

    score: how far the key by which it was found identifies its holder, in [0, 1].
    why: by what it was found. source: who says so, with the address of the entry where there is one.
    licence: under which the value may be used. fields: the columns that the claim was made from, and `column`.
    """

    record: RecordId
    column: str
    value: str
    score: float
    why: str
    source: str
    licence: str
    rule: str
    fields: tuple[str, ...]


class EnrichmentDetector(Detector):
    """Proposes what the look-ups of a source know.

    It holds no look-up itself: the runner asks them for it (`RunContext.enrich`). A source without any gives no
    finding.
    """

    name: ClassVar[str] = "enrichment"
    version: ClassVar[str] = "1"

    def detect(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One proposal a record and column."""
        context.report(0, 1, "asking look-ups")
        for one in context.enrich(batch, context.report):
            evidence = (
                Evidence("look-up", 3.0, one.why, one.fields),
                Evidence(SOURCE, 0.0, one.source, (one.column,)),
                Evidence(LICENCE, 0.0, one.licence, (one.column,)),
            )
            yield Finding((one.record,), SetFields({one.column: one.value}), one.score, evidence, one.rule)
