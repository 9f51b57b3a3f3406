"""What is changed here is written there: once, compared before, undone there too, and what gets stuck is shown."""

from __future__ import annotations

import threading
from datetime import timedelta
from typing import Any

import pytest
from django.db import connections as databases
from django.db import transaction
from django.utils import timezone

from crmquality.models import Connection, OutboxEntry, Record
from crmquality.services import connections, correcting, merging, outbox_delivering, outbox_settling, undoing
from crmquality.services.errors import Refused
from tests.crm_server import Crm

pytestmark = pytest.mark.django_db(transaction=True)
State = OutboxEntry.State


def record(key: str) -> Record:
    return Record.objects.select_related("source").get(external_id=key)


def correct(key: str, **changes: str | None) -> Any:
    return correcting.set_fields(record_id=record(key).pk, changes=changes, cause="test")


def send() -> None:
    outbox_delivering.deliver(Connection.objects.get().pk)


def there(crm: Crm, key: str, about: str = "accounts") -> dict[str, Any]:
    row = crm.objects[about][key]
    return row["values"] | {"active": row["active"]}


def only() -> OutboxEntry:
    return OutboxEntry.objects.get()


def dump(crm: Crm) -> Any:
    return {
        (about, key): (row["values"], row["active"]) for about, rows in crm.objects.items() for key, row in rows.items()
    }


# From the change to the system


def test_a_change_is_put_into_the_outbox_in_its_own_transaction(feeds):
    with transaction.atomic():
        correct("A1", city="Boston")
        assert OutboxEntry.objects.exists()
        transaction.set_rollback(True)
    assert not OutboxEntry.objects.exists()
    change_set = correct("A1", city="Boston")
    entry = only()
    assert (entry.change_set, entry.record, entry.state) == (change_set, record("A1"), State.WAITING)
    assert entry.step["values"] == {"city": ["Bostn", "Boston"]}


def test_it_is_written_once_and_read_back(crm, feeds):
    correct("A1", city="Boston", note="seen")
    send()
    assert there(crm, "A1")["city"] == "Boston"
    assert only().state == State.DONE
    assert crm.writes == {"A1": 1}
    send()
    assert crm.writes == {"A1": 1}


def test_nothing_is_written_for_a_source_that_is_not_written_back(feeds, make_source):
    make_source()
    unconnected = Record.objects.get(external_id="C1", source__name="contacts")
    correcting.set_fields(record_id=unconnected.pk, changes={"City": "x"}, cause="test")
    feeds["accounts"].write_back = False
    feeds["accounts"].save()
    correct("A1", city="Boston")
    assert not OutboxEntry.objects.exists()


def test_a_write_waits_for_the_grace_period_and_an_undo_within_it_leaves_nothing(crm, feeds):
    Connection.objects.update(grace=timedelta(minutes=10))
    before = crm.calls
    change_set = correct("A1", city="Boston", note="x")
    send()
    assert only().state == State.WAITING
    undoing.undo(change_set=change_set)
    assert only().state == State.ANNULLED
    OutboxEntry.objects.update(due_at=timezone.now())
    send()
    assert crm.calls == before


def test_of_a_change_undone_in_part_the_rest_is_written(crm, feeds):
    Connection.objects.update(grace=timedelta(minutes=10))
    change_set = correct("A1", city="Boston", note="x")
    correct("A1", note="y")
    undone = undoing.undo(change_set=change_set)
    assert [change.field for change, _ in undone.kept] == ["note"]
    OutboxEntry.objects.update(due_at=timezone.now())
    send()
    assert there(crm, "A1")["city"] == "Bostn"
    assert there(crm, "A1")["note"] == "y"


def test_an_undo_after_it_was_written_is_written_too(crm, feeds):
    before = dump(crm)
    change_set = correct("A1", city="Boston", note="x")
    send()
    undoing.undo(change_set=change_set)
    send()
    assert dump(crm) == before
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.DONE}


def test_two_changes_of_one_record_leave_in_their_order_one_at_a_time(crm, feeds):
    correct("A1", city="Boston")
    correct("A1", city="Cambridge")
    first, second = OutboxEntry.objects.order_by("id")
    assert list(OutboxEntry.objects.claimable()) == [first]
    send()
    assert there(crm, "A1")["city"] == "Cambridge"
    assert crm.writes == {"A1": 2}
    assert second.pk > first.pk


