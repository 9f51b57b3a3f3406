"""Rows in quarantine: shown, downloaded, mended and imported again, or put aside.

The download is a CSV file of four columns: Number, Line, Reason, and Row, the text of the row as it stood. A person
mends the text in Row (or deletes the line) and gives the file back; the other columns say which row it was.
"""

from __future__ import annotations

import csv
import json
import tempfile
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import polars as pl
from django.db.models import QuerySet
from django.db.models.functions import Now

from crmquality.connectors.files import FileConnector
from crmquality.connectors.tables import Unreadable
from crmquality.models import Import, QuarantinedRow, Source
from crmquality.services.errors import Refused
from crmquality.services.exporting import neutralised
from crmquality.services.importing import request_import

COLUMNS = ("Number", "Line", "Reason", "Row")
_CHUNK = 2_000


def quarantined(source: Source, *, resolved: bool = False) -> QuerySet[QuarantinedRow]:
    """The source's rows in quarantine, without those of dry runs; with those already settled if `resolved`."""
    rows: QuerySet[QuarantinedRow] = QuarantinedRow.objects.filter(source=source, job__dry_run=False).select_related(
        "job"
    )
    return rows if resolved else rows.filter(resolved_at=None)


def row_text(row: QuarantinedRow) -> str:
    """A quarantined row as text; bytes that are none in its file's encoding show as U+FFFD, NUL as U+2400."""
    encoding = row.job.options.get("encoding", "utf-8")
    return bytes(row.raw).decode(encoding, "replace").replace("\0", "\u2400")


def quarantine_csv(rows: QuerySet[QuarantinedRow]) -> Iterator[bytes]:
    """Rows in quarantine as CSV in UTF-8, piece by piece; cells that a spreadsheet would run are neutralised."""
    yield (",".join(COLUMNS) + "\n").encode()
    pending: list[tuple[str, str, str, str]] = []
    for row in rows.iterator(chunk_size=_CHUNK):
        pending.append((str(row.pk), str(row.line), row.reason, row_text(row)))
        if len(pending) == _CHUNK:
            yield _lines(pending)
            pending = []
    if pending:
        yield _lines(pending)


def mark_resolved(rows: Iterable[int]) -> int:
    """Put rows aside, by number; returns how many were still open. They stay listed as resolved."""
    count: int = QuarantinedRow.objects.filter(pk__in=list(rows), resolved_at=None).update(resolved_at=Now())
    return count


def reimport_quarantined(*, source: Source, file: Path | str, user: Any = None) -> Import:
    """Queue the import of mended rows from a file as `quarantine_csv` wrote it. They are resolved once it succeeds.

    A row that is still wrong comes into quarantine again, with its new reason.

    Raises Refused if the file is no such download, or names rows that are not in the source's quarantine.
    """
    texts = _mended(Path(file))
    rows = {row.pk: row for row in quarantined(source).filter(pk__in=texts)}
    unknown = sorted(set(texts) - set(rows))
    if unknown:
        raise Refused(f"Row {unknown[0]} is not in the quarantine of {source.name!r}: download its quarantine again.")
    jobs = {row.job_id for row in rows.values()}
    if len(jobs) != 1:
        raise Refused("The rows come from several imports: mend and give back the rows of one import at a time.")
    job = next(iter(rows.values())).job
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"mended rows of import {job.pk}.csv"
        path.write_bytes("".join(_file_lines(job, [texts[number] for number in sorted(texts)])).encode())
        options = {"encoding": "utf-8", "formula_marks": False} | _dialect(job)
        return request_import(source=source, file=path, user=user, options=options, mends=sorted(texts))


def _lines(rows: list[tuple[str, str, str, str]]) -> bytes:
    frame = pl.DataFrame(rows, dict.fromkeys(COLUMNS, pl.String), orient="row").select(neutralised(pl.all()))
    text: str = frame.write_csv(include_header=False, quote_style="non_numeric")
    return text.encode()


def _mended(path: Path) -> dict[int, str]:
    """Number -> text of the row."""
    try:
        table = FileConnector().open(str(path), {})
        columns = table.describe().columns
        if not {"Number", "Row"} <= set(columns):
            raise Refused("This is no download of the quarantine: it needs the columns Number and Row.")
        rows: dict[int, str] = {}
        for block in table.blocks():
            if block.rejected:
                bad = block.rejected[0]
                raise Refused(f"Line {bad.line} of the mended file cannot be read: {bad.reason}.")
            for number, text in block.frame.select("Number", "Row").iter_rows():
                if not (number or "").isdecimal():
                    raise Refused(f"{number!r} in the column Number is not the number of a row.")
                if text:
                    rows[int(number)] = text
    except Unreadable as error:
        raise Refused(str(error)) from error
    if not rows:
        raise Refused("The file holds no mended row.")
    return rows


def _dialect(job: Import) -> dict[str, str]:
    if job.options.get("format") != "csv":
        return {"delimiter": ",", "quote": '"'}
    return {"delimiter": job.options["delimiter"], "quote": job.options["quote"]}


def _file_lines(job: Import, texts: list[str]) -> Iterator[str]:
    """The lines of a file with the import's columns and these rows."""
    marks = _dialect(job)
    quoting: dict[str, Any] = {"quotechar": marks["quote"]} if marks["quote"] else {"quoting": csv.QUOTE_NONE}
    buffer = _Lines()
    writer = csv.writer(buffer, delimiter=marks["delimiter"], lineterminator="\n", **quoting)
    writer.writerow(job.options["columns"])
    for text in texts:
        if job.options.get("format") == "csv":
            buffer.write(text + "\n")
        else:
            writer.writerow(_cells(text, job.options["columns"]))
    yield from buffer


def _cells(text: str, columns: list[str]) -> list[str]:
    """The cells of a typed row, kept as a JSON array, or as the object of a JSON line."""
    try:
        cells = json.loads(text)
    except ValueError:
        cells = None
    if isinstance(cells, dict):
        cells = [cells.get(name) for name in columns]
    if not isinstance(cells, list):
        raise Refused('A mended row must stay a JSON array: ["Ann", null, "3"]; or an object, if it was one.')
    return ["" if cell is None else str(cell) for cell in cells]


class _Lines(list[str]):
    """What csv.writer writes to."""

    def write(self, text: str) -> None:
        """Keep a line."""
        self.append(text)
