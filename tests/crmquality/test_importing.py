"""Importing: first load, re-import, corrections, quarantine, dry runs, kills."""

from __future__ import annotations

import csv
import io
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from django.core.files.uploadedfile import SimpleUploadedFile
from django.core.management import CommandError, call_command

from crmquality.models import Change, Import, QuarantinedRow, Record, Run, Source
from crmquality.services.correcting import set_fields
from crmquality.services.errors import Refused
from crmquality.services.importing import execute_import, get_source, preview, request_import
from crmquality.services.importing_quarantine import (
    mark_resolved,
    quarantine_csv,
    quarantined,
    reimport_quarantined,
)
from crmquality.services.importing_uploads import sweep_uploads, uploads
from crmquality.services.mapping_columns import confirm_roles
from tests.data_hostile import Hostile, manifest

pytestmark = pytest.mark.django_db
CONTACTS = (
    "Contact ID,Name,Email,City\nC1,Ann Lee,ann@example.com,Rome\nC2,Bob Ray,bob@example.com,Oslo\n"
    "C3,Cy Poe,cy@example.com,Bonn\n"
)
Load = Callable[..., Import]


@pytest.fixture
def load(tmp_path: Path) -> Load:
    """load(text or bytes) imports a file into the source "contacts" and gives the finished import."""

    def load(content: str | bytes, *, name: str = "contacts", **options: Any) -> Import:
        path = tmp_path / "contacts.csv"
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
        source = get_source(name=name, file=path, kind=options.pop("kind", "contacts"))
        job = request_import(source=source, file=path, **options)
        execute_import(job.pk)
        job.refresh_from_db()
        return job

    return load


def counts(job: Import) -> tuple[int, int, int, int, int]:
    return job.rows_read, job.rows_new, job.rows_changed, job.rows_same, job.rows_quarantined


def records(source: Source) -> dict[str, dict[str, str | None]]:
    return {record.external_id: record.fields for record in Record.objects.filter(source=source)}


# The happy path


def test_every_row_becomes_a_record_with_its_raw_line(load: Load) -> None:
    job = load(CONTACTS)
    assert (job.state, counts(job)) == ("succeeded", (3, 3, 0, 0, 0))
    record = Record.objects.get(external_id="C2")
    assert record.raw == "C2,Bob Ray,bob@example.com,Oslo"
    assert record.fields == {"Contact ID": "C2", "Name": "Bob Ray", "Email": "bob@example.com", "City": "Oslo"}
    assert (record.line, record.version, len(record.digest)) == (3, 1, 32)
    assert job.source.columns == ["Contact ID", "Name", "Email", "City"]
    assert job.options["encoding"] == "utf-8"


def test_the_preview_shows_format_rows_and_guesses(tmp_path: Path) -> None:
    path = tmp_path / "c.csv"
    path.write_bytes(("\ufeff" + CONTACTS.replace(",", ";") + "C4;short\n").encode())
    seen = preview(path)
    assert seen.description.options["delimiter"] == ";"
    assert seen.rows[0] == ("C1", "Ann Lee", "ann@example.com", "Rome")
    assert seen.guesses["Email"].role == "email"
    assert [row.line for row in seen.rejected] == [5]
    assert seen.kind == "contacts"


def test_an_uploaded_file_is_kept_whole_with_its_digest(load: Load) -> None:
    import hashlib

    source = Source.objects.create(name="uploaded")
    job = request_import(source=source, file=SimpleUploadedFile("my contacts.csv", CONTACTS.encode()))
    assert job.sha256 == hashlib.sha256(CONTACTS.encode()).hexdigest()
    assert Path(job.path).read_text() == CONTACTS
    assert Path(job.path).stat().st_mode & 0o077 == 0
    assert job.file_name == "my contacts.csv"


def test_references_are_kept_for_finding_the_children_of_a_merge(load: Load) -> None:
    text = 'Deal ID,Contact,Amount\nD1,"C1 ""x""\\",5\nD2,,6\n'
    roles = {"Deal ID": "id", "Contact": "contact_ref"}
    job = load(text, name="deals", kind="opportunities", roles=roles)
    found = dict(Record.objects.filter(source=job.source).values_list("external_id", "refs"))
    assert found == {"D1": ['contacts:C1 "x"\\'], "D2": None}


# Importing again


def test_importing_the_same_file_again_changes_nothing(load: Load) -> None:
    load(CONTACTS)
    job = load(CONTACTS)
    assert counts(job) == (3, 0, 0, 3, 0)
    assert Record.objects.count() == 3
    assert not Change.objects.exists()


