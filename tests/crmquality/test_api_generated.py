"""Generated requests against every operation that the API describes: none makes the server fail."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import schemathesis
import yaml
from django.core.handlers.wsgi import WSGIHandler
from django.core.signals import request_finished, request_started
from django.db import close_old_connections, transaction
from hypothesis import HealthCheck, Phase, given, settings
from schemathesis.checks import not_a_server_error

from crmquality.api.authentication import issue
from crmquality.models import Finding, Record, Run, Source
from review.models import ReviewItem
from tests.scripted import claim, install, scan

EXAMPLES = int(os.environ.get("CRMQUALITY_API_EXAMPLES", "3"))
"""Requests an operation. More find more, rarely: what a hundred found is a test of its own by now."""

APP = WSGIHandler()


def described() -> Any:
    """What the API says of itself, without the ways to sign in: the test does, and generated logins say nothing."""
    whole = yaml.safe_load((Path(__file__).parent.parent.parent / "docs" / "openapi.yaml").read_text())
    whole["components"].pop("securitySchemes")
    for path in whole["paths"].values():
        for operation in path.values():
            operation.pop("security", None)
    return schemathesis.openapi.from_dict(whole)


def by_kind() -> dict[str, list[Any]]:
    """The operations, by the first part of their path."""
    found: dict[str, list[Any]] = {}
    for one in described().get_all_operations():
        operation = one.ok()
        found.setdefault(operation.path.removeprefix("/api/v1/").split("/")[0], []).append(operation)
    return found


OPERATIONS = by_kind()


@pytest.fixture
def objects(source: Source, monkeypatch: pytest.MonkeyPatch) -> dict[str, int]:
    """Ids that are there, by the first part of a path."""
    bob = Record.objects.get(external_id="C3")
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    return {
        "sources": source.pk,
        "records": bob.pk,
        "findings": Finding.objects.get().pk,
        "items": ReviewItem.objects.get().pk,
        "runs": Run.objects.get().pk,
    }


@pytest.fixture(autouse=True)
def one_connection() -> Iterator[None]:
    """Requests are made inside the test's transaction: its connection stays, as with Django's client."""
    for signal in (request_started, request_finished):
        signal.disconnect(close_old_connections)
    yield
    for signal in (request_started, request_finished):
        signal.connect(close_old_connections)


@pytest.mark.slow
@pytest.mark.parametrize("kind", sorted(OPERATIONS))
def test_no_request_makes_the_server_fail(kind: str, objects: dict[str, int], admin: Any) -> None:
    secret, _ = issue(admin)

    def ask(case: Any) -> None:
        if kind in objects and "id" in case.path_parameters and case.path_parameters["id"] % 4:
            case.path_parameters["id"] = objects[kind]  # three of four are of something that is there
        with transaction.atomic():
            case.call_and_validate(app=APP, checks=[not_a_server_error], headers={"Authorization": f"Token {secret}"})
            transaction.set_rollback(True)

    limits = settings(
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    for operation in OPERATIONS[kind]:
        limits(given(case=operation.as_strategy())(ask))()
