"""Files as tables: what a file is, is read from its first bytes, not from its name."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from crmquality.connectors.files_csv import CsvTable
from crmquality.connectors.files_json import JsonLinesTable, looks_like_json_lines
from crmquality.connectors.files_typed import ExcelTable, ParquetTable
from crmquality.connectors.tables import Table, TableConnector, Unreadable

_REFUSED = (
    (b"\xd0\xcf\x11\xe0", "is an old .xls workbook or one with a password: save it as .xlsx without a password"),
    (b"\x1f\x8b", "is compressed with gzip: unpack it first"),
    (b"7z\xbc\xaf", "is a 7z archive: unpack it first"),
    (b"BZh", "is compressed with bzip2: unpack it first"),
    (b"\xfd7zXZ", "is compressed with xz: unpack it first"),
    (b"\x28\xb5\x2f\xfd", "is compressed with zstandard: unpack it first"),
    (b"%PDF", "is a PDF: export the table as CSV or .xlsx"),
    (b"\x89PNG", "is an image: export the table as CSV or .xlsx"),
    (b"SQLite format 3", "is a SQLite database: export its table as CSV"),
    (b"<!DOCTYPE", "is a web page: export the table as CSV or .xlsx"),
    (b"<html", "is a web page: export the table as CSV or .xlsx"),
    (b"{\\rtf", "is a text document: export the table as CSV or .xlsx"),
)


class FileConnector(TableConnector):
    """CSV (and its relatives with other delimiters), Excel .xlsx, Parquet, and JSON lines."""

    name: ClassVar[str] = "files"
    title: ClassVar[str] = "Files"

    def open(self, location: str, options: Mapping[str, Any]) -> Table:
        """The table in the file at this path. Options: encoding, delimiter, quote, header; sheet."""
        path = Path(location)
        if not path.is_file():
            raise Unreadable(f"There is no file {path.name!r}.")
        with path.open("rb") as file:
            head = file.read(64)
        if not head:
            raise Unreadable("The file is empty.")
        for mark, what in _REFUSED:
            if head.lower().startswith(mark.lower()):
                raise Unreadable(f"The file {what}.")
        if head.startswith(b"PK\x03\x04"):
            return ExcelTable(path, options)
        if head.startswith(b"PAR1"):
            return ParquetTable(path, options)
        if options.get("format") == "json lines" or ("format" not in options and looks_like_json_lines(head)):
            return JsonLinesTable(path, options)
        return CsvTable(path, options)
