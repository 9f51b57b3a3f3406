"""Twenty-eight hostile files, made here, with a manifest of what is to become of every row in them."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

import openpyxl
import pyarrow as pa
import pyarrow.parquet as pq

Row = tuple[str | None, ...]
HEADER = "Id,Name,City\n"


@dataclass(frozen=True)
class Hostile:
    """One file. rows: the cells imported; quarantined: line -> words of the reason; refused: words of the error."""

    name: str
    content: bytes
    rows: list[Row] = field(default_factory=list)
    quarantined: Mapping[int, str] = field(default_factory=dict)
    refused: str = ""
    columns: tuple[str, ...] = ("Id", "Name", "City")


def manifest() -> list[Hostile]:
    """All of them."""
    return [make() for make in _FILES]


_FILES: list[Callable[[], Hostile]] = []


def _file(make: Callable[[], Hostile]) -> Callable[[], Hostile]:
    _FILES.append(make)
    return make


@_file
def ragged_rows() -> Hostile:
    text = HEADER + "1,Ann,Rome\n2,Bob\n3,Cy,Oslo,extra\n4,Di,Bonn\n"
    rows = [("1", "Ann", "Rome"), ("4", "Di", "Bonn")]
    return Hostile("ragged", text.encode(), rows, {3: "2 cells instead of 3", 4: "4 cells instead of 3"})


@_file
def nul_characters() -> Hostile:
    text = HEADER + "1,Ann,Rome\n2,B\0b,Paris\n3,Cy,Oslo\n"
    return Hostile("nul", text.encode(), [("1", "Ann", "Rome"), ("3", "Cy", "Oslo")], {3: "NUL"})


@_file
def byte_order_mark() -> Hostile:
    return Hostile("bom", b"\xef\xbb\xbf" + (HEADER + "1,Ann,Rome\n").encode(), [("1", "Ann", "Rome")])


@_file
def utf16_little_endian() -> Hostile:
    return Hostile("utf16-le", b"\xff\xfe" + (HEADER + "1,Änn,Rome\n").encode("utf-16-le"), [("1", "Änn", "Rome")])


@_file
def utf16_big_endian_without_mark() -> Hostile:
    return Hostile("utf16-be", (HEADER + "1,Ann,Rome\n2,Bob,Łódź\n").encode("utf-16-be"),
                   [("1", "Ann", "Rome"), ("2", "Bob", "Łódź")])  # fmt: skip


@_file
def windows_1252() -> Hostile:
    text = HEADER + "1,Jürgen Müßig,Köln\n2,François Lefèvre,Orléans\n3,“Señor” Núñez,A Coruña – España\n"
    rows = [("1", "Jürgen Müßig", "Köln"), ("2", "François Lefèvre", "Orléans"),
            ("3", "“Señor” Núñez", "A Coruña – España")]  # fmt: skip
    return Hostile("cp1252", text.encode("cp1252"), rows)


@_file
def one_row_in_another_encoding() -> Hostile:
    text = (HEADER + "1,Zoë Müller,Zürich\n").encode() + "2,Jürgen,Köln\n".encode("cp1252") + "3,Åsa,Malmö\n".encode()
    return Hostile("mixed-encoding", text, [("1", "Zoë Müller", "Zürich"), ("3", "Åsa", "Malmö")], {3: "0xFC"})


@_file
def mixed_line_ends() -> Hostile:
    text = "Id,Name,City\r\n1,Ann,Rome\n2,Bob,Paris\r3,Cy,Oslo\r\n4,Di,Bonn"
    rows = [("1", "Ann", "Rome"), ("2", "Bob", "Paris"), ("3", "Cy", "Oslo"), ("4", "Di", "Bonn")]
    return Hostile("line-ends", text.encode(), rows)


@_file
def old_macintosh_line_ends() -> Hostile:
    return Hostile("mac", (HEADER + "1,Ann,Rome\n2,Bob,Paris\n").replace("\n", "\r").encode(),
                   [("1", "Ann", "Rome"), ("2", "Bob", "Paris")])  # fmt: skip


@_file
def duplicate_headers() -> Hostile:
    text = "Id,Name,Name,Name (2)\n1,Ann,Lee,x\n"
    return Hostile(
        "duplicate-headers", text.encode(), [("1", "Ann", "Lee", "x")], columns=("Id", "Name", "Name (3)", "Name (2)")
    )


@_file
def empty_headers() -> Hostile:
    return Hostile("empty-headers", b"Id,,City, \n1,Ann,Rome,y\n", [("1", "Ann", "Rome", "y")],
                   columns=("Id", "Column 2", "City", "Column 4"))  # fmt: skip


@_file
def header_shorter_than_rows() -> Hostile:
    return Hostile("short-header", b"Id,Name\n1,Ann,Rome\n2,Bob,Paris\n",
                   [("1", "Ann", "Rome"), ("2", "Bob", "Paris")], columns=("Id", "Name", "Column 3"))  # fmt: skip


@_file
def ten_megabyte_cell() -> Hostile:
    cell = "x" * 10_000_000
    return Hostile("large-cell", f'{HEADER}1,"{cell}",Rome\n2,Bob,Paris\n'.encode(),
                   [("1", cell, "Rome"), ("2", "Bob", "Paris")])  # fmt: skip


@_file
def open_quote_at_the_end() -> Hostile:
    text = HEADER + '1,Ann,Rome\n2,"Bob,Paris\n3,Cy,Oslo\n4,Di,Bonn\n'
    return Hostile("open-quote", text.encode(),
                   [("1", "Ann", "Rome"), ("3", "Cy", "Oslo"), ("4", "Di", "Bonn")], {3: "never closed"})  # fmt: skip


@_file
def open_quote_before_quoted_rows() -> Hostile:
    text = HEADER + '1,"Ann","Rome"\n2,"Bob,"Paris"\n3,"Cy","Oslo"\n4,"Di","Bonn"\n'
    rows = [("1", "Ann", "Rome"), ("3", "Cy", "Oslo"), ("4", "Di", "Bonn")]
    return Hostile("swallowing-quote", text.encode(), rows, {3: "follows the closing quote"})


@_file
def quote_within_an_unquoted_cell() -> Hostile:
    return Hostile("inner-quote", (HEADER + '1,5" pipe,Rome\n2,Ann "Nan" Lee,Oslo\n').encode(),
                   [("1", '5" pipe', "Rome"), ("2", 'Ann "Nan" Lee', "Oslo")])  # fmt: skip


@_file
def text_behind_a_closing_quote() -> Hostile:
    return Hostile("after-quote", (HEADER + '1,"Ann" Lee,Rome\n2,Bob,Paris\n').encode(),
                   [("2", "Bob", "Paris")], {2: "follows the closing quote"})  # fmt: skip


@_file
def line_breaks_and_doubled_quotes_in_cells() -> Hostile:
    text = HEADER + '1,"Ann\n""Nan""\r\nLee","Rome, Italy"\n2,"","""\n'.replace('"""\n', '""""\n')
    return Hostile("quoted", text.encode(), [("1", 'Ann\n"Nan"\r\nLee', "Rome, Italy"), ("2", None, '"')])


