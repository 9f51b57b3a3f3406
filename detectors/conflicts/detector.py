"""Cells that disagree with the rest of their table."""

from __future__ import annotations

from collections.abc import Iterator
from typing import ClassVar

from detectors.conflicts import repairs
from detectors.conflicts.repairs import Repair
from detectors.conflicts.table import Table, encode
from detectors.contract import Batch, Finding, RunContext, SetFields
from detectors.formats.acceptance import RuleDetector, reason
from detectors.roles import Role

_LEAST = 0.1
"""Repairs less likely than this are noise to a steward."""


class ConflictDetector(RuleDetector):
    """Slips, conflicts and known-elsewhere values, by what the rest of the table says.

    It asks for no role: what determines what is found in the data, so columns may have any name and order.
    """

    name: ClassVar[str] = "conflicts"
    version: ClassVar[str] = "1"

    def suggest(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One finding a cell that the rest of the table would write otherwise."""
        context.report(0, 1, "conflicts")
        table = encode_batch(batch)
        records = batch.frame.index.to_numpy()
        for repair in repairs.find(table, context.report):
            if repair.score >= _LEAST and "\0" not in (repair.value or ""):
                yield _finding(int(records[repair.row]), repair)


def encode_batch(batch: Batch) -> Table:
    """The batch's columns as integers; those to be ignored are left out."""
    names = [name for name in batch.frame.columns if batch.roles.get(name, Role.IGNORE) is not Role.IGNORE]
    return encode(batch.frame, names)


def _finding(record: int, repair: Repair) -> Finding:
    evidence = (reason(repair.rule, repair.score, repair.detail, (repair.field,)),)
    return Finding((record,), SetFields({repair.field: repair.value}), repair.score, evidence, repair.rule)
