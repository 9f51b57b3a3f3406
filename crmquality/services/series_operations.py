"""Our own work as series: how long runs take, how long jobs wait, what fails, how busy the machine is."""

from __future__ import annotations

import os
from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from statistics import median

from django.utils import timezone

from crmquality.models import Import, JobState, Run, Series
from crmquality.services.series_deriving import Operation, Points, register_operation

HOUR = timedelta(hours=1)
MINUTE = timedelta(minutes=1)
BACK = timedelta(days=90)
"""How far back a new series looks."""


def run_seconds(series: Series) -> Points:
    """How long each successful run took; of one detector where the definition names one."""
    runs = Run.objects.filter(state=JobState.SUCCEEDED, seconds__isnull=False, finished_at__gt=_since(series))
    if series.definition.get("detector"):
        runs = runs.filter(detector=series.definition["detector"])
    return list(runs.order_by("finished_at").values_list("finished_at", "seconds"))


def waiting_seconds(series: Series) -> Points:
    """Median seconds from asking for a run or an import to its start, by hour; none where nothing was asked for."""
    started = [
        (began or asked, (began - asked).total_seconds() if began else 0.0)
        for jobs in (Run.objects, Import.objects)
        for began, asked in jobs.filter(started_at__gt=_since(series), attempts=1).values_list(
            "started_at", "created_at"
        )
    ]
    return [(hour, median(values) if values else None) for hour, values in _by_hour(series, started)]


def failed_jobs(series: Series) -> Points:
    """Runs and imports that failed, by hour."""
    failed = [
        (at, 1.0)
        for jobs in (Run.objects, Import.objects)
        for at in jobs.filter(state=JobState.FAILED, finished_at__gt=_since(series)).values_list(
            "finished_at", flat=True
        )
        if at
    ]
    return [(hour, float(len(values))) for hour, values in _by_hour(series, failed)]


def cpu_load(series: Series) -> Points:
    """Processes that ran or waited for a processor in the last minute, per processor; read once a minute."""
    now = timezone.now().replace(second=0, microsecond=0)
    if series.derived_upto and now <= series.derived_upto:
        return []
    return [(now, round(os.getloadavg()[0] / (os.cpu_count() or 1), 3))]


def _since(series: Series) -> datetime:
    """From when on readings are wanted; of a series by the hour after the last hour that is stored."""
    if series.derived_upto is None:
        return timezone.now() - BACK
    return series.derived_upto + (HOUR if series.interval == HOUR else timedelta(0))


def _by_hour(series: Series, values: Iterable[tuple[datetime, float]]) -> list[tuple[datetime, list[float]]]:
    """The values of each whole hour that is over and not stored yet; a new series begins with its first value."""
    hours: dict[datetime, list[float]] = {}
    for at, value in values:
        hours.setdefault(_hour(at), []).append(value)
    if series.derived_upto is None and not hours:
        return []
    first = series.derived_upto + HOUR if series.derived_upto else min(hours)
    count = int((_hour(timezone.now()) - first) / HOUR)
    return [(hour, hours.get(hour, [])) for hour in (first + number * HOUR for number in range(count))]


def _hour(at: datetime) -> datetime:
    return at.astimezone(UTC).replace(minute=0, second=0, microsecond=0)


def register() -> None:
    """Offer them."""
    register_operation("run seconds", Operation("How long runs take", "s", HOUR, run_seconds))
    register_operation("waiting seconds", Operation("How long jobs wait, by hour", "s", HOUR, waiting_seconds))
    register_operation("failed jobs", Operation("Jobs that failed, by hour", "jobs", HOUR, failed_jobs))
    register_operation("cpu load", Operation("How busy the machine is, by minute", "per CPU", MINUTE, cpu_load))
