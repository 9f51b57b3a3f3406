"""API keys before every route: what a key's scopes do not cover is refused, whatever its person may do."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from crmquality.services import api_keys
from tests.test_access import ABSENT, PUBLIC, address, patterns

SAFE = {"GET"}


def methods() -> Iterator[tuple[str, str]]:
    """(method, route) of every method of every route that asks who is there."""
    for entry in patterns():
        name = str(entry.name)
        if name.startswith("api-") and name not in PUBLIC:
            for method in dict(entry.callback.actions):
                if method != "head":
                    yield method.upper(), name


@pytest.fixture
def key(admin: Any) -> Any:
    """key(scope) is a key that acts for an admin, who may do everything."""

    def make(*scopes: str) -> str:
        secret, _ = api_keys.make(name="key", user=admin, scopes=scopes, origins=[], days=1, by=admin)
        return f"Key {secret}"

    return make


def ask(method: str, name: str, authorization: str) -> Any:
    headers = {"Authorization": authorization} if authorization else {}
    return Client().generic(method, address(name, ABSENT), "{}", "application/json", headers=headers)


def refusal(answer: Any) -> int:
    """The status of a refusal, which is a problem in JSON and names a way to mend it; else 0."""
    if answer.status_code not in (401, 403):
        return 0
    assert answer["Content-Type"] == "application/problem+json"
    assert json.loads(answer.content)["how"]
    return int(answer.status_code)


@pytest.fixture(autouse=True)
def unhurried(monkeypatch: pytest.MonkeyPatch) -> None:
    """A key may ask as often as it likes here."""
    monkeypatch.setattr("crmquality.api.authentication.KeyRateThrottle.rate", "100000/min", raising=False)


@pytest.mark.django_db
def test_nobody_and_a_key_that_is_unknown_or_revoked_are_401_at_every_route(key: Any) -> None:
    from crmquality.models import ApiKey

    revoked = key("write")
    ApiKey.objects.get().delete()
    wrong = []
    for method, name in methods():
        for sent in ("", "Key crmq_00000000_unknown", revoked):
            if refusal(ask(method, name, sent)) != 401:
                wrong.append(f"{method} {name} {sent[:8]}")
    assert not wrong


@pytest.mark.django_db
@pytest.mark.parametrize("scope", ["check", "read", "write"])
def test_a_key_is_held_to_its_scope_at_every_route(key: Any, scope: str) -> None:
    secret, wrong = key(scope), []
    for method, name in methods():
        covered = (
            scope == "write" or (scope == "read" and method in SAFE) or (name == api_keys.CHECK and scope == "check")
        )
        got = refusal(ask(method, name, secret))
        if got != (0 if covered else 403):
            wrong.append(f"{method} {name}: {got}")
    assert not wrong
