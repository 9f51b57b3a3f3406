"""Readings sent by API: stored once each, corrected, refused one by one, judged at once or soon."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from django.test import Client
from django.utils import timezone

from tests.crmquality.series_help import DAY, HOUR, START, feed, make, noise, rows

pytestmark = pytest.mark.django_db


NO_READINGS = [
    {"series": "deals", "at": "yesterday", "value": 1},
    {"series": "deals", "at": "2026-01-01T00:00:00Z", "value": "many"},
    {"series": "deals", "at": "2026-01-01T00:00:00Z"},
    {"series": "deals\0", "at": "2026-01-01T00:00:00Z", "value": 1},
    None,
]


def sender(person: Any) -> Client:
    client = Client()
    client.force_login(person)
    return client


def send(client: Client, readings: list[dict[str, Any]], key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(
        "/api/v1/observations/", {"observations": readings}, content_type="application/json", headers=headers
    )


def day(place: int, value: float | None, series: str = "deals") -> dict[str, Any]:
    return {"series": series, "at": (START + place * DAY).isoformat(), "value": value}


@pytest.fixture
def client(steward: Any) -> Client:
    return sender(steward)


def test_a_kpi_is_made_fed_and_watched_by_api_alone(client: Client, admin: Any) -> None:
    made = client.post(
        "/api/v1/series/",
        {"name": "Response time", "key": "response", "unit": "s", "interval": 3600},
        content_type="application/json",
    )
    assert made.status_code == 201, made.content
    number = made.json()["id"]
    values = [*noise(60), 900.0]
    sent = [{"series": "response", "at": (START + i * HOUR).isoformat(), "value": v} for i, v in enumerate(values)]
    assert send(client, sent).json() == {"new": 61, "changed": 0, "same": 0, "errors": [], "results": ["new"] * 61}
    rule = sender(admin).post(
        f"/api/v1/series/{number}/rule/",
        {"method": "moving average", "k": 4, "learn": 30},
        content_type="application/json",
    )
    assert rule.status_code == 201, rule.content
    (alarm,) = client.get(f"/api/v1/alarms/?series={number}&active=true").json()["results"]
    assert (alarm["key"], alarm["value"], alarm["state"], alarm["method"]) == (
        "response", 900.0, "open", "moving average",
    )  # fmt: skip
    shown = client.get(f"/api/v1/series/{number}/observations/?alarms=true").json()["results"]
    assert [one["value"] for one in shown] == [900.0]
    assert shown[0]["upper"] < 900


def test_a_reading_sent_twice_counts_once_and_another_value_corrects_it(client: Client) -> None:
    series = make()
    assert send(client, [day(0, 5.0), day(1, 6.0)]).json()["new"] == 2
    answer = send(client, [day(0, 5.0), day(1, 7.0), day(2, None)]).json()
    assert answer == {"new": 1, "changed": 1, "same": 1, "errors": [], "results": ["same", "changed", "new"]}
    assert rows(series, "value") == [5.0, 7.0, None]


def test_of_two_readings_for_one_time_in_a_request_the_last_counts(client: Client) -> None:
    series = make()
    assert send(client, [day(0, 5.0), day(0, 6.0)]).json()["results"] == ["replaced", "new"]
    assert rows(series, "value") == [6.0]


def test_what_cannot_be_stored_is_named_by_its_place_and_the_rest_is_stored(client: Client) -> None:
    series = make()
    late = {"series": "deals", "at": (timezone.now() + timedelta(days=3)).isoformat(), "value": 1.0}
    answer = send(client, [day(0, 5.0), day(1, 5.0, "nowhere"), day(2, 1e101), late, *NO_READINGS]).json()
    assert answer["new"] == 1
    assert answer["results"] == ["new"] + ["error"] * 8
    assert [(one["place"], one["detail"][:20]) for one in answer["errors"]] == [
        (1, "There is no series '"), (2, "The value must be a "), (3, "The time lies in the"),
        (4, "at: Datetime has wro"), (5, "value: A valid numbe"), (6, "value: This field is"),
        (7, "series: Null charact"), (8, "This field may not b"),
    ]  # fmt: skip
    assert rows(series, "value") == [5.0]


def test_the_same_key_gives_the_stored_answer_and_other_readings_under_it_are_refused(client: Client) -> None:
    series = make()
    first = send(client, [day(0, 5.0)], key="monday").json()
    again = send(client, [day(0, 5.0)], key="monday")
    assert (again.status_code, again.json()) == (200, first)
    assert send(client, [day(0, 9.0)], key="monday").status_code == 422
    assert send(client, [day(0, 9.0)], key="x" * 81).status_code == 422
    assert rows(series, "value") == [5.0]


@pytest.mark.parametrize(
    "body",
    [
        {},
        {"observations": []},
        {"observations": {"series": "deals"}},
        [],
        {"observations": [{"series": "deals", "at": "2026-01-01T00:00:00Z", "value": 1}] * 10_001},
    ],
)
def test_a_body_that_is_none_is_refused_in_words(client: Client, body: Any) -> None:
    make()
    answer = client.post("/api/v1/observations/", body, content_type="application/json")
    assert answer.status_code == 400
    assert answer["Content-Type"] == "application/problem+json"


def test_a_series_that_is_computed_takes_no_readings(client: Client) -> None:
    from crmquality.services import series

    made = series.create_series(
        name="How busy", key="busy", interval=timedelta(minutes=1), origin="operations", definition={"what": "cpu load"}
    )
    assert "no series" in send(client, [day(0, 1.0, "busy")]).json()["errors"][0]["detail"]
    assert START not in rows(made, "at")


def test_an_api_that_was_told_what_to_expect_judges_without_it(client: Client) -> None:
    from crmquality.services import series

    made = make()
    feed(made, noise(40))
    series.set_rule(series=made, method="moving average", k=4.0, learn=20)
    at = (START + 45 * DAY).isoformat()
    answer = client.post(
        f"/api/v1/series/{made.pk}/expect/",
        {"first": at, "last": at, "reason": "stock-taking"},
        content_type="application/json",
    )
    assert answer.status_code == 201, answer.content
    send(client, [day(45, 900.0)])
    assert client.get("/api/v1/alarms/").json()["results"] == []
    gone = client.delete(f"/api/v1/expectations/{answer.json()['id']}/")
    assert gone.status_code == 204
    assert [one["value"] for one in client.get("/api/v1/alarms/").json()["results"]] == [900.0]


def test_a_series_is_watched_by_itself_once_it_has_readings_enough(client: Client) -> None:
    from crmquality.services import judging, series

    made = make()
    assert series.watch_new() == 0
    values = noise(90)
    values[80] = 500.0
    send(client, [day(place, float(value)) for place, value in enumerate(values)])
    assert series.watch_new() == 1
    judging.judge_waiting()
    assert client.get(f"/api/v1/series/{made.pk}/").json()["rule"]["method"] == "novelty"
    outlook = client.get(f"/api/v1/series/{made.pk}/outlook/").json()
    counts = [step["alarms"] for step in outlook]
    assert counts == sorted(counts, reverse=True)
    assert counts[0] > counts[-1] == 0
