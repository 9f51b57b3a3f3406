"""Look-ups on pages and by API: added, tried, asked, forgotten; a file handed in; no secret shown."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.urls import reverse

from crmquality.models import Enrichment, Run
from detectors.roles import Role
from tests.connectors.fakes import served
from tests.enrichment.benches import ROWS, TOKEN, Register, http_settings

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = {"Id": Role.ID, "Firm": Role.COMPANY, "Web": Role.WEBSITE, "Town": Role.CITY}
TERMS = {
    "key": "website", "provider": "Example Register", "licence": "CC BY 4.0", "keep_days": "90", "most": "1000",
    "is_on": "1",
}  # fmt: skip


@pytest.fixture
def firms(make_source: Any) -> Any:
    return make_source("firms", COLUMNS, [["A1", "Acme", "acme.example", None]], kind="accounts")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr("crmquality.enrichment.files.lookup_folder", lambda: tmp_path)
    monkeypatch.setattr("crmquality.services.enriching.lookup_folder", lambda: tmp_path)
    return tmp_path


def add_file(client: Any, source: Any, **more: Any) -> Any:
    """Fill in the form of a file, and hand one in."""
    upload = SimpleUploadedFile("My companies.csv", ROWS.encode())
    address = reverse("new-enrichment", args=[source.pk, "file"])
    return client.post(address, {"name": "register", "upload": upload, **TERMS, **more}, follow=True)


def test_an_admin_hands_a_file_in_tries_it_and_asks_it(client, admin, firms, folder):
    client.force_login(admin)
    page = client.get(reverse("enrichments", args=[firms.pk])).content.decode()
    assert "None yet" in page
    assert "website" in page.lower()
    page = add_file(client, firms, fills=["city"]).content.decode()
    assert "Kept." in page
    one = Enrichment.objects.get()
    assert one.settings["file"] == "My_companies.csv"
    assert one.fills == ["city"]
    assert (folder / "My_companies.csv").read_text() == ROWS
    assert list(folder.glob("*.part")) == []
    act = reverse("enrichment-act", args=[one.pk])
    assert "2 entries by website" in client.post(act, {"act": "test"}, follow=True).content.decode()
    client.post(act, {"act": "run"})
    assert Run.objects.get().detector == "enrichment"
    page = client.post(act, {"act": "remove"}, follow=True).content.decode()
    assert "is forgotten" in page
    assert not Enrichment.objects.exists()


def test_a_form_that_does_not_do_says_why_and_keeps_what_was_filled_in(client, admin, firms, folder):
    client.force_login(admin)
    page = add_file(client, firms, licence="", provider="Somebody & Co").content.decode()
    assert "under which licence" in page
    assert "Somebody &amp; Co" in page
    assert not Enrichment.objects.exists()


def test_a_name_that_leads_out_of_the_folder_is_made_harmless(client, admin, firms, folder):
    client.force_login(admin)
    upload = SimpleUploadedFile("x.csv", ROWS.encode())
    upload._name = "../../evil.csv"
    client.post(reverse("new-enrichment", args=[firms.pk, "file"]), {"name": "r", "upload": upload, **TERMS})
    assert [path.name for path in folder.iterdir()] == ["evil.csv"]
    assert not (folder.parent / "evil.csv").exists()


def test_a_file_that_is_too_large_is_refused_and_nothing_of_it_is_left(client, admin, firms, folder, monkeypatch):
    monkeypatch.setattr("crmquality.services.enriching.LARGEST_FILE", 100)
    client.force_login(admin)
    assert "A file has at most" in add_file(client, firms).content.decode()
    assert list(folder.iterdir()) == []


def test_settings_are_changed_and_a_secret_is_never_shown(client, admin, firms):
    with served(Register()) as fake:
        given = {f"setting:{name}": value for name, value in http_settings(fake).items()}  # type: ignore[arg-type]
        given["setting:values"] = "\n".join(given["setting:values"])
        client.force_login(admin)
        client.post(reverse("new-enrichment", args=[firms.pk, "http"]), {"name": "service", **given, **TERMS})
        one = Enrichment.objects.get()
        address = reverse("enrichment", args=[one.pk])
        page = client.get(address).content.decode()
        assert TOKEN not in page
        assert "Kept, never shown" in page
        changed = {**given, "setting:token": "", "setting:probe": "acme.example", **TERMS, "replaces": "1"}
        assert "Saved." in client.post(address, changed, follow=True).content.decode()
        one.refresh_from_db()
        assert one.replaces
        said = client.post(reverse("enrichment-act", args=[one.pk]), {"act": "test"}, follow=True).content.decode()
        assert "answers, and knows company, city, postcode" in said


def test_the_api_adds_tries_changes_and_removes_a_look_up(client, admin, firms, folder):
    (folder / "companies.csv").write_text(ROWS)
    client.force_login(admin)
    kinds = client.get("/api/v1/enrichments/adapters/").json()
    assert [one["name"] for one in kinds] == ["file", "http"]
    terms = {"key": "website", "provider": "Register", "licence": "CC0"}
    body = {"source": firms.pk, "name": "r", "adapter": "file", "settings": {"file": "companies.csv"}, **terms}
    made = client.post("/api/v1/enrichments/", body, content_type="application/json")
    assert made.status_code == 201, made.content
    place = f"/api/v1/enrichments/{made.json()['id']}/"
    assert client.post(place + "test/").json()["said"].startswith("companies.csv: 2 entries")
    edit = {**terms, "settings": {"file": "none.csv"}, "most": 5}
    assert client.patch(place, edit, content_type="application/json").json()["most"] == 5
    refused = client.post(place + "test/")
    assert (refused.status_code, "no file 'none.csv'" in refused.json()["detail"]) == (400, True)
    assert client.get(f"/api/v1/enrichments/?source={firms.pk}").json()["results"][0]["licence"] == "CC0"
    assert client.delete(place).status_code == 204
    wrong = client.post("/api/v1/enrichments/", {**body, "key": "email"}, content_type="application/json")
    assert wrong.status_code == 400


def test_a_record_says_on_its_page_and_by_api_where_a_value_is_from(client, admin, firms, folder):
    from crmquality.models import Record
    from crmquality.services import enriching, running
    from review.models import Decision, ReviewItem
    from review.services import deciding

    (folder / "companies.csv").write_text(ROWS)
    terms = {"key": "website", "provider": "Example Register", "licence": "CC BY 4.0"}
    enriching.make(source=firms, name="r", adapter="file", given={"file": "companies.csv"}, terms=terms)
    running.execute_run(running.request_run(source=firms, detector="enrichment").pk)
    deciding.decide(item=ReviewItem.objects.get(), verdict=Decision.Verdict.ACCEPT, user=admin)
    record = Record.objects.get()
    client.force_login(admin)
    assert "from Example Register · CC BY 4.0" in client.get(reverse("record", args=[record.pk])).content.decode()
    (said,) = client.get(f"/api/v1/records/{record.pk}/").json()["attributions"]
    assert (said["field"], said["source"], said["licence"]) == ("Town", "Example Register", "CC BY 4.0")
