"""Models that learn from decisions: trained, gated, activated, loaded; files that are whole or absent."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

from django.db import IntegrityError, transaction
from django.utils import timezone

from crmquality.models import ModelVersion, Run, Source, Training
from crmquality.models.jobs import JobState
from crmquality.services import model_files
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, do_job
from crmquality.services.publishing import publish
from crmquality.services.sisters import batch_for
from detectors import registry
from detectors.contract import (
    Batch,
    Detector,
    Label,
    ModelFileError,
    RunContext,
    TrainableDetector,
)

logger = logging.getLogger(__name__)
NO_DECISIONS = datetime(1970, 1, 1, tzinfo=UTC)
"""What a model knows until that was fitted on no label."""

LabelReader = Callable[[Source, str, datetime | None], Sequence[Label]]
_label_reader: LabelReader | None = None


def register_label_reader(reader: LabelReader) -> None:
    """Say where labels come from; `review` calls it at start, since nothing here may import it."""
    global _label_reader
    _label_reader = reader


def labels_of(source: Source, detector: str, since: datetime | None = None) -> Sequence[Label]:
    """Every label people gave on this detector's findings in this source, oldest first; only later ones if given."""
    return _label_reader(source, detector, since) if _label_reader else []


def labels_since(version: ModelVersion | None, source: Source, detector: str) -> Sequence[Label]:
    """The labels that a version was not trained on; all of them for an untrained detector."""
    return labels_of(source, detector, version.knows_until if version else None)


def load_serving(
    source: Source, name: str, params: Mapping[str, Any] | None = None
) -> tuple[Detector, ModelVersion | None]:
    """The detector that serves a source now, and the model version it came from (None: untrained).

    A version whose files are damaged, or were written by other code, is retired with a note, and the last good one
    is the active one again in its place.
    """
    kind = registry.load(name)
    found, version = model_files.first_readable(source, name, load_version)
    return (kind(**(params or {})), None) if found is None else (found, version)


def load_version(version: ModelVersion) -> TrainableDetector:
    """The trained detector of a version. Raises ModelFileError if its files are damaged or foreign."""
    return model_files.load_detector(version)


def keep_version(
    *,
    source: Source,
    detector: TrainableDetector,
    roles: Mapping[str, str],
    labels: int,
    note: str = "",
    knows_until: datetime | None = None,
) -> ModelVersion:
    """Write the detector's files beside and rename them into place, then note the version as a candidate.

    knows_until: when its labels were read, if that was not just now.
    """
    return model_files.keep(
        source=source,
        name=detector.name,
        written_by=detector.version,
        save=detector.save,
        signature={"roles": dict(roles)},
        metrics=detector.metrics(),
        labels=labels,
        note=note,
        knows_until=knows_until,
    )


@transaction.atomic
def activate(*, version: ModelVersion, user: Any = None, note: str = "") -> ModelVersion:
    """Let this version serve; the one before it is retired.

    Raises Refused if its files cannot be loaded: what serves now goes on serving.
    """
    try:
        model_files.load(version)
    except ModelFileError as error:
        raise Refused(f"Model version {version.number} cannot serve: {error}.") from error
    Source.objects.select_for_update().get(pk=version.source_id)
    ModelVersion.objects.filter(
        source=version.source_id, detector=version.detector, state=ModelVersion.State.ACTIVE
    ).exclude(pk=version.pk).update(state=ModelVersion.State.RETIRED)
    version.state = ModelVersion.State.ACTIVE
    version.activated_at = timezone.now()
    version.activated_by = user
    version.note = note or version.note
    version.save(update_fields=["state", "activated_at", "activated_by", "note"])
    return version


def roll_back(*, source: Source, detector: str, user: Any = None, why: str = "") -> ModelVersion:
    """Let the version serve that served before the present one and can still be read.

    Raises Refused if there is none.
    """
    before = [one for one in model_files.serving_first(source, detector) if one.state == ModelVersion.State.RETIRED]
    for version in before:
        try:
            return activate(version=version, user=user, note=why or "Rolled back to it.")
        except Refused:
            continue
    raise Refused(f"No earlier version of {detector!r} for {source.name!r} can serve: train one, or activate another.")


