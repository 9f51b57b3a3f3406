"""Making series, and saying how each is watched."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import datetime, timedelta
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Max, ProtectedError
from django.utils import timezone
from django.utils.text import slugify

from crmquality.models import AlarmRule, EmaProfile, ExpectedPeriod, Observation, Series, Source
from crmquality.services import alarms, judging, observing, series_deriving
from crmquality.services.errors import Conflict, Refused
from detectors.anomalies.series_feedback import Repeats
from detectors.anomalies.series_watching import DEFAULT_K, Watch, available, comfortable, judge, outlook

SHORTEST, LONGEST = timedelta(seconds=1), timedelta(days=366)
ALARMS_A_MONTH = 1.0
"""The first threshold is the lowest that would have given at most so many on the history."""

LOOK_BACK = timedelta(days=14)
"""A first rule also raises alarms about what is that recent, or the last 14 readings: there is something to see."""

MONTH = timedelta(days=30)
METHOD = "novelty"
ENOUGH_AFTER = 20
"""Readings after the learning span before a series is watched by default."""


def create_series(
    *,
    name: str,
    interval: timedelta,
    unit: str = "",
    key: str = "",
    origin: str = Series.Origin.SENT,
    source: Source | None = None,
    definition: Mapping[str, Any] | None = None,
    user: Any = None,
) -> Series:
    """Make a series; one that is computed is computed by a worker soon, and watched by the default rule.

    key: what the API calls it; made from the name if empty. definition: see `series_deriving`.
    Raises Refused for what makes no sense, Conflict for a key that is taken.
    """
    name = name.strip()
    if not name:
        raise Refused("Give the series a name.")
    if not SHORTEST <= interval <= LONGEST:
        raise Refused("The interval must lie between a second and a year.")
    chosen = dict(definition or {})
    if origin not in Series.Origin.values:
        raise Refused(f"There is no origin {origin!r}: choose one of {', '.join(Series.Origin.values)}.")
    if origin != Series.Origin.SENT:
        series_deriving.check_definition(origin, source, chosen)
    key = key or _free_key(name)
    if not re.fullmatch(r"[-a-z0-9_]{1,120}", key):
        raise Refused("A key has small letters, digits, - and _ only, at most 120.")
    try:
        with transaction.atomic():
            made = Series.objects.create(
                key=key, name=name[:120], unit=unit.strip()[:40], interval=interval, origin=origin,
                source=source if origin in (Series.Origin.RECORDS, Series.Origin.METRIC) else None,
                definition=chosen, created_by=user,
            )  # fmt: skip
    except IntegrityError as error:
        raise Conflict(f"There is a series {key!r} already.") from error
    if origin != Series.Origin.SENT:
        series_deriving.request_update(series=made, user=user)
    return made


def remove_series(series: Series) -> None:
    """Remove a series with its readings and alarms. Raises Conflict while another is held against it."""
    try:
        series.delete()
    except ProtectedError as error:
        raise Conflict("Another series is held against this one as its load: change that rule first.") from error


@transaction.atomic
def set_rule(
    *,
    series: Series,
    method: str,
    k: float | None = None,
    side: int = 0,
    refractory: int | None = None,
    learn: int | None = None,
    alpha: float = 0.02,
    load: Series | None = None,
    reference: tuple[datetime, datetime] | None = None,
    learns: bool = True,
    reason: str = "",
    user: Any = None,
) -> AlarmRule:
    """Say how a series is watched, as a new version, and have its whole history judged by it.

    k: None takes the method's default. refractory, learn: in readings; None takes what suits the interval. A first
    version raises alarms about what is recent; later ones only about readings yet to come.
    Raises Refused for a method that is not there or values that make no sense.
    """
    Series.objects.select_for_update().get(pk=series.pk)
    if method not in available():
        raise Refused(f"There is no method {method!r} here: choose one of {', '.join(available())}.")
    if method == "regression" and (load is None or load.pk == series.pk):
        raise Refused("The regression needs a load: another series that this one grows with.")
    before = alarms.rule_in_force(series)
    chosen = DEFAULT_K[method] if k is None else k
    period = (reference[0].timestamp(), reference[1].timestamp()) if reference and method == "regression" else None
    refractory = default_refractory(series) if refractory is None else refractory
    learn = default_learn(series) if learn is None else learn
    try:
        Watch(method, chosen, side, refractory, learn, alpha, period)
    except ValueError as error:
        raise Refused(f"{str(error)[:1].upper()}{str(error)[1:]}.") from error
    rule = AlarmRule.objects.create(
        series=series, number=before.number + 1 if before else 1, method=method, k=chosen, chosen_k=chosen, side=side,
        refractory=refractory, learn=learn, alpha=alpha, load=load if method == "regression" else None,
        reference_from=reference[0] if period and reference else None,
        reference_to=reference[1] if period and reference else None,
        learns=learns, reason=reason[:400], alerts_from=_alerts_from(series, before), by=user,
    )  # fmt: skip
    _watch_by(series, rule)
    alarms.learn_threshold(series)
    observing.judge_soon([series.pk])
    return rule


def stop_watching(series: Series, *, watched: bool) -> None:
    """Switch judging off or on again."""
    Series.objects.filter(pk=series.pk).update(enabled=watched)
    if not watched:
        EmaProfile.objects.filter(series=series).delete()
        return
    rule = alarms.rule_in_force(series)
    if rule is not None:
        _watch_by(series, rule)
        observing.judge_soon([series.pk])


def watch_new() -> int:
    """Watch every series that nobody set a rule for, once it has readings enough to learn from; returns how many.

    By the default method, with the lowest threshold that would have given about one alarm a month on its history.
    """
    fresh = Series.objects.filter(enabled=True, rules__isnull=True).values_list("pk", flat=True)
    return sum(_watch_one(series_id) for series_id in list(fresh))


@transaction.atomic
def _watch_one(series_id: int) -> bool:
    """Watch this series by default if it has readings enough; False if not, or another worker is at it."""
    free = Series.objects.select_for_update(skip_locked=True, of=("self",)).filter(pk=series_id)
    series = free.first()
    if series is None or AlarmRule.objects.filter(series=series).exists():
        return False
    history, learn = judging.history_of(series), default_learn(series)
    if len(history.ids) < learn + ENOUGH_AFTER:
        return False
    watch = Watch(METHOD, DEFAULT_K[METHOD], 0, default_refractory(series), learn)
    found = judge(watch, history.times, history.values, expected_oddity=history.expected_oddity)
    months = (history.times[-1] - history.times[0]) / MONTH.total_seconds()
    outlooks = outlook(found.scores, refractory=watch.refractory)
    k = comfortable(outlooks, alarms=max(1.0, months * ALARMS_A_MONTH), otherwise=watch.k)
    words = "The default: the lowest threshold with about one alarm a month on its own history."
    set_rule(series=series, method=METHOD, k=k, reason=words)
    return True


def default_refractory(series: Series) -> int:
    """Readings of half a day, at least two and at most forty-eight."""
    return int(min(48, max(2, timedelta(hours=12) / series.interval)))


def default_learn(series: Series) -> int:
    """Readings of a fortnight, at least thirty and at most five hundred."""
    return int(min(500, max(30, timedelta(days=14) / series.interval)))


@transaction.atomic
def expect(*, series: Series, first: datetime, last: datetime, repeats: str, reason: str, user: Any) -> ExpectedPeriod:
    """Say beforehand that a series will be odd. Raises Refused for a period that makes no sense."""
    if last < first:
        raise Refused("It must not end before it begins.")
    if repeats not in Repeats._value2member_map_:
        raise Refused(f"It cannot repeat {repeats!r}: choose one of {', '.join(Repeats)}.")
    if last - first > LONGEST or (repeats == Repeats.WEEKLY and last - first > timedelta(days=6)):
        raise Refused("It lasts longer than the time until it comes again: choose another repetition.")
    if not reason.strip():
        raise Refused("Say why: whoever looks at the chart next year will want to know.")
    made = ExpectedPeriod.objects.create(
        series=series, first=first, last=last, repeats=repeats, reason=reason.strip()[:300], by=user
    )
    observing.apply_expectations(series)
    return made


@transaction.atomic
def forget_expectation(period: ExpectedPeriod) -> None:
    """Expect it no longer; its readings are judged again."""
    series = period.series
    period.delete()
    observing.apply_expectations(series)


def _watch_by(series: Series, rule: AlarmRule) -> None:
    """Make the state the rule needs, and have everything judged anew."""
    EmaProfile.objects.filter(series=series).delete()
    if rule.method == judging.AVERAGED and series.enabled:
        EmaProfile.objects.create(
            series=series, alpha=rule.alpha, k=rule.k, refractory=rule.refractory, warmup=rule.learn, side=rule.side
        )
    Observation.objects.filter(series=series, is_alarm__isnull=False).update(is_alarm=None)


def _alerts_from(series: Series, before: AlarmRule | None) -> datetime:
    """From when on the readings raise alarms: those not judged before; of a new series what is recent."""
    latest = Observation.objects.filter(series=series).aggregate(at=Max("at"))["at"]
    if before is not None:
        judged = Observation.objects.filter(series=series, is_alarm__isnull=False).aggregate(at=Max("at"))["at"]
        return judged + timedelta(microseconds=1) if judged else before.alerts_from
    return (latest or timezone.now()) - max(LOOK_BACK, 14 * series.interval)


def _free_key(name: str) -> str:
    stem = slugify(name)[:100] or "series"
    taken = set(Series.objects.filter(key__startswith=stem).values_list("key", flat=True))
    return next(
        key for number in range(len(taken) + 1) if (key := f"{stem}-{number + 1}" if number else stem) not in taken
    )
