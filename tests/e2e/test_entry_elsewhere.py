"""Check at entry from a page of another site: helped where an admin named it, left alone where not, never held up."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any
from urllib.request import Request, urlopen

import pytest
from playwright.sync_api import Page, expect

from crmquality.services import api_keys
from tests.e2e.test_entry import page  # noqa: F401 - a fixture

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FORM = """<!doctype html><html lang="en"><title>Another site</title>
<script src="{ours}/static/entry-check.js" defer></script>
<form data-check="{ours}/api/v1/check/" data-source="people" data-key="{key}" action="/saved" method="post">
  <label>Given name <input name="given" data-column="Given name"></label>
  <label>Family name <input name="family" data-column="Family name"></label>
  <label>E-mail <input name="mail" data-column="Email"></label>
  <label>Phone <input name="phone" data-column="Phone"></label>
  <label>City <input name="city" data-column="City"></label>
  <label>State <input name="state" data-column="State"></label>
  <label>Postcode <input name="postcode" data-column="Postcode"></label>
  <label>Country <input name="country" data-column="Country"></label>
  <button>Save</button>
</form></html>"""


class Site:
    """A small web site of somebody else. html: its one page; saved: the bodies that its form sent."""

    def __init__(self) -> None:
        self.html = ""
        self.saved: list[str] = []
        site = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                self._say(site.html)

            def do_POST(self) -> None:
                site.saved.append(self.rfile.read(int(self.headers["Content-Length"])).decode())
                self._say("<title>Saved</title>Saved by another site")

            def _say(self, html: str) -> None:
                self.send_response(200)
                self.send_header("Content-Type", "text/html; charset=utf-8")
                self.end_headers()
                self.wfile.write(html.encode())

            def log_message(self, format: str, *args: Any) -> None:
                """Nothing."""

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.origin = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Callable[[], Site]]:
    """site() serves another site."""
    made: list[Site] = []

    def serve() -> Site:
        made.append(Site())
        return made[-1]

    yield serve
    for one in made:
        one.server.shutdown()
        one.server.server_close()


@pytest.fixture
def key_for(steward: Any, admin: Any) -> Callable[..., str]:
    """key_for(origin) is a key that an admin made for pages of this origin."""

    def make(*origins: str) -> str:
        secret, _ = api_keys.make(name="form", user=steward, scopes=["check"], origins=origins, days=30, by=admin)
        return secret

    return make


def warm(ours: str, key: str, origin: str) -> None:
    """Ask once, until it is answered: the first question of a process waits for what the script would not."""
    headers = {"Content-Type": "application/json", "Authorization": f"Key {key}", "Origin": origin}
    typed = json.dumps({"source": "people", "values": {"Phone": "1", "City": "Bostn", "Email": "a@b.c"}}).encode()
    with urlopen(Request(f"{ours}/api/v1/check/", typed, headers), timeout=60) as answer:
        assert answer.status == 200


def test_a_form_of_a_site_that_an_admin_named_is_helped(
    page: Page,  # noqa: F811
    live_server: Any,
    site: Callable[[], Site],
    key_for: Callable[..., str],
) -> None:
    there = site()
    key = key_for(there.origin)
    there.html = FORM.format(ours=live_server.url, key=key)
    warm(live_server.url, key, there.origin)
    page.goto(there.origin)

    page.get_by_label("Phone").fill("12")
    expect(page.locator(".entry-wrong")).to_contain_text("12")
    expect(page.get_by_label("Phone")).to_have_attribute("aria-invalid", "true")

    for label, value in (("Postcode", "02108"), ("Country", "US"), ("City", "Boston")):
        page.get_by_label(label).fill(value)
    page.get_by_role("button", name="Use “MA”").click()
    expect(page.get_by_label("State")).to_have_value("MA")

    for label, value in (("Given name", "Anne"), ("Family name", "Przybylski"), ("E-mail", "ann@lake.org")):
        page.get_by_label(label).fill(value)
    found = page.locator(".entry-duplicates")
    expect(found).to_contain_text("Ann Przybylski")
    assert page.context.cookies() == []  # the key is all it goes by

    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved by another site")).to_be_visible()
    assert "state=MA" in there.saved[0]


def test_a_site_that_no_admin_named_gets_nothing_even_with_the_key_of_another(
    page: Page,  # noqa: F811
    live_server: Any,
    site: Callable[[], Site],
    key_for: Callable[..., str],
) -> None:
    named, other = site(), site()
    other.html = FORM.format(ours=live_server.url, key=key_for(named.origin))
    refused: list[str] = []
    page.on("console", lambda message: refused.append(message.text) if "CORS policy" in message.text else None)
    page.goto(other.origin)
    with page.expect_event("requestfailed"):
        page.get_by_label("Phone").fill("12")
    assert refused
    expect(page.locator(".entry-check:not(:empty)")).to_have_count(0)
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved by another site")).to_be_visible()
    assert "phone=12" in other.saved[0]


@pytest.mark.parametrize("since", ["before the page came", "while somebody typed"])
def test_while_our_server_is_away_the_form_works_as_if_it_asked_nobody(
    page: Page,  # noqa: F811
    live_server: Any,
    site: Callable[[], Site],
    key_for: Callable[..., str],
    since: str,
) -> None:
    there = site()
    ours = live_server.url if since == "while somebody typed" else f"http://127.0.0.1:{_closed_port()}"
    key = key_for(there.origin)
    there.html = FORM.format(ours=ours, key=key)
    wrong: list[str] = []
    page.on("pageerror", lambda error: wrong.append(str(error)))
    page.goto(there.origin)
    if since == "while somebody typed":
        warm(ours, key, there.origin)
        page.get_by_label("Phone").fill("12")
        expect(page.locator(".entry-wrong")).to_contain_text("12")
        page.route("**/api/v1/check/", lambda route: route.abort("connectionrefused"))
    page.get_by_label("E-mail").fill("bob@gmial.com")
    page.get_by_label("City").fill("Bostn")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_text("Saved by another site")).to_be_visible()
    assert "city=Bostn" in there.saved[0]
    assert not wrong


def _closed_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])
