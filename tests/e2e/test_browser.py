"""The loop as a person walks it, in Debian's chromium: import, map, run, decide by keyboard, undo, download."""

from __future__ import annotations

import gzip
import os
import re
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest
from playwright.sync_api import Browser, Page, Response, Route, expect, sync_playwright

from crmquality import sample
from tests.workers import wait_for

pytestmark = pytest.mark.browser
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
ROOT = Path(__file__).parents[2]
PAGES = (
    "/",
    "/sources/",
    "/sources/1/",
    "/queue/",
    "/queue/list/",
    "/runs/",
    "/decisions/",
    "/batches/",
    "/lots/",
    "/changes/",
    "/sources/1/records/",
)
SHOTS = os.environ.get("CRMQUALITY_SCREENSHOTS")


class Installation:
    """A whole installation of its own: servers, worker, scheduler and page."""

    def __init__(self, home: Path) -> None:
        self.environment = os.environ | {"CRMQUALITY_HOME": str(home), "PYTHONWARNINGS": "ignore"}
        self.log = home / "serve.log"
        home.mkdir(parents=True, exist_ok=True)
        self.process = subprocess.Popen(
            [sys.executable, "manage.py", "serve", "--port", "0"],
            cwd=ROOT,
            env=self.environment,
            stdout=self.log.open("w"),
            stderr=subprocess.STDOUT,
        )
        found = wait_for(lambda: re.search(r"Open (http://[\d.:]+)/", self.log.read_text()), seconds=120)
        self.address: str = found[1]

    def add_user(self, name: str, role: str) -> str:
        """Add a person; returns the password."""
        words = [sys.executable, "manage.py", "adduser", name, "--role", role]
        done = subprocess.run(words, cwd=ROOT, env=self.environment, capture_output=True, text=True, check=True)
        return done.stdout.split()[-1]

    def stop(self) -> None:
        """End it, and all it started."""
        self.process.terminate()
        self.process.wait(60)


@pytest.fixture(scope="module")
def installation() -> Iterator[Installation]:
    with tempfile.TemporaryDirectory(prefix="crmq-e2e-") as folder:
        running = Installation(Path(folder) / "home")
        yield running
        running.stop()


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as driver:
        chromium = driver.chromium.launch(
            executable_path="/usr/bin/chromium", args=["--no-sandbox", "--disable-background-networking"]
        )
        yield chromium
        chromium.close()


@pytest.fixture(scope="module")
def page(browser: Browser, installation: Installation) -> Iterator[Page]:
    """A steward, signed in; every message of the console and every request to another host is a failure."""
    wrong: list[str] = []
    context = browser.new_context(viewport={"width": 1366, "height": 768}, accept_downloads=True)
    tab = context.new_page()
    tab.on("console", lambda message: wrong.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: wrong.append(str(error)))
    tab.on("request", lambda asked: None if asked.url.startswith(installation.address) else wrong.append(asked.url))
    tab.goto(installation.address + "/login/")
    tab.fill("[name=username]", "stella")
    tab.fill("[name=password]", installation.add_user("stella", "steward"))
    tab.click("button.primary")
    tab.wait_for_url(installation.address + "/")
    yield tab
    context.close()
    assert not wrong


def shot(page: Page, name: str) -> None:
    """Keep a picture where $CRMQUALITY_SCREENSHOTS says."""
    if SHOTS:
        page.screenshot(path=str(Path(SHOTS) / f"{name}.png"))


