"""Pulls: rows of a connected system brought into their source, what changed since the last one or everything.

A pull is an import, in two steps. First pages are fetched and kept as files, each with the cursor behind it: a worker
that takes over a stopped pull goes on behind the last page that is kept, and no transaction waits for a slow system.
Then all pages are loaded in one transaction, as a file is, and the feed's cursor moves with it: nobody sees half a
pull, and none is lost or doubled.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from datetime import timedelta
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from django.conf import settings
from django.db import IntegrityError, transaction
from django.db.models import Q
from django.utils import timezone

from crmquality.connectors.contract import ObjectType, Page
from crmquality.connectors.faults import Denied, QuotaSpent, SystemFault
from crmquality.connectors.files_typed import text_block
from crmquality.connectors.tables import Block, Description, Table
from crmquality.embedded import folder
from crmquality.models import Connection, Feed, Import, Kind, Source
from crmquality.models.records import REFERENCES
from crmquality.services import connections
from crmquality.services.errors import Refused
from crmquality.services.leases import Lost
from crmquality.services.mapping_columns import ColumnMap, map_columns, remember
from crmquality.services.publishing import publish
from detectors.mapping import guess_kind
from detectors.roles import Role

PIECE_ROWS = 20_000
SAMPLE_ROWS = 1_000
_META = b"crmquality"
_REFERENCE_OF = {str(kind): role for role, kind in REFERENCES.items()}


def add_feed(*, connection: Connection, name: str, source_name: str = "", kind: str = "", user: Any = None) -> Feed:
    """Make a source of an object of the system; its columns are guessed from a first page, to be confirmed.

    Raises Refused if there is no such object, it feeds a source already, or the source's name is taken.
    """
    objects = connections.describe(connection)
    about = next((one for one in objects if one.name == name), None)
    if about is None:
        raise Refused(f"{connection.name} has no object {name!r}.")
    source_name = source_name.strip() or f"{connection.name}: {about.label}"
    if len(source_name) > 120 or Source.objects.filter(name=source_name).exists():
        raise Refused(f"There is a source {source_name!r} already, or the name is longer than 120 characters.")
    if kind and kind not in Kind.values:
        raise Refused(f"There is no kind {kind!r}: choose one of {', '.join(Kind.values)}.")
    sample = _sample(connection, about)
    with transaction.atomic():
        source = Source.objects.create(
            name=source_name, system=connection.name, kind=kind or about.kind or guess_kind(sample)[0], created_by=user
        )
        found = map_columns(source, sample, _known_roles(connection, about, objects))
        remember(source, ColumnMap(found.roles, found.guesses, confirmed=False))
        try:
            feed = Feed.objects.create(
                connection=connection,
                name=about.name,
                source=source,
                fields=list(about.names),
                writable=[one.name for one in about.fields if one.writable] if about.writable else [],
                description=_described(about),
            )
        except IntegrityError:
            raise Refused(f"{about.label} feeds a source already.") from None
    return feed


def set_write_back(*, feed: Feed, write_back: bool) -> None:
    """Say whether corrections are written to the system. Raises Refused if nothing there can be written."""
    if write_back and not feed.writable:
        raise Refused(f"{feed.name} of {feed.connection.name} cannot be written.")
    Feed.objects.filter(pk=feed.pk).update(write_back=write_back)


def request_pull(*, feed: Feed, full: bool = False, user: Any = None, run_after: bool = False) -> Import:
    """Queue a pull of what changed since the last one; of everything, if `full` or there was none.

    Raises Refused if an import into the source is under way, or the connection is paused.
    """
    if feed.connection.is_paused:
        raise Refused(f"{feed.connection.name} is paused: {feed.connection.paused_because}")
    full = full or not feed.cursor or not feed.description["incremental"]
    options = {
        "format": "system",
        "columns": feed.fields,
        "roles": {name: feed.source.roles[name] for name in feed.fields if name in feed.source.roles},
        "since": None if full else feed.cursor,
    }
    try:
        with transaction.atomic():
            job = Import.objects.create(
                source=feed.source, feed=feed, file_name=f"{feed.connection.name}: {feed.name}"[:255], options=options,
                complete=full, requested_by=user, run_after_import=run_after,
            )  # fmt: skip
    except IntegrityError:
        raise Refused(f"An import into {feed.source.name!r} is under way: wait for it or cancel it.") from None
    publish("crmquality.tasks.execute_import", job.pk)
    return job


def schedule_due() -> int:
    """Queue the pulls whose time has come; returns how many. Two schedulers do no harm."""
    now, count = timezone.now(), 0
    in_use = Q(connection__paused_because="") & ~Q(connection__held_until__gt=now)
    for feed in Feed.objects.filter(in_use).select_related("connection", "source"):
        full = _due(feed.full_at, feed.connection.full_every, now)
        if full or feed.hinted or _due(feed.pulled_at, feed.connection.pull_every, now):
            try:
                request_pull(feed=feed, full=full)
                Feed.objects.filter(pk=feed.pk).update(hinted=False)
                count += 1
            except Refused:  # one is under way
                continue
    return count


def pull_again(connection: Connection, objects: Sequence[str]) -> int:
    """Pull what changed of these objects, as a webhook hinted; returns how many pulls were queued.

    One that is under way may have passed the row, so the feed is marked as due: the schedule takes it up again.
    """
    count = 0
    for feed in connection.feeds.filter(name__in=objects).select_related("connection", "source"):
        try:
            request_pull(feed=feed)
            count += 1
        except Refused:
            Feed.objects.filter(pk=feed.pk).update(hinted=True)
    return count


def fetch(job: Import, report: Callable[..., None]) -> SpooledPull:
    """Fetch what is still to be fetched of a pull, page by page; returns all that is kept.

    Raises Refused where a person has to mend something, and what the connector raises where trying again may help.
    """
    feed = Feed.objects.select_related("connection").get(pulls=job)
    spool = SpooledPull(job, feed)
    if spool.is_whole:
        return spool
    try:
        with connections.opened(feed.connection) as system:
            for page in system.pull(feed.name, feed.fields, spool.cursor or job.options["since"]):
                spool.add(page)
                report(spool.count, max(page.total, spool.count), f"fetching from {feed.connection.name}")
            connections.note_quota(feed.connection, system)
        spool.finish()
    except SystemFault as fault:
        spool.flush()
        connections.react(feed.connection, fault)
        if isinstance(fault, Denied | QuotaSpent):
            raise Refused(str(fault)) from fault
        raise
    return spool


class SpooledPull(Table):
    """The pages of a pull, kept as Parquet files below HOME/pulls, and read as one table.

    Each file holds rows and, beside them, the cursor behind its last page, the keys out of use or deleted, and parts of
    the system that were skipped. It is written under another name first, so it is whole or not there.
    """

    def __init__(self, job: Import, feed: Feed) -> None:
        self.columns: tuple[str, ...] = tuple(feed.fields)
        self.folder = folder(Path(settings.HOME), "pulls", str(job.pk))
        self.cursor = ""
        self.count = 0
        self.skipped: dict[str, str] = {}
        self.is_whole = (self.folder / "whole").exists()
        self._pages: list[Page] = []
        for meta in self._metas():
            self.cursor, self.count = meta["cursor"], self.count + meta["rows"]
            self.skipped |= meta["skipped"]

    def add(self, page: Page) -> None:
        """Keep a page; small ones are gathered first."""
        self._pages.append(page)
        self.count += page.frame.height
        self.skipped |= page.skipped
        if sum(one.frame.height for one in self._pages) >= PIECE_ROWS:
            self.flush()

    def flush(self) -> None:
        """Write what was gathered."""
        if not self._pages:
            return
        frame = pl.concat([page.frame for page in self._pages])
        last = self._pages[-1]
        meta = {
            "cursor": last.cursor,
            "rows": frame.height,
            "inactive": [key for page in self._pages for key in page.inactive],
            "deleted": [key for page in self._pages for key in page.deleted],
            "skipped": dict(last.skipped),
        }
        table = frame.to_arrow().cast(pa.schema([(name, pa.large_string()) for name in frame.columns]))
        table = table.replace_schema_metadata({_META: json.dumps(meta).encode()})
        path = self.folder / f"{len(self._files()):06}.parquet"
        pq.write_table(table, path.with_suffix(".part"), compression="zstd")
        path.with_suffix(".part").rename(path)
        self.cursor, self._pages = last.cursor, []

    def finish(self) -> None:
        """All pages are there."""
        self.flush()
        (self.folder / "whole").touch()
        self.is_whole = True

    def keys_gone(self) -> Iterator[list[str]]:
        """Keys of rows out of use or deleted, file by file; one that came again in use later is not among them."""
        for place, meta in enumerate(self._metas()):
            yield sorted({*meta["inactive"], *meta["deleted"]} - self._in_use_after(place, meta))

    def describe(self) -> Description:
        """The feed's fields; size in rows."""
        return Description(self.columns, options={"format": "system"}, size=self.count)

    def blocks(self) -> Iterator[Block]:
        """All rows in the order in which they came; line 1 is the first row."""
        done = 0
        for path in self._files():
            frame = pl.DataFrame(pl.from_arrow(pq.read_table(path)))
            lines = range(done + 1, done + frame.height + 1)
            done += frame.height
            yield text_block(frame, lines, [], done)

    def remove(self) -> None:
        """Delete the files."""
        shutil.rmtree(self.folder, ignore_errors=True)

    def _files(self) -> list[Path]:
        return sorted(self.folder.glob("*.parquet"))

    def _metas(self) -> Iterator[dict[str, Any]]:
        for path in self._files():
            yield json.loads((pq.read_schema(path).metadata or {})[_META])

    def _in_use_after(self, place: int, meta: Mapping[str, Any]) -> set[str]:
        """Of the keys that this file marks, those that a later file holds as rows in use."""
        marked = {*meta["inactive"], *meta["deleted"]}
        found: set[str] = set()
        for path, later in list(zip(self._files(), self._metas(), strict=True))[place + 1 :] if marked else []:
            keys = pq.read_table(path, columns=[self.columns[0]]).column(0).to_pylist()
            found = (found | (marked & set(keys))) - {*later["inactive"], *later["deleted"]}
        return found


