from datetime import date, timedelta

import pytest

from detectors.anomalies.series_feedback import (
    Answered,
    Repeats,
    falls_on,
    learned_repetitions,
    learned_threshold,
    said,
)


def false(*scores):
    return [Answered(score, False) for score in scores]


def true(*scores):
    return [Answered(score, True) for score in scores]


def test_without_answers_the_threshold_stays_as_chosen():
    learned = learned_threshold(4.0, [])
    assert learned.k == 4.0
    assert "as chosen" in learned.why


def test_false_alarms_raise_it_just_above_them_and_it_says_so():
    learned = learned_threshold(4.0, false(4.5, 5.0, 5.2))
    assert learned.k == pytest.approx(5.21)
    assert "Raised from 4 to 5.21: 3 of 3 false alarms" in learned.why
    assert "no confirmed one lies there" in learned.why


def test_one_wild_false_alarm_does_not_silence_the_series():
    assert learned_threshold(4.0, false(400.0)).k == 4.0


def test_a_confirmed_alarm_is_not_given_up_for_a_few_false_ones():
    assert learned_threshold(4.0, false(5.0, 5.1, 5.2) + true(4.9)).k == 4.0
    assert learned_threshold(4.0, false(4.5, 5.1, 5.2) + true(4.9)).k == pytest.approx(4.51)
    many = false(*(5.0 + step / 100 for step in range(12)))
    learned = learned_threshold(4.0, many + true(4.9))
    assert learned.k > 5.1
    assert "1 confirmed one lies there" in learned.why


def test_it_never_falls_below_the_choice_of_a_person():
    assert learned_threshold(4.0, true(1.0, 2.0)).k == 4.0
    assert learned_threshold(4.0, false(3.0)).k == 4.0


def test_days_repeat_by_week_month_month_end_and_year():
    monday = date(2026, 6, 1)
    assert falls_on(Repeats.WEEKLY, monday, date(2026, 6, 8))
    assert not falls_on(Repeats.WEEKLY, monday, date(2026, 6, 9))
    assert not falls_on(Repeats.WEEKLY, monday, date(2026, 5, 25))
    assert falls_on(Repeats.MONTHLY, monday, date(2027, 1, 1))
    assert falls_on(Repeats.MONTH_END, date(2026, 1, 31), date(2026, 2, 28))
    assert falls_on(Repeats.YEARLY, date(2026, 12, 24), date(2030, 12, 24))
    assert not falls_on(Repeats.NEVER, monday, date(2027, 6, 1))


def test_repetitions_are_learned_from_answers_and_said_in_words():
    mondays = [date(2026, 6, 1) + timedelta(weeks=week) for week in (0, 1, 3)]
    (found,) = learned_repetitions(mondays)
    assert found.repeats is Repeats.WEEKLY
    assert found.words() == "every Monday: learned from 3 answers (1 Jun 2026, 8 Jun 2026, 22 Jun 2026)"
    (ends,) = learned_repetitions([date(2026, 1, 31), date(2026, 2, 28), date(2026, 3, 31)])
    assert ends.repeats is Repeats.MONTH_END
    (firsts,) = learned_repetitions([date(2026, 1, 1), date(2026, 2, 1)])
    assert firsts.words().startswith("on the 1st of every month")
    (christmas,) = learned_repetitions([date(2024, 12, 24), date(2025, 12, 24)])
    assert christmas.repeats is Repeats.YEARLY


def test_days_that_lie_far_apart_are_no_habit():
    assert learned_repetitions([date(2026, 1, 5), date(2026, 6, 1), date(2026, 12, 7)]) == []
    assert learned_repetitions([date(2026, 1, 5)]) == []
    assert learned_repetitions([]) == []


@pytest.mark.parametrize(
    ("repeats", "first", "words"),
    [
        (Repeats.NEVER, date(2026, 6, 1), "1 Jun 2026"),
        (Repeats.MONTHLY, date(2026, 6, 22), "on the 22nd of every month"),
        (Repeats.MONTHLY, date(2026, 6, 11), "on the 11th of every month"),
        (Repeats.MONTH_END, date(2026, 6, 30), "on the last day of every month"),
        (Repeats.MONTH_END, date(2026, 6, 28), "2 days before the end of every month"),
        (Repeats.YEARLY, date(2026, 12, 24), "every 24 December"),
    ],
)
def test_a_repetition_in_words(repeats, first, words):
    assert said(repeats, first) == words
