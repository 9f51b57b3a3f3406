"""Odd records of the sample CRM that the detector flags, by class, and how many of its flags are right."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import mean
from tempfile import TemporaryDirectory
from typing import Any

import pandas as pd

from crmquality.sample import KINDS, MODELS, Truth, generate, read_truth, score
from detectors.anomalies import row_bakeoff
from detectors.anomalies.bakeoff import precision_at_each
from detectors.anomalies.detector import AnomalyDetector
from detectors.anomalies.discovery import unlabelled
from detectors.anomalies.features import features
from detectors.contract import Batch, RunContext
from detectors.mapping import guess_roles
from detectors.roles import Role

CONTACTS = 5_000
FIRST_SEED = 101
"""The detector was made on seeds 1 to 3 of the model "field"."""
CUTS = {"all": 0.0, "queue": 0.985}
"""The least score: of all flags, and of those that the review queue asks about unless an admin says otherwise."""
TRUE_CLASSES = ("odd", "skipped")
COPIES = 2
"""Copies of a clean table on which the bake-off's own planting is tried."""


def rows(seeds: int) -> Iterator[dict[str, Any]]:
    """A row a corruption model and kind, one a class of odd values, and two for the table before anything was planted.

    all, queue: flags of any score, and those in the queue; for the bake-off's anomalies the average precision.
    """
    for model in sorted(MODELS):
        found: Counter[tuple[str, ...]] = Counter()
        sure, records = Counter[str](), Counter[str]()
        precision: dict[str, list[float]] = {kind: [] for kind in KINDS}
        for seed in range(FIRST_SEED, FIRST_SEED + seeds):
            with TemporaryDirectory() as folder:
                generate(Path(folder), contacts=CONTACTS, seed=seed, corruption=model)
                for kind in KINDS:
                    cells, roles, truth = _read(Path(folder), kind)
                    found.update(_counted(kind, cells, roles, truth))
                    clean = _cleaned(cells, truth)
                    precision[kind] += _precision(clean, roles)
                    sure[kind] += int(unlabelled(features(clean, roles), 0).sure.sum())
                    records[kind] += len(clean)
        yield from _told(model, found)
        for kind, parts in precision.items():
            yield _row(model, kind, "sure in the clean table", f"{sure[kind]} of {records[kind]}", "")
            yield _row(model, kind, "planted by the bake-off, AP", round(mean(parts), 3), "")


def _read(folder: Path, kind: str) -> tuple[pd.DataFrame, dict[str, Role], Truth]:
    """The cells by external id, what the columns mean, and the truth."""
    cells = pd.read_csv(folder / f"{kind}.csv", dtype=str, keep_default_na=False).replace("", None).astype(object)
    cells = cells.set_index(cells.columns[0])
    roles = {name: guess.role for name, guess in guess_roles(cells.reset_index(drop=True), kind=kind).items()}
    return cells, roles, read_truth(folder / "truth.csv", kinds=[kind])


def _cleaned(cells: pd.DataFrame, truth: Truth) -> pd.DataFrame:
    clean = cells.copy()
    for (key, field), cell in truth.wrong_cells().items():
        if field in clean.columns:
            clean.at[key, field] = cell.clean or None
    return clean.reset_index(drop=True)


def _precision(clean: pd.DataFrame, roles: Mapping[str, Role]) -> Iterator[float]:
    """Average precision on copies of a clean table with the anomalies that the product's bake-off plants."""
    for copy in range(COPIES):
        spoiled, planted = row_bakeoff.plant(clean, roles, seed=copy)
        order = unlabelled(features(spoiled, roles), copy).outlyingness
        yield float(precision_at_each(order, planted).mean())


def _counted(kind: str, cells: pd.DataFrame, roles: Mapping[str, Role], truth: Truth) -> Counter[tuple[str, ...]]:
    """(kind, cut, class or "", "flags" or "right" or "planted") -> how many."""
    batch = Batch(cells.reset_index(drop=True), roles, kind=kind)
    findings = list(AnomalyDetector().detect(batch, RunContext(seed=0)))
    dirty = {key for key, _ in truth.wrong_cells()}
    counted: Counter[tuple[str, ...]] = Counter()
    for cut, least in CUTS.items():
        flags = [(cells.index[one.subjects[0]], "") for one in findings if one.score >= least]
        tallies = score(truth, flags=flags).flags_by_defect
        counted[kind, cut, "", "flags"] = len(flags)
        counted[kind, cut, "", "right"] = sum(record in dirty for record, _ in flags)
        for defect, tally in tallies.items():
            if defect.startswith(TRUE_CLASSES):
                counted[kind, cut, defect, "right"] = tally.right
                counted[kind, cut, defect, "planted"] = tally.planted
    return counted


def _told(model: str, found: Counter[tuple[str, ...]]) -> Iterator[dict[str, Any]]:
    for kind in KINDS:
        classes = sorted({key[2] for key in found if key[0] == kind})
        for defect in classes:
            of = "planted" if defect else "flags"
            shares = (f"{found[kind, cut, defect, 'right']} of {found[kind, cut, defect, of]}" for cut in CUTS)
            yield _row(model, kind, defect or "flags that are right", *shares)


def _row(model: str, kind: str, what: str, at_all: Any, in_queue: Any) -> dict[str, Any]:
    return {"part": "sample", "model": model, "kind": kind, "what": what, "all": at_all, "queue": in_queue}
