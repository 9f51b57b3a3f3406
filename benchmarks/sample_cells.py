"""Wrong cells of a CRM: what the detectors of fields propose for a sample's contacts, accounts and leads, by class.

The seeds by default are none that anything was tuned on; "holdout" defects are of other kinds than "field" ones, on
which the rules were tried.
"""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from crmquality import sample
from crmquality.sample.scoring import CLEAN_CELL, Tally
from detectors import registry
from detectors.contract import Batch, RunContext, SetFields
from detectors.evaluation import read_table
from detectors.mapping import guess_roles

TITLE = (
    "Wrong cells of a CRM sample: proposals of formats, addresses and conflicts at a score of .5, by class of defect"
)

KINDS = ("contacts", "accounts", "leads")
DETECTORS = ("formats", "addresses", "conflicts")
_AT = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many contacts (a quarter as many accounts), and which seeds."""
    parser.add_argument("--contacts", type=int, default=5_000)
    parser.add_argument("--seeds", type=int, nargs="+", default=[31, 32, 33])


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a corruption model, kind and class, over all seeds; the best-scored proposal of a cell counts."""
    return [row for model in sample.MODELS for kind in KINDS for row in _rows(model, kind, options)]


def _rows(model: str, kind: str, options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    claimed, right, planted = Counter[str](), Counter[str](), Counter[str]()
    cells, seconds = 0, 0.0
    for seed in options.seeds:
        with tempfile.TemporaryDirectory() as folder:
            made = sample.generate(Path(folder), contacts=options.contacts, seed=seed, corruption=model, kinds=[kind])
            frame = read_table(made.files[kind])
            started = time.process_time()
            proposed = _proposed(frame, kind)
            seconds += time.process_time() - started
            scores = sample.score(
                sample.read_truth(made.truth, kinds=[kind]), corrections=[(*cell, to) for cell, to in proposed.items()]
            )
        cells += frame.size
        for defect, tally in [*scores.corrections_by_defect.items(), ("all", scores.corrections)]:
            claimed[defect] += tally.claimed
            right[defect] += tally.right
            planted[defect] += tally.planted
    for defect in sorted(claimed.keys() | planted.keys(), key=lambda name: (name != "all", -planted[name], name)):
        tally = Tally(claimed[defect], right[defect], planted[defect])
        if not (tally.claimed or tally.planted):
            continue
        yield {
            "corruption": model,
            "kind": kind,
            "class": defect,
            "planted": tally.planted,
            "claimed": tally.claimed,
            "right": tally.right,
            "precision": round(tally.precision, 4) if tally.claimed else None,
            "recall": round(tally.recall, 4) if tally.planted else None,
            "f1": round(tally.f1, 4) if tally.planted and tally.claimed else None,
            "clean cells touched": round(claimed[CLEAN_CELL] / cells, 6) if defect == "all" else None,
            "cpu_s": round(seconds / len(options.seeds), 1) if defect == "all" else None,
        }


def _proposed(frame: Any, kind: str) -> dict[tuple[str, str], str | None]:
    """(key, field) -> the proposal with the highest score."""
    roles = {name: guess.role for name, guess in guess_roles(frame, kind=kind).items()}
    keys, batch = frame.iloc[:, 0], Batch(frame, roles, kind)
    best: dict[tuple[str, str], tuple[float, str | None]] = {}
    for name in DETECTORS:
        for finding in registry.load(name)().detect(batch, RunContext()):
            if not isinstance(finding.proposal, SetFields) or finding.score < _AT:
                continue
            for field, value in finding.proposal.changes.items():
                cell = str(keys.loc[finding.subjects[0]]), field
                if finding.score > best.get(cell, (0.0, None))[0]:
                    best[cell] = finding.score, value
    return {cell: value for cell, (_, value) in best.items()}
