"""Every route of the API keeps what all promise: an ETag and If-Match, keys that count once, problems.

The routes come from the resolver, so a new one is held to this too. What takes no part is listed, with the reason.
"""

from __future__ import annotations

import json
import threading
import time
import uuid
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, transaction
from django.test import Client
from django.urls import URLPattern
from rest_framework.response import Response

from crmquality.api import promises
from crmquality.models import KeptAnswer, Source
from crmquality.services import correcting
from tests.promises import (
    PROBLEM,
    actions,
    client,
    numbers,
    objects,
    of,
    people,
    quick_passwords,
    routes,
    send,
)
from tests.test_access import ABSENT, ADMIN, address, state

__all__ = ["client", "numbers", "objects", "people", "quick_passwords"]
FILES = {
    "api-source-export": "A file that is written while it is sent.",
    "api-source-changes": "A file that is written while it is sent.",
    "api-export-file": "A file that never changes once it is there.",
}
"""Reads of one thing without an ETag."""


class TestEtags:
    def test_whatever_is_read_alone_brings_one_that_stays_while_nothing_changes(
        self, client: Client, numbers: Any
    ) -> None:
        wrong = []
        for entry, _, _ in actions("get", detail=True):
            place = address(str(entry.name), numbers[entry.name])
            answers = [client.get(place) for _ in range(2)]
            tags = {answer.headers.get("ETag") for answer in answers}
            if entry.name in FILES:
                fits = tags == {None}
            else:
                fits = answers[0].status_code == 200 and len(tags) == 1 and None not in tags
            if not fits:
                wrong.append(f"{entry.name}: {answers[0].status_code} {tags}")
        assert not wrong

    def test_a_write_to_what_changed_meanwhile_is_412_and_does_nothing(self, client: Client, numbers: Any) -> None:
        before, wrong = state(), []
        for entry, method, _ in actions(detail=True):
            if method != "GET":
                answer = send(client, method, str(entry.name), numbers[entry.name], If_Match='"stale"')
                if (answer.status_code, answer["Content-Type"]) != (412, PROBLEM):
                    wrong.append(f"{method} {entry.name}: {answer.status_code} {answer.content[:200]!r}")
        assert not wrong
        assert state() == before

    def test_a_write_to_what_was_just_read_is_not(self, client: Client, numbers: Any) -> None:
        wrong = []
        readable = {address(str(entry.name), 1) for entry, _, action in actions(detail=True) if action == "retrieve"}
        for entry, method, _ in actions(detail=True):
            place = address(str(entry.name), numbers[entry.name])
            whole = "/".join(place.split("/")[:5]) + "/"
            whole = whole.replace("own-records", "records")
            if method != "GET":
                assert whole.replace(f"/{numbers[entry.name]}/", "/1/") in readable, entry.name
                seen = client.get(whole)["ETag"]
                before = transaction.savepoint()
                answer = send(client, method, str(entry.name), numbers[entry.name], If_Match=seen)
                transaction.savepoint_rollback(before)
                if answer.status_code in (412, 428) or answer.status_code >= 500:
                    wrong.append(f"{method} {entry.name}: {answer.status_code}")
        assert not wrong

    def test_records_are_written_to_by_nobody_who_did_not_read_them(self, client: Client, numbers: Any) -> None:
        for name, method in promises.NEED_IF_MATCH:
            answer = send(client, method, name, numbers[name])
            assert (answer.status_code, answer["Content-Type"]) == (428, PROBLEM), name

    def test_of_two_who_read_the_same_the_second_to_write_is_told(self, client: Client, numbers: Any) -> None:
        place = address("api-destination-detail", numbers["api-destination-detail"])
        seen = client.get(place)["ETag"]
        body = {"name": "ops", "kind": "webhook", "target": "https://example.com/new", "events": ["alarm.raised"]}
        first, second = (client.put(place, body, "application/json", headers={"If-Match": seen}) for _ in range(2))
        assert (first.status_code, second.status_code) == (200, 412)


