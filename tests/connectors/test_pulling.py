"""Rows of a connected system pulled into a source: everything, what changed, what went, and what went wrong."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crmquality.models import Change, Connection, Feed, Import, Record, Source, Usage
from crmquality.services import connections, correcting, importing, pulling, undoing
from crmquality.services.errors import Refused
from detectors.roles import Role
from tests.crm_server import Crm

pytestmark = pytest.mark.django_db(transaction=True)  # a lease is renewed over a connection of its own


def record(key: str) -> Record:
    return Record.objects.select_related("source").get(external_id=key)


def test_an_object_becomes_a_source_whose_key_and_references_are_known(connection, feeds):
    accounts, contacts = feeds["accounts"].source, feeds["contacts"].source
    assert accounts.system == contacts.system == "Little"
    assert (accounts.kind, contacts.kind) == ("accounts", "contacts")
    assert accounts.roles["id"] == contacts.roles["id"] == Role.ID
    assert contacts.roles["account"] == Role.ACCOUNT_REF
    assert not accounts.roles_confirmed
    assert record("C3").refs == ["accounts:A3"]
    assert record("A3").fields == {"id": "A3", "name": "Dee Fox", "city": "Bostn", "note": None, "active": "yes"}


def test_a_pull_since_the_last_one_brings_what_changed_and_notes_it(crm, feeds, pull):
    crm.edit("accounts", "A2", city="Boston")
    crm.add("accounts", "A9", name="New One", city="Rome", note="x")
    job = pull(feeds["accounts"])
    assert not job.complete
    assert (job.rows_new, job.rows_changed) == (1, 1)
    assert job.rows_read == 2
    change = Change.objects.get(record=record("A2"))
    assert (change.field, change.before, change.after) == ("city", "Bostn", "Boston")
    assert change.change_set.action == "import"
    assert not change.change_set.outbox.exists()


def test_rows_out_of_use_are_gone_until_they_are_in_use_again(crm, feeds, pull):
    crm.edit("accounts", "A1", active=False)
    pull(feeds["accounts"])
    assert record("A1").gone_at is not None
    version = record("A1").version
    pull(feeds["accounts"], full=True)
    assert record("A1").version == version
    crm.edit("accounts", "A1", active=True)
    pull(feeds["accounts"])
    assert record("A1").gone_at is None


def test_a_pull_of_everything_shows_what_was_deleted(crm, feeds, pull):
    del crm.objects["accounts"]["A4"]
    pull(feeds["accounts"])
    assert record("A4").gone_at is None
    pull(feeds["accounts"], full=True)
    assert record("A4").gone_at is not None


def test_a_row_that_changes_while_it_is_pulled_counts_as_it_was_last(feeds, connection, monkeypatch):
    from crmquality.connectors.contract import Page, Row

    def pages(self: Any, name: str, fields: Any, since: Any) -> Any:
        first = [Row("A1", "1", {"id": "A1", "city": "First"}), Row("N1", "1", {"id": "N1", "city": "First"})]
        yield Page.of(first, fields, "1")
        yield Page.of([Row(row.id, "2", {"id": row.id, "city": "Last"}) for row in first], fields, "2")

    with connections.opened(connection) as system:
        monkeypatch.setattr(type(system), "pull", pages)
        job = pulling.request_pull(feed=feeds["accounts"])
        importing.execute_import(job.pk)
        job.refresh_from_db()
    assert job.state == "succeeded", job.error
    assert job.rows_quarantined == 0
    assert record("A1").fields["city"] == record("N1").fields["city"] == "Last"


def test_a_stopped_pull_goes_on_behind_the_last_page_that_was_kept(crm, feeds, monkeypatch):
    monkeypatch.setattr(pulling, "PIECE_ROWS", 3)
    Feed.objects.filter(pk=feeds["accounts"].pk).update(cursor="")
    feeds["accounts"].refresh_from_db()
    job = pulling.request_pull(feed=feeds["accounts"])
    asked: list[str] = []
    real = crm.mood

    def mood(*, writing: bool) -> str:
        asked.append("x")
        return "before" if len(asked) == 3 else real(writing=writing)

    monkeypatch.setattr(crm, "mood", mood)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "queued"
    assert Connection.objects.get().held_until is not None
    kept = len(list((pulling.SpooledPull(job, feeds["accounts"]).folder).glob("*.parquet")))
    assert kept == 2
    before = len(asked)
    Import.objects.filter(pk=job.pk).update(run_after=timezone.now())
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "succeeded", job.error
    assert job.rows_read == 7
    assert len(asked) - before == 1, "only the last page was still to be fetched"
    assert not list(pulling.SpooledPull(job, feeds["accounts"]).folder.iterdir())


def test_a_login_that_is_refused_pauses_the_connection_and_says_so(connection, feeds):
    Connection.objects.filter(pk=connection.pk).update(
        secrets=connections.vault.seal({"token": "wrong"}, bound_to=connection.uid)
    )
    feed = Feed.objects.get(name="accounts")
    job = pulling.request_pull(feed=feed)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert job.state == "failed"
    assert "refuses the login" in job.error
    assert Connection.objects.get().is_paused
    with pytest.raises(Refused, match="is paused"):
        pulling.request_pull(feed=Feed.objects.get(name="accounts"))


def test_requests_are_counted_by_the_day_and_end_with_the_quota(crm, connection, feeds):
    used = Usage.objects.get().calls
    assert used == connections.calls_today(connection) >= 8
    Connection.objects.filter(pk=connection.pk).update(daily_calls=used)
    feed = Feed.objects.select_related("connection").get(name="accounts")
    job = pulling.request_pull(feed=feed)
    importing.execute_import(job.pk)
    job.refresh_from_db()
    assert "requests of today are made" in job.error
    assert Usage.objects.get().calls == used
    held = Connection.objects.get().held_until
    assert held is not None
    assert held.hour == 0
    assert held > timezone.now()


def test_pulls_that_are_due_are_queued_once(connection, feeds):
    assert pulling.schedule_due() == 0
    connections.schedule(connection=connection, pull_every=timedelta(minutes=5), full_every=None)
    assert pulling.schedule_due() == 0
    Feed.objects.filter(name="accounts").update(pulled_at=timezone.now() - timedelta(minutes=6))
    assert pulling.schedule_due() == 1
    assert pulling.schedule_due() == 0
    assert not Import.objects.latest("id").complete


def test_a_pull_of_everything_is_due_by_its_own_interval(connection, feeds):
    connections.schedule(connection=connection, pull_every=None, full_every=timedelta(days=1))
    Feed.objects.filter(name="contacts").update(full_at=timezone.now() - timedelta(days=2))
    assert pulling.schedule_due() == 1
    assert Import.objects.latest("id").complete


def test_a_correction_that_waits_to_be_written_is_not_lost_to_a_pull(feeds, pull):
    correcting.set_fields(record_id=record("A1").pk, changes={"city": "Boston"}, cause="test")
    job = pull(feeds["accounts"], full=True)
    assert record("A1").fields["city"] == "Boston"
    assert job.options["corrections_kept"] == 0  # the row is as it was: nothing was compared


def test_what_somebody_writes_after_our_correction_arrived_there_is_newer(crm, feeds, pull):
    from crmquality.services import outbox_delivering

    correcting.set_fields(record_id=record("A1").pk, changes={"city": "Boston"}, cause="test")
    outbox_delivering.deliver(feeds["accounts"].connection_id)
    assert crm.objects["accounts"]["A1"]["values"]["city"] == "Boston"
    pull(feeds["accounts"])
    crm.edit("accounts", "A1", city="Bostn")  # somebody puts back just what it was before
    pull(feeds["accounts"])
    assert record("A1").fields["city"] == "Bostn"


def test_an_imported_value_can_be_undone_and_goes_back_there(crm, feeds, pull):
    from crmquality.services import outbox_delivering

    crm.edit("accounts", "A1", city="Nowhere")
    pull(feeds["accounts"])
    change = Change.objects.get(record=record("A1"))
    undoing.undo(change_set=change.change_set)
    outbox_delivering.deliver(feeds["accounts"].connection_id)
    assert crm.objects["accounts"]["A1"]["values"]["city"] == "Bostn"


def test_a_second_feed_of_an_object_or_a_taken_name_is_refused(connection, feeds):
    with pytest.raises(Refused, match="already"):
        pulling.add_feed(connection=connection, name="accounts", source_name="other")
    assert not Source.objects.filter(name="other").exists()
    with pytest.raises(Refused, match="no object"):
        pulling.add_feed(connection=connection, name="invoices")
    with pytest.raises(Refused, match="a source"):
        pulling.add_feed(connection=connection, name="contacts", source_name=feeds["accounts"].source.name)


def test_pages_of_pulls_that_are_over_are_swept(feeds):
    job = pulling.request_pull(feed=feeds["accounts"])
    spool = pulling.SpooledPull(job, feeds["accounts"])
    pulling.sweep_pulls()
    assert spool.folder.exists()
    Import.objects.filter(pk=job.pk).update(state="cancelled")
    assert pulling.sweep_pulls() == 1
    assert not spool.folder.exists()


def test_secrets_are_not_in_the_database_in_the_clear(crm: Crm, connection):
    kept = Connection.objects.get()
    assert b"let-me-in" not in bytes(kept.secrets)
    assert "let-me-in" not in json.dumps(kept.settings)
    other = connections.make(name="Other", connector="littlecrm", given={"address": crm.address, "token": "x"})
    Connection.objects.filter(pk=other.pk).update(secrets=kept.secrets)
    with pytest.raises(Refused, match="give the secrets anew"):
        connections.try_out(Connection.objects.get(pk=other.pk))


def test_secrets_are_not_sent_to_another_address_than_they_were_given_for(crm: Crm, connection):
    limits = {"grace": timedelta(), "daily_calls": None}
    connections.change(connection=connection, given={"address": crm.address, "page_rows": "9"}, **limits)
    assert "answers" in connections.try_out(connection)
    with pytest.raises(Refused, match="secrets anew"):
        connections.change(connection=connection, given={"address": "http://127.0.0.1:9"}, **limits)
    assert Connection.objects.get().settings["address"] == crm.address


def test_a_key_can_be_changed(crm: Crm, connection, monkeypatch):
    from crmquality import embedded

    old = embedded.secrets(connections.vault.settings.HOME).connection_key
    monkeypatch.setenv("CRMQUALITY_CONNECTION_KEYS", f"new-key,{old}")
    assert "answers" in connections.try_out(connection)
    connections.change(connection=connection, given=dict(connection.settings), grace=timedelta(), daily_calls=None)
    monkeypatch.setenv("CRMQUALITY_CONNECTION_KEYS", "new-key")
    assert "answers" in connections.try_out(Connection.objects.get())
