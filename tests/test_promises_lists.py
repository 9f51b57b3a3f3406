"""Every list of the API comes in pages by cursor, and every bulk answers a result an item."""

from __future__ import annotations

import json
import uuid
from datetime import timedelta
from typing import Any

import yaml
from django.conf import settings
from django.db import IntegrityError, models, transaction
from django.test import Client
from django.urls import URLPattern, resolve
from rest_framework.pagination import CursorPagination

from crmquality.models import Job, QualityRule
from crmquality.services import validating
from tests.promises import (
    PROBLEM,
    actions,
    client,
    numbers,
    objects,
    people,
    quick_passwords,
    send,
)
from tests.test_access import ABSENT, address

__all__ = ["client", "numbers", "objects", "people", "quick_passwords"]
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
FEW = {"api-feed-list", "api-gate-list", "api-acceptance-rule-list", "api-undo-period-list"}
"""Lists of which a page is looked at, but that hold one row or none here: a row like another cannot be made of them."""
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
        wrong, few = [], set()
        for entry, _, _ in actions("get", detail=False):
            if not _is_paged(entry):
                continue
            before = transaction.savepoint()
            kind = entry.callback.cls
            model = kind.queryset.model if kind.queryset is not None else kind.serializer_class.Meta.model
            for _ in range(3):
                _another(model)
            whole = client.get(address(str(entry.name), 0), {"page_size": 500})
            rows = [_mark(row) for row in whole.json().get("results", [])]
            walked, where = [], f"{address(str(entry.name), 0)}?page_size={'2' if len(rows) > 2 else '1'}"
            while where:
                page = client.get(where).json()
                walked += [_mark(row) for row in page["results"]]
                where = page["next"]
                _another(model)
            if len(rows) < 2:
                few.add(entry.name)
            if walked != rows or len(set(walked)) != len(walked) or whole.status_code != 200:
                wrong.append(f"{entry.name}: {whole.status_code}, {len(rows)} there, {len(walked)} walked")
            transaction.savepoint_rollback(before)
        assert not wrong
        assert few == FEW

    def test_a_cursor_that_is_none_is_a_problem(self, client: Client) -> None:
        for entry, _, _ in actions("get", detail=False):
            if _is_paged(entry):
                answer = client.get(address(str(entry.name), 0), {"cursor": "nonsense"})
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


def _is_paged(entry: URLPattern) -> bool:
    kind = entry.callback.initkwargs.get("pagination_class", entry.callback.cls.pagination_class)
    return kind is not None and issubclass(kind, CursorPagination) and "list" in entry.callback.actions.values()


def _mark(row: dict[str, Any]) -> str:
    return json.dumps(row.get("id", row), sort_keys=True)


def _another(model: type[models.Model]) -> bool:
    """Store a row like one that is there; whether that is possible."""
    row = model._base_manager.order_by("pk").last()
    if row is None:
        return False
    if isinstance(row, QualityRule):  # it is nothing without its first version
        config = {"kind": "pattern", "name": str(uuid.uuid4()), "field": "Email", "pattern": ".*"}
        validating.make_rule(source=row.source, config=config, user=None)
        return True
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
