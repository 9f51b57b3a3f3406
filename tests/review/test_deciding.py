"""What happens to a claim once a person has spoken."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crmquality.models import Change, ChangeSet, Finding, JobState, Record, Training
from crmquality.services import correcting, undoing
from crmquality.services.errors import Refused
from review.models import Decision, ReviewItem
from review.services import deciding, feedback, queue
from tests.scripted import claim, install, merge_claim, scan

Verdict = Decision.Verdict


@pytest.fixture
def bob(source):
    return Record.objects.get(external_id="C3")


@pytest.fixture
def item(source, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
    scan(source)
    return ReviewItem.objects.get()


def test_accepting_writes_the_value_and_notes_the_change(item, bob, steward):
    decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    bob.refresh_from_db()
    change = Change.objects.get()
    assert bob.fields["City"] == "Boston"
    assert (change.before, change.after, change.change_set.by) == ("Bostn", "Boston", steward)
    assert decision.seen["proposal"] == {"action": "set", "changes": {"City": "Boston"}}


def test_rejecting_writes_nothing_and_is_not_asked_again(source, item, bob, steward):
    deciding.decide(item=item, verdict=Verdict.REJECT, user=steward)
    scan(source)
    assert not ReviewItem.objects.open().exists()
    assert not Change.objects.exists()


def test_a_rejected_claim_is_asked_again_once_its_values_changed(source, item, bob, steward):
    deciding.decide(item=item, verdict=Verdict.REJECT, user=steward)
    correcting.set_fields(record_id=bob.pk, changes={"City": "Bosten"}, cause="test")
    scan(source)
    assert ReviewItem.objects.open().count() == 1


def test_a_stale_record_closes_the_item_and_stays_untouched(item, bob, steward):
    correcting.set_fields(record_id=bob.pk, changes={"City": "Cambridge"}, cause="test")
    with pytest.raises(deciding.StaleFinding):
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    item.refresh_from_db()
    bob.refresh_from_db()
    assert (item.state, bob.fields["City"]) == ("stale", "Cambridge")


def test_the_second_of_two_stewards_is_told_that_it_is_decided(item, steward, admin):
    deciding.decide(item=item, verdict=Verdict.REJECT, user=steward)
    with pytest.raises(deciding.AlreadyDecided):
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=admin)
    assert Decision.objects.count() == 1


def test_the_same_idempotency_key_gives_the_same_decision(item, steward):
    first, second = (
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward, idempotency_key="k1") for _ in range(2)
    )
    assert first == second
    assert ChangeSet.objects.count() == 1


def test_the_same_key_for_another_verdict_is_refused(item, steward):
    deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward, idempotency_key="k1")
    with pytest.raises(Refused):
        deciding.decide(item=item, verdict=Verdict.REJECT, user=steward, idempotency_key="k1")


def test_an_edit_writes_the_persons_value(item, bob, steward):
    deciding.decide(item=item, verdict=Verdict.EDIT, user=steward, edited={"changes": {"City": "Brighton"}})
    bob.refresh_from_db()
    assert bob.fields["City"] == "Brighton"


def test_an_edit_of_a_field_that_does_not_exist_is_refused_and_nothing_is_half_done(item, bob, steward):
    with pytest.raises(Refused):
        deciding.decide(item=item, verdict=Verdict.EDIT, user=steward, edited={"changes": {"Planet": "Mars"}})
    item.refresh_from_db()
    assert item.state == "open"
    assert not Decision.objects.exists()


def test_undo_restores_the_value_and_opens_the_item_again(item, bob, steward):
    decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    deciding.undo_decision(decision=decision, user=steward)
    bob.refresh_from_db()
    item.refresh_from_db()
    assert (bob.fields["City"], item.state) == ("Bostn", "open")


def test_a_decision_is_undone_once(item, steward):
    decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    deciding.undo_decision(decision=decision, user=steward)
    with pytest.raises(deciding.AlreadyDecided):
        deciding.undo_decision(decision=decision, user=steward)


def test_a_later_edit_wins_over_an_undo(item, bob, steward):
    decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    correcting.set_fields(record_id=bob.pk, changes={"City": "Cambridge"}, cause="later edit")
    undone = deciding.undo_decision(decision=decision, user=steward)
    bob.refresh_from_db()
    assert bob.fields["City"] == "Cambridge"
    assert [value for _, value in undone.kept] == ["Cambridge"]


def test_claims_no_longer_made_are_withdrawn(source, item, monkeypatch):
    install(monkeypatch, lambda batch: [])
    scan(source)
    item.refresh_from_db()
    assert item.state == "withdrawn"
    assert Finding.objects.get().state == "withdrawn"


def test_a_rerun_refreshes_the_score_and_doubles_nothing(source, item, bob, monkeypatch):
    install(monkeypatch, lambda batch: [claim(bob, 0.6, City="Boston")])
    scan(source)
    assert [one.score for one in ReviewItem.objects.open()] == [0.6]


class TestMerging:
    @pytest.fixture
    def pair(self, source, monkeypatch):
        ann, anne = Record.objects.filter(external_id__in=["C1", "C2"]).order_by("external_id")
        install(monkeypatch, lambda batch: [merge_claim(ann, anne, Name="Anne Lee")])
        scan(source)
        return ann, anne, ReviewItem.objects.get()

    @pytest.fixture
    def deal(self, make_source, source):
        from detectors.roles import Role

        columns = {"Deal": Role.ID, "Contact": Role.CONTACT_REF, "Second contact": Role.CONTACT_REF}
        make_source("deals", columns, [["D1", "C2", "C2"]], kind="opportunities")
        return Record.objects.get(external_id="D1")

    def test_a_merge_keeps_the_loser_pointing_at_the_golden_record(self, pair, steward):
        ann, anne, item = pair
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
        ann.refresh_from_db()
        anne.refresh_from_db()
        assert (anne.golden, ann.fields["Name"], anne.fields["Name"]) == (ann, "Anne Lee", "Anne Lee")

    def test_children_move_with_every_column_and_come_back_on_undo(self, pair, deal, steward):
        _, anne, item = pair
        decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
        deal.refresh_from_db()
        assert (deal.fields["Contact"], deal.fields["Second contact"], deal.refs) == (
            "C1",
            "C1",
            ["contacts:C1", "contacts:C1"],
        )
        deciding.undo_decision(decision=decision, user=steward)
        deal.refresh_from_db()
        anne.refresh_from_db()
        assert (deal.fields["Contact"], anne.golden) == ("C2", None)

    def test_a_later_merge_blocks_an_undo_and_says_of_what(self, pair, source, steward, monkeypatch):
        ann, _, item = pair
        decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
        bob = Record.objects.get(external_id="C3")
        install(monkeypatch, lambda batch: [merge_claim(bob, ann)])
        scan(source)
        deciding.decide(item=ReviewItem.objects.open().get(), verdict=Verdict.ACCEPT, user=steward)
        with pytest.raises(undoing.CannotUndo, match="C1"):
            deciding.undo_decision(decision=decision, user=steward)

    def test_a_merged_record_is_not_merged_again(self, pair, source, steward, monkeypatch):
        ann, anne, item = pair
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
        from crmquality.services.merging import merge

        with pytest.raises(correcting.StaleRecord):
            merge(survivor=anne.pk, members=[ann.pk], changes={}, cause="test")


class TestQueue:
    def test_two_stewards_never_get_the_same_item(self, item, steward, admin):
        assert queue.claim_next(user=steward) == item
        assert queue.claim_next(user=admin) is None

    def test_an_item_on_another_desk_cannot_be_decided(self, item, steward, admin):
        queue.claim_next(user=steward)
        with pytest.raises(deciding.AlreadyDecided):
            deciding.decide(item=item, verdict=Verdict.ACCEPT, user=admin)

    def test_a_stale_item_is_never_handed_out(self, item, bob, steward):
        correcting.set_fields(record_id=bob.pk, changes={"City": "Cambridge"}, cause="test")
        assert queue.claim_next(user=steward) is None
        item.refresh_from_db()
        assert item.state == "stale"

    def test_a_skipped_item_comes_after_the_others(self, source, bob, steward, monkeypatch):
        ann = Record.objects.get(external_id="C1")
        install(monkeypatch, lambda batch: [claim(bob, 0.9, City="Boston"), claim(ann, 0.8, City="Cambridge")])
        scan(source)
        first = queue.claim_next(user=steward)
        queue.skip(item=first, user=steward)
        assert queue.claim_next(user=steward).score == 0.8

    def test_sales_people_get_items_of_their_own_records_only(self, item, sales):
        assert queue.claim_next(user=sales) is None


class TestRefits:
    """Decisions fit models anew, in a worker, without taking the machine from those who decide."""

    @pytest.fixture
    def decided(self, item, steward, settings, monkeypatch):
        settings.CRMQUALITY = settings.CRMQUALITY | {"refit_after_labels": 1}
        ReviewItem.objects.update(detector="formats")  # one that learns
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
        monkeypatch.undo()  # the detectors that are installed
        return item

    def test_a_training_is_queued_once_there_are_enough_labels(self, decided):
        assert feedback.refit_due() == 1
        assert feedback.refit_due() == 0, "one is under way"

    @pytest.mark.parametrize(("minutes_ago", "queued"), [(30, 0), (65, 1)])
    def test_after_a_long_training_the_next_waits(self, decided, minutes_ago, queued):
        finished = timezone.now() - timedelta(minutes=minutes_ago)
        Training.objects.create(
            source=decided.source,
            detector="another",
            state=JobState.SUCCEEDED,
            started_at=finished - timedelta(minutes=10),
            finished_at=finished,
        )
        assert feedback.refit_due() == queued