# Conflicts


def test_what_somebody_changed_there_meanwhile_is_a_conflict_and_not_overwritten(crm, feeds):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    entry = only()
    assert (entry.state, entry.now) == (State.CONFLICT, {"city": "Rome"})
    assert there(crm, "A1")["city"] == "Rome"
    assert crm.writes == {}


def test_a_change_of_another_field_there_is_no_conflict(crm, feeds):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", note="by somebody else")
    send()
    assert only().state == State.DONE
    assert there(crm, "A1") == {"name": "Bob Ray", "city": "Boston", "note": "by somebody else", "active": True}


def test_a_conflict_can_be_settled_by_writing_ours(crm, feeds, steward):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    outbox_settling.overwrite(entry=only(), by=steward)
    send()
    assert only().state == State.DONE
    assert there(crm, "A1")["city"] == "Boston"


def test_writing_ours_is_a_conflict_again_if_it_changed_once_more(crm, feeds, steward):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    crm.edit("accounts", "A1", city="Oslo")
    outbox_settling.overwrite(entry=only(), by=steward)
    send()
    assert only().now == {"city": "Oslo"}
    assert there(crm, "A1")["city"] == "Oslo"


def test_a_conflict_can_be_settled_by_taking_theirs_which_can_be_undone(crm, feeds, steward):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    entry = outbox_settling.take_theirs(entry=only(), by=steward)
    assert entry.state == State.ANNULLED
    assert record("A1").fields["city"] == "Rome"
    send()
    assert crm.writes == {}
    change = record("A1").changes.latest("id")
    assert (change.before, change.after, change.change_set.by) == ("Boston", "Rome", steward)


def test_a_conflict_can_be_left_and_is_settled_once(crm, feeds, steward):
    correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    outbox_settling.dismiss(entry=only(), by=steward)
    assert (record("A1").fields["city"], there(crm, "A1")["city"]) == ("Boston", "Rome")
    for settle in (outbox_settling.retry, outbox_settling.overwrite, outbox_settling.take_theirs):
        with pytest.raises(outbox_settling.Settled):
            settle(entry=only(), by=steward)


def test_an_undo_of_what_met_a_conflict_settles_both(crm, feeds):
    change_set = correct("A1", city="Boston")
    crm.edit("accounts", "A1", city="Rome")
    send()
    undoing.undo(change_set=change_set)
    assert only().state == State.ANNULLED
    send()
    assert there(crm, "A1")["city"] == "Rome"


# What fails


def test_a_value_that_is_refused_is_a_dead_letter_that_can_be_retried(crm, feeds, steward, monkeypatch):
    correct("A1", city="refused")
    send()
    assert only().state == State.DEAD
    assert "refused (422)" in only().error
    before = crm.calls
    send()
    assert crm.calls == before
    outbox_settling.retry(entry=only(), by=steward)
    assert only().state == State.WAITING
    send()
    assert only().state == State.DEAD
    with pytest.raises(Refused, match="Only a conflict"):
        outbox_settling.overwrite(entry=only(), by=steward)


def test_a_row_that_is_there_no_more_is_a_dead_letter(crm, feeds):
    correct("A1", city="Boston")
    del crm.objects["accounts"]["A1"]
    send()
    assert only().state == State.DEAD
    assert "no more" in only().error


def test_one_bad_write_stops_no_other(crm, feeds):
    correct("A1", city="refused")
    correct("A2", city="Boston")
    crm.edit("accounts", "A3", city="Rome")
    correct("A3", city="Boston")
    send()
    states = dict(OutboxEntry.objects.values_list("record__external_id", "state"))
    assert states == {"A1": State.DEAD, "A2": State.DONE, "A3": State.CONFLICT}


def test_a_system_that_is_away_costs_nothing_but_time(crm, feeds):
    correct("A1", city="Boston")
    crm.fail_every, crm.how = 1, ("before",)
    for _ in range(20):
        Connection.objects.update(held_until=None)
        OutboxEntry.objects.update(due_at=timezone.now())
        send()
    assert only().state == State.WAITING
    assert only().failures == 0
    assert Connection.objects.get().held_until > timezone.now()
    crm.fail_every = 0
    Connection.objects.update(held_until=None)
    OutboxEntry.objects.update(due_at=timezone.now())
    send()
    assert only().state == State.DONE


