"""The corrected records of a source, as CSV, Excel or Parquet, and the log of what was changed.

A cell that a spreadsheet would run as a formula (it begins with = + - @, a tab, CR or NUL) gets a leading apostrophe in
CSV, and so does one that begins with apostrophes before such a character; importing the file takes one apostrophe away
again, so every value survives. Negative numbers and phone numbers such as +49 30 901820 are no exception: a spreadsheet
would compute with them ("+49-30-9" becomes 10). For loading into another system, `neutralise=False` writes the values
as they are. In Excel files such a cell is text by its type and carries Excel's own quote mark; Parquet runs nothing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Sequence
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq
from django.db import connection, transaction
from openpyxl.cell import WriteOnlyCell

from crmquality.masking import masked, masked_sentence, masked_together
from crmquality.models import Source
from crmquality.services.errors import Refused
from crmquality.services.exporting_additions import NOTHING, Adder, Additions

FORMATS = ("csv", "xlsx", "parquet")
MERGED_INTO, GONE_AT = "Merged into", "Gone at"
_FORMULA = r"^('*[=+\-@\t\r\x00])"
FORMULA = re.compile(_FORMULA)
"""A cell that a spreadsheet would run, or that had an apostrophe put before it."""

CHUNK = 5_000
_SHEET_ROWS = 1_048_576
_LONGEST_CELL = 32_767
_NOT_IN_XML = re.compile("[\x00-\x08\x0b\x0c-\x1f\ufffe\uffff]|_(?=x[0-9A-Fa-f]{4}_)")
_RECORDS = """
    SELECT record.id, {cells}{inactive} FROM crmquality_record AS record
    LEFT JOIN crmquality_record AS golden ON golden.id = record.golden_id
    WHERE record.source_id = %s {only_live} ORDER BY record.id
