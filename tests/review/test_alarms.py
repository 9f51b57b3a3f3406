"""Alarms answered by people: what each answer does, what it teaches, who is told."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core import mail
from django.test import Client
from django.urls import reverse

from tests.crmquality.series_help import DAY, START, feed, make, noise
from tests.crmquality.test_delivering import Receiver, receiver, send  # noqa: F401 (a fixture)

pytestmark = pytest.mark.django_db
WILD = 900.0


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def desk(steward: Any) -> Client:
    return signed_in(steward)


def watched(k: float = 4.0, key: str = "deals", **given: Any) -> Any:
    from crmquality.services import series

    made = make(key)
    feed(made, noise(60))
    series.set_rule(series=made, method="moving average", k=k, learn=20, refractory=0, alpha=0.05, **given)
    return made


def odd(series: Any, place: int, value: float = WILD) -> Any:
    """An alarm about a reading of this size, so many days after the start."""
    from crmquality.models import Alarm

    feed(series, [value], start=START + place * DAY)
    return Alarm.objects.filter(series=series, at=START + place * DAY).first()


def false_alarms(series: Any, count: int) -> list[Any]:
    """So many alarms with calm weeks between them."""
    found = []
    for number in range(count):
        place = 60 + 41 * number
        found.append(odd(series, place, 75.0))
        feed(series, noise(40, seed=number), start=START + (place + 1) * DAY)
    return found


def answer(client: Client, alarm: Any, state: str, **given: str) -> str:
    sent = {"state": state, "seen": alarm.state} | given
    return client.post(reverse("answer-alarm", args=[alarm.pk]), sent, follow=True).content.decode()


def state(alarm: Any) -> str:
    alarm.refresh_from_db()
    return str(alarm.state)


def test_an_alarm_goes_from_open_over_acknowledged_to_closed_and_every_step_is_noted(desk: Client) -> None:
    alarm = odd(watched(), 60)
    assert alarm.state == "open"
    assert "Acknowledged." in answer(desk, alarm, "acknowledged", text="I look")
    alarm.refresh_from_db()
    answer(desk, alarm, "closed", text="a broken import")
    assert state(alarm) == "closed"
    page = desk.get(reverse("alarm", args=[alarm.pk])).content.decode()
    assert page.index("I look") < page.index("a broken import")
    notes = desk.get(f"/api/v1/alarms/{alarm.pk}/notes/").json()
    assert [(note["before"], note["after"], note["by"]) for note in notes] == [
        ("open", "acknowledged", "steward"), ("acknowledged", "closed", "steward"),
    ]  # fmt: skip


def test_false_alarms_raise_the_threshold_and_it_says_from_what(desk: Client) -> None:
    from crmquality.services.alarms import rule_in_force

    series = watched()
    words = [answer(desk, alarm, "false_positive") for alarm in false_alarms(series, 2)]
    rule = rule_in_force(series)
    assert rule is not None
    assert (rule.chosen_k, rule.by) == (4.0, None)
    assert rule.k > 4.0
    assert "Raised from 4 to" in rule.reason
    assert ["Raised from 4 to" in page for page in words] == [False, True]


def test_a_false_answer_taken_back_gives_the_chosen_threshold_again(desk: Client) -> None:
    from crmquality.services.alarms import rule_in_force

    series = watched()
    alarms = false_alarms(series, 2)
    for alarm in alarms:
        answer(desk, alarm, "false_positive")
    for alarm in alarms:
        alarm.refresh_from_db()
        answer(desk, alarm, "open")
    rule = rule_in_force(series)
    assert rule is not None
    assert rule.k == 4.0


def test_a_rule_that_may_not_learn_keeps_its_threshold(desk: Client) -> None:
    from crmquality.services.alarms import rule_in_force

    series = watched(learns=False)
    for alarm in false_alarms(series, 3):
        answer(desk, alarm, "false_positive")
    rule = rule_in_force(series)
    assert rule is not None
    assert (rule.k, rule.number) == (4.0, 1)


def test_what_is_expected_raises_nothing_when_it_comes_again(desk: Client) -> None:
    series = watched()
    answer(desk, odd(series, 63), "expected", repeats="weekly", text="the weekly load")
    assert odd(series, 70) is None
    assert odd(series, 71) is not None
    page = desk.get(reverse("series-one", args=[series.pk])).content.decode()
    assert "the weekly load" in page


def test_expected_alarms_teach_the_days_they_come_on(desk: Client) -> None:
    series = watched()
    said = [answer(desk, odd(series, place), "expected") for place in (63, 70, 77)]
    assert "every Monday: learned from 3 answers" in said[-1]
    assert odd(series, 84) is None


def test_an_expectation_forgotten_lets_its_reading_alarm_again(desk: Client) -> None:
    from crmquality.models import Alarm, ExpectedPeriod

    series = watched()
    answer(desk, odd(series, 63), "expected", repeats="weekly")
    odd(series, 70)
    forget = {"forget": str(ExpectedPeriod.objects.get(is_learned=False).pk)}
    desk.post(reverse("expect-series", args=[series.pk]), forget)
    assert Alarm.objects.filter(series=series, at=START + 70 * DAY, state="open").exists()


def test_who_was_slower_is_told_and_changes_nothing(desk: Client) -> None:
    alarm = odd(watched(), 60)
    answer(desk, alarm, "acknowledged")
    page = answer(desk, alarm, "closed")  # the page was loaded while it was open
    assert "Somebody was faster" in page
    assert state(alarm) == "acknowledged"
    slow = desk.post(
        f"/api/v1/alarms/{alarm.pk}/answer/", {"state": "closed", "seen": "open"}, content_type="application/json"
    )
    assert slow.status_code == 409


def test_several_are_answered_at_once_and_those_that_cannot_be_are_named(desk: Client) -> None:
    series = watched(key="one"), watched(key="two")
    alarms = [odd(one, 60) for one in series]
    answer(desk, alarms[0], "closed")
    sent = {"alarm": [str(alarm.pk) for alarm in alarms], "state": "closed"}
    page = desk.post(reverse("answer-alarms"), sent, follow=True).content.decode()
    assert "1 alarm answered" in page
    assert f"Alarm {alarms[0].pk}: It is “Closed” already." in page
    assert [state(alarm) for alarm in alarms] == ["closed", "closed"]
    assert "Tick the alarms first" in desk.post(reverse("answer-alarms"), {}, follow=True).content.decode()


def test_a_corrected_reading_withdraws_its_alarm_by_itself(desk: Client) -> None:
    series = watched()
    alarm = odd(series, 60)
    feed(series, [50.0], start=START + 60 * DAY)
    assert state(alarm) == "closed"
    assert alarm.is_withdrawn
    assert "judged anew, it is no alarm any more" in desk.get(reverse("alarm", args=[alarm.pk])).content.decode()


def test_a_disturbance_that_goes_on_is_one_alarm(desk: Client) -> None:
    from crmquality.models import Alarm

    series = watched()
    for place in (60, 61):
        odd(series, place, WILD * (place - 59) ** 3)
    alarm = Alarm.objects.get(series=series)
    assert (alarm.readings, alarm.last_at) == (2, START + 61 * DAY)
    assert "2 readings" in desk.get(reverse("alarms")).content.decode()


def test_a_webhook_and_an_address_are_told_of_an_alarm_and_of_its_answer(
    desk: Client,
    receiver: Receiver,  # noqa: F811
    admin: Any,
    settings: Any,
) -> None:
    from crmquality.models import Delivery
    from crmquality.services import delivering

    settings.EMAIL_HOST, settings.SITE_ADDRESS = "localhost", "https://crm.example"
    told = {"events": ["alarm.raised", "alarm.answered"], "user": admin}
    delivering.save_destination(name="ops", kind="webhook", target=receiver.url, allow_private=True, **told)
    delivering.save_destination(name="ann", kind="email", target="ann@example.com", **told)
    alarm = odd(watched(), 60)
    answer(desk, alarm, "false_positive", text="a test booking")
    for delivery in Delivery.objects.order_by("pk"):
        assert send(delivery).state == "succeeded"
    raised, answered = (json.loads(body) for _, body in receiver.got)
    assert (raised["type"], answered["type"]) == ("alarm.raised", "alarm.answered")
    assert (raised["data"]["value"], raised["data"]["series"], raised["data"]["state"]) == (WILD, "deals", "open")
    assert (answered["data"]["state"], answered["data"]["by"], answered["data"]["note"]) == (
        "false_positive", "steward", "a test booking",
    )  # fmt: skip
    first, second = mail.outbox
    assert first.subject.startswith("Deals: 900 deals, expected ")
    assert f"https://crm.example/alarms/{alarm.pk}/" in first.body
    assert "False positive, says steward." in second.body
    assert "a test booking" in second.body


def test_judging_the_same_reading_again_tells_nobody_twice(receiver: Receiver, admin: Any) -> None:  # noqa: F811
    from crmquality.models import Delivery
    from crmquality.services import alarms, delivering

    delivering.save_destination(
        name="ops", kind="webhook", target=receiver.url, events=["alarm.raised"], allow_private=True, user=admin
    )
    series = watched()
    odd(series, 60)
    alarms.judge_moving_averages()
    alarms.raise_new([series.pk])
    assert Delivery.objects.count() == 1


def test_a_comment_changes_nothing_and_needs_words(desk: Client) -> None:
    alarm = odd(watched(), 60)
    where = reverse("comment-alarm", args=[alarm.pk])
    assert "Write something." in desk.post(where, {"text": " "}, follow=True).content.decode()
    assert "ask Bob" in desk.post(where, {"text": "ask Bob"}, follow=True).content.decode()
    assert state(alarm) == "open"


def test_an_answer_that_is_none_is_refused(desk: Client) -> None:
    alarm = odd(watched(), 60)
    assert "There is no answer" in answer(desk, alarm, "whatever")
    assert "It cannot repeat" in answer(desk, alarm, "expected", repeats="hourly")
    assert state(alarm) == "open"


def test_the_list_shows_one_state_and_says_so_when_there_is_none(desk: Client) -> None:
    empty = desk.get(reverse("alarms")).content.decode()
    assert "Nothing is out of order" in empty
    assert "No series has raised an alarm yet" in empty
    alarm = odd(watched(), 60)
    assert "900" in desk.get(reverse("alarms")).content.decode()
    answer(desk, alarm, "closed")
    assert "Every alarm was answered." in desk.get(reverse("alarms")).content.decode()
    assert "900" in desk.get(reverse("alarms"), {"state": "closed"}).content.decode()
    assert "There is no alarm of this kind." in desk.get(reverse("alarms"), {"state": "expected"}).content.decode()