def test_a_changed_cell_is_updated_by_external_id_with_a_change(load: Load) -> None:
    load(CONTACTS)
    job = load(CONTACTS.replace("Oslo", "Bergen") + "C4,Di Fox,di@example.com,Graz\n")
    assert counts(job) == (4, 1, 1, 2, 0)
    change = Change.objects.get()
    assert (change.field, change.before, change.after) == ("City", "Oslo", "Bergen")
    assert (change.change_set.action, change.change_set.cause) == ("import", f"import {job.pk}")
    assert Record.objects.get(external_id="C2").version == 2


def test_a_correction_stays_while_the_source_keeps_its_old_value(load: Load, steward: Any) -> None:
    job = load(CONTACTS)
    record = Record.objects.get(external_id="C2")
    for city in ("Osl", "Oslo (NO)"):
        set_fields(record_id=record.pk, changes={"City": city}, cause="by hand", by=steward)
    again = load(CONTACTS.replace("Bob Ray", "Rob Ray"))
    assert records(job.source)["C2"]["City"] == "Oslo (NO)"
    assert records(job.source)["C2"]["Name"] == "Rob Ray"
    assert again.options["corrections_kept"] == 1


def test_a_new_value_of_the_source_replaces_a_correction_visibly(load: Load, steward: Any) -> None:
    job = load(CONTACTS)
    record = Record.objects.get(external_id="C2")
    set_fields(record_id=record.pk, changes={"City": "Oslo (NO)"}, cause="by hand", by=steward)
    load(CONTACTS.replace("Oslo", "Bergen"))
    assert records(job.source)["C2"]["City"] == "Bergen"
    change = Change.objects.latest("id")
    assert (change.before, change.after) == ("Oslo (NO)", "Bergen")
    assert "replaces a correction" in change.reason


def test_a_merged_record_stays_merged(load: Load) -> None:
    load(CONTACTS)
    golden, loser = Record.objects.get(external_id="C1"), Record.objects.get(external_id="C2")
    Record.objects.filter(pk=loser.pk).update(golden=golden)
    load(CONTACTS.replace("Oslo", "Bergen"), complete=True)
    loser.refresh_from_db()
    assert loser.golden_id == golden.pk
    assert loser.fields["City"] == "Bergen"


def test_a_new_column_joins_and_a_missing_one_keeps_its_values(load: Load) -> None:
    job = load(CONTACTS)
    load("Contact ID,Name,Phone\nC1,Ann Lee,555\n")
    assert records(job.source)["C1"] == {
        "Contact ID": "C1", "Name": "Ann Lee", "Email": "ann@example.com", "City": "Rome", "Phone": "555"
    }  # fmt: skip
    job.source.refresh_from_db()
    assert job.source.columns == ["Contact ID", "Name", "Email", "City", "Phone"]


def test_records_that_a_complete_file_lacks_are_gone_and_can_come_back(load: Load) -> None:
    load(CONTACTS)
    shorter = CONTACTS.replace("C3,Cy Poe,cy@example.com,Bonn\n", "")
    assert load(shorter, complete=True).options["gone"] == 1
    assert Record.objects.live().count() == 2
    load(CONTACTS)
    assert Record.objects.live().count() == 3


def test_no_record_is_called_gone_while_rows_of_the_file_cannot_be_read(load: Load) -> None:
    load(CONTACTS)
    job = load(CONTACTS.replace("C3,Cy Poe,cy", "C3,Cy,Poe,cy"), complete=True)
    assert Record.objects.live().count() == 3
    assert "No record was marked as gone" in job.options["note"]


def test_without_an_id_equal_rows_are_told_apart_and_never_doubled(load: Load) -> None:
    text = "Name,City\nAnn,Rome\nAnn,Rome\nBob,Oslo\nAnn,Rome\n"
    roles = {"Name": "name", "City": "city"}
    job = load(text, roles=roles)
    assert counts(job) == (4, 4, 0, 0, 0)
    assert len(records(job.source)) == 4
    assert counts(load(text)) == (4, 0, 0, 4, 0)
    assert counts(load(text + "Ann,Rome\n")) == (5, 1, 0, 4, 0)


def test_confirming_an_id_column_later_does_not_double_the_records(load: Load) -> None:
    text = "Key,Name\nk1,Ann\nk2,Bob\n"
    job = load(text, roles={"Key": "text", "Name": "name"})
    confirm_roles(job.source, {"Key": "id"})
    assert set(records(job.source)) == {"k1", "k2"}
    assert counts(load(text)) == (2, 0, 0, 2, 0)
    load(text.replace("Bob", "Ann"))
    with pytest.raises(Refused, match="cannot be the ID"):
        confirm_roles(job.source, {"Name": "id"})


# Quarantine


