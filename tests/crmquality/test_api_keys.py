"""API keys: shown once, kept as a digest, held to scopes and web pages, ended at once."""

from __future__ import annotations

import hashlib
import logging
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crmquality.api.authentication import KeyRateThrottle
from crmquality.models import ApiKey
from crmquality.services import api_keys
from crmquality.services.errors import Refused

SITE = "https://crm.example.com"
TYPED = {"source": "contacts", "values": {"Email": "bob@gmial.com"}}


@pytest.fixture
def make(steward, admin):
    def made(*scopes, origins=(), days=30, user=steward):
        secret, key = api_keys.make(
            name="form", user=user, scopes=scopes or ["check"], origins=origins, days=days, by=admin
        )
        return secret, key

    return made


def check(secret, **headers):
    headers = {"authorization": f"Key {secret}"} | headers
    return Client().post("/api/v1/check/", TYPED, content_type="application/json", headers=headers)


def get(path, secret):
    return Client().get(f"/api/v1{path}", headers={"authorization": f"Key {secret}"})


def test_a_key_to_check_opens_the_check_and_nothing_else(make, source):
    secret, _ = make("check")
    assert check(secret).json()["suggestions"][0]["value"] == "bob@gmail.com"
    for path in ("/sources/", "/records/", "/check/", "/person/me/"):
        assert get(path, secret).status_code in {403, 404, 405}, path
    refused = get("/records/", secret)
    assert (refused.status_code, refused["Content-Type"]) == (403, "application/problem+json")
    assert "scopes" in refused.json()["detail"]


def test_a_key_to_read_reads_what_its_person_may_and_writes_nothing(make, source, sales):
    secret, _ = make("read", user=sales)
    assert [one["external_id"] for one in get("/records/", secret).json()["results"]] == ["C2", "C1"]
    assert get("/sources/", secret).status_code == 403
    assert check(secret).status_code == 403


def test_a_key_to_write_does_what_its_person_may(make, source):
    secret, _ = make("write")
    headers = {"authorization": f"Key {secret}"}
    made = Client().post("/api/v1/sources/", {"name": "new"}, content_type="application/json", headers=headers)
    assert made.status_code == 201


def test_a_key_that_is_unknown_revoked_over_or_of_a_person_who_left_is_401(make, steward, source):
    secret, key = make()
    assert check(secret).status_code == 200
    for wrong in (
        "",
        "x",
        secret[:-1],
        secret + "x",
        secret.replace("crmq", "crmz"),
        "crmq_\0_x",
        f"crmq_{key.prefix}_",
    ):
        answer = check(wrong)
        assert (answer.status_code, answer["Content-Type"]) == (401, "application/problem+json"), wrong
    ApiKey.objects.update(expires_at=timezone.now() - timedelta(seconds=1))
    assert check(secret).status_code == 401
    ApiKey.objects.update(expires_at=timezone.now() + timedelta(days=1))
    steward.is_active = False
    steward.save()
    assert check(secret).status_code == 401
    steward.is_active = True
    steward.save()
    assert api_keys.revoke(key)
    assert not api_keys.revoke(key)
    assert check(secret).status_code == 401


def test_the_secret_is_kept_nowhere_and_written_to_no_log(make, source, caplog):
    caplog.set_level(logging.DEBUG)
    secret, key = make()
    word = secret.removeprefix(f"crmq_{key.prefix}_")  # not stripped: the word itself may begin with an underscore
    check(secret)
    check(secret + "x")
    get("/records/", secret)
    key.refresh_from_db()
    assert len(word) == 43  # 256 bits
    assert key.digest == hashlib.sha256(word.encode()).hexdigest()
    assert word not in str(vars(key))
    assert word not in caplog.text
    assert key.last_used_at is not None


def test_digests_are_compared_in_constant_time_for_known_and_unknown_keys(make, monkeypatch):
    secret, key = make()
    compared = []
    honest = api_keys.constant_time_compare
    monkeypatch.setattr(api_keys, "constant_time_compare", lambda one, other: compared.append(1) or honest(one, other))
    assert api_keys.find(secret) == key
    assert api_keys.find("crmq_00000000_x") is None
    assert len(compared) == 2


