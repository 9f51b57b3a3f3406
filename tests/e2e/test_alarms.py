"""An alarm is answered and a threshold is chosen by keyboard, in a browser."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from tests.crmquality import series_help
from tests.crmquality.series_help import DAY, START, feed, noise
from tests.e2e.test_accessibility import SHOTS, complaints, picture, sign_in, tab  # noqa: F401 (a fixture)

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=20_000)


@pytest.fixture
def wrong(tab: Page) -> Iterator[list[str]]:  # noqa: F811
    """What the page's scripts complain of; nothing may be in it at the end."""
    found: list[str] = []
    tab.on("console", lambda message: found.append(message.text) if message.type == "error" else None)
    tab.on("pageerror", lambda error: found.append(str(error)))
    yield found
    assert not found


@pytest.fixture
def series() -> Any:
    return series_help.watched()


def shown(page: Page, place: str) -> float:
    return float(page.locator(place).inner_text().split()[0])


def test_the_slider_says_at_once_how_many_alarms_a_threshold_gives_and_saves_it(
    tab: Page,  # noqa: F811
    live_server: Any,
    admin: Any,
    series: Any,
    wrong: list[str],
) -> None:
    from crmquality.models import AlarmRule

    sign_in(tab, live_server.url, admin)
    tab.goto(f"{live_server.url}/series/{series.pk}/")
    tab.get_by_role("link", name="threshold").first.click()
    slider = tab.get_by_role("slider")
    slider.focus()
    slider.press("Home")
    low, many = shown(tab, "#comfort-k"), shown(tab, "#comfort-alarms")
    for _ in range(5):
        slider.press("ArrowRight")
    high, few = shown(tab, "#comfort-k"), shown(tab, "#comfort-alarms")
    assert high > low
    assert few <= many
    assert slider.get_attribute("aria-valuetext") == f"above {tab.locator('#comfort-k').inner_text()}: {few:.0f} alarms"
    slider.press("End")
    fewest = shown(tab, "#comfort-alarms")
    assert fewest < many
    chosen = shown(tab, "#comfort-k")
    with tab.expect_response(lambda answer: "/threshold/" in answer.url and "place=" in answer.url):
        slider.press("Home")
    slider.press("End")
    if SHOTS:
        picture(tab, "threshold-chosen")
    assert not (said := complaints(tab, "threshold")), "\n".join(said)
    tab.get_by_label("Why").fill("only the largest")
    tab.get_by_role("button", name="Save as a new rule").press("Enter")
    expect(tab.get_by_text("Saved as rule 2")).to_be_visible()
    assert AlarmRule.objects.filter(series=series).latest("number").chosen_k == pytest.approx(chosen, abs=0.06)


def test_a_steward_answers_one_alarm_and_then_the_rest_together(
    tab: Page,  # noqa: F811
    live_server: Any,
    steward: Any,
    series: Any,
    wrong: list[str],
) -> None:
    from crmquality.models import Alarm
    from crmquality.services import judging

    Alarm.objects.all().delete()
    for number in range(4):
        feed(series, [*noise(10, seed=number), 900.0], start=START + (150 + 11 * number) * DAY)
    judging.judge_waiting()
    sign_in(tab, live_server.url, steward)
    tab.goto(f"{live_server.url}/alarms/")
    rows = tab.locator("table.many tbody tr")
    expect(rows).not_to_have_count(0)
    before = rows.count()
    assert before >= 4
    rows.first.get_by_role("link").first.press("Enter")
    tab.get_by_label("Why").first.fill("a broken import e")  # a letter typed into a field is no key
    tab.get_by_label("Why").first.blur()
    tab.keyboard.press("e")
    expect(tab.get_by_text("a broken import e").first).to_be_visible()
    tab.keyboard.press("n")
    tab.wait_for_url(lambda url: not url.endswith(f"/{Alarm.objects.get(state='expected').pk}/"))
    tab.keyboard.press("f")
    expect(tab.get_by_role("button", name="False positive")).to_be_disabled()
    if SHOTS:
        picture(tab, "alarm-answered")
    tab.goto(f"{live_server.url}/alarms/")
    expect(rows).to_have_count(before - 2)
    for box in rows.get_by_role("checkbox").all():
        box.press("Space")
    tab.get_by_role("button", name="Acknowledge", exact=True).press("Enter")
    expect(tab.locator("table.many tbody .tag.acknowledged")).to_have_count(before - 2)
    assert sorted(Alarm.objects.values_list("state", flat=True)) == ["acknowledged"] * (before - 2) + [
        "expected",
        "false_positive",
    ]
