"""Merging by key in Debian's chromium: how many keys, what holds a verdict back, a cluster taken apart, axe-core."""

from __future__ import annotations

from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crmquality.models import Record
from detectors.roles import Role
from review.models import Decision, ReviewItem
from tests.e2e.test_accessibility import complaints, sign_in, tab  # noqa: F401 (fixture)
from tests.scripted import install, merge_claim, scan

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]
COLUMNS = {"Id": Role.ID, "Name": Role.NAME, "Email": Role.EMAIL, "Born": Role.DATE_OF_BIRTH, "Notes": Role.TEXT}
ROWS: list[list[str | None]] = [
    ["P1", "Ann Lee", "ann@example.com", "1980-01-02", "likes tea"],
    ["P2", "Anne Lee", "anne@example.com", "1980-02-01", "vegan"],
    *([f"S{n}", f"Sam Poe {n}", f"s{n}@example.com", None, f"note {n}"] for n in range(1, 7)),
    ["Z9", "Somebody Else", "elsewhere@example.com", None, None],
]


@pytest.fixture
def desk(tab: Page, live_server: Any, make_source: Any, make_user: Any, monkeypatch: pytest.MonkeyPatch) -> Any:  # noqa: F811
    """desk("P1", "P2", Name="...") shows the card of that merge to a steward."""
    source = make_source("people", COLUMNS, ROWS)
    sign_in(tab, live_server.url, make_user("steward"))

    def show(*keys: str, **changes: str) -> Page:
        records = [Record.objects.get(external_id=key) for key in keys]
        install(monkeypatch, lambda batch: [merge_claim(*records, **changes)])
        scan(source)
        tab.goto(live_server.url + "/queue/")
        expect(tab.locator("[data-merge]")).to_be_visible()
        expect(tab.locator("#desk")).to_have_attribute("data-waits", "0")
        return tab

    return show


def settled(page: Page) -> Decision:
    """The decision, once the server has it."""
    expect(page.locator("#empty")).to_be_visible()
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    return Decision.objects.get()


def test_a_merge_of_two_with_one_open_field_takes_two_keys_and_waits_for_its_answer(desk: Any) -> None:
    page = desk("P1", "P2")
    page.keyboard.press("a")
    expect(page.locator("#status")).to_contain_text("Choose Born first")
    page.keyboard.press("2")
    page.keyboard.press("a")
    decision = settled(page)
    assert decision.changes["chosen"] == {"Born": "1980-02-01"}
    assert Record.objects.get(external_id="P1").fields["Born"] == "1980-02-01"


def test_a_collision_is_confirmed_by_a_second_key(desk: Any) -> None:
    page = desk("P1", "S1", Email="elsewhere@example.com")
    expect(page.locator(".collisions")).to_contain_text("Z9")
    page.keyboard.press("a")
    expect(page.locator("#status")).to_contain_text("would collide")
    assert not Decision.objects.exists()
    page.keyboard.press("a")
    assert settled(page).verdict == "accept"


def test_a_cluster_of_six_is_split_by_key_and_the_rest_is_the_next_card(desk: Any) -> None:
    page = desk("S1", "S2", "S3", "S4", "S5", "S6")
    for key in ("m", "4", "5", "6", "/", "a"):
        page.keyboard.press(key)
    expect(page.locator("#place h1")).to_have_text("Are these 3 records the same?")
    decision = Decision.objects.get()
    ids = dict(Record.objects.values_list("external_id", "pk"))
    assert (decision.changes["survivor"], decision.changes["members"]) == (ids["S1"], [ids["S2"], ids["S3"]])
    assert sorted(ReviewItem.objects.open().get().finding.subjects) == [ids["S4"], ids["S5"], ids["S6"]]


def test_a_text_of_ones_own_is_typed_into_the_row_and_keys_do_not_fire_there(desk: Any) -> None:
    page = desk("S1", "S2")
    page.keyboard.press("e")
    page.keyboard.type("axu 2")
    page.keyboard.press("Enter")
    assert not Decision.objects.exists()
    page.keyboard.press("a")
    assert list(settled(page).changes["chosen"].values()) == ["axu 2"]


@pytest.mark.parametrize("keys", [("P1", "P2"), ("S1", "S2", "S3", "S4", "S5", "S6")])
def test_axe_finds_nothing_on_a_merge_card_and_nothing_scrolls(desk: Any, keys: tuple[str, ...]) -> None:
    page = desk(*keys)
    bottom = page.locator(".actions .accept").bounding_box()
    assert bottom["y"] + bottom["height"] <= 768, "the verdicts are in sight"
    assert complaints(page, f"merge of {len(keys)}") == []
