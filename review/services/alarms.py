"""Answering alarms: who said what, and what the series learns from it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.db import transaction
from django.utils import timezone

from crmquality.models import Alarm, AlarmRule, ExpectedPeriod
from crmquality.services import alarms, observing
from crmquality.services.errors import Conflict, Refused
from detectors.anomalies.series_feedback import Repeats
from review.models import AlarmNote

State = Alarm.State


class Missing(Refused):
    """There is no such alarm."""


@dataclass(frozen=True)
class Answer:
    """What an answer did. rule: the new version it taught, None for none; periods: what is expected from now on."""

    alarm: Alarm
    rule: AlarmRule | None
    periods: list[ExpectedPeriod]

    def words(self) -> str:
        """What was learned, for the person who answered; "" for nothing."""
        said = [self.rule.reason] if self.rule else []
        for period in self.periods:
            said.append(
                f"Expected from now on: {period.reason}."
                if period.is_learned
                else "Its readings no longer count as odd, and teach nothing."
            )
        return " ".join(said)


@transaction.atomic
def answer(
    *,
    alarm: Alarm,
    state: str,
    user: Any,
    text: str = "",
    repeats: str = Repeats.NEVER,
    seen: str | None = None,
) -> Answer:
    """Say what an alarm is. False ones may raise the threshold, expected ones teach the dates they come on.

    text: why. repeats: when something expected comes again. seen: the state the person saw; None: any.
    Raises Refused for a state that is none, Conflict if somebody was faster or it is that already.
    """
    if state not in State.values:
        raise Refused(f"There is no answer {state!r}: choose one of {', '.join(State.values)}.")
    if repeats not in Repeats._value2member_map_:
        raise Refused(f"It cannot repeat {repeats!r}: choose one of {', '.join(Repeats)}.")
    held = Alarm.objects.select_for_update(of=("self",)).select_related("series", "rule").get(pk=alarm.pk)
    if seen is not None and held.state != seen:
        raise Conflict(f"Somebody was faster: it is “{held.get_state_display()}” by now.")
    if held.state == state:
        raise Conflict(f"It is “{held.get_state_display()}” already.")
    before, held.state = held.state, State(state)
    held.answered_at = None if state == State.OPEN else timezone.now()
    held.is_withdrawn = False
    held.save(update_fields=["state", "answered_at", "is_withdrawn"])
    AlarmNote.objects.create(alarm=held, by=user, before=before, after=state, text=text.strip()[:2_000])
    periods = _expectations(held, before, repeats, text.strip(), user)
    rule = alarms.learn_threshold(held.series)
    alarms.tell(alarms.ANSWERED, held, by=user, note=text.strip()[:2_000])
    return Answer(held, rule, periods)


def answer_many(*, ids: Iterable[int], state: str, user: Any, text: str = "") -> dict[int, Refused | None]:
    """Say the same of several alarms; returns id -> why it was not said of this one, None where it was.

    One that is not there is Missing.
    """
    wanted = sorted(set(ids))  # in one order, so that two requests at once wait for each other
    found = Alarm.objects.in_bulk(wanted)
    outcomes: dict[int, Refused | None] = {}
    for number in wanted:
        try:
            if number not in found:
                raise Missing(f"There is no alarm {number}.")
            answer(alarm=found[number], state=state, user=user, text=text)
            outcomes[number] = None
        except Refused as refusal:
            outcomes[number] = refusal
    return outcomes


def comment(*, alarm: Alarm, text: str, user: Any) -> AlarmNote:
    """Note something about an alarm. Raises Refused without words."""
    if not text.strip():
        raise Refused("Write something.")
    return AlarmNote.objects.create(
        alarm=alarm, by=user, before=alarm.state, after=alarm.state, text=text.strip()[:2_000]
    )


def _expectations(alarm: Alarm, before: str, repeats: str, text: str, user: Any) -> list[ExpectedPeriod]:
    """Make what an expected alarm lets expect, and forget what one lets expect that is no longer."""
    if before == State.EXPECTED:
        ExpectedPeriod.objects.filter(alarm=alarm).delete()
    periods = []
    if alarm.state == State.EXPECTED:
        periods.append(
            ExpectedPeriod.objects.create(
                series=alarm.series,
                **alarms.occasion(alarm.series, alarm),
                repeats=repeats,
                reason=text[:300] or "Expected, without a reason given",
                alarm=alarm,
                by=user,
            )
        )
        periods += alarms.learn_repetitions(alarm.series)
    if periods or before == State.EXPECTED:
        observing.apply_expectations(alarm.series)
    return periods
