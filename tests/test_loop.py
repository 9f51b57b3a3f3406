"""The whole loop: a file in, findings, a person's verdicts, corrected records out, models that learned."""

from __future__ import annotations

import io
from pathlib import Path

import pandas as pd
import pytest

from crmquality import sample
from crmquality.demo import report
from crmquality.models import Change, Finding, QualityMetric, Record, Run
from crmquality.services import exporting, importing, measuring, running
from review.models import Decision, ReviewItem
from review.services import deciding, queue

SITES = Path(__file__).parents[2] / "shared" / "data" / "linkage" / "early_childhood_sites.csv"
Verdict = Decision.Verdict
pytestmark = pytest.mark.django_db(transaction=True)  # a lease is renewed over a connection of its own


def bring_in(path: Path, name: str, **options: object):
    """Import a file, as a worker would."""
    source = importing.get_source(name=name, file=path)
    job = importing.request_import(source=source, file=path, **options)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    source.refresh_from_db()
    return source, job


def run_all(source) -> None:
    """Run every detector, as a worker would."""
    for run in running.request_all(source=source):
        running.execute_run(run.pk)
    failed = Run.objects.filter(source=source).exclude(state="succeeded").values_list("detector", "error")
    assert not list(failed)


def decide_next(user, action: str, verdict: Decision.Verdict) -> Decision:
    """Take the next card of a kind and give this verdict."""
    item = queue.claim_next(user=user, filters=queue.Filters(action=action))
    assert item is not None, f"nothing to {action}"
    return deciding.decide(item=item, verdict=verdict, user=user)


def test_the_sample_crm_is_imported_checked_reviewed_corrected_and_measured(tmp_path, steward):
    written = sample.generate(tmp_path, contacts=600, seed=3)
    source, _ = bring_in(written.files["contacts"], "contacts")
    assert Record.objects.filter(source=source).count() == written.rows["contacts"]
    run_all(source)

    scores = report.truth_scores(source, written.truth)
    assert scores.duplicates.precision > 0.7
    assert scores.duplicates.recall > 0.6
    assert scores.corrections.precision > 0.7

    before = measuring.latest(source)["quality score"].value
    accepted = [decide_next(steward, "set", Verdict.ACCEPT) for _ in range(12)]
    merged = decide_next(steward, "merge", Verdict.ACCEPT)
    rejected = decide_next(steward, "set", Verdict.REJECT)
    measuring.measure_source(source=source)
    newest = measuring.latest(source)
    assert newest["quality score"].value != before
    assert newest["accuracy"].denominator == 13
    assert Change.objects.filter(change_set=accepted[0].change_set).exists()
    assert Record.objects.filter(golden__isnull=False).count() >= 1

    deciding.undo_decision(decision=merged, user=steward)
    assert not Record.objects.filter(golden__isnull=False).exists()

    run_all(source)
    again = ReviewItem.objects.open().filter(finding=rejected.item.finding)
    assert not again.exists()

    text = b"".join(exporting.export_csv(source)).decode("utf-8-sig")
    out = pd.read_csv(io.StringIO(text), dtype=str, keep_default_na=False)
    assert list(out.columns) == source.columns
    assert len(out) == written.rows["contacts"]
    changes = b"".join(exporting.export_changes(source)).decode("utf-8-sig")
    assert len(changes.splitlines()) > 12


def test_an_anomaly_decision_ranks_the_open_anomalies_anew(tmp_path, steward):
    written = sample.generate(tmp_path, contacts=1_500, seed=5)
    source, _ = bring_in(written.files["opportunities"], "opportunities")
    run = running.request_run(source=source, detector="anomalies")
    running.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded", run.error
    assert run.model_version is not None
    items = ReviewItem.objects.open().filter(detector="anomalies")
    before = dict(items.values_list("id", "rank"))
    assert len(before) >= 5
    first = queue.claim_next(user=steward, filters=queue.Filters(detector="anomalies"))
    deciding.decide(item=first, verdict=Verdict.REJECT, user=steward)
    after = dict(items.values_list("id", "rank"))
    assert any(after[item] != before[item] for item in after)
    run.model_version.refresh_from_db()
    assert run.model_version.feedback_count == 1


def test_a_real_dirty_file_goes_through_the_loop(steward):
    source, job = bring_in(SITES, "sites")
    rows = pd.read_csv(SITES, dtype=str, keep_default_na=False)
    assert job.rows_new + job.rows_quarantined == len(rows)
    run_all(source)
    assert Finding.objects.filter(source=source, detector="duplicates").count() > 100
    decision = decide_next(steward, "merge", Verdict.ACCEPT)
    deciding.undo_decision(decision=decision, user=steward)
    assert QualityMetric.objects.filter(source=source, name="quality score").exists()


def test_importing_the_same_file_again_changes_nothing(tmp_path):
    written = sample.generate(tmp_path, contacts=200, seed=3)
    source, _ = bring_in(written.files["contacts"], "contacts")
    before = dict(Record.objects.filter(source=source).values_list("external_id", "version"))
    _, job = bring_in(written.files["contacts"], "contacts")
    assert (job.rows_new, job.rows_changed, job.rows_same) == (0, 0, len(before))
    assert dict(Record.objects.filter(source=source).values_list("external_id", "version")) == before
