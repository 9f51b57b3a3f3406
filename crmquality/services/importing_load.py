"""Rows into records: new ones by COPY straight into the table, known ones compared in SQL, set by set.

A row whose key was certainly never seen goes straight into `crmquality_record`. Every other row goes to a temporary
table and is settled at the end: a repeat within the file to quarantine, an unchanged one left alone, a changed one
updated cell by cell with a Change for each.

What a person corrected is not lost to a re-import. The value a cell had at its last import stands in `before` of the
oldest correction since. If the file still holds that value, the source has not changed, and the correction stays. If it
holds another one, the source knows something newer: it is taken, noted as a Change, and can be undone. A correction
that was written back counts as imported: the source holds it, and what it holds later is newer.

Measured on 300,000 rows of 12 columns: straight COPY 3.8 s of the server's time, by way of a temporary table 5.9 s;
checking the same foreign key for every row another 2.9 s.
"""

from __future__ import annotations

import os
import queue
import socket
import threading
from collections.abc import Generator, Iterable, Iterator
from contextlib import closing, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from typing import Any, TypeVar

import polars as pl

from crmquality.connectors.tables import Block, Rejected
from crmquality.models import Import, Source
from crmquality.models.records import REFERENCES
from crmquality.services.errors import Refused
from crmquality.services.importing_copy import COLUMNS
from crmquality.services.importing_gate import Gate
from crmquality.services.importing_rows import Prepared, Preparer, hashes
from crmquality.services.mapping_columns import key_column, references_sql
from detectors.roles import Role

