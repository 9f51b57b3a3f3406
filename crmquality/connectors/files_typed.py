"""Excel and Parquet files: typed cells become text, the row is kept as a JSON array of them."""

from __future__ import annotations

import json
import re
import zipfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import date, datetime, time, timedelta
from pathlib import Path
from typing import Any
from xml.etree.ElementTree import ParseError

import openpyxl
import polars as pl
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from openpyxl.utils.exceptions import InvalidFileException

from crmquality.connectors.tables import Block, Description, Rejected, Table, Unreadable, unique_names

MOST_COLUMNS = 5_000
LARGEST_WORKBOOK = 2 * 2**30
LARGEST_MEMBER_RATIO = 150
SMALL_MEMBER = 16 * 2**20
_SHEET_ROWS = 5_000
_PARQUET_ROWS = 20_000
_ESCAPED = re.compile("_x([0-9A-Fa-f]{4})_")  # how XML files of Office write characters that XML cannot hold
_NUL = "it holds a NUL character, which no text has"


class ExcelTable(Table):
    """One sheet of an .xlsx workbook, read row by row. Options: sheet (a name; else the first), header.

    Formulas give the value that was last computed. Rows without a value are no rows.

    Tried and rejected: calamine (8 times faster, but it lays a sheet out as one dense block: a workbook of two cells,
    A1 and XFD1048576, ends the worker).
    """

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.given = options
        check_archive(path)

    def describe(self) -> Description:
        """Columns, the sheet, and the workbook's other sheets."""
        with self._sheet() as (sheet, names, rows):
            header, _ = self._header(sheet)
            options = {
                "format": "excel",
                "sheet": sheet.title,
                "sheets": names,
                "header": bool(self.given.get("header", True)),
            }
            columns, renamed = header
            return Description(columns, renamed, options, rows)

    def blocks(self) -> Iterator[Block]:
        """All rows that hold a value."""
        with self._sheet() as (sheet, _, _):
            (columns, _), first = self._header(sheet)
            rows: list[tuple[str | None, ...]] = []
            lines: list[int] = []
            rejected: list[Rejected] = []
            line = first - 1
            for line, values in enumerate(sheet.iter_rows(min_row=first, values_only=True), first):
                cells = _trimmed(values)
                if not cells:
                    continue
                if len(cells) > len(columns):
                    raw = _json(cells).encode()
                    rejected.append(Rejected(line, raw, f"{len(cells)} cells instead of {len(columns)}"))
                    continue
                rows.append(cells + (None,) * (len(columns) - len(cells)))
                lines.append(line)
                if len(rows) >= _SHEET_ROWS:
                    yield text_block(pl.DataFrame(rows, _schema(columns), orient="row"), lines, rejected, line)
                    rows, lines, rejected = [], [], []
            yield text_block(pl.DataFrame(rows, _schema(columns), orient="row"), lines, rejected, line)

    @contextmanager
    def _sheet(self) -> Iterator[tuple[Any, list[str], int]]:
        damaged = _as_unreadable("The workbook is damaged or no .xlsx file: open it in Excel and save it anew.")
        with damaged, self.path.open("rb") as file:
            book = openpyxl.load_workbook(file, read_only=True, data_only=True, keep_links=False)
            try:
                names = [sheet.title for sheet in book.worksheets]
                wanted = self.given.get("sheet") or (names[0] if names else None)
                if wanted not in names:
                    raise Unreadable(f"The workbook has no sheet {wanted!r}: it has {', '.join(names) or 'none'}.")
                sheet = book[wanted]
                rows = sheet.max_row or 1
                sheet.reset_dimensions()  # or every row is filled up to the last column that the sheet claims to have
                yield sheet, names, rows
            finally:
                book.close()

    def _header(self, sheet: Any) -> tuple[tuple[tuple[str, ...], dict[str, str]], int]:
        """Names of the columns and the row below them; the header is the first row that holds a value."""
        for line, values in enumerate(sheet.iter_rows(values_only=True), 1):
            if cells := _trimmed(values):
                if len(cells) > MOST_COLUMNS:
                    raise Unreadable(f"The sheet has {len(cells):,} columns; at most {MOST_COLUMNS:,} can be read.")
                if self.given.get("header", True):
                    return unique_names(cells, len(cells)), line + 1
                return unique_names([], len(cells)), line
        raise Unreadable(f"The sheet {sheet.title!r} is empty: it holds no row that could name the columns.")


def check_archive(path: Path) -> None:
    """Refuse a zip file that would unpack to far more than it should, from its directory alone.

    The directory could lie about sizes; openpyxl reads through zipfile, which stops at the size the directory names.
    Raises Unreadable.
    """
    with _as_unreadable("The workbook is damaged or no .xlsx file: open it in Excel and save it anew."):
        with zipfile.ZipFile(path) as archive:
            members = archive.infolist()
        names = {member.filename for member in members}
        if "xl/workbook.xml" not in names:
            raise Unreadable("The file is a zip archive without a workbook: unpack it and import the file within.")
        total = sum(member.file_size for member in members)
        if total > LARGEST_WORKBOOK:
            raise Unreadable(f"The workbook unpacks to {total / 2**30:.1f} GB; at most 2 GB are read: save it as CSV.")
        for member in members:
            ratio = member.file_size / max(1, member.compress_size)
            if member.file_size > SMALL_MEMBER and ratio > LARGEST_MEMBER_RATIO:
                raise Unreadable(
                    f"The workbook's part {member.filename[:80]!r} unpacks to {ratio:,.0f} times its size, as a zip "
                    "bomb does: if it is genuine, save it as CSV."
                )


