"""A run that starts right after an import is planned for the table as it is."""

import pytest
from django.db import connection

from crmquality.models import Record, Source
from crmquality.services.table_statistics import bring_up_to_date


def fill(source: Source, first: int, count: int) -> None:
    Record.objects.bulk_create(
        Record(source=source, external_id=f"N{n}", line=n, raw="x" * 200, fields={"City": "Bostn"}, digest=str(n))
        for n in range(first, first + count)
    )


def estimated() -> float:
    with connection.cursor() as cursor:
        cursor.execute("SELECT reltuples FROM pg_class WHERE relname = 'crmquality_record'")
        return float(cursor.fetchone()[0])


@pytest.fixture
def analyzed(source):
    fill(source, 0, 1_000)
    with connection.cursor() as cursor:
        cursor.execute("ANALYZE crmquality_record")


def test_a_table_that_grew_is_looked_at_anew_and_only_then(source, analyzed):
    assert bring_up_to_date("crmquality_record") == []
    fill(source, 1_000, 2_000)
    assert bring_up_to_date("crmquality_record") == ["crmquality_record"]
    assert estimated() == pytest.approx(Record.objects.count(), rel=0.1)
    assert bring_up_to_date("crmquality_record") == []


def test_a_table_that_nothing_is_known_of_is_looked_at(source, analyzed):
    with connection.cursor() as cursor:
        cursor.execute("UPDATE pg_class SET reltuples = -1 WHERE relname = 'crmquality_record'")
    assert bring_up_to_date("crmquality_record") == ["crmquality_record"]


def test_an_empty_table_and_a_name_of_nothing_are_left_alone(db):
    assert bring_up_to_date("crmquality_enrichment", "no_such_table") == []
