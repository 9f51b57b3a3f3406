"""Rows that break a blocking rule do not become records: they wait in quarantine with the reason."""

import pytest

from crmquality.models import Import, QuarantinedRow, Record
from crmquality.services import importing, importing_gate, validating

pytestmark = pytest.mark.django_db
HEADER = "Contact ID,Name,Email,City\n"
BLOCKING = {"severity": "blocking"}
IN_USE = {"kind": "pattern", "name": "mail", "field": "Email", "pattern": r"[^@\s]+@[^@\s]+", **BLOCKING}
ONE_EACH = {"kind": "unique", "name": "one each", "fields": ["Email"], **BLOCKING}


def rule(source, admin, **config):
    return validating.make_rule(source=source, config=config, user=admin)


def load(source, folder, lines, **options) -> Import:
    path = folder / "rows.csv"
    path.write_text(HEADER + "".join(f"{line}\n" for line in lines))
    job = importing.request_import(source=source, file=path, **options)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    return job


def test_a_row_that_breaks_a_blocking_rule_waits_with_rule_reason_and_line(source, admin, tmp_path):
    rule(source, admin, **IN_USE)
    job = load(source, tmp_path, ["N1,Ned,ned@example.com,Rome", "N2,Nora,nowhere,Rome", "N3,Nils,,Rome"])
    assert (job.rows_new, job.rows_quarantined, job.broken) == (2, 1, {"mail": 1})
    (row,) = QuarantinedRow.objects.all()
    assert (row.line, bytes(row.raw)) == (3, b"N2,Nora,nowhere,Rome")
    assert row.reason.startswith("breaks the rule “mail”: Email “nowhere” does not look like")
    assert not Record.objects.filter(external_id="N2").exists()


def test_a_known_record_keeps_its_values_when_its_new_row_is_held_back(source, admin, tmp_path):
    rule(source, admin, **IN_USE)
    job = load(source, tmp_path, ["C1,Ann Lee,broken,Boston"])
    assert (job.rows_changed, job.rows_quarantined) == (0, 1)
    assert Record.objects.get(external_id="C1").fields["Email"] == "ann@example.com"


def test_a_dry_run_counts_what_the_gate_would_hold_back_and_writes_nothing(source, admin, tmp_path):
    rule(source, admin, **IN_USE)
    job = load(source, tmp_path, ["N1,Ned,ned@example.com,Rome", "N2,Nora,nowhere,Rome"], dry_run=True)
    assert (job.rows_new, job.rows_quarantined, job.broken) == (1, 1, {"mail": 1})
    assert not Record.objects.filter(external_id__startswith="N").exists()


def test_without_the_gate_everything_comes_in(source, admin, tmp_path):
    rule(source, admin, **IN_USE)
    job = load(source, tmp_path, ["N2,Nora,nowhere,Rome"], gated=False)
    assert (job.rows_new, job.rows_quarantined, job.broken) == (1, 0, {})


def test_warnings_and_rules_of_columns_that_the_file_lacks_hold_nothing_back(source, admin, tmp_path):
    rule(source, admin, **IN_USE | {"severity": "warning"})
    rule(source, admin, kind="required", name="phone", field="Phone", **BLOCKING)
    job = load(source, tmp_path, ["N2,Nora,nowhere,Rome"])
    assert (job.rows_new, job.rows_quarantined) == (1, 0)


def test_what_is_unique_is_so_among_the_rows_of_the_file_and_the_records_there_are(source, admin, tmp_path):
    rule(source, admin, **ONE_EACH)
    job = load(
        source,
        tmp_path,
        [
            "N1,Ned,ned@example.com,Rome",
            "N2,Nora,ned@example.com,Rome",
            "N3,Nils,bob@gmial.com,Rome",
            "N4,Nina,,Rome",
            "N5,Noa,,Rome",
        ],
    )
    assert (job.rows_new, job.broken) == (3, {"one each": 2})
    assert list(QuarantinedRow.objects.values_list("line", flat=True)) == [3, 4]


def test_a_record_may_be_imported_again_with_the_value_it_holds(source, admin, tmp_path):
    rule(source, admin, **ONE_EACH)
    job = load(source, tmp_path, ["C3,Bob Ray,bob@gmial.com,Boston", "C4,Cy Poe,cy@example.com,Austin"])
    assert (job.rows_changed, job.rows_quarantined) == (2, 0)


def test_the_same_holds_where_rows_have_no_id_of_their_own(make_source, admin, tmp_path):
    from detectors.roles import Role

    roles = {"Contact ID": Role.TEXT, "Name": Role.NAME, "Email": Role.EMAIL, "City": Role.CITY}
    source = make_source("no ids", roles, [])
    first = load(source, tmp_path, ["x,Ned,ned@example.com,Rome"])
    assert first.rows_new == 1
    rule(source, admin, **ONE_EACH)
    again = load(source, tmp_path, ["x,Ned,ned@example.com,Rome", "y,Ned,ned@example.com,Rome"])
    assert (again.rows_same, again.broken) == (1, {"one each": 1})


def test_mended_rows_pass_the_gate_again(source, admin, tmp_path):
    from crmquality.services import importing_quarantine

    rule(source, admin, **IN_USE)
    load(source, tmp_path, ["N2,Nora,nowhere,Rome"])
    rows = importing_quarantine.quarantined(source)
    path = tmp_path / "mended.csv"
    path.write_bytes(b"".join(importing_quarantine.quarantine_csv(rows)).replace(b"nowhere", b"nora@example.com"))
    importing.execute_import(importing_quarantine.reimport_quarantined(source=source, file=path).pk)
    assert Record.objects.get(external_id="N2").fields["Email"] == "nora@example.com"
    assert not importing_quarantine.quarantined(source).exists()


def test_blocks_of_a_file_are_held_against_each_other(source, admin):
    import polars as pl

    rule(source, admin, **ONE_EACH)
    gate = importing_gate.Gate(source, ["Contact ID", "Email"])
    rows = pl.DataFrame({"Contact ID": ["N1"], "Email": ["new@example.com"]})
    assert gate.reasons(rows, pl.Series(["N1"])).to_list() == [None]
    assert gate.reasons(rows, pl.Series(["N2"])).to_list()[0].startswith("breaks the rule “one each”")
