"""What an export adds: scores with version and reasons, and blanks filled for analysis that never reach a record."""

import csv
import io

import pandas as pd
import polars as pl
import pytest
from django.test import Client

from crmquality.models import Change, Export, ModelVersion, Prediction, Record, Score
from crmquality.services import exporting_jobs, importing, scoring, sensitive
from crmquality.services.errors import Refused
from crmquality.services.exporting import export_csv, export_file
from crmquality.services.exporting_additions import FILLED, Additions, fillings
from detectors.roles import Role

pytestmark = pytest.mark.django_db
COLUMNS = {
    "Key": Role.ID,
    "Name": Role.NAME,
    "Region": Role.REGION,
    "Amount": Role.AMOUNT,
    "Gender": Role.GENDER,
    "Owner": Role.OWNER,
    "Odd": Role.NUMBER,
}
ROWS = [
    ["K1", "Ann", "north", "10", "f", "sales", "x"],
    ["K2", None, "north", "20", "f", "sales", "y"],
    ["K3", "Cy", "south", "60", "f", None, "z"],
    ["K4", "Di", "N/A", "", None, None, None],
]


@pytest.fixture
def people(make_source):
    return make_source("people", COLUMNS, ROWS)


def rows_of(source, **additions):
    content = b"".join(export_csv(source, add=Additions(**additions))).decode()
    return list(csv.DictReader(io.StringIO(content)))


def test_numbers_get_the_mean_and_categories_the_most_frequent_value_and_each_filled_cell_is_named(people):
    first, _, third, last = rows_of(people, fill=True)
    assert (last["Amount"], last["Region"]) == ("30", "north")
    assert last[FILLED] == "Region (most frequent); Amount (mean)"
    assert first[FILLED] == ""
    assert third["Owner"] == ""  # somebody's task is nobody's guess


def test_names_sensitive_attributes_and_what_is_no_number_stay_blank(people):
    _, second, _, last = rows_of(people, fill=True)
    assert second["Name"] == ""
    assert last["Gender"] == ""
    assert last["Odd"] == ""
    sensitive.allow(source=people, columns=["Gender"])
    assert rows_of(people, fill=True)[3]["Gender"] == "f"


def test_what_is_masked_for_whoever_asked_is_not_filled(people):
    assert "Amount" not in fillings(people, hide=["Amount"])


def test_nothing_of_it_is_written_to_a_record_and_such_a_file_is_not_imported(people, tmp_path):
    path = tmp_path / "analysis.csv"
    export_file(people, path, add=Additions(fill=True))
    assert Record.objects.get(external_id="K4").fields["Amount"] == ""
    assert not Change.objects.exists()
    with pytest.raises(Refused, match="filled in for analysis"):
        importing.request_import(source=people, file=path)


@pytest.mark.parametrize("kind", ["csv", "xlsx", "parquet"])
def test_scores_come_with_band_version_and_reasons_in_every_format(people, tmp_path, kind):
    prediction = Prediction.objects.create(source=people, name="Win", aim={"target": "Region", "positive": ["north"]})
    version = ModelVersion.objects.create(
        source=people, prediction=prediction, detector="p", number=7, detector_version="1", directory="", sha256=""
    )
    record = Record.objects.get(external_id="K3")
    reasons = [{"field": "Amount", "value": "60", "typical": "20", "weight": 0.5}]
    Score.objects.create(
        prediction=prediction, record=record, version=version, value="0.625", probability=0.625, number=0.625,
        reasons=reasons,
    )  # fmt: skip
    scoring.set_cut_offs(prediction=prediction, bands=[("hot", 0.5)], rest="cold")
    path = tmp_path / f"out.{kind}"
    export_file(people, path, kind=kind, add=Additions(scores=True))
    frame = pl.from_pandas(pd.read_excel(path)) if kind == "xlsx" else getattr(pl, f"read_{kind}")(path)
    row = frame.filter(pl.col("Key") == "K3").to_dicts()[0]
    assert (float(row["Win"]), row["Win band"], int(row["Win version"])) == (0.625, "hot", 7)
    assert "Amount is 60, typically 20" in row["Win why"]
    assert frame.filter(pl.col("Key") == "K1").to_dicts()[0]["Win"] is None
    hidden = b"".join(export_csv(people, add=Additions(scores=True), hide=["Amount"])).decode()
    assert "Amount is 60" not in hidden


def test_an_export_job_is_asked_for_on_the_page_with_its_additions(people, steward):
    client = Client()
    client.force_login(steward)
    client.post(f"/sources/{people.pk}/exports/", {"form": "csv", "fill": "1"})
    job = Export.objects.get()
    assert (job.scores, job.fill) == (False, True)
    exporting_jobs.execute_export(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    assert job.file_name == "people for analysis.csv"
    assert FILLED in exporting_jobs.file_of(job).read_text()


def test_an_admin_allows_sensitive_columns_one_by_one_and_no_other_column(people, steward, admin):
    client = Client()
    client.force_login(admin)
    path = f"/sources/{people.pk}/sensitive/"
    client.post(path, {"column": ["Gender"]})
    people.refresh_from_db()
    assert sensitive.allowed_columns(people) == {"Gender"}
    assert "checked> Gender" in client.get(f"/sources/{people.pk}/").content.decode()
    client.post(path, {"column": ["Amount"]})
    people.refresh_from_db()
    assert sensitive.allowed_columns(people) == {"Gender"}
    client.post(path, {})
    people.refresh_from_db()
    assert not sensitive.allowed_columns(people)
    client.force_login(steward)
    assert client.post(path, {"column": ["Gender"]}).status_code == 403
    assert "Sensitive columns" not in client.get(f"/sources/{people.pk}/").content.decode()