T = TypeVar("T")
_LARGEST = 2**63 - 1
PIECE = 2**18
SOCKET_BUFFER = 2**20
"""Bytes that may lie between this process and the server."""
_TEMPORARY = """
    DROP TABLE IF EXISTS pg_temp.import_row, pg_temp.import_cell, pg_temp.import_repeat, pg_temp.import_gone;
    CREATE TEMPORARY TABLE import_row (
        source_id bigint, external_id text, line bigint, raw text, fields jsonb, digest text, refs text[]
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE import_cell (
        record_id bigint, field text, before text, after text, is_new_column boolean, corrected boolean
    ) ON COMMIT DROP;
    CREATE TEMPORARY TABLE import_gone (external_id text) ON COMMIT DROP
"""
_NUMBER_EQUALS = """
    UPDATE import_row SET external_id = numbered.key FROM (
        SELECT ctid AS place, digest || '-' || (
            row_number() OVER (PARTITION BY digest ORDER BY line)
            + (SELECT count(*) FROM crmquality_record
               WHERE source_id = %(source)s AND external_id = row.digest || '-1' AND id > %(floor)s)
        ) AS key FROM import_row AS row
    ) AS numbered WHERE import_row.ctid = numbered.place
"""
_REPEATS = """
    CREATE TEMPORARY TABLE import_repeat ON COMMIT DROP AS
    SELECT * FROM (
        SELECT row.ctid AS place, row.line, row.raw, least(
            min(row.line) OVER (PARTITION BY row.external_id),
            (SELECT line FROM crmquality_record AS record
             WHERE record.source_id = %(source)s AND record.external_id = row.external_id AND record.id > %(floor)s)
        ) AS first_line FROM import_row AS row
    ) AS rows WHERE line > first_line
"""
# Of a row that a pull gave more than once (it changed meanwhile) the last one counts.
_KEEP_LAST = """
    DELETE FROM import_row USING (
        SELECT ctid AS place, line < max(line) OVER (PARTITION BY external_id) AS is_older FROM import_row
    ) AS rows WHERE import_row.ctid = rows.place AND rows.is_older
"""
_FORGET_REPEATS = "DELETE FROM import_row USING import_repeat WHERE import_row.ctid = import_repeat.place"
_COUNT_NEW = """
    SELECT count(*) FROM import_row AS row WHERE NOT EXISTS (
        SELECT 1 FROM crmquality_record WHERE source_id = %(source)s AND external_id = row.external_id)
"""
_INSERT_NEW = """
    INSERT INTO crmquality_record (source_id, external_id, line, raw, fields, digest, refs)
    SELECT %(source)s, external_id, line, raw, fields, digest, refs FROM import_row
    ON CONFLICT (source_id, external_id) DO NOTHING
"""
_COMPARE = """
    INSERT INTO import_cell
    SELECT record.id, cell.key, record.fields->>cell.key, cell.value, NOT record.fields ? cell.key, false
    FROM import_row AS row
    JOIN crmquality_record AS record ON record.source_id = %(source)s AND record.external_id = row.external_id
    CROSS JOIN jsonb_each_text(row.fields) AS cell
    WHERE record.id <= %(known)s AND record.digest <> row.digest
      AND record.fields->>cell.key IS DISTINCT FROM cell.value
"""
_KEEP_CORRECTIONS = """
    WITH history AS (
        SELECT cell.record_id, cell.field, change.id, change.before,
               max(change.id) FILTER (WHERE change_set.action = 'import' OR EXISTS (
                   SELECT 1 FROM crmquality_outboxentry AS written
                   WHERE written.change_set_id = change.change_set_id AND written.state = 'done'
                     AND change.record_id = ANY(written.records)
               )) OVER (PARTITION BY cell.record_id, cell.field) AS last_import
        FROM import_cell AS cell
        JOIN crmquality_change AS change USING (record_id, field)
        JOIN crmquality_changeset AS change_set ON change_set.id = change.change_set_id
        WHERE NOT change.is_pointer
    ), imported AS (
        SELECT DISTINCT ON (record_id, field) record_id, field, before AS value FROM history
        WHERE id > coalesce(last_import, 0) ORDER BY record_id, field, id
    ), kept AS (
        DELETE FROM import_cell USING imported
        WHERE import_cell.record_id = imported.record_id AND import_cell.field = imported.field
          AND import_cell.after IS NOT DISTINCT FROM imported.value
        RETURNING import_cell.record_id
    ), marked AS (
        UPDATE import_cell SET corrected = true FROM imported
        WHERE import_cell.record_id = imported.record_id AND import_cell.field = imported.field
          AND import_cell.after IS DISTINCT FROM imported.value
    )
    SELECT count(*) FROM kept
"""
_CHANGE_SET = """
    INSERT INTO crmquality_changeset (action, source_id, cause, by_id) VALUES ('import', %(source)s, %(cause)s, %(by)s)
    RETURNING id
"""
_CHANGES = """
    INSERT INTO crmquality_change (change_set_id, record_id, field, before, after, reason)
    SELECT %(change_set)s, record_id, field, before, after,
           CASE WHEN corrected THEN 'the source has a new value, which replaces a correction' ELSE '' END
    FROM import_cell WHERE NOT is_new_column ORDER BY record_id, field
"""
_UPDATE = """
    UPDATE crmquality_record AS record
    SET fields = {fields}, refs = {references}, line = given.line, raw = given.raw, digest = given.digest,
        version = record.version + (given.patch IS NOT NULL)::int,
        updated_at = CASE WHEN given.patch IS NULL THEN record.updated_at ELSE now() END
    FROM (
        SELECT known.id, row.line, row.raw, row.digest, patches.patch
        FROM import_row AS row
        JOIN crmquality_record AS known ON known.source_id = %s AND known.external_id = row.external_id
        LEFT JOIN (
            SELECT record_id, jsonb_object_agg(field, after) AS patch FROM import_cell GROUP BY record_id
        ) AS patches ON patches.record_id = known.id
        WHERE known.id <= %s AND known.digest <> row.digest
    ) AS given
    WHERE record.id = given.id
"""
_PATCHED = "(record.fields || coalesce(given.patch, '{}'))"
_COME_BACK = """
    UPDATE crmquality_record AS record SET gone_at = NULL, version = version + 1, updated_at = now()
    FROM import_row AS row
    WHERE record.source_id = %(source)s AND record.external_id = row.external_id AND record.gone_at IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM import_gone WHERE import_gone.external_id = record.external_id)
"""
# A record merged here is out of use there because we wrote that: it comes back with an undo.
_OUT_OF_USE = """
    UPDATE crmquality_record AS record SET gone_at = now(), version = version + 1, updated_at = now()
    FROM import_gone
    WHERE record.source_id = %(source)s AND record.external_id = import_gone.external_id
      AND record.gone_at IS NULL AND record.golden_id IS NULL
"""
# A golden record whose own row is gone still stands for the rows merged into it that the file holds.
_GONE = """
    WITH RECURSIVE held (id) AS (
        SELECT golden_id FROM crmquality_record JOIN import_row USING (external_id)
        WHERE crmquality_record.source_id = %(source)s AND golden_id IS NOT NULL
        UNION SELECT golden_id FROM crmquality_record JOIN held USING (id) WHERE golden_id IS NOT NULL
    )
    UPDATE crmquality_record AS record SET gone_at = now(), version = version + 1, updated_at = now()
    WHERE source_id = %(source)s AND id <= %(floor)s AND gone_at IS NULL AND golden_id IS NULL
      AND NOT EXISTS (SELECT 1 FROM import_row AS row WHERE row.external_id = record.external_id)
      AND NOT EXISTS (SELECT 1 FROM held WHERE held.id = record.id)
"""


