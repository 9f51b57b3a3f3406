"""Measuring a source: the metrics of `crmquality.metrics`, stored with history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from typing import Any

import numpy as np
import pandas as pd
from django.db import IntegrityError, connection, transaction
from django.db.models import Max
from django.utils import timezone

from crmquality import metrics, metrics_records, metrics_rules
from crmquality.metrics import Measure
from crmquality.models import ChangeSet, JobState, Measurement, QualityMetric, Record, Run, Source
from crmquality.services import masking, validating
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.publishing import publish
from detectors.contract import Batch
from detectors.roles import Role
from detectors.rules.checking import ACROSS


def _silent(*_: object, **__: object) -> None:
    return None


VerdictCounter = Callable[[Source], tuple[int, int]]
_verdict_counter: VerdictCounter | None = None

LARGE = 50_000
PAUSE = timedelta(minutes=5)

_DUPLICATES = """
    SELECT subjects, (proposal->>'survivor')::bigint FROM crmquality_finding
    WHERE source_id = %s AND state = 'open' AND proposal->>'action' = 'merge' AND score >= 0.5
"""


def register_verdict_counter(counter: VerdictCounter) -> None:
    """Say how many values people verified, and how many of those were right; `review` calls it at start."""
    global _verdict_counter
    _verdict_counter = counter


def request_measurement(*, source: Source, user: Any = None) -> Measurement:
    """Queue a measurement; the active one if there is one."""
    job = _new_job(source, user)
    if job is None:
        active: Measurement = Measurement.objects.active().get(source=source)
        return active
    publish("crmquality.tasks.execute_measurement", job.pk)
    return job


def measure_now(*, source: Source) -> None:
    """Measure in this process, as a job that people can watch and cancel."""
    job = _new_job(source, None)
    if job is None:  # one that may have begun too early to see everything: its job stays what people watch
        measure_source(source=source)
    else:
        execute_measurement(job.pk)


def execute_measurement(job_id: int) -> None:
    """Do a queued measurement, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(Measurement, job_id, _measure)


def _measure(job: Measurement, report: Report) -> None:
    measures = compute(job.source, report=report)
    with transaction.atomic():
        if not Measurement.objects.finish(job, JobState.SUCCEEDED):
            raise Lost
        store(job.source, None, measures)


def _new_job(source: Source, user: Any) -> Measurement | None:
    try:
        with transaction.atomic():
            return Measurement.objects.create(source=source, requested_by=user)
    except IntegrityError:
        return None


def measure_source(*, source: Source, run: Run | None = None) -> list[QualityMetric]:
    """Measure a source now and keep the result: as a whole, by field and, where it has a segment column, by segment."""
    return store(source, run, compute(source))


def compute(source: Source, *, report: Report = _silent) -> list[Measure]:
    """The measures of a source as it is now. report: see `leases.lease`."""
    report(0, 1, "reading records")
    batch = source_batch(source)
    steps = len(batch.frame.columns) + 2
    now = timezone.now()
    seen = metrics.masks(batch, each=lambda done: report(done, steps, "looking at every cell"))
    rules = validating.readable_rules(source)
    seen = metrics_rules.with_rules(batch, seen, rules, today=now.date(), known=validating.known_ids(source, rules))
    right, verified = _verdict_counter(source) if _verdict_counter else (0, 0)
    clusters = duplicate_clusters(source)
    measures: list[Measure] = [
        *metrics.completeness(batch, seen),
        *metrics.validity(batch, seen),
        *metrics.consistency(batch, seen),
        metrics.uniqueness(len(batch), [len(cluster) for cluster in clusters]),
        metrics.timeliness(batch, seen, now=now),
        metrics.accuracy(right, verified),
        metrics.error_rate(batch, seen),
        metrics.faultless(batch, seen),
    ]
    report(steps - 1, steps, "summing up")
    surplus = {record for cluster in clusters for record in cluster[1:]}
    by_record = metrics_records.parts(batch, seen, surplus=surplus, now=now)
    whole = metrics_records.scores(by_record, np.zeros(len(batch), dtype=np.intp), [""])
    measures += [one for one in whole if one.name == "quality score"]
    column = source.segment_column
    if column in segment_columns(source):
        measures += metrics_records.scores(by_record, *metrics_records.segments(batch.frame[column]))
    return measures


