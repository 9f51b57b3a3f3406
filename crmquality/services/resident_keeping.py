"""The resident index of every source: built from its records, then kept current by the changes.

Two things tell what changed. Each correction, merge and undo leaves `Change` rows: their ids are followed, with care
for transactions that commit late. An import writes in bulk: when it is over, the versions of all records are compared.
The same comparison is made every few minutes whatever happened, so that no slip lasts.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from crmquality.models import Import, ModelVersion, Record, Source
from crmquality.models.jobs import ACTIVE
from crmquality.models.records import Kind
from crmquality.services import learning
from crmquality.services.batches import source_batch
from crmquality.services.resident_completing import Completions
from detectors.contract import Batch, RunContext
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.entities import entities, entity_of
from detectors.duplicates.relations import kind
from detectors.duplicates.resident import Match, ResidentIndex
from detectors.roles import Role

logger = logging.getLogger(__name__)

KINDS = (Kind.CONTACTS, Kind.LEADS, Kind.ACCOUNTS)
"""Kinds of sources whose records are people or organisations."""
COMPARED_EVERY = 300.0
"""Seconds after which the versions of all records are compared, whatever happened."""
REBUILT_FROM = 0.2
"""Share of changed records from which an index is built anew."""
COUNTED_EVERY = 1800.0
"""Seconds after which the frequent values of a source that changed are counted anew: one pass over its records."""
READ_AT_ONCE = 5000
STILL_OPEN = 10_000
"""How far below the latest change one may be uncommitted at the start; imports, which write more, are compared."""

Ints = npt.NDArray[np.int64]


class Unknown(Exception):
    """There is no index that could answer; the message says why."""


@dataclass
class Held:
    """The indexes of one source.

    signature: what they were built for; another one means that they are to be built anew. versions: record -> its
    version as indexed. last_import: the latest import that was taken into account. counted: when the frequent values
    were; has_changed: whether a record did since.
    """

    source: int
    signature: tuple[Any, ...]
    indexes: dict[str, ResidentIndex] = field(default_factory=dict)
    roles: dict[str, Role] = field(default_factory=dict)
    versions: dict[int, int] = field(default_factory=dict)
    last_import: int = 0
    compared: float = 0.0
    completions: Completions = field(default_factory=Completions)
    counted: float = 0.0
    has_changed: bool = False
    state: str = "building"
    why: str = ""


class Keeper:
    """Holds the indexes. `tend` is called again and again by one thread; `find` by any."""

    def __init__(self) -> None:
        self.held: dict[int, Held] = {}
        self.looked: float | None = None
        self._changes = ChangeFeed()

    def tend(self) -> None:
        """Look once for what changed, and follow it."""
        sources = {source.pk: source for source in Source.objects.filter(kind__in=KINDS)}
        for gone in set(self.held) - set(sources):
            del self.held[gone]
        touched = self._changes.poll()
        for source in sources.values():
            signature = _signature(source)
            held = self.held.get(source.pk)
            if held is None or held.signature != signature or any(index.worn for index in held.indexes.values()):
                self._build(source, signature)
            elif held.state == "ready":
                self._follow(source, held, touched.get(source.pk, set()))
        self.looked = time.monotonic()

    def find(
        self,
        entity: str | None,
        values: Mapping[str, Any],
        *,
        source: int | None,
        limit: int,
        least: float,
        without: int | None,
        others: bool = False,
    ) -> list[tuple[int, Match]]:
        """(source, match), the likeliest first. Raises Unknown if an index that is needed is not ready.

        entity: None for what the values say, with a source. others: those of the other sources that are ready too.
        """
        if self.looked is None:
            raise Unknown("The index of records is being built: try again in a moment.")
        held = list(self.held.values()) if source is None else [self.held[source]] if source in self.held else []
        if source is not None and not held:
            raise Unknown("This source has no index: its records are neither people nor organisations.")
        if entity is None and held:
            entity = entity_of(values, held[0].roles, list(held[0].indexes))
        found: list[tuple[int, Match]] = []
        if others and held and entity is not None:
            found = self._elsewhere(entity, values, held[0], limit=limit, least=least, without=without)
        for one in held:
            if one.state == "building":
                raise Unknown("The index of records is being built: try again in a moment.")
            index = one.indexes.get(entity or "")
            if index is None:
                if source is not None:
                    raise Unknown(one.why or f"This source has no index of {entity}.")
                continue
            cells = dict(values) if source is not None else _by_column(values, one.roles)
            found += [(one.source, match) for match in index.find(cells, limit, least=least, without=without)]
        return sorted(found, key=lambda pair: -pair[1].bits)[:limit]

    def _elsewhere(
        self, entity: str, values: Mapping[str, Any], home: Held, *, limit: int, least: float, without: int | None
    ) -> list[tuple[int, Match]]:
        """(source, match) of the sources but this one; one that is not ready is passed over."""
        by_role: dict[str, list[str]] = {}
        for column, role in home.roles.items():
            if values.get(column):
                by_role.setdefault(role.value, []).append(values[column])
        return [
            (held.source, match)
            for held in list(self.held.values())
            if held is not home and (index := held.indexes.get(entity)) is not None
            for match in index.find(_by_column(by_role, held.roles), limit, least=least, without=without)
        ]

    def related(self, record: int, *, source: int, limit: int) -> list[tuple[int, int, str, float]]:
        """(source, record, relation in words, probability), the likeliest first: those of one household or group.

        The records of all sources are looked at. Raises Unknown if the record is in no index that is ready.
        """
        home = self.held.get(source)
        found: list[tuple[int, int, str, float]] = []
        if home is None or home.state == "building":
            raise Unknown("The index of records is being built: try again in a moment.")
        for entity, own in home.indexes.items():
            values = own.values(record)
            if values is None:
                continue
            by_role: dict[str, list[str]] = {}
            for column, text in values.items():
                by_role.setdefault(home.roles[column].value, []).append(text or "")
            for held in list(self.held.values()):
                index = held.indexes.get(entity)
                if index is not None:
                    cells = values if held is home else _by_column(by_role, held.roles)
                    for other, chance in index.related(cells, limit, without=record):
                        found.append((held.source, other, kind(entity), chance))
        return sorted(found, key=lambda one: -one[3])[:limit]

    def complete(self, values: Mapping[str, str | None], *, source: int, most: int) -> dict[str, list[str]]:
        """Column -> values that go on as it begins. Raises Unknown where the source has not been read."""
        held = self.held.get(source)
        if held is None:
            raise Unknown("This source has no index: its records are neither people nor organisations.")
        return held.completions.complete(values, most)

    def status(self) -> list[dict[str, Any]]:
        """A row a source."""
        return [
            {
                "source": held.source,
                "state": held.state,
                "records": len(held.versions),
                "entities": sorted(held.indexes),
                "why": held.why,
            }
            for held in list(self.held.values())
        ]

    # -- building ---------------------------------------------------------------------------------------------------

    def _build(self, source: Source, signature: tuple[Any, ...]) -> None:
        """Build a source's indexes anew; the old ones answer until then."""
        before = self.held.get(source.pk)
        if before is None or before.signature[:2] != signature[:2]:
            self.held[source.pk] = Held(source.pk, signature)  # other columns: the old ones would answer wrongly
        held = Held(source.pk, signature, roles=source.column_roles)
        held.last_import = _last_import(source)
        # Read first: a record that changes while the values are read has an older version here, and is read again.
        ids, versions = _versions(source)
        held.versions = dict(zip(ids.tolist(), versions.tolist(), strict=True))
        held.compared = 0.0
        try:
            _count(source, held)
            held.indexes = dict(_indexes(source))
            held.state = "ready" if held.indexes else "empty"
            held.why = "" if held.indexes else "This source holds no records that could be compared."
        except Exception as error:  # one source must not stop the others
            logger.error("source %s cannot be indexed: %s", source.pk, type(error).__name__)
            held.state, held.why = "failed", f"The index cannot be built: {type(error).__name__}; see its log."
        self.held[source.pk] = held

    # -- following --------------------------------------------------------------------------------------------------

    def _follow(self, source: Source, held: Held, touched: set[int]) -> None:
        latest = _last_import(source)
        due = time.monotonic() - held.compared > COMPARED_EVERY
        if latest != held.last_import or due or len(touched) > READ_AT_ONCE:
            touched = touched | _differing(source, held.versions)
            held.last_import, held.compared = latest, time.monotonic()
        if len(touched) > max(READ_AT_ONCE, REBUILT_FROM * len(held.versions)):
            self._build(source, held.signature)
            return
        for ids in _portions(sorted(touched)):
            self._read(source, held, ids)
        held.has_changed |= bool(touched)
        if held.has_changed and time.monotonic() - held.counted > COUNTED_EVERY:
            _count(source, held)

    def _read(self, source: Source, held: Held, ids: Sequence[int]) -> None:
        """Take over what these records hold now."""
        rows = Record.objects.live().filter(source=source, id__in=ids).values_list("id", "version", "fields")
        there = {record: (version, fields) for record, version, fields in rows}
        for record in ids:
            if record not in there:
                held.versions.pop(record, None)
                for index in held.indexes.values():
                    index.remove(record)
                continue
            version, fields = there[record]
            if held.versions.get(record) == version and any(record in index for index in held.indexes.values()):
                continue
            home = entity_of(fields, held.roles, list(held.indexes))
            for entity, index in held.indexes.items():
                if entity == home:
                    index.replace(record, fields)
                else:
                    index.remove(record)
            held.versions[record] = version


