"""Scores: every open record of a source by the version that serves, cut into bands that an admin sets."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

import numpy as np
from django.db import IntegrityError, transaction
from django.utils import timezone

from crmquality.masking import masked
from crmquality.models import CutOffs, JobState, Prediction, Record, Score, Scoring
from crmquality.services import masking, model_files
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from detectors.contract import Batch
from detectors.missing_values import is_missing
from detectors.prediction.aims import Aim
from detectors.prediction.engine.model import Contribution, ModelDoesNotFit, Predictor

REASONS = 4
"""Fields that each score names."""

RESTED = timedelta(minutes=10)
"""Records change all day: scores follow at most so often."""

MOST_BANDS = 4
BATCH = 5_000


@dataclass(frozen=True)
class Cut:
    """Bands of a prediction's scores: (name, from this score on), the highest first, and the name of the rest."""

    bands: tuple[tuple[str, float], ...]
    rest: str

    def band(self, number: float) -> str:
        """The band of a score; "" where none are set."""
        if not self.bands:
            return ""
        return next((name for name, at in self.bands if number >= at), self.rest)


@dataclass(frozen=True)
class Shown:
    """A score as a person sees it. reasons: in words, values masked where they are masked for whoever looks."""

    score: Score
    prediction: Prediction
    band: str
    says: str
    reasons: tuple[str, ...]
    is_old: bool


def request_scoring(*, prediction: Prediction, user: Any = None) -> Scoring:
    """Queue a scoring of all open records; the active one if there is one. Raises Refused if no version serves."""
    if not prediction.versions.filter(activated_at__isnull=False).exists():
        raise Refused(f"{prediction.name!r} has no version that serves: train it first, or activate one.")
    try:
        with transaction.atomic():
            job = Scoring.objects.create(prediction=prediction, source_id=prediction.source_id, requested_by=user)
    except IntegrityError:
        active: Scoring = Scoring.objects.active().get(prediction=prediction)
        return active
    publish("crmquality.tasks.execute_scoring", job.pk)
    return job


def execute_scoring(job_id: int) -> None:
    """Score the records. Never raises: how it ended stands in the row."""
    do_job(Scoring, job_id, _score)


def score_due() -> int:
    """Queue a scoring wherever records changed or came since the last one; returns how many."""
    count = 0
    for prediction in Prediction.objects.filter(versions__state="active").select_related("source").distinct():
        latest = prediction.scorings.order_by("-id").first()
        if latest is None or latest.is_active or latest.state != JobState.SUCCEEDED:
            continue
        newer = Record.objects.filter(source=prediction.source_id, updated_at__gt=latest.started_at)
        if latest.finished_at < timezone.now() - RESTED and newer.exists():
            request_scoring(prediction=prediction)
            count += 1
    return count


def cut_of(prediction: Prediction) -> Cut:
    """The cut-offs in force; none until an admin sets some."""
    newest = prediction.cut_offs.order_by("-number").first()
    return _cut(newest.bands, newest.rest) if newest else Cut((), "")


def set_cut_offs(
    *, prediction: Prediction, bands: Sequence[tuple[str, float]], rest: str, user: Any = None, reason: str = ""
) -> CutOffs:
    """Cut scores anew, from now on and for those that stand. Raises Refused if the bands make no sense."""
    check_bands(prediction, bands, rest)
    with transaction.atomic():
        Prediction.objects.select_for_update().get(pk=prediction.pk)
        newest = prediction.cut_offs.order_by("-number").first()
        return CutOffs.objects.create(
            prediction=prediction,
            number=newest.number + 1 if newest else 1,
            bands=[{"name": name, "at": at} for name, at in sorted(bands, key=lambda band: -band[1])],
            rest=rest,
            by=user,
            reason=reason[:300],
        )


