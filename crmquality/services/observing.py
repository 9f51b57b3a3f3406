"""Storing readings of series: any number at once, each at most once, corrections included."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from django.db import connection, transaction
from django.utils import timezone

from crmquality.models import EmaProfile, ExpectedPeriod, Observation, Series
from crmquality.services import alarms
from crmquality.services.errors import Refused
from crmquality.services.publishing import publish
from detectors.anomalies.series_feedback import Repeats, covers

LARGEST = 1e100
AT_ONCE = 10_000
"""Readings of one request."""

FUTURE = timedelta(days=1)

_STORE = """
    INSERT INTO crmquality_observation AS held (series_id, at, value, is_expected)
    SELECT * FROM unnest(%s::bigint[], %s::timestamptz[], %s::float8[], %s::boolean[])
    ON CONFLICT (series_id, at) DO UPDATE SET value = excluded.value, is_alarm = NULL
    WHERE held.value IS DISTINCT FROM excluded.value
    RETURNING series_id, at, xmax = 0 AS is_new
"""
_JUDGED_UPTO = """
    SELECT one.id, judged.at FROM unnest(%s::bigint[]) AS one(id)
    CROSS JOIN LATERAL (
        SELECT at FROM crmquality_observation
        WHERE series_id = one.id AND is_alarm IS NOT NULL ORDER BY at DESC LIMIT 1
    ) AS judged
"""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading to be stored. value: None = it is known that there is none."""

    series_id: int
    at: datetime
    value: float | None


@dataclass(frozen=True, slots=True)
class Stored:
    """What became of readings: how many were new, how many corrected an earlier value, how many said nothing new.

    said: (series, time) -> "new" or "changed" of those that were written.
    """

    new: int
    changed: int
    same: int
    said: Mapping[tuple[int, datetime], str]


