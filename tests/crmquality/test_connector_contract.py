"""The file connector on hostile files, and how connectors are found."""

from __future__ import annotations

import csv
import io
import resource
import time
from importlib.metadata import EntryPoint
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from crmquality.connectors import registry, tables
from crmquality.connectors.files import FileConnector
from crmquality.connectors.files_csv import CsvTable
from crmquality.connectors.files_tokens import Dialect, cells_of, count_line_ends, read_record, scan
from crmquality.connectors.registry import UnknownConnector
from crmquality.connectors.tables import Block, Unreadable, unique_names
from crmquality.connectors.testing import table_checks
from tests.data_hostile import Hostile, manifest

FILES = manifest()
HEADER = b"Id,Name,City\n"


def read(path: Path, **options: Any) -> tuple[tables.Description, list[Block]]:
    table = FileConnector().open(str(path), options)
    return table.describe(), list(table.blocks())


def cells(blocks: list[Block]) -> list[tuple[str | None, ...]]:
    return [row for block in blocks for row in block.frame.iter_rows()]


def written(folder: Path, content: bytes) -> Path:
    path = folder / "file"
    path.write_bytes(content)
    return path


# The contract


@pytest.mark.parametrize("hostile", [file for file in FILES if not file.refused], ids=lambda file: file.name)
def test_a_table_keeps_the_contract(hostile: Hostile, tmp_path: Path) -> None:
    path = written(tmp_path, hostile.content)
    for check in table_checks():
        check(FileConnector().open(str(path), {}))


@pytest.mark.parametrize("hostile", [file for file in FILES if not file.refused], ids=lambda file: file.name)
def test_what_was_detected_given_back_as_options_reads_the_same(hostile: Hostile, tmp_path: Path) -> None:
    description, blocks = read(written(tmp_path, hostile.content))
    again = list(FileConnector().open(str(tmp_path / "file"), description.options).blocks())
    assert cells(blocks) == cells(again)


def test_a_third_partys_connector_is_found_by_its_entry_point(monkeypatch: pytest.MonkeyPatch) -> None:
    point = EntryPoint("ledger", "crmquality.connectors.files:FileConnector", registry.GROUP)
    wrong = EntryPoint("wrong", "pathlib:Path", registry.GROUP)
    monkeypatch.setattr(registry, "available", lambda: {"ledger": point, "wrong": wrong})
    assert isinstance(registry.load("ledger"), FileConnector)
    with pytest.raises(UnknownConnector, match="is not a"):
        registry.load("wrong")
    with pytest.raises(UnknownConnector, match="choose one of ledger, wrong"):
        registry.load("absent")
    with pytest.raises(UnknownConnector, match="connects to no system"):
        registry.load_system("ledger")
    assert registry.systems() == []


def test_the_built_in_connectors_come_through_the_same_door() -> None:
    assert {"files", "sql"} <= set(registry.available())
    assert [one.name for one in registry.systems() if one.name == "sql"] == ["sql"]


def test_empty_and_repeated_names_are_renamed_the_same_way_each_time() -> None:
    names, renamed = unique_names(["Name", "", "Name", "Name (2)", " a \n b "], 6)
    assert names == ("Name", "Column 2", "Name (3)", "Name (2)", "a b", "Column 6")
    assert renamed == {"Column 2": "", "Name (3)": "Name", "Column 6": ""}


# Hostile files


def test_there_are_twenty_eight_hostile_files() -> None:
    assert len({file.name for file in FILES}) == 28


@pytest.mark.parametrize("hostile", [file for file in FILES if file.refused], ids=lambda file: file.name)
def test_a_harmful_or_damaged_file_is_refused_with_a_clear_error(hostile: Hostile, tmp_path: Path) -> None:
    path = written(tmp_path, hostile.content)
    with pytest.raises(Unreadable, match=hostile.refused):
        read(path)


@pytest.mark.parametrize(
    ("content", "words"),
    [(b"\x1f\x8b123", "gzip"), (b"\xd0\xcf\x11\xe0....", ".xlsx"), (b"%PDF-1.7", "PDF"), (b"PK\x03\x04", "damaged")],
)
def test_a_file_of_another_kind_is_refused_with_what_to_do(content: bytes, words: str, tmp_path: Path) -> None:
    with pytest.raises(Unreadable, match=words):
        read(written(tmp_path, content))