@pytest.mark.django_db(transaction=True)  # the lease is renewed from another connection, should it take that long
@pytest.mark.parametrize("hostile", [file for file in manifest() if not file.refused], ids=lambda file: file.name)
def test_every_row_of_a_hostile_file_is_imported_or_quarantined(hostile: Hostile, load: Load) -> None:
    job = load(hostile.content, roles={"Id": "id"})
    assert job.state == "succeeded", job.error
    assert tuple(job.options["columns"]) == hostile.columns
    found = Record.objects.filter(source=job.source).order_by("line")
    assert [tuple(record.fields[name] for name in hostile.columns) for record in found] == hostile.rows
    bad = {row.line: row.reason for row in QuarantinedRow.objects.filter(job=job)}
    assert set(bad) == set(hostile.quarantined)
    assert all(words in bad[line] for line, words in hostile.quarantined.items())
    assert job.rows_read == job.rows_new + job.rows_quarantined


def test_a_quarantined_row_keeps_its_exact_bytes(load: Load) -> None:
    job = load("Id,Name\n1,Jürgen\n2,Ann,x\n".encode("cp1252") + b"3,\x81\x8d\xfc,y\n", roles={"Id": "id"})
    assert [bytes(row.raw) for row in quarantined(job.source)] == [b"2,Ann,x", b"3,\x81\x8d\xfc,y"]


def test_mended_rows_are_imported_and_resolved(load: Load) -> None:
    job = load("Id,Name\n1,Ann\n2,Bob,Ray\n3,=x,y\n4\n", roles={"Id": "id"})
    text = b"".join(quarantine_csv(quarantined(job.source))).decode()
    rows = list(csv.DictReader(io.StringIO(text)))
    assert [row["Line"] for row in rows] == ["3", "4", "5"]
    rows[0]["Row"], rows[1]["Row"] = '2,"Bob, Ray"', "3,=x"
    buffer = io.StringIO()
    writer = csv.DictWriter(buffer, rows[0])
    writer.writeheader()
    writer.writerows(rows)
    mended = Path(job.path).with_name("mended.csv")
    mended.write_text(buffer.getvalue())
    again = reimport_quarantined(source=job.source, file=mended)
    execute_import(again.pk)
    again.refresh_from_db()
    assert counts(again) == (3, 2, 0, 0, 1)
    assert {key: fields["Name"] for key, fields in records(job.source).items()} == {
        "1": "Ann", "2": "Bob, Ray", "3": "=x"
    }  # fmt: skip
    assert [row.job_id for row in quarantined(job.source)] == [again.pk]
    assert mark_resolved([row.pk for row in quarantined(job.source)]) == 1
    assert not quarantined(job.source).exists()
    assert quarantined(job.source, resolved=True).count() == 4


def test_a_file_that_is_no_quarantine_is_refused(load: Load, tmp_path: Path) -> None:
    job = load(CONTACTS)
    path = tmp_path / "other.csv"
    path.write_text("a,b\n1,2\n")
    with pytest.raises(Refused, match="Number and Row"):
        reimport_quarantined(source=job.source, file=path)
    path.write_text("Number,Row\n99999,x\n")
    with pytest.raises(Refused, match="Row 99999 is not"):
        reimport_quarantined(source=job.source, file=path)


# Dry runs, refusals, jobs


def test_a_dry_run_counts_and_writes_no_record(load: Load) -> None:
    load(CONTACTS)
    text = CONTACTS.replace("Oslo", "Bergen") + "C4,Di Fox,d@example.com,Graz\nC4,again,x,y\nC5,short\n"
    assert counts(load(text, dry_run=True)) == (6, 1, 1, 2, 2)
    assert Record.objects.count() == 3
    assert not Change.objects.exists()
    assert counts(load(text)) == (6, 1, 1, 2, 2)


def test_one_import_a_source_at_a_time(load: Load, tmp_path: Path) -> None:
    source = Source.objects.create(name="busy")
    path = tmp_path / "c.csv"
    path.write_text(CONTACTS)
    request_import(source=source, file=path)
    before = len(list(uploads().iterdir()))
    with pytest.raises(Refused, match="under way"):
        request_import(source=source, file=path)
    assert len(list(uploads().iterdir())) == before


def test_what_cannot_be_done_is_refused_with_the_reason(load: Load, tmp_path: Path) -> None:
    with pytest.raises(Refused, match="no column 'Nme': the columns are 'Contact ID'"):
        load(CONTACTS, roles={"Nme": "name"})
    with pytest.raises(Refused, match="no role 'nom'"):
        load(CONTACTS, roles={"Name": "nom"})
    with pytest.raises(Refused, match="Only one column"):
        load(CONTACTS, roles={"Name": "id", "Email": "id"})
    with pytest.raises(Refused, match="There is no file"):
        request_import(source=Source.objects.get(), file=tmp_path / "absent.csv")
    with pytest.raises(Refused, match="empty"):
        load("")
    with pytest.raises(Refused, match="has the kind 'contacts'"):
        get_source(name="contacts", kind="orders")


