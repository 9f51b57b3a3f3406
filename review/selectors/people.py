"""What each person did and how their answers to known cards came out; a person sees their own, admins all."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from django.contrib.auth.models import User
from django.db import connection
from django.db.models import Count, Q
from django.utils import timezone

from crmquality.metrics import wilson
from review.models import CheckAnswer
from review.selectors.decided import shown_decision
from review.trust import error_rate, label_weight

DAYS = 30

_DECIDED = """
    SELECT d.by_id, count(*), count(*) FILTER (WHERE d.at >= now() - interval '7 days'),
           count(*) FILTER (WHERE d.at >= date_trunc('day', now())),
           count(*) FILTER (WHERE d.verdict = 'accept'),
           percentile_cont(0.5) WITHIN GROUP (ORDER BY d.seconds)
    FROM review_decision d
    WHERE d.at >= %(since)s AND d.undone_at IS NULL AND d.by_id IS NOT NULL AND d.looked_at
      AND (%(person)s::int IS NULL OR d.by_id = %(person)s)
    GROUP BY 1
"""
_HIDDEN = """
    SELECT coalesce((d.seen->>'score_hidden')::boolean, false), count(*),
           count(*) FILTER (WHERE d.verdict IN ('accept', 'expected'))
    FROM review_decision d
    WHERE d.at >= %(since)s AND d.undone_at IS NULL AND d.by_id IS NOT NULL AND d.looked_at
      AND d.verdict <> 'unsure'
    GROUP BY 1
"""


@dataclass(frozen=True)
class Person:
    """One person's last DAYS days, and their answers to known cards ever.

    seconds: median a decision. accuracy, low, high: answers that were the known one, with the 95 % Wilson interval.
    error: Beta-smoothed; weight: what their labels weigh in learning.
    """

    user: User
    month: int
    week: int
    today: int
    accepted: int
    seconds: float | None
    checked: int
    wrong: int
    low: float | None
    high: float | None
    error: float
    weight: float

    @property
    def accuracy(self) -> float | None:
        """Right answers / answers; None before the first."""
        return 1 - self.wrong / self.checked if self.checked else None

    @property
    def acceptance(self) -> float | None:
        """Accepted as proposed / decided."""
        return self.accepted / self.month if self.month else None


def people() -> list[Person]:
    """Everyone who decided lately or was ever checked, the busiest first."""
    decided, checked = _decided(None), _checked(None)
    users = User.objects.in_bulk({*decided, *checked})
    found = [_person(user, decided.get(pk), checked.get(pk)) for pk, user in users.items()]
    return sorted(found, key=lambda person: (-person.month, person.user.username))


def person(user: User) -> Person:
    """This person's own figures."""
    return _person(user, _decided(user.pk).get(user.pk), _checked(user.pk).get(user.pk))


def recent_checks(user: User, limit: int = 20) -> list[CheckAnswer]:
    """The latest known cards of a person, with what was agreed."""
    answers = list(CheckAnswer.objects.filter(by=user).select_related("known_answer__decision__item__source")[:limit])
    for answer in answers:
        answer.known_answer.decision = shown_decision(answer.known_answer.decision)
    return answers


def by_day(user: User) -> list[tuple[str, int]]:
    """(day, decisions) of a person's last DAYS days, today last."""
    today = timezone.localdate()
    since = today - timedelta(days=DAYS - 1)
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT at::date, count(*) FROM review_decision "
            "WHERE by_id = %s AND at >= %s AND undone_at IS NULL AND looked_at GROUP BY 1",
            [user.pk, since],
        )
        counts = dict(cursor.fetchall())
    days = [since + timedelta(days=number) for number in range(DAYS)]
    return [(day.isoformat(), counts.get(day, 0)) for day in days]


def anchoring() -> Mapping[bool, tuple[int, int]]:
    """Whether the score was hidden -> (decided, accepted): how much the score sways people."""
    with connection.cursor() as cursor:
        cursor.execute(_HIDDEN, {"since": timezone.now() - timedelta(days=DAYS)})
        return {hidden: (decided, accepted) for hidden, decided, accepted in cursor.fetchall()}


def _decided(person: int | None) -> dict[int, tuple[Any, ...]]:
    with connection.cursor() as cursor:
        cursor.execute(_DECIDED, {"since": timezone.now() - timedelta(days=DAYS), "person": person})
        return {row[0]: tuple(row[1:]) for row in cursor.fetchall()}


def _checked(person: int | None) -> dict[int, tuple[int, int]]:
    answers = CheckAnswer.objects.filter(right__isnull=False)
    if person is not None:
        answers = answers.filter(by=person)
    counts = answers.values_list("by").annotate(all=Count("id"), wrong=Count("id", filter=Q(right=False))).order_by()
    return {by: (total, wrong) for by, total, wrong in counts}


def _person(user: User, decided: tuple[Any, ...] | None, checked: tuple[int, int] | None) -> Person:
    month, week, today, accepted, seconds = decided or (0, 0, 0, 0, None)
    total, wrong = checked or (0, 0)
    low, high = wilson(total - wrong, total)
    error = error_rate(wrong, total)
    return Person(
        user,
        month,
        week,
        today,
        accepted,
        seconds,
        total,
        wrong,
        low,
        high,
        error,
        label_weight(error) if total else 1.0,
    )
