"""The API of what is true: one happy path an endpoint, then preconditions, problems and logins."""

from __future__ import annotations

import json
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import call_command
from django.db import OperationalError
from django.test import Client
from rest_framework.authtoken.models import Token

from crmquality.models import Finding, Import, ModelVersion, QualityMetric, Record, Run, Training
from tests.scripted import claim, install, scan

API = "/api/v1"
PROBLEM = "application/problem+json"


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def as_steward(steward: Any) -> Client:
    return logged_in(steward)


@pytest.fixture
def as_admin(admin: Any) -> Client:
    return logged_in(admin)


@pytest.fixture
def bob(source: Any) -> Record:
    return Record.objects.get(external_id="C3")


@pytest.fixture
def found(source: Any, bob: Record, monkeypatch: pytest.MonkeyPatch) -> Finding:
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    return Finding.objects.get()


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def send(client: Client, method: str, path: str, body: Any = None, **headers: str) -> Any:
    return client.generic(method, API + path, json.dumps(body or {}), "application/json", headers=headers)


class TestSources:
    def test_a_source_is_made_and_listed(self, as_steward):
        made = send(as_steward, "POST", "/sources/", {"name": "leads", "kind": "leads"})
        assert (made.status_code, made.json()["kind"]) == (201, "leads")
        assert as_steward.get(f"{API}/sources/{made.json()['id']}/").json()["name"] == "leads"
        assert [one["name"] for one in as_steward.get(f"{API}/sources/").json()["results"]] == ["leads"]

    def test_a_second_source_of_the_name_is_a_conflict(self, as_steward, source):
        assert send(as_steward, "POST", "/sources/", {"name": "contacts"}).status_code == 409

    def test_columns_are_confirmed(self, as_steward, source):
        answer = send(as_steward, "PUT", f"/sources/{source.pk}/columns/", {"roles": {"City": "region"}})
        assert (answer.status_code, answer.json()["roles"]["City"]) == (200, "region")

    def test_an_unknown_column_is_refused_and_named(self, as_steward, source):
        answer = send(as_steward, "PUT", f"/sources/{source.pk}/columns/", {"roles": {"Planet": "city"}})
        assert answer.status_code == 400
        assert "Planet" in answer.json()["detail"]

    def test_the_records_are_downloaded_as_csv(self, as_steward, source):
        answer = as_steward.get(f"{API}/sources/{source.pk}/export/", headers={"Accept": "text/csv"})
        lines = b"".join(answer.streaming_content).decode().splitlines()
        assert (answer["Content-Type"], len(lines)) == ("text/csv; charset=utf-8", 5)

    def test_the_log_of_changes_is_downloaded_as_csv(self, as_steward, source):
        answer = as_steward.get(f"{API}/sources/{source.pk}/changes/")
        assert b"".join(answer.streaming_content).startswith(b'"Change"')


class TestImports:
    def test_a_file_is_queued_watched_and_cancelled(self, as_steward, make_source):
        source = make_source("new", {}, [])
        file = SimpleUploadedFile("new.csv", b"Id,Name,Town\n1,Ann,Rome\n2,Bob,Oslo\n")
        form = {"source": source.pk, "file": file, "roles": '{"Town": "city"}'}
        made = as_steward.post(f"{API}/imports/", form)
        assert (made.status_code, made.json()["state"]) == (202, "queued")
        path = f"/imports/{made.json()['id']}/"
        assert as_steward.get(API + path).json()["options"]["roles"]["Town"] == "city"
        assert send(as_steward, "POST", path + "cancel/").json()["state"] == "cancelled"
        assert send(as_steward, "POST", path + "cancel/").status_code == 409

    def test_a_form_without_a_file_is_refused_and_says_where(self, as_steward, source):
        answer = as_steward.post(f"{API}/imports/", {"source": source.pk})
        assert (answer.status_code, answer.json()["errors"][0]["where"]) == (400, "file")
        assert not Import.objects.exists()


