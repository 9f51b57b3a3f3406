"""Connected systems as their pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from crmquality.connectors.contract import SystemConnector
from crmquality.models import Connection, Feed, Import
from crmquality.selectors import outbox
from crmquality.services import connections
from crmquality.services.errors import Refused
from review.selectors.setting_rows import SettingRow, setting_rows


@dataclass(frozen=True)
class ConnectionRow:
    """One connection in the list. hook: the path that its webhooks go to; "" if it sends none that we understand."""

    connection: Connection
    title: str
    calls: int
    counts: Mapping[str, int]
    hook: str = ""

    @property
    def pending(self) -> int:
        """Writes on their way."""
        return self.counts["waiting"] + self.counts["sending"]

    @property
    def stuck(self) -> int:
        """Writes that wait for a person."""
        return self.counts["conflict"] + self.counts["dead"]

    @property
    def share(self) -> float:
        """Of today's requests, what is used; 0 without a limit."""
        limit = self.connection.daily_calls
        return min(1.0, self.calls / limit) if limit else 0.0


@dataclass(frozen=True)
class FeedRow:
    """An object that feeds a source, with its latest pull."""

    feed: Feed
    latest: Import | None

    @property
    def label(self) -> str:
        """What the system calls it."""
        return str(self.feed.description.get("label", self.feed.name))


def row(connection: Connection) -> ConnectionRow:
    """One connection with its figures."""
    try:
        title = connections.connector_of(connection.connector).title
    except Refused:
        title = f"{connection.connector} (not installed)"
    calls, counts = connections.calls_today(connection), outbox.counts(connection)
    return ConnectionRow(connection, title, calls, counts, connections.hook_path(connection))


def form(connector: SystemConnector, connection: Connection | None, given: Mapping[str, Any]) -> list[SettingRow]:
    """The fields of a connector's form."""
    kept = connections.held_secrets(connection) if connection else set()
    return setting_rows(connector.settings, connection.settings if connection else {}, kept, given)


def feeds(connection: Connection) -> list[FeedRow]:
    """The objects that feed sources."""
    found = connection.feeds.select_related("source").order_by("name")
    return [FeedRow(feed, Import.objects.filter(feed=feed).order_by("-id").first()) for feed in found]
