"""The evaluation of duplicates: what decisions say, by segment and bound, and the sample from below the bound."""

from __future__ import annotations

from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import Record
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.selectors import evaluation as selecting
from review.services import deciding, policies, sampling_below
from tests.scripted import install, merge_claim, scan

Verdict = Decision.Verdict
COLUMNS = {"Id": Role.ID, "Name": Role.NAME, "Land": Role.COUNTRY}


@pytest.fixture(autouse=True)
def scripted(settings: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    monkeypatch.setattr(selecting, "DETECTOR", "scripted")


@pytest.fixture
def source(make_source):
    return make_source(columns=COLUMNS, rows=[[f"C{n}", f"P {n}", "NL" if n % 2 else "PL"] for n in range(200)])


@pytest.fixture
def found(source, monkeypatch):
    """40 pairs at .9 and 40 at .2; two clusters of three at .8."""
    records = list(Record.objects.order_by("id"))

    def script(batch):
        for n in range(40):
            yield merge_claim(records[2 * n], records[2 * n + 1], score=0.9)
            yield merge_claim(records[80 + 2 * n], records[81 + 2 * n], score=0.2)
        for n in (160, 163):
            yield merge_claim(*records[n : n + 3], score=0.8)

    install(monkeypatch, script)
    scan(source)
    return records


def answer(user, count, verdict, **which):
    for item in ReviewItem.objects.open().filter(**which).order_by("id")[:count]:
        deciding.decide(item=item, verdict=verdict, user=user, seconds=1.0)


def test_before_any_decision_nothing_is_claimed_to_be_known(source, found):
    one = selecting.evaluation(source, detector="scripted")
    assert one.whole.precision.share is None
    assert one.whole.f1 is None
    assert one.below == 40


def test_precision_and_false_match_rate_come_from_decisions(source, found, steward):
    answer(steward, 9, Verdict.ACCEPT, score=0.9)
    answer(steward, 1, Verdict.REJECT, score=0.9)
    whole = selecting.evaluation(source, detector="scripted").whole
    assert whole.precision.share == pytest.approx(0.9)
    assert whole.wrong.share == pytest.approx(0.1)
    assert whole.wrong.low == pytest.approx(1 - whole.precision.high)


def test_a_sample_from_below_feeds_recall_and_narrows_it(source, found, steward):
    answer(steward, 20, Verdict.ACCEPT, score=0.9)
    before = selecting.evaluation(source, detector="scripted").whole.recall
    assert sampling_below.ask_below(source=source, detector="scripted", count=20) == 20
    answer(steward, 5, Verdict.ACCEPT, sampled=True)
    answer(steward, 15, Verdict.REJECT, sampled=True)
    one = selecting.evaluation(source, detector="scripted")
    assert (one.decided_below, one.found_below, one.waiting) == (20, 5, 0)
    assert one.whole.recall.share == pytest.approx(42 / (42 + 10), abs=0.01)
    assert one.whole.recall.high - one.whole.recall.low < before.high - before.low
    assert one.whole.f1 == pytest.approx(2 * 42 / 52 / (1 + 42 / 52), abs=0.02)


def test_sampled_pairs_stay_in_the_queue_at_the_next_run_and_are_asked_once(source, found, steward):
    assert sampling_below.ask_below(source=source, detector="scripted", count=30) == 30
    scan(source)
    assert ReviewItem.objects.open().filter(sampled=True).count() == 30
    answer(steward, 30, Verdict.REJECT, sampled=True)
    assert sampling_below.ask_below(source=source, detector="scripted", count=30) == 10
    assert sampling_below.ask_below(source=source, detector="scripted", count=30) == 0


def test_the_sample_takes_as_many_of_every_band_of_scores(source, monkeypatch, steward):
    records = list(Record.objects.order_by("id"))

    def script(batch):
        for n in range(90):
            score = 0.1 if n < 80 else 0.45
            yield merge_claim(records[2 * n], records[2 * n + 1], score=score)

    install(monkeypatch, script)
    scan(source)
    sampling_below.ask_below(source=source, detector="scripted", count=20)
    assert ReviewItem.objects.filter(sampled=True, score=0.45).count() == 10


def test_a_bound_that_is_raised_keeps_what_was_sampled(source, found, admin):
    sampling_below.ask_below(source=source, detector="scripted", count=5)
    policies.set_policy(source=source, detector="scripted", review_at=0.85, accept_at=None, user=admin)
    assert ReviewItem.objects.open().filter(sampled=True).count() == 5
    assert not ReviewItem.objects.open().filter(score=0.8).exists()


def test_segments_are_size_and_country(source, found, steward):
    answer(steward, 10, Verdict.ACCEPT, score=0.9)
    ways = {way.name: way for way in selecting.evaluation(source, detector="scripted").segments}
    assert set(ways) == {"size of the cluster", "Land"}
    sizes = {part.label: part for part in ways["size of the cluster"].parts}
    assert sizes["2"].precision.share == 1.0
    assert sizes["3"].precision.claims == 2
    assert ways["Land"].picture is not None


def test_the_page_shows_it_and_a_steward_asks_from_it(source, found, steward, client: Client):
    client.force_login(steward)
    page = client.get(reverse("evaluation", args=[source.pk])).content.decode()
    assert "no decision yet" in page
    assert "Ask a sample from below the bound" in page
    client.post(reverse("evaluation-sample", args=[source.pk]), {"count": "7"})
    assert ReviewItem.objects.open().filter(sampled=True).count() == 7
    page = client.get(reverse("evaluation", args=[source.pk]), {"at": "0.1"}).content.decode()
    assert "7 of a sample wait" in page
    assert "A bound is a number" in client.get(reverse("evaluation", args=[source.pk]), {"at": "x"}).content.decode()
    assert source.name in client.get(reverse("evaluations")).content.decode()


@pytest.mark.parametrize("count", ["", "0", "501", "many"])
def test_a_silly_count_is_refused_in_a_sentence(source, found, steward, client: Client, count):
    client.force_login(steward)
    page = client.post(reverse("evaluation-sample", args=[source.pk]), {"count": count}, follow=True).content.decode()
    assert "as a whole number" in page or "can be asked at once" in page
    assert not ReviewItem.objects.filter(sampled=True).exists()


def test_an_auditor_reads_and_asks_nothing(source, found, make_user, client: Client):
    client.force_login(make_user("auditor"))
    page = client.get(reverse("evaluation", args=[source.pk])).content.decode()
    assert "Ask a sample" not in page
    assert client.post(reverse("evaluation-sample", args=[source.pk]), {"count": "7"}).status_code == 403


def test_the_api_gives_the_same_numbers(source, found, steward, client: Client):
    client.force_login(steward)
    answer(steward, 10, Verdict.ACCEPT, score=0.9)
    address = reverse("api-evaluation-detail", args=[source.pk])
    given = client.get(address, {"at": "0.85"}).json()
    assert given["at"] == 0.85
    assert given["whole"]["precision"]["share"] == 1.0
    assert {way["name"] for way in given["segments"]} == {"size of the cluster", "Land"}
    answered = client.post(f"{address}sample/", {"count": 3}, content_type="application/json")
    assert (answered.status_code, answered.json()) == (201, {"drawn": 3})
