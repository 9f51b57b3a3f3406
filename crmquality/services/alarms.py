"""Raising alarms from judged readings, telling of them, and what people's answers teach."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta
from typing import Any

from django.conf import settings
from django.db import connection, transaction
from django.db.models import Exists, OuterRef
from django.utils import timezone

from crmquality.models import Alarm, AlarmRule, EmaProfile, ExpectedPeriod, Observation, Series
from crmquality.services import delivering
from detectors.anomalies.series_feedback import (
    Answered,
    Repeats,
    Repetition,
    falls_on,
    learned_repetitions,
    learned_threshold,
)

RAISED, ANSWERED = "alarm.raised", "alarm.answered"
delivering.register_event(RAISED, "an alarm was raised")
delivering.register_event(ANSWERED, "somebody answered an alarm")

ACTIVE = (Alarm.State.OPEN, Alarm.State.ACKNOWLEDGED)
TRUE = (Alarm.State.ACKNOWLEDGED, Alarm.State.CLOSED)
ANSWERS = 200
"""The latest answers that teach: what was false two years ago need not be today."""

_UNCOVERED = """
    SELECT one.series_id, one.at, one.value, one.expected, one.lower, one.upper, one.score
    FROM crmquality_observation AS one
    JOIN LATERAL (
        SELECT alerts_from FROM crmquality_alarmrule WHERE series_id = one.series_id ORDER BY number DESC LIMIT 1
    ) AS rule ON one.at >= rule.alerts_from
    WHERE one.series_id = ANY(%s) AND one.is_alarm AND NOT EXISTS (
        SELECT FROM crmquality_alarm AS alarm
        WHERE alarm.series_id = one.series_id AND one.at BETWEEN alarm.at AND alarm.last_at
    )
    ORDER BY one.series_id, one.at
"""


def rule_in_force(series: Series) -> AlarmRule | None:
    """The newest rule; None for a series that is not watched."""
    return AlarmRule.objects.filter(series=series).select_related("series", "load").order_by("-number").first()


def judge_moving_averages() -> int:
    """Let PostgreSQL judge every reading it has not judged yet, of the series it watches; returns how many."""
    with connection.cursor() as cursor:
        cursor.execute("SELECT series_ema_judge()")
        judged: int = cursor.fetchone()[0]
    return judged


@transaction.atomic
def raise_new(series_ids: Iterable[int]) -> list[Alarm]:
    """Raise what judged readings say and no alarm says yet; withdraw what they no longer say. Returns the new ones.

    A reading that is an alarm soon after the last one of a standing alarm belongs to that disturbance.
    """
    ids = sorted(series_ids)
    found = {series.pk: series for series in Series.objects.select_for_update().filter(pk__in=ids).order_by("pk")}
    _withdraw(ids)
    with connection.cursor() as cursor:
        cursor.execute(_UNCOVERED, [ids])
        rows = cursor.fetchall()
    rules: dict[int, AlarmRule] = {}
    raised = []
    for series_id, at, *values in rows:
        if series_id not in rules:
            rule = rule_in_force(found[series_id])
            assert rule is not None  # the query joins it
            rules[series_id] = rule
        alarm = _raise(found[series_id], rules[series_id], at, values)
        if alarm is not None:
            raised.append(alarm)
    for alarm in raised:
        tell(RAISED, alarm, by=None)
    return raised


def tell(event: str, alarm: Alarm, *, by: Any, note: str = "") -> None:
    """Tell the destinations that asked for it, once of each state of each alarm."""
    answers = "" if event == RAISED else f":{timezone.now().timestamp():.6f}"
    delivering.tell(event, key=f"alarm:{alarm.pk}:{event}{answers}", title=title(alarm), text=_text(alarm, by, note),
                    data=_data(alarm, by, note))  # fmt: skip


def title(alarm: Alarm) -> str:
    """An alarm in one line."""
    return f"{alarm.series.name}: {said(alarm.value, alarm.series.unit)}, expected {interval(alarm)}"[:200]


def interval(alarm: Alarm) -> str:
    """What was expected, in words."""
    if alarm.lower is None or alarm.upper is None:
        return "otherwise"
    return f"{said(alarm.lower)} to {said(alarm.upper, alarm.series.unit)}"


def said(value: float, unit: str = "") -> str:
    """A reading as a person reads it."""
    digits = 0 if abs(value) >= 1000 else 1 if abs(value) >= 100 else 2 if abs(value) >= 1 else 4
    text = f"{value:,.{digits}f}"
    return f"{text.rstrip('0').rstrip('.') if '.' in text else text} {unit}".strip()


@transaction.atomic
def learn_threshold(series: Series) -> AlarmRule | None:
    """A new version of the rule where the answers speak for another threshold; None if they do not, or may not."""
    Series.objects.select_for_update().get(pk=series.pk)
    rule = rule_in_force(series)
    if rule is None or not rule.learns:
        return None
    learned = learned_threshold(rule.chosen_k, answers(rule))
    if abs(learned.k - rule.k) < 1e-9:
        return None
    rule.pk, rule.number, rule.k, rule.by = None, rule.number + 1, learned.k, None
    rule.reason, rule.at = learned.why, timezone.now()
    rule._state.adding = True
    rule.save(force_insert=True)
    EmaProfile.objects.filter(series=series).update(k=learned.k)
    return rule


def answers(rule: AlarmRule) -> list[Answered]:
    """What people said of the alarms of this rule's method."""
    rows = Alarm.objects.filter(
        series=rule.series, rule__method=rule.method, is_withdrawn=False, state__in=[Alarm.State.FALSE_POSITIVE, *TRUE]
    )
    return [Answered(one.score, one.state in TRUE) for one in rows.order_by("-at")[:ANSWERS]]


