"""Every route of the API keeps what all promise: an ETag and If-Match, keys that count once, pages, problems.

The routes come from the resolver, so a new one is held to this too. What takes no part is listed, with the reason.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Iterator
from datetime import timedelta
from typing import Any
from urllib.parse import urlencode

import pytest
import yaml
from django.conf import settings
from django.core.files.uploadedfile import SimpleUploadedFile
from django.db import IntegrityError, models, transaction
from django.test import Client
from django.urls import URLPattern, resolve
from rest_framework.pagination import CursorPagination
from rest_framework.response import Response

from crmquality.api import promises
from crmquality.models import Job, KeptAnswer, Source
from crmquality.services import correcting
from tests.test_access import (  # noqa: F401 - fixtures
    ABSENT,
    ADMIN,
    ROUTES,
    STEWARD,
    address,
    objects,
    patterns,
    people,
    quick_passwords,
    state,
)

PROBLEM = "application/problem+json"
FILES = {
    "api-source-export": "A file that is written while it is sent.",
    "api-source-changes": "A file that is written while it is sent.",
    "api-export-file": "A file that never changes once it is there.",
}
"""Reads of one thing without an ETag."""
WHOLE = {
    "api-connection-connectors": "The kinds of systems that are installed.",
    "api-enrichment-adapters": "The kinds of look-ups that are installed.",
    "api-metric-latest": "One value a metric.",
    "api-rule-suggestions": "What one profile suggests, at most a few hundred.",
    "api-survivorship-columns": "The columns of one source.",
    "api-budget-list": "The people who decide.",
    "api-person-list": "The people who decide.",
    "api-person-me": "One person.",
    "api-person-checks": "Two shares.",
    "api-own-record-list": "The worst 240 of one's own, in an order that changes as they are mended: pages by number.",
}
"""Reads of many things that come whole."""
WHOLE_OF_ONE = {
    "api-alarm-notes": "What people said of one alarm.",
    "api-item-comments": "What people said of one claim.",
    "api-series-rules": "The versions of one series' rule.",
    "api-series-outlook": "A few thresholds.",
    "api-series-expectations": "The periods of one series.",
    "api-rule-versions": "The versions of one rule.",
    "api-rule-failing": "What one check found, which does not grow: pages by place.",
    "api-lot-sample": "A sample that was drawn, of a size that is fixed.",
    "api-source-rules-learned": "The rules of one source's detectors.",
}
"""Lists inside of one thing that come whole."""
NEEDED: dict[str, dict[str, Any]] = {}
"""What a list has to be asked with: route -> query, from the ids."""
BULK = {"api-decision-bulk", "api-alarm-answer-many", "api-observation-list"}
ARRAYS = {
    "api-access-policy-list": "One policy: its kinds, columns and roles.",
    "api-bake-off-list": "One job on several series.",
    "api-batch-list": "One job, each of whose members has its outcome at batches/{id}/members/.",
    "api-change-set-undo": "One undo, all or nothing, with a choice a value.",
    "api-cut-offs-list": "One version of bands.",
    "api-decision-list": "One decision: the members of a merge.",
    "api-destination-list": "One destination: the events it is told.",
    "api-enrichment-list": "One look-up: the columns it fills.",
    "api-item-merge": "One merge, shown.",
    "api-prediction-list": "One prediction: the values it learns from.",
    "api-survivorship-list": "One version of rules.",
    "api-undoing-list": "One job; each change set of it is undone by itself.",
}
"""POSTs that take an array and do one thing."""


def routes() -> list[URLPattern]:
    return [entry for entry in patterns() if str(entry.name).startswith("api-")]


def actions(method: str = "", *, detail: bool | None = None) -> Iterator[tuple[URLPattern, str, str]]:
    """(route, method, action) of each method that a route of a viewset has."""
    for entry in routes():
        for has, action in list(getattr(entry.callback, "actions", {}).items()):
            is_of_one = bool(getattr(entry.callback, "initkwargs", {}).get("detail"))
            if has != "head" and method.lower() in ("", has) and detail in (None, is_of_one):
                yield entry, has.upper(), action


@pytest.fixture
def numbers(objects: Any, people: Any) -> Any:  # noqa: F811
    """Route -> the id in its path."""
    from review.models import SavedView

    view = SavedView.objects.create(owner=people[ADMIN], name="mine", query={})
    return {str(entry.name): _number(str(entry.name), objects) for entry in routes()} | {"api-view-detail": view.pk}


def _number(name: str, made: Any) -> int:
    return made[ROUTES[name].about][0] if name in ROUTES else 0


@pytest.fixture
def client(people: Any) -> Client:  # noqa: F811
    return of(people[ADMIN])


def of(person: Any) -> Client:
    made = Client(raise_request_exception=False)
    made.force_login(person)
    return made


def send(client: Client, method: str, name: str, number: int, body: Any = None, **headers: str) -> Any:
    """The answer; an import's body is a form with a file."""
    named = {key.replace("_", "-"): value for key, value in headers.items()}
    if name == "api-import-list" and method == "POST":
        form = {"source": number, "file": SimpleUploadedFile("f.csv", json.dumps(body).encode())}
        return client.post(address(name, number), form, headers=named)
    return client.generic(method, address(name, number), json.dumps(body or {}), "application/json", headers=named)


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
        people: Any,  # noqa: F811
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
    import threading
    import time

    from django.db import connection

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


