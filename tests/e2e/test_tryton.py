"""A real CRM from end to end: Tryton is pulled, reviewed by keyboard, written back, and put back as it was.

A thousand dirty parties and their opportunities (`tests.tryton_server`) are pulled, two detectors look at them, a
steward decides in Debian's chromium, the outbox writes, and what Tryton holds then is read from Tryton's own database.
Somebody edits a party there meanwhile: a conflict is shown, and nothing is overwritten. At the end all is undone, by
keyboard too, and Tryton is as it was, field by field.
"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Page, expect

from crmquality.connectors.contract import Line, Write
from crmquality.connectors.tryton import TrytonConnector
from crmquality.models import Connection, Feed, OutboxEntry, Record, Source
from crmquality.services import connections, importing, outbox_delivering, pulling, running
from review.models import Decision
from tests.e2e.test_accessibility import picture, sign_in, tab  # noqa: F401 (fixture)
from tests.tryton_server import ADMIN, PARTIES, Tryton, serving

pytestmark = [pytest.mark.browser, pytest.mark.slow, pytest.mark.django_db(transaction=True)]
expect.set_options(timeout=20_000)  # a busy machine is slow, not wrong
State = OutboxEntry.State
TABLES = ("party_party", "party_address", "party_contact_mechanism", "sale_opportunity")
NOT_OURS = {"write_date", "write_uid"}
"""Columns in which Tryton itself notes that somebody wrote."""

THEIRS = {
    "name": "Renamed There Meanwhile",
    "email": "theirs@example.com",
    "phone": "+12025550143",
    "website": "https://example.com/theirs",
    "street": "1 Their Street",
    "city": "Their City",
    "postal_code": "99999",
}
"""What somebody writes in Tryton, by field."""


@pytest.fixture
def tryton(tmp_path: Path) -> Iterator[Tryton]:
    with serving(tmp_path) as running_server:
        yield running_server


def held(tryton: Tryton) -> dict[tuple[str, int], dict[str, Any]]:
    """(table, id) -> what stands in Tryton's database, byte for byte; without who wrote last, and when."""
    found = {}
    for table in TABLES:
        names = [row[1] for row in tryton.rows(f"PRAGMA table_info({table})")]
        for row in tryton.rows(f"SELECT * FROM {table}"):
            values = dict(zip(names, row, strict=True))
            found[table, values["id"]] = {name: value for name, value in values.items() if name not in NOT_OURS}
    return found


def connected(tryton: Tryton) -> dict[str, Feed]:
    """Parties and opportunities, pulled, and written back."""
    connection = connections.make(name="Tryton", connector="tryton", given=tryton.settings(), grace=timedelta())
    assert "Tryton 8.2" in connections.try_out(connection)
    feeds = {}
    for name in ("party.party", "sale.opportunity"):
        feed = pulling.add_feed(connection=connection, name=name)
        pulling.set_write_back(feed=feed, write_back=True)
        Source.objects.filter(pk=feed.source_id).update(roles_confirmed=True)
        feeds[name] = pulled(feed)
    return feeds


def pulled(feed: Feed) -> Feed:
    """Bring in what changed, as a worker would."""
    feed.refresh_from_db()
    job = pulling.request_pull(feed=feed)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    feed.refresh_from_db()
    return feed


def look(source: Source, *detectors: str) -> None:
    """Run detectors, as a worker would."""
    for name in detectors:
        run = running.request_run(source=source, detector=name)
        running.execute_run(run.pk)
        run.refresh_from_db()
        assert run.state == "succeeded", run.error


def deliver() -> None:
    """Send what is due, as a worker would."""
    outbox_delivering.deliver(Connection.objects.get().pk)


def decide(page: Page, server: str, action: str, count: int) -> list[Decision]:
    """Accept so many cards of a kind by keyboard; on a merge the first value is taken where a person has to choose."""
    page.goto(f"{server}/queue/?action={action}")
    before = Decision.objects.count()
    for _ in range(count):
        card = page.locator("#place [data-item]")
        expect(card).to_be_visible()
        shown = card.get_attribute("data-item")
        while page.locator(f'[data-item="{shown}"] [data-ask]:not([data-chosen])').count():
            page.keyboard.press("1")
        for _ in range(3):  # the second confirms what would collide
            page.keyboard.press("a")
            page.wait_for_timeout(50)
            if page.locator(f'#place [data-item="{shown}"]').count() == 0:
                break
        expect(page.locator(f'#place [data-item="{shown}"]')).to_have_count(0)
    expect(page.locator("#desk")).to_have_attribute("data-waits", "0")
    found = list(Decision.objects.order_by("id")[before:])
    assert len(found) == count, page.locator("#status").inner_text()
    return found