@transaction.atomic
def learn_repetitions(series: Series) -> list[ExpectedPeriod]:
    """The repetitions that expected alarms make, as expected periods; returns those that are new."""
    expected = list(Alarm.objects.filter(series=series, state=Alarm.State.EXPECTED).order_by("at"))
    made = []
    for found in learned_repetitions(alarm.at.date() for alarm in expected):
        known = ExpectedPeriod.objects.filter(series=series, repeats=found.repeats)
        if any(falls_on(Repeats(one.repeats), one.first.date(), found.first) for one in known):
            continue
        made.append(_learned_period(series, found, [one for one in expected if one.at.date() in found.seen]))
    return made


def occasion(series: Series, alarm: Alarm) -> dict[str, Any]:
    """First and last time of a disturbance as an expected period has it: within a day a reading's worth wider."""
    margin = series.interval if series.interval < timedelta(days=1) else timedelta(0)
    return {"first": alarm.at - margin, "last": alarm.last_at + margin}


def _learned_period(series: Series, found: Repetition, alarms: list[Alarm]) -> ExpectedPeriod:
    """The period of the first answer, widened to the times of day of all."""
    first = occasion(series, alarms[0])
    shifts = [alarm.at.date() - alarms[0].at.date() for alarm in alarms]
    spans = [occasion(series, alarm) for alarm in alarms]
    first["first"] = min(span["first"] - shift for span, shift in zip(spans, shifts, strict=True))
    first["last"] = max(span["last"] - shift for span, shift in zip(spans, shifts, strict=True))
    return ExpectedPeriod.objects.create(
        series=series, **first, repeats=found.repeats, reason=found.words()[:300], is_learned=True, alarm=alarms[-1]
    )


def _raise(series: Series, rule: AlarmRule, at: Any, values: list[Any]) -> Alarm | None:
    """A new alarm; None where the reading belongs to one that stands."""
    value, expected, lower, upper, score = values
    spell = 2 * (rule.refractory + 1) * series.interval
    standing = Alarm.objects.filter(series=series, state__in=ACTIVE, last_at__lt=at, last_at__gte=at - spell)
    latest = standing.order_by("-last_at").first()
    if latest is not None:
        latest.last_at, latest.readings = at, latest.readings + 1
        latest.save(update_fields=["last_at", "readings"])
        return None
    return Alarm.objects.create(
        series=series, rule=rule, at=at, last_at=at, value=value, expected=expected, lower=lower, upper=upper,
        score=score or 0.0,
    )  # fmt: skip


def _withdraw(ids: list[int]) -> None:
    """Close standing alarms whose reading was judged anew and is none any more; those expected by now say so."""
    reading = Observation.objects.filter(series=OuterRef("series"), at=OuterRef("at"), is_alarm=False)
    standing = Alarm.objects.filter(series__in=ids, state__in=ACTIVE)
    now = timezone.now()
    standing.filter(Exists(reading.filter(is_expected=True))).update(state=Alarm.State.EXPECTED, answered_at=now)
    standing.filter(Exists(reading.filter(is_expected=False))).update(
        state=Alarm.State.CLOSED, is_withdrawn=True, answered_at=now
    )


def _text(alarm: Alarm, by: Any, note: str) -> str:
    """The body of a message."""
    lines = [f"{title(alarm)}, at {alarm.at:%Y-%m-%d %H:%M} UTC."]
    if alarm.state != Alarm.State.OPEN or by is not None:
        lines.append(f"{alarm.get_state_display().capitalize()}{f', says {by.get_username()}' if by else ''}.")
    if note:
        lines.append(note)
    if settings.SITE_ADDRESS:
        lines.append(f"{settings.SITE_ADDRESS}/alarms/{alarm.pk}/")
    return "\n\n".join(lines)


def _data(alarm: Alarm, by: Any, note: str) -> dict[str, Any]:
    """What a webhook is told of an alarm."""
    names = ("value", "expected", "lower", "upper", "score", "readings", "state")
    told: dict[str, Any] = {name: getattr(alarm, name) for name in names}
    return told | {
        "alarm": alarm.pk,
        "series": alarm.series.key,
        "name": alarm.series.name,
        "unit": alarm.series.unit,
        "method": alarm.rule.method,
        "at": alarm.at.isoformat(),
        "last_at": alarm.last_at.isoformat(),
        "by": by.get_username() if by else None,
        "note": note,
        "title": title(alarm),
    }