class ChangeFeed:
    """The records touched by new `Change` rows, without missing one.

    Ids are given out before a transaction commits, so a row may appear below one already seen. A place is only left
    behind once every transaction that was running when it was read is over.
    """

    def __init__(self) -> None:
        self._safe: int | None = None
        self._pending: list[tuple[int, int]] = []
        self._seen: set[int] = set()

    def poll(self) -> dict[int, set[int]]:
        """source -> records with changes since the last poll."""
        with connection.cursor() as cursor:
            cursor.execute("SELECT pg_snapshot_xmin(pg_current_snapshot())::text::bigint")
            over = cursor.fetchone()[0]
            if self._safe is None:
                self._start(cursor)
                return {}
            cursor.execute(
                "SELECT c.id, c.record_id, r.source_id FROM crmquality_change c JOIN crmquality_record r"
                " ON r.id = c.record_id WHERE c.id > %s ORDER BY c.id LIMIT 50000",
                [self._safe],
            )
            rows = cursor.fetchall()
            cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
            running = cursor.fetchone()[0]
        found: dict[int, set[int]] = {}
        for change, record, source in rows:
            if change not in self._seen:
                self._seen.add(change)
                found.setdefault(source, set()).add(record)
        if rows and (not self._pending or rows[-1][0] > self._pending[-1][0]):
            self._pending.append((rows[-1][0], running))
        while self._pending and self._pending[0][1] <= over:
            self._safe = max(self._safe, self._pending.pop(0)[0])
        self._seen = {change for change in self._seen if change > self._safe}
        return found

    def _start(self, cursor: Any) -> None:
        """Begin with what commits from now on: the records are read after this."""
        cursor.execute("SELECT coalesce(max(id), 0) FROM crmquality_change")
        latest = cursor.fetchone()[0]
        cursor.execute("SELECT pg_snapshot_xmax(pg_current_snapshot())::text::bigint")
        self._pending = [(latest, cursor.fetchone()[0])]
        # a transaction that is still running may hold ids a little below
        self._safe = max(0, latest - STILL_OPEN)
        cursor.execute("SELECT id FROM crmquality_change WHERE id > %s AND id <= %s", [self._safe, latest])
        self._seen = {row[0] for row in cursor.fetchall()}