def test_a_write_that_fails_again_and_again_is_given_up(crm, feeds, monkeypatch):
    correct("A1", city="Boston")
    monkeypatch.setattr(crm, "mood", lambda *, writing: "before" if writing else "ok")
    for _ in range(outbox_delivering.MAX_FAILURES):
        OutboxEntry.objects.update(due_at=timezone.now())
        send()
    assert only().state == State.DEAD
    assert "answered 503" in only().error


def test_a_system_that_asks_for_a_pause_gets_it(crm, feeds, monkeypatch):
    correct("A1", city="Boston")
    monkeypatch.setattr(crm, "mood", lambda *, writing: "throttled" if writing else "ok")
    monkeypatch.setattr("crmquality.connectors.http.retry_after", lambda headers: 90.0)
    send()
    wait = Connection.objects.get().held_until - timezone.now()
    assert timedelta(seconds=80) < wait <= timedelta(seconds=90)
    before = crm.calls
    send()
    assert crm.calls == before
    assert (only().state, only().failures) == (State.WAITING, 0)


def test_the_quota_of_the_day_is_kept_and_what_is_left_goes_tomorrow(crm, connection, feeds):
    for number in range(5):
        correct(f"A{number}", city="Boston")
    Connection.objects.update(daily_calls=connections.calls_today(connection) + 3)
    send()
    assert sum(crm.writes.values()) == 2, "one request to compare, two to write"
    Connection.objects.update(daily_calls=None, held_until=None)
    OutboxEntry.objects.update(due_at=timezone.now())
    send()
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.DONE}
    assert crm.writes == {f"A{number}": 1 for number in range(5)}


def test_the_systems_own_quota_is_shown_as_it_says(crm, connection, feeds):
    crm.daily = crm.calls + 100
    correct("A1", city="Boston")
    send()
    kept = Connection.objects.get().quota
    assert kept["limit"] == crm.daily
    assert 0 < kept["used"] <= crm.daily


def test_an_entry_of_a_worker_that_died_is_sent_by_another(crm, feeds):
    correct("A1", city="Boston")
    OutboxEntry.objects.update(state=State.SENDING, attempts=1, lease_until=timezone.now() + timedelta(minutes=1))
    send()
    assert crm.writes == {}
    OutboxEntry.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
    send()
    assert only().state == State.DONE


def test_a_paused_connection_sends_nothing_until_it_is_resumed(crm, connection, feeds):
    connections.pause(connection=connection, why="moving house")
    correct("A1", city="Boston")
    send()
    assert crm.writes == {}
    connections.resume(connection=connection)
    send()
    assert crm.writes == {"A1": 1}


def test_a_dry_run_names_the_exact_request_and_sends_none(crm, feeds):
    correct("A1", city="Boston")
    (call,) = outbox_delivering.preview(only())
    assert (call.method, call.address) == ("PATCH", "/accounts/A1")
    assert call.body == {"values": {"city": "Boston"}, "version": "1"}
    assert crm.writes == {}
    assert only().state == State.WAITING


# Merges


def merge(*members: str, **changes: str | None) -> Any:
    survivor, *losers = members
    return merging.merge(
        survivor=record(survivor).pk, members=[record(one).pk for one in losers], changes=changes, cause="test"
    )


def test_a_merge_takes_the_losers_out_of_use_and_moves_what_refers_to_them(crm, feeds):
    merge("A1", "A2", "A3", city="Boston")
    send()
    assert there(crm, "A1")["city"] == "Boston"
    assert [there(crm, key)["active"] for key in ("A1", "A2", "A3", "A4")] == [True, False, False, True]
    assert [there(crm, key, "contacts")["account"] for key in ("C1", "C2", "C3", "C4")] == ["A1", "A1", "A1", "A4"]
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.DONE}
    assert crm.writes == {"A1": 1, "C2": 1, "C3": 1, "A2": 1, "A3": 1}, "children are not written twice"