def test_a_steward_walks_the_whole_loop_by_keyboard(page: Page, installation: Installation, tmp_path: Path) -> None:
    expect(page.get_by_text("No data yet")).to_be_visible()
    shot(page, "empty")
    written = sample.generate(tmp_path, contacts=600, seed=11)

    page.goto(installation.address + "/sources/new/")
    page.set_input_files("input[type=file]", str(written.files["contacts"]))
    page.fill("[name=source]", "people")
    page.click("button.primary")
    expect(page.get_by_role("heading", name="What do the columns mean?")).to_be_visible()
    expect(page.locator('[name="role:Email"]')).to_have_value("email")
    shot(page, "map")
    page.click("button.primary")
    expect(page.locator("#progress .tag.succeeded")).to_be_visible(timeout=60_000)
    page.goto(installation.address + "/runs/")
    shot(page, "runs")
    runs = page.locator(".panel").first.locator(".tag.succeeded")  # below stand the other jobs, the import among them
    expect(runs).to_have_count(9, timeout=240_000)

    def measured() -> bool:
        page.goto(installation.address + "/sources/1/")
        return page.locator("#quality-score").count() > 0

    wait_for(measured, every=1)  # a source is measured right after its last run
    before = page.locator("#quality-score").inner_text()
    shot(page, "source")

    page.goto(installation.address + "/queue/?action=set")
    for _ in range(10):
        shown = page.locator("[data-item]").get_attribute("data-item")
        page.keyboard.press("a")
        page.wait_for_function("id => document.querySelector('[data-item]')?.dataset.item !== id", arg=shown)
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    expect(page.locator("#status")).to_contain_text("Accepted.")
    shot(page, "card")
    page.keyboard.press("u")
    expect(page.locator("#status")).to_have_text("Undone.")
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")

    page.goto(installation.address + "/decisions/")
    answers = page.locator("tbody tr").filter(has_not_text="settled along")
    expect(answers).to_have_count(10)
    expect(answers.get_by_text("undone", exact=True)).to_have_count(1)

    page.goto(installation.address + "/queue/?action=merge")
    expect(page.get_by_role("heading", level=1)).to_contain_text("the same?")
    shot(page, "merge")

    def moved() -> bool:
        page.goto(installation.address + "/sources/1/")
        return page.locator("#quality-score").inner_text() != before or page.get_by_text("of 9").count() > 0

    wait_for(moved, seconds=60, every=2)
    with page.expect_download() as download:
        page.get_by_role("link", name="CSV", exact=True).click()
    text = Path(download.value.path()).read_text(encoding="utf-8-sig")
    assert len(text.splitlines()) > written.rows["contacts"] * 0.9


