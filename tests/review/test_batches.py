"""One decision for many items: what it settles, what it leaves, and how it is taken back."""

from __future__ import annotations

import threading

import pytest
from django.core.exceptions import PermissionDenied
from django.db import connections

from crmquality.models import Change, ChangeSet, Record
from crmquality.models.jobs import JobState
from crmquality.services import correcting
from crmquality.services.errors import Refused
from detectors.roles import Role
from review.models import BatchMember, Decision, DecisionBatch, ReviewItem
from review.services import batching, deciding, feedback, queue
from tests.scripted import claim, install, scan

ACCEPT, REJECT = Decision.Verdict.ACCEPT, Decision.Verdict.REJECT
COLUMNS = {"Contact ID": Role.ID, "City": Role.CITY, "Town": Role.CITY, "Phone": Role.PHONE}


def contacts(make_source, count, **fields):
    rows = [[f"C{number}", "Bostn", "Bostn", f"(202) 555-{number:04}"] for number in range(count)]
    return make_source(columns=COLUMNS, rows=rows, **fields)


@pytest.fixture
def typos(make_source, monkeypatch):
    """Forty equal typos in one column, one of them with another correction, and one in another column."""
    source = contacts(make_source, 42)
    records = list(Record.objects.order_by("id"))
    claims = [claim(record, City="Boston") for record in records[:40]]
    claims += [claim(records[40], City="Bolton"), claim(records[41], Town="Boston")]
    install(monkeypatch, lambda batch: claims)
    scan(source)
    return source


def of(record: Record) -> ReviewItem:
    return ReviewItem.objects.get(finding__subjects=[record.pk])


def first() -> ReviewItem:
    return of(Record.objects.get(external_id="C0"))


def cities() -> list[str]:
    return [record.fields["City"] for record in Record.objects.order_by("id")]


def test_equal_typos_share_a_pattern_and_others_do_not(typos, steward):
    assert batching.alike(first(), steward).count() == 40
    assert len(set(ReviewItem.objects.values_list("pattern", flat=True))) == 3


def test_one_decision_settles_forty_equal_typos(typos, steward):
    batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
    assert cities() == ["Boston"] * 40 + ["Bostn"] * 2
    assert (batch.state, batch.size, batching.outcomes(batch)["decided"]) == (JobState.SUCCEEDED, 40, 40)
    assert Decision.objects.filter(by=steward, verdict=ACCEPT).count() == ChangeSet.objects.count() == 40
    assert ReviewItem.objects.open().count() == 2


def test_one_decision_rejects_forty_and_none_is_asked_again(typos, steward):
    batching.decide_group(item=first(), verdict=REJECT, user=steward)
    scan(typos)
    assert ReviewItem.objects.open().count() == 2
    assert not Change.objects.exists()


def test_an_unticked_item_stays_open_and_untouched(typos, steward):
    apart = of(Record.objects.get(external_id="C7"))
    batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward, without=[apart.pk])
    assert cities()[7] == "Bostn"
    assert ReviewItem.objects.open().filter(pk=apart.pk).exists()
    assert (batch.size, batch.set_apart) == (39, 1)


def test_what_a_run_added_after_the_list_was_shown_is_left_open(typos, steward):
    shown = sorted(batching.alike(first(), steward).values_list("pk", flat=True))
    batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward, newest=shown[9])
    assert batch.size == 10


def test_items_on_a_colleagues_desk_or_given_to_one_are_left_out(typos, steward, admin):
    items = list(batching.alike(first(), steward).order_by("id"))
    queue.claim(user=admin, item_id=items[3].pk)
    ReviewItem.objects.filter(pk=items[4].pk).update(assigned_to=admin)
    batch = batching.decide_group(item=items[0], verdict=ACCEPT, user=steward)
    assert (batch.size, batch.left_out) == (38, 2)
    assert [city for city in cities()[:40] if city == "Bostn"] == ["Bostn"] * 2


def test_stale_items_are_closed_untouched(typos, steward):
    correcting.set_fields(record_id=Record.objects.get(external_id="C5").pk, changes={"City": "Austin"}, cause="test")
    batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
    assert cities()[5] == "Austin"
    assert batching.outcomes(batch)["stale"] == 1
    assert ReviewItem.objects.filter(state="stale").count() == 1


