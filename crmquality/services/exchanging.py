"""A source's duplicate model as Splink settings with its records prepared, for runs beyond one machine."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crmquality.models import Source
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.learning import load_serving
from detectors.contract import RunContext
from detectors.duplicates.detector import DuplicateDetector, ordered
from detectors.duplicates.exchange.running import Exported, export


def export_splink(source: Source, directory: Path) -> list[Exported]:
    """Write the serving model (or one fitted now) and the live records, one folder a kind of entity.

    What decisions taught beyond the model, and decided pairs, stay here: Splink has no place for them. Raises Refused
    if there is nothing to compare.
    """
    detector, _ = load_serving(source, "duplicates")
    assert isinstance(detector, DuplicateDetector)
    plain = replace(detector, learned={}, deduplicated=frozenset())
    written = []
    for linkage, part in plain.link(ordered(source_batch(source)), RunContext(device="cpu")):
        entity = linkage.plan.entity
        written.append(export(part, entity, linkage.model, directory / entity))
    if not written:
        raise Refused(f"{source.name!r} has no columns by which its records could be compared.")
    return written