class ParquetTable(Table):
    """A Parquet file, streamed by batches of rows. Nested columns become JSON."""

    def __init__(self, path: Path, options: Mapping[str, Any]) -> None:
        self.path = path
        self.given = options

    def describe(self) -> Description:
        """Columns and their number of rows."""
        with self._file() as file:
            columns, renamed = self._names(file)
            return Description(columns, renamed, {"format": "parquet"}, file.metadata.num_rows)

    def blocks(self) -> Iterator[Block]:
        """All rows; line 1 is the first row."""
        with self._file() as file:
            columns, _ = self._names(file)
            done = 0
            for batch in file.iter_batches(batch_size=_PARQUET_ROWS):
                frame = pl.DataFrame(
                    [_as_text(column).alias(name) for name, column in zip(columns, batch.columns, strict=True)]
                )
                lines = range(done + 1, done + batch.num_rows + 1)
                done += batch.num_rows
                yield text_block(frame, lines, [], done)

    @contextmanager
    def _file(self) -> Iterator[pq.ParquetFile]:
        with _as_unreadable("The Parquet file is damaged: write it anew."), pq.ParquetFile(self.path) as file:
            yield file

    @staticmethod
    def _names(file: pq.ParquetFile) -> tuple[tuple[str, ...], dict[str, str]]:
        names = file.schema_arrow.names
        if not names or len(names) > MOST_COLUMNS:
            raise Unreadable(f"The file has {len(names):,} columns; from 1 to {MOST_COLUMNS:,} can be read.")
        return unique_names(names, len(names))


@contextmanager
def _as_unreadable(message: str) -> Iterator[None]:
    """What the parsers of a damaged file may raise, as one clear error."""
    try:
        yield
    except Unreadable:
        raise
    except (
        zipfile.BadZipFile, InvalidFileException, ParseError, pa.ArrowException, KeyError, ValueError, TypeError,
        AttributeError, IndexError, EOFError, OSError, NotImplementedError, RuntimeError,
    ) as error:  # fmt: skip
        raise Unreadable(message) from error


def _schema(columns: Sequence[str]) -> dict[str, Any]:
    return dict.fromkeys(columns, pl.String)


def text_block(frame: pl.DataFrame, lines: Sequence[int], rejected: list[Rejected], position: int) -> Block:
    """A block of text cells; rows with a NUL are rejected, "" is blank."""
    raw = _json_arrays(frame)
    number = pl.Series("line", lines, dtype=pl.Int64)
    bad = frame.select(pl.any_horizontal(pl.all().str.contains("\0", literal=True))).to_series().fill_null(False)
    if bad.any():
        found = zip(number.filter(bad), raw.filter(bad), strict=True)
        rejected = sorted(
            [*rejected, *(Rejected(line, text.encode(), _NUL) for line, text in found)], key=lambda row: row.line
        )
        frame, number, raw = frame.filter(~bad), number.filter(~bad), raw.filter(~bad)
    return Block(frame.with_columns(pl.when(pl.all() != "").then(pl.all())), number, raw, rejected, position)


def _json_arrays(frame: pl.DataFrame) -> pl.Series:
    """Each row as a JSON array of its cells."""
    if not frame.height:
        return pl.Series("raw", [], dtype=pl.String)
    nested = frame.select(pl.struct(pl.concat_list(pl.all()).alias("_")).struct.json_encode().alias("raw"))
    return nested["raw"].str.slice(len('{"_":')).str.head(-1)


def _json(cells: Sequence[str | None]) -> str:
    return json.dumps(cells, ensure_ascii=False, separators=(",", ":"))


def _trimmed(values: Sequence[object]) -> tuple[str | None, ...]:
    """A sheet's row as text, without the empty cells at its end."""
    cells = [_text(value) for value in values]
    while cells and cells[-1] is None:
        cells.pop()
    return tuple(cells)


def _text(value: object) -> str | None:
    """A sheet's cell as a person sees it: 3.0 is "3", midnight is left off a date."""
    match value:
        case None | "":
            return None
        case str():
            return _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value) if "_x" in value else value
        case bool():
            return "TRUE" if value else "FALSE"
        case float():
            return str(int(value)) if value.is_integer() and abs(value) < 1e15 else repr(value)
        case datetime():
            return value.date().isoformat() if value.time() == time() else value.isoformat(sep=" ")
        case date() | time():
            return value.isoformat()
        case timedelta():
            return str(value)
        case _:
            return str(value)


def _as_text(column: pa.Array) -> pl.Series:
    """A Parquet column as text: numbers as they are, times in ISO 8601, nested values as JSON."""
    kind = column.type
    if pa.types.is_dictionary(kind):
        return _as_text(column.dictionary_decode())
    if pa.types.is_binary(kind) or pa.types.is_large_binary(kind):
        return _binary_as_text(column)
    if pa.types.is_nested(kind):
        series = pl.Series(pl.from_arrow(column))
        encoded = series.to_frame("_").select(pl.struct("_").struct.json_encode()).to_series()
        return encoded.str.slice(len('{"_":')).str.head(-1).set(series.is_null(), None)
    if pa.types.is_timestamp(kind):
        series = pl.Series(pl.from_arrow(column))
        return series.dt.to_string("iso")
    return pl.Series(pl.from_arrow(pc.cast(column, pa.large_utf8())), dtype=pl.String)


def _binary_as_text(column: pa.Array) -> pl.Series:
    """Bytes that are UTF-8 as text, else in hexadecimal."""
    try:
        return pl.Series(pl.from_arrow(pc.cast(column, pa.large_utf8())), dtype=pl.String)
    except pa.ArrowInvalid:
        return pl.Series([None if value is None else value.hex() for value in column.to_pylist()], dtype=pl.String)
