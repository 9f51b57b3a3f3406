"""A sample CRM of any size with every defect known: believable records of nine countries, and the truth about them.

    summary = generate(Path("sample"), contacts=5_000, seed=7)
    truth = read_truth(summary.truth)

writes contacts, accounts, leads, opportunities, quotations, orders and activities, and beside them `truth` (one row
a dirty cell: kind, external_id, field, defect, dirty, clean, entity) and `entities` (one row a record: kind,
external_id, entity; two records of one entity are duplicates). The corruption model: `corruption.py`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from crmquality.sample.blocks import BLOCK, KINDS, Part, make_block
from crmquality.sample.corruption import MODELS
from crmquality.sample.places import Table, strings
from crmquality.sample.scoring import Scores, Tally, Truth, read_truth, score
from crmquality.sample.writing import FORMATS, TableWriter

__all__ = ["FORMATS", "KINDS", "MODELS", "SampleSummary", "Scores", "Tally", "Truth", "generate", "read_truth", "score"]


@dataclass(frozen=True, slots=True)
class SampleSummary:
    """What was written: files and rows a kind, the truth, defects by class, records beyond one an entity."""

    files: Mapping[str, Path]
    rows: Mapping[str, int]
    truth: Path
    entities: Path
    defects: Mapping[str, int]
    duplicates: Mapping[str, int]


def generate(
    directory: Path,
    *,
    contacts: int,
    seed: int = 0,
    format: str = "csv",
    corruption: str = "field",
    kinds: Collection[str] = KINDS,
    report: Callable[[int, int], None] | None = None,
) -> SampleSummary:
    """Write a sample CRM into the directory (made if missing; files of the same names are overwritten).

    contacts: how many records of contacts, duplicates included; the other kinds follow (a quarter as many accounts).
    seed: the same seed and sizes give the same bytes. format: "csv" or "parquet". corruption: "field" for
    development, "holdout" for testing on other defects. kinds: what to write; the rest is made but not kept.
    report: called with contacts done and in all, after every block.

    Raises ValueError for an unknown format, model or kind, or fewer than one contact.
    """
    _check(contacts, format, corruption, kinds)
    directory.mkdir(parents=True, exist_ok=True)
    defects: Counter[str] = Counter()
    duplicates: Counter[str] = Counter()
    with ExitStack() as files:
        names = [*(kind for kind in KINDS if kind in kinds), "truth", "entities"]
        writers = {name: files.enter_context(TableWriter(directory / f"{name}.{format}")) for name in names}
        for number, start in enumerate(range(0, contacts, BLOCK)):
            size = min(BLOCK, contacts - start)
            for part in make_block(seed, number, size, corruption):
                if part.kind not in kinds:
                    continue
                writers[part.kind].write(part.table)
                writers["truth"].write(_truth(part))
                writers["entities"].write(_entities(part))
                defects.update(cell.defect for cell in part.planted)
                duplicates[part.kind] += len(part.entities) - len(set(part.entities))
            if report is not None:
                report(start + size, contacts)
    return SampleSummary(
        files={kind: writers[kind].path for kind in names[:-2]},
        rows={kind: writers[kind].rows for kind in names[:-2]},
        truth=writers["truth"].path,
        entities=writers["entities"].path,
        defects=dict(sorted(defects.items())),
        duplicates={kind: count for kind, count in duplicates.items() if count},
    )


def _check(contacts: int, format: str, corruption: str, kinds: Collection[str]) -> None:
    if contacts < 1:
        raise ValueError("A sample needs at least one contact.")
    for value, known in ((format, FORMATS), (corruption, MODELS), *((kind, KINDS) for kind in kinds)):
        if value not in known:
            raise ValueError(f"{value!r} is not one of {', '.join(known)}.")


def _truth(part: Part) -> Table:
    rows = [cell.row for cell in part.planted]
    return {
        "kind": np.full(len(rows), part.kind, dtype=object),
        "external_id": part.keys[rows],
        "field": strings([cell.field for cell in part.planted]),
        "defect": strings([cell.defect for cell in part.planted]),
        "dirty": strings([cell.dirty for cell in part.planted]),
        "clean": strings([cell.clean for cell in part.planted]),
        "entity": part.entities[rows],
    }


def _entities(part: Part) -> Table:
    kind = np.full(len(part.keys), part.kind, dtype=object)
    return {"kind": kind, "external_id": part.keys, "entity": part.entities}
