"""From records to a predictor with its report: churn, lead score, lifetime value, any column a person names.

    trained = train(batch, Aim(target="Stage", positive=("won",), negative=("lost",), incumbent="Lead score"))
    trained.report["auc"], trained.report["incumbent"], trained.report["cut_offs"] ...
    trained.predictor.save(directory)
    Predictor.load(directory).scores(batch, reasons=3)

Learning again from corrected records is the same call on the batch as it now stands.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from detectors.contract import Batch, RunContext
from detectors.prediction.aims import OUTER, Aim, question_of
from detectors.prediction.assessing import Assessment, assess
from detectors.prediction.engine.model import Predictor, learn

SECONDS = 240.0

_KEPT = ("auc", "log_loss", "accuracy", "precision", "recall", "f1", "calibration_error", "mae", "rmse", "r2")


@dataclass(frozen=True)
class Trained:
    """A predictor fitted to all rows whose answer is known, and how well such a predictor did on rows it had not seen.

    report: plain values, see `assessing.assess`.
    """

    predictor: Predictor
    report: Mapping[str, Any]


def train(batch: Batch, aim: Aim, *, seconds: float = SECONDS, context: RunContext | None = None) -> Trained:
    """Search, judge by nested cross-validation, then search and fit once more on all rows.

    batch: the records as they stand; those whose outcome is not known are passed over. seconds: wall-clock time of all
    searches together. Reports progress to the context and lets its cancellation through.

    Raises CannotPredict if a column is not there or cannot be predicted.
    """
    context = context or RunContext()
    question = question_of(batch.frame.sort_index(), aim, batch.roles, context.seed)
    share = seconds / (OUTER + 1)

    def report(done: float, total: float, stage: str = "") -> None:
        context.report(round(done), round(total * (OUTER + 1) / OUTER), stage)

    def report_last(done: float, total: float, stage: str = "") -> None:
        whole = 100 * OUTER + min(100, round(100 * done / max(total, 1e-9)))
        context.report(whole, 100 * (OUTER + 1), f"all rows: {stage}")

    assessment = assess(question, seconds=share * OUTER, report=report)
    predictor, _ = learn(
        question.features(),
        question.frame,
        question.answers,
        question.classes,
        aim.target,
        seconds=share,
        seed=context.seed,
        report=report_last,
    )
    predictor.metrics |= _metrics(assessment)
    if question.numeric:
        predictor.intervals = assessment.intervals(question.answers)
    context.report(100 * (OUTER + 1), 100 * (OUTER + 1), "trained")
    return Trained(predictor, assessment.report)


def _metrics(assessment: Assessment) -> dict[str, float]:
    """The held-out figures that a model version carries, to be held against the next one's."""
    figures = {f"held_out_{name}": assessment.report.get(name) for name in _KEPT}
    return {name: float(value) for name, value in figures.items() if value is not None}
