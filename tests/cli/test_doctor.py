"""The doctor on a real installation: each fault is made, seen, named, and mended by what it says."""

from __future__ import annotations

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.conf import settings
from django.core.management import call_command
from django.utils import timezone

from crmquality.cli.main import main
from crmquality.doctor import installation, servers, work
from crmquality.doctor.checking import Check, State, fail, ok, run, warn
from crmquality.models import Connection, Delivery, Destination, JobState, Run
from crmquality.services import learning, model_files, publishing, running
from crmquality.services.batches import source_batch
from detectors.anomalies.detector import AnomalyDetector
from detectors.contract import RunContext
from tests.workers import kill, start_worker, wait_for

pytestmark = pytest.mark.django_db(transaction=True)


@pytest.fixture
def running_run(source: Any) -> Run:
    run = running.request_run(source=source, detector="formats")
    Run.objects.filter(pk=run.pk).update(state=JobState.RUNNING, attempts=1)
    return run


def leased_until(run: Run, ago: timedelta) -> None:
    Run.objects.filter(pk=run.pk).update(lease_until=timezone.now() - ago)


class TestTheReport:
    def test_a_check_that_needs_what_failed_is_skipped_and_so_is_what_needs_that(self):
        checks = [
            Check("one", lambda: fail("broken", "mend it")),
            Check("two", lambda: ok("fine"), needs=("one",)),
            Check("three", lambda: ok("fine"), needs=("two",)),
            Check("four", lambda: warn("soon", "look")),
        ]
        assert [result.state for result in run(checks)] == ["fail", "skipped", "skipped", "warn"]

    def test_a_check_that_breaks_has_failed_and_stops_no_other(self):
        results = list(run([Check("odd", lambda: ok(str(1 / 0))), Check("even", lambda: ok("fine"))]))
        assert [result.state for result in results] == ["fail", "ok"]
        assert "ZeroDivisionError" in results[0].says

    def test_it_says_every_check_as_json_with_a_sentence_and_what_mends_it(self, capsys):
        status = main(["doctor", "--json"])
        report = json.loads(capsys.readouterr().out)
        states = {row["name"]: row["state"] for row in report["checks"]}
        assert status == 1
        assert report["failed"] == [name for name, state in states.items() if state == "fail"]
        assert "workers" in report["failed"]  # none runs here
        assert states["database"] == states["migrations"] == states["broker"] == states["clock"] == "ok"
        assert states["scheduler"] == "skipped"
        assert all(row["mend"] for row in report["checks"] if row["state"] in ("fail", "warn"))
        assert all(row["says"].count("\n") == 0 for row in report["checks"])

    def test_a_home_that_nothing_was_started_on_is_said_and_not_made(self, tmp_path):
        home = tmp_path / "none"
        results = {result.name: result for result in run(installation.checks(home, dev=False))}
        assert results["home folder"].state == State.FAIL
        assert results["disk"].state == results["secrets"].state == State.SKIPPED
        assert not home.exists()


class TestInstallation:
    def test_this_one_has_the_packages_that_are_pinned(self):
        assert installation.python().state == State.OK
        assert installation.packages(dev=False).state == State.OK

    def test_another_version_than_the_pinned_is_named(self, monkeypatch):
        monkeypatch.setattr(installation.metadata, "requires", lambda name: ["django==4.0", "nosuchthing==1"])
        found = installation.packages(dev=False)
        assert (found.state, found.says) == (State.FAIL, "Not installed: nosuchthing 1.")
        monkeypatch.setattr(installation.metadata, "requires", lambda name: ["django==4.0"])
        assert "in place of 4.0" in installation.packages(dev=False).says

    def test_secrets_that_others_can_read_are_a_fault(self, tmp_path):
        path = tmp_path / "secrets.json"
        path.write_text("{}")
        path.chmod(0o644)
        found = installation.secrets_file(tmp_path)
        assert (found.state, found.mend) == (State.FAIL, f"chmod 600 {path}")
        path.chmod(0o600)
        path.write_text("not json")
        assert "cannot be read" in installation.secrets_file(tmp_path).says

    def test_a_home_that_others_can_read_is_warned_of(self, tmp_path):
        tmp_path.chmod(0o755)
        assert installation.home_folder(tmp_path).mend == f"chmod 700 {tmp_path}"
        tmp_path.chmod(0o700)
        assert installation.home_folder(tmp_path).state == State.OK

    def test_a_full_disk_is_a_fault_and_a_fuller_one_a_warning(self, tmp_path, monkeypatch):
        monkeypatch.setattr(installation, "TOO_LITTLE", 2**60)
        assert installation.disk(tmp_path).state == State.FAIL
        monkeypatch.setattr(installation, "TOO_LITTLE", 0)
        monkeypatch.setattr(installation, "LITTLE", 2**60)
        assert installation.disk(tmp_path).state == State.WARN

    def test_kernels_that_were_never_compiled_are_counted(self, tmp_path):
        for folder in installation.WARMED:
            (tmp_path / folder / "__pycache__").mkdir(parents=True)
        module = tmp_path / installation.WARMED[0] / "loops.py"
        module.write_text("@compiled\ndef one(): ...\n\n\n@compiled\ndef two(): ...\n")
        (module.parent / "__pycache__" / "loops.one-2.py311.nbi").touch()
        found = installation.kernels(tmp_path)
        assert (found.state, found.mend) == (State.WARN, "manage.py warm")
        assert "1 of 2" in found.says
        (module.parent / "__pycache__" / "loops.two-6.py311.nbi").touch()
        assert installation.kernels(tmp_path).state == State.OK