@transaction.atomic
def store(readings: Iterable[Reading]) -> Stored:
    """Keep readings; what PostgreSQL judges itself is judged with them, a worker is told of the rest.

    Of several for one series and time the last counts. A reading that comes before others already judged has the
    series judged anew from there.
    """
    given = {(one.series_id, one.at): one for one in readings}
    if not given:
        return Stored(0, 0, 0, {})
    ids = sorted({series_id for series_id, _ in given})
    # held to the end: two requests for one series must agree on which of their readings comes late
    held = {series.pk: series for series in Series.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    judged_upto = _judged_upto(ids)
    expect = {series_id: expectation(series_id) for series_id in ids}
    rows = [(one.series_id, one.at, one.value, expect[one.series_id](one.at)) for one in given.values()]
    with connection.cursor() as cursor:
        cursor.execute(_STORE, [list(column) for column in zip(*rows, strict=True)])
        written: list[tuple[int, datetime, bool]] = cursor.fetchall()
    for series_id in ids:
        late = [at for owner, at, _ in written if owner == series_id and at <= judged_upto.get(series_id, _NEVER)]
        if late:
            judge_again(held[series_id], since=min(late))
    if written:
        judge_soon(sorted({series_id for series_id, _, _ in written}))
    new = sum(is_new for _, _, is_new in written)
    said = {(owner, at): "new" if is_new else "changed" for owner, at, is_new in written}
    return Stored(new, len(written) - new, len(given) - len(written), said)


def ingest(rows: Sequence[Mapping[str, Any] | str]) -> dict[str, Any]:
    """Store what a client sent: {"series": key, "at": time, "value": number or None} each, or what is wrong with it.

    Returns {"new", "changed", "same", "errors", "results"}: counts; the readings that cannot be stored, listed with
    their place; and a word a row, in their order: "new", "changed", "same", "replaced" by a later one of the same
    series and time, or "error". The others are stored. Raises Refused for too many rows.
    """
    if len(rows) > AT_ONCE:
        raise Refused(f"At most {AT_ONCE:,} readings at once: send the rest in further requests.")
    keys = {row["series"] for row in rows if not isinstance(row, str)}
    known = dict(Series.objects.filter(key__in=keys, origin=Series.Origin.SENT).values_list("key", "pk"))
    latest = timezone.now() + FUTURE
    errors = []
    results = ["error"] * len(rows)
    places: dict[tuple[int, datetime], int] = {}
    readings = []
    for place, row in enumerate(rows):
        wrong = row if isinstance(row, str) else _wrong(row, known, latest)
        if wrong or isinstance(row, str):
            errors.append({"place": place, "detail": wrong})
            continue
        reading = Reading(known[row["series"]], row["at"], row["value"])
        readings.append(reading)
        earlier = places.get((reading.series_id, reading.at))
        if earlier is not None:
            results[earlier] = "replaced"
        places[reading.series_id, reading.at] = place
    stored = store(readings)
    for which, place in places.items():
        results[place] = stored.said.get(which, "same")
    counts = {"new": stored.new, "changed": stored.changed, "same": stored.same}
    return counts | {"errors": errors, "results": results}


def judge_soon(ids: Sequence[int]) -> None:
    """Judge by moving average here and now, in the database; tell a worker that there is something for the others."""
    averaged = set(EmaProfile.objects.filter(series__in=ids).values_list("pk", flat=True))
    if averaged:
        alarms.judge_moving_averages()
        alarms.raise_new(averaged)
    if averaged != set(ids):
        publish("crmquality.tasks.judge_readings", 0)


def judge_again(series: Series, *, since: datetime) -> None:
    """Have the readings from `since` on judged anew; of a moving average all, since each depends on all before it."""
    profile = EmaProfile.objects.filter(series=series).first()
    rows = Observation.objects.filter(series=series)
    if profile is not None:
        reset_profile(profile)
    else:
        rows = rows.filter(at__gte=since)
        if series.rejudge_from is None or since < series.rejudge_from:
            Series.objects.filter(pk=series.pk).update(rejudge_from=since)
    rows.filter(is_alarm__isnull=False).update(is_alarm=None)


def reset_profile(profile: EmaProfile) -> None:
    """Let a moving average begin anew."""
    profile.mean = profile.variance = 0.0
    profile.seen = profile.quiet = 0
    profile.alarm = False
    profile.save()


def expectation(series_id: int) -> Callable[[datetime], bool]:
    """Whether people expect the series to be odd at a time."""
    periods = list(ExpectedPeriod.objects.filter(series=series_id))
    if not periods:
        return lambda at: False
    return lambda at: any(covers(Repeats(one.repeats), one.first, one.last, at) for one in periods)


@transaction.atomic
def apply_expectations(series: Series) -> int:
    """Mark the stored readings by the expected periods there are now; what changed is judged anew. Returns how many."""
    Series.objects.select_for_update().get(pk=series.pk)
    expected = expectation(series.pk)
    rows = list(Observation.objects.filter(series=series).values_list("pk", "at", "is_expected"))
    turned = [(pk, at, not is_expected) for pk, at, is_expected in rows if expected(at) != is_expected]
    for value in (True, False):
        chosen = [pk for pk, _, wanted in turned if wanted is value]
        Observation.objects.filter(pk__in=chosen).update(is_expected=value)
    if turned:
        judge_again(series, since=min(at for _, at, _ in turned))
        judge_soon([series.pk])
    return len(turned)


_NEVER = datetime.min.replace(tzinfo=timezone.get_fixed_timezone(0))


def _judged_upto(ids: Sequence[int]) -> dict[int, datetime]:
    with connection.cursor() as cursor:
        cursor.execute(_JUDGED_UPTO, [list(ids)])
        return dict(cursor.fetchall())


def _wrong(row: Mapping[str, Any], known: Mapping[str, int], latest: datetime) -> str:
    if row["series"] not in known:
        return f"There is no series {row['series']!r} that takes readings: make it first."
    value = row["value"]
    if value is not None and not abs(value) <= LARGEST:
        return "The value must be a number between -1e100 and 1e100."
    return "The time lies in the future." if row["at"] > latest else ""
