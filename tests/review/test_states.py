"""An item's state, the decisions on it and its claim agree, whatever happens in whatever order: see `deciding`."""

from __future__ import annotations

from typing import Any

import pytest

from crmquality.models import Finding, Record
from crmquality.services import correcting, undoing
from detectors.contract import Evidence, MergeRecords
from detectors.contract import Finding as Found
from review.models import Decision, DecisionBatch, ReviewItem
from review.services import batching, deciding, fixing, staleness
from tests.scripted import claim, install, merge_claim, scan

Verdict, State = Decision.Verdict, ReviewItem.State


@pytest.fixture
def people(source: Any) -> dict[str, Record]:
    return {record.external_id: record for record in Record.objects.select_related("source")}


@pytest.fixture
def bob(people: Any, monkeypatch: pytest.MonkeyPatch) -> Record:
    """His city is claimed to be Boston at every run, whatever it holds."""
    install(monkeypatch, lambda batch: [claim(people["C3"], City="Boston")])
    scan(people["C3"].source)
    return people["C3"]


def asked_anew(record: Record, city: str) -> ReviewItem:
    """The value changes by another hand, and the next run asks the claim again."""
    correcting.set_fields(record_id=record.pk, changes={"City": city}, cause="test")
    scan(record.source)
    return ReviewItem.objects.open().get()


def decide(item: ReviewItem, verdict: str, user: Any, **given: Any) -> Decision:
    return deciding.decide(item=item, verdict=Verdict(verdict), user=user, **given)


def states() -> list[tuple[str, int]]:
    """The state of each item, and how many decisions stand on it; and what must hold of them."""
    items = ReviewItem.objects.order_by("id")
    found = [(item.state, item.decisions.filter(undone_at__isnull=True).count()) for item in items]
    assert all((state == State.DECIDED) == (standing == 1) for state, standing in found)
    for finding in Finding.objects.filter(state=Finding.State.SETTLED):
        assert Decision.objects.filter(item__finding=finding, undone_at__isnull=True).exists()
    assert not ReviewItem.objects.open().exclude(finding__state=Finding.State.OPEN).exists()
    return found


class TestUndoing:
    def test_a_verdict_whose_claim_is_open_anew_leaves_its_item_withdrawn(self, bob, steward):
        first = decide(ReviewItem.objects.get(), "reject", steward)
        asked_anew(bob, "Bosten")
        deciding.undo_decision(decision=first, user=steward)
        assert states() == [("withdrawn", 0), ("open", 0)]

    def test_a_verdict_whose_claim_was_decided_anew_leaves_its_item_withdrawn(self, bob, steward):
        first = decide(ReviewItem.objects.get(), "reject", steward)
        decide(asked_anew(bob, "Bosten"), "accept", steward)
        deciding.undo_decision(decision=first, user=steward)
        assert states() == [("withdrawn", 0), ("decided", 1)]

    def test_the_newer_verdict_is_asked_again_though_an_older_one_stands(self, bob, steward):
        decide(ReviewItem.objects.get(), "reject", steward)
        second = decide(asked_anew(bob, "Bosten"), "accept", steward)
        deciding.undo_decision(decision=second, user=steward)
        assert states() == [("decided", 1), ("open", 0)]
        assert not staleness.is_stale(ReviewItem.objects.open().get().finding)

    def test_in_either_order_the_claim_is_asked_once(self, bob, steward):
        first = decide(ReviewItem.objects.get(), "reject", steward)
        second = decide(asked_anew(bob, "Bosten"), "reject", steward)
        deciding.undo_decision(decision=second, user=steward)
        deciding.undo_decision(decision=first, user=steward)
        assert states() == [("withdrawn", 0), ("open", 0)]

    def test_a_newer_item_that_went_stale_is_no_reason_to_withdraw(self, bob, steward):
        first = decide(ReviewItem.objects.get(), "reject", steward)
        staleness.close(asked_anew(bob, "Bosten"))
        deciding.undo_decision(decision=first, user=steward)
        assert states() == [("open", 0), ("stale", 0)]

    def test_a_batch_whose_claims_were_asked_anew_is_undone_to_the_end(self, people, steward, monkeypatch):
        pair = people["C1"], people["C2"]
        install(monkeypatch, lambda batch: [claim(one, City="Bostn") for one in pair])
        scan(pair[0].source)
        batch = batching.decide_group(item=ReviewItem.objects.first(), verdict=Verdict.ACCEPT, user=steward)
        assert (batch.size, states()) == (2, [("decided", 1), ("decided", 1)])
        asked_anew(pair[0], "Boston")
        undo = batching.request_undo(batch=batch, user=steward)
        assert (undo.kind, batching.outcomes(undo)["undone"]) == (DecisionBatch.Kind.UNDO, 2)
        assert sorted(states()) == [("open", 0), ("open", 0), ("withdrawn", 0)]

    def test_a_correction_is_taken_back_though_one_of_its_claims_was_asked_anew(self, people, steward, monkeypatch):
        ann = people["C1"]
        install(monkeypatch, lambda batch: [claim(ann, City="Salem"), claim(ann, 0.8, City="Lynn")])
        scan(ann.source)
        done = fixing.fix(record=ann, name="City", value="Salem", seen=fixing.mark_of("Boston"), user=steward)
        install(monkeypatch, lambda batch: [claim(ann, 0.8, City="Lynn")])
        asked_anew(ann, "Quincy")
        undoing.undo_with_cause(change_set=done.change_set, by=steward)
        assert sorted(states()) == [("open", 0), ("open", 0), ("withdrawn", 0)]

    def test_what_a_run_had_put_in_the_queue_is_not_withdrawn_with_a_split(self, people, steward, monkeypatch):
        one, two, three, four = people.values()
        install(monkeypatch, lambda batch: [merge_claim(one, two, three, four), merge_claim(three, four, score=0.8)])
        scan(one.source)
        cluster = ReviewItem.objects.order_by("-score")[0]
        split = decide(cluster, "edit", steward, edited={"members": [two.pk], "split": True})
        deciding.undo_decision(decision=split, user=steward)
        assert states() == [("open", 0), ("open", 0)]