def test_scripts_of_the_pages_an_admin_named_may_use_it_and_no_others(make, source):
    secret, _ = make(origins=[SITE + "/", SITE])
    asked = {"access-control-request-method": "POST", "access-control-request-headers": "authorization,content-type"}
    yes = Client().options("/api/v1/check/", headers={"origin": SITE} | asked)
    assert (yes.status_code, yes["Access-Control-Allow-Origin"], yes["Access-Control-Allow-Methods"]) == (
        204,
        SITE,
        "POST",
    )
    assert "Access-Control-Allow-Credentials" not in yes
    answer = check(secret, origin=SITE)
    assert (answer.status_code, answer["Access-Control-Allow-Origin"]) == (200, SITE)
    assert "Origin" in answer["Vary"]
    for other in ("https://evil.example.com", "http://crm.example.com", "null"):
        no = Client().options("/api/v1/check/", headers={"origin": other} | asked)
        assert "Access-Control-Allow-Origin" not in no
        answer = check(secret, origin=other)
        assert answer.status_code == 403
        assert "Access-Control-Allow-Origin" not in answer
    assert check(secret).status_code == 403  # from no page at all
    elsewhere = Client().options("/api/v1/records/", headers={"origin": SITE} | asked)
    assert "Access-Control-Allow-Origin" not in elsewhere


def test_a_revoked_key_takes_its_pages_with_it(make):
    _, key = make(origins=[SITE])
    api_keys.revoke(key)
    assert not api_keys.is_known_origin(SITE)


@pytest.mark.parametrize(
    ("wrong", "said"),
    [
        ({"scopes": ["write"], "origins": [SITE]}, "only check"),
        ({"scopes": ["check", "read"], "origins": [SITE]}, "only check"),
        ({"scopes": ["fly"]}, "Choose"),
        ({"scopes": []}, "Choose"),
        ({"origins": ["*"]}, "origin"),
        ({"origins": ["https://a.org/path"]}, "origin"),
        ({"origins": ["https://a.org:99999"]}, "origin"),
        ({"days": 0}, "days"),
        ({"days": 10_000}, "days"),
        ({"name": " "}, "name"),
    ],
)
def test_a_key_that_makes_no_sense_is_refused_and_why(steward, admin, wrong, said):
    given = {"name": "form", "user": steward, "scopes": ["check"], "origins": [], "days": 30, "by": admin} | wrong
    with pytest.raises(Refused, match=said):
        api_keys.make(**given)
    assert not ApiKey.objects.exists()


def test_a_key_that_asks_too_often_is_429(make, source, monkeypatch):
    monkeypatch.setattr(KeyRateThrottle, "rate", "2/min", raising=False)
    first, _ = make()
    second, _ = make()
    answers = [check(first).status_code for _ in range(3)]
    assert answers == [200, 200, 429]
    assert check(second).status_code == 200


class TestPage:
    @pytest.fixture
    def as_admin(self, client, admin):
        client.force_login(admin)
        return client

    def test_an_admin_makes_a_key_sees_it_once_and_revokes_it(self, as_admin, steward, source):
        form = {"name": "web form", "user": steward.pk, "scopes": ["check"], "origins": f"{SITE}\n", "days": "30"}
        page = as_admin.post("/keys/", form)
        secret = page.context["secret"]
        assert secret in page.content.decode()
        assert "no-store" in page["Cache-Control"]
        assert check(secret, origin=SITE).status_code == 200
        listed = as_admin.get("/keys/").content.decode()
        key = ApiKey.objects.get()
        assert f"crmq_{key.prefix}" in listed
        assert secret not in listed
        assert key.digest not in listed
        as_admin.post(f"/keys/{key.pk}/revoke/")
        assert check(secret, origin=SITE).status_code == 401
        assert "revoked" in as_admin.get("/keys/").content.decode()

    def test_what_is_wrong_with_the_form_is_said_and_what_was_typed_stays(self, as_admin, steward):
        form = {"name": "web form", "user": steward.pk, "scopes": ["write"], "origins": SITE, "days": "30"}
        page = as_admin.post("/keys/", form).content.decode()
        assert "may only check" in page
        assert "web form" in page
        assert as_admin.post("/keys/", form | {"user": "x"}).status_code == 200
        assert not ApiKey.objects.exists()

    def test_an_auditor_sees_the_list_and_makes_none(self, client, make, make_user):
        secret, key = make()
        client.force_login(make_user("auditor"))
        page = client.get("/keys/").content.decode()
        assert key.prefix in page
        assert "Make the key" not in page
        assert client.post("/keys/", {}).status_code == 403
        assert client.post(f"/keys/{key.pk}/revoke/").status_code == 403
        assert check(secret).status_code in {200, 400}
