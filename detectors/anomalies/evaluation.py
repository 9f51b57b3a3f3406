"""`manage.py evaluate anomalies FILE --truth COLUMN`: how fast does feedback find the labelled anomalies?

A simulated steward answers one row after another, as in the product: every answer moves the order at once, a
refit follows every few answers. Measured against the plain forest's order, which takes no answers.

area = area under the discovery curve (anomalies found after 1, 2, ... budget answers) divided by the area of
the best possible curve (every answer an anomaly until none is left). A budget above the number of rows is cut
to it. With `--noise` the steward errs at that rate; the curve counts true anomalies shown. How often a steward errs
is known in the product from cards whose answer is known, so it is told to the model here too.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies.cells import dates, numbers
from detectors.anomalies.discovery import REFIT_EVERY, Answer, Discovery, Unlabelled, unlabelled
from detectors.anomalies.features import Features, features
from detectors.anomalies.forest import Floats
from detectors.anomalies.strategies import Strategy, pick
from detectors.evaluation import DoesNotFit, read_table, require
from detectors.roles import Role

Truth = npt.NDArray[np.bool_]

_ANOMALY = {"anomaly", "anomalous", "outlier", "1", "1.0", "true", "yes"}
_NOMINAL = {"nominal", "normal", "inlier", "0", "0.0", "false", "no", "-1"}
MOSTLY = 0.9
"""Share of filled cells that must read as numbers or dates for the column to be one."""


def add_arguments(parser: ArgumentParser) -> None:
    """FILE, the truth column, and the simulated steward."""
    parser.add_argument("file", help="CSV or Parquet with one column that says anomaly or nominal")
    parser.add_argument("--truth", default="label", help="that column; anomaly/nominal, 1/0 or true/false")
    parser.add_argument("--budget", type=int, default=200, help="answers given")
    parser.add_argument("--seeds", type=int, default=5, help="runs averaged")
    parser.add_argument("--noise", type=float, default=0.0, help="share of answers that are wrong")
    parser.add_argument("--page", type=int, default=1, help="rows shown at once; the order moves between pages")


def evaluate(options: Namespace) -> dict[str, Any]:
    """area, baseline_area, curve (mean found after each answer), found_100, ms_per_answer, rows, anomalies, features.

    Raises DoesNotFit if the file, the truth column or an option cannot be used.
    """
    made, truth = read(options.file, options.truth)
    _check(options)
    budget = min(options.budget, len(truth))
    curves, baselines, spent = [], [], 0.0
    for seed in range(options.seeds):
        table = unlabelled(made, seed)
        curve, seconds = simulate(table, truth, budget, seed=seed, noise=options.noise, page=options.page)
        curves.append(curve)
        spent += seconds
        baselines.append(discovery_curve(np.argsort(-table.isolation, kind="stable")[:budget], truth))
    found = np.mean(curves, axis=0)
    return {
        "area": round(area(found, truth), 4),
        "area_by_seed": [round(area(curve, truth), 4) for curve in curves],
        "baseline_area": round(area(np.mean(baselines, axis=0), truth), 4),
        "found_100": round(float(found[min(100, budget) - 1]), 2),
        "curve": [round(float(value), 2) for value in found],
        "ms_per_answer": round(1000 * spent / (options.seeds * budget), 3),
        "rows": len(truth),
        "anomalies": int(truth.sum()),
        "features": len(made),
    }


def read(path: str, truth: str) -> tuple[Features, Truth]:
    """The features and the labels (n,) of a file. Raises DoesNotFit."""
    frame = read_table(path)
    require(frame, [truth], path)
    labels = _labels(frame[truth], path)
    rest = frame.drop(columns=truth)
    made = features(rest, {name: guessed_role(rest[name]) for name in rest.columns})
    if not len(made):
        raise DoesNotFit(f"{path}: no column beside {truth!r} differs between rows")
    return made, labels


def guessed_role(cells: pd.Series) -> Role:
    """Number, date, category or text, by what nearly all filled cells look like."""
    filled = cells.dropna()
    if filled.empty:
        return Role.IGNORE
    if np.isfinite(numbers(filled)).mean() >= MOSTLY:
        return Role.NUMBER
    if np.isfinite(dates(filled)).mean() >= MOSTLY:
        return Role.DATE
    return Role.CATEGORY if filled.nunique() <= max(50, len(filled) // 20) else Role.TEXT


def simulate(
    table: Unlabelled,
    truth: Truth,
    budget: int,
    *,
    seed: int,
    noise: float = 0.0,
    page: int = 1,
    strategy: Strategy = Strategy.TOP,
) -> tuple[Floats, float]:
    """Anomalies found after each of `budget` answers, and the seconds that the answers took."""
    rng = np.random.default_rng([seed, 7])
    started = time.perf_counter()
    discovery, since = Discovery(table), 0
    order: list[int] = []
    shown: list[int] = []
    while len(order) < budget:
        if not shown:
            if since >= REFIT_EVERY:
                discovery.refit()
                since = 0
            shown = pick(discovery, min(page, budget - len(order)), strategy)
        row = shown.pop(0)
        order.append(row)
        discovery.answer(Answer(row, bool(truth[row] != (rng.random() < noise)), max(1 - 2 * noise, 0.0)))
        since += 1
    return discovery_curve(np.array(order), truth), time.perf_counter() - started


def discovery_curve(order: npt.NDArray[np.int64], truth: Truth) -> Floats:
    """Anomalies found after 1, 2, ... rows of this order."""
    return np.cumsum(truth[order]).astype(np.float64)


def area(curve: Floats, truth: Truth) -> float:
    """Area under the curve as a share of the best possible one's; 0 if there is nothing to find."""
    best = np.minimum(np.arange(1, len(curve) + 1), truth.sum()).sum()
    return float(curve.sum() / best) if best else 0.0


def _labels(cells: pd.Series, path: str) -> Truth:
    words = cells.astype("string").str.strip().str.lower()
    strange = sorted(set(words.fillna("(blank)")) - _ANOMALY - _NOMINAL)
    if strange:
        raise DoesNotFit(f"{path}: {cells.name!r} holds {strange[0]!r}; it must say anomaly/nominal, 1/0 or true/false")
    labels = np.asarray(words.isin(_ANOMALY), bool)
    if labels.all() or not labels.any():
        raise DoesNotFit(f"{path}: {cells.name!r} needs both anomalies and nominal rows")
    return labels


def _check(options: Namespace) -> None:
    if options.budget < 1 or options.seeds < 1 or options.page < 1:
        raise DoesNotFit("--budget, --seeds and --page must be at least 1")
    if not 0 <= options.noise <= 1:
        raise DoesNotFit("--noise must lie between 0 and 1")