@_file
def semicolons_and_decimal_commas() -> Hostile:
    text = "sep=;\r\nId;Name;Amount\r\n1;Ann;1,50\r\n2;Bob, Jr.;2,75\r\n"
    return Hostile("semicolons", text.encode(), [("1", "Ann", "1,50"), ("2", "Bob, Jr.", "2,75")],
                   columns=("Id", "Name", "Amount"))  # fmt: skip


@_file
def words_that_look_like_nothing() -> Hostile:
    text = HEADER + "00123,NA,null\n1e5,N/A,nan\n-0,None,TRUE\n"
    return Hostile(
        "lookalikes", text.encode(), [("00123", "NA", "null"), ("1e5", "N/A", "nan"), ("-0", "None", "TRUE")]
    )


@_file
def formulas() -> Hostile:
    text = HEADER + "1,=cmd|'/c calc'!A0,@SUM(A1)\n2,+49 30 1,-5\n"
    return Hostile("formulas", text.encode(), [("1", "=cmd|'/c calc'!A0", "@SUM(A1)"), ("2", "+49 30 1", "-5")])


@_file
def repeated_and_blank_ids() -> Hostile:
    text = HEADER + "1,Ann,Rome\n2,Bob,Paris\n1,Ann again,Rome\n,Nobody,Bonn\n,,\n\n3,Cy,Oslo\n"
    rows = [("1", "Ann", "Rome"), ("2", "Bob", "Paris"), ("3", "Cy", "Oslo")]
    return Hostile("ids", text.encode(), rows, {4: "on line 2 already", 5: "is blank", 6: "no cell"})


@_file
def an_id_of_ten_kilobytes() -> Hostile:
    text = HEADER + f"{'9' * 10_000},Ann,Rome\n2,Bob,Paris\n"
    return Hostile("long-id", text.encode(), [("2", "Bob", "Paris")], {2: "longer than"})


@_file
def zip_bomb_as_workbook() -> Hostile:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("xl/workbook.xml", "<workbook/>")
        with archive.open("xl/worksheets/sheet1.xml", "w") as member:
            for _ in range(64):
                member.write(b"0" * 2**20)
    return Hostile("bomb", buffer.getvalue(), refused="zip bomb")


@_file
def workbook_with_far_cells() -> Hostile:
    book = openpyxl.Workbook()
    sheet = book.active
    sheet.append(["Id", "Name", "City"])
    sheet.append([7.0, "Ann", None])
    sheet["A9000"] = "8"
    sheet["XFD9001"] = "far"
    return Hostile("far-cells", _saved(book), [("7", "Ann", None), ("8", None, None)], {9_001: "16384 cells"})


@_file
def workbook_of_entities() -> Hostile:
    book = openpyxl.Workbook()
    book.active.append(["Id", "Name", "City"])
    plain = zipfile.ZipFile(io.BytesIO(_saved(book)))
    entities = "".join(f'<!ENTITY l{n} "{f"&l{n - 1};" * 10}">' for n in range(1, 12))
    bomb = f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY l0 "lollollol">{entities}]><worksheet>&l11;</worksheet>'
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as archive:
        for name in plain.namelist():
            archive.writestr(name, bomb if name.endswith("sheet1.xml") else plain.read(name))
    return Hostile("entities", buffer.getvalue(), refused="damaged")


@_file
def truncated_parquet() -> Hostile:
    buffer = io.BytesIO()
    pq.write_table(pa.table({"Id": ["1"], "Name": ["Ann"]}), buffer)
    return Hostile("cut.parquet", buffer.getvalue()[:-10], refused="damaged")


@_file
def nothing_but_blank_lines() -> Hostile:
    return Hostile("blank", b"\r\n\n  \n", refused="empty")


def _saved(book: openpyxl.Workbook) -> bytes:
    buffer = io.BytesIO()
    book.save(buffer)
    return buffer.getvalue()
