"""Runs: asked for, executed under a lease, swept up when a worker died."""

from __future__ import annotations

import resource
import time
from collections.abc import Callable, Iterable, Iterator
from typing import Any, TypeVar

from django.db import IntegrityError, transaction
from django.utils import timezone

from crmquality.models import (
    BakeOff,
    Delivery,
    DetectorConfig,
    Export,
    Import,
    Measurement,
    PredictionTraining,
    Profile,
    Run,
    Scoring,
    SeriesUpdate,
    Source,
    SurvivorshipRules,
    Training,
    Undoing,
)
from crmquality.models.jobs import Job, JobState
from crmquality.services import enriching, following, learning, measuring, sensitive, table_statistics, validating
from crmquality.services.errors import Refused
from crmquality.services.findings import store_findings
from crmquality.services.leases import Lost, do_job
from crmquality.services.publishing import note_sweep, publish
from crmquality.services.sisters import batch_for, sisters
from crmquality.signals import run_succeeded
from detectors import registry
from detectors.contract import (
    Batch,
    Detector,
    Finding,
    IncrementalDetector,
    MergeRecords,
    RunContext,
    Since,
    TrainableDetector,
)

T = TypeVar("T")

FLOOD = 500_000
"""More findings than this from one run are a broken detector or mapping, not work for people."""

_SWEPT: dict[type[Job], str] = {
    Run: "crmquality.tasks.execute_run",
    Import: "crmquality.tasks.execute_import",
    Training: "crmquality.tasks.execute_training",
    Undoing: "crmquality.tasks.execute_undoing",
    Measurement: "crmquality.tasks.execute_measurement",
    Export: "crmquality.tasks.execute_export",
    Profile: "crmquality.tasks.execute_profile",
    PredictionTraining: "crmquality.tasks.execute_prediction_training",
    Scoring: "crmquality.tasks.execute_scoring",
    BakeOff: "crmquality.tasks.execute_bake_off",
    SeriesUpdate: "crmquality.tasks.update_series",
    Delivery: "crmquality.tasks.execute_delivery",
}
"""Kind of job -> the task that does it."""


def request_run(
    *,
    source: Source,
    detector: str,
    cause: Run.Cause = Run.Cause.HAND,
    user: Any = None,
    seed: int = 0,
    only_changes: bool = False,
) -> Run:
    """Queue a run of one detector. If one is active already, that one is returned.

    only_changes: go on from the latest run where the detector can and little changed, with the same result.

    Raises Refused if the detector is not installed, is switched off, or the source has no mapped columns.
    """
    if detector not in registry.available():
        raise Refused(f"No detector named {detector!r} is installed: choose one of {', '.join(registry.available())}.")
    if not source.column_roles:
        raise Refused(f"Source {source.name!r} has no mapped columns: import a file or confirm its columns first.")
    config = current_config(source, detector)
    if config and not config.enabled:
        raise Refused(f"Detector {detector!r} is switched off for {source.name!r}.")
    try:
        with transaction.atomic():
            run = Run.objects.create(
                source=source,
                detector=detector,
                cause=cause,
                requested_by=user,
                seed=seed,
                config=config,
                only_changes=only_changes,
            )
    except IntegrityError:
        active: Run = Run.objects.active().get(source=source, detector=detector)
        if active.only_changes and not only_changes:  # one that waits still does what is asked of it in all
            Run.objects.filter(pk=active.pk, state=JobState.QUEUED).update(only_changes=False)
            active.refresh_from_db()
        return active
    publish("crmquality.tasks.execute_run", run.pk, detector=detector)
    return run


def request_all(
    *,
    source: Source,
    cause: Run.Cause = Run.Cause.HAND,
    user: Any = None,
    seed: int = 0,
    only_changes: bool = False,
) -> list[Run]:
    """Queue every detector that is switched on for the source; as `request_run`."""
    off = {
        name
        for name in registry.available()
        if (config := current_config(source, name)) is not None and not config.enabled
    }
    return [
        request_run(source=source, detector=name, cause=cause, user=user, seed=seed, only_changes=only_changes)
        for name in registry.available()
        if name not in off
    ]


def cancel(job: Job) -> bool:
    """Ask a job to stop: a queued one ends at once, a running one at its next report. False if it is over."""
    rows = type(job).objects.filter(pk=job.pk)
    if rows.filter(state=JobState.QUEUED).update(state=JobState.CANCELLED, finished_at=timezone.now()):
        return True
    return bool(rows.filter(state=JobState.RUNNING).update(cancel_requested=True))


def execute_run(run_id: int) -> None:
    """Do a queued run, unless another worker has it. Never raises: how it ended stands in the row."""
    run = do_job(Run, run_id, _detect_and_store)
    if run and not Run.objects.active().filter(source=run.source_id).exists():  # the last one speaks for all
        measuring.measure_now(source=run.source)


