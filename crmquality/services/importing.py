"""Imports: a file previewed, stored, and read into its source under a lease.

One import is one transaction: nobody sees half of it, a killed worker leaves nothing behind, and the next one starts
the same file anew, which makes it resumable and never doubles a row. (Tried and rejected: a transaction a chunk with a
stored position. It shows half an import to runs and exports, and a cancelled one cannot be taken back.)
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd
import polars as pl
from django.db import IntegrityError, connection, transaction
from django.utils import timezone

from crmquality.connectors.files import FileConnector
from crmquality.connectors.tables import Block, Description, Rejected, Table, Unreadable
from crmquality.models import Import, Kind, QuarantinedRow, Run, Source
from crmquality.models.jobs import JobState
from crmquality.services import access, pulling, running
from crmquality.services.errors import Refused
from crmquality.services.exporting_additions import FILLED
from crmquality.services.importing_load import Counts, Loader
from crmquality.services.importing_uploads import Upload, keep_upload, sweep_uploads
from crmquality.services.leases import Lost, Report, do_job
from crmquality.services.mapping_columns import ColumnMap, map_columns, remember
from crmquality.services.publishing import publish
from detectors.mapping import Guess, guess_kind, guess_roles

__all__ = ["Preview", "execute_import", "get_source", "preview", "request_import", "sweep_uploads"]

SAMPLE_ROWS = 1_000
SHOWN_ROWS = 20


@dataclass(frozen=True)
class Preview:
    """What a file looks like before it is imported.

    rows: the first rows, each a list of cells in the order of `description.columns`.
    rejected: rows among those looked at that would go to quarantine.
    kind: what the rows seem to be, with a confidence in [0, 1].
    """

    description: Description
    rows: list[tuple[str | None, ...]]
    guesses: dict[str, Guess]
    kind: str
    kind_confidence: float
    rejected: list[Rejected] = field(default_factory=list)


def preview(path: Path | str, *, options: Mapping[str, Any] | None = None, kind: str = "") -> Preview:
    """Look at the beginning of a file. options: as `FileConnector.open`. Raises Refused if it cannot be read."""
    with _unreadable_is_refused():
        table = FileConnector().open(str(path), options or {})
        description = table.describe()
        frame, rejected = _sample(table, description)
    cells = _pandas(frame)
    guessed, confidence = guess_kind(cells)
    return Preview(
        description=description,
        rows=frame.head(SHOWN_ROWS).rows(),
        guesses=guess_roles(cells, kind=kind or guessed),
        kind=kind or guessed,
        kind_confidence=1.0 if kind else confidence,
        rejected=rejected[:SHOWN_ROWS],
    )


def get_source(
    *, name: str, kind: str = "", system: str = "", file: Path | str | None = None, user: Any = None
) -> Source:
    """The source of this name, made if there is none. Its kind is as given, else as the file's columns suggest.

    Raises Refused if the source exists with another kind or system, or the kind is unknown.
    """
    if kind and kind not in Kind.values:
        raise Refused(f"There is no kind {kind!r}: choose one of {', '.join(Kind.values)}.")
    found = Source.objects.filter(name=name).first()
    if found is not None:
        for what, given, known in (("kind", kind, found.kind), ("system", system, found.system)):
            if given and given != known:
                raise Refused(f"Source {name!r} has the {what} {known!r}, not {given!r}: use another source name.")
        return found
    if not name.strip() or len(name) > 120:
        raise Refused("A source needs a name of at most 120 characters.")
    kind = kind or (preview(file).kind if file is not None else Kind.CONTACTS)
    return Source.objects.create(name=name, kind=kind, system=system or "default", created_by=user)


def request_import(
    *,
    source: Source,
    file: Any,
    user: Any = None,
    options: Mapping[str, Any] | None = None,
    roles: Mapping[str, str] | None = None,
    dry_run: bool = False,
    complete: bool = False,
    run_after_import: bool = False,
    gated: bool = True,
    file_name: str = "",
    mends: Sequence[int] = (),
) -> Import:
    """Store a file and queue its import.

    file: a path, or an uploaded file of Django. options: as `FileConnector.open`; what is detected is stored with them.
    roles: column -> role, which a person has confirmed. complete: records that the file does not hold are marked gone.
    gated: rows that break a blocking rule of the source go to quarantine; else rules are left to the next run.
    mends: numbers of quarantined rows that this file mends; they are resolved once it is imported.

    Raises Refused if the file cannot be read, a column or role is unknown, or an import of the source is under way.
    """
    upload = keep_upload(file, file_name)
    try:
        with _unreadable_is_refused():
            table = FileConnector().open(str(upload.path), options or {})
            description = table.describe()
            frame, _ = _sample(table, description)
        if FILLED in description.columns:
            raise Refused("This file was filled in for analysis: its guesses are never written into records.")
        found = map_columns(source, _pandas(frame), roles)
        with transaction.atomic():
            if not dry_run or not source.columns:
                remember(source, found)
            options = _options(description, found) | ({"mends": list(mends)} if mends else {})
            job = _queue(
                source,
                upload,
                user,
                options=options,
                progress_total=description.size,
                dry_run=dry_run,
                complete=complete,
                run_after_import=run_after_import and not dry_run,
                gated=gated,
            )
    except BaseException:
        upload.path.unlink(missing_ok=True)
        raise
    return job


def _options(description: Description, found: ColumnMap) -> dict[str, Any]:
    """How the file is read, as stored with the import and shown."""
    return dict(description.options) | {
        "columns": list(description.columns),
        "renamed": dict(description.renamed),
        "roles": {name: role.value for name, role in found.roles.items()},
    }


def _queue(source: Source, upload: Upload, user: Any, **fields: Any) -> Import:
    try:
        with transaction.atomic():
            job = Import.objects.create(
                source=source,
                file_name=upload.name,
                path=str(upload.path),
                size=upload.size,
                sha256=upload.sha256,
                requested_by=user,
                **fields,
            )
    except IntegrityError:
        raise Refused(f"An import into {source.name!r} is under way: wait for it or cancel it.") from None
    publish("crmquality.tasks.execute_import", job.pk)
    return job


def execute_import(import_id: int) -> None:
    """Do a queued import, unless another worker has it. Never raises: how it ended stands in the row."""
    job = do_job(Import, import_id, _read_and_store)
    if job:
        access.index_owners(job.source)


def _read_and_store(job: Import, report: Report) -> None:
    with _unreadable_is_refused():
        _store_all(job, report)


def _store_all(job: Import, report: Report) -> None:
    source = Source.objects.get(pk=job.source_id)
    spool = pulling.fetch(job, report) if job.feed_id else None
    table = spool or FileConnector().open(job.path, job.options)
    report(0, job.progress_total, "reading the rows")
    with transaction.atomic():
        counts = _load(job, source, table, report)
        skipped = spool.skipped if spool else {}
        finished = Import.objects.held(job).update(
            state=JobState.SUCCEEDED,
            finished_at=timezone.now(),
            lease_until=None,
            options=job.options
            | {"corrections_kept": counts.kept, "gone": counts.gone, "note": counts.note, "skipped": skipped},
            rows_read=counts.read,
            rows_new=counts.new,
            rows_changed=counts.changed,
            rows_same=counts.same,
            rows_quarantined=counts.quarantined,
            broken=counts.broken,
        )
        if not finished:
            raise Lost
        if spool:
            pulling.settle_feed(job, spool)
        QuarantinedRow.objects.filter(pk__in=job.options.get("mends", [])).update(resolved_at=timezone.now())
        if job.run_after_import and source.column_roles:
            running.request_all(source=source, cause=Run.Cause.IMPORT, user=job.requested_by, only_changes=True)
    if spool:
        spool.remove()


def _load(job: Import, source: Source, table: Table, report: Report) -> Counts:
    description = table.describe()
    if isinstance(table, pulling.SpooledPull):
        loader = Loader(job, source, connection, gone=table.keys_gone(), missing=", ".join(table.skipped))
    else:
        loader = Loader(job, source, connection)

    def watched(blocks: Iterable[Block]) -> Iterator[Block]:
        for block in blocks:
            report(block.position, max(description.size, block.position), "reading the rows", write=False)
            yield block

    loader.load(watched(table.blocks()))
    report(description.size, description.size, "comparing with what is known", write=False)
    return loader.settle()


def _sample(table: Table, description: Description) -> tuple[pl.DataFrame, list[Rejected]]:
    """The first rows that can be read, and those among them that cannot."""
    empty = pl.DataFrame(schema=dict.fromkeys(description.columns, pl.String))
    for block in table.blocks():
        if block.frame.height:
            return block.frame.head(SAMPLE_ROWS), list(block.rejected)
        empty_handed = list(block.rejected)
        if empty_handed:
            return empty, empty_handed
    return empty, []


def _pandas(frame: pl.DataFrame) -> pd.DataFrame:
    return pd.DataFrame(
        {name: pd.Series(frame[name].to_list(), dtype=object) for name in frame.columns}, columns=frame.columns
    )


class _unreadable_is_refused:
    """What a connector cannot read is refused, in the connector's words."""

    def __enter__(self) -> None: ...

    def __exit__(self, kind: Any, error: BaseException | None, trace: Any) -> None:
        if isinstance(error, Unreadable):
            raise Refused(str(error)) from error