def _indexes(source: Source) -> Iterator[tuple[str, ResidentIndex]]:
    """The index of each kind of entity among a source's live records."""
    batch = source_batch(source)
    if len(batch) < 2:
        return
    serving, _ = learning.load_serving(source, DuplicateDetector.name)
    assert isinstance(serving, DuplicateDetector)
    for entity, rows in entities(batch):
        part = Batch(batch.frame.iloc[rows], batch.roles, batch.kind)
        if len(part) < 2:
            continue
        try:
            yield (
                entity,
                ResidentIndex(
                    part,
                    entity,
                    model=serving.models.get(entity),
                    learned=serving.learned.get(entity),
                    context=RunContext(device="cpu"),
                ),
            )
        except ValueError:
            logger.info("source %s has nothing to compare among its %s", source.pk, entity)


def _count(source: Source, held: Held) -> None:
    """Count the frequent values of a source."""
    held.has_changed, held.counted = False, time.monotonic()
    held.completions = Completions.read(source)


def _signature(source: Source) -> tuple[Any, ...]:
    """What an index depends on beside the records: roles, kind, and the model that serves."""
    serving = ModelVersion.objects.filter(
        source=source, detector=DuplicateDetector.name, state=ModelVersion.State.ACTIVE
    )
    return (tuple(source.column_roles.items()), source.kind, serving.values_list("id", flat=True).first())


def _last_import(source: Source) -> int:
    """The latest import that is over; 0 if there is none."""
    over = Import.objects.filter(source=source).exclude(state__in=ACTIVE).order_by("-finished_at", "-id")
    latest = over.values_list("id", flat=True).first()
    return latest or 0


def _versions(source: Source) -> tuple[Ints, Ints]:
    """Ids and versions of a source's live records."""
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT id, version FROM crmquality_record WHERE source_id = %s AND golden_id IS NULL AND gone_at IS NULL",
            [source.pk],
        )
        table = np.array(cursor.fetchall(), dtype=np.int64).reshape(-1, 2)
    return table[:, 0], table[:, 1]


def _differing(source: Source, known: Mapping[int, int]) -> set[int]:
    """Records whose version is another than the indexed one, new ones and those gone."""
    ids, versions = _versions(source)
    now = dict(zip(ids.tolist(), versions.tolist(), strict=True))
    return {record for record, version in now.items() if known.get(record) != version} | (known.keys() - now.keys())


def _portions(ids: Sequence[int]) -> Iterator[Sequence[int]]:
    for first in range(0, len(ids), READ_AT_ONCE):
        yield ids[first : first + READ_AT_ONCE]


def _by_column(values: Mapping[str, Any], roles: Mapping[str, Role]) -> dict[str, str | None]:
    """Values by role as values by column: the second telephone goes to the second column of telephones."""
    left = {role: [text] if isinstance(text, str) else list(text or ()) for role, text in values.items()}
    cells: dict[str, str | None] = {}
    for column, role in roles.items():
        texts = left.get(role.value)
        cells[column] = texts.pop(0) if texts else None
    return cells