@dataclass
class Counts:
    """What an import did: rows of the file, and records. kept: cells where a person's correction stays.

    broken: blocking rule -> rows that went to quarantine for it.
    """

    read: int = 0
    new: int = 0
    changed: int = 0
    same: int = 0
    quarantined: int = 0
    gone: int = 0
    kept: int = 0
    note: str = ""
    broken: dict[str, int] = field(default_factory=dict)


class Loader:
    """Loads one import into its source, within the caller's transaction: first `load`, then `settle`.

    gone: for rows of a connected system, keys that it says are out of use or deleted.
    missing: parts of that system that could not be read; their rows are not gone.
    """

    def __init__(
        self, job: Import, source: Source, connection: Any, *, gone: Iterable[list[str]] = (), missing: str = ""
    ) -> None:
        self.job = job
        self.gone = gone
        self.missing = missing
        self.source = source
        self.connection = connection
        self.counts = Counts()
        roles = {name: Role(role) for name, role in job.options["roles"].items()}
        self.key = key_column(roles)
        self.gate = Gate(source, roles) if job.gated else None
        self.preparer = Preparer(
            source=source.pk,
            key=self.key,
            references={name: str(REFERENCES[role]) for name, role in roles.items() if role in REFERENCES},
            encoding=job.options.get("encoding", "utf-8"),
            compare_all=job.dry_run,
            gate=self.gate if self.gate and self.gate.rules else None,
        )
        self.params: dict[str, Any] = {"source": source.pk, "floor": 0, "known": 0}

    def load(self, blocks: Iterable[Block]) -> None:
        """Copy all rows into the record table or the temporary one, and bad rows to quarantine."""
        self._run("SET CONSTRAINTS ALL IMMEDIATE")  # deferred checks would pile up in the server's memory
        self._run("SELECT 1 FROM crmquality_source WHERE id = %(source)s FOR KEY SHARE", self.params)
        self._run(_TEMPORARY)
        self._match_key()
        self._recall_keys()
        self._widen_socket()
        with self._without_row_checks(), closing(ahead(map(self.preparer.prepare, blocks))) as prepared:
            for lines in prepared:
                self._copy(lines)

    def settle(self) -> Counts:
        """Decide about the rows whose key was seen before; returns what was done in all."""
        self._run("ANALYZE import_row")
        if self._one("SELECT count(*) FROM import_row"):
            # else a plan for the few records of old statistics joins row by row: minutes at some ten thousand rows
            self._run("ANALYZE crmquality_record (source_id, external_id)")
        if self.key is None:
            self._run(_NUMBER_EQUALS, self.params)
        if self.job.feed_id:
            self._run(_KEEP_LAST)
        else:
            self._reject_repeats()
        self._compare()
        if not self.job.dry_run:
            self._write()
        self.counts.broken = dict(+self.gate.counts) if self.gate else {}
        return self.counts

    # Loading

    def _match_key(self) -> None:
        """Refuse a file whose ID column is not (or no longer) that of the source."""
        today = key_column(self.source.column_roles)
        if today != self.key and not self.job.dry_run:
            raise Refused(
                f"The ID of {self.source.name!r} is {today or 'a digest of the content'!r} by now, not "
                f"{self.key or 'a digest of the content'!r}: import the file again."
            )

    def _recall_keys(self) -> None:
        """Note the keys that the source has already."""
        with self.connection.cursor() as cursor:
            # of all sources: the greatest id of one source takes a walk over those of the others
            cursor.execute("SELECT coalesce(max(id), 0) FROM crmquality_record")
            self.params["floor"] = self.params["known"] = cursor.fetchone()[0]
        if self.job.feed_id:
            self.params["known"] = _LARGEST  # a row that comes again is compared with itself, as it was just stored
        with self.connection.chunked_cursor() as cursor:
            cursor.execute("SELECT external_id FROM crmquality_record WHERE source_id = %s", [self.source.pk])
            while rows := cursor.fetchmany(50_000):
                self.preparer.seen.add(hashes(pl.Series([row[0] for row in rows], dtype=pl.String)))

    def _widen_socket(self) -> None:
        """Let more lie ready for the server, so that it goes on while this process prepares the next block.

        A twelfth less time by the clock; where the system allows no more than it has, nothing changes.
        """
        with suppress(OSError), socket.socket(fileno=os.dup(self.connection.connection.fileno())) as wire:
            wire.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)

    @contextmanager
    def _without_row_checks(self) -> Iterator[None]:
        """Do without the foreign-key check of every row: all have the same source, locked above, and no golden record.

        Needs the right to set `session_replication_role`, which the embedded server's user has; else rows are checked.
        """
        with self.connection.cursor() as cursor:
            cursor.execute("SELECT has_parameter_privilege('session_replication_role', 'SET')")
            may = cursor.fetchone()[0]
        if may:
            self._run("SET LOCAL session_replication_role = replica")
        yield
        if may:
            self._run("SET LOCAL session_replication_role = origin")

    def _copy(self, prepared: Prepared) -> None:
        columns = ", ".join(COLUMNS)
        self._copy_in(f"COPY crmquality_record ({columns}) FROM STDIN (FORMAT binary)", prepared.new)
        self._copy_in(f"COPY import_row ({columns}) FROM STDIN (FORMAT binary)", prepared.compared)
        self._quarantine(prepared.rejected)
        self.counts.new += prepared.new_rows
        self.counts.read += prepared.new_rows + prepared.compared_rows + len(prepared.rejected)

    def _copy_in(self, statement: str, rows: memoryview) -> None:
        if not rows:
            return
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for begin in range(0, len(rows), PIECE):
                copy.write(rows[begin : begin + PIECE])

    def _quarantine(self, rejected: list[Rejected]) -> None:
        if not rejected:
            return
        statement = "COPY crmquality_quarantinedrow (job_id, source_id, line, raw, reason) FROM STDIN"
        with self.connection.cursor() as cursor, cursor.copy(statement) as copy:
            for row in rejected:
                copy.write_row((self.job.pk, self.source.pk, row.line, row.raw, row.reason))
        self.counts.quarantined += len(rejected)

    # Settling

    def _reject_repeats(self) -> None:
        """Rows whose ID stands in the file before go to quarantine."""
        self._run(_REPEATS, self.params)
        self._run(_FORGET_REPEATS)
        with self.connection.cursor() as cursor:
            last = 0
            while True:
                cursor.execute(
                    "SELECT line, raw, first_line FROM import_repeat WHERE line > %s ORDER BY line LIMIT 5000", [last]
                )
                rows = cursor.fetchall()
                if not rows:
                    return
                last = rows[-1][0]
                self._quarantine(
                    [
                        Rejected(line, raw.encode(self.preparer.encoding), f"the ID stands on line {first} already")
                        for line, raw, first in rows
                    ]
                )

    def _compare(self) -> None:
        """Find the cells to be changed, and leave those where a correction stays."""
        self._run(_COMPARE, self.params)
        self._run("CREATE INDEX ON import_cell (record_id, field)")
        self._run("ANALYZE import_cell")
        counts = self.counts
        counts.kept = self._one(_KEEP_CORRECTIONS)
        fresh = self._one(_COUNT_NEW, self.params)
        known = self._one("SELECT count(*) FROM import_row") - fresh
        counts.changed = self._one("SELECT count(DISTINCT record_id) FROM import_cell")
        counts.same = known - counts.changed
        counts.new += fresh

    def _write(self) -> None:
        self._run(_INSERT_NEW, self.params)
        if self._one("SELECT count(*) FROM import_cell WHERE NOT is_new_column"):
            cause = {"cause": f"import {self.job.pk}", "by": self.job.requested_by_id}
            change_set = self._one(_CHANGE_SET, self.params | cause)
            self._run(_CHANGES, {"change_set": change_set})
        references, params = references_sql(self.source, _PATCHED)
        statement = _UPDATE.format(fields=_PATCHED, references=references)
        self._run(statement, [*params, self.source.pk, self.params["known"]])
        self._note_gone()
        self._run(_COME_BACK, self.params)
        self.counts.gone = self._run(_OUT_OF_USE, self.params)
        if self.job.complete:
            self._mark_gone()

    def _note_gone(self) -> None:
        with self.connection.cursor() as cursor, cursor.copy("COPY import_gone (external_id) FROM STDIN") as copy:
            for key in chain.from_iterable(self.gone):
                copy.write_row((key,))

    def _mark_gone(self) -> None:
        """Mark the records that the file does not hold; not while rows of it are in quarantine, which may be they."""
        if self.missing:
            self.counts.note = f"No missing record was marked as gone, since not all could be read: {self.missing}"
            return
        if self.counts.quarantined:
            self.counts.note = (
                f"No record was marked as gone: {self.counts.quarantined:,} rows are in quarantine, and one of them "
                "may be a record that seems to be missing. Mend them and import the whole file again."
            )
            return
        self.counts.gone += self._run(_GONE, self.params)

    def _run(self, statement: str, params: Any = None) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params)
            return int(cursor.rowcount)

    def _one(self, statement: str, params: Any = None) -> int:
        with self.connection.cursor() as cursor:
            cursor.execute(statement, params)
            return int(cursor.fetchone()[0])


def ahead(items: Iterable[T], *, size: int = 1) -> Generator[T, None, None]:
    """The same items, made in a thread of their own while the caller works on the ones before."""
    waiting: queue.Queue[tuple[T | None, BaseException | None]] = queue.Queue(maxsize=size)
    stopped = threading.Event()

    def put(item: T | None, error: BaseException | None) -> bool:
        while not stopped.is_set():
            try:
                waiting.put((item, error), timeout=0.1)
                return True
            except queue.Full:
                continue
        return False

    def make() -> None:
        end: BaseException = StopIteration()
        try:
            for item in items:
                if not put(item, None):
                    return
        except BaseException as error:
            end = error
        put(None, end)

    thread = threading.Thread(target=make, name="import-ahead", daemon=True)
    thread.start()
    try:
        while True:
            item, error = waiting.get()
            if isinstance(error, StopIteration):
                return
            if error is not None:
                raise error
            yield item  # type: ignore[misc]
    finally:
        stopped.set()
        thread.join()