class TestServers:
    def test_an_unapplied_migration_is_named_and_migrating_mends_it(self, db):
        call_command("migrate", "review", "zero", verbosity=0)
        try:
            found = servers.migrations()
            assert (found.state, found.mend) == (State.FAIL, "manage.py migrate")
            assert "review.0001_initial" in found.says
        finally:
            call_command("migrate", verbosity=0)
        assert servers.migrations().state == State.OK

    def test_debug_pages_are_a_fault(self, settings):
        assert servers.debug().state == State.OK
        settings.DEBUG = True
        assert servers.debug().mend == "unset CRMQUALITY_DEBUG"

    def test_checks_of_the_project_are_asked_too(self, settings):
        settings.ALLOWED_HOSTS = ["*"]
        found = servers.framework()
        assert found.state == State.WARN
        assert "crmquality.W001" in found.says
        assert servers.hosts().state == State.WARN

    def test_the_broker_keeps_what_is_queued(self):
        assert servers.broker().state == State.OK
        assert servers.persistence().says == "appendonly"
        with publishing.broker() as client:
            client.config_set("maxmemory-policy", "allkeys-lru")
            try:
                assert servers.persistence().state == State.FAIL
            finally:
                client.config_set("maxmemory-policy", "noeviction")

    def test_a_worker_and_the_last_sweep_are_signs_of_life(self, tmp_path):
        with publishing.broker() as client:
            client.delete(publishing.SWEPT)
        assert servers.workers().state == State.FAIL
        assert "never" in servers.scheduler().says
        worker = start_worker(tmp_path, tmp_path / "worker.log")
        try:
            wait_for(lambda: servers.workers().state == State.OK, seconds=240)
        finally:
            kill(worker)
        running.sweep()
        assert servers.scheduler().state == State.OK
        with publishing.broker() as client:
            client.set(publishing.SWEPT, client.time()[0] - 3600)
        assert servers.scheduler().mend == "crmquality serve"

    def test_an_index_that_does_not_run_is_warned_of(self):
        assert servers.resident_index().state == State.WARN


class TestWork:
    def test_a_job_whose_worker_died_is_named_once_nobody_takes_it_up(self, running_run):
        leased_until(running_run, timedelta(seconds=2))
        assert work.jobs().state == State.OK
        leased_until(running_run, timedelta(minutes=5))
        found = work.jobs()
        assert found.state == State.FAIL
        assert f"run {running_run.pk}" in found.says
        running.execute_run(running_run.pk)
        assert work.jobs().state == State.OK

    def test_a_job_that_waits_for_long_is_warned_of(self, source):
        run = running.request_run(source=source, detector="formats")
        assert work.jobs().state == State.OK
        Run.objects.filter(pk=run.pk).update(run_after=timezone.now() - timedelta(hours=1))
        assert work.jobs().state == State.WARN

    def test_a_damaged_model_file_is_found_and_rolling_back_mends_it(self, source, capsys):
        batch = source_batch(source)
        versions = []
        for seed in (1, 2):
            fitted = AnomalyDetector().fit(batch, [], RunContext(seed=seed))
            kept = learning.keep_version(source=source, detector=fitted, roles=batch.roles, labels=0)
            versions.append(learning.activate(version=kept))
        assert work.models().state == State.OK
        damaged = next(Path(model_files.models_folder() / versions[1].directory).rglob("*.*"))
        damaged.write_bytes(damaged.read_bytes() + b"\0")
        found = work.models()
        assert (found.state, found.mend) == (State.FAIL, "crmquality models rollback 'contacts' anomalies")
        if versions[0].directory != versions[1].directory:
            assert main(["models", "rollback", "contacts", "anomalies"]) == 0
            assert work.models().state == State.OK

    def test_messages_given_up_and_connections_paused_are_said(self, db):
        assert work.webhooks().state == work.connections().state == work.outbox().state == State.OK
        there = Destination.objects.create(name="there", kind="webhook", target="https://example.com/", events=[])
        Delivery.objects.create(destination=there, event="x", key="1", title="x", state=JobState.FAILED)
        assert "1 messages were given up" in work.webhooks().says
        Connection.objects.create(name="crm", connector="sql", paused_because="The login ended.")
        assert "crm (The login ended.)" in work.connections().says

    def test_without_an_admin_who_can_sign_in_it_says_how_to_add_one(self, db, make_user):
        assert work.people().mend == "manage.py adduser NAME --role admin"
        make_user("admin")
        assert work.people().state == State.OK


def test_the_real_home_of_the_tests_is_sound():
    assert installation.home_folder(settings.HOME).state in (State.OK, State.WARN)
    assert installation.secrets_file(settings.HOME).state == State.OK
