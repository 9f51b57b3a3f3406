"""Where to cut: bounds, the gate before anything is accepted by itself, and what an admin sees first."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import Record
from review.models import Decision, Gate, PolicyVersion, ReviewItem
from review.services import deciding, figures, policies
from tests.scripted import claim, install, scan

Verdict = Decision.Verdict
FORM = {"detector": "scripted", "target": "95", "audit": "5"}


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def source(make_source):
    return make_source(rows=[[f"C{n}", f"P {n}", None, None, "Bostn", "02108", "sales"] for n in range(130)])


@pytest.fixture
def found(source, monkeypatch):
    """130 claims: the scores of half of them 0.99, of the others 0.6."""
    records = list(Record.objects.order_by("id"))
    install(
        monkeypatch, lambda batch: [claim(one, 0.99 if n % 2 else 0.6, City="Boston") for n, one in enumerate(records)]
    )
    scan(source)
    return records


def decide_strong(user, count, verdict=Verdict.ACCEPT):
    for item in ReviewItem.objects.open().filter(score__gt=0.9).order_by("id")[:count]:
        deciding.decide(item=item, verdict=verdict, user=user, seconds=2.0)


def set_bounds(source, admin, **bounds):
    given = {"review_at": 0.5, "accept_at": 0.9, "target": 0.9} | bounds
    return policies.set_policy(source=source, detector="scripted", user=admin, **given)


def automatic():
    return Decision.objects.filter(by=None).count()


def test_nothing_is_accepted_by_itself_before_decisions_prove_the_target(source, found, admin):
    set_bounds(source, admin)
    scan(source)
    assert automatic() == 0
    gate = Gate.objects.get()
    assert not gate.passes
    assert "No claim scored 0.9 or more" in gate.why


def test_once_proven_it_accepts_all_but_the_share_left_to_people(source, found, admin, steward):
    set_bounds(source, admin)
    decide_strong(steward, 45)
    policies.check_gates(source=source)
    assert Gate.objects.get().passes
    scan(source)
    left = ReviewItem.objects.open().filter(score__gt=0.9).count()
    assert automatic() == 65 - 45 - left
    assert automatic() >= 15
    assert not Decision.objects.filter(by=None, item__score__lt=0.9).exists()


def test_decisions_against_it_stop_it_and_it_says_so(source, found, admin, steward):
    set_bounds(source, admin)
    decide_strong(steward, 45)
    policies.check_gates(source=source)
    assert Gate.objects.get().passes
    decide_strong(steward, 5, Verdict.REJECT)
    figures.refresh_changed()
    gate = Gate.objects.get()
    assert not gate.passes
    assert "is below the target of 90 %" in gate.why
    scan(source)
    assert automatic() == 0


def test_an_undone_rejection_opens_it_again(source, found, admin, steward, django_capture_on_commit_callbacks):
    set_bounds(source, admin)
    decide_strong(steward, 45)
    decide_strong(steward, 5, Verdict.REJECT)
    figures.refresh_changed()
    assert not Gate.objects.get().passes
    for decision in Decision.objects.filter(verdict=Verdict.REJECT):
        with django_capture_on_commit_callbacks(execute=True):
            deciding.undo_decision(decision=decision, user=steward)
    figures.refresh_changed()
    assert Gate.objects.get().passes


def test_a_rule_below_the_target_stays_with_people_while_others_go_on(source, monkeypatch, admin, steward):
    from dataclasses import replace

    records = list(Record.objects.order_by("id"))
    script = [
        replace(claim(one, 0.99, City="Boston"), rule="bad" if n < 12 else "good") for n, one in enumerate(records)
    ]
    install(monkeypatch, lambda batch: script)
    scan(source)
    set_bounds(source, admin, target=0.85)
    bad = ReviewItem.objects.open().filter(finding__rule="bad")
    for item in list(bad[:5]):
        deciding.decide(item=item, verdict=Verdict.REJECT, user=steward)
    for item in ReviewItem.objects.open().filter(finding__rule="good")[:100]:
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    scan(source)
    assert Gate.objects.get().passes
    assert list(Gate.objects.get().stopped) == ["bad"]
    assert automatic() > 0
    assert bad.count() == 7


def test_new_bounds_move_the_queue_at_once_as_foretold(source, found, admin):
    from review.policy import Policy
    from review.selectors.thresholds import outlook

    effect = outlook(source, "scripted", Policy(0.7)).effect
    assert (effect.added, effect.dropped, effect.shown) == (0, 65, 65)
    set_bounds(source, admin, review_at=0.7, accept_at=None)
    assert ReviewItem.objects.open().count() == 65
    assert outlook(source, "scripted", Policy(0.5)).effect.added == 65
    set_bounds(source, admin, review_at=0.5, accept_at=None)
    assert ReviewItem.objects.open().count() == 130


def test_a_roll_back_is_a_new_version_with_the_old_bounds_and_who(source, found, admin):
    first = set_bounds(source, admin, review_at=0.7, accept_at=None)
    set_bounds(source, admin, review_at=0.4)
    back = policies.roll_back(version=first, user=admin)
    assert (back.number, back.review_at, back.accept_at, back.by) == (4, 0.7, None, admin)
    assert policies.policy_in_force(source, "scripted") == back
    assert PolicyVersion.objects.count() == 4


class TestPage:
    @pytest.fixture
    def client_of(self):
        def log_in(user):
            client = Client()
            client.force_login(user)
            return client

        return log_in

    def test_it_shows_the_effect_and_the_past_before_saving(self, client_of, source, found, admin, steward):
        decide_strong(steward, 10)
        decide_strong(steward, 2, Verdict.REJECT)
        query = {
            "detector": "scripted",
            "review_at": "0.7",
            "automatic": "1",
            "accept_at": "0.9",
            "target": "95",
            "audit": "5",
        }
        page = client_of(admin).get(reverse("threshold", args=[source.pk]), query, headers={"HX-Request": "true"})
        text = " ".join(page.content.decode().split())
        assert "this would add 0 items and drop 65" in text
        assert (
            "12 would have been accepted by themselves, of which people rejected or changed <strong>2</strong>" in text
        )
        assert PolicyVersion.objects.count() == 1

    def test_an_admin_saves_and_rolls_back(self, client_of, source, found, admin):
        client = client_of(admin)
        given = {"detector": "scripted", "review_at": "0.7", "target": "97.5", "audit": "10", "reason": "less noise"}
        client.post(reverse("threshold", args=[source.pk]), given)
        newest = PolicyVersion.objects.first()
        assert (newest.review_at, newest.accept_at, newest.target, newest.audit_share) == (0.7, None, 0.975, 0.1)
        assert "less noise" in client.get(reverse("threshold", args=[source.pk])).content.decode()
        client.post(reverse("roll-back", args=[PolicyVersion.objects.last().pk]))
        assert PolicyVersion.objects.first().review_at == 0.5

    def test_bounds_out_of_order_are_not_saved(self, client_of, source, found, admin):
        given = {
            "detector": "scripted",
            "review_at": "0.9",
            "automatic": "1",
            "accept_at": "0.5",
            "target": "95",
            "audit": "5",
        }
        client_of(admin).post(reverse("threshold", args=[source.pk]), given)
        assert PolicyVersion.objects.count() == 1


def test_the_api_previews_rolls_back_and_lists_gates(source, found, admin, steward):
    client = Client()
    client.force_login(admin)

    def post(path: str, body: Any) -> Any:
        return client.post(f"/api/v1{path}", json.dumps(body), "application/json")

    bounds = {"source": source.pk, "detector": "scripted", "review_at": 0.7, "accept_at": 0.9, "target": 0.9}
    seen = post("/policies/preview/", bounds).json()
    assert (seen["effect"]["dropped"], seen["verdict"]["passes"], seen["accepted"]["share"]) == (65, False, None)
    made = post("/policies/", bounds).json()
    assert made["target"] == 0.9
    assert client.get("/api/v1/gates/", {"detector": "scripted"}).json()["results"][0]["passes"] is False
    first = PolicyVersion.objects.last()
    assert post(f"/policies/{first.pk}/roll-back/", {}).json()["review_at"] == first.review_at