class TestAsking:
    @pytest.mark.parametrize("verdict", ["reject", "expected", "unsure"])
    def test_a_rejected_claim_is_not_asked_again_once_its_values_are_back(self, bob, steward, verdict):
        decide(ReviewItem.objects.get(), verdict, steward)
        asked_anew(bob, "Bosten")
        correcting.set_fields(record_id=bob.pk, changes={"City": "Bostn"}, cause="test")
        scan(bob.source)
        assert states() == [("decided", 1), ("withdrawn", 0)]

    def test_nor_where_the_newer_item_went_stale_between(self, bob, steward):
        decide(ReviewItem.objects.get(), "reject", steward)
        item = asked_anew(bob, "Bosten")
        correcting.set_fields(record_id=bob.pk, changes={"City": "Bostn"}, cause="test")
        assert staleness.close_if_stale(item)
        scan(bob.source)
        assert states() == [("decided", 1), ("stale", 0)]

    def test_an_accepted_claim_is_asked_again_once_its_correction_is_gone(self, bob, steward):
        decide(ReviewItem.objects.get(), "accept", steward)
        assert asked_anew(bob, "Bostn").state == State.OPEN

    def test_an_edited_claim_is_not_asked_again_once_the_persons_value_is_back(self, bob, steward):
        decide(ReviewItem.objects.get(), "edit", steward, edited={"changes": {"City": "Salem"}})
        asked_anew(bob, "Salme")
        correcting.set_fields(record_id=bob.pk, changes={"City": "Salem"}, cause="test")
        scan(bob.source)
        assert states() == [("decided", 1), ("withdrawn", 0)]

    def test_an_item_decided_meanwhile_does_not_go_stale(self, bob, steward):
        read_before = ReviewItem.objects.get()
        decide(ReviewItem.objects.get(), "reject", steward)
        staleness.close(read_before)
        assert states() == [("decided", 1)]
        assert Finding.objects.get().state == Finding.State.SETTLED


class TestMerges:
    @pytest.fixture
    def rejected(self, people: Any, steward: Any, monkeypatch: pytest.MonkeyPatch) -> dict[str, Record]:
        """A cluster of three, rejected; the next fit finds another pair its weakest, and tells of other fields."""
        self.found(people, monkeypatch, "Name")
        scan(people["C1"].source)
        decide(ReviewItem.objects.get(), "reject", steward)
        self.found(people, monkeypatch, "Email", "Phone")
        return people

    def found(self, people: Any, monkeypatch: pytest.MonkeyPatch, *fields: str) -> None:
        ids = [people[key].pk for key in ("C1", "C2", "C3")]
        why = (Evidence("weakest link", 1.0, "because", fields),)
        cluster = Found(tuple(ids), MergeRecords(ids[0], tuple(ids[1:]), {}), 0.9, why, "people")
        install(monkeypatch, lambda batch: [cluster])

    def test_a_rejected_cluster_is_not_asked_again_because_its_weakest_pair_is_another(self, rejected):
        scan(rejected["C1"].source)
        assert states() == [("decided", 1)]

    def test_nor_because_something_happened_to_a_record(self, rejected):
        correcting.set_fields(record_id=rejected["C2"].pk, changes={"Owner": "other"}, cause="test")
        scan(rejected["C1"].source)
        assert states() == [("decided", 1)]

    def test_it_is_once_any_value_that_records_are_compared_by_changed(self, rejected):
        asked_anew(rejected["C2"], "Cambridge")
        assert states() == [("decided", 1), ("open", 0)]