def keep_first_model(run: Run, detector: Detector, batch: Batch) -> ModelVersion | None:
    """After a source's first run of a detector that is reweighted by decisions: keep what it learned of the data.

    Reweighting between two cards needs the fitted state; detectors that say they need none are left alone.
    """
    if not (isinstance(detector, TrainableDetector) and getattr(detector, "reweights_at_once", False)):
        return None
    fitted = detector.fit(batch, [], RunContext(seed=run.seed))
    version = keep_version(source=run.source, detector=fitted, roles=batch.roles, labels=0, knows_until=NO_DECISIONS)
    return activate(version=version, note="First fit on the data, before any decision.")


def learns(detector: str) -> bool:
    """Whether a detector is trained on labels. Raises UnknownDetector."""
    return issubclass(registry.load(detector), TrainableDetector)


def is_idle(*, source_id: int, detector: str) -> bool:
    """Whether a detector can be trained on a source now: it is installed, learns, and no training of it waits."""
    if detector not in registry.available() or not learns(detector):
        return False
    return not Training.objects.active().filter(source=source_id, detector=detector).exists()


def request_training(*, source: Source, detector: str, user: Any = None, serves_because: str = "") -> Training:
    """Queue a training on all labels; the active one if there is one. Raises Refused if the detector cannot learn."""
    if not learns(detector):
        raise Refused(f"Detector {detector!r} does not learn.")
    try:
        with transaction.atomic():
            training = Training.objects.create(
                source=source, detector=detector, requested_by=user, serves_because=serves_because
            )
    except IntegrityError:
        active: Training = Training.objects.active().get(source=source, detector=detector)
        if serves_because:  # one that is under way may have read the labels already
            raise Refused(f"A training of {detector!r} is under way: wait for its end, or stop it.") from None
        return active
    publish("crmquality.tasks.execute_training", training.pk, detector=detector)
    return training


def execute_training(training_id: int) -> None:
    """Fit on all labels into a new version; the gate decides whether it serves. Never raises."""
    do_job(Training, training_id, _train)


def _train(training: Training, report: Callable[..., None]) -> None:
    source = training.source
    began = timezone.now()
    labels = labels_of(source, training.detector)
    serving, version = load_serving(source, training.detector)
    assert isinstance(serving, TrainableDetector)
    batch = batch_for(source, serving) if serving.fits_on_records else source_batch(source, only=())
    fitted = serving.fit(batch, labels, RunContext(report=report))
    with transaction.atomic():
        if not Training.objects.held(training).select_for_update().exists():
            raise Lost
        kept = keep_version(source=source, detector=fitted, roles=batch.roles, labels=len(labels), knows_until=began)
        Training.objects.filter(pk=training.pk).update(
            state=JobState.SUCCEEDED, finished_at=timezone.now(), lease_until=None, result=kept
        )
    because = training.serves_because
    passes, why = (True, because) if because else gate(kept, version)
    if passes:
        activate(version=kept, note=why)
    else:
        ModelVersion.objects.filter(pk=kept.pk).update(note=why)


def gate(new: ModelVersion, old: ModelVersion | None) -> tuple[bool, str]:
    """Whether a new version may serve: not worse than the serving one on held-out labels, with the reason.

    The measure is the first that both name of "held_out_f1", "held_out_auc" and "acceptance" (higher is better).
    A detector that measures nothing is left to a person.
    """
    if old is None:
        return True, "Nothing served before it."
    for name in ("held_out_f1", "held_out_auc", "acceptance"):
        if name in new.metrics and name in old.metrics:
            better = new.metrics[name] >= old.metrics[name]
            word = "Serves" if better else "Does not serve"
            return better, f"{word}: {name} {new.metrics[name]:.3f}, before {old.metrics[name]:.3f}."
    if new.metrics.get("held_out_gain") is not None:
        better = new.metrics["held_out_gain"] >= 0
        return better, f"Held-out gain over the model before: {new.metrics['held_out_gain']:+.3f}."
    if new.labels and not old.labels:
        return True, "First version trained on decisions; its detector gates itself."
    return False, "No measure in common with the serving version: a person decides."
