"""Measuring a source: the metrics of `crmquality.metrics`, stored with history."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta

import pandas as pd
from django.db import connection, transaction
from django.db.models import Max
from django.utils import timezone

from crmquality import metrics
from crmquality.metrics import Measure
from crmquality.models import ChangeSet, QualityMetric, Record, Run, Source
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from detectors.contract import Batch
from detectors.roles import Role

VerdictCounter = Callable[[Source], tuple[int, int]]
_verdict_counter: VerdictCounter | None = None

ReferenceListener = Callable[[Source, pd.DataFrame], None]
_reference_listener: ReferenceListener | None = None

LARGE = 50_000
PAUSE = timedelta(minutes=5)

_DUPLICATES = """
    SELECT cardinality(subjects) FROM crmquality_finding
    WHERE source_id = %s AND state = 'open' AND proposal->>'action' = 'merge' AND score >= 0.5
"""


def register_verdict_counter(counter: VerdictCounter) -> None:
    """Say how many values people verified, and how many of those were right; `review` calls it at start."""
    global _verdict_counter
    _verdict_counter = counter


def register_reference_listener(listener: ReferenceListener) -> None:
    """Say who else learns from verified values (text cells, indexed by external id); `review` calls it at start."""
    global _reference_listener
    _reference_listener = listener


def measure_source(*, source: Source, run: Run | None = None, batch: Batch | None = None) -> list[QualityMetric]:
    """Measure a source now and keep the result; returns the metrics of the source as a whole and of each field."""
    batch = batch or source_batch(source)
    seen = metrics.masks(batch)
    right, verified = _verdict_counter(source) if _verdict_counter else (0, 0)
    measures: list[Measure] = [
        *metrics.completeness(batch, seen),
        *metrics.validity(batch, seen),
        *metrics.consistency(batch, seen),
        metrics.uniqueness(len(batch), duplicate_clusters(source)),
        metrics.timeliness(batch, now=timezone.now()),
        metrics.accuracy(right, verified),
        metrics.error_rate(batch, seen),
        metrics.faultless(batch, seen),
    ]
    score = metrics.quality_score({one.name: one.value for one in measures if not one.field})
    if score is not None:
        measures.append(Measure("quality score", score, 1))
    return _store(source, run, measures)


def measure_against_reference(*, source: Source, reference: pd.DataFrame) -> list[QualityMetric]:
    """Hold a source's records against verified values, and keep the result.

    reference: text cells; one column is the source's ID column, the others are named as the source's.
    Raises Refused if the ID column is not there, is not unique, or nothing can be compared.
    """
    key = next(iter(source.columns_of(Role.ID)), None)
    if key is None or key not in reference.columns:
        raise Refused(f"The reference needs the ID column of {source.name!r}: {key or 'it has none; name one first'}.")
    verified = reference.set_index(key)
    if not verified.index.is_unique:
        raise Refused(f"The reference names an id twice in column {key!r}: give each record once.")
    batch = source_batch(source)
    measures = metrics.accuracy_against(batch.frame.set_index(key), verified)
    if not measures[0].denominator:
        raise Refused("The reference shares no filled cell with the source: check its ids and column names.")
    if _reference_listener:
        _reference_listener(source, verified)
    return _store(source, None, measures)


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
            measure_source(source=source)
            count += 1
    return count


def duplicate_clusters(source: Source) -> list[int]:
    """The sizes of the clusters that open findings of sufficient score claim to be one."""
    with connection.cursor() as cursor:
        cursor.execute(_DUPLICATES, [source.pk])
        return [size for (size,) in cursor.fetchall()]


def latest(source: Source) -> dict[str, QualityMetric]:
    """Name -> the newest metric of the source as a whole."""
    rows = QualityMetric.objects.filter(source=source, field="").order_by("name", "-at", "-id").distinct("name")
    return {metric.name: metric for metric in rows}


def record_score(record: Record) -> float:
    """Checks passed / checks of one record, by the same rules as the source's metrics."""
    roles = record.source.column_roles
    frame = pd.DataFrame([record.fields], index=[record.pk], columns=list(roles), dtype=object)
    batch = Batch(frame, roles, record.source.kind)
    return float(metrics.record_scores(batch, metrics.masks(batch)).iloc[0])


def live_records(source: Source) -> int:
    """How many records stand for themselves."""
    return Record.objects.live().filter(source=source).count()


@transaction.atomic
def _store(source: Source, run: Run | None, measures: list[Measure]) -> list[QualityMetric]:
    now = timezone.now()
    return QualityMetric.objects.bulk_create(
        QualityMetric(
            source=source,
            run=run,
            name=one.name,
            field=one.field,
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