class Counted:
    """A handler that does one thing a call."""

    def __init__(self) -> None:
        self.calls = 0

    def __call__(self, view: Any, request: Any, **_: Any) -> Response:
        self.calls += 1
        return Response({"call": self.calls}, status=201)


class TestKeys:
    def test_every_route_that_acts_does_once_what_comes_twice_under_one_key(
        self,
        client: Client,
        numbers: Any,
        people: Any,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        second, wrong = of(_second_admin(people)), []
        for entry, _, action in actions("post"):
            name, number, done = str(entry.name), numbers[entry.name], Counted()
            headers = {"Idempotency_Key": name}
            if (name, "POST") in promises.NEED_IF_MATCH:
                headers["If_Match"] = "*"
            with monkeypatch.context() as patched:
                patched.setattr(entry.callback.cls, action, lambda view, request, done=done, **kw: done(view, request))
                first, again = (send(client, "POST", name, number, {"a": 1}, **headers) for _ in range(2))
                other = send(client, "POST", name, number, {"a": 2}, **headers)
                calls = done.calls
                send(second, "POST", name, number, {"a": 1}, **headers)
            if name in promises.WITHOUT_KEY:
                fits = calls == 3
            else:
                same = (first.status_code, first.content) == (again.status_code, again.content)
                refused = (other.status_code, other["Content-Type"]) == (422, PROBLEM)
                fits = calls == 1 and same and refused and done.calls == 2 and "Idempotency-Replayed" in again
            if not fits:
                wrong.append(f"{name}: {calls} {first.status_code} {again.status_code} {other.status_code}")
        assert not wrong

    def test_the_routes_without_keys_are_just_those_that_are_listed(self) -> None:
        posts = {str(entry.name) for entry, _, _ in actions("post")}
        views = {str(entry.name) for entry in routes() if hasattr(getattr(entry.callback, "cls", None), "post")}
        assert views - posts == {"api-token", "api-hook"}
        assert views - posts <= set(promises.WITHOUT_KEY) <= posts | views

    def test_a_source_is_made_once_and_an_import_is_queued_once(self, client: Client, source: Any) -> None:
        from crmquality.models import Import

        made = [send(client, "POST", "api-source-list", 0, {"name": "new"}, Idempotency_Key="k") for _ in range(2)]
        assert [one.status_code for one in made] == [201, 201]
        assert made[0].json() == made[1].json()
        queued = [send(client, "POST", "api-import-list", source.pk, "a,b", Idempotency_Key="f") for _ in range(2)]
        assert queued[0].json() == queued[1].json()
        assert Import.objects.count() == 1
        other = send(client, "POST", "api-import-list", source.pk, "a,c", Idempotency_Key="f")
        assert other.status_code == 422

    def test_what_failed_is_not_kept_and_may_be_sent_again(self, client: Client, source: Any) -> None:
        refused = send(client, "POST", "api-source-list", 0, {"name": "contacts"}, Idempotency_Key="k")
        assert refused.status_code == 409
        Source.objects.filter(name="contacts").update(name="renamed")
        again = send(client, "POST", "api-source-list", 0, {"name": "contacts"}, Idempotency_Key="k")
        assert again.status_code == 201

    def test_a_failure_that_nobody_foresaw_leaves_nothing_behind(
        self, client: Client, source: Any, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        from crmquality.api.sources import SourceEndpoint

        def half(view: Any, request: Any) -> Response:
            Source.objects.create(name="half")
            raise RuntimeError("gone")

        monkeypatch.setattr(SourceEndpoint, "create", half)
        answer = send(client, "POST", "api-source-list", 0, {}, Idempotency_Key="k")
        assert answer.status_code == 500
        assert not Source.objects.filter(name="half").exists()
        assert not KeptAnswer.objects.exists()

    def test_an_error_that_says_what_it_did_has_done_it(self, client: Client, numbers: Any) -> None:
        from review.models import ReviewItem

        item = ReviewItem.objects.filter(state="open").first()
        correcting.set_fields(record_id=item.finding.subjects[0], changes={"City": "Austin"}, cause="test")
        sent = {"item": item.pk, "verdict": "accept"}
        answer = send(client, "POST", "api-decision-list", 0, sent, Idempotency_Key="k")
        item.refresh_from_db()
        assert (answer.status_code, item.state) == (409, "stale")

    def test_answers_are_forgotten_after_a_day(self, client: Client, source: Any) -> None:
        from crmquality.services import answers

        send(client, "POST", "api-source-list", 0, {"name": "new"}, Idempotency_Key="k")
        answers.sweep()
        assert KeptAnswer.objects.exists()
        KeptAnswer.objects.update(at=KeptAnswer.objects.get().at - timedelta(days=1))
        answers.sweep()
        assert not KeptAnswer.objects.exists()


@pytest.mark.django_db(transaction=True)
def test_of_two_at_once_under_one_key_one_waits_for_the_other(
    admin: Any, source: Any, monkeypatch: pytest.MonkeyPatch
) -> None:

    from crmquality.api.sources import SourceEndpoint

    done, honest = [], SourceEndpoint.create

    def slow(view: Any, request: Any) -> Response:
        done.append(1)
        time.sleep(0.5)
        return honest(view, request)

    monkeypatch.setattr(SourceEndpoint, "create", slow)
    answers = []

    def ask() -> None:
        answers.append(send(of(admin), "POST", "api-source-list", 0, {"name": "new"}, Idempotency_Key="k"))
        connection.close()

    threads = [threading.Thread(target=ask) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(done) == 1
    assert {(answer.status_code, answer.content) for answer in answers} == {(201, answers[0].content)}


class TestProblems:
    def test_every_error_of_every_route_is_a_problem(self, client: Client, people: Any, numbers: Any) -> None:
        nobody, auditor = Client(raise_request_exception=False), of(people["auditor"])
        wrong, codes = [], set()
        for entry in routes():
            name = str(entry.name)
            place, has = _place(name, numbers), _methods(entry)
            lacks = next(method for method in ("PATCH", "PUT", "DELETE") if method not in has)
            asked = [(who, method, "{}", "application/json") for who in (nobody, auditor) for method in (*has, lacks)]
            for method in has - {"GET", "DELETE"}:
                asked += [(client, method, "{", "application/json"), (client, method, "<a/>", "application/xml")]
            for who, method, body, kind in asked:
                before = transaction.savepoint()
                answer = who.generic(method, place, body, kind, headers={"If-Match": "*"})
                transaction.savepoint_rollback(before)
                codes.add(answer.status_code)
                if answer.status_code >= 400 and not _is_problem(answer):
                    wrong.append(f"{method} {name}: {answer.status_code} {answer.headers.get('Content-Type')}")
        assert not wrong
        assert {400, 401, 403, 405, 415} <= codes
        assert not [code for code in codes if code >= 500]

    def test_what_is_not_there_is_a_problem_too(self, client: Client, numbers: Any) -> None:
        for entry, method, _ in actions(detail=True):
            answer = send(client, method, str(entry.name), ABSENT, If_Match="*")
            assert answer.status_code == 404, f"{method} {entry.name}"
            assert _is_problem(answer)
        assert _is_problem(client.get("/api/v1/nothing/"))


def _place(name: str, numbers: Any) -> str:
    if name == "api-hook":
        return f"/api/v1/hooks/{uuid.UUID(int=1)}/"
    return address(name, numbers[name])


def _methods(entry: URLPattern) -> set[str]:
    if actions := getattr(entry.callback, "actions", None):
        return {method.upper() for method in actions} - {"HEAD"}
    kind = getattr(entry.callback, "cls", None)
    return {method for method in ("GET", "POST", "DELETE") if hasattr(kind, method.lower())}


def _is_problem(answer: Any) -> bool:
    if answer.headers.get("Content-Type") != PROBLEM:
        return False
    try:
        said = json.loads(answer.content)
    except ValueError:
        return False
    return {"type", "title", "status", "detail"} <= set(said) and said["status"] == answer.status_code


def _second_admin(people: Any) -> Any:
    from django.contrib.auth.models import User

    second, _ = User.objects.get_or_create(username="second")
    second.groups.set(people[ADMIN].groups.all())
    return second
