"""Bake-offs as jobs: on series and on rows, by page and by API, and what they say."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.test import Client
from django.urls import reverse

from tests.crmquality.series_help import HOUR, feed, make

pytestmark = pytest.mark.django_db(transaction=True)  # a lease is renewed from a connection of its own


@pytest.fixture
def boss(admin: Any) -> Client:
    client = Client()
    client.force_login(admin)
    return client


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Two methods and the control: what a bake-off does with them is asked here, not which wins."""
    from detectors.anomalies import series_bakeoff

    every = series_bakeoff.methods(networks=False)
    few = {name: every[name] for name in ("moving average", "level shift", "metronome (control)")}
    monkeypatch.setattr(series_bakeoff, "methods", lambda *, networks: few)


def calls() -> Any:
    made = make("calls", interval=HOUR)
    hours = np.arange(400)
    feed(made, 50 + 20 * np.sin(hours / 24 * 2 * np.pi) + np.random.default_rng(3).normal(0, 2, 400))
    return made


def run(job: Any) -> Any:
    from crmquality.services import comparing

    comparing.execute_bake_off(job.pk)
    job.refresh_from_db()
    return job


@pytest.mark.usefixtures("quick")
def test_a_bake_off_on_series_ranks_the_methods_and_says_who_wins(boss: Client) -> None:
    from crmquality.models import BakeOff

    series = calls()
    answer = boss.post(reverse("bake-offs"), {"series": series.pk, "seeds": "2"}, follow=True).content.decode()
    assert "Bake-off on Calls" in answer
    job = run(BakeOff.objects.get())
    assert job.state == "succeeded"
    (part,) = job.result["parts"]
    assert part["about"] == "2 copies of Calls with planted anomalies"
    scores = [one["score"] for one in part["standings"]]
    assert scores == sorted(scores, reverse=True)
    assert {one["name"] for one in part["standings"]} == {"moving average", "level shift", "metronome (control)"}
    assert all(one["low"] <= one["high"] and one["us_per_row"] >= 0 for one in part["standings"])
    assert part["standings"][0]["name"] in part["verdict"]
    page = boss.get(reverse("bake-off", args=[job.pk])).content.decode()
    assert part["verdict"] in page.replace("&#x27;", "'")
    assert "The metronome alarms at even distances" in page


@pytest.mark.usefixtures("quick")
def test_confirmed_alarms_make_a_second_part_that_says_whom_they_favour() -> None:
    from crmquality.models import Alarm, AlarmRule
    from crmquality.services import comparing, series

    made = calls()
    series.set_rule(series=made, method="moving average", k=4.0)
    rule = AlarmRule.objects.get()
    for at in list(made.observations.order_by("at").values_list("at", flat=True))[150:400:60]:
        Alarm.objects.create(
            series=made, rule=rule, at=at, last_at=at + 3 * HOUR, value=1.0, score=9.0, state=Alarm.State.CLOSED
        )
    job = run(comparing.request_bake_off(series=[made], seeds=1))
    assert [part["about"] for part in job.result["parts"]] == [
        "1 copy of Calls with planted anomalies", "Calls with the alarms people confirmed",
    ]  # fmt: skip
    assert "favours its method" in job.result["note"]


def test_a_bake_off_on_rows_compares_members_on_planted_anomalies(boss: Client, make_source: Any) -> None:
    from crmquality.models import BakeOff, Kind
    from detectors.roles import Role

    rng = np.random.default_rng(4)
    roles = {"Id": Role.ID, "Amount": Role.AMOUNT, "Created": Role.CREATED_AT, "Stage": Role.STAGE}
    rows = [
        [f"D{row}", f"{rng.lognormal(8, 0.4):.2f}", f"2026-03-{row % 28 + 1:02}", "won" if row % 2 else "lost"]
        for row in range(300)
    ]
    deals = make_source("deals", roles, rows, kind=Kind.OPPORTUNITIES)
    answer = boss.post(
        "/api/v1/bake-offs/", {"source": deals.pk, "seeds": 1, "networks": False}, content_type="application/json"
    )
    assert answer.status_code == 202, answer.content
    job = run(BakeOff.objects.get(pk=answer.json()["id"]))
    assert job.state == "succeeded", job.error
    (part,) = job.result["parts"]
    names = [one["name"] for one in part["standings"]]
    assert "isolation forest" in names
    assert all(0 <= one["score"] <= 100 for one in part["standings"])
    assert "People confirmed 0 and dismissed 0 records" in job.result["note"]
    shown = boss.get(f"/api/v1/bake-offs/{job.pk}/").json()
    assert shown["result"] == job.result
    assert names[0] in boss.get(reverse("bake-offs")).content.decode()


@pytest.mark.parametrize(
    ("given", "words"),
    [
        ({}, "Choose some series, or a source"),
        ({"seeds": "11"}, "Between 1 and 10 copies"),
        ({"seeds": ""}, "Between 1 and 10 copies"),
    ],
)
def test_what_cannot_be_compared_is_refused_in_words(boss: Client, given: Any, words: str) -> None:
    from crmquality.models import BakeOff

    chosen = {"series": calls().pk} if given else {}
    page = boss.post(reverse("bake-offs"), chosen | {"seeds": "1"} | given, follow=True).content.decode()
    assert words in page
    assert not BakeOff.objects.exists()


@pytest.mark.usefixtures("quick")
def test_a_series_that_is_too_short_ends_the_job_with_the_reason(boss: Client) -> None:
    from crmquality.services import comparing

    short = make("short", interval=HOUR)
    feed(short, np.arange(50.0))
    job = run(comparing.request_bake_off(series=[short], seeds=1))
    assert job.state == "failed"
    assert "200 readings" in job.error
    assert "200 readings" in boss.get(reverse("bake-off", args=[job.pk])).content.decode()


def test_a_page_without_a_bake_off_says_what_is_missing(boss: Client) -> None:
    page = boss.get(reverse("bake-offs")).content.decode()
    assert "No series has 200 readings yet." in page
    assert "Import a file first." in page
    assert "None yet." in page
