"""Series computed from what is there: records by date, quality metrics, and our own work.

A derived series is computed anew whenever its source changed or another of its intervals is over. Only whole
intervals are kept: half a day has half its deals. Days begin at midnight UTC.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd
from django.db import IntegrityError, transaction
from django.db.models import Max
from django.utils import timezone

from crmquality.models import (
    ChangeSet,
    Import,
    JobState,
    QualityMetric,
    Series,
    SeriesUpdate,
    Source,
)
from crmquality.services import measuring, observing
from crmquality.services.batches import read_columns
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.observing import Reading
from crmquality.services.publishing import publish
from detectors.anomalies.cells import dates, numbers
from detectors.roles import Role

TASK = "crmquality.tasks.update_series"
MOST = 4_000
"""Intervals kept of a series computed from records: ten years of days. Older dates are mostly typing errors."""

MEASURES = ("count", "sum", "mean", "median")
DATED = (Role.CREATED_AT, Role.UPDATED_AT, Role.CLOSED_AT, Role.VERIFIED_AT, Role.DATE)
COUNTED = (Role.AMOUNT, Role.QUANTITY, Role.PROBABILITY, Role.NUMBER)

Points = list[tuple[datetime, float | None]]
Compute = Callable[[Series], Points]


@dataclass(frozen=True)
class Operation:
    """A quantity of our own work. compute: its readings that are not stored yet."""

    words: str
    unit: str
    interval: timedelta
    compute: Compute


OPERATIONS: dict[str, Operation] = {}
"""Name -> what can be computed of our own work; `series_operations` and `review` register theirs."""


def register_operation(name: str, operation: Operation) -> None:
    """Offer a quantity of our own work as a series."""
    OPERATIONS[name] = operation


def check_definition(origin: str, source: Source | None, definition: Mapping[str, Any]) -> None:
    """Raises Refused if a series of this definition cannot be computed."""
    if origin == Series.Origin.OPERATIONS:
        if definition.get("what") not in OPERATIONS:
            raise Refused(f"What of our own work? Choose one of {', '.join(OPERATIONS)}.")
        return
    if source is None:
        raise Refused("Choose the source it is computed from.")
    if origin == Series.Origin.METRIC:
        if not definition.get("name"):
            raise Refused("Choose a metric.")
        return
    measure, column = definition.get("measure"), definition.get("column", "")
    if measure not in MEASURES:
        raise Refused(f"There is no measure {measure!r}: choose one of {', '.join(MEASURES)}.")
    dated_by = definition.get("dated_by", "")
    if dated_by not in source.columns_of(*DATED):
        raise Refused(f"Choose the column of dates that says when a record happened: {dated_by!r} is none.")
    if measure != "count" and column not in source.columns_of(*COUNTED):
        raise Refused(f"Choose the column of numbers to take the {measure} of: {column!r} is none.")
    segment_column = definition.get("segment_column", "")
    if segment_column and segment_column not in measuring.segment_columns(source):
        raise Refused(f"{segment_column!r} is no column that groups records without naming people.")


def request_update(*, series: Series, user: Any = None) -> SeriesUpdate | None:
    """Have a series computed soon: with all of its source by a worker; one of our own work here and now."""
    if series.source is None:
        _store(series, OPERATIONS[series.definition["what"]].compute(series))
        return None
    return request_source_update(source=series.source, user=user)


def request_source_update(*, source: Source, user: Any = None) -> SeriesUpdate:
    """Queue computing all series of a source; the active job if there is one."""
    try:
        with transaction.atomic():
            job: SeriesUpdate = SeriesUpdate.objects.create(source=source, requested_by=user)
    except IntegrityError:
        active: SeriesUpdate = SeriesUpdate.objects.active().get(source=source)
        return active
    publish(TASK, job.pk)
    return job


def execute_update(job_id: int) -> None:
    """Do a queued update, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(SeriesUpdate, job_id, _update)


