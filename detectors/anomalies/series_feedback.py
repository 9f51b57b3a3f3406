"""What people's answers to alarms teach: a threshold held against them, and dates on which oddity is expected.

Both are stated in words, so that a person can see what was learned from what, and take it back.
"""

from __future__ import annotations

import calendar
from collections.abc import Callable, Hashable, Iterable, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

import numpy as np

MISSED = 5.0
"""So many false alarms are worse than one confirmed alarm that would have been missed."""

DOUBLING = 1.0
"""Each doubling of the threshold must save more than this many false alarms."""


@dataclass(frozen=True, slots=True)
class Answered:
    """An alarm that people answered. score: in the method's unit. is_true: something was the matter."""

    score: float
    is_true: bool


@dataclass(frozen=True, slots=True)
class Learned:
    """A threshold and why, in words."""

    k: float
    why: str


def learned_threshold(base: float, answered: Sequence[Answered]) -> Learned:
    """The threshold that the answers speak for; never below the one a person chose.

    base: the person's threshold. answered: alarms above it, whatever threshold was in force then.

    It minimises (false alarms above) + 5 x (true alarms not above) + log2(threshold / base): answers are few, so the
    threshold moves only as far as they pay for. One false alarm pays for less than a doubling; a true one below the
    new threshold forbids it unless five false ones go too.
    """
    false = sorted(one.score for one in answered if not one.is_true and one.score > base)
    true = [one.score for one in answered if one.is_true]
    candidates = [base, *(score * (1 + 1e-6) for score in false)]
    costs = [
        sum(score > k for score in false)
        + MISSED * sum(base < score <= k for score in true)
        + DOUBLING * float(np.log2(k / base))
        for k in candidates
    ]
    k = candidates[int(np.argmin(costs))]
    if k == base:
        return Learned(base, _unchanged(base, len(false), len(true)))
    silenced, missed = sum(score <= k for score in false), sum(base < score <= k for score in true)
    k = float(np.ceil(k * 100) / 100)
    confirmed = f"{missed} confirmed one{'s lie' if missed != 1 else ' lies'}" if missed else "no confirmed one lies"
    return Learned(
        k,
        f"Raised from {base:g} to {k:g}: {silenced} of {len(false)} false alarm{'s' * (len(false) != 1)} had a score "
        f"of at most {k:g}, and {confirmed} there.",
    )


def _unchanged(base: float, false: int, true: int) -> str:
    if not false:
        return f"{base:g} as chosen: no alarm was called false."
    return (
        f"{base:g} as chosen: {false} false and {true} confirmed alarm{'s' * (true != 1)} do not speak for another: "
        "raising it would silence too little, or what was confirmed."
    )


class Repeats(StrEnum):
    """When something expected comes again."""

    NEVER = "never"
    WEEKLY = "weekly"
    MONTHLY = "monthly"
    MONTH_END = "month_end"
    YEARLY = "yearly"


_PLACE: dict[Repeats, Callable[[date], Hashable]] = {
    Repeats.NEVER: lambda day: day,
    Repeats.WEEKLY: lambda day: day.weekday(),
    Repeats.MONTH_END: lambda day: _before_end(day),
    Repeats.MONTHLY: lambda day: day.day,
    Repeats.YEARLY: lambda day: (day.month, day.day),
}
"""The place of a day in the calendar of each repetition; two days of one place repeat each other."""

_LEAST = {Repeats.WEEKLY: 3, Repeats.MONTH_END: 2, Repeats.MONTHLY: 2, Repeats.YEARLY: 2}
"""Answers that make a repetition."""

_NEAR_END = 2
"""The tenth day before the end of a month is a day of the month like others; the second is an end."""

_SHARE = 2 / 3
"""Share of the occasions between the first answer and the last on which it must have been seen."""


@dataclass(frozen=True, slots=True)
class Repetition:
    """Days that were learned to come again: every day at the place of `first`."""

    repeats: Repeats
    first: date
    seen: tuple[date, ...]

    def words(self) -> str:
        """What was learned from what."""
        days = ", ".join(f"{day:%-d %b %Y}" for day in self.seen[-4:])
        return f"{said(self.repeats, self.first)}: learned from {len(self.seen)} answers ({days})"


def falls_on(repeats: Repeats, first: date, day: date) -> bool:
    """Whether something first expected on one day is expected on another; never before it."""
    return day >= first and _PLACE[repeats](day) == _PLACE[repeats](first)


def covers(repeats: Repeats, first: datetime, last: datetime, at: datetime) -> bool:
    """Whether a time lies in an expected period or in a repetition of it.

    first, last: the first occasion, both counted; the others have the same times of day.
    """
    span = (last.date() - first.date()).days
    for ahead in range(span + 1):
        begins = at.date() - timedelta(days=ahead)
        moved = timedelta(days=(begins - first.date()).days)
        if falls_on(repeats, first.date(), begins) and first + moved <= at <= last + moved:
            return True
    return False


def said(repeats: Repeats, first: date) -> str:
    """The repetition in words: "every Monday", "on the 1st of every month"."""
    before_end = _before_end(first)
    return {
        Repeats.NEVER: f"{first:%-d %b %Y}",
        Repeats.WEEKLY: f"every {first:%A}",
        Repeats.MONTHLY: f"on the {_ordinal(first.day)} of every month",
        Repeats.MONTH_END: f"{before_end} days before the end of every month"
        if before_end > 1
        else ("on the last day of every month" if not before_end else "on the last day but one of every month"),
        Repeats.YEARLY: f"every {first:%-d %B}",
    }[repeats]


def learned_repetitions(expected: Iterable[date]) -> list[Repetition]:
    """The repetitions that days marked as expected make, each day in one at most.

    A repetition holds three days of one weekday, or two of one place in the month or the year, seen on at least two
    thirds of its occasions between the first and the last: two Mondays a year apart are no weekly habit.
    Month ends go before days of the month, since the 31st is more often an end than a 31st.
    """
    left = sorted(set(expected))
    found: list[Repetition] = []
    for repeats in _LEAST:
        for days in _together(left, repeats):
            if len(days) >= _LEAST[repeats] and len(days) >= _SHARE * _occasions(days, repeats):
                found.append(Repetition(repeats, days[0], tuple(days)))
                left = [day for day in left if day not in days]
    return found


def _together(days: Sequence[date], repeats: Repeats) -> list[list[date]]:
    """The days by their place in the repetition's calendar."""
    groups: dict[Hashable, list[date]] = {}
    for day in days:
        if repeats is not Repeats.MONTH_END or _before_end(day) <= _NEAR_END:
            groups.setdefault(_PLACE[repeats](day), []).append(day)
    return list(groups.values())


def _before_end(day: date) -> int:
    return calendar.monthrange(day.year, day.month)[1] - day.day


def _occasions(days: Sequence[date], repeats: Repeats) -> int:
    """How often the repetition fell between the first and the last of the days, both counted."""
    span = (days[-1] - days[0]).days
    return sum(falls_on(repeats, days[0], days[0] + timedelta(days=ahead)) for ahead in range(span + 1))


def _ordinal(number: int) -> str:
    ending = "th" if 10 <= number % 100 <= 20 else {1: "st", 2: "nd", 3: "rd"}.get(number % 10, "th")
    return f"{number}{ending}"
