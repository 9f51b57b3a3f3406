"""Check at entry as a person types: errors, suggestions by keyboard, duplicates, and a form that is never held up."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect, sync_playwright

from crmquality.services import resident
from crmquality.services.resident_keeping import Keeper
from crmquality.services.resident_places import Places
from crmquality.services.resident_serving import listening
from tests.crmquality.test_entry_checking import COLUMNS, ROWS
from tests.e2e.test_accessibility import SHOTS, complaints, picture, sign_in

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=20_000)


@pytest.fixture
def page(monkeypatch: pytest.MonkeyPatch, tmp_path: Any, make_source: Any, live_server: Any) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")
    make_source("people", COLUMNS, ROWS)
    monkeypatch.setattr(resident, "socket_path", lambda: tmp_path / "r.sock")
    keeper, places = Keeper(), Places()
    keeper.tend()
    places.read()
    with listening(tmp_path / "r.sock", keeper, places), sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        wide = {"width": 1366, "height": 768}
        tab = chromium.new_context(viewport=wide, color_scheme="light", reduced_motion="reduce").new_page()
        yield tab
        chromium.close()


def test_a_person_types_a_record_and_is_helped(page: Page, live_server: Any, steward: Any) -> None:
    wrong: list[str] = []
    page.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    page.on("pageerror", lambda error: wrong.append(str(error)))
    sign_in(page, live_server.url, steward)
    page.goto(live_server.url)
    page.get_by_role("link", name="Check at entry").click()
    form = page.locator("form.entry")

    page.get_by_label("Phone").fill("12")
    expect(form.locator(".entry-wrong")).to_contain_text("12")
    expect(page.get_by_label("Phone")).to_have_attribute("aria-invalid", "true")

    page.get_by_label("Email").fill("bob@gmial.com")
    expect(form.get_by_role("button", name="Use “bob@gmail.com”")).to_be_visible()
    page.get_by_label("Email").press("Alt+Enter")
    expect(page.get_by_label("Email")).to_have_value("bob@gmail.com")
    expect(page.get_by_label("Email")).to_be_focused()
    expect(form.get_by_role("button", name="Use “bob@gmail.com”")).to_have_count(0)

    for label, value in (("Postcode", "02108"), ("Country", "US"), ("City", "Bostn")):
        page.get_by_label(label).fill(value)
    form.get_by_role("button", name="Use “MA”").click()
    expect(page.get_by_label("State")).to_have_value("MA")

    page.get_by_label("Given name").fill("Anne")
    page.get_by_label("Family name").fill("Przybylski")
    page.get_by_label("Email").fill("ann@lake.org")
    found = form.locator(".entry-duplicates")
    expect(found).to_contain_text("Ann Przybylski")
    expect(found).to_contain_text("in people (C1)")
    expect(found.get_by_role("link")).to_have_attribute("href", f"{live_server.url}/records/{ann().pk}/")
    if SHOTS:
        picture(page, "entry-typed")
    assert not (said := complaints(page, "entry")), "\n".join(said)
    assert not wrong

    form.get_by_role("button", name="Save").click()  # an error is said and does not stop it
    expect(page.get_by_text("Sent. A real form would")).to_be_visible()


def test_the_form_is_sent_while_the_server_is_away_and_nothing_is_said(
    page: Page, live_server: Any, steward: Any
) -> None:
    sign_in(page, live_server.url, steward)
    page.goto(live_server.url + "/check/")
    asked: list[str] = []

    def fail(route: Any) -> None:
        asked.append(route.request.url)
        route.abort()

    page.route("**/api/v1/check/", fail)
    with page.expect_event("requestfailed"):
        page.get_by_label("Email").fill("bob@gmial.com")
    page.get_by_label("Phone").fill("12")
    page.get_by_label("City").fill("Bostn")
    expect(page.locator("form.entry .entry-check:not(:empty)")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Sent. A real form would")).to_be_visible()
    assert len(asked) == 1  # it is left alone for a while


def test_what_was_typed_while_the_server_was_away_is_checked_when_it_is_back(
    page: Page, live_server: Any, steward: Any
) -> None:
    sign_in(page, live_server.url, steward)
    page.clock.install()
    page.goto(live_server.url + "/check/")
    page.route("**/api/v1/check/", lambda route: route.abort())
    with page.expect_event("requestfailed"):
        page.get_by_label("Email").fill("bob@gmial.com")
        page.clock.run_for(1_000)
    page.get_by_label("Phone").fill("12")
    page.clock.run_for(1_000)
    page.unroute("**/api/v1/check/")
    expect(page.locator("form.entry .entry-check:not(:empty)")).to_have_count(0)
    page.clock.run_for(15_000)
    expect(page.locator("form.entry .entry-wrong")).to_contain_text("12")
    expect(page.get_by_role("button", name="Use “bob@gmail.com”")).to_be_visible()


def test_what_was_typed_before_the_script_came_is_checked(page: Page, live_server: Any, steward: Any) -> None:
    sign_in(page, live_server.url, steward)
    held: list[Any] = []
    page.route("**/entry-check*.js", lambda route: held.append(route))
    page.goto(live_server.url + "/check/", wait_until="commit")
    page.get_by_label("Phone").fill("12")
    while not held:
        page.wait_for_timeout(50)
    held[0].continue_()
    expect(page.locator("form.entry .entry-wrong")).to_contain_text("12")


def ann() -> Any:
    from crmquality.models import Record

    assert os.environ["DJANGO_ALLOW_ASYNC_UNSAFE"]
    return Record.objects.get(external_id="C1")
