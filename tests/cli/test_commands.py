"""The command line on a real database: what each subject does, its JSON, its exit status, and who may."""

from __future__ import annotations

import csv
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import User
from django.core.management import call_command

from crmquality.cli import session
from crmquality.cli.main import SUBJECTS, main
from crmquality.models import Change, Import, ModelVersion, Record, Run
from crmquality.services import disclosing, importing, learning, measuring
from crmquality.services.exporting_additions import FILLED
from detectors import registry
from detectors.anomalies.detector import AnomalyDetector
from detectors.contract import RunContext
from review.models import PolicyVersion
from review.services import policies
from tests.scripted import claim, install, install_checks, scan

pytestmark = pytest.mark.django_db(transaction=True)  # jobs renew their lease over a connection of their own
CONTACTS = "Id,Name,E-Mail\nC1,Ann Lee,ann@example.com\nC2,Bob Ray,bob@example.com\nC3,short\n"


@pytest.fixture
def cli(capsys: pytest.CaptureFixture[str]) -> Any:
    """cli("metrics", ...) gives (status, stdout, stderr)."""

    def call(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        try:
            status = main(words)
        except SystemExit as ended:  # argparse's own
            status = int(ended.code or 0)
        said = capsys.readouterr()
        return status, said.out, said.err

    return call


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "contacts.csv"
    path.write_text(CONTACTS)
    return path


def lines(text: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in text.splitlines()]


class TestEverySubject:
    def test_the_help_names_every_subject_and_status(self, cli):
        status, out, _ = cli("--help")
        assert status == 0
        assert all(word in out for word in SUBJECTS)
        assert max(map(len, out.splitlines())) <= 120

    @pytest.mark.parametrize("subject", SUBJECTS)
    def test_every_subject_explains_itself_and_knows_json(self, cli, subject):
        status, out, _ = cli(subject, "--help")
        assert status == 0
        assert "--json" in out

    def test_a_mistyped_subject_is_told_and_the_near_one_named(self, cli):
        status, _, err = cli("metric")
        assert (status, err) == (2, "crmquality: there is no subject 'metric': did you mean 'metrics'?\n")

    @pytest.mark.parametrize(
        "words",
        [
            ("import", "absent.csv", "--source", "crm"),
            ("run", "nowhere"),
            ("export", "nowhere", "out.csv"),
            ("metrics", "nowhere"),
            ("models", "rollback", "nowhere", "anomalies"),
            ("threshold", "show", "nowhere"),
            ("review", "--source", "nowhere", "--json"),
            ("metrics", "--as", "nobody-here"),
        ],
    )
    def test_bad_input_is_one_line_and_status_2(self, cli, words):
        status, out, err = cli(*words)
        assert (status, out) == (2, "")
        assert err.startswith("crmquality: There is no ")
        assert err.count("\n") == 1

    def test_whoever_has_the_console_acts_under_a_name_of_their_own(self, cli, file):
        assert cli("import", str(file), "--source", "crm")[0] == 0
        user = User.objects.get()
        assert user.username.endswith("@console")
        assert not user.has_usable_password()
        assert Import.objects.get().requested_by == user

    def test_a_deactivated_person_may_do_nothing(self, cli, steward):
        User.objects.filter(pk=steward.pk).update(is_active=False)
        assert cli("metrics", "--as", "steward")[0] == 4

    @pytest.mark.parametrize(
        ("role", "words"),
        [
            ("sales", ("metrics",)),
            ("sales", ("export", "contacts", "out.csv")),
            ("auditor", ("run", "contacts")),
            ("auditor", ("import", "c.csv", "--source", "x")),
            ("auditor", ("review", "--json")),
            ("auditor", ("metrics", "--measure")),
            ("steward", ("threshold", "set", "contacts", "formats", "--reason", "so")),
            ("steward", ("models", "activate", "1")),
            ("steward", ("models", "rollback", "contacts", "anomalies")),
        ],
    )
    def test_a_role_may_no_more_than_on_the_page(self, cli, source, make_user, role, words):
        make_user(role)
        status, out, err = cli(*words, "--as", role)
        assert (status, out) == (4, "")
        assert "role does not allow" in err

    def test_a_database_that_does_not_answer_is_status_3_and_says_so(self, tmp_path):
        environment = os.environ | {"DATABASE_URL": f"postgresql://nobody@/none?host={tmp_path}"}
        words = [sys.executable, "-W", "ignore", "-m", "crmquality", "metrics"]
        done = subprocess.run(words, env=environment, capture_output=True, text=True)
        assert done.returncode == 3, done.stderr
        assert done.stderr.startswith("crmquality: The database of DATABASE_URL does not answer")
        assert done.stderr.count("\n") == 1


class TestImport:
    def test_a_file_is_read_and_the_answer_says_what_came_of_it(self, cli, file):
        status, out, err = cli("import", str(file), "--source", "crm", "--map", "email=E-Mail", "--json")
        (row,) = lines(out)
        assert (status, err) == (0, "")
        assert (row["state"], row["rows_new"], row["rows_quarantined"]) == ("succeeded", 2, 1)
        assert row["roles"]["E-Mail"] == "email"
        assert row["quarantined"][0]["line"] == 4
        assert Record.objects.count() == 2

    def test_a_dry_run_writes_nothing(self, cli, file):
        status, out, _ = cli("import", str(file), "--source", "crm", "--dry-run")
        assert status == 0
        assert "Dry run, nothing was written" in out
        assert not Record.objects.exists()

    def test_a_reason_of_the_quarantine_is_masked_for_whom_the_source_is(self, cli, file, steward):
        cli("import", str(file), "--source", "crm", "--map", "name=Name")
        mask(importing.get_source(name="crm"))
        _, out, _ = cli("import", str(file), "--source", "crm", "--json", "--as", "steward")
        assert "•" in lines(out)[0]["quarantined"][0]["reason"]


class TestRun:
    def test_where_no_worker_answers_the_run_is_done_here(self, cli, source, monkeypatch):
        bob = Record.objects.get(external_id="C3")
        install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
        status, out, _ = cli("run", "contacts", "--json")
        (row,) = lines(out)
        assert (status, row["state"], row["found"], row["detector"]) == (0, "succeeded", 1, "scripted")
        assert Run.objects.get().state == "succeeded"

    def test_a_run_that_fails_is_status_1_and_says_why(self, cli, source, monkeypatch):
        install(monkeypatch, lambda batch: [claim(Record(pk=10**9), City="Boston")] * 1)
        monkeypatch.setattr("crmquality.services.running.FLOOD", 0)
        status, out, _ = cli("run", "contacts", "--json", "--here")
        (row,) = lines(out)
        assert (status, row["state"]) == (1, "failed")
        assert "More than 0 findings" in row["error"]

    def test_a_run_can_be_queued_and_left(self, cli, source):
        status, out, _ = cli("run", "contacts", "--detector", "formats", "--no-wait", "--json")
        assert (status, lines(out)[0]["state"]) == (0, "queued")

    def test_an_unknown_detector_is_refused(self, cli, source):
        status, _, err = cli("run", "contacts", "--detector", "formatz")
        assert status == 2
        assert "formats" in err


class TestExport:
    def test_the_records_and_the_changes_are_written(self, cli, source, tmp_path):
        out_file, log = tmp_path / "out.csv", tmp_path / "log.csv"
        status, out, _ = cli("export", "contacts", str(out_file), "--changes", str(log), "--json")
        (row,) = lines(out)
        assert (status, row["records"], row["format"], row["masked"]) == (0, 4, "csv", [])
        assert len(list(csv.reader(out_file.open()))) == 5
        assert log.read_text().startswith('"Change"')

    def test_what_is_masked_for_a_person_is_masked_in_their_file(self, cli, source, steward, tmp_path):
        mask(source)
        path = tmp_path / "out.csv"
        _, out, _ = cli("export", "contacts", str(path), "--as", "steward", "--json")
        assert lines(out)[0]["masked"] == ["Name"]
        assert "Ann Lee" not in path.read_text()
        cli("export", "contacts", str(path))
        assert "Ann Lee" in path.read_text()

    def test_blanks_are_filled_for_analysis_each_named_and_the_file_is_not_taken_back(self, cli, source, tmp_path):
        path = tmp_path / "filled.csv"
        Record.objects.filter(external_id="C3").update(fields={"Contact ID": "C3", "City": None})
        status, out, _ = cli("export", "contacts", str(path), "--fill", "--scores", "--json")
        rows = {row["Contact ID"]: row for row in csv.DictReader(path.open())}
        assert (status, lines(out)[0]["fill"], lines(out)[0]["scores"]) == (0, True, True)
        assert rows["C3"]["City"] == "Boston"
        assert "City (most frequent)" in rows["C3"][FILLED]
        assert "never written into records" in cli("import", str(path), "--source", "contacts")[2]
        call_command("export", "contacts", str(path), "--fill")
        assert FILLED in path.read_text()

    def test_an_unknown_format_is_refused_and_nothing_is_left(self, cli, source, tmp_path):
        status, _, err = cli("export", "contacts", str(tmp_path / "out.docx"))
        assert status == 2
        assert "csv, xlsx, parquet" in err
        assert not list(tmp_path.iterdir())


class TestMetrics:
    def test_the_newest_metrics_are_shown_by_field_too(self, cli, source):
        measuring.measure_source(source=source)
        status, out, _ = cli("metrics", "--fields", "--json")
        (row,) = lines(out)
        assert (status, row["source"], row["records"]) == (0, "contacts", 4)
        assert 0 < row["metrics"]["quality score"]["value"] <= 1
        assert {"metric": "validity", "field": "Email"}.items() <= row["fields"][0].items() or row["fields"]

    def test_it_is_measured_on_request(self, cli, source):
        status, out, _ = cli("metrics", "contacts", "--measure", "--json")
        assert status == 0
        assert "quality score" in lines(out)[0]["metrics"]

    def test_a_score_below_the_bound_is_status_1(self, cli, source):
        measuring.measure_source(source=source)
        assert cli("metrics", "--fail-under", "100")[0] == 1
        assert cli("metrics", "--fail-under", "1")[0] == 0

    def test_a_source_that_was_never_measured_meets_no_bound(self, cli, source):
        assert cli("metrics", "--fail-under", "1")[0] == 1


class TestModels:
    @pytest.fixture
    def versions(self, source) -> list[ModelVersion]:
        from crmquality.services.batches import source_batch

        batch = source_batch(source)
        fitted = AnomalyDetector().fit(batch, [], RunContext(seed=1))
        return [
            learning.activate(
                version=learning.keep_version(source=source, detector=fitted, roles=batch.roles, labels=number)
            )
            for number in (0, 30)
        ]

    def test_they_are_listed_and_the_retired_only_on_request(self, cli, versions):
        assert [row["number"] for row in lines(cli("models", "--json")[1])] == [2]
        assert [row["number"] for row in lines(cli("models", "list", "--all", "--json")[1])] == [2, 1]

    def test_an_admin_activates_one_and_rolls_back(self, cli, versions, admin):
        status, out, _ = cli("models", "activate", str(versions[0].pk), "--as", "boss", "--reason", "better", "--json")
        row = lines(out)[0]
        assert (status, row["number"], row["state"], row["activated_by"]) == (0, 1, "active", "boss")
        assert row["note"] == "better"
        status, out, _ = cli("models", "rollback", "contacts", "anomalies", "--json")
        assert (status, lines(out)[0]["number"]) == (0, 2)

    def test_where_nothing_served_before_it_is_refused(self, cli, source):
        status, _, err = cli("models", "rollback", "contacts", "anomalies")
        assert status == 2
        assert "No earlier version" in err


class TestThreshold:
    def test_what_is_in_force_is_shown(self, cli, source):
        status, out, _ = cli("threshold", "--json")
        rows = lines(out)
        assert status == 0
        assert {row["detector"] for row in rows} == set(registry.available())
        assert lines(cli("threshold", "show", "contacts", "formats", "--json")[1])[0]["review_at"] == 0.5

    def test_what_if_writes_nothing(self, cli, source, monkeypatch):
        install(monkeypatch, lambda batch: [claim(Record.objects.get(external_id="C3"), City="Boston")])
        scan(source)
        before = PolicyVersion.objects.count()
        status, out, _ = cli("threshold", "what-if", "contacts", "scripted", "--review-at", "0.95", "--json")
        row = lines(out)[0]
        assert (status, row["dropped"], row["shown"]) == (0, 1, 0)
        assert PolicyVersion.objects.count() == before

    def test_an_admin_sets_bounds_with_a_reason_and_the_others_stay(self, cli, source, admin):
        words = ("threshold", "set", "contacts", "formats", "--accept-at", "0.97", "--reason", "proven", "--as", "boss")
        assert cli(*words)[0] == 0
        version = policies.policy_in_force(source, "formats")
        assert (version.review_at, version.accept_at, version.reason, version.by) == (0.5, 0.97, "proven", admin)

    @pytest.mark.parametrize("more", [(), ("--reason", " ")])
    def test_without_a_reason_nothing_is_set(self, cli, source, more):
        assert cli("threshold", "set", "contacts", "formats", "--review-at", "0.6", *more)[0] == 2
        assert not PolicyVersion.objects.exists()

    def test_bounds_out_of_order_are_refused_in_words(self, cli, source):
        status, _, err = cli(
            *("threshold", "set", "contacts", "formats", "--review-at", "0.9", "--accept-at", "0.2", "--reason", "x")
        )
        assert status == 2
        assert "accept_at must lie in [review_at, 1]" in err


def test_the_waiting_cards_are_listed_and_nothing_is_reserved(cli, source, steward, monkeypatch):
    bob = Record.objects.get(external_id="C3")
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    status, out, _ = cli("review", "--json", "--as", "steward")
    (row,) = lines(out)
    assert (status, row["question"]) == (0, "Correct City?")
    assert row["fields"] == [{"field": "City", "before": "Bostn", "after": "Boston"}]
    assert row["evidence"][0]["detail"] == "because the test says so"
    assert not Change.objects.exists()
    from review.models import ReviewItem

    assert ReviewItem.objects.get().leased_by is None


def test_equal_proposals_of_several_checks_are_listed_once(cli, source, steward, monkeypatch):
    same = [claim(Record.objects.get(external_id="C3"), City="Boston")]
    install_checks(monkeypatch, formats=lambda batch: same, conflicts=lambda batch: same)
    scan(source, "formats", "conflicts")
    (row,) = lines(cli("review", "--json", "--as", "steward")[1])
    assert (row["detector"], [one["detector"] for one in row["also_found_by"]]) == ("formats", ["conflicts"])


def test_review_outside_of_a_terminal_is_refused_with_the_way_out(cli, source, steward):
    status, _, err = cli("review", "--as", "steward")
    assert status == 2
    assert "--json" in err


def test_a_home_where_nothing_runs_gets_its_database_for_the_time_of_the_command(tmp_path, file):
    environment = {name: value for name, value in os.environ.items() if name not in ("DATABASE_URL", "REDIS_URL")}
    environment |= {"CRMQUALITY_HOME": str(tmp_path / "home"), "PYTHONWARNINGS": "ignore"}
    words = [sys.executable, "-m", "crmquality"]
    first = subprocess.run(
        [*words, "import", str(file), "--source", "crm", "--json"], env=environment, capture_output=True, text=True
    )
    assert first.returncode == 0, first.stderr
    assert json.loads(first.stdout)["rows_new"] == 2
    second = subprocess.run([*words, "metrics", "--json"], env=environment, capture_output=True, text=True)
    assert json.loads(second.stdout)["records"] == 2, second.stderr


def mask(source: Any) -> None:
    """Names are masked for stewards from now on."""
    disclosing.set_policy(
        source=source,
        masked_for=["steward"],
        columns=["name"],
        reason_required=False,
        sales_decide=[],
        by=session.console_admin(),
    )