"""
_CHANGES = """
    SELECT change_set.id, to_char(change_set.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
           coalesce(person.username, 'automatic'), change_set.action, change_set.cause, record.external_id,
           change.field, change.before, change.after, change.reason, coalesce('by change ' || undo.id, ''){secrets}
    FROM crmquality_change AS change
    JOIN crmquality_changeset AS change_set ON change_set.id = change.change_set_id
    JOIN crmquality_record AS record ON record.id = change.record_id
    LEFT JOIN auth_user AS person ON person.id = change_set.by_id
    LEFT JOIN crmquality_changeset AS undo ON undo.undoes_id = change_set.id
    WHERE change_set.source_id = %s ORDER BY change.id
"""
CHANGE_COLUMNS = (
    "Change", "When", "Who", "Action", "Cause", "Record", "Field", "Before", "After", "Reason", "Undone",
)  # fmt: skip


def export_csv(
    source: Source,
    *,
    include_inactive: bool = False,
    neutralise: bool = True,
    hide: Collection[str] = (),
    add: Additions = NOTHING,
) -> Iterator[bytes]:
    """The records as CSV in UTF-8, piece by piece, in the columns of the source.

    hide: the columns whose values are masked. add: what is added to them.
    include_inactive: also records that were merged into another or are gone from the source, with two more columns
    that say so.
    """
    for place, frame in enumerate(_frames(source, include_inactive=include_inactive, hide=hide, add=add)):
        yield _csv(frame, header=place == 0, neutralise=neutralise)


def export_changes(source: Source, *, hide: Collection[str] = ()) -> Iterator[bytes]:
    """Every change ever made to the source's records, as CSV in UTF-8, oldest first; hide: the columns to mask."""
    names, hidden = list(CHANGE_COLUMNS), sorted(hide)
    statement = _CHANGES.format(secrets="".join([", record.fields->>%s"] * len(hidden)))
    for place, found in enumerate(_fetch(statement, [*hidden, source.pk])):
        rows = [_masked_change(row, hide) for row in found] if hide else found
        yield _csv(_frame(names, rows), header=place == 0, neutralise=True)


def export_file(
    source: Source,
    path: Path,
    *,
    kind: str = "csv",
    include_inactive: bool = False,
    neutralise: bool = True,
    hide: Collection[str] = (),
    add: Additions = NOTHING,
    each: Callable[[int], object] = lambda done: None,
) -> int:
    """Write the records to a file: beside it first, then named in one step. Returns how many.

    kind: csv, xlsx or parquet. hide: the columns whose values are masked. add: what is added to them.
    each: is told how many records are read.
    Raises Refused for another kind, or records that Excel cannot hold.
    """
    writers = {"csv": _write_csv, "xlsx": _write_excel, "parquet": _write_parquet}
    if kind not in writers:
        raise Refused(f"There is no export as {kind!r}: choose one of {', '.join(FORMATS)}.")
    beside = path.with_name(f".{path.name}.part")
    try:
        frames = _told(_frames(source, include_inactive=include_inactive, hide=hide, add=add), each)
        count = writers[kind](frames, beside, neutralise)
        beside.replace(path)
    finally:
        beside.unlink(missing_ok=True)
    return count


def table_csv(
    names: Sequence[str], rows: Sequence[tuple[Any, ...]], *, hide: Collection[str] = (), header: bool = True
) -> bytes:
    """Rows of cells as CSV in UTF-8, formulas neutralised; hide: the columns whose values are masked.

    A sentence in the last column is masked of the same values.
    """
    *columns, sentence = names
    if hide:
        rows = [
            (
                *(masked(cell) if name in hide else cell for name, cell in zip(columns, row[:-1], strict=True)),
                masked_sentence(row[-1], [cell for name, cell in zip(columns, row[:-1], strict=True) if name in hide]),
            )
            for row in rows
        ]
    return _csv(_frame([*columns, sentence], rows), header=header, neutralise=True)


def neutralised(cells: pl.Expr) -> pl.Expr:
    """Text cells with an apostrophe before those that a spreadsheet would run."""
    return cells.str.replace(_FORMULA, "'${1}")


def _csv(frame: pl.DataFrame, *, header: bool, neutralise: bool) -> bytes:
    if neutralise:
        frame = frame.select(neutralised(pl.all()))
        frame = frame.rename({name: _safe_name(name) for name in frame.columns})
    text: str = frame.write_csv(include_header=header, quote_style="non_numeric")
    return text.encode()


def _safe_name(name: str) -> str:
    return f"'{name}" if re.match(_FORMULA, name) else name


def _write_csv(frames: Iterator[pl.DataFrame], path: Path, neutralise: bool) -> int:
    count = 0
    with path.open("wb") as file:
        for place, frame in enumerate(frames):
            file.write(_csv(frame, header=place == 0, neutralise=neutralise))
            count += frame.height
    return count


def _write_parquet(frames: Iterator[pl.DataFrame], path: Path, neutralise: bool) -> int:
    first = next(frames)
    count: int = first.height
    schema = pa.schema([(name, pa.string()) for name in first.columns])
    with pq.ParquetWriter(path, schema) as writer:
        writer.write_table(first.to_arrow().cast(schema))
        for frame in frames:
            writer.write_table(frame.to_arrow().cast(schema))
            count += frame.height
    return count


def _write_excel(frames: Iterator[pl.DataFrame], path: Path, neutralise: bool) -> int:
    book = openpyxl.Workbook(write_only=True)
    sheet = book.create_sheet("Records")
    count = 0
    for place, frame in enumerate(frames):
        if place == 0:
            sheet.append([_excel_cell(sheet, name) for name in frame.columns])
        for row in frame.iter_rows():
            sheet.append([_excel_cell(sheet, value) for value in row])
        count += frame.height
        if count >= _SHEET_ROWS:
            raise Refused(f"An Excel sheet holds at most {_SHEET_ROWS:,} rows: export as CSV or Parquet.")
    book.save(path)
    return count


def _excel_cell(sheet: Any, value: str | None) -> Any:
    """A cell that is text whatever it looks like; characters that XML cannot hold are written as _x0007_."""
    if value is None:
        return None
    if len(value) > _LONGEST_CELL:
        raise Refused(f"A cell has {len(value):,} characters; Excel holds at most 32,767: export as CSV or Parquet.")
    cell = WriteOnlyCell(sheet)
    cell.value = _NOT_IN_XML.sub(lambda found: f"_x{ord(found[0]):04X}_", value)
    cell.data_type = "s"
    if re.match(_FORMULA, value):
        cell.quotePrefix = True
    return cell


def _frames(source: Source, *, include_inactive: bool, hide: Collection[str], add: Additions) -> Iterator[pl.DataFrame]:
    """The records in chunks; at least one frame, which may be empty. Raises Refused if the source has no columns."""
    names = list(source.columns)
    if not names:
        raise Refused(f"Source {source.name!r} has no columns: import a file first.")
    cells = ", ".join(["record.fields->>%s"] * len(names))
    more = ", golden.external_id, record.gone_at::text" if include_inactive else ""
    live = "" if include_inactive else "AND record.golden_id IS NULL AND record.gone_at IS NULL"
    columns = [*names, *(_free(names, MERGED_INTO), _free(names, GONE_AT))] if include_inactive else names
    statement = _RECORDS.format(cells=cells, inactive=more, only_live=live)
    adder = Adder(source, add, hide) if add else None
    for rows in _fetch(statement, [*names, source.pk]):
        ids = [row[0] for row in rows]
        frame = _frame(columns, [row[1:] for row in rows])
        frame = frame.with_columns(_masked(frame[name]) for name in names if name in hide)
        yield adder(ids, frame) if adder else frame


def _masked(cells: pl.Series) -> pl.Series:
    return pl.Series(cells.name, [masked(cell) for cell in cells], dtype=pl.String)


def _masked_change(row: tuple[Any, ...], hide: Collection[str]) -> tuple[Any, ...]:
    """A row of _CHANGES with the hidden values of its record behind: a reason may quote any of them."""
    row, secrets = row[: len(CHANGE_COLUMNS)], list(row[len(CHANGE_COLUMNS) :])
    *head, field, before, after, reason, undone = row
    if field in hide:
        secrets += [before, after]
        before, after = masked_together([before, after])
    return (*head, field, before, after, masked_sentence(reason, secrets, strict=field in hide), undone)


def _told(frames: Iterator[pl.DataFrame], each: Callable[[int], object]) -> Iterator[pl.DataFrame]:
    done = 0
    for frame in frames:
        done += frame.height
        each(done)
        yield frame


def _free(names: Sequence[str], name: str) -> str:
    return name if name not in names else f"{name} (CRM Quality)"


def _frame(columns: Sequence[str], rows: Sequence[tuple[Any, ...]]) -> pl.DataFrame:
    texts = zip(*rows, strict=True) if rows else ((),) * len(columns)
    return pl.DataFrame(
        [
            pl.Series(name, [None if cell is None else str(cell) for cell in cells], dtype=pl.String)
            for name, cells in zip(columns, texts, strict=True)
        ]
    )


def _fetch(statement: str, params: Sequence[Any]) -> Iterator[list[tuple[Any, ...]]]:
    """The rows of a query in chunks, from one snapshot; at least one chunk, which may be empty."""
    with transaction.atomic(), connection.chunked_cursor() as cursor:
        cursor.execute(statement, params)
        rows = cursor.fetchmany(CHUNK)
        yield rows
        while rows := cursor.fetchmany(CHUNK):
            yield rows
