"""How good are predictions: the figures of a report, each with what it can and cannot say."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from sklearn.metrics import confusion_matrix, log_loss, precision_recall_fscore_support, roc_auc_score, roc_curve

from detectors.prediction.engine.calibration import calibration_error
from detectors.prediction.engine.encoding import Bools, Floats, Ints

RESAMPLES = 200


def auc(truth: Ints, probabilities: Floats) -> float | None:
    """Area under the ROC curve; of several classes the mean of one against the rest. None if only one class is there.

    truth: (n,) class positions. probabilities: (n, n_classes).
    """
    present = np.unique(truth)
    if len(present) < 2:
        return None
    if probabilities.shape[1] == 2:
        return float(roc_auc_score(truth, probabilities[:, 1]))
    return float(np.mean([roc_auc_score(truth == each, probabilities[:, each]) for each in present]))


def loss(truth: Ints, probabilities: Floats) -> float:
    """Mean log loss in nats."""
    return float(log_loss(truth, probabilities, labels=np.arange(probabilities.shape[1])))


def interval(truth: Ints, probabilities: Floats, seed: int) -> dict[str, list[float]]:
    """95 % bootstrap intervals of auc and log_loss over rows."""
    rng = np.random.default_rng(seed)
    aucs, losses = [], []
    for _ in range(RESAMPLES):
        rows = rng.integers(0, len(truth), len(truth))
        area = auc(truth[rows], probabilities[rows])
        if area is not None:
            aucs.append(area)
        losses.append(loss(truth[rows], probabilities[rows]))
    return {
        name: [float(end) for end in np.quantile(values, [0.025, 0.975])]
        for name, values in (("auc", aucs), ("log_loss", losses))
        if values
    }


def best_cut(truth: Ints, probability: Floats) -> float:
    """The cut-off with the highest F1 for the second of two classes."""
    order = np.argsort(-probability, kind="stable")
    hits = np.cumsum(truth[order] == 1)
    f1 = 2 * hits / (np.arange(1, len(order) + 1) + max(int((truth == 1).sum()), 1))
    return float(probability[order[int(np.argmax(f1))]])


def classification(truth: Ints, probabilities: Floats, classes: list[str]) -> dict[str, Any]:
    """Accuracy, precision, recall, F1 (of the second of two classes, else their mean), confusion, calibration.

    Confusion: rows are what is true, columns what was predicted (the likelier class), in the order of `classes`.
    `at_best_f1` gives the same for two classes at the cut-off with the highest F1 on these very predictions.
    """
    two = len(classes) == 2
    predicted = probabilities.argmax(axis=1)
    figures = _at(truth, predicted, two=two)
    top = probabilities[:, 1] if two else probabilities.max(axis=1)
    right = (truth == 1) if two else (predicted == truth)
    figures["calibration_error"] = calibration_error(top, right.astype(float))
    figures["classes"] = classes
    figures["confusion"] = confusion_matrix(truth, predicted, labels=range(len(classes))).tolist()
    figures["reliability"] = reliability(right.astype(float), top)
    if two:
        figures["roc"] = roc(truth, probabilities[:, 1])
        figures["cut_offs"] = cut_offs(truth, probabilities[:, 1])
        cut = best_cut(truth, probabilities[:, 1])
        figures["at_best_f1"] = {"cut_off": cut, **_at(truth, (probabilities[:, 1] >= cut).astype(int), two=True)}
    return figures


def regression(truth: Floats, predicted: Floats) -> dict[str, float]:
    """Mean absolute error, root mean squared error and explained share of the variance."""
    error = predicted - truth
    spread = float(np.var(truth))
    return {
        "mae": float(np.mean(np.abs(error))),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "r2": 1 - float(np.mean(error**2)) / spread if spread else 0.0,
    }


def _at(truth: Ints, predicted: Ints, *, two: bool) -> dict[str, Any]:
    precision, recall, f1, _ = precision_recall_fscore_support(
        truth, predicted, average="binary" if two else "macro", zero_division=0
    )
    accuracy = float(np.mean(truth == predicted))
    return {"accuracy": accuracy, "precision": float(precision), "recall": float(recall), "f1": float(f1)}


CUTS = tuple(step / 20 for step in range(1, 20))


def cut_offs(truth: Ints, probability: Floats, cuts: Sequence[float] = CUTS) -> list[dict[str, float]]:
    """What a cut-off would do, one dict each: cut_off, tp, fp, fn, tn, flagged (share of rows), precision, recall, f1.

    truth: (n,) 1 where the outcome came. probability: (n,) held-out scores; those of at least the cut-off are flagged.
    """
    return [_at_cut(truth == 1, probability >= cut, cut) for cut in cuts]


def _at_cut(come: Bools, flagged: Bools, cut: float) -> dict[str, float]:
    tp, fp, fn = int((come & flagged).sum()), int((~come & flagged).sum()), int((come & ~flagged).sum())
    return {
        "cut_off": float(cut),
        "tp": tp,
        "fp": fp,
        "fn": fn,
        "tn": len(come) - tp - fp - fn,
        "flagged": (tp + fp) / max(1, len(come)),
        "precision": tp / max(1, tp + fp),
        "recall": tp / max(1, tp + fn),
        "f1": 2 * tp / max(1, 2 * tp + fp + fn),
    }


def roc(truth: Ints, probability: Floats, points: int = 60) -> list[list[float]]:
    """The ROC curve as [false positive rate, true positive rate], from (0, 0) to (1, 1), thinned to about `points`."""
    false, true, _ = roc_curve(truth, probability)
    kept = np.unique(np.linspace(0, len(false) - 1, points).round().astype(int))
    return [[float(false[place]), float(true[place])] for place in kept]


def reliability(right: Floats, probability: Floats, bins: int = 10) -> list[dict[str, float]]:
    """Promised and kept, over bins of equal count: claimed (mean probability), observed (share right) and rows."""
    order = np.argsort(probability, kind="stable")
    return [
        {"claimed": float(probability[part].mean()), "observed": float(right[part].mean()), "rows": len(part)}
        for part in np.array_split(order, min(bins, max(1, len(order))))
        if len(part)
    ]


def gain(better: Callable[[Ints], float], rows: int, seed: int) -> list[float]:
    """95 % interval of a difference between two predictors over the same rows, by a paired bootstrap.

    better: row positions -> by how much the one beats the other there; NaN where it cannot be told.
    """
    rng = np.random.default_rng(seed)
    drawn = np.array([better(rng.integers(0, rows, rows)) for _ in range(RESAMPLES)])
    return [float(end) for end in np.nanquantile(drawn, [0.025, 0.975])]
