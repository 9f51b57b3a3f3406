"""`manage.py evaluate prediction FILE --target COLUMN`: how well can a column be predicted, honestly measured?"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd
from sklearn.model_selection import KFold, StratifiedKFold

from detectors.evaluation import DoesNotFit, add_map_argument, parse_map, read_table, require
from detectors.mapping import guess_roles
from detectors.prediction.engine import estimators, scores
from detectors.prediction.engine.encoding import Column, Floats, Ints, Kind, read_column
from detectors.prediction.engine.estimators import Family, Task
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.model import Predictor, learn, threads
from detectors.prediction.engine.search import Answers, Found, fitted, predictions
from detectors.roles import Role

OUTER = 5
FEWEST = 60
CLASSES = 50
RARE = 10
"""Rows a class needs to be told from others in every fold; rows of rarer ones are left out."""

CONFIDENT = 0.8
IMPORTANCE_ROWS = 1500
SEARCHED = 0.8
"""Share of the budget that the searches take; the rest is for the final fits and the report."""


def add_arguments(parser: ArgumentParser) -> None:
    """The table, the column to predict, the time."""
    parser.add_argument("file", help="CSV or Parquet")
    parser.add_argument("--target", required=True, metavar="COLUMN", help="the column to predict")
    parser.add_argument("--budget", type=float, default=240.0, help="seconds for all searches together (default 240)")
    parser.add_argument("--seed", type=int, default=0)
    add_map_argument(parser)


def evaluate(options: Namespace) -> dict[str, Any]:
    """Nested cross-validation of the whole search: no row is judged by a search that saw it.

    Returns
    auc, log_loss: of the held-out predictions of the outer folds; null for a number.
    baseline_auc, baseline_log_loss: of plain logistic regression on the same folds; prior_log_loss: of the class
        shares alone.
    interval: 95 % bootstrap intervals of auc and log_loss.
    accuracy, precision, recall, f1, calibration_error, confusion, classes, at_best_f1: see `scores.classification`.
    mae, rmse, r2 and baseline_mae, baseline_rmse: for a number.
    leaderboard: the last outer fold's trials by inner cross-validation, best first, with the blend's weights.
    importance: feature -> loss of auc (or rise of rmse) where its values are shuffled among held-out rows.
    left_out: columns not used and why; warnings: columns that tell the target alone, which smells of leakage.

    Raises DoesNotFit if the file is no table, lacks the column, or the column cannot be predicted.
    """
    frame = read_table(options.file)
    require(frame, [options.target], options.file)
    roles = {name: guess.role for name, guess in guess_roles(frame).items() if guess.confidence >= CONFIDENT}
    roles |= parse_map(options.map, frame)
    return measure(frame, options.target, roles, budget=options.budget, seed=options.seed)


@dataclass(frozen=True)
class _Question:
    """Rows with a known target. answers: class positions, or numbers where `classes` is empty."""

    frame: pd.DataFrame
    target: str
    roles: dict[str, Role]
    answers: Answers
    classes: list[str]
    seed: int

    @property
    def numeric(self) -> bool:
        return not self.classes

    def folds(self) -> list[tuple[Ints, Ints]]:
        kind = KFold if self.numeric else StratifiedKFold
        return list(kind(OUTER, shuffle=True, random_state=self.seed).split(self.frame, self.answers))


def measure(
    frame: pd.DataFrame, target: str, roles: dict[str, Role], *, budget: float, seed: int = 0
) -> dict[str, Any]:
    """`evaluate` on a frame of text cells."""
    question, notes = _question(frame, target, roles, seed)
    shape = (len(question.answers), max(len(question.classes), 1))
    held_out, plain, prior = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    for train, test in question.folds():
        known, unknown = question.frame.iloc[train], question.frame.iloc[test]
        features = Features.learn(known, target, roles)
        if not features.features:
            raise DoesNotFit(f"{target}: no other column can be used to predict it")
        predictor, found = learn(
            features,
            known,
            question.answers[train],
            question.classes,
            target,
            seconds=SEARCHED * budget / OUTER,
            seed=seed,
        )
        held_out[test] = _predict(predictor, unknown)
        plain[test], prior[test] = _baselines(question, features, train, test)
    answer = _figures(question, held_out, plain, prior)
    answer["leaderboard"] = _leaderboard(found)
    answer["search_stopped"] = found.stopped
    answer["importance"] = _importance(question, predictor, unknown, question.answers[test])
    answer["left_out"] = dict(predictor.features.left_out)
    answer["warnings"] = [*notes, *_leaks(question, predictor.features)]
    return answer


def _question(frame: pd.DataFrame, target: str, roles: dict[str, Role], seed: int) -> tuple[_Question, list[str]]:
    column = read_column(frame[target], roles.get(target))
    if column.filled < FEWEST:
        raise DoesNotFit(f"{target}: {column.filled} filled rows; a prediction needs at least {FEWEST}")
    if len(column.values) < 2:
        raise DoesNotFit(f"{target}: holds one value only")
    if column.kind is Kind.NUMBER and len(column.values) > 20:
        return _numeric(frame, column, roles, seed), []
    return _classes(frame, column, roles, seed)


def _numeric(frame: pd.DataFrame, column: Column, roles: dict[str, Role], seed: int) -> _Question:
    assert column.numbers is not None
    known = np.isfinite(column.numbers)
    return _Question(frame.loc[known], column.name, roles, column.numbers[known], [], seed)


def _classes(frame: pd.DataFrame, column: Column, roles: dict[str, Role], seed: int) -> tuple[_Question, list[str]]:
    kept = sorted(value for value, count in zip(column.values, column.counts, strict=True) if count >= RARE)
    if not 2 <= len(kept) <= CLASSES:
        raise DoesNotFit(
            f"{column.name}: {len(kept)} values occur in {RARE} rows or more; between 2 and {CLASSES} can be predicted"
        )
    place = {value: position for position, value in enumerate(kept)}
    positions = np.array([place.get(value, -1) for value in column.values] + [-1])[column.codes]
    known = positions >= 0
    rare = int((~known & (column.codes >= 0)).sum())
    notes = [f"{rare} rows of values rarer than {RARE} were left out"] if rare else []
    return _Question(frame.loc[known], column.name, roles, positions[known], kept, seed), notes


def _predict(predictor: Predictor, frame: pd.DataFrame) -> Floats:
    if predictor.numeric:
        return np.asarray(predictor.predict(frame), dtype=float)[:, None]
    return predictor.predict_proba(frame)


def _baselines(question: _Question, features: Features, train: Ints, test: Ints) -> tuple[Floats, Floats]:
    """Held-out predictions of plain regression and of the prior."""
    task = Task(question.numeric, len(features.features), features.categories, question.seed, threads())
    known, unknown = (features.read(question.frame.iloc[rows]) for rows in (train, test))
    outputs = []
    for family in (estimators.baseline(), Family("prior", {}, estimators.prior)):
        model = fitted(family, family.default, known, question.answers[train], task)
        outputs.append(predictions(model, unknown, task))
    return outputs[0], outputs[1]


def _figures(question: _Question, held_out: Floats, plain: Floats, prior: Floats) -> dict[str, Any]:
    truth = question.answers
    common: dict[str, Any] = {"rows": len(truth), "target": question.target}
    if question.numeric:
        base = {f"baseline_{name}": value for name, value in scores.regression(truth, plain[:, 0]).items()}
        none = {"auc": None, "log_loss": None, "baseline_auc": None}
        return {**none, **scores.regression(truth, held_out[:, 0]), **base, **common}
    return {
        "auc": scores.auc(truth, held_out),
        "log_loss": scores.loss(truth, held_out),
        "baseline_auc": scores.auc(truth, plain),
        "baseline_log_loss": scores.loss(truth, plain),
        "prior_log_loss": scores.loss(truth, prior),
        "interval": scores.interval(truth, held_out, question.seed),
        **scores.classification(truth, held_out, question.classes),
        **common,
    }


def _leaderboard(found: Found) -> list[dict[str, Any]]:
    weights = dict(found.blend)
    return [
        {
            "model": trial.family.name,
            "settings": trial.settings,
            "loss": round(trial.loss, 5),
            "standard_error": round(trial.error, 5),
            "seconds": round(trial.seconds, 2),
            "weight": round(weights.get(place, 0.0), 3),
            "finished": trial.finished,
        }
        for place, trial in enumerate(found.trials)
    ]


def _importance(question: _Question, predictor: Predictor, frame: pd.DataFrame, truth: Answers) -> dict[str, float]:
    """Permutation importance on rows the predictor never saw, the most important first.

    Source: Breiman, "Random Forests", Machine Learning 45, 2001; on held-out rows.
    """
    rng = np.random.default_rng(question.seed)
    frame, truth = frame.iloc[:IMPORTANCE_ROWS], truth[:IMPORTANCE_ROWS]
    whole = _quality(truth, _predict(predictor, frame), numeric=question.numeric)
    drops = {}
    for name in predictor.features.names:
        shuffled = frame.copy()
        shuffled[name] = frame[name].to_numpy()[rng.permutation(len(frame))]
        drops[name] = whole - _quality(truth, _predict(predictor, shuffled), numeric=question.numeric)
    return {name: round(drop, 5) for name, drop in sorted(drops.items(), key=lambda item: -item[1])}


def _quality(truth: Answers, output: Floats, *, numeric: bool) -> float:
    if numeric:
        return -scores.regression(truth, output[:, 0])["rmse"]
    return scores.auc(truth, output) or 0.0


def _leaks(question: _Question, features: Features) -> Sequence[str]:
    """Columns that alone tell (nearly) every answer: often filled in after the fact."""
    if question.numeric:
        return []
    suspects = []
    matrix = features.read(question.frame)
    for place, name in enumerate(features.names):
        readings = np.nan_to_num(matrix[:, place], nan=-1e9)
        values, codes = np.unique(readings, return_inverse=True)
        table = np.zeros((len(values), len(question.classes)))
        np.add.at(table, (codes, question.answers), 1)
        told = table[table.sum(axis=1) >= 3].max(axis=1).sum()
        if told >= 0.99 * len(codes):
            suspects.append(f"{name} alone tells the target: was it filled in afterwards?")
    return suspects