def roll_back_cut_offs(*, version: CutOffs, user: Any = None) -> CutOffs:
    """Put earlier cut-offs in force again, as a new version."""
    bands = [(band["name"], band["at"]) for band in version.bands]
    return set_cut_offs(
        prediction=version.prediction,
        bands=bands,
        rest=version.rest,
        user=user,
        reason=f"Rolled back to version {version.number}.",
    )


def scores_of(record: Record) -> list[Shown]:
    """What is predicted of a record, for whoever looks."""
    return scores_of_many([record]).get(record.pk, [])


def scores_of_many(records: Sequence[Record]) -> dict[int, list[Shown]]:
    """What is predicted of each record, for whoever looks; records without a score are absent."""
    rows = Score.objects.filter(record__in=[record.pk for record in records])
    found = list(rows.select_related("prediction", "version").order_by("prediction__name"))
    cuts = {prediction: cut_of(prediction) for prediction in {score.prediction for score in found}}
    of_id = {record.pk: record for record in records}
    many: dict[int, list[Shown]] = defaultdict(list)
    for score in found:
        many[score.record_id].append(shown(score, of_id[score.record_id], cuts[score.prediction]))
    return dict(many)


def shown(score: Score, record: Record, cut: Cut) -> Shown:
    """One score in words."""
    told = reasons(score, masking.current().hides(record))
    return Shown(score, score.prediction, cut.band(score.number), words(score), told, score.seen != record.version)


def reasons(score: Score, hidden: Collection[str]) -> tuple[str, ...]:
    """Why, in words; values of hidden columns masked."""
    numeric = score.probability is None
    return tuple(_contribution(one, hidden).says(numeric=numeric).rstrip(".") for one in score.reasons[:REASONS])


def words(score: Score) -> str:
    """A score as a person reads it: the probability of the outcome, the likeliest class, or the number."""
    if score.probability is None:
        text = f"{float(score.number):,.6g}"
        return text if score.low is None or score.high is None else f"{text} ({score.low:,.5g} to {score.high:,.5g})"
    outcome = is_outcome(score.prediction)
    return f"{score.probability:.0%}" if outcome else f"{score.value} ({score.probability:.0%})"


def is_outcome(prediction: Prediction) -> bool:
    """Whether its score is the probability of one outcome."""
    return bool(prediction.aim.get("positive"))


def without_groups(report: Mapping[str, Any], hidden: Collection[str]) -> dict[str, Any]:
    """A training's report without the groups of these columns: a group is named by a value."""
    groups = [row for row in report.get("subgroups", []) if row["column"] not in hidden]
    return {**report, "subgroups": groups} if "subgroups" in report else dict(report)


def open_records(prediction: Prediction, batch: Batch) -> Batch:
    """The records whose outcome has not come, which is what a score is wanted of.

    Of an outcome: those of which nobody knows yet; if all are known, those of which it has not come. Else those
    outside the history or without a value; if there are none, all.
    """
    aim = Aim.from_json(prediction.aim)
    target = batch.frame[aim.target]
    blank = np.asarray(is_missing(target), dtype=bool)
    if aim.positive:
        waiting = ~target.isin(aim.positive).to_numpy()
        if aim.negative and (unknown := waiting & ~target.isin(aim.negative).to_numpy()).any():
            waiting = unknown
    else:
        waiting = blank
        if prediction.history_column:
            waiting = blank | ~batch.frame[prediction.history_column].isin(prediction.history_values).to_numpy()
    if not waiting.any():
        return batch
    return Batch(batch.frame.iloc[np.flatnonzero(waiting)], batch.roles, kind=batch.kind)


def band_counts(prediction: Prediction, cut: Cut) -> list[tuple[str, int]]:
    """How many of the scored records are in each band, the highest first."""
    edges = [at for _, at in cut.bands]
    counts = [Score.objects.filter(prediction=prediction, number__gte=at).count() for at in edges]
    total = Score.objects.filter(prediction=prediction).count()
    names = [name for name, _ in cut.bands]
    each = [count - before for count, before in zip([*counts, total], [0, *counts], strict=True)]
    return list(zip([*names, cut.rest], each, strict=True))


