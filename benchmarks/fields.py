"""Wrong cells found and mended: known tables, the same tables with other errors planted, and tables without errors."""

from __future__ import annotations

import argparse
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pandas as pd

from benchmarks._planting import KINDS, german_customers, planted, relettered
from detectors.conflicts.evaluation import measure, repaired
from detectors.evaluation import read_table

TITLE = "Fields: precision, recall and F1 of repaired cells, and clean cells touched"
DATA = Path(__file__).parents[2] / "shared" / "data"

_PUBLISHED = {
    ("hospital", 20): 0.645,
    ("flights", 20): 0.641,
    ("beers", 20): 0.848,
}
"""F1 of Raha + Baran with 20 labelled rows, their published figures; not run here."""

_WITHOUT_ERRORS = (
    "cleaning/hospital/clean.csv",
    "cleaning/beers/clean.csv",
    "cleaning/flights/clean.csv",
    "imputation/adult.csv",
    "imputation/physicians_dev.csv",
    "prediction/telco_churn.csv",
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the tables are."""
    parser.add_argument("--data", type=Path, default=DATA, help="folder that holds cleaning/hospital/dirty.csv ...")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a table and way of running; tables that are not there are named as absent."""
    return [*_known(options), *_planted(options), *_abroad(options), *_without_errors(options)]


def _known(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for name in ("hospital", "beers", "flights"):
        folder = options.data / "cleaning" / name
        if not folder.is_dir():
            yield {"table": name, "note": "not there"}
            continue
        dirty, clean = read_table(folder / "dirty.csv"), read_table(folder / "clean.csv")
        clean = clean.set_axis(dirty.columns, axis=1)
        for labels in (0, 20):
            row = _row(name, dirty, clean, labels=labels, seed=options.seed)
            yield row | {"published_f1": _PUBLISHED.get((name, labels))}


def _planted(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    folder = options.data / "cleaning" / "hospital"
    if not folder.is_dir():
        return
    dirty, clean = read_table(folder / "dirty.csv"), read_table(folder / "clean.csv")
    for name, each_place in (("another letter a cell", False), ("another letter a place", True)):
        other = relettered(dirty, clean, each_place=each_place, seed=options.seed)
        yield _row(f"hospital, its own errors, {name}", other, clean, labels=0, seed=options.seed)
    for kind in KINDS:
        dirty = planted(clean, kind, seed=options.seed)
        yield _row(f"hospital, planted: {kind}", dirty, clean, labels=0, seed=options.seed)


def _abroad(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    clean = german_customers()
    for kind in KINDS:
        dirty = planted(clean, kind, seed=options.seed)
        yield _row(f"German customers (made), planted: {kind}", dirty, clean, labels=0, seed=options.seed)
    yield _row("without errors: German customers (made)", clean, clean, labels=0, seed=options.seed)


def _without_errors(options: argparse.Namespace) -> Iterator[dict[str, Any]]:
    for name in _WITHOUT_ERRORS:
        if (options.data / name).is_file():
            table = read_table(options.data / name)
            yield _row(f"without errors: {name}", table, table, labels=0, seed=options.seed)


def _row(name: str, dirty: pd.DataFrame, clean: pd.DataFrame, *, labels: int, seed: int) -> dict[str, Any]:
    started = time.process_time()
    found = repaired(dirty, clean, labels=labels, seed=seed)
    seconds = time.process_time() - started
    figures = measure(dirty, clean, found)
    shown = {key: figures[key] for key in ("precision", "recall", "f1", "clean_touched", "errors", "changed")}
    classes = {kind: figure["f1"] for kind, figure in figures["by_class"].items()}
    shown = shown if figures["errors"] else {key: shown[key] for key in ("clean_touched", "errors", "changed")}
    return {"table": name, "labels": labels, **shown, "f1_by_class": _words(classes), "cpu_s": round(seconds, 1)}


def _words(classes: dict[str, float]) -> str:
    return ", ".join(f"{kind} {f1:.2f}" for kind, f1 in classes.items())
