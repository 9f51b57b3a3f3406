"""Nothing is lost: workers killed in the middle of a run, a broker that comes back empty."""

from __future__ import annotations

import importlib
import shutil
import sys

import pytest

from crmquality.models import Finding, Run
from crmquality.models.jobs import JobState
from crmquality.services import running
from detectors import registry
from tests.workers import SLOW, install_package, kill, start_worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def slow_source(make_source, tmp_path, monkeypatch):
    """A source whose run lasts some seconds, by a detector that is installed beside the project."""
    package = tmp_path / "site"
    package.mkdir()
    install_package(package, "slow_detector", SLOW, "slow = slow_detector:SlowDetector")
    monkeypatch.syspath_prepend(str(package))
    importlib.invalidate_caches()
    assert "slow" in registry.available()
    yield make_source(), package
    sys.modules.pop("slow_detector", None)


def _swept(run: Run) -> str:
    running.sweep()
    return _state(run)


def _state(run: Run) -> str:
    run.refresh_from_db()
    return str(run.state)


def test_a_run_whose_worker_is_killed_is_finished_by_another_and_nothing_is_doubled(slow_source, tmp_path):
    source, package = slow_source
    run = running.request_run(source=source, detector="slow")
    worker = start_worker(package, tmp_path / "one.log")
    try:
        wait_for(
            lambda: _state(run) == JobState.RUNNING and run.progress_done >= 1, seconds=180
        )  # a busy machine is slow
    finally:
        kill(worker)
    assert _state(run) == JobState.RUNNING
    worker = start_worker(package, tmp_path / "two.log")
    try:
        wait_for(lambda: _swept(run) == JobState.SUCCEEDED, every=1)
    finally:
        kill(worker)
    assert run.attempts == 2
    assert Finding.objects.filter(source=source).count() == source.records.count()


def test_a_queued_run_survives_a_broker_that_comes_back_empty(slow_source, servers, tmp_path):
    source, package = slow_source
    run = running.request_run(source=source, detector="slow")
    servers.stop_redis()
    shutil.rmtree(servers.home / "redis")
    servers.start_redis()
    worker = start_worker(package, tmp_path / "worker.log")
    try:
        wait_for(lambda: _swept(run) == JobState.SUCCEEDED, every=1)
    finally:
        kill(worker)
    assert Finding.objects.filter(source=source).count() == source.records.count()


def test_asking_for_a_run_works_while_the_broker_is_away(slow_source, servers):
    source, _ = slow_source
    servers.stop_redis()
    try:
        run = running.request_run(source=source, detector="slow")
    finally:
        servers.start_redis()
    assert _state(run) == JobState.QUEUED


def test_a_worker_that_lost_its_lease_stores_nothing(slow_source):
    source, _ = slow_source
    run = running.request_run(source=source, detector="slow")
    mine = Run.objects.claim(run.pk)
    Run.objects.filter(pk=run.pk).update(attempts=mine.attempts + 1)  # another worker took it over
    assert not Run.objects.finish(mine, JobState.SUCCEEDED)
    assert not Run.objects.renew(mine, done=1, total=2, stage="late")


def test_a_failing_detector_is_tried_four_times_and_then_said_to_have_failed(source, monkeypatch):
    from tests.scripted import install

    def broken(batch):
        raise ZeroDivisionError("value of a record")

    install(monkeypatch, broken)
    run = running.request_run(source=source, detector="scripted")
    for _ in range(4):
        Run.objects.filter(pk=run.pk).update(run_after="2000-01-01T00:00Z")
        running.execute_run(run.pk)
    assert _state(run) == JobState.FAILED
    assert "ZeroDivisionError" in run.error
    assert "value of a record" not in run.error


def test_a_cancelled_run_ends_and_stores_nothing(slow_source, monkeypatch):
    source, _ = slow_source
    run = running.request_run(source=source, detector="slow")
    Run.objects.filter(pk=run.pk).update(cancel_requested=True)
    running.execute_run(run.pk)
    assert _state(run) == JobState.CANCELLED
    assert not Finding.objects.exists()


def test_there_is_one_active_run_a_source_and_detector(source, monkeypatch):
    from tests.scripted import install

    install(monkeypatch, lambda batch: [])
    first = running.request_run(source=source, detector="scripted")
    assert running.request_run(source=source, detector="scripted") == first


def test_two_schedulers_queue_a_due_source_once(source, monkeypatch):
    from datetime import timedelta

    from tests.scripted import install

    install(monkeypatch, lambda batch: [])
    source.run_every = timedelta(hours=1)
    source.save()
    assert running.schedule_due() == 1
    assert running.schedule_due() == 0
    assert Run.objects.filter(source=source, cause=Run.Cause.SCHEDULE).count() == 1


def test_a_batch_whose_worker_is_killed_is_done_to_the_end_by_another_and_no_change_is_doubled(
    make_source, make_user, monkeypatch, tmp_path
):
    from crmquality.models import ChangeSet, Record
    from detectors.roles import Role
    from review.models import Decision, DecisionBatch, ReviewItem
    from review.services import batching
    from tests.scripted import claim, install, scan

    rows = [[f"C{number}", "Bostn"] for number in range(160)]
    source = make_source(columns={"Contact ID": Role.ID, "City": Role.CITY}, rows=rows)
    install(monkeypatch, lambda batch: [claim(record, City="Boston") for record in Record.objects.all()])
    scan(source)
    item = ReviewItem.objects.first()
    batch = batching.decide_group(item=item, verdict=Decision.Verdict.ACCEPT, user=make_user("steward"))

    def done() -> int:
        return batching.outcomes(batch)["decided"]

    worker = start_worker(tmp_path, tmp_path / "one.log")
    try:
        wait_for(lambda: done() >= 10)
    finally:
        kill(worker)
    assert 10 <= done() < 160
    assert DecisionBatch.objects.get().state == JobState.RUNNING
    worker = start_worker(tmp_path, tmp_path / "two.log")
    try:
        wait_for(lambda: running.sweep() is not None and done() == 160, every=1)
    finally:
        kill(worker)
    assert ChangeSet.objects.count() == Decision.objects.count() == 160
    assert set(Record.objects.values_list("version", flat=True)) == {2}
