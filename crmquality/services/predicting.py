"""Predictions: an aim is named, a worker searches for a predictor, its version is gated, and trained again."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.db.models import Count
from django.db.models.fields.json import KeyTextTransform
from django.utils import timezone

from crmquality.models import (
    Change,
    ChangeSet,
    JobState,
    ModelVersion,
    Prediction,
    PredictionTraining,
    Record,
    Source,
)
from crmquality.services import learning, model_files
from crmquality.services.batches import source_batch
from crmquality.services.errors import Conflict, Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from crmquality.services.scoring import request_scoring
from detectors.contract import Batch, RunContext
from detectors.prediction.aims import Aim, CannotPredict
from detectors.prediction.engine.model import Predictor
from detectors.prediction.training import Trained, train

LEAST, MOST = 10, 3_600
"""Seconds that a training may be given."""

CORRECTIONS = (ChangeSet.Action.SET, ChangeSet.Action.EDIT, ChangeSet.Action.MERGE, ChangeSet.Action.UNDO)
"""What changes records by people's word, and so what is learned from them."""


def define(
    *,
    source: Source,
    name: str,
    aim: Aim,
    user: Any = None,
    history_column: str = "",
    history_values: Sequence[str] = (),
    seconds: int = 240,
    retrain_after: int = 200,
) -> Prediction:
    """Name an aim on a source.

    Raises Refused if it names a column that the source lacks or nobody can train in that time, Conflict if the name
    is taken.
    """
    name = " ".join(name.split())
    if not 1 <= len(name) <= 60:
        raise Refused("A prediction needs a name of at most 60 characters.")
    if name in source.columns:
        raise Refused(f"A column of {source.name!r} is named {name!r} already: its scores need a name of their own.")
    _check(source, aim, history_column, history_values, seconds)
    try:
        with transaction.atomic():
            return Prediction.objects.create(
                source=source,
                name=name,
                aim=aim.to_json(),
                history_column=history_column,
                history_values=list(history_values) if history_column else [],
                seconds=seconds,
                retrain_after=retrain_after,
                created_by=user,
            )
    except IntegrityError as error:
        raise Conflict(f"There is a prediction named {name!r} of this source already.") from error


def revise(
    *, prediction: Prediction, left_out: Sequence[str], kept: Sequence[str], seconds: int, retrain_after: int
) -> Prediction:
    """What it learns from, and how long and how often, from the next training on. Raises Refused as `define`.

    What is predicted stays: a score of the same name means the same.
    """
    both = set(left_out) & set(kept)
    if both:
        raise Refused(f"{', '.join(sorted(both))}: left out or used whatever speaks against it, not both.")
    given = Aim.from_json(prediction.aim).to_json() | {"left_out": list(left_out), "kept": list(kept)}
    aim = Aim.from_json(given)
    _check(prediction.source, aim, prediction.history_column, prediction.history_values, seconds)
    prediction.aim, prediction.seconds, prediction.retrain_after = aim.to_json(), seconds, retrain_after
    prediction.save(update_fields=["aim", "seconds", "retrain_after"])
    return prediction


def remove(*, prediction: Prediction) -> None:
    """Take a prediction away with its versions and scores. Raises Conflict while a job of it runs."""
    if prediction.trainings.active().exists() or prediction.scorings.active().exists():
        raise Conflict("A job of this prediction is under way: stop it first.")
    prediction.delete()


def request_training(*, prediction: Prediction, user: Any = None) -> PredictionTraining:
    """Queue a training within the prediction's time; the active one if there is one."""
    try:
        with transaction.atomic():
            job = PredictionTraining.objects.create(
                prediction=prediction,
                source_id=prediction.source_id,
                seconds=prediction.seconds,
                requested_by=user,
            )
    except IntegrityError:
        active: PredictionTraining = PredictionTraining.objects.active().get(prediction=prediction)
        return active
    publish("crmquality.tasks.execute_prediction_training", job.pk)
    return job


def execute_training(job_id: int) -> None:
    """Search and fit; the gate decides whether the new version serves. Never raises: the row says how it ended."""
    do_job(PredictionTraining, job_id, _train)


def serving(prediction: Prediction) -> tuple[Predictor | None, ModelVersion | None]:
    """The predictor that serves, and its version; a damaged one is retired, and the last good one serves."""
    return model_files.first_readable(prediction.source, prediction.model_name, model_files.load_predictor)


def history(prediction: Prediction, batch: Batch) -> Batch:
    """The records that are learned from, by the prediction's history column."""
    if not prediction.history_column:
        return batch
    held = batch.frame[prediction.history_column].isin(prediction.history_values).to_numpy()
    return Batch(batch.frame.iloc[np.flatnonzero(held)], batch.roles, kind=batch.kind)


