"""What the tests of every route of the API share: the routes, ids of things that are there, and how to ask."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.test import Client
from django.urls import URLPattern

from tests.test_access import ADMIN, ROUTES, address, objects, patterns, people, quick_passwords

__all__ = ["objects", "people", "quick_passwords"]
PROBLEM = "application/problem+json"


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
def numbers(objects: Any, people: Any) -> Any:
    """Route -> the id in its path."""
    from review.models import SavedView

    view = SavedView.objects.create(owner=people[ADMIN], name="mine", query={})
    return {str(entry.name): _number(str(entry.name), objects) for entry in routes()} | {"api-view-detail": view.pk}


def _number(name: str, made: Any) -> int:
    return made[ROUTES[name].about][0] if name in ROUTES else 0


@pytest.fixture
def client(people: Any) -> Client:
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
