"""Measuring as a job: by segment, against verified values, watched and stopped; exports in the background."""

from __future__ import annotations

import pandas as pd
import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import Export, Measurement, QualityMetric, Record
from crmquality.services import correcting, exporting_jobs, measuring, running
from crmquality.services.errors import Refused
from crmquality.services.measuring_reference import measure_against_reference
from detectors.contract import Cancelled
from tests.scripted import claim, install, scan


def segments(source):
    rows = QualityMetric.objects.filter(source=source, name="quality score").exclude(segment="")
    return {row.segment: row for row in rows}


def test_a_source_is_measured_by_the_values_of_its_segment_column(source, admin):
    job = measuring.set_segment_column(source=source, column="City", user=admin)
    measuring.execute_measurement(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded"
    assert {name: row.denominator for name, row in segments(source).items()} == {"Boston": 2, "Bostn": 1, "Austin": 1}
    whole = measuring.latest(source)["quality score"]
    assert whole.segment == ""
    assert whole.low <= whole.value <= whole.high


def test_a_column_that_is_not_there_is_no_segment_column(source, admin):
    with pytest.raises(Refused):
        measuring.set_segment_column(source=source, column="Planet", user=admin)


def test_a_cancelled_measurement_keeps_nothing(source, monkeypatch):
    job = measuring.request_measurement(source=source)
    assert measuring.request_measurement(source=source) == job

    def stop(*_, **__):
        raise Cancelled

    monkeypatch.setattr(measuring, "compute", stop)
    measuring.execute_measurement(job.pk)
    job.refresh_from_db()
    assert job.state == "cancelled"
    assert not QualityMetric.objects.exists()


def test_a_queued_measurement_that_was_cancelled_is_not_done(source):
    job = measuring.request_measurement(source=source)
    assert running.cancel(job)
    measuring.execute_measurement(job.pk)
    assert not QualityMetric.objects.exists()


def test_errors_found_and_corrected_are_counted_against_verified_values(source, monkeypatch):
    bob = Record.objects.get(external_id="C3")
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    reference = pd.DataFrame(
        {"Contact ID": ["C3", "C4"], "City": ["Boston", "Dallas"], "Postcode": ["02108", "78701"]}, dtype=object
    )
    found = {one.name: one for one in measure_against_reference(source=source, reference=reference) if not one.field}
    assert (found["error detection rate"].numerator, found["error detection rate"].denominator) == (1, 2)
    assert found["error correction rate"].value == 0
    correcting.set_fields(record_id=bob.pk, changes={"City": "Boston"}, cause="test")
    found = {one.name: one for one in measure_against_reference(source=source, reference=reference) if not one.field}
    assert found["error detection rate"].value == 0.5
    assert found["error correction rate"].value == 1


class TestExports:
    @pytest.mark.parametrize("form", ["csv", "xlsx", "parquet", "changes"])
    def test_a_file_is_written_in_the_background_and_taken(self, source, steward, form):
        correcting.set_fields(record_id=Record.objects.first().pk, changes={"City": "Rome"}, cause="test")
        client = Client()
        client.force_login(steward)
        page = client.post(reverse("request-export", args=[source.pk]), {"form": form})
        job = Export.objects.get()
        assert page.url == reverse("export-job", args=[job.pk])
        assert "Cancel" in client.get(page.url).content.decode()
        exporting_jobs.execute_export(job.pk)
        assert "Take the file" in client.get(page.url).content.decode()
        assert b"".join(client.get(reverse("export-file", args=[job.pk])).streaming_content)
        job.refresh_from_db()
        assert (job.percent, job.rows) == (100, 1 if form == "changes" else 4)

    def test_a_cancelled_one_leaves_no_file(self, source, steward, monkeypatch):
        job = exporting_jobs.request_export(source=source, form="csv", user=steward)

        def stop(*_, **__):
            raise Cancelled

        monkeypatch.setattr(exporting_jobs.exporting, "export_file", stop)
        exporting_jobs.execute_export(job.pk)
        job.refresh_from_db()
        assert (job.state, exporting_jobs.file_of(job)) == ("cancelled", None)
        assert not list(exporting_jobs.exports().glob(f"{job.pk}-*"))

    def test_an_unknown_form_is_refused(self, source):
        with pytest.raises(Refused):
            exporting_jobs.request_export(source=source, form="pdf")


def test_a_job_shows_percent_and_time_left_and_can_be_stopped(source, steward):
    from datetime import timedelta

    from django.utils import timezone

    job = Measurement.objects.create(
        source=source, state="running", progress_done=25, progress_total=100, progress_stage="looking at every cell",
        started_at=timezone.now() - timedelta(seconds=20),
    )  # fmt: skip
    client = Client()
    client.force_login(steward)
    page = client.get(reverse("measurement", args=[job.pk])).content.decode()
    assert "25 %" in page
    assert "60 s left" in page or "1 min left" in page
    client.post(reverse("cancel-measurement", args=[job.pk]))
    job.refresh_from_db()
    assert job.cancel_requested
    assert "looking at every cell" in client.get(reverse("jobs"), headers={"HX-Request": "true"}).content.decode()
