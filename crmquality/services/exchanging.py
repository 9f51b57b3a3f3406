"""A source's duplicate model as Splink settings with its records prepared, and a model from Splink settings."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from crmquality.models import ModelVersion, Source
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.learning import keep_version, load_serving
from detectors.contract import RunContext
from detectors.duplicates import comparisons
from detectors.duplicates.detector import DuplicateDetector, ordered
from detectors.duplicates.entities import entities
from detectors.duplicates.exchange.reading import Imported, model_of
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


def import_splink(source: Source, path: Path, *, skip: bool = False) -> tuple[ModelVersion, Imported]:
    """A candidate version of the duplicate detector with the model of a Splink settings file; decided links are kept.

    skip: leave out what has no equivalent. Raises NoEquivalent, Refused for a source with records of both kinds, and
    OSError.
    """
    detector, _ = load_serving(source, "duplicates")
    assert isinstance(detector, DuplicateDetector)
    batch = ordered(source_batch(source))
    kinds = entities(batch)
    if len(kinds) != 1:
        raise Refused(f"{source.name!r} holds people and companies: one model cannot be of both.")
    entity = kinds[0][0]
    read = model_of(path.read_text(encoding="utf-8"), comparisons.plan(batch, entity), skip=skip)
    made = replace(detector, models={**detector.models, entity: read.model}, learned={})
    note = f"From Splink settings ({path.name}): {', '.join(read.used)}."
    version = keep_version(source=source, detector=made, roles=source.column_roles, labels=0, note=note)
    return version, read