class TestRecords:
    def test_they_are_listed_by_source_and_found_by_text(self, as_steward, source):
        rows = as_steward.get(f"{API}/records/", {"source": source.pk, "q": "gmial"}).json()["results"]
        assert [row["external_id"] for row in rows] == ["C3"]

    def test_pages_follow_each_other_without_gaps(self, as_steward, source):
        seen, link = [], f"{API}/records/?page_size=3"
        while link:
            page = as_steward.get(link).json()
            seen += [row["external_id"] for row in page["results"]]
            link = page["next"]
        assert seen == ["C4", "C3", "C2", "C1"]

    @pytest.mark.parametrize("cursor", ["x", "cD1hYmM=", "cD05OTk5OTk5OTk5OTk5OTk5OTk5OTk5"])
    def test_a_cursor_that_we_did_not_write_is_not_found(self, as_steward, source, cursor):
        assert as_steward.get(f"{API}/records/", {"cursor": cursor}).status_code == 404

    @pytest.mark.parametrize("query", ["source=x", "source=99999999999999999999", "q=%00", "live=maybe"])
    def test_a_filter_that_makes_no_sense_is_refused(self, as_steward, source, query):
        answer = as_steward.get(f"{API}/records/?{query}")
        assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)

    def test_a_record_comes_with_its_history_and_open_claims(self, as_steward, bob, found):
        edit(as_steward, bob, 1, Phone="1")
        answer = as_steward.get(f"{API}/records/{bob.pk}/")
        assert answer["ETag"] == '"2"'
        assert [(one["field"], one["after"]) for one in answer.json()["history"]] == [("Phone", "1")]
        assert [one["id"] for one in answer.json()["findings"]] == [found.pk]

    def test_an_edit_writes_and_answers_with_the_new_version(self, as_steward, bob):
        answer = edit(as_steward, bob, 1, City="Boston")
        assert (answer.status_code, answer["ETag"]) == (200, '"2"')
        assert answer.json()["fields"]["City"] == "Boston"

    def test_a_stale_edit_is_412_and_writes_nothing(self, as_steward, bob):
        edit(as_steward, bob, 1, City="Boston")
        answer = edit(as_steward, bob, 1, City="Austin")
        bob.refresh_from_db()
        assert (answer.status_code, bob.fields["City"]) == (412, "Boston")
        assert answer.json()["how"]

    def test_an_edit_without_if_match_is_428(self, as_steward, bob):
        assert send(as_steward, "PATCH", f"/records/{bob.pk}/", {"fields": {"City": "Boston"}}).status_code == 428

    def test_an_edit_of_an_unknown_field_is_refused(self, as_steward, bob):
        assert edit(as_steward, bob, 1, Planet="Mars").status_code == 400

    def test_sales_people_edit_their_own_records_only(self, sales, bob):
        own = Record.objects.get(external_id="C1")
        client = logged_in(sales)
        assert edit(client, own, 1, City="Boston MA").status_code == 200
        assert edit(client, bob, 1, City="Boston").status_code == 404


def edit(client: Client, record: Record, version: int, **fields: str) -> Any:
    return send(client, "PATCH", f"/records/{record.pk}/", {"fields": fields}, **{"If-Match": f'"{version}"'})


class TestRuns:
    def test_one_detector_or_all_are_queued_once(self, as_steward, source, monkeypatch):
        install(monkeypatch, lambda batch: [])
        first = send(as_steward, "POST", "/runs/", {"source": source.pk, "detector": "scripted"})
        every = send(as_steward, "POST", "/runs/", {"source": source.pk})
        assert (first.status_code, first.json()) == (202, every.json())
        assert Run.objects.get().cause == "api"
        path = f"/runs/{Run.objects.get().pk}/"
        assert as_steward.get(API + path).json()["percent"] == 0
        assert send(as_steward, "POST", path + "cancel/").json()["state"] == "cancelled"
        assert as_steward.get(f"{API}/runs/", {"state": "queued"}).json()["results"] == []

    def test_an_unknown_detector_is_refused(self, as_steward, source):
        answer = send(as_steward, "POST", "/runs/", {"source": source.pk, "detector": "none"})
        assert answer.status_code == 400


def test_findings_are_listed_by_filter_and_shown(as_steward, found, bob):
    query = {"detector": "scripted", "action": "set", "record": bob.pk, "min_score": 0.5, "state": "open"}
    rows = as_steward.get(f"{API}/findings/", query).json()["results"]
    assert [row["proposal"]["changes"] for row in rows] == [{"City": "Boston"}]
    assert as_steward.get(f"{API}/findings/{found.pk}/").json()["evidence"][0]["fields"] == ["City"]
    assert as_steward.get(f"{API}/findings/", {"min_score": 0.95}).json()["results"] == []


def test_metrics_come_as_the_latest_and_as_history(as_steward, source):
    for value in (0.5, 0.75):
        QualityMetric.objects.create(source=source, name="validity", numerator=value, denominator=1, value=value)
    latest = as_steward.get(f"{API}/metrics/latest/", {"source": source.pk}).json()
    history = as_steward.get(f"{API}/metrics/", {"source": source.pk, "name": "validity", "field": ""}).json()
    assert [one["value"] for one in latest] == [0.75]
    assert [one["value"] for one in history["results"]] == [0.75, 0.5]


def test_models_are_listed_and_one_that_cannot_be_loaded_does_not_serve(as_admin, source):
    version = ModelVersion.objects.create(
        source=source, detector="anomalies", number=1, detector_version="0", directory="none", sha256=""
    )
    assert as_admin.get(f"{API}/models/", {"detector": "anomalies"}).json()["results"][0]["id"] == version.pk
    answer = send(as_admin, "POST", f"/models/{version.pk}/activate/")
    assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)


