"""Exporting: the source's columns, no formula that runs, and the way back."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Any

import openpyxl
import polars as pl
import pytest
from django.core.management import call_command
from hypothesis import given, settings
from hypothesis import strategies as st

from crmquality.connectors.files import FileConnector
from crmquality.models import Record, Source
from crmquality.services import exporting
from crmquality.services.correcting import set_fields
from crmquality.services.errors import Refused
from crmquality.services.exporting import export_changes, export_csv, export_file
from crmquality.services.importing import execute_import, get_source, request_import

pytestmark = pytest.mark.django_db
HARMFUL = ["=1+1", "+49 30 901820", "-5", "@SUM(A1)", "\tx", "\rx", "'=x", "''+x", "'quoted'", "a=b"]


@pytest.fixture
def harmful(db: None) -> Source:
    source = Source.objects.create(name="harmful", columns=["=Id", "Text"], roles={"=Id": "id", "Text": "text"})
    Record.objects.bulk_create(
        Record(source=source, external_id=str(place), fields={"=Id": str(place), "Text": value})
        for place, value in enumerate(HARMFUL)
    )
    return source


def rows_of(content: bytes) -> list[list[str]]:
    return list(csv.reader(io.StringIO(content.decode(), newline="")))


def test_records_come_out_corrected_in_the_columns_of_the_source(source: Source, steward: Any) -> None:
    record = Record.objects.get(external_id="C3")
    set_fields(record_id=record.pk, changes={"City": "Boston"}, cause="by hand", by=steward)
    rows = rows_of(b"".join(export_csv(source)))
    assert rows[0] == source.columns
    assert rows[3][4] == "Boston"
    assert rows[4][2] == ""


def test_merged_and_gone_records_are_left_out_unless_asked_for(source: Source) -> None:
    golden = Record.objects.get(external_id="C1")
    Record.objects.filter(external_id="C2").update(golden=golden)
    Record.objects.filter(external_id="C4").update(gone_at="2024-01-01T00:00Z")
    assert [row[0] for row in rows_of(b"".join(export_csv(source)))[1:]] == ["C1", "C3"]
    everything = rows_of(b"".join(export_csv(source, include_inactive=True)))
    assert everything[0][-2:] == ["Merged into", "Gone at"]
    assert [(row[0], row[-2], row[-1][:10]) for row in everything[1:]] == [
        ("C1", "", ""), ("C2", "C1", ""), ("C3", "", ""), ("C4", "", "2024-01-01")
    ]  # fmt: skip


def test_no_cell_of_a_csv_begins_as_a_formula(harmful: Source) -> None:
    rows = rows_of(b"".join(export_csv(harmful)))
    assert not [cell for row in rows for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    plain = rows_of(b"".join(export_csv(harmful, neutralise=False)))
    assert [row[1] for row in plain[1:]] == HARMFUL


@pytest.mark.parametrize("kind", exporting.FORMATS)
def test_importing_an_export_restores_every_value(kind: str, harmful: Source, tmp_path: Path) -> None:
    path = tmp_path / f"out.{kind}"
    assert export_file(harmful, path, kind=kind) == len(HARMFUL)
    again = get_source(name="again", file=path, kind="contacts")
    job = request_import(source=again, file=path, roles={"=Id": "id"} if kind != "csv" else {"'=Id": "id"})
    execute_import(job.pk)
    back = Record.objects.filter(source=again).order_by("id")
    assert [record.fields["Text"] for record in back] == HARMFUL


def test_a_formula_in_an_excel_file_is_text_with_excels_own_quote_mark(harmful: Source, tmp_path: Path) -> None:
    export_file(harmful, tmp_path / "out.xlsx", kind="xlsx")
    cell = openpyxl.load_workbook(tmp_path / "out.xlsx").active["B2"]
    assert (cell.value, cell.data_type, bool(cell.quotePrefix)) == ("=1+1", "s", True)


def test_the_log_tells_who_changed_what_and_why(source: Source, steward: Any) -> None:
    record = Record.objects.get(external_id="C3")
    set_fields(
        record_id=record.pk, changes={"City": "=Boston"}, cause="decision 1", by=steward, reasons={"City": "typo"}
    )
    header, row = rows_of(b"".join(export_changes(source)))
    found = dict(zip(header, row, strict=True))
    assert found["Who"] == steward.username
    assert (found["Record"], found["Field"], found["Before"], found["After"]) == ("C3", "City", "Bostn", "'=Boston")
    assert (found["Cause"], found["Reason"], found["Undone"]) == ("decision 1", "typo", "")


def test_a_source_without_records_gives_its_header(make_source: Any, tmp_path: Path) -> None:
    empty = make_source("empty", rows=[])
    assert rows_of(b"".join(export_csv(empty))) == [empty.columns]
    for kind in exporting.FORMATS:
        assert export_file(empty, tmp_path / f"x.{kind}", kind=kind) == 0
    with pytest.raises(Refused, match="no columns"):
        list(export_csv(Source.objects.create(name="bare")))
    with pytest.raises(Refused, match="choose one of csv, xlsx, parquet"):
        export_file(empty, tmp_path / "x", kind="pdf")


def test_a_cell_that_excel_cannot_hold_is_refused_and_no_file_is_left(harmful: Source, tmp_path: Path) -> None:
    Record.objects.create(source=harmful, external_id="long", fields={"=Id": "long", "Text": "x" * 40_000})
    with pytest.raises(Refused, match="32,767"):
        export_file(harmful, tmp_path / "out.xlsx", kind="xlsx")
    assert list(tmp_path.iterdir()) == []


def test_the_command_writes_records_and_the_log(source: Source, tmp_path: Path) -> None:
    log = tmp_path / "log.csv"
    call_command("export", "contacts", str(tmp_path / "out.parquet"), "--changes", str(log))
    assert pl.read_parquet(tmp_path / "out.parquet").columns == source.columns
    assert log.read_text().startswith('"Change","When"')


CELLS = st.one_of(
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1, max_size=8),
    st.text("'=+-@\t\r\n\",x", min_size=1, max_size=5),
)


@settings(max_examples=80, deadline=None)
@given(rows=st.lists(st.tuples(CELLS, CELLS), min_size=1, max_size=5))
def test_any_cells_survive_export_and_import(
    rows: list[tuple[str, str]], tmp_path_factory: pytest.TempPathFactory
) -> None:
    """Without the database: what is written as CSV is read as the same cells, whether or not a mark had to be set."""
    frame = pl.DataFrame(rows, {"a": pl.String, "b": pl.String}, orient="row")
    content = exporting._csv(frame, header=True, neutralise=True)
    assert not [cell for row in rows_of(content) for cell in row if cell.startswith(("=", "+", "-", "@", "\t", "\r"))]
    path = tmp_path_factory.mktemp("out") / "out.csv"
    path.write_bytes(content)
    table = FileConnector().open(str(path), {"delimiter": ",", "encoding": "utf-8", "quote": '"'})
    assert [tuple(row.values()) for row in table.rows()] == rows
