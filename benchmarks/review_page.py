"""From the key to the painted next card, in Debian's chromium, on the server that `manage.py serve` starts."""

from __future__ import annotations

import argparse
from typing import Any

from benchmarks._processes import home_of
from benchmarks._review_data import Size
from benchmarks.review import cpu, prepare, served, spent_between, times_row

TITLE = "The review page: from the key to the painted next card, in chromium"
PEERS: list[str] = []

# The key's own time stamp, to the first frame after the next card was laid down: two frames are asked for, since the
# first callback runs before its frame is painted.
WATCH = """
() => {
  window.painted = [];
  let pressed = 0;
  addEventListener("keydown", (event) => { pressed = event.timeStamp; }, true);
  new MutationObserver(() => {
    const since = pressed;
    if (!since || !document.querySelector("#place [data-item]")) return;
    pressed = 0;
    requestAnimationFrame(() => requestAnimationFrame(() => window.painted.push(performance.now() - since)));
  }).observe(document.getElementById("place"), { childList: true });
}
"""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The published table has the defaults."""
    parser.add_argument("--keys", type=int, default=200)
    parser.add_argument("--pace", type=float, default=0.7, help="seconds between two keys")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a pace: at a person's, and ten keys a second."""
    from playwright.sync_api import sync_playwright

    with home_of() as home, served(home) as (address, process):
        people = prepare(home, Size(records=20_000, items=6_000, open=5_000), 1)
        (name, word) = next(iter(people.items()))
        with sync_playwright() as driver:
            browser = driver.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
            page = browser.new_page(viewport={"width": 1366, "height": 768})
            page.goto(address + "/login/")
            page.fill("[name=username]", name)
            page.fill("[name=password]", word)
            page.click("button.primary")
            page.wait_for_url(address + "/")
            rows = [_typed(page, address, process.pid, options.keys, pace) for pace in (options.pace, 0.1)]
            browser.close()
    return rows


def _typed(page: Any, address: str, pid: int, keys: int, pace: float) -> dict[str, Any]:
    page.goto(address + "/queue/")
    page.wait_for_selector("#place [data-item]")
    page.evaluate(WATCH)
    before = cpu(pid)
    for number in range(keys):
        page.keyboard.press("ax"[number % 2])
        page.wait_for_timeout(1000 * pace)
    page.wait_for_selector('#desk[data-waits="0"]')
    page.wait_for_timeout(200)
    times = [found / 1000 for found in page.evaluate("window.painted")]
    return times_row(
        f"key to painted card, a key every {pace:g} s", times, keys * pace, spent_between(before, cpu(pid))
    )