def segment_columns(source: Source) -> list[str]:
    """The mapped columns that may name segments: not those of personal values, since segments are shown to all."""
    personal = {role for roles in masking.PERSONAL.values() for role in roles} | {Role.ID}
    return [column for column, role in source.column_roles.items() if role not in personal]


def set_segment_column(*, source: Source, column: str, user: Any) -> Measurement | None:
    """Keep metrics by the values of this column ("" for none), and measure anew. Raises Refused for an unknown one."""
    if column and column not in segment_columns(source):
        raise Refused(f"{column!r} is no column that groups records without naming people: choose another.")
    source.segment_column = column
    source.save(update_fields=["segment_column"])
    return request_measurement(source=source, user=user) if column else None


def measure_changed() -> int:
    """Measure every source that was corrected or decided on since its last measurement; returns how many.

    A large source is measured at most every few minutes, a small one within seconds.
    """
    count = 0
    for source in Source.objects.all():
        newest = QualityMetric.objects.filter(source=source, name="completeness").aggregate(at=Max("at"))["at"]
        changed = ChangeSet.objects.filter(source=source).aggregate(at=Max("at"))["at"]
        if changed is None or (newest and changed <= newest):
            continue
        pause = PAUSE if live_records(source) > LARGE else timedelta(0)
        if newest is None or newest + pause <= timezone.now():
            measure_now(source=source)
            count += 1
    return count


def duplicate_clusters(source: Source) -> list[list[int]]:
    """The records of each cluster that an open finding of sufficient score claims to be one, the survivor first."""
    with connection.cursor() as cursor:
        cursor.execute(_DUPLICATES, [source.pk])
        return [[survivor, *(one for one in subjects if one != survivor)] for subjects, survivor in cursor.fetchall()]


def latest(source: Source) -> dict[str, QualityMetric]:
    """Name -> the newest metric of the source as a whole."""
    rows = (
        QualityMetric.objects.filter(source=source, field="", segment="")
        .order_by("name", "-at", "-id")
        .distinct("name")
    )
    return {metric.name: metric for metric in rows}


def record_score(record: Record) -> float:
    """Checks passed / checks of one record, by the same rules as the source's metrics but those about other records."""
    roles = record.source.column_roles
    frame = pd.DataFrame([record.fields], index=[record.pk], columns=list(roles), dtype=object)
    return float(metrics.record_scores(*seen_of(record.source, frame)).iloc[0])


def seen_of(source: Source, frame: pd.DataFrame) -> tuple[Batch, metrics.Masks]:
    """Some records of a source and what is seen of them, by all rules but those about other records."""
    batch = Batch(frame, source.column_roles, source.kind)
    rules = [rule for rule in validating.readable_rules(source) if not isinstance(rule, ACROSS)]
    seen = metrics_rules.with_rules(batch, metrics.masks(batch), rules, today=timezone.now().date())
    return batch, seen


def live_records(source: Source) -> int:
    """How many records stand for themselves."""
    return Record.objects.live().filter(source=source).count()


@transaction.atomic
def store(source: Source, run: Run | None, measures: list[Measure]) -> list[QualityMetric]:
    """Keep measures as the source's newest."""
    now = timezone.now()
    return QualityMetric.objects.bulk_create(
        QualityMetric(
            source=source,
            run=run,
            name=one.name,
            field=one.field,
            segment=one.segment,
            numerator=one.numerator,
            denominator=one.denominator,
            value=one.value,
            low=one.low,
            high=one.high,
            rule_version=metrics.RULE_VERSION,
            at=now,
        )
        for one in measures
    )