def test_undoing_a_merge_restores_every_row_there(crm, feeds, pull):
    before = dump(crm)
    change_set = merge("A1", "A2", city="Boston")
    send()
    pull(feeds["accounts"])
    pull(feeds["contacts"])
    assert record("A2").golden_id == record("A1").pk
    assert record("A2").gone_at is None
    undoing.undo(change_set=change_set)
    send()
    assert dump(crm) == before
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.DONE}


def test_a_merge_that_has_not_left_and_is_undone_leaves_nothing(crm, feeds):
    Connection.objects.update(grace=timedelta(minutes=1))
    change_set = merge("A1", "A2", city="Boston")
    undoing.undo(change_set=change_set)
    assert not OutboxEntry.objects.pending().exists()
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.ANNULLED}


def test_a_merge_that_meets_a_conflict_is_done_not_at_all(crm, feeds):
    crm.edit("accounts", "A1", city="Rome")
    before = dump(crm)
    merge("A1", "A2", city="Boston")
    send()
    assert (only().state, only().now) == (State.CONFLICT, {"city": "Rome"})
    assert dump(crm) == before


def test_a_merge_that_the_system_stops_half_way_is_taken_back(crm, feeds, monkeypatch):
    before = dump(crm)
    crm.refuses = "A2"
    merge("A1", "A2", city="Boston")
    send()
    assert only().state == State.DEAD
    assert dump(crm) == before
    crm.refuses = ""
    outbox_settling.retry(entry=only())
    send()
    assert only().state == State.DONE
    assert not there(crm, "A2")["active"]


def test_what_was_edited_here_since_stays_there_when_a_merge_is_undone(crm, feeds):
    change_set = merge("A1", "A2", city="Boston", note="both")
    send()
    correct("A1", note="later")
    send()
    undoing.undo(change_set=change_set)
    send()
    assert there(crm, "A1") == {"name": "Bob Ray", "city": "Bostn", "note": "later", "active": True}
    assert there(crm, "A2")["active"]


def test_what_somebody_moved_there_since_stays_and_is_named_when_a_merge_is_undone(crm, feeds):
    change_set = merge("A1", "A2")
    send()
    crm.edit("contacts", "C2", account="A5")
    undoing.undo(change_set=change_set)
    send()
    assert there(crm, "A2")["active"]
    assert there(crm, "C2", "contacts")["account"] == "A5"
    assert "contacts C2" in OutboxEntry.objects.get(kind="unmerge").note


# Many at once, and a system that fails


def test_nothing_is_lost_and_nothing_doubled_by_a_system_that_fails_one_call_in_five(crm, feeds, pull, monkeypatch):
    """40 accounts, each changed three times, sent by three workers at once."""
    monkeypatch.setattr(outbox_delivering, "BACK_OFF", timedelta())
    monkeypatch.setattr(connections, "PAUSE", timedelta())
    monkeypatch.setattr(outbox_delivering, "AT_ONCE", 7)
    keys = [f"B{number}" for number in range(40)]
    for key in keys:
        crm.add("accounts", key, name=key, city="None", note=None)
    pull(feeds["accounts"])
    crm.fail_every = 5
    for city in ("One", "Two", "Three"):
        for key in keys:
            correct(key, city=city)
    pk, before = Connection.objects.get().pk, crm.calls // 5

    def work() -> None:
        try:
            for _ in range(400):
                outbox_delivering.deliver(pk)
                if not OutboxEntry.objects.pending().exists():
                    return
        finally:
            databases.close_all()

    workers = [threading.Thread(target=work) for _ in range(3)]
    for worker in workers:
        worker.start()
    for worker in workers:
        worker.join(120)
    assert crm.outcomes.keys() == {"after", "before", "throttled"}
    assert sum(crm.outcomes.values()) == crm.calls // 5 - before
    assert set(OutboxEntry.objects.values_list("state", flat=True)) == {State.DONE}
    assert {there(crm, key)["city"] for key in keys} == {"Three"}
    assert crm.writes == dict.fromkeys(keys, 3), "each write is done once"
    assert crm.most_in_flight == 1
    assert connections.calls_today(Connection.objects.get()) == crm.calls, "every request is counted"