def _detect_and_store(run: Run, report: Callable[..., None]) -> None:
    started = time.monotonic()
    run = Run.objects.select_related("source", "config").get(pk=run.pk)
    table_statistics.bring_up_to_date("crmquality_record", "crmquality_finding")
    detector, version = learning.load_serving(run.source, run.detector, run.config.params if run.config else {})
    if isinstance(detector, TrainableDetector):
        detector = detector.reweight(learning.labels_since(version, run.source, run.detector))
    footing = following.look(run, detector, version)
    batch = batch_for(run.source, detector)
    rules = SurvivorshipRules.in_force(run.source)
    remarks: list[str] = []
    fitted: dict[str, Any] = {}
    checker = validating.Checker(run.source)
    context = RunContext(
        seed=run.seed,
        report=report,
        survivorship=rules.rules,
        trusted=tuple(rules.trusted),
        sensitive=sensitive.allowed_columns(run.source),
        check=checker,
        enrich=enriching.Enricher(run.source),
        remark=remarks.append,
        keep=fitted.update,
        source=run.source.name,
        deduplicated=frozenset(one.name for one in [run.source, *sisters(run.source)] if one.deduplicated),
    )
    if footing and footing.why:
        remarks.append(f"Everything was looked at anew, since {footing.why}.")
    found, standing = _found(detector, batch, context, footing.since if footing else None)
    report(1, 1, "storing")
    with transaction.atomic():
        if not Run.objects.held(run).select_for_update().exists():
            raise Lost
        stored = store_findings(run, batch, found, standing)
        if footing:
            following.keep(run, footing, fitted)
        checker.store(run)
        if any(isinstance(one.proposal, MergeRecords) for one in found):
            publish("crmquality.tasks.index_unique_columns", run.source_id)
        if version is None:
            version = learning.keep_first_model(run, detector, batch)
        Run.objects.filter(pk=run.pk).update(
            state=JobState.SUCCEEDED,
            finished_at=timezone.now(),
            lease_until=None,
            detector_version=detector.version,
            model_version=version,
            records_seen=_own(run.source, batch),
            changed=footing.changed if footing and footing.since else None,
            found=stored.found,
            found_new=stored.new,
            withdrawn=stored.withdrawn,
            remarks=remarks,
            seconds=time.monotonic() - started,
            peak_mb=resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
        )
        run.refresh_from_db()
        run_succeeded.send(sender=Run, run=run)


def _found(
    detector: Detector, batch: Batch, context: RunContext, since: Since | None
) -> tuple[list[Finding], list[str]]:
    """What a detector finds, and the fingerprints of claims that stand as they were."""
    if since is None:
        return list(_limited(detector.detect(batch, context))), []
    assert isinstance(detector, IncrementalDetector)
    found = list(_limited(detector.detect_since(batch, context, since)))
    return [one for one in found if isinstance(one, Finding)], [one for one in found if isinstance(one, str)]


def _own(source: Source, batch: Batch) -> int:
    """How many of a batch's records are the source's own."""
    return sum(name == source.name for name in batch.origin.values()) if batch.origin else len(batch)


def current_config(source: Source, detector: str) -> DetectorConfig | None:
    """The latest settings an admin gave; None for the defaults."""
    return DetectorConfig.objects.filter(source=source, detector=detector).order_by("-number").first()


def register_job(model: type[Job], task: str) -> None:
    """Let the sweeper look after another kind of job too; task: full name of what does it, given the job's id."""
    _SWEPT[model] = task


def sweep() -> int:
    """Publish again every job that nobody holds; returns how many.

    This is what brings back a run whose worker was killed, or whose message the broker lost.
    """
    count = 0
    for model, task in _SWEPT.items():
        for job in model.objects.claimable()[:500]:
            publish(task, job.pk, detector=getattr(job, "detector", ""))
            count += 1
    note_sweep()
    return count


def kinds_of_jobs() -> list[type[Job]]:
    """Every kind of job that the sweeper looks after."""
    return list(_SWEPT)


def schedule_due() -> int:
    """Queue all detectors of every source whose interval has passed; returns how many sources.

    Two schedulers do no harm: a source has one active run a detector.
    """
    count = 0
    for source in Source.objects.filter(run_every__isnull=False):
        latest = Run.objects.filter(source=source, cause=Run.Cause.SCHEDULE).order_by("-id").first()
        if latest is None or latest.created_at + source.run_every <= timezone.now():
            request_all(source=source, cause=Run.Cause.SCHEDULE, only_changes=True)
            count += 1
    return count


def _limited(findings: Iterable[T]) -> Iterator[T]:
    for count, finding in enumerate(findings, 1):
        if count > FLOOD:
            raise Refused(f"More than {FLOOD:,} findings: check the columns' roles and the detector's settings.")
        yield finding