def _score(job: Scoring, report: Report) -> None:
    prediction = Prediction.objects.select_related("source").get(pk=job.prediction_id)
    predictor, version = model_files.first_readable(
        prediction.source, prediction.model_name, model_files.load_predictor
    )
    if predictor is None or version is None:
        raise Refused("No version of it can be read: train it again.")
    report(0, 100, "reading records")
    seen = dict(Record.objects.live().filter(source=prediction.source).values_list("pk", "version"))
    batch = open_records(prediction, source_batch(prediction.source))
    done = 0
    with transaction.atomic():  # readers see the old scores until all new ones are there
        Score.objects.filter(prediction=prediction).delete()
        try:
            for part in _parts(batch):
                report(done, len(batch), "scoring", write=False)
                Score.objects.bulk_create(_rows(prediction, version.pk, predictor, part, seen))
                done += len(part)
        except ModelDoesNotFit as error:
            raise Refused(f"{error}.") from error
        if not Scoring.objects.held(job).select_for_update().exists():
            raise Lost
        Scoring.objects.filter(pk=job.pk).update(
            state=JobState.SUCCEEDED, finished_at=timezone.now(), lease_until=None, version=version, scored=done
        )


def _parts(batch: Batch) -> Iterator[Batch]:
    for start in range(0, len(batch), BATCH):
        yield Batch(batch.frame.iloc[start : start + BATCH], batch.roles, kind=batch.kind)


def _rows(
    prediction: Prediction, version: int, predictor: Predictor, batch: Batch, seen: Mapping[int, int]
) -> Iterator[Score]:
    outcome = is_outcome(prediction)
    for one in predictor.scores(batch, reasons=REASONS):
        probability = one.probability
        if (
            probability is not None
            and not outcome
            and one.value == predictor.classes[0]
            and len(predictor.classes) == 2
        ):
            probability = 1 - probability  # of two classes it is the second's; shown is that of the likelier
        number = float(one.value) if probability is None else float(probability)
        yield Score(
            prediction=prediction,
            record_id=one.record,
            version_id=version,
            value=f"{number:.3f}" if outcome else one.value,
            probability=probability,
            low=_finite(one.low),
            high=_finite(one.high),
            number=number,
            reasons=[
                {"field": why.field, "value": why.value, "typical": why.typical, "weight": why.weight}
                for why in one.reasons
            ],
            seen=seen.get(one.record, 0),
        )


def _finite(number: float | None) -> float | None:
    return float(number) if number is not None and np.isfinite(number) else None


def _contribution(given: Mapping[str, Any], hidden: Collection[str]) -> Contribution:
    value = str(masked(given["value"])) if given["field"] in hidden else given["value"]
    return Contribution(given["field"], value, given["typical"], float(given["weight"]))


def _cut(bands: Sequence[Mapping[str, Any]], rest: str) -> Cut:
    return Cut(tuple((str(band["name"]), float(band["at"])) for band in bands), rest)


def check_bands(prediction: Prediction, bands: Sequence[tuple[str, float]], rest: str) -> None:
    """Raises Refused if bands make no sense."""
    names = [name.strip() for name, _ in bands] + [rest.strip()]
    if not 1 <= len(bands) <= MOST_BANDS:
        raise Refused(f"Set between 1 and {MOST_BANDS} cut-offs.")
    if not all(names) or len({name.casefold() for name in names}) < len(names) or max(map(len, names)) > 30:
        raise Refused("Every band needs a name of its own, of at most 30 characters.")
    cuts = [at for _, at in bands]
    if len(set(cuts)) < len(cuts) or not all(map(np.isfinite, cuts)):
        raise Refused("Every cut-off needs a number of its own.")
    if is_outcome(prediction) and not all(0 < at < 1 for at in cuts):
        raise Refused("A cut-off of a probability lies between 0 and 100 %.")