def test_keys_do_nothing_in_a_text_field(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/?action=set")
    item = page.locator("[data-item]").get_attribute("data-item")
    page.keyboard.press("e")
    field = page.locator("#editor input").first
    expect(field).to_be_focused()
    field.fill("")
    page.keyboard.type("axu ")
    assert field.input_value() == "axu "
    page.keyboard.press("Escape")
    expect(page.locator("#editor")).to_be_hidden()
    assert page.locator("[data-item]").get_attribute("data-item") == item


def test_an_edit_by_keyboard_writes_the_persons_value(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/?action=set")
    expect(page.locator("[data-item]")).to_be_visible()
    page.keyboard.press("e")
    page.locator("#editor input").first.fill("Typed by Stella")
    page.keyboard.press("Enter")
    expect(page.locator("#status")).to_contain_text("Corrected with your values.")
    page.goto(installation.address + "/changes/")
    expect(page.get_by_text("Typed by Stella").first).to_be_visible()


def test_a_group_is_settled_by_two_keys_and_taken_back_by_one(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/?detector=formats")
    expect(page.locator("[data-item]")).to_be_visible()
    while not page.locator("[data-hotkey=g]").count():
        shown = page.locator("[data-item]").get_attribute("data-item")
        page.keyboard.press(" ")
        page.wait_for_function("id => document.querySelector('[data-item]')?.dataset.item !== id", arg=shown)
    page.keyboard.press("g")
    expect(page.get_by_role("heading", level=1)).to_contain_text("one pattern")
    shot(page, "group")
    ticks = page.locator("#group [name=item]")
    said = page.locator("[data-ticked]").first
    if ticks.count():
        before = int(said.inner_text())
        ticks.first.uncheck()
        expect(said).to_have_text(str(before - 1))
    count = said.inner_text()
    page.keyboard.press("a")
    expect(page.locator(".messages")).to_contain_text(f"{count} items accepted together.")
    expect(page.locator("[data-item]")).to_be_visible()
    page.keyboard.press("u")
    expect(page.locator("#status")).to_contain_text(f"{count} decisions made together undone.")


def test_thirty_keys_in_three_seconds_land_on_thirty_items(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/")
    expect(page.locator("#place [data-item]")).to_be_visible()
    asked: list[str] = []
    listener = lambda sent: asked.append(sent.url) if "/skip/" in sent.url else None  # noqa: E731
    page.on("request", listener)
    for _ in range(30):
        page.keyboard.press(" ")
        page.wait_for_timeout(100)
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    page.remove_listener("request", listener)
    assert len(asked) == 30, "a key was lost"
    assert len(set(asked)) == 30, "two keys landed on one item"


def test_keys_typed_before_the_server_answers_belong_to_the_cards_that_were_shown(
    page: Page, installation: Installation
) -> None:
    page.goto(installation.address + "/queue/?action=set")
    expect(page.locator("#place [data-item]")).to_be_visible()
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    decided: list[tuple[str, str]] = []

    def slowly(route: Route) -> None:
        body = parse_qs(route.request.post_data or "")
        decided.append((route.request.url.split("/")[-3], body["verdict"][0]))
        time.sleep(0.3)
        route.continue_()

    page.route("**/decide/", slowly)
    meant = []
    for key, verdict in [("n", "unsure"), ("x", "reject"), ("n", "unsure")]:
        meant.append((str(page.locator("#place [data-item]").get_attribute("data-item")), verdict))
        page.keyboard.press(key)
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    page.unroute("**/decide/")
    assert decided == meant


def test_the_last_twenty_decisions_are_undone_by_key_one_after_the_other(
    page: Page, installation: Installation
) -> None:
    page.goto(installation.address + "/queue/")
    expect(page.locator("#place [data-item]")).to_be_visible()
    order = []
    for _ in range(20):
        order.append(page.locator("#place [data-item]").get_attribute("data-item"))
        page.keyboard.press("n")
        page.wait_for_function("id => document.querySelector('#place [data-item]')?.dataset.item !== id", arg=order[-1])
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    back = []
    for _ in range(20):
        page.keyboard.press("u")
        back.append(page.locator("#place [data-item]").get_attribute("data-item"))
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    assert back == order[::-1]
    page.goto(installation.address + "/decisions/")
    expect(page.locator("tbody tr").nth(19).get_by_text("undone", exact=True)).to_be_visible()


def test_closing_the_tab_gives_its_cards_back(page: Page, installation: Installation) -> None:
    held = page.locator("td .tag.running")
    tab = page.context.new_page()
    tab.goto(installation.address + "/queue/")
    expect(tab.locator("#place [data-item]")).to_be_visible()
    page.goto(installation.address + "/queue/list/")
    assert held.count() >= 3, "the one on the screen and the next two"
    tab.close(run_before_unload=True)  # as a person closes it; a plain close kills the page before it can say a word

    def given_back() -> bool:
        page.reload()
        return held.count() == 0

    wait_for(given_back, every=0.5)


def test_what_was_decided_before_leaving_the_page_is_kept(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/")
    expect(page.locator("#place [data-item]")).to_be_visible()
    meant = []
    for _ in range(3):
        meant.append(page.locator("#place [data-item]").get_attribute("data-item"))
        page.keyboard.press("n")
    page.goto(installation.address + "/queue/list/")

    def gone() -> bool:
        page.reload()
        return all(page.locator(f'input[name="item"][value="{item}"]').count() == 0 for item in meant)

    wait_for(gone, every=0.5)


def test_keys_are_switched_off_and_changed_by_the_person(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/")
    expect(page.locator("#place [data-item]")).to_be_visible()
    first = page.locator("#place [data-item]").get_attribute("data-item")
    page.keyboard.press("?")
    page.locator('[data-key-for="skip"]').focus()
    page.keyboard.press("j")
    page.get_by_role("button", name="Close").click()
    expect(page.locator('#place [data-action="skip"] kbd')).to_have_text("j")
    page.keyboard.press(" ")
    assert page.locator("#place [data-item]").get_attribute("data-item") == first
    page.keyboard.press("j")
    page.wait_for_function("id => document.querySelector('#place [data-item]')?.dataset.item !== id", arg=first)
    second = page.locator("#place [data-item]").get_attribute("data-item")
    page.keyboard.press("?")
    page.uncheck("#single-keys")
    page.get_by_role("button", name="Close").click()
    page.keyboard.press("j")
    page.keyboard.press("Backspace")
    assert page.locator("#place [data-item]").get_attribute("data-item") == second
    page.evaluate("localStorage.clear()")


def test_backspace_in_a_text_box_undoes_nothing(page: Page, installation: Installation) -> None:
    page.goto(installation.address + "/queue/")
    expect(page.locator("#place [data-item]")).to_be_visible()
    asked: list[str] = []
    listener = lambda sent: asked.append(sent.url) if "/undo/" in sent.url else None  # noqa: E731
    page.on("request", listener)
    page.keyboard.press("c")
    box = page.locator(".comments textarea")
    expect(box).to_be_focused()
    page.keyboard.type("ab")
    for _ in range(4):
        page.keyboard.press("Backspace")
    assert box.input_value() == ""
    page.wait_for_timeout(200)
    page.remove_listener("request", listener)
    assert not asked


def test_a_review_page_is_light(page: Page, installation: Installation) -> None:
    """JavaScript at most 60 kB and CSS at most 40 kB, gzipped; every file from here."""
    sizes = {"script": 0, "stylesheet": 0}
    hosts = set()

    def weigh(answer: Response) -> None:
        hosts.add(answer.url.startswith(installation.address))
        if answer.request.resource_type in sizes:
            sizes[answer.request.resource_type] += len(gzip.compress(answer.body()))

    browser = page.context.new_cdp_session(page)
    browser.send("Network.setCacheDisabled", {"cacheDisabled": True})  # what the cache gives is no response to weigh
    page.on("response", weigh)
    page.goto(installation.address + "/queue/", wait_until="networkidle")
    page.remove_listener("response", weigh)
    browser.detach()
    assert 0 < sizes["script"] <= 60_000
    assert 0 < sizes["stylesheet"] <= 40_000
    assert hosts == {True}


def test_hostile_cells_are_shown_as_text(page: Page, installation: Installation, tmp_path: Path) -> None:
    attack = tmp_path / "attack.csv"
    attack.write_text("Contact ID,Name,Email\n1,<script>alert(1)</script>,a@b.com\n2,<img src=x onerror=alert(2)>,\n")
    page.goto(installation.address + "/sources/new/")
    page.set_input_files("input[type=file]", str(attack))
    page.click("button.primary")
    page.uncheck("[name=run]")
    page.click("button.primary")
    expect(page.locator("#progress .tag.succeeded")).to_be_visible(timeout=60_000)
    page.goto(installation.address + "/sources/2/records/")
    expect(page.get_by_text("<script>alert(1)</script>")).to_be_visible()


@pytest.mark.parametrize("theme", ["light", "dark"])
@pytest.mark.parametrize("width", [360, 1366])
def test_no_page_scrolls_sideways(
    browser: Browser, page: Page, installation: Installation, theme: str, width: int
) -> None:
    state = page.context.storage_state()
    context = browser.new_context(viewport={"width": width, "height": 768}, color_scheme=theme, storage_state=state)
    tab = context.new_page()
    for path in PAGES:
        tab.goto(installation.address + path)
        tab.wait_for_load_state("networkidle")
        over = tab.evaluate("document.documentElement.scrollWidth - innerWidth")
        assert over <= 0, f"{path} is {over} px too wide at {width}"
        shot(tab, f"{theme}-{width}-{path.strip('/').replace('/', '-') or 'dashboard'}")
    context.close()