def settle_feed(job: Import, spool: SpooledPull) -> None:
    """Move the feed's cursor; within the transaction that loads the rows."""
    changed: dict[str, Any] = {"cursor": spool.cursor, "pulled_at": timezone.now()}
    if job.complete:
        changed["full_at"] = changed["pulled_at"]
    if not Feed.objects.filter(pulls=job).update(**changed):
        raise Lost


def sweep_pulls() -> int:
    """Remove pages of pulls that are over; returns of how many."""
    removed = 0
    active = {str(pk) for pk in Import.objects.active().filter(feed__isnull=False).values_list("pk", flat=True)}
    for path in folder(Path(settings.HOME), "pulls").iterdir():
        if path.name not in active:
            shutil.rmtree(path, ignore_errors=True)
            removed += 1
    return removed


def _due(last: Any, every: timedelta | None, now: Any) -> bool:
    return every is not None and (last is None or last + every <= now)


def _sample(connection: Connection, about: ObjectType) -> pd.DataFrame:
    """Some rows of an object as text cells."""
    rows: list[Sequence[str | None]] = []
    with connections.faults_as_refused(), connections.opened(connection, timeout=20) as system:
        for page in system.pull(about.name, about.names, None):
            rows += page.frame.head(SAMPLE_ROWS - len(rows)).rows()
            if len(rows) >= SAMPLE_ROWS:
                break
    return pd.DataFrame(rows, columns=list(about.names), dtype=object)


def _known_roles(connection: Connection, about: ObjectType, objects: Sequence[ObjectType]) -> dict[str, str]:
    """Field -> role where the system says so: the key, what the connector knows, references to objects of a kind."""
    kinds = {one.name: one.kind for one in objects}
    kinds |= {feed.name: feed.source.kind for feed in connection.feeds.select_related("source")}
    found = {about.key: Role.ID.value}
    for one in about.fields[1:]:
        role = one.role or _REFERENCE_OF.get(kinds.get(one.refers_to, ""))
        if role is not None and role is not Role.ID:
            found[one.name] = role.value
    return found


def _described(about: ObjectType) -> dict[str, Any]:
    return {
        "label": about.label,
        "key": about.key,
        "incremental": about.incremental,
        "tells_deleted": about.tells_deleted,
        "merging": about.merging.value,
        "unmerge": about.unmerge,
        "labels": {one.name: one.label or one.name for one in about.fields},
        "refers_to": {one.name: one.refers_to for one in about.fields if one.refers_to},
    }
