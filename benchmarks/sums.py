"""Sums and dates that do not agree: the sample's planted defects, found and mended by what the table says itself."""

from __future__ import annotations

import argparse
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from crmquality import sample
from crmquality.sample.scoring import CLEAN_CELL
from detectors.conflicts import reckoning
from detectors.contract import Batch
from detectors.evaluation import read_table
from detectors.mapping import guess_roles

TITLE = "Sums and dates that do not agree: planted, proposed at a score of .5, right, and flagged, by class"

KINDS = ("quotations", "orders", "opportunities", "contacts", "accounts", "activities")
_CLASSES = ("odd-total", "odd-quantity", "odd-discount", "odd-duration", "date-order", "blank")
_AT = 0.5


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many contacts (quotations and orders are three tenths and a fifth of them), and which seeds."""
    parser.add_argument("--contacts", type=int, nargs="+", default=[5_000, 60_000])
    parser.add_argument("--seeds", type=int, nargs="+", default=[1, 2, 3])


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a corruption model, size, kind and class, over all seeds."""
    return [
        row for model in sample.MODELS for contacts in options.contacts for row in _rows(model, contacts, options.seeds)
    ]


def _rows(model: str, contacts: int, seeds: list[int]) -> Iterator[dict[str, Any]]:
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    rows, seconds = Counter[str](), Counter[str]()
    for seed in seeds:
        with tempfile.TemporaryDirectory() as folder:
            made = sample.generate(Path(folder), contacts=contacts, seed=seed, corruption=model, kinds=KINDS)
            for kind in KINDS:
                frame = read_table(made.files[kind])
                truth = sample.read_truth(made.truth, kinds=[kind])
                started = time.process_time()
                found = _found(frame, kind)
                seconds[kind] += time.process_time() - started  # type: ignore[assignment]
                rows[kind] += len(frame)
                _count(found, truth, kind, counts)
    for (kind, what), count in sorted(counts.items()):
        yield {
            "corruption": model,
            "kind": kind,
            "rows": rows[kind] // len(seeds),
            "class": what,
            **{name: count[name] for name in ("planted", "proposed", "right", "flagged")},
            "right of proposed": round(count["right"] / count["proposed"], 4) if count["proposed"] else None,
            "found": round((count["right"] + count["flagged"]) / count["planted"], 4) if count["planted"] else None,
            "cpu_s": round(seconds[kind] / len(seeds), 2),
        }


def _found(frame: pd.DataFrame, kind: str) -> list[tuple[str, tuple[str, ...], str | None]]:
    """(key, fields, proposed value or None where only flagged) of every claim."""
    roles = {name: guess.role for name, guess in guess_roles(frame, kind=kind).items()}
    mended, doubts = reckoning.find(Batch(frame, roles, kind), list(frame.columns), lambda *_: None)
    keys = frame.iloc[:, 0]
    repairs = [(keys.iloc[one.row], (one.field,), one.value) for one in mended if one.score >= _AT]
    return repairs + [(keys.iloc[one.row], one.fields, None) for one in doubts if one.score >= _AT]


def _count(
    found: list[tuple[str, tuple[str, ...], str | None]],
    truth: sample.Truth,
    kind: str,
    counts: dict[tuple[str, str], Counter[str]],
) -> None:
    """Planted, proposed, right and flagged, by class; claims about clean cells stand under a class of their own."""
    wrong = truth.wrong_cells()
    for (_, field), cell in wrong.items():
        if cell.defect in _CLASSES and _is_told(kind, field):
            counts[kind, f"{cell.defect}, {field}"]["planted"] += 1
    for key, fields, value in found:
        cells = [(field, wrong[key, field]) for field in fields if (key, field) in wrong]
        what = f"{cells[0][1].defect}, {cells[0][0]}" if cells else CLEAN_CELL
        counts[kind, what]["flagged" if value is None else "proposed"] += 1
        counts[kind, what]["right"] += value is not None and bool(cells) and value == cells[0][1].clean


def _is_told(kind: str, field: str) -> bool:
    """Whether a planted defect is about a sum or a date."""
    return "Date" in field or field == "Valid Until" or (kind in ("quotations", "orders") and field in _NUMBERS)


_NUMBERS = ("Subtotal", "Discount Percent", "Tax", "Total", "Quantity", "Unit Price")
