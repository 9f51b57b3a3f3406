"""A webhook of a connected system is verified, never believed, and only a reason to read the record again."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any

import pytest

from crmquality.models import Connection, Feed, Import, Record
from crmquality.services import importing
from tests.crm_server import TOKEN, Crm

pytestmark = pytest.mark.django_db(transaction=True)


def hook(client: Any, body: Any, *, key: str = TOKEN, uid: Any = None) -> int:
    """Post a webhook as the CRM would; the status."""
    content = json.dumps(body).encode()
    signature = hmac.new(key.encode(), content, hashlib.sha256).hexdigest()
    address = f"/api/v1/hooks/{uid or Connection.objects.get().uid}/"
    return int(client.post(address, content, "application/json", headers={"X-Signature": signature}).status_code)


def pulls() -> list[str]:
    return list(Import.objects.filter(state="queued").values_list("feed__name", flat=True))


def test_a_record_is_read_again_and_the_hooks_own_values_are_not_believed(crm: Crm, feeds: Any, client: Any) -> None:
    crm.edit("accounts", "A1", city="Boston")
    assert hook(client, [{"object": "accounts", "id": "A1", "city": "Nowhere"}]) == 202
    job = Import.objects.get(state="queued")
    importing.execute_import(job.pk)
    assert Record.objects.get(external_id="A1").fields["city"] == "Boston"


@pytest.mark.parametrize("body", [[{"object": "accounts", "id": "A1"}], {"not": "a hook"}, []])
def test_what_is_not_signed_with_our_secret_is_refused_and_nothing_is_read(feeds: Any, client: Any, body: Any) -> None:
    assert hook(client, body, key="somebody else's") == 400
    assert pulls() == []


def test_objects_that_are_not_pulled_are_passed_over(feeds: Any, client: Any) -> None:
    assert hook(client, [{"object": "invoices", "id": "1"}, {"object": "contacts", "id": "C1"}]) == 202
    assert pulls() == ["contacts"]


def test_a_hook_during_a_pull_makes_one_more_pull_due(feeds: Any, client: Any) -> None:
    for _ in range(3):
        assert hook(client, [{"object": "accounts", "id": "A1"}]) == 202
    assert pulls() == ["accounts"]
    assert Feed.objects.get(name="accounts").hinted


def test_an_unknown_address_and_a_huge_body_are_not_found(feeds: Any, client: Any) -> None:
    assert hook(client, [], uid="00000000-0000-4000-8000-000000000000") == 404
    assert hook(client, ["x" * 300_000]) == 404


def test_an_admin_sees_the_address_to_be_called(feeds: Any, client: Any, admin: Any) -> None:
    connection = Connection.objects.get()
    path = f"/api/v1/hooks/{connection.uid}/"
    client.force_login(admin)
    assert f"http://testserver{path}" in client.get(f"/connections/{connection.pk}/").content.decode()
    assert client.get(f"/api/v1/connections/{connection.pk}/").json()["hook"] == path
    Connection.objects.update(connector="not-installed")
    assert client.get(f"/api/v1/connections/{connection.pk}/").json()["hook"] == ""