def gate(new: ModelVersion, old: ModelVersion | None) -> tuple[bool, str]:
    """Whether a new version may serve: not worse on rows that no search had seen, with the reason.

    Both were judged by nested cross-validation on the records of their time. An AUC within the old one's 95 % interval
    is no worse; of numbers the root mean squared error may not have grown.
    """
    if old is None:
        return True, "Nothing served before it."
    now, before = new.metrics, old.metrics
    if "held_out_auc" in now and "held_out_auc" in before:
        low = before.get("held_out_auc_low", before["held_out_auc"])
        passes = now["held_out_auc"] >= low
        said = f"held-out AUC {now['held_out_auc']:.3f}, before {before['held_out_auc']:.3f} (at least {low:.3f})"
    elif "held_out_rmse" in now and "held_out_rmse" in before:
        passes = now["held_out_rmse"] <= before["held_out_rmse"]
        said = f"held-out RMSE {now['held_out_rmse']:.6g}, before {before['held_out_rmse']:.6g}"
    else:
        return False, "No measure in common with the serving version: a person decides."
    return passes, f"{'Serves' if passes else 'Does not serve'}: {said}."


def retrain_due() -> int:
    """Queue a training of every prediction whose source was corrected often enough; returns how many."""
    count = 0
    for prediction in Prediction.objects.filter(retrain_after__gt=0).select_related("source"):
        latest = prediction.trainings.order_by("-id").first()
        if latest is None or latest.is_active or latest.state == JobState.CANCELLED:
            continue
        if corrections_since(latest) >= prediction.retrain_after:
            request_training(prediction=prediction)
            count += 1
    return count


def corrections_since(training: PredictionTraining) -> int:
    """Values that people's decisions and edits changed since a training; counted no further than is asked."""
    later = Change.objects.filter(
        change_set__source=training.source_id,
        change_set__action__in=CORRECTIONS,
        change_set__at__gt=training.created_at,
    )
    return len(later.order_by().values_list("pk", flat=True)[: max(1, training.prediction.retrain_after)])


def values_of(source: Source, column: str, most: int = 40) -> list[tuple[str, int]]:
    """The commonest values of a column among live records, with how many hold each."""
    rows = Record.objects.live().filter(source=source).annotate(held=KeyTextTransform(column, "fields"))
    counted = rows.filter(held__isnull=False).exclude(held="").values("held").annotate(rows=Count("pk"))
    return [
        (str(value), int(count))
        for value, count in counted.order_by("-rows", "held").values_list("held", "rows")[:most]
    ]


def _train(job: PredictionTraining, report: Report) -> None:
    prediction = Prediction.objects.select_related("source").get(pk=job.prediction_id)
    source, aim = prediction.source, Aim.from_json(prediction.aim)
    report(0, 100, "reading records")
    batch = source_batch(source)
    try:
        found = train(history(prediction, batch), aim, seconds=float(job.seconds), context=RunContext(report=report))
    except (CannotPredict, KeyError) as error:
        raise Refused(f"It cannot be predicted: {error}") from error
    _, before = serving(prediction)
    with transaction.atomic():
        if not PredictionTraining.objects.held(job).select_for_update().exists():
            raise Lost
        version = _keep(prediction, found, batch)
        PredictionTraining.objects.filter(pk=job.pk).update(
            state=JobState.SUCCEEDED,
            finished_at=timezone.now(),
            lease_until=None,
            report=dict(found.report),
            result=version,
        )
    passes, why = gate(version, before)
    if passes:
        learning.activate(version=version, note=why)
        request_scoring(prediction=prediction)
    else:
        ModelVersion.objects.filter(pk=version.pk).update(note=why)


def _keep(prediction: Prediction, found: Trained, batch: Batch) -> ModelVersion:
    interval = found.report.get("interval") or {}
    metrics = dict(found.predictor.metrics)
    if interval.get("auc"):
        metrics["held_out_auc_low"], metrics["held_out_auc_high"] = interval["auc"]
    return model_files.keep(
        source=prediction.source,
        name=prediction.model_name,
        written_by=model_files.PREDICTOR,
        save=found.predictor.save,
        signature={
            "aim": prediction.aim,
            "history": [prediction.history_column, prediction.history_values],
            "roles": {name: role.value for name, role in batch.roles.items()},
        },
        metrics=metrics,
        labels=int(found.report["rows"]),
        prediction=prediction,
    )


def _check(source: Source, aim: Aim, column: str, values: Sequence[str], seconds: int) -> None:
    mapped = source.column_roles
    absent = [name for name in (*aim.columns, *([column] if column else [])) if name not in mapped]
    if absent:
        raise Refused(f"No mapped column {', '.join(map(repr, absent))} in source {source.name!r}.")
    if aim.target in (*aim.left_out, *aim.kept, aim.incumbent):
        raise Refused(f"{aim.target} is what is predicted: it cannot be learned from.")
    if set(aim.positive) & set(aim.negative):
        raise Refused("A value counts as the outcome or as its absence, not as both.")
    if aim.negative and not aim.positive:
        raise Refused("Say which values are the outcome.")
    if column and not values:
        raise Refused(f"Choose the values of {column} that are history.")
    if not LEAST <= seconds <= MOST:
        raise Refused(f"A training takes between {LEAST} and {MOST:,} seconds.")