def test_a_full_disk_is_said_before_the_import_begins(load: Load, monkeypatch: pytest.MonkeyPatch) -> None:
    import shutil
    from collections import namedtuple

    usage = namedtuple("usage", "total used free")
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage(10, 10, 0))
    with pytest.raises(Refused, match="no room"):
        load(CONTACTS)


def test_a_failure_in_the_middle_leaves_nothing_behind_and_the_next_attempt_succeeds(
    load: Load, monkeypatch: pytest.MonkeyPatch
) -> None:
    from crmquality.services.importing_load import Loader

    settle = Loader.settle
    monkeypatch.setattr(Loader, "settle", lambda self: 1 / 0)
    job = load(CONTACTS + "C4,bad\n")
    assert (job.state, job.attempts) == ("queued", 1)
    assert not Record.objects.exists()
    assert not QuarantinedRow.objects.exists()
    monkeypatch.setattr(Loader, "settle", settle)
    Import.objects.filter(pk=job.pk).update(run_after="2020-01-01T00:00Z")
    execute_import(job.pk)
    assert Record.objects.count() == 3


def test_the_detectors_are_queued_afterwards_if_asked(load: Load) -> None:
    job = load(CONTACTS, run_after_import=True)
    assert Run.objects.filter(source=job.source, cause="import").exists()


def test_a_settled_role_is_remembered_and_a_persons_word_goes_first(load: Load) -> None:
    job = load(CONTACTS, roles={"City": "owner"})
    assert job.source.roles["City"] == "owner"
    again = load(CONTACTS)
    assert again.options["roles"]["City"] == "owner"
    confirm_roles(job.source, {"City": "city"})
    assert load(CONTACTS).options["roles"]["City"] == "city"


def test_uploads_that_no_import_knows_are_swept(load: Load) -> None:
    job = load(CONTACTS)
    orphan = uploads() / "orphan.part"
    orphan.write_bytes(b"x")
    os.utime(orphan, (1, 1))
    os.utime(job.path, (1, 1))
    assert sweep_uploads() == 1
    assert Path(job.path).exists()


@pytest.mark.django_db(transaction=True)
def test_a_worker_killed_in_the_middle_leaves_nothing_and_a_second_one_finishes(tmp_path: Path, settings: Any) -> None:
    """SIGKILL while rows are being copied: no row is seen, and the next attempt stores each once."""
    path = tmp_path / "large.csv"
    path.write_text("Id,Name\n" + "".join(f"{n},Name {n}\n" for n in range(200_000)))
    source = Source.objects.create(name="killed")
    job = request_import(source=source, file=path, roles={"Id": "id"})
    name = settings.DATABASES["default"]["NAME"]
    script = (
        "import django; from django.conf import settings; django.setup();"
        f"settings.DATABASES['default']['NAME'] = {name!r};"
        "from crmquality.services import importing_load as load, importing;"
        "copy = load.Loader._copy;"
        "load.Loader._copy = lambda self, lines: (copy(self, lines), print('copied', flush=True));"
        f"importing.execute_import({job.pk})"
    )
    environment = os.environ | {"DJANGO_SETTINGS_MODULE": "crmquality.settings"}
    worker = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, env=environment)
    assert worker.stdout is not None
    assert worker.stdout.readline() == b"copied\n"
    worker.send_signal(signal.SIGKILL)
    worker.wait()
    assert not Record.objects.exists()
    job.refresh_from_db()
    assert job.state == "running"
    Import.objects.filter(pk=job.pk).update(lease_until="2020-01-01T00:00Z")  # as time would
    deadline = time.monotonic() + 60
    while job.state != "succeeded" and time.monotonic() < deadline:
        execute_import(job.pk)
        job.refresh_from_db()
    assert (job.attempts, counts(job)) == (2, (200_000, 200_000, 0, 0, 0))
    assert Record.objects.count() == 200_000


# The command


def test_the_command_imports_and_says_what_it_did(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = tmp_path / "c.csv"
    path.write_text(CONTACTS + "C4,short\n")
    call_command("import", str(path), "--source", "crm", "--map", "text=City")
    said = capsys.readouterr().out
    assert "encoding 'utf-8'" in said
    assert "City: text" in said
    assert "4 rows read: 3 new, 0 changed, 0 the same, 1 in quarantine" in said
    assert "line 5: 2 cells instead of 4" in said


def test_the_command_ends_with_one_clear_line_where_it_cannot(tmp_path: Path) -> None:
    with pytest.raises(CommandError, match=r"There is no file"):
        call_command("import", str(tmp_path / "absent.csv"), "--source", "crm")
    (tmp_path / "c.csv").write_text(CONTACTS)
    with pytest.raises(CommandError, match="ROLE=COLUMN"):
        call_command("import", str(tmp_path / "c.csv"), "--source", "crm", "--map", "email")
