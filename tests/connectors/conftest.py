"""A connection to a small CRM of this process, pulled into two sources that are written back."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from datetime import timedelta
from typing import Any

import pytest

from crmquality.connectors import registry
from tests.connectors.benches import NAMES, little_crm
from tests.crm_server import TOKEN, Crm, serving


@pytest.fixture
def crm() -> Iterator[Crm]:
    """Seven accounts, and a contact of each."""
    with serving(Crm()) as made:
        for number, name in enumerate(NAMES):
            made.add("accounts", f"A{number}", name=name, city="Bostn", note=None)
            made.add("contacts", f"C{number}", name=name, account=f"A{number}")
        yield made


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> None:
    """The third party's connector, as if it were installed."""
    connector = little_crm().LittleCrmConnector
    load = registry.load
    monkeypatch.setattr(registry, "load", lambda name: connector() if name == connector.name else load(name))
    monkeypatch.setattr(registry, "available", lambda: dict.fromkeys(["files", "littlecrm", "sql"]))
    monkeypatch.setattr("crmquality.services.connections.SHORTEST_PAUSE", timedelta())


@pytest.fixture
def connection(crm: Crm, installed: None, db: None) -> Any:
    from crmquality.services import connections

    given = {"address": crm.address, "token": TOKEN}
    return connections.make(name="Little", connector="littlecrm", given=given, grace=timedelta())


@pytest.fixture
def pull() -> Callable[..., Any]:
    """pull(feed) brings its rows in, as a worker would."""
    from crmquality.services import importing, pulling

    def run(feed: Any, **options: Any) -> Any:
        feed.refresh_from_db()
        job = pulling.request_pull(feed=feed, **options)
        importing.execute_import(job.pk)
        job.refresh_from_db()
        assert job.state == "succeeded", job.error
        return job

    return run


@pytest.fixture
def feeds(connection: Any, pull: Callable[..., Any]) -> dict[str, Any]:
    """accounts and contacts, pulled and written back."""
    from crmquality.services import pulling

    made = {name: pulling.add_feed(connection=connection, name=name) for name in ("accounts", "contacts")}
    for feed in made.values():
        pulling.set_write_back(feed=feed, write_back=True)
        pull(feed)
        feed.refresh_from_db()
    return made
