"""Missing values: cells of complete tables hidden, guessed, compared; beside what else one could do."""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from sklearn.ensemble import HistGradientBoostingClassifier
from threadpoolctl import threadpool_limits

from detectors.evaluation import read_table
from detectors.missing_values import blank_out
from detectors.prediction.engine.encoding import Column, Kind
from detectors.prediction.engine.encoding import read_table as read_columns
from detectors.prediction.missing_evaluation import IDENTIFIER, measure

TITLE = "Missing values: accuracy by hiding a tenth of the cells, and the time of 100,000 x 15"
PEERS: list[str] = []
"""The peers are parts of scikit-learn, which is always here."""

SETS = ("adult", "physicians_dev")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Where the tables are, how many rows to time, and which part to run."""
    folder = Path(__file__).parents[2] / "shared" / "data" / "imputation"
    parser.add_argument("--data", type=Path, default=folder, help="folder of adult.csv and physicians_dev.csv")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the generated table that is timed")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a table and method; accuracy over the same hidden cells, neither numbers nor identifiers."""
    rows: list[dict[str, Any]] = []
    for name in SETS:
        path = options.data / f"{name}.csv"
        if not path.is_file():
            rows.append({"table": name, "method": f"{path}: no such file"})
            continue
        frame = read_table(path)
        rows.append(_timed(name, "ours", lambda frame=frame: _ours(frame, options.seed)))
        gathered = partial(_ours, frame, options.seed, together=True)
        rows.append(_timed(name, "ours, the cells hidden in few rows", gathered))
        for method, peer in (("mode", _mode), ("HistGradientBoosting a column", _boosting)):
            rows.append(_timed(name, method, lambda frame=frame, peer=peer: _accuracy(frame, options.seed, peer)))
    generated = _generated(options.rows, options.seed)
    rows.append(_timed(f"generated {options.rows:,} x 15", "ours", lambda: _ours(generated, options.seed)))
    return rows


def _timed(table: str, method: str, work: Callable[[], dict[str, Any]]) -> dict[str, Any]:
    started = time.process_time()
    with threadpool_limits(1):
        figures = work()
    return {"table": table, "method": method, **figures, "core seconds": round(time.process_time() - started, 1)}


def _ours(frame: pd.DataFrame, seed: int, *, together: bool = False) -> dict[str, Any]:
    measured = measure(frame, {}, hide=0.1, seed=seed, together=together)
    names = ("accuracy", "precision_at_95", "coverage_at_95", "calibration_error")
    return {name: None if measured[name] is None else round(measured[name], 4) for name in names}


Peer = Callable[[dict[str, Column], str, np.ndarray], np.ndarray]
"""(columns with holes, target, rows to guess) -> guessed codes."""


def _accuracy(frame: pd.DataFrame, seed: int, peer: Peer) -> dict[str, Any]:
    whole = blank_out(frame)
    hidden = (np.random.default_rng(seed).random(whole.shape) < 0.1) & whole.notna().to_numpy()
    columns = read_columns(whole.mask(hidden, None))
    right = cells = 0
    for place, column in enumerate(columns.values()):
        if column.kind is Kind.NUMBER or len(column.values) >= IDENTIFIER * column.filled:
            continue
        rows = np.flatnonzero(hidden[:, place])
        guessed = np.array(column.values, dtype=object)[peer(columns, column.name, rows)]
        right += int((guessed == whole.iloc[:, place].to_numpy(dtype=object)[rows]).sum())
        cells += len(rows)
    return {"accuracy": round(right / cells, 4)}


def _mode(columns: dict[str, Column], target: str, rows: np.ndarray) -> np.ndarray:
    return np.zeros(len(rows), dtype=int)


def _boosting(columns: dict[str, Column], target: str, rows: np.ndarray) -> np.ndarray:
    """A multi-class model a column on codes and numbers; the values beyond the 50 most frequent are not learned.

    At half the usual rate: at .1 the loss of many classes diverges on some columns (docs/benchmarks/missing.md).
    """
    column = columns[target]
    features = np.column_stack([other.feature for name, other in columns.items() if name != target])
    known = np.flatnonzero((column.codes >= 0) & (column.codes < 50))
    model = HistGradientBoostingClassifier(
        learning_rate=0.05, max_iter=60, max_leaf_nodes=15, early_stopping=False, random_state=0
    )
    return model.fit(features[known], column.codes[known]).predict(features[rows])


def _generated(rows: int, seed: int) -> pd.DataFrame:
    """Customers in 15 columns: places that determine each other, choices that lean on others, numbers, noise."""
    rng = np.random.default_rng(seed)
    zips = rng.integers(0, 900, rows)
    industry = rng.integers(0, 12, rows)
    size = np.clip(rng.normal(industry / 2, 1.5), 0, 9).round().astype(int)
    plan = (size + rng.normal(0, 1, rows) > 3).astype(int) + (size + rng.normal(0, 1, rows) > 6)
    spend = np.exp(4 + size / 3 + plan + rng.normal(0, 0.4, rows))
    table: dict[str, Any] = {
        "postcode": [f"{10_000 + 37 * each}" for each in zips],
        "town": [f"Town {each // 3}" for each in zips],
        "district": [f"District {each // 30}" for each in zips],
        "sales region": [f"Region {each // 150}" for each in zips],
        "industry": [f"Industry {each}" for each in industry],
        "size class": [f"Size {each}" for each in size],
        "plan": [("free", "team", "company")[each] for each in plan],
        "spend": [f"{each:.2f}" for each in spend],
        "seats": (spend / 40).astype(int).astype(str),
        "owner": [f"Owner {each}" for each in (zips // 60 + rng.integers(0, 2, rows))],
        "channel": rng.choice(["web", "fair", "partner", "phone"], rows),
        "stage": rng.choice(["lead", "customer", "lost"], rows, p=[0.5, 0.4, 0.1]),
        "tickets": rng.poisson(3 + plan).astype(str),
        "language": [("en", "de", "fr")[each] for each in (zips // 300 + (rng.random(rows) < 0.1)) % 3],
        "payment": np.where(rng.random(rows) < 0.2 + 0.3 * plan, "invoice", "card"),
    }
    return pd.DataFrame(table, dtype=object)