def test_a_zip_archive_without_a_workbook_is_refused(tmp_path: Path) -> None:
    import zipfile

    with zipfile.ZipFile(tmp_path / "file", "w") as archive:
        archive.writestr("contacts.csv", "Id\n1\n")
    with pytest.raises(Unreadable, match="unpack it"):
        read(tmp_path / "file")


def test_an_unknown_encoding_or_delimiter_is_refused(tmp_path: Path) -> None:
    path = written(tmp_path, b"a,b\n1,2\n")
    with pytest.raises(Unreadable, match="no text encoding 'klingon'"):
        read(path, encoding="klingon")
    with pytest.raises(Unreadable, match="one ASCII character"):
        read(path, delimiter="::")


# Formats


@pytest.mark.parametrize(
    ("text", "delimiter"),
    [("a;b;c\n1;2;3\n", ";"), ("a\tb\n1\t2\n", "\t"), ("a|b\n1,5|2,5\n", "|"), ("a,b\nx|y|z,2\nu|v|w,3\n", ",")],
)
def test_the_delimiter_is_detected(text: str, delimiter: str, tmp_path: Path) -> None:
    description, _ = read(written(tmp_path, text.encode()))
    assert description.options["delimiter"] == delimiter


def test_a_file_of_one_column_needs_no_delimiter(tmp_path: Path) -> None:
    description, blocks = read(written(tmp_path, b"Name\nAnn\n\nBob\n"))
    assert description.columns == ("Name",)
    assert cells(blocks) == [("Ann",), ("Bob",)]


def test_cells_in_single_quotes_are_read(tmp_path: Path) -> None:
    _, blocks = read(written(tmp_path, b"'Id','Name'\n'1','Lee, Ann'\n'2','Ray'\n"))
    assert cells(blocks) == [("1", "Lee, Ann"), ("2", "Ray")]


def test_a_legacy_encoding_given_by_hand_is_used(tmp_path: Path) -> None:
    _, blocks = read(written(tmp_path, "a,b\nЖук,1\n".encode("cp1251")), encoding="windows-1251")
    assert cells(blocks) == [("Жук", "1")]


def test_rejected_bytes_are_those_of_the_file(tmp_path: Path) -> None:
    bad = "2,B\0b,x".encode("utf-16-le") + b"\x00\xd8" + "y".encode("utf-16-le")
    head, tail = "Id,Name,City\n1,Ann,Rome\n".encode("utf-16-le"), "\n3,Cy,Oslo\n".encode("utf-16-le")
    _, blocks = read(written(tmp_path, b"\xff\xfe" + head + bad + tail))
    assert [(row.line, row.raw) for block in blocks for row in block.rejected] == [(3, bad)]
    assert cells(blocks) == [("1", "Ann", "Rome"), ("3", "Cy", "Oslo")]


def test_a_parquet_file_gives_text_and_the_row_as_json(tmp_path: Path) -> None:
    import datetime as dt

    import pyarrow as pa
    import pyarrow.parquet as pq

    table = pa.table(
        {"n": [1, None], "x": [2.5, -0.0], "d": [dt.date(2024, 2, 29), None], "t": ["a\0", "b"], "l": [[1, 2], None]}
    )
    pq.write_table(table, tmp_path / "file")
    description, blocks = read(tmp_path / "file")
    assert description.size == 2
    assert cells(blocks) == [(None, "-0", None, "b", None)] or cells(blocks) == [(None, "-0.0", None, "b", None)]
    assert [row.line for row in blocks[0].rejected] == [1]
    assert b'"2024-02-29"' in blocks[0].rejected[0].raw