@pytest.mark.parametrize("verdict", ["edit", "unsure", "expected"])
def test_only_accepting_and_rejecting_is_for_many(typos, steward, verdict):
    with pytest.raises(Refused):
        batching.decide_group(item=first(), verdict=Decision.Verdict(verdict), user=steward)


def test_sales_people_and_auditors_may_not_decide_many(typos, sales, make_user):
    for person in (sales, make_user("auditor")):
        with pytest.raises(PermissionDenied):
            batching.decide_group(item=first(), verdict=ACCEPT, user=person)


def test_a_group_that_is_gone_is_refused_and_leaves_no_batch(typos, steward):
    item = first()
    batching.decide_group(item=item, verdict=ACCEPT, user=steward)
    with pytest.raises(Refused):
        batching.decide_group(item=item, verdict=ACCEPT, user=steward)
    assert DecisionBatch.objects.count() == 1


class TestUndo:
    def test_it_restores_everything_and_opens_every_item(self, typos, steward):
        before = {record.pk: record.fields for record in Record.objects.all()}
        batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
        undo = batching.request_undo(batch=batch, user=steward)
        assert {record.pk: record.fields for record in Record.objects.all()} == before
        assert (undo.kind, undo.undoes, batching.outcomes(undo)["undone"]) == ("undo", batch, 40)
        assert ReviewItem.objects.open().count() == 42
        assert not Decision.objects.filter(undone_at__isnull=True).exists()
        assert batching.standing(batch) == 0

    def test_what_cannot_be_undone_is_listed_with_the_reason(self, typos, steward):
        from crmquality.services.merging import merge

        batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
        one, two, three = (Record.objects.get(external_id=name) for name in ("C1", "C2", "C3"))
        merge(survivor=two.pk, members=[one.pk], changes={}, cause="test")
        correcting.set_fields(record_id=three.pk, changes={"City": "Austin"}, cause="later edit")
        undo = batching.request_undo(batch=batch, user=steward)
        assert batching.outcomes(undo) | {"refused": 1, "undone": 39} == batching.outcomes(undo)
        assert "Merged" in undo.members.get(outcome="refused").note
        assert undo.members.get(item__finding__subjects=[three.pk]).note == "Edited since, left as it is: City."
        assert cities()[3] == "Austin"

    def test_what_was_taken_back_by_hand_is_left_alone(self, typos, steward):
        batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
        deciding.undo_decision(decision=batch.members.first().decision, user=steward)
        assert batching.request_undo(batch=batch, user=steward).size == 39

    def test_it_is_done_once(self, typos, steward):
        batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
        undo = batching.request_undo(batch=batch, user=steward)
        for again in (batch, undo):
            with pytest.raises(Refused):
                batching.request_undo(batch=again, user=steward)


class TestAsAJob:
    @pytest.fixture
    def batch(self, typos, steward, monkeypatch):
        monkeypatch.setattr(batching, "AT_ONCE", 10)
        return batching.decide_group(item=first(), verdict=ACCEPT, user=steward)

    def test_a_large_group_waits_for_a_worker_and_the_sweeper_knows_it(self, batch, monkeypatch):
        from crmquality.services import running

        told = []
        monkeypatch.setattr(running, "publish", lambda task, job, detector: told.append((task, job)))
        assert (batch.state, set(cities())) == (JobState.QUEUED, {"Bostn"})
        running.sweep()
        assert ("review.tasks.execute_batch", batch.pk) in told

    def test_a_killed_worker_leaves_the_rest_to_the_next_and_nothing_is_applied_twice(self, batch, monkeypatch):
        settle, calls = batching._settle, []

        def dies_at_the_fifteenth(*given):
            calls.append(given)
            if len(calls) == 15:
                raise SystemExit  # a killed worker notes nothing: the job stays running, under its lease
            settle(*given)

        monkeypatch.setattr(batching, "_settle", dies_at_the_fifteenth)
        with pytest.raises(SystemExit):
            batching.execute_batch(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, cities().count("Boston")) == (JobState.RUNNING, 14)
        monkeypatch.setattr(batching, "_settle", settle)
        DecisionBatch.objects.filter(pk=batch.pk).update(lease_until="2000-01-01T00:00Z")
        batching.execute_batch(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, batch.attempts, cities().count("Boston")) == (JobState.SUCCEEDED, 2, 40)
        assert ChangeSet.objects.count() == Decision.objects.count() == 40

    def test_a_cancelled_one_stops_and_what_is_done_can_be_undone(self, batch, steward):
        DecisionBatch.objects.filter(pk=batch.pk).update(cancel_requested=True)
        batching.execute_batch(batch.pk)
        batch.refresh_from_db()
        assert batch.state == JobState.CANCELLED
        assert batching.outcomes(batch)["waiting"] == 40
        with pytest.raises(Refused, match="Nothing"):
            batching.request_undo(batch=batch, user=steward)

    def test_it_is_not_done_for_someone_who_is_no_longer_a_steward(self, batch, steward):
        steward.groups.clear()
        batching.execute_batch(batch.pk)
        batch.refresh_from_db()
        assert (batch.state, set(cities())) == (JobState.FAILED, {"Bostn"})

    def test_the_model_learns_once_and_not_forty_times(self, batch, monkeypatch):
        learned = []
        monkeypatch.setattr(feedback, "learn_from", learned.append)
        batching.execute_batch(batch.pk)
        assert len(learned) == 1


