"""Judging readings in a worker: by every method but the moving average, which PostgreSQL runs itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection, transaction
from django.db.models import DateTimeField, Exists, Max, OuterRef, Value
from django.db.models.functions import Coalesce

from crmquality.models import AlarmRule, Observation, Series
from crmquality.services import alarms
from detectors.anomalies.series_watching import judge, outlook

HISTORY = 20_000
"""The latest readings that a method sees; a month of two-minute readings, or fifty years of days."""

STEP = 5_000
"""That window moves in steps, so that what a method learned from does not shift with every reading."""

AVERAGED = "moving average"

LONG_AGO = Value(datetime(1, 1, 1, tzinfo=UTC), DateTimeField())

_WRITE = """
    UPDATE crmquality_observation AS one
    SET expected = new.expected, lower = new.lower, upper = new.upper, score = new.score, is_alarm = new.is_alarm
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::float8[], %s::float8[], %s::boolean[])
        AS new(id, expected, lower, upper, score, is_alarm)
    WHERE one.id = new.id
"""


@dataclass(frozen=True, slots=True)
class History:
    """Readings of a series in time order, all (n,). flags: judged to be alarms. waiting: not judged yet."""

    ids: Sequence[int]
    times: npt.NDArray[np.float64]
    values: npt.NDArray[np.float64]
    expected_oddity: npt.NDArray[np.bool_]
    flags: npt.NDArray[np.bool_]
    waiting: npt.NDArray[np.bool_]


def judge_waiting() -> int:
    """Judge every series that has readings to be judged; returns how many series."""
    if alarms.judge_moving_averages():
        alarms.raise_new(list(Series.objects.filter(ema__isnull=False).values_list("pk", flat=True)))
    watched = Series.objects.filter(enabled=True, rules__isnull=False, ema__isnull=True)
    waiting = watched.filter(observations__is_alarm__isnull=True).distinct().values_list("pk", flat=True)
    return sum(judge_series(series_id) for series_id in list(waiting))


@transaction.atomic
def judge_series(series_id: int) -> bool:
    """Judge one series' readings that wait, and raise what they say; False if another worker is at it."""
    series = Series.objects.select_for_update(skip_locked=True).filter(pk=series_id).first()
    rule = alarms.rule_in_force(series) if series else None
    if series is None or rule is None or rule.method == AVERAGED:
        return False
    history = history_of(series)
    waiting = Observation.objects.filter(series=series, is_alarm__isnull=True)
    try:
        _judge(rule, history)
        problem = ""
    except (ValueError, ImportError) as error:  # what the rule asks for cannot be done with this history
        problem = str(error)[:300]
    waiting.update(is_alarm=False)  # what could not be judged, or lies too far back, waits for nothing
    Series.objects.filter(pk=series.pk).update(rejudge_from=None, problem=problem)
    alarms.raise_new([series.pk])
    refresh_outlook(series)
    return True


def refresh_outlook(series: Series) -> None:
    """Keep what each threshold would have meant on the history, for the slider."""
    rule = alarms.rule_in_force(series)
    if rule is None:
        return
    scores = Observation.objects.filter(series=series, is_alarm__isnull=False).order_by("-at")
    latest = np.array([score or 0.0 for score in scores.values_list("score", flat=True)[:HISTORY]][::-1])
    found = outlook(latest, refractory=rule.refractory)
    upto = Observation.objects.filter(series=series, is_alarm__isnull=False).aggregate(at=Max("at"))["at"]
    kept = [[one.k, one.alarms, round(one.excess, 2)] for one in found]
    Series.objects.filter(pk=series.pk).update(outlook=kept, outlook_upto=upto)


def refresh_outlooks() -> int:
    """Refresh those that later readings made old; returns how many."""
    later = Observation.objects.filter(series=OuterRef("pk"), at__gt=Coalesce(OuterRef("outlook_upto"), LONG_AGO))
    stale = Series.objects.filter(Exists(later.filter(is_alarm__isnull=False)), enabled=True, rules__isnull=False)
    for series in stale.distinct():
        refresh_outlook(series)
    return len(stale)


def history_of(series: Series, *, most: int = HISTORY) -> History:
    """The latest readings of a series, at most so many."""
    rows = Observation.objects.filter(series=series).order_by("at")
    skipped = max(0, -(-(rows.count() - most) // STEP) * STEP)
    found = list(rows.values_list("pk", "at", "value", "is_expected", "is_alarm")[skipped:])
    return History(
        [pk for pk, *_ in found],
        np.array([at.timestamp() for _, at, *_ in found], dtype=np.float64),
        np.array([np.nan if value is None else value for _, _, value, *_ in found], dtype=np.float64),
        np.array([is_expected for *_, is_expected, _ in found], dtype=np.bool_),
        np.array([bool(is_alarm) for *_, is_alarm in found], dtype=np.bool_),
        np.array([is_alarm is None for *_, is_alarm in found], dtype=np.bool_),
    )


def load_of(rule: AlarmRule, times: npt.NDArray[np.float64]) -> npt.NDArray[np.float64] | None:
    """The load's reading at each time, NaN where it has none; None for a rule without a load."""
    if rule.load is None:
        return None
    known = dict(Observation.objects.filter(series=rule.load, value__isnull=False).values_list("at", "value"))
    by_second = {at.timestamp(): value for at, value in known.items()}
    return np.array([by_second.get(time, np.nan) for time in times.tolist()], dtype=np.float64)


def _judge(rule: AlarmRule, history: History) -> None:
    if not history.waiting.any():
        return
    since = int(np.argmax(history.waiting))
    found = judge(
        rule.watch,
        history.times,
        history.values,
        expected_oddity=history.expected_oddity,
        load=load_of(rule, history.times),
        since=since,
        earlier=history.flags,
    )
    places = np.flatnonzero(history.waiting)
    band = found.band
    columns: list[list[Any]] = [[history.ids[place] for place in places.tolist()]]
    columns += [_nullable(values[places]) for values in (band.expected, band.lower, band.upper, found.scores)]
    with connection.cursor() as cursor:
        cursor.execute(_WRITE, [*columns, found.flags[places].tolist()])


def _nullable(values: npt.NDArray[np.float64]) -> list[float | None]:
    return [value if np.isfinite(value) else None for value in values.tolist()]