def test_a_sheet_gives_numbers_and_dates_as_a_person_sees_them(tmp_path: Path) -> None:
    import datetime as dt

    import openpyxl

    book = openpyxl.Workbook()
    book.active.title = "Leads"
    for row in (
        ["Id", "When", "Won", "Name"],
        [1, dt.datetime(2024, 2, 29), True, "00123"],
        [],
        [2.5, None, None, "é"],
    ):
        book.active.append(row)
    book.create_sheet("Other").append(["X"])
    book.save(tmp_path / "file")
    description, blocks = read(tmp_path / "file")
    assert description.options["sheets"] == ["Leads", "Other"]
    assert cells(blocks) == [("1", "2024-02-29", "TRUE", "00123"), ("2.5", None, None, "é")]
    assert list(blocks[0].lines) == [2, 4]
    with pytest.raises(Unreadable, match="no sheet 'Third': it has Leads, Other"):
        read(tmp_path / "file", sheet="Third")


def test_json_lines_give_text_with_numbers_as_they_are_written(tmp_path: Path) -> None:
    content = (
        b'{"id": 1, "name": "Zo\xc3\xab", "amount": 1.50, "tags": ["a", 2], "won": true}\n'
        b"\n"
        b'{"name": "Bob", "id": 00123}\n'
        b'{"name": "Cy", "id": 1e400, "won": null, "amount": ""}\r\n'
        b'["no", "object"]\n'
        b'{"id": 5, "unheard": 1}\n'
        b"\xff\n"
        b'{"id": "nul\\u0000"}\n'
        b'{"id": 9, "name": "last"}'
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmquality.connectors.files_json.SAMPLE_LINES", 4)
        description, blocks = read(written(tmp_path, content))
        for check in table_checks():
            check(FileConnector().open(str(tmp_path / "file"), {}))
    assert description.columns == ("id", "name", "amount", "tags", "won")
    assert cells(blocks) == [
        ("1", "Zoë", "1.50", '["a", "2"]', "true"),
        ("1e400", "Cy", None, None, None),
        ("9", "last", None, None, None),
    ]
    assert [line for block in blocks for line in block.lines] == [1, 4, 9]
    reasons = [row.reason for block in blocks for row in block.rejected]
    assert [row.line for block in blocks for row in block.rejected] == [3, 5, 6, 7, 8]
    words = ("not JSON", "no object", "unheard", "UTF-8", "NUL")
    assert all(word in reason for word, reason in zip(words, reasons, strict=True))
    again = list(FileConnector().open(str(tmp_path / "file"), dict(description.options)).describe().columns)
    assert "id" in again


def test_a_file_that_begins_with_a_brace_and_is_csv_is_read_as_csv(tmp_path: Path) -> None:
    description, blocks = read(written(tmp_path, b"{id},name\n1,Ann\n"))
    assert description.columns == ("{id}", "name")
    assert cells(blocks) == [("1", "Ann")]


def test_a_line_without_end_is_refused_and_not_read_into_memory(tmp_path: Path) -> None:
    path = written(tmp_path, b'{"a": "' + b"x" * 100)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmquality.connectors.files_json.LONGEST_LINE", 50)
        with pytest.raises(Unreadable, match="Line 1 is longer"):
            read(path)


# Properties

TEXT = st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=12)
CELL = st.one_of(TEXT, st.sampled_from(["", '"', '""', ",", "\n", "\r\n", "a\rb", "NA", "'", '"a"', "\ufeff", "1;2"]))


