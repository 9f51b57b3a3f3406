"""Equal proposals of several checks at the desk: one card, one key, one undo, and nothing for axe-core to find."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crmquality.models import Record
from review.models import CheckShares, ReviewItem
from tests.e2e.test_accessibility import complaints, sign_in, tab  # noqa: F401 (a fixture)
from tests.scripted import claim, install_checks, scan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]


def test_one_key_answers_all_and_one_takes_it_back(
    tab: Page,  # noqa: F811
    live_server: Any,
    steward: Any,
    source: Any,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bob = Record.objects.get(external_id="C3")
    same = claim(bob, City="Boston")
    install_checks(
        monkeypatch, formats=lambda batch: [same], conflicts=lambda batch: [same, claim(bob, 0.8, Name="Bobby Ray")]
    )
    scan(source, "formats", "conflicts")
    CheckShares.objects.create(known=0, hidden=0)
    sign_in(tab, live_server.url, steward)
    tab.goto(f"{live_server.url}/queue/")
    question = tab.get_by_role("heading", level=1)
    expect(question).to_have_text("Correct City?")
    expect(tab.get_by_text("Also found by: conflicts (90 %). Your answer settles all.")).to_be_visible()
    tab.get_by_text("Also found by conflicts", exact=True).click()
    expect(tab.get_by_text("because the test says so").nth(1)).to_be_visible()
    assert complaints(tab, "twins") == []

    tab.keyboard.press("x")
    expect(tab.locator("#status")).to_contain_text("It answers conflicts too.")
    expect(question).to_have_text("Correct Name?")
    assert ReviewItem.objects.open().count() == 1
    tab.keyboard.press("u")
    expect(tab.locator("#status")).to_have_text("Undone.")
    expect(question).to_have_text("Correct City?")
    assert ReviewItem.objects.open().count() == 3