class TestLists:
    def test_every_list_comes_in_pages_by_cursor_or_is_listed_as_whole(self, client: Client, numbers: Any) -> None:
        wrong = []
        for entry, _, _ in actions("get", detail=False):
            if (entry.name in WHOLE) == _is_paged(entry):
                wrong.append(entry.name)
        assert not wrong
        assert set(WHOLE) <= {entry.name for entry, _, _ in actions("get", detail=False)}

    def test_every_list_inside_of_one_thing_does_too(self, client: Client, numbers: Any) -> None:
        whole, paged = set(), set()
        for entry, _, _ in actions("get", detail=True):
            answer = client.get(address(str(entry.name), numbers[entry.name]))
            if answer.headers["Content-Type"] != "application/json":
                continue
            found = answer.json()
            if isinstance(found, list) or "results" in found:
                (paged if isinstance(found, dict) and "previous" in found else whole).add(entry.name)
        assert whole == set(WHOLE_OF_ONE)
        assert paged == {"api-series-observations", "api-batch-members"}

    def test_walking_next_to_the_end_gives_each_row_once_also_while_rows_come_in(
        self, client: Client, numbers: Any
    ) -> None:
        wrong = []
        for entry, _, _ in actions("get", detail=False):
            if not _is_paged(entry):
                continue
            before = transaction.savepoint()
            rows = entry.callback.cls.queryset.model.objects if entry.callback.cls.queryset is not None else None
            model = rows.model if rows is not None else entry.callback.cls.serializer_class.Meta.model
            made = sum(_another(model) for _ in range(3))
            place = address(str(entry.name), 0)
            asked = {name: make(numbers) for name, make in NEEDED.get(str(entry.name), {}).items()}
            whole = client.get(place, asked | {"page_size": 500})
            assert whole.status_code == 200, f"{entry.name}: {whole.content!r}"
            ids = [_mark(row) for row in whole.json()["results"]]
            walked, where = [], f"{place}?{urlencode(asked | {'page_size': 2})}"
            while where:
                page = client.get(where).json()
                walked += [_mark(row) for row in page["results"]]
                where = page["next"]
                _another(model)
            if walked != ids or len(set(walked)) != len(walked) or made < 2:
                wrong.append(f"{entry.name}: {made} made, {len(ids)} there, {len(walked)} walked")
            transaction.savepoint_rollback(before)
        assert not wrong

    def test_a_cursor_that_is_none_is_a_problem(self, client: Client, numbers: Any) -> None:
        for entry, _, _ in actions("get", detail=False):
            if _is_paged(entry):
                asked = {name: make(numbers) for name, make in NEEDED.get(str(entry.name), {}).items()}
                answer = client.get(address(str(entry.name), 0), asked | {"cursor": "nonsense"})
                assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM), entry.name


