"""Series on their pages: made, watched, a threshold chosen by comfort, oddity expected, removed."""

from __future__ import annotations

import re
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from tests.crmquality import series_help
from tests.crmquality.series_help import DAY, START, feed, make

pytestmark = pytest.mark.django_db


def signed_in(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def boss(admin: Any) -> Client:
    return signed_in(admin)


@pytest.fixture
def desk(steward: Any) -> Client:
    return signed_in(steward)


@pytest.fixture
def watched() -> Any:
    return series_help.watched()


def post(client: Client, route: str, series: Any, /, **given: Any) -> str:
    return client.post(reverse(route, args=[series.pk]), given, follow=True).content.decode()


def test_a_page_without_a_series_offers_what_can_be_made(desk: Client, make_user: Any) -> None:
    page = desk.get(reverse("series")).content.decode()
    assert "No series yet" in page
    assert "How long runs take" in page
    auditors = signed_in(make_user("auditor")).get(reverse("series")).content.decode()
    assert "Make it" not in auditors


def test_a_suggestion_of_a_source_becomes_a_series_with_its_readings(desk: Client, make_source: Any) -> None:
    from crmquality.models import Kind, Series, SeriesUpdate
    from crmquality.services import series_deriving
    from detectors.roles import Role

    roles = {"Id": Role.ID, "Amount": Role.AMOUNT, "Created": Role.CREATED_AT}
    rows = [[f"D{day}-{deal}", "100", f"2026-03-{day + 1:02}"] for day in range(28) for deal in range(day % 4 + 1)]
    deals = make_source("deals", roles, rows, kind=Kind.OPPORTUNITIES)
    page = desk.get(reverse("series"), {"source": deals.pk}).content.decode()
    place = re.findall(r'name="suggestion" value="(\d+)"', page)[0]
    made = desk.post(reverse("series"), {"source": deals.pk, "suggestion": place}, follow=True).content.decode()
    assert "It is being computed." in made
    series_deriving.execute_update(SeriesUpdate.objects.get().pk)
    series = Series.objects.get()
    counted = list(series.observations.order_by("at").values_list("value", flat=True))
    assert counted[:8] == [1.0, 2.0, 3.0, 4.0] * 2


def test_readings_of_ones_own_get_a_key_and_say_how_they_are_sent(desk: Client) -> None:
    made = desk.post(reverse("series"), {"name": "Calls answered", "unit": "calls", "interval": "3600"}, follow=True)
    page = made.content.decode()
    assert "calls-answered" in page
    assert "/api/v1/observations/" in page
    again = desk.post(reverse("series"), {"name": "x", "key": "calls-answered", "interval": "3600"}, follow=True)
    assert "There is a series" in again.content.decode()
    assert "Choose an interval" in desk.post(reverse("series"), {"name": "x"}, follow=True).content.decode()


def test_the_slider_shows_for_every_threshold_what_it_would_have_meant(boss: Client, watched: Any) -> None:
    from crmquality.models import Observation

    page = boss.get(reverse("series-threshold", args=[watched.pk])).content.decode()
    steps = re.findall(r'data-k="([\d.]+)" data-alarms="(\d+)" data-excess="([\d.]+)"', page)
    scores = [score or 0.0 for score in Observation.objects.filter(series=watched).values_list("score", flat=True)]
    assert len(steps) == len(watched.outlook) > 3
    for k, count, excess in watched.outlook:
        above = [score - k for score in scores if score > k]
        assert (count, excess) == (len(above), pytest.approx(sum(above), abs=0.01))
    assert int(steps[-1][1]) == 0


def test_a_threshold_chosen_by_comfort_is_in_force_and_says_who_chose_it(boss: Client, watched: Any) -> None:
    from crmquality.services.alarms import rule_in_force

    place = next(at for at, (_, count, _) in enumerate(watched.outlook) if count <= 3)
    answer = post(boss, "series-threshold", watched, place=str(place), reason="three a quarter are enough")
    assert "Saved as rule 2" in answer
    rule = rule_in_force(watched)
    assert rule is not None
    assert rule.k == watched.outlook[place][0]
    assert rule.by.username == "boss"
    page = boss.get(reverse("series-one", args=[watched.pk])).content.decode()
    assert "three a quarter are enough" in page


def test_moving_the_slider_draws_the_chart_anew_and_saves_nothing(boss: Client, watched: Any) -> None:
    where = reverse("series-threshold", args=[watched.pk])
    last = str(len(watched.outlook) - 1)
    high = boss.get(where, {"place": last}, headers={"HX-Request": "true"}).content.decode()
    low = boss.get(where, {"place": "0"}, headers={"HX-Request": "true"}).content.decode()
    assert "<html" not in high
    assert low.count("alarm") > high.count("alarm")
    assert watched.rules.count() == 1


def test_a_series_without_readings_has_no_threshold_to_choose(boss: Client) -> None:
    page = boss.get(reverse("series-threshold", args=[make().pk])).content.decode()
    assert "Nothing to choose from yet" in page


def test_an_admin_sets_the_method_and_goes_back_to_an_earlier_rule(boss: Client, watched: Any) -> None:
    from crmquality.services.alarms import rule_in_force

    assert "Saved as rule 2" in post(boss, "watch-series", watched, method="moving average", k="3", side="1")
    assert "Not saved: There is no method" in post(boss, "watch-series", watched, method="tea leaves")
    assert "Not saved: The regression needs a load" in post(boss, "watch-series", watched, method="regression")
    assert "Rule 1 is in force again, as rule 3" in post(boss, "watch-series", watched, act="back", number="1")
    rule = rule_in_force(watched)
    assert rule is not None
    assert (rule.method, rule.k, rule.refractory) == ("seasonal", 4.0, 0)
    assert "not watched any more" in post(boss, "watch-series", watched, act="off")
    assert "watched again" in post(boss, "watch-series", watched, act="on")


def test_what_is_expected_beforehand_raises_nothing_until_it_is_forgotten(desk: Client, watched: Any) -> None:
    from crmquality.models import Alarm, ExpectedPeriod
    from crmquality.services import judging

    day = START + 152 * DAY
    said = post(desk, "expect-series", watched, first=f"{day:%Y-%m-%d}", reason="a fair", repeats="yearly")
    assert "Expected: a fair" in said
    feed(watched, [200.0], start=day)
    judging.judge_waiting()
    assert not Alarm.objects.filter(series=watched, at=day).exists()
    post(desk, "expect-series", watched, forget=ExpectedPeriod.objects.get().pk)
    judging.judge_waiting()
    assert Alarm.objects.filter(series=watched, at=day).exists()
    assert "Not saved: Give the days as" in post(desk, "expect-series", watched, first="soon", reason="x")
    assert "Not saved: Say why" in post(desk, "expect-series", watched, first="2026-06-01", reason=" ")


def test_a_series_is_removed_only_once_its_name_was_typed(boss: Client, watched: Any) -> None:
    from crmquality.models import Alarm, Series

    assert Alarm.objects.filter(series=watched).exists()
    assert "Type the series" in post(boss, "remove-series", watched, name="other")
    assert "is gone" in post(boss, "remove-series", watched, name=watched.name)
    assert not Series.objects.exists()


def test_a_series_that_another_is_held_against_is_kept(boss: Client, watched: Any) -> None:
    from crmquality.services import series

    other = make("seconds")
    series.set_rule(series=other, method="regression", load=watched)
    assert "Another series is held against this one" in post(boss, "remove-series", watched, name=watched.name)
    assert "is gone" in post(boss, "remove-series", other, name=other.name)
    assert "is gone" in post(boss, "remove-series", watched, name=watched.name)


def test_a_column_that_was_renamed_is_named_as_the_problem(desk: Client, make_source: Any) -> None:
    from crmquality.models import Kind, Series, SeriesUpdate
    from crmquality.services import series, series_deriving
    from detectors.roles import Role

    roles = {"Id": Role.ID, "Amount": Role.AMOUNT, "Created": Role.CREATED_AT}
    deals = make_source("deals", roles, [["D1", "1", "2026-03-01"]], kind=Kind.OPPORTUNITIES)
    made = series.create_series(**next(iter(series_deriving.suggestions(deals))))
    Series.objects.filter(pk=made.pk).update(definition=made.definition | {"dated_by": "Opened"})
    series_deriving.execute_update(SeriesUpdate.objects.get().pk)
    page = desk.get(reverse("series-one", args=[made.pk])).content.decode()
    assert "Opened" in page
    assert 'role="alert"' in page


@pytest.mark.parametrize(
    "query", ["span=1+week", "first=2026-02-01&last=2026-03-01", "until=2026-03-01", "span=x&first=y"]
)
def test_every_window_of_the_chart_can_be_asked_for(desk: Client, watched: Any, query: str) -> None:
    where = reverse("series-one", args=[watched.pk])
    part = desk.get(f"{where}?{query}", headers={"HX-Request": "true"})
    assert part.status_code == 200
    assert b"<html" not in part.content
    assert b"<svg" in part.content