def undo_all(page: Page, count: int) -> None:
    """Take back the last so many decisions by keyboard."""
    for _ in range(count):
        page.keyboard.press("u")
        expect(page.locator("#status")).to_contain_text("Undone")
        expect(page.locator("#desk")).to_have_attribute("data-waits", "0")


def written(decision: Decision) -> OutboxEntry:
    """What a decision put into the outbox."""
    found: OutboxEntry = OutboxEntry.objects.select_related("record", "feed").get(change_set=decision.change_set)
    return found


def party(key: str) -> dict[str, str | None]:
    """A party as Tryton's own interface gives it."""
    with connections.opened(Connection.objects.get()) as system:
        return dict(system.get("party.party", [key])[key].values)


def edit_there(tryton: Tryton, key: str, name: str) -> None:
    """Somebody else, logged in to Tryton as they are, changes a value of a party."""
    given = tryton.settings(ADMIN, merging="writes")
    password = given.pop("password")
    with TrytonConnector().connect(given, {"password": password}, Line()) as system:
        row = system.get("party.party", [key])[key]
        for call in system.calls(Write("party.party", key, {name: (row.values[name], THEIRS[name])}), row):
            system.send(call, key="theirs")


def test_tryton_is_pulled_reviewed_written_back_and_put_back_as_it_was(
    tryton: Tryton,
    tab: Page,  # noqa: F811
    live_server: Any,
    steward: Any,
) -> None:
    before = held(tryton)
    feeds = connected(tryton)
    parties, opportunities = (feed.source for feed in feeds.values())
    assert Record.objects.filter(source=parties).count() == PARTIES + 2  # the company and its seller are parties too
    assert Record.objects.filter(source=opportunities).count() == PARTIES
    look(parties, "formats", "duplicates")
    assert held(tryton) == before, "pulling and looking write nothing"

    sign_in(tab, live_server.url, steward)
    corrected = decide(tab, live_server.url, "set", 5)
    deliver()
    for decision in corrected:
        entry = written(decision)
        assert entry.state == State.DONE, entry.error
        there = party(entry.record.external_id)
        for name, (_, after) in entry.step["values"].items():
            assert (there[name] or None) == (after or None) == (entry.record.fields[name] or None)
    assert held(tryton) != before
    undo_all(tab, 5)

    merged = decide(tab, live_server.url, "merge", 3)
    deliver()
    for decision in merged:
        entry = written(decision)
        assert entry.state == State.DONE, entry.error
        survivor = party(entry.step["survivor"])
        golden = Record.objects.get(source=parties, external_id=entry.step["survivor"])
        assert survivor["active"] == "yes"
        assert {name: survivor[name] or None for name in ("name", "email", "phone", "city")} == {
            name: golden.fields[name] or None for name in ("name", "email", "phone", "city")
        }, "what survives here survives there"
        for loser in entry.step["losers"]:
            assert party(loser)["active"] == "no"
            assert not tryton.rows("SELECT id FROM sale_opportunity WHERE party = ?", int(loser)), "they moved along"
    undo_all(tab, 3)

    deliver()
    assert held(tryton) == before, "what was undone here is undone there"

    (conflicting,) = decide(tab, live_server.url, "set", 1)
    key, name = written(conflicting).record.external_id, next(iter(written(conflicting).step["values"]))
    edit_there(tryton, key, name)
    before = held(tryton)
    deliver()
    assert written(conflicting).state == State.CONFLICT
    assert held(tryton) == before, "nothing is overwritten"
    other = tab.context.new_page()
    other.goto(f"{live_server.url}/outbox/?state=stuck")
    expect(other.locator("tbody")).to_contain_text(key)
    picture(other, "tryton-outbox")
    other.goto(f"{live_server.url}/outbox/{written(conflicting).pk}/")
    expect(other.get_by_role("heading", name="Changed there meanwhile: nothing was overwritten")).to_be_visible()
    expect(other.locator("table")).to_contain_text(THEIRS[name])
    picture(other, "tryton-conflict")
    other.close()
    undo_all(tab, 1)

    deliver()
    stuck = OutboxEntry.objects.exclude(state__in=[State.DONE, State.ANNULLED])
    assert not stuck.exists(), list(stuck.values_list("state", "error"))
    assert held(tryton) == before, "Tryton is as it was, and what somebody wrote there stays"
    pulled(feeds["party.party"])
    assert Record.objects.get(source=parties, external_id=key).fields[name] == THEIRS[name]