class TestBulks:
    def test_every_post_that_takes_an_array_is_a_bulk_or_listed_as_one_thing(self) -> None:
        said = yaml.safe_load((settings.BASE_DIR / "docs" / "openapi.yaml").read_text())
        found = set()
        for path, operations in said["paths"].items():
            content = operations.get("post", {}).get("requestBody", {}).get("content", {})
            shape = content.get("application/json", {}).get("schema", {})
            shape = said["components"]["schemas"].get(shape.get("$ref", "").rpartition("/")[2], shape)
            if any(field.get("type") == "array" for field in shape.get("properties", {}).values()):
                found.add(resolve(path.replace("{id}", "1")).url_name)
        assert found == BULK | set(ARRAYS)

    def test_each_verdict_has_its_result_in_its_place(self, client: Client, numbers: Any) -> None:
        from review.models import ReviewItem

        items = list(ReviewItem.objects.filter(state="open").order_by("pk")[:2])
        good = [{"item": item.pk, "verdict": "reject"} for item in items]
        bad = [{"item": "x"}, None, {"item": ABSENT, "verdict": "accept"}]
        answer = send(client, "POST", "api-decision-bulk", 0, {"decisions": [good[0], *bad, good[1]]})
        assert answer.status_code == 207
        results = answer.json()["results"]
        assert [one["status"] for one in results] == [201, 400, 400, 404, 201]
        assert [one["item"] for one in results] == [items[0].pk, None, None, ABSENT, items[1].pk]

    def test_each_alarm_has_its_result_in_its_place(self, client: Client, numbers: Any) -> None:
        number = numbers["api-alarm-detail"]
        sent = {"alarms": ["x", ABSENT, number, number], "state": "acknowledged"}
        answer = send(client, "POST", "api-alarm-answer-many", 0, sent)
        assert answer.status_code == 207
        results = answer.json()["results"]
        assert [(one["alarm"], one["status"]) for one in results] == [
            (None, 400), (ABSENT, 404), (number, 200), (number, 200),
        ]  # fmt: skip
        assert answer.json()["answered"] == 1
        again = send(client, "POST", "api-alarm-answer-many", 0, sent).json()
        assert [one["status"] for one in again["results"]] == [400, 404, 409, 409]
        assert "already" in again["results"][2]["problem"]["detail"]

    def test_each_reading_has_its_result_in_its_place(self, client: Client, numbers: Any) -> None:
        from tests.crmquality.series_help import START

        made = send(client, "POST", "api-series-list", 0, {"name": "Sent", "key": "sent", "interval": 86_400})
        assert made.status_code == 201, made.content
        reading = {"series": "sent", "at": START.isoformat(), "value": 1.0}
        sent = {"observations": [{"series": "sent"}, reading, reading | {"series": "none"}, reading, 5]}
        answer = send(client, "POST", "api-observation-list", 0, sent)
        assert answer.json()["results"] == ["error", "replaced", "error", "new", "error"]
        assert [one["place"] for one in answer.json()["errors"]] == [0, 2, 4]


class TestProblems:
    def test_every_error_of_every_route_is_a_problem(self, client: Client, people: Any, numbers: Any) -> None:  # noqa: F811
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


def _is_paged(entry: URLPattern) -> bool:
    kind = entry.callback.initkwargs.get("pagination_class", entry.callback.cls.pagination_class)
    return kind is not None and issubclass(kind, CursorPagination) and "list" in entry.callback.actions.values()


def _mark(row: dict[str, Any]) -> str:
    return json.dumps(row.get("id", row), sort_keys=True)


def _second_admin(people: Any) -> Any:  # noqa: F811
    from django.contrib.auth.models import User

    second, _ = User.objects.get_or_create(username="second")
    second.groups.set(people[ADMIN].groups.all())
    return second


def _another(model: type[models.Model]) -> bool:
    """Store a row like one that is there; whether that is possible."""
    row = model._base_manager.order_by("pk").last()
    if row is None:
        return False
    single = {name for one in model._meta.constraints for name in getattr(one, "fields", ())}
    row.pk = None
    row._state.adding = True
    for field in model._meta.concrete_fields:
        if not field.primary_key and (field.unique or field.name in single):
            setattr(row, field.attname, _other(field, getattr(row, field.attname)))
    if isinstance(row, Job):
        row.state = "succeeded"
    try:
        with transaction.atomic():
            row.save()
    except IntegrityError:
        return False
    return True


def _other(field: Any, value: Any) -> Any:
    if isinstance(field, models.CharField) and not field.choices:
        return f"{uuid.uuid4()}"[: field.max_length]
    if isinstance(field, models.UUIDField):
        return uuid.uuid4()
    if isinstance(field, models.IntegerField) and not field.is_relation:
        return (value or 0) + uuid.uuid4().int % 10_000 + 1
    if isinstance(field, models.DateTimeField):
        return value + timedelta(seconds=uuid.uuid4().int % 10_000 + 1)
    return value