@settings(max_examples=80, deadline=None)
@given(
    rows=st.integers(2, 4).flatmap(lambda width: st.lists(st.lists(CELL, min_size=width, max_size=width), min_size=1)),
    delimiter=st.sampled_from(",;\t|"),
    written_as=st.sampled_from([("\r\n", csv.QUOTE_MINIMAL), *((end, csv.QUOTE_ALL) for end in ("\n", "\r\n", "\r"))]),
)
def test_any_table_written_as_csv_gives_the_same_cells(
    rows: list[list[str]], delimiter: str, written_as: tuple[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> None:
    buffer = io.StringIO()
    writer = csv.writer(buffer, delimiter=delimiter, lineterminator=written_as[0], quoting=written_as[1])
    writer.writerow([f"column {place}" for place in range(len(rows[0]))])
    writer.writerows(rows)
    path = written(tmp_path_factory.mktemp("csv"), buffer.getvalue().encode())
    options = {"encoding": "utf-8", "delimiter": delimiter, "quote": '"', "formula_marks": False}
    _, blocks = read(path, **options)
    assert cells(blocks) == [tuple(cell or None for cell in row) for row in rows]
    assert not [row for block in blocks for row in block.rejected]


@settings(max_examples=80, deadline=None)
@given(text=st.text(st.sampled_from('ab",\n\r\0é'), max_size=60), window=st.sampled_from([16, 64, 4 * 2**20]))
def test_every_line_of_any_text_is_a_row_or_rejected(
    text: str, window: int, tmp_path_factory: pytest.TempPathFactory
) -> None:
    """No byte is lost: blank lines aside, the rows' texts and the rejected bytes make up the file again."""
    content = b"x,y\n" + text.encode()
    path = written(tmp_path_factory.mktemp("csv"), content)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmquality.connectors.files_csv.WINDOW", window)
        options = {"encoding": "utf-8", "delimiter": ",", "quote": '"', "header": True, "formula_marks": False}
        table = CsvTable(path, options)
        patch.setattr(table, "_sample", lambda encoding: (content, True))
        blocks = list(table.blocks())
    kept = [(line, raw.encode()) for block in blocks for line, raw in zip(block.lines, block.raw, strict=True)]
    kept += [(row.line, row.raw) for block in blocks for row in block.rejected]
    joined = b"".join(raw for _, raw in sorted(kept))
    assert joined.translate(None, b"\r\n") == text.encode().translate(None, b"\r\n")


@settings(max_examples=300, deadline=None)
@given(text=st.text(st.sampled_from('ab",\n\r'), max_size=30).map(str.encode), final=st.booleans())
def test_the_rows_of_a_scan_are_those_read_with_care(text: bytes, final: bool) -> None:
    dialect = Dialect()
    found = scan(text, dialect, final=final)
    position = 0
    for place, (start, end) in enumerate(zip(found.starts, found.ends, strict=True)):
        row = read_record(text, position, dialect, width=0, final=True)
        assert row is not None
        assert row.cells is not None
        assert (start, end) == (position, row.end)
        assert found.counts[place] == len(row.cells) - 1
        assert found.lines[place] == count_line_ends(text[:position])
        assert found.spans[place] == (count_line_ends(text[position : row.end]) > 0)
        cells, cells_at, raw, _ = cells_of(text, found.starts[[place]], found.ends[[place]], dialect, len(row.cells))
        assert [bytes(cells[a:b]) for a, b in pairwise(cells_at)] == row.cells
        assert bytes(raw) == text[start:end]
        position = row.next
    assert found.stop == position
    if final and not found.broken:
        assert found.stop == len(text)


def test_memory_stays_flat_however_large_the_file(tmp_path: Path) -> None:
    """Three times the rows take no more memory (a quarter is left for the allocator's moods)."""
    line = b'C%08d,"Ann ""Nan"" Lee",ann%d@example.com,+49 30 901820,12 High Street,Berlin\n'
    path = tmp_path / "large.csv"
    with path.open("wb") as file:
        file.write(b"Id,Name,Email,Phone,Street,City\n")
        for start in range(0, 300_000, 10_000):
            file.write(b"".join(line % (n, n) for n in range(start, start + 10_000)))
    table = FileConnector().open(str(path), {})
    peaks: list[int] = []
    rows = 0
    for block in table.blocks():
        rows += block.frame.height
        peaks.append(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
    assert rows == 300_000
    assert peaks[-1] - peaks[len(peaks) // 3] < 50 * 1024


def test_many_stray_quotes_do_not_slow_the_reader_to_a_crawl(tmp_path: Path) -> None:
    """CPU time for a file with a broken row in ten stays within a small multiple of that for a clean one."""
    clean = b"1,Ann Lee,Rome\n" * 40_000
    broken = (b"1,Ann Lee,Rome\n" * 9 + b'2,"Ann Lee,Rome\n') * 4_000
    spent = []
    for content in (clean, broken):
        path = written(tmp_path, HEADER + content)
        before = time.process_time()
        _, blocks = read(path)
        spent.append(time.process_time() - before)
        assert sum(block.frame.height + len(block.rejected) for block in blocks) == 40_000
    assert sum(len(block.rejected) for block in blocks) >= 4_000