def update_due() -> int:
    """Queue an update of every source that changed or had an interval end, and compute our own; returns how many."""
    for series in Series.objects.filter(origin=Series.Origin.OPERATIONS, enabled=True):
        _store(series, OPERATIONS[series.definition["what"]].compute(series))
    computed = Series.objects.exclude(source=None).filter(enabled=True)
    due = [source for source in Source.objects.filter(series__in=computed).distinct() if _is_due(source)]
    for source in due:
        request_source_update(source=source)
    return len(due)


def suggestions(source: Source) -> list[dict[str, Any]]:
    """Series that the columns of a source offer, as arguments of `create_series`; those there are left out."""
    day = timedelta(days=1)
    offered: list[dict[str, Any]] = []
    for dated_by in source.columns_of(*DATED)[:3]:
        offered.append(_offer(source, f"{source.name}: records by {dated_by}", "records", day, "count", dated_by))
        for column in source.columns_of(Role.AMOUNT, Role.QUANTITY)[:2]:
            for measure in ("sum", "median"):
                name = f"{source.name}: {measure} of {column} by {dated_by}"
                offered.append(_offer(source, name, "", day, measure, dated_by, column))
    for name in ("quality score", "completeness", "error rate"):
        definition = {"name": name, "field": "", "segment": ""}
        offered.append(
            {"name": f"{source.name}: {name}", "unit": "share", "interval": day, "origin": Series.Origin.METRIC,
             "source": source, "definition": definition}
        )  # fmt: skip
    known = [series.definition for series in Series.objects.filter(source=source)]
    return [one for one in offered if one["definition"] not in known]


