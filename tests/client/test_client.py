"""The client against the real server: what it does, what it tries again, what it says where it cannot."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import pytest

from crmquality.models import Change, Record
from crmquality.services import exporting_jobs, importing, measuring, running
from crmquality_client import Client, Forbidden, JobFailed, NotFound, Outdated, TimedOut, Unreachable
from crmquality_client.transport import retry_after
from review.models import Decision, ReviewItem
from tests.scripted import claim, install, scan
from tests.workers import kill, start_worker

pytestmark = pytest.mark.django_db(transaction=True)
NOTEBOOK = Path(__file__).parents[2] / "docs" / "examples" / "client.ipynb"


@pytest.fixture
def sign_in(live_server: Any, settings: Any) -> Callable[..., Client]:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]
    return lambda user: Client.sign_in(live_server.url, user.username, "secret-word", sleep=lambda seconds: None)


@pytest.fixture
def crm(sign_in: Callable[..., Client], settings: Any, make_user: Any) -> Client:
    return sign_in(make_user("steward"))


@pytest.fixture
def bob(source: Any) -> Record:
    return Record.objects.get(external_id="C3")


def test_a_file_is_uploaded_and_waited_for(crm, tmp_path):
    path = tmp_path / "contacts.csv"
    path.write_text("Id,Mail\nC1,ann@example.com\nC2,bob@example.com\n")
    source = crm.make_source("crm")
    seen = []

    def a_worker(job: Any) -> None:
        seen.append(job.state)
        importing.execute_import(job.id)

    done = crm.wait(crm.upload(source, path, roles={"Mail": "email"}), progress=a_worker)
    assert (done.state, done.rows_new, done.file_name) == ("succeeded", 2, "contacts.csv")
    assert seen[0] == "queued"
    assert crm.source("crm").roles["Mail"] == "email"
    assert sorted(one.external_id for one in crm.records(source=source)) == ["C1", "C2"]


def test_a_run_is_followed_its_claims_decided_once_and_undone(crm, source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston"), claim(bob, Email="bob@gmail.com")])
    (queued,) = crm.run(source.pk, "scripted")
    run = crm.wait(queued, progress=lambda job: running.execute_run(job.id))
    assert (run.found, len(list(crm.findings(source=source.pk, state="open")))) == (2, 2)
    first = crm.next_item(source=source.pk)
    assert first.card["question"].startswith("Correct ")
    crm.release()
    item = next(one for one in crm.items(source=source.pk) if "City" in str(crm.item(one.id).card["proposal"]))
    decision = crm.decide(item, "edit", changes={"City": "Brighton"}, key="mine")
    assert crm.decide(item, "edit", changes={"City": "Brighton"}, key="mine").id == decision.id
    bob.refresh_from_db()
    assert (bob.fields["City"], Decision.objects.count(), decision.by) == ("Brighton", 1, "steward")
    crm.undo(decision)
    bob.refresh_from_db()
    assert bob.fields["City"] == "Bostn"


def test_a_key_is_made_for_each_decision(crm, source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    crm.decide(ReviewItem.objects.get().pk, "reject")
    assert len(Decision.objects.get().idempotency_key) == 32


def test_lists_are_read_over_their_pages(crm, make_source):
    rows = [[f"K{n}", *["x"] * 6] for n in range(7)]
    source = make_source(rows=rows)
    assert len({one.id for one in crm.records(source=source.pk, page_size=3)}) == 7


def test_metrics_and_files_come(crm, source, tmp_path):
    measuring.measure_source(source=source)
    assert 0 < crm.metrics(source.pk)["quality score"].value <= 1
    job = crm.export(
        source.pk, tmp_path / "out.csv", fill=True, progress=lambda job: exporting_jobs.execute_export(job.id)
    )
    assert (job.rows, job.fill) == (4, True)
    assert (tmp_path / "out.csv").read_text().startswith('"Contact ID"')
    assert [path.name for path in tmp_path.iterdir()] == ["out.csv"]


def test_a_record_is_changed_only_as_it_was_read(crm, bob):
    read = crm.record(bob.pk)
    changed = crm.change(read, {"City": "Boston"}, reason="by phone")
    assert changed.fields["City"] == "Boston"
    with pytest.raises(Outdated) as refused:
        crm.change(read, {"City": "Austin"})
    assert (refused.value.status, Change.objects.count()) == (412, 1)
    assert refused.value.how


def test_errors_say_what_where_and_how(crm, sign_in, sales, source, live_server):
    with pytest.raises(NotFound):
        crm.record(10**9)
    with pytest.raises(Exception, match="source") as refused:
        crm.run(10**9)
    assert (refused.value.status, refused.value.where) == (400, "source")
    with pytest.raises(Forbidden) as forbidden:
        sign_in(sales).run(source.pk)
    assert "Ask an admin" in forbidden.value.how
    crm.sign_out()
    with pytest.raises(Forbidden):
        list(crm.sources())
    with pytest.raises(Exception, match="wrong"):
        Client.sign_in(live_server.url, "steward", "not it")


def test_a_job_that_fails_or_is_never_done_is_told(crm, source):
    run = crm.run(source.pk, "formats")[0]
    with pytest.raises(TimedOut, match="is queued after 1 s"):
        crm.wait(run, timeout=1)
    with pytest.raises(JobFailed, match="cancelled"):
        crm.wait(crm.cancel(run))


class TestPatience:
    """A server that asks for time, made for the purpose: the real one asks only under load."""

    def test_it_waits_as_long_as_it_is_asked_to_and_sends_again(self):
        slept: list[float] = []
        with answering([(429, {"Retry-After": "7"}), (503, {}), (200, {})]) as address:
            client = Client(address, "t", sleep=slept.append)
            assert list(client.sources()) == []
        assert slept == [7.0, 1.0]

    def test_patience_ends(self):
        with (
            answering([(503, {"Retry-After": "100"})] * 3) as address,
            pytest.raises(TimedOut, match="within 150 s"),
        ):
            list(Client(address, "t", patience=150, sleep=lambda seconds: None).sources())

    def test_an_address_where_nobody_answers_or_somebody_else_is_told(self):
        with pytest.raises(Unreachable):
            list(Client("http://127.0.0.1:9", "t", patience=1, sleep=lambda seconds: None).sources())
        with answering([(302, {"Location": "https://elsewhere.example/"})]) as address, pytest.raises(Unreachable):
            list(Client(address, "t").sources())
        with pytest.raises(ValueError, match="no address"):
            Client("crm.example.com", "t")

    def test_the_time_to_wait_is_read_as_seconds_or_as_a_date(self):
        assert retry_after({"Retry-After": "2.5"}) == 2.5
        assert retry_after({"Retry-After": "Wed, 21 Oct 2015 07:28:00 GMT"}) == 0.0
        assert retry_after({"Retry-After": "soon"}) is None


def test_it_brings_neither_django_nor_celery_with_it():
    look = "import sys, crmquality_client; print({'django', 'celery', 'crmquality'} & set(sys.modules))"
    done = subprocess.run([sys.executable, "-c", look], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "set()"


def test_the_example_notebook_runs_from_its_first_cell_to_its_last(live_server, steward, tmp_path, monkeypatch, capsys):
    cells = json.loads(NOTEBOOK.read_text())["cells"]
    assert all(not cell.get("outputs") for cell in cells)
    for name, value in {"URL": live_server.url, "USER": "steward", "PASSWORD": "secret-word"}.items():
        monkeypatch.setenv(f"CRMQUALITY_{name}", value)
    worker = start_worker(tmp_path, tmp_path / "worker.log")
    try:
        space: dict[str, Any] = {}
        for cell in cells:
            if cell["cell_type"] == "code":
                exec(compile("".join(cell["source"]), str(NOTEBOOK), "exec"), space)
    finally:
        kill(worker)
    said = capsys.readouterr().out
    assert "41 rows, 0 in quarantine" in said
    assert space["items"]
    assert Decision.objects.filter(undone_at__isnull=False).count() == len(space["items"])


@contextmanager
def answering(answers: list[tuple[int, dict[str, str]]]) -> Iterator[str]:
    """A server that gives these answers, one after the other."""
    left = list(answers)

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            status, headers = left.pop(0)
            body = json.dumps({"results": [], "next": None}).encode()
            self.send_response(status)
            for name, value in {**headers, "Content-Length": str(len(body))}.items():
                self.send_header(name, value)
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: Any) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{server.server_port}"
        server.shutdown()