def test_a_training_is_queued_watched_and_cancelled(as_admin, source):
    made = send(as_admin, "POST", "/trainings/", {"source": source.pk, "detector": "anomalies"})
    assert made.status_code == 202
    path = f"/trainings/{Training.objects.get().pk}/"
    assert as_admin.get(API + path).json()["state"] == "queued"
    assert send(as_admin, "POST", path + "cancel/").json()["state"] == "cancelled"
    assert send(as_admin, "POST", "/trainings/", {"source": source.pk, "detector": "none"}).status_code == 400


class TestLogin:
    @pytest.fixture
    def token(self, steward):
        return login("steward", "secret-word").json()["token"]

    def test_a_token_opens_the_api_and_is_kept_as_a_digest(self, token, source):
        assert get("/sources/", token).status_code == 200
        assert Token.objects.get().key not in token

    def test_a_wrong_token_is_401_and_says_how_to_get_one(self, token, steward):
        for wrong in (token + "x", f"{steward.pk}.", "x", "999.x", "²." + token):
            answer = get("/sources/", wrong)
            assert (answer.status_code, answer["Content-Type"]) == (401, PROBLEM)

    def test_a_new_password_ends_the_token(self, token, steward):
        steward.set_password("another-word")
        steward.save()
        assert get("/sources/", token).status_code == 401

    def test_an_old_token_ends(self, token, settings):
        settings.CRMQUALITY = settings.CRMQUALITY | {"token_days": 0}
        assert get("/sources/", token).status_code == 401

    def test_logging_out_ends_the_token(self, token):
        assert Client().delete(f"{API}/token/", headers={"Authorization": f"Token {token}"}).status_code == 204
        assert get("/sources/", token).status_code == 401

    def test_guessing_is_stopped_on_the_page_and_in_the_api(self, steward):
        for _ in range(5):
            assert login("Steward", "wrong").status_code == 400
        answer = login("steward", "secret-word")
        page = Client().post("/login/", {"username": "steward", "password": "secret-word"})
        assert (answer.status_code, answer["Retry-After"]) == (429, "900")
        assert "Too many failed logins" in str(page.context["form"].non_field_errors())

    def test_a_right_password_forgets_the_wrong_ones(self, steward):
        for word in ["wrong"] * 4 + ["secret-word"] + ["wrong"] * 4:
            login("steward", word)
        assert login("steward", "secret-word").status_code == 201


def login(name: str, password: str) -> Any:
    return send(Client(), "POST", "/token/", {"username": name, "password": password})


def get(path: str, token: str) -> Any:
    return Client().get(API + path, headers={"Authorization": f"Token {token}"})


class TestProblems:
    def test_an_unknown_address_is_a_problem_too(self, as_steward):
        answer = as_steward.get(f"{API}/planets/")
        assert (answer.status_code, answer["Content-Type"]) == (404, PROBLEM)
        assert {"type", "title", "status", "detail", "how", "instance"} <= set(answer.json())

    def test_a_failure_of_ours_shows_no_record(self, steward, bob, monkeypatch):
        monkeypatch.setattr("crmquality.api.records.etag", failing(ValueError("bob@gmial.com")))
        client = Client(raise_request_exception=False)
        client.force_login(steward)
        answer = client.get(f"{API}/records/{bob.pk}/")
        assert (answer.status_code, answer["Content-Type"]) == (500, PROBLEM)
        assert b"gmial" not in answer.content

    @pytest.mark.parametrize("path", ["/", f"{API}/sources/"])
    def test_a_database_that_is_away_is_503_with_retry_after(self, as_steward, monkeypatch, path):
        monkeypatch.setattr("crmquality.services.logins.ThrottledBackend.get_user", failing(OperationalError("away")))
        answer = as_steward.get(path)
        assert (answer.status_code, answer["Retry-After"]) == (503, "5")

    def test_what_is_no_json_is_refused(self, as_steward):
        answer = as_steward.post(f"{API}/sources/", "{", content_type="application/json")
        assert (answer.status_code, answer["Content-Type"]) == (400, PROBLEM)

    def test_a_session_needs_the_csrf_token(self, steward):
        client = Client(enforce_csrf_checks=True)
        client.force_login(steward)
        assert send(client, "POST", "/sources/", {"name": "x"}).status_code == 403


def failing(error: Exception) -> Any:
    def fail(*_: Any, **__: Any) -> None:
        raise error

    return fail


class TestSchema:
    def test_the_committed_file_is_what_the_code_says_and_gives_no_warning(self, settings, tmp_path):
        written = tmp_path / "openapi.yaml"
        call_command("spectacular", file=str(written), validate=True, fail_on_warn=True)
        assert written.read_text() == (settings.BASE_DIR / "docs" / "openapi.yaml").read_text(), (
            "run: manage.py spectacular --file docs/openapi.yaml"
        )

    def test_it_is_served(self, db):
        assert Client().get(f"{API}/schema/").status_code == 200