def bucketed(
    when: npt.NDArray[np.float64], values: npt.NDArray[np.float64] | None, *, measure: str, step: float, until: float
) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.float64]]:
    """A measure of values by interval: numbers of the intervals since the epoch, each once and in order, and values.

    when: (n,) seconds since the epoch, NaN = no date. values: (n,), NaN = none; None to count records. step: length of
    an interval in seconds. until: only intervals that end by then. An interval without a record counts and sums to 0;
    it has no mean and no median (NaN).
    """
    known = np.isfinite(when) if values is None else np.isfinite(when) & np.isfinite(values)
    last = int(until // step)
    place = np.floor(when[known] / step).astype(np.int64)
    inside = (place < last) & (place >= last - MOST)
    place = place[inside]
    if not len(place):
        return np.empty(0, np.int64), np.empty(0)
    # a few mistyped years must not begin the series with a long stretch of nothing
    first = int(np.quantile(place, 0.001)) if len(place) >= 1000 else int(place.min())
    frame = pd.Series(np.ones(len(place)) if values is None else values[known][inside]).groupby(place)
    found = frame.count() if measure == "count" else getattr(frame, measure)()
    axis = np.arange(first, last)
    empty = 0.0 if measure in ("count", "sum") else np.nan
    return axis, found.reindex(axis, fill_value=empty).to_numpy(dtype=np.float64)


def _offer(
    source: Source, name: str, unit: str, interval: timedelta, measure: str, dated_by: str, column: str = ""
) -> dict[str, Any]:
    definition = {"measure": measure, "column": column, "dated_by": dated_by, "segment_column": "", "segment": ""}
    return {
        "name": name, "unit": unit, "interval": interval, "origin": Series.Origin.RECORDS, "source": source,
        "definition": definition,
    }  # fmt: skip


def _is_due(source: Source) -> bool:
    """Whether something happened, or an interval ended, since the latest update began."""
    latest = SeriesUpdate.objects.filter(source=source).order_by("-id").first()
    if latest is None:
        return True
    if latest.is_active:
        return False
    since = latest.created_at
    pause = measuring.PAUSE if measuring.live_records(source) > measuring.LARGE else timedelta(0)
    if since + pause > timezone.now():
        return False
    changed = ChangeSet.objects.filter(source=source).aggregate(at=Max("at"))["at"]
    imported = _last_import(source)
    measured = QualityMetric.objects.filter(source=source).aggregate(at=Max("at"))["at"]
    if any(at is not None and at > since for at in (changed, imported, measured)):
        return True
    shortest = min(source.series.filter(enabled=True).values_list("interval", flat=True), default=timedelta(days=1))
    step = shortest.total_seconds()
    return since.timestamp() // step < timezone.now().timestamp() // step and shortest >= timedelta(minutes=1)


def _update(job: SeriesUpdate, report: Report) -> None:
    wanted = list(Series.objects.filter(source=job.source, enabled=True).order_by("pk"))
    cells: dict[str, pd.Series] = {}
    until = _known_until(job.source)
    for place, series in enumerate(wanted):
        report(place, len(wanted), f"computing {series.name}"[:80])
        try:
            compute = _from_metric if series.origin == Series.Origin.METRIC else None
            points = compute(series) if compute else _from_records(series, cells, until)
            _store(series, points)
        except Refused as refusal:  # a column was renamed: the others go on
            Series.objects.filter(pk=series.pk).update(problem=str(refusal)[:300])
    if not SeriesUpdate.objects.finish(job, JobState.SUCCEEDED):
        raise Lost


def _store(series: Series, points: Points) -> None:
    """Keep readings; those that fell out of what is computed now go."""
    observing.store(Reading(series.pk, at, value) for at, value in points)
    Series.objects.filter(pk=series.pk).update(
        derived_upto=points[-1][0] if points else series.derived_upto, problem=""
    )


def _from_records(series: Series, cells: dict[str, pd.Series], until: datetime | None) -> Points:
    """A measure of the records by their date. cells: columns read before, added to."""
    assert series.source is not None
    check_definition(series.origin, series.source, series.definition)
    given = series.definition
    names = [given["dated_by"], given.get("column", ""), given.get("segment_column", "")]
    missing = [name for name in dict.fromkeys(names) if name and name not in cells]
    if missing:
        frame = read_columns(series.source, missing)
        cells.update({name: frame[name] for name in missing})
    when = dates(cells[given["dated_by"]]) * 86_400.0
    if given.get("segment_column"):
        inside = cells[given["segment_column"]].fillna("").str.strip() == given.get("segment", "")
        when = np.where(inside.to_numpy(dtype=np.bool_), when, np.nan)
    values = None if given["measure"] == "count" else numbers(cells[given["column"]])
    step = series.interval.total_seconds()
    end = until or _end_of(when, step)
    axis, found = bucketed(when, values, measure=given["measure"], step=step, until=end.timestamp())
    return [
        (datetime.fromtimestamp(number * step, UTC), value if np.isfinite(value) else None)
        for number, value in zip(axis.tolist(), found.tolist(), strict=True)
    ]


def _known_until(source: Source) -> datetime | None:
    """How far what we know of a source reaches: to its latest import, if it is imported again and again.

    A file that was imported once may be of last year: its series end with its latest record (None), and do not say
    that nothing has happened since.
    """
    done = Import.objects.filter(source=source, state=JobState.SUCCEEDED, dry_run=False)
    return _last_import(source) if done.count() > 1 else None


def _last_import(source: Source) -> datetime | None:
    found: datetime | None = Import.objects.filter(source=source, state=JobState.SUCCEEDED, dry_run=False).aggregate(
        at=Max("finished_at")
    )["at"]
    return found


def _end_of(when: npt.NDArray[np.float64], step: float) -> datetime:
    """The end of the interval of the latest date that is not in the future."""
    now = timezone.now().timestamp()
    past = when[np.isfinite(when) & (when <= now)]
    latest = float(past.max()) if len(past) else now
    return datetime.fromtimestamp(min(now, (latest // step + 1) * step), UTC)


def _from_metric(series: Series) -> Points:
    """The values of a quality metric, at the time of each measurement."""
    given = series.definition
    rows = QualityMetric.objects.filter(
        source=series.source, name=given["name"], field=given.get("field", ""), segment=given.get("segment", ""),
        value__isnull=False,
    )  # fmt: skip
    if series.derived_upto:
        rows = rows.filter(at__gt=series.derived_upto)
    return list(rows.order_by("at").values_list("at", "value"))
