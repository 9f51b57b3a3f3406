"""Prediction of churn: the automated search beside a tuned gradient boosting, on the same outer folds."""

from __future__ import annotations

import argparse
import time
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.model_selection import RandomizedSearchCV, StratifiedKFold

from detectors.evaluation import read_table
from detectors.prediction.aims import OUTER, Aim
from detectors.prediction.engine import scores
from detectors.prediction.engine.features import Features
from detectors.prediction.evaluation import measure

TITLE = "Churn: automated search beside a tuned gradient boosting, nested cross-validation"
PEERS: list[str] = []
"""The peer is scikit-learn's own gradient boosting, tuned; it is always here."""

GRID = {
    "learning_rate": [0.02, 0.05, 0.1],
    "max_leaf_nodes": [4, 8, 16, 31],
    "min_samples_leaf": [10, 20, 50],
    "l2_regularization": [0.0, 1.0, 10.0],
    "max_iter": [60, 120, 240],
}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The table, the search's time, and how many settings the tuned peer may try in each outer fold."""
    table = Path(__file__).parents[2] / "shared" / "data" / "prediction" / "telco_churn.csv"
    parser.add_argument("--file", type=Path, default=table)
    parser.add_argument("--target", default="Churn")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for the search")
    parser.add_argument("--settings", type=int, default=12, help="settings the tuned peer tries a fold")
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """A row a method: AUC and log loss of held-out predictions with 95 % bootstrap intervals."""
    if not options.file.is_file():
        return [{"method": f"{options.file}: no such file"}]
    frame = read_table(options.file)
    started = time.process_time()
    aim = Aim(target=options.target, kept=tuple(frame.columns))
    ours = measure(frame, aim, {}, budget=options.budget, seed=options.seed)
    rows = [
        {
            "method": "automated search, blended",
            **_shown(ours["auc"], ours["log_loss"], ours["interval"]),
            "calibration error": round(ours["calibration_error"], 4),
            "core seconds": round(time.process_time() - started, 1),
        },
        {
            "method": "plain logistic regression",
            "AUC": round(ours["baseline_auc"], 4),
            "log loss": round(ours["baseline_log_loss"], 4),
        },
        {"method": "class shares", "AUC": 0.5, "log loss": round(ours["prior_log_loss"], 4)},
    ]
    return [*rows, _tuned(frame, options)]


def _tuned(frame: Any, options: argparse.Namespace) -> dict[str, Any]:
    """Gradient boosting, its settings chosen by inner cross-validation in every outer fold."""
    started = time.process_time()
    frame = frame[frame[options.target].notna()]
    classes, truth = np.unique(frame[options.target].to_numpy(str), return_inverse=True)
    held_out = np.zeros((len(frame), len(classes)))
    for train, test in StratifiedKFold(OUTER, shuffle=True, random_state=options.seed).split(frame, truth):
        features = Features.learn(frame.iloc[train], options.target)
        model = HistGradientBoostingClassifier(
            early_stopping=False, categorical_features=features.categories, random_state=options.seed
        )
        tuned = RandomizedSearchCV(
            model, GRID, n_iter=options.settings, cv=3, scoring="neg_log_loss", random_state=options.seed
        )
        tuned.fit(features.read(frame.iloc[train]), truth[train])
        held_out[test] = tuned.predict_proba(features.read(frame.iloc[test]))
    return {
        "method": f"gradient boosting, best of {options.settings} settings",
        **_shown(scores.auc(truth, held_out), scores.loss(truth, held_out), scores.interval(truth, held_out, 0)),
        "core seconds": round(time.process_time() - started, 1),
    }


def _shown(auc: float | None, loss: float, interval: dict[str, list[float]]) -> dict[str, Any]:
    return {
        "AUC": None if auc is None else round(auc, 4),
        "AUC interval": "{:.4f} to {:.4f}".format(*interval["auc"]),
        "log loss": round(loss, 4),
        "log loss interval": "{:.4f} to {:.4f}".format(*interval["log_loss"]),
    }
