"""Every page by axe-core, in light and dark and on a narrow screen: nothing to complain about (WCAG 2.2 AA).

axe-core comes with the development package axe-playwright-python, so that the tests need no other registry.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.conf import settings
from django.test import Client
from playwright.sync_api import Page, sync_playwright

from tests.test_access import ADMIN, PUBLIC, ROUTES, SALES, address, objects, people  # noqa: F401 (fixtures)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
FILES = {
    "quarantine-file",
    "export",
    "export-file",
    "disclosures-file",
    "rule-failing",
    "merge",
}  # the last is a part of a card
PAGES = [name for name, route in ROUTES.items() if not name.startswith("api-") and "GET" in dict(route.methods)]
SHOTS = os.environ.get("CRMQUALITY_SCREENSHOTS")
NARROW = {"width": 360, "height": 740}
WIDE = {"width": 1366, "height": 768}


@pytest.fixture
def tab(monkeypatch: pytest.MonkeyPatch) -> Iterator[Page]:
    monkeypatch.setenv("DJANGO_ALLOW_ASYNC_UNSAFE", "1")  # Playwright's loop runs in this thread; nothing awaits here
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
        yield chromium.new_context(viewport=WIDE, color_scheme="light", reduced_motion="reduce").new_page()
        chromium.close()


def sign_in(tab: Page, server: str, person: Any) -> None:
    client = Client()
    client.force_login(person)
    session = client.cookies[settings.SESSION_COOKIE_NAME].value
    tab.context.clear_cookies()
    tab.context.add_cookies([{"name": settings.SESSION_COOKIE_NAME, "value": session, "url": server}])


def complaints(tab: Page, name: str) -> list[str]:
    """What axe-core finds on the page as it stands, in light, in dark and narrow; and whether it scrolls sideways."""
    found = []
    for theme, rules in (("light", {}), ("dark", {"runOnly": ["color-contrast"]})):  # only colours differ in the dark
        tab.evaluate("theme => { document.documentElement.dataset.theme = theme }", theme)
        for rule in Axe().run(tab, options=rules).response["violations"]:
            places = "; ".join(node["html"][:160] for node in rule["nodes"][:3])
            found.append(f"{name}, {theme}: {rule['id']}: {rule['help']}: {places}")
        picture(tab, f"{name}-{theme}")
    tab.set_viewport_size(NARROW)
    over = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
    if over > 0:
        found.append(f"{name}: {over} px too wide at {NARROW['width']}")
    picture(tab, f"{name}-narrow")
    tab.set_viewport_size(WIDE)
    return found


def picture(tab: Page, name: str) -> None:
    """Keep a picture where $CRMQUALITY_SCREENSHOTS says."""
    if SHOTS:
        tab.screenshot(path=str(Path(SHOTS) / f"{name}.png"), full_page=True)


@pytest.mark.parametrize("role", [ADMIN, SALES])
def test_axe_finds_nothing_on_any_page(
    role: str,
    tab: Page,
    live_server: Any,
    people: dict[str, Any],  # noqa: F811
    objects: dict[str, tuple[int, int]],  # noqa: F811
) -> None:
    sign_in(tab, live_server.url, people[role])
    found = []
    for name in PAGES:
        route = ROUTES[name]
        if role not in dict(route.methods)["GET"] or name in FILES:
            continue
        tab.goto(live_server.url + address(name, objects[route.about][0]))
        tab.wait_for_load_state("networkidle")
        found += complaints(tab, f"{role}-{name}")
    assert not found, "\n" + "\n".join(found)


def test_axe_finds_nothing_where_the_columns_of_a_file_are_confirmed(
    tab: Page,
    live_server: Any,
    people: dict[str, Any],  # noqa: F811
    tmp_path: Path,
) -> None:
    file = tmp_path / "leads.csv"
    file.write_text("Lead ID,,Full name,Mail\nL1,x,Ann Lee,ann@example.com\nL2,y,Bo Ray\nL3,z,Cy Day,cy@example.com\n")
    sign_in(tab, live_server.url, people[ADMIN])
    tab.goto(live_server.url + "/sources/new/")
    tab.set_input_files("input[type=file]", file)
    tab.get_by_role("button", name="Look at the file").click()
    tab.get_by_role("heading", name="What do the columns mean?").wait_for()
    assert not complaints(tab, "admin-columns-of-a-file")


def test_axe_finds_nothing_on_the_pages_before_a_login_and_of_errors(tab: Page, live_server: Any) -> None:
    found = []
    for name, path in (("login", "/login/"), ("404", "/nowhere/")):
        tab.goto(live_server.url + path)
        found += complaints(tab, name)
    assert not found, "\n" + "\n".join(found)
    assert "login" in PUBLIC
