"""How well can it be predicted? Nested cross-validation of the whole search, and the report made of it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from detectors.prediction.aims import Question
from detectors.prediction.engine import estimators, scores
from detectors.prediction.engine.calibration import Intervals
from detectors.prediction.engine.encoding import Floats, Ints
from detectors.prediction.engine.estimators import Family, Task
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.model import Predictor, learn, threads
from detectors.prediction.engine.search import Answers, Found, Report, fitted, predictions
from detectors.prediction.subgroups import subgroups

IMPORTANCE_ROWS = 1500


@dataclass(frozen=True)
class Assessment:
    """report: plain values, see `assess`. held_out: (n_rows, n_classes or 1) predictions of rows no search had seen."""

    report: dict[str, Any]
    held_out: Floats

    def intervals(self, answers: Answers) -> Intervals:
        """For numbers: how far from a prediction the truth lies nine times in ten."""
        return Intervals.fit(self.held_out[:, 0], np.abs(self.held_out[:, 0] - answers))


def assess(question: Question, *, seconds: float, report: Report = lambda *_, **__: None) -> Assessment:
    """Nested cross-validation: no row is judged by a search that saw it.

    seconds: for all searches together. report: called with (done, total, stage).

    The report, plain values throughout:
    rows, target, classes (of two the second is the outcome; empty for a number), left_out (column -> why), warnings.
    auc, log_loss, interval (95 % by bootstrap), accuracy, precision, recall, f1, calibration_error, confusion,
        reliability, roc, cut_offs, at_best_f1: see `scores.classification`; auc is null for a number.
    mae, rmse, r2, interval_coverage: for a number.
    baseline_auc, baseline_log_loss (baseline_mae, baseline_rmse): plain (logistic) regression on the same folds;
        prior_log_loss: the class shares alone.
    incumbent: the present process's score on the same folds, see `_incumbent`; absent if the aim names none.
    leaderboard: the last outer fold's trials by inner cross-validation, best first, with the blend's weights.
    importance: feature -> loss of auc (rise of rmse) where its values are shuffled among held-out rows.
    subgroups: see `subgroups`.
    """
    shape = (len(question.answers), max(len(question.classes), 1))
    held_out, plain, prior = np.zeros(shape), np.zeros(shape), np.zeros(shape)
    folds = question.folds()
    for place, (train, test) in enumerate(folds):
        predictor, found = learn(
            question.features(train),
            question.frame.iloc[train],
            question.answers[train],
            question.classes,
            question.aim.target,
            seconds=seconds / len(folds),
            seed=question.seed,
            report=_part(report, place, len(folds)),
        )
        held_out[test] = predictor.output(question.frame.iloc[test])
        plain[test], prior[test] = _baselines(question, predictor.features, train, test)
    last = folds[-1][1]
    figures = _figures(question, held_out, plain, prior)
    if question.aim.incumbent:
        figures["incumbent"] = _incumbent(question, held_out)
    figures["leaderboard"] = _leaderboard(found)
    figures["search_stopped"] = found.stopped
    figures["importance"] = _importance(question, predictor, question.frame.iloc[last], question.answers[last])
    figures["subgroups"] = subgroups(question, held_out, figures.get("at_best_f1", {}).get("cut_off", 0.5))
    figures["left_out"] = dict(predictor.features.left_out)
    leaking = sorted(question.leaks & set(predictor.features.names))
    figures["warnings"] = [
        *question.notes,
        *(f"{name} alone tells the target: was it filled in afterwards?" for name in leaking),
    ]
    return Assessment(figures, held_out)


def _part(report: Report, place: int, parts: int) -> Report:
    """A report of one part as a report of the whole."""

    def told(done: float, total: float, stage: str = "") -> None:
        whole = place + min(1.0, done / max(total, 1e-9))
        report(round(100 * whole), 100 * parts, f"fold {place + 1} of {parts}: {stage}")

    return told


def _task(question: Question, features: Features) -> Task:
    return Task(question.numeric, len(features.features), features.categories, question.seed, threads())


def _baselines(question: Question, features: Features, train: Ints, test: Ints) -> tuple[Floats, Floats]:
    """Held-out predictions of plain regression and of the prior."""
    families = (estimators.baseline(), Family("prior", {}, estimators.prior))
    plain, prior = (_held_out(question, features, family, train, test) for family in families)
    return plain, prior


def _held_out(question: Question, features: Features, family: Family, train: Ints, test: Ints) -> Floats:
    task = _task(question, features)
    known, unknown = (features.read(question.frame.iloc[rows]) for rows in (train, test))
    model = fitted(family, family.default, known, question.answers[train], task)
    return predictions(model, unknown, task)


def _figures(question: Question, held_out: Floats, plain: Floats, prior: Floats) -> dict[str, Any]:
    truth = question.answers
    common: dict[str, Any] = {"rows": len(truth), "target": question.aim.target, "classes": question.classes}
    if question.numeric:
        base = {f"baseline_{name}": value for name, value in scores.regression(truth, plain[:, 0]).items()}
        none = {"auc": None, "log_loss": None, "baseline_auc": None}
        figures = scores.regression(truth, held_out[:, 0])
        return {**none, **figures, "interval_coverage": _coverage(held_out[:, 0], truth), **base, **common}
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


def _coverage(predicted: Floats, truth: Floats) -> float:
    """Share of numbers inside the intervals that the other half of the rows gave."""
    errors, half = np.abs(predicted - truth), np.arange(len(truth)) % 2 == 0
    inside = [
        errors[judged] <= Intervals.fit(predicted[~judged], errors[~judged])(predicted[judged])
        for judged in (half, ~half)
    ]
    return float(np.mean(np.concatenate(inside)))


def _incumbent(question: Question, held_out: Floats) -> dict[str, Any]:
    """The present process's score as a predictor, translated into probabilities (numbers) on the same folds.

    column; auc and log_loss (mae and rmse); gain: by how much our auc is higher (our rmse lower), with `gain_interval`
    at 95 % by a paired bootstrap; beaten: the interval lies above 0. `note` alone, where the column says nothing.
    """
    name, truth = question.aim.incumbent, question.answers
    features = Features.learn(question.frame[[name]], "", {})
    if not features.features:
        return {"column": name, "note": f"cannot be compared: {features.left_out.get(name, 'it says nothing')}"}
    theirs = np.zeros_like(held_out)
    for train, test in question.folds():
        theirs[test] = _held_out(question, features, estimators.single(), train, test)
    figures: dict[str, Any] = {"column": name, **_compared(question, theirs)}
    figures["gain"] = _gain(question, held_out, theirs, np.arange(len(truth)))
    figures["gain_interval"] = scores.gain(
        lambda rows: _gain(question, held_out, theirs, rows), len(truth), question.seed
    )
    return figures | {"beaten": figures["gain_interval"][0] > 0}


def _compared(question: Question, theirs: Floats) -> dict[str, Any]:
    if question.numeric:
        return {
            name: value for name, value in scores.regression(question.answers, theirs[:, 0]).items() if name != "r2"
        }
    return {"auc": scores.auc(question.answers, theirs), "log_loss": scores.loss(question.answers, theirs)}


def _gain(question: Question, ours: Floats, theirs: Floats, rows: Ints) -> float:
    both = [_quality(question.answers[rows], output[rows], numeric=question.numeric) for output in (ours, theirs)]
    return both[0] - both[1]


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


def _importance(question: Question, predictor: Predictor, frame: pd.DataFrame, truth: Answers) -> dict[str, float]:
    """Permutation importance on rows the predictor never saw, the most important first.

    Source: Breiman, "Random Forests", Machine Learning 45, 2001; on held-out rows.
    """
    rng = np.random.default_rng(question.seed)
    frame, truth = frame.iloc[:IMPORTANCE_ROWS], truth[:IMPORTANCE_ROWS]
    whole = _quality(truth, predictor.output(frame), numeric=question.numeric)
    drops = {}
    for name in predictor.features.names:
        shuffled = frame.copy()
        shuffled[name] = frame[name].to_numpy()[rng.permutation(len(frame))]
        drops[name] = whole - _quality(truth, predictor.output(shuffled), numeric=question.numeric)
    return {name: round(drop, 5) for name, drop in sorted(drops.items(), key=lambda item: -item[1])}


def _quality(truth: Answers, output: Floats, *, numeric: bool) -> float:
    """Higher is better: auc, or minus the root mean squared error."""
    if numeric:
        return -scores.regression(truth, output[:, 0])["rmse"]
    return scores.auc(truth, output) or 0.0