@pytest.mark.django_db(transaction=True)
def test_two_stewards_who_accept_the_same_group_at_once_change_nothing_twice(typos, steward, admin):
    item, ready, failed = first(), threading.Barrier(2), []

    def accept(user):
        try:
            ready.wait(10)
            batching.decide_group(item=item, verdict=ACCEPT, user=user)
        except Refused:
            pass  # the other had settled them all
        except Exception as error:
            failed.append(error)
        finally:
            connections.close_all()

    threads = [threading.Thread(target=accept, args=(user,)) for user in (steward, admin)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert not failed
    assert ChangeSet.objects.count() == Change.objects.count() == Decision.objects.count() == 40
    assert set(Record.objects.filter(fields__City="Boston").values_list("version", flat=True)) == {2}
    assert BatchMember.objects.filter(outcome="decided").count() == 40


class TestFindingSimilar:
    def test_the_same_rule_and_column_at_a_near_score_or_the_same_pattern(self, make_source, steward, monkeypatch):
        source = contacts(make_source, 5)
        one, other, far, column, alike = Record.objects.order_by("id")
        claims = [claim(one, 0.9, City="Boston"), claim(other, 0.85, City="Austin"), claim(far, 0.6, City="Rome")]
        claims += [claim(column, 0.9, Town="Boston"), claim(alike, 0.6, City="Boston")]
        install(monkeypatch, lambda batch: claims)
        scan(source)
        found = queue.Filters(like=of(one).pk).apply(ReviewItem.objects.all(), steward)
        assert {item.finding.subjects[0] for item in found} == {other.pk, alike.pk}

    def test_nothing_is_like_an_item_that_does_not_exist(self, typos, steward):
        assert not queue.Filters(like=999_999).apply(ReviewItem.objects.all(), steward).exists()


class TestSkipping:
    def test_a_reason_is_kept_and_the_item_stays_open(self, typos, steward):
        item = first()
        queue.skip(item=item, user=steward, reason=" waits for the customer ")
        queue.skip(item=item, user=steward)
        item.refresh_from_db()
        assert [(one.reason, one.by) for one in item.skip_reasons.all()] == [("waits for the customer", steward)]
        assert (item.skips, item.state) == (2, "open")

    def test_on_a_colleagues_desk_nothing_is_skipped_and_nothing_noted(self, typos, steward, admin):
        queue.claim(user=admin, item_id=first().pk)
        queue.skip(item=first(), user=steward, reason="mine")
        assert not first().skip_reasons.exists()


def test_a_rerun_gives_open_items_the_pattern_of_their_values_today(make_source, steward, monkeypatch):
    source = contacts(make_source, 1)
    record = Record.objects.get()
    install(monkeypatch, lambda batch: [claim(record, Phone="+12025550000")])
    scan(source)
    before = first().pattern
    correcting.set_fields(record_id=record.pk, changes={"Phone": "202.555.0000"}, cause="test")
    scan(source)
    assert ReviewItem.objects.open().get().pattern not in {before, ""}
