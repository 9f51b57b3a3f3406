"""The API of what people said: the queue, verdicts that count once, undo, policies."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.test import Client

from crmquality.models import ChangeSet, Record
from crmquality.services import correcting
from review.models import Decision, ReviewItem
from tests.scripted import claim, install, merge_claim, scan

API = "/api/v1"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def as_steward(steward: Any) -> Client:
    return logged_in(steward)


@pytest.fixture
def bob(source: Any) -> Record:
    return Record.objects.get(external_id="C3")


@pytest.fixture
def item(source: Any, bob: Record, monkeypatch: pytest.MonkeyPatch) -> ReviewItem:
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    return ReviewItem.objects.get()


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, path: str, body: Any = None, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(API + path, json.dumps(body or {}), "application/json", headers=headers)


class TestItems:
    def test_they_are_listed_by_filter(self, as_steward, item, bob):
        query = {"state": "open", "detector": "scripted", "record": bob.pk, "min_score": 0.5}
        assert [row["id"] for row in as_steward.get(f"{API}/items/", query).json()["results"]] == [item.pk]
        assert as_steward.get(f"{API}/items/", {"mine": "true"}).json()["results"] == []

    def test_an_item_shows_its_card_and_reading_reserves_nothing(self, as_steward, item, bob):
        seen = as_steward.get(f"{API}/items/{item.pk}/").json()
        assert seen["card"]["proposal"]["changes"] == {"City": "Boston"}
        assert seen["card"]["records"][0]["id"] == bob.pk
        assert seen["card"]["writes"] == ["City: “Bostn” becomes “Boston”"]
        assert seen["leased_by"] is None

    def test_a_merge_shows_all_its_records(self, as_steward, source, monkeypatch):
        ann, anne = Record.objects.filter(external_id__in=["C1", "C2"])
        install(monkeypatch, lambda batch: [merge_claim(ann, anne)])
        scan(source)
        card = as_steward.get(f"{API}/items/{ReviewItem.objects.get().pk}/").json()["card"]
        assert {one["id"] for one in card["records"]} == {ann.pk, anne.pk}

    def test_the_next_item_is_reserved_until_it_is_given_back(self, as_steward, admin, item):
        assert post(as_steward, "/items/next/").json()["leased_by"] == "steward"
        other = logged_in(admin)
        assert post(other, "/items/next/").status_code == 204
        assert post(other, f"/items/{item.pk}/claim/").status_code == 409
        assert post(as_steward, "/items/release/").status_code == 204
        assert post(other, f"/items/{item.pk}/claim/").json()["leased_by"] == "boss"

    def test_a_skipped_item_goes_behind_the_others(self, as_steward, item):
        assert post(as_steward, f"/items/{item.pk}/skip/").status_code == 204
        item.refresh_from_db()
        assert (item.skips, item.state) == (1, "open")


class TestDecisions:
    def test_accepting_writes_and_is_listed(self, as_steward, item, bob):
        made = post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept", "seconds": 1.5})
        bob.refresh_from_db()
        assert (made.status_code, bob.fields["City"]) == (201, "Boston")
        listed = as_steward.get(f"{API}/decisions/", {"item": item.pk, "automatic": "false"}).json()["results"]
        assert listed == [as_steward.get(f"{API}/decisions/{made.json()['id']}/").json()] == [made.json()]

    def test_the_same_key_and_verdict_gives_the_stored_answer(self, as_steward, item):
        given = {"item": item.pk, "verdict": "edit", "changes": {"City": "Brighton"}}
        first, second = (post(as_steward, "/decisions/", given, key="k1") for _ in range(2))
        assert (first.status_code, second.status_code) == (201, 201)
        assert first.json() == second.json()
        assert ChangeSet.objects.count() == 1

    @pytest.mark.parametrize("other", [{"verdict": "reject"}, {"changes": {"City": "Rome"}}, {"reason": "why"}])
    def test_the_same_key_for_another_request_is_422(self, as_steward, item, other):
        given = {"item": item.pk, "verdict": "edit", "changes": {"City": "Brighton"}}
        post(as_steward, "/decisions/", given, key="k1")
        answer = post(as_steward, "/decisions/", given | other, key="k1")
        assert (answer.status_code, Decision.objects.count()) == (422, 1)

    def test_a_key_that_is_too_long_is_422(self, as_steward, item):
        assert post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept"}, key="k" * 81).status_code == 422

    def test_a_decided_item_is_a_conflict(self, as_steward, item):
        given = {"item": item.pk, "verdict": "reject"}
        assert [post(as_steward, "/decisions/", given).status_code for _ in range(2)] == [201, 409]

    def test_a_stale_item_is_a_conflict_and_is_closed(self, as_steward, item, bob):
        correcting.set_fields(record_id=bob.pk, changes={"City": "Austin"}, cause="test")
        assert post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept"}).status_code == 409
        item.refresh_from_db()
        assert item.state == "stale"

    def test_a_bulk_says_of_each_what_became_of_it(self, as_steward, item):
        given = [
            {"item": item.pk, "verdict": "accept", "key": "k1"},
            {"item": item.pk, "verdict": "accept", "key": "k1"},
            {"item": item.pk, "verdict": "reject"},
            {"item": 999_999, "verdict": "reject"},
        ]
        answer = post(as_steward, "/decisions/bulk/", {"decisions": given})
        assert answer.status_code == 207
        assert [one["status"] for one in answer.json()["results"]] == [201, 200, 409, 404]

    def test_undo_restores_the_value_and_opens_the_item(self, as_steward, item, bob):
        made = post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept"}).json()
        undone = post(as_steward, f"/decisions/{made['id']}/undo/").json()
        bob.refresh_from_db()
        assert (undone["restored"], undone["kept"], bob.fields["City"]) == (1, [], "Bostn")
        assert post(as_steward, f"/decisions/{made['id']}/undo/").status_code == 409

    def test_undo_says_which_values_were_edited_since(self, as_steward, item, bob):
        made = post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept"}).json()
        correcting.set_fields(record_id=bob.pk, changes={"City": "Austin"}, cause="later")
        undone = post(as_steward, f"/decisions/{made['id']}/undo/").json()
        assert undone["kept"] == [{"record": bob.pk, "field": "City", "value": "Austin"}]


class TestChangeSets:
    def test_an_edit_is_listed_and_undone(self, as_steward, bob):
        made = correcting.set_fields(record_id=bob.pk, changes={"City": "Boston"}, cause="test")
        listed = as_steward.get(f"{API}/change-sets/", {"record": bob.pk, "automatic": "true"}).json()["results"]
        assert [(one["id"], one["changes"][0]["after"]) for one in listed] == [(made.pk, "Boston")]
        undone = post(as_steward, f"/change-sets/{made.pk}/undo/").json()
        assert as_steward.get(f"{API}/change-sets/{made.pk}/").json()["undone_by"] == undone["change_set"]

    def test_that_of_a_decision_is_undone_with_it(self, as_steward, item):
        made = post(as_steward, "/decisions/", {"item": item.pk, "verdict": "accept"}).json()
        assert post(as_steward, f"/change-sets/{made['change_set']}/undo/").json()["restored"] == 1
        item.refresh_from_db()
        assert item.state == "open"


class TestPolicies:
    def test_an_admin_sets_new_bounds_and_the_old_ones_stay(self, admin, item):
        client = logged_in(admin)
        given = {"source": item.source_id, "detector": "scripted", "review_at": 0.6, "accept_at": 0.9}
        made = post(client, "/policies/", given)
        assert (made.status_code, made.json()["number"], made.json()["by"]) == (201, 2, "boss")
        listed = client.get(f"{API}/policies/", {"detector": "scripted"}).json()["results"]
        assert [one["number"] for one in listed] == [2, 1]
        assert client.get(f"{API}/policies/{made.json()['id']}/").json() == made.json()

    @pytest.mark.parametrize("bounds", [{"review_at": 0.9, "accept_at": 0.6}, {"review_at": 2}, {"detector": "none"}])
    def test_bounds_that_make_no_sense_are_refused(self, admin, item, bounds):
        given = {"source": item.source_id, "detector": "scripted", "review_at": 0.5} | bounds
        assert post(logged_in(admin), "/policies/", given).status_code == 400
