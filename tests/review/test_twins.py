"""Several checks that propose the same values for a record ask one question: one answer settles all, and one undo."""

from __future__ import annotations

import json
import re
import threading
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from django.db import connection, connections
from django.test import Client
from django.test.utils import CaptureQueriesContext
from django.urls import reverse
from django.utils import timezone

from crmquality.models import Change, ChangeSet, Finding, ModelVersion, Record, Run
from crmquality.services import correcting, disclosing, masking, undoing
from detectors.contract import Evidence
from detectors.contract import Finding as Found
from review.models import Decision, ReviewItem, Skip
from review.selectors import figures
from review.selectors.cards import card
from review.selectors.decided import standing
from review.services import batching, checks, deciding, desks, feedback, fixing, labelling, policies, queue
from tests.scripted import claim, install_checks, scan

Verdict, State = Decision.Verdict, ReviewItem.State
CHECKS = ("formats", "conflicts", "addresses")


@pytest.fixture
def bob(source: Any) -> Record:
    return Record.objects.select_related("source").get(external_id="C3")


@pytest.fixture
def ann(source: Any) -> Record:
    """A record of the sales person's."""
    return Record.objects.select_related("source").get(external_id="C1")


@pytest.fixture
def asked(source: Any, monkeypatch: pytest.MonkeyPatch) -> Callable[..., dict[str, ReviewItem]]:
    """asked(formats=[...], conflicts=[...]) has each check find these; check -> its first item."""

    def run(**found: list[Found]) -> dict[str, ReviewItem]:
        install_checks(monkeypatch, **{name: lambda batch, those=those: those for name, those in found.items()})
        scan(source, *found)
        items = ReviewItem.objects.select_related("finding", "source").order_by("-id")
        return {item.detector: item for item in items.filter(detector__in=found)}

    return run


@pytest.fixture
def same(asked: Any, bob: Record) -> dict[str, ReviewItem]:
    """Three checks that propose Boston for Bob; formats is the surest."""
    return asked(
        formats=[claim(bob, 0.97, City="Boston")],
        conflicts=[claim(bob, 0.9, City="Boston")],
        addresses=[claim(bob, 0.8, City="Boston")],
    )


def decide(item: ReviewItem, verdict: str, user: Any, **given: Any) -> Decision:
    return deciding.decide(item=item, verdict=Verdict(verdict), user=user, **given)


def lay(item: ReviewItem, person: Any) -> None:
    ReviewItem.objects.filter(pk=item.pk).update(leased_by=person, lease_until=timezone.now() + timedelta(minutes=5))


def states() -> dict[str, str]:
    return dict(ReviewItem.objects.order_by("id").values_list("detector", "state"))


def city(record: Record) -> str | None:
    return Record.objects.get(pk=record.pk).fields["City"]


def all_of(value: Any) -> dict[str, Any]:
    return {name: value for name in CHECKS}  # noqa: C420 - lists too


def taught(source: Any) -> dict[str, list[tuple[dict[str, Any], bool]]]:
    """Check -> what the answers taught it: the values, and whether they were right."""
    return {
        name: [(dict(one.finding.proposal.changes), one.is_defect) for one in labelling.labels(source, name)]
        for name in CHECKS
    }


class TestOneAnswer:
    def test_accepting_writes_once_and_teaches_every_check(self, same, bob, source, steward):
        decision = decide(same["conflicts"], "accept", steward)
        assert city(bob) == "Boston"
        assert (Change.objects.count(), ChangeSet.objects.count()) == (1, 1)
        assert states() == all_of(State.DECIDED)
        assert taught(source) == all_of([({"City": "Boston"}, True)])
        along = Decision.objects.exclude(pk=decision.pk)
        assert {one.seen["settled_by"] for one in along} == {decision.pk}
        assert {one.seen["values"][str(bob.pk)]["City"] for one in along} == {"Bostn"}, "as it was when asked"
        assert set(Finding.objects.values_list("state", flat=True)) == {Finding.State.SETTLED}

    def test_rejecting_is_not_asked_again_by_the_next_check(self, same, bob, source, steward):
        decide(same["formats"], "reject", steward)
        scan(source, *CHECKS)
        assert not ReviewItem.objects.open().exists()
        assert taught(source) == all_of([({"City": "Boston"}, False)])
        assert not Change.objects.exists()

    def test_another_value_says_of_every_check_that_it_was_wrong(self, same, bob, source, steward):
        decide(same["formats"], "edit", steward, edited={"changes": {"City": "Bolton"}})
        assert (city(bob), Change.objects.count()) == ("Bolton", 1)
        assert taught(source) == all_of([({"City": "Boston"}, False), ({"City": "Bolton"}, True)])

    def test_a_doubt_is_one_about_all(self, same, steward, source):
        decide(same["formats"], "unsure", steward)
        assert states() == all_of(State.DECIDED)
        assert taught(source) == all_of([])

    def test_a_value_that_a_sales_person_mends_is_an_answer_to_all(self, asked, ann, sales, source):
        asked(formats=[claim(ann, City="Salem")], conflicts=[claim(ann, City="Salem")], addresses=[])
        done = fixing.fix(record=ann, name="City", value="Salem", seen=fixing.mark_of("Boston"), user=sales)
        assert len(done.settled) == 2
        assert taught(source)["formats"] == taught(source)["conflicts"] == [({"City": "Salem"}, True)]
        assert Change.objects.count() == 1

    def test_it_is_one_card_of_the_days_budget_and_one_verified_value(self, same, steward, source):
        decide(same["formats"], "reject", steward)
        assert desks.decided_today(steward) == 1
        assert labelling.count_verdicts(source) == (1, 1)

    def test_every_check_counts_as_corrected(self, same, steward, source):
        decide(same["formats"], "accept", steward)
        counted = figures.compute(source)["detectors"]
        assert [(counted[name]["confirmed"], counted[name]["corrected"], counted[name]["open"]) for name in CHECKS] == [
            (1, 1, 0)
        ] * 3

    def test_a_check_that_finds_a_rejected_value_later_asks_for_its_own_reasons(self, asked, bob, steward):
        decide(asked(formats=[claim(bob, City="Boston")])["formats"], "reject", steward)
        later = asked(conflicts=[claim(bob, City="Boston")])["conflicts"]
        assert queue.fill(user=steward).fresh == [later]

    def test_the_word_on_the_pace_is_about_answers(self, same, steward, monkeypatch):
        monkeypatch.setattr("review.services.checks.LATEST", 1)
        monkeypatch.setattr("review.trust.LATEST", 1)
        decide(same["formats"], "accept", steward, seconds=0.1)
        assert "took 0.1 s each" in checks.alert(steward)

    def test_an_answer_asks_for_twins_once_and_for_nothing_more_where_there_is_none(self, asked, bob, steward):
        item = asked(formats=[claim(bob, City="Boston")])["formats"]
        with CaptureQueriesContext(connection) as queries:
            decide(item, "reject", steward)
        assert sum("WITH twin" in one["sql"] for one in queries) == 1
        assert sum("review_reviewitem" in one["sql"] and "FOR UPDATE" in one["sql"] for one in queries) == 2


class TestOtherQuestions:
    @pytest.mark.parametrize("other", [{"City": "Bolton"}, {"City": "Boston", "Postcode": "02109"}, {"Name": "Boston"}])
    def test_other_values_stay_a_question_of_their_own(self, asked, bob, steward, other):
        items = asked(formats=[claim(bob, City="Boston")], conflicts=[claim(bob, **other)])
        assert queue.fill(user=steward).fresh == [items["formats"], items["conflicts"]]
        decide(items["formats"], "reject", steward)
        assert states() == {"formats": State.DECIDED, "conflicts": State.OPEN}

    def test_the_same_value_for_another_record_is_another_question(self, asked, bob, ann, steward):
        items = asked(formats=[claim(bob, City="Salem")], conflicts=[claim(ann, City="Salem")])
        decide(items["formats"], "accept", steward)
        assert states() == {"formats": State.DECIDED, "conflicts": State.OPEN}

    def test_one_whose_own_reason_has_changed_is_closed_as_stale_not_settled(self, asked, bob, steward, source):
        rests = replace(claim(bob, City="Boston"), evidence=(Evidence("test", 1.0, "by postcode", ("Postcode",)),))
        items = asked(formats=[claim(bob, City="Boston")], conflicts=[rests], addresses=[])
        correcting.set_fields(record_id=bob.pk, changes={"Postcode": "99999"}, cause="test")
        decide(items["formats"], "reject", steward)
        assert states() == {"formats": State.DECIDED, "conflicts": State.STALE}
        assert taught(source)["conflicts"] == []

    def test_what_a_check_no_longer_claims_is_left_alone(self, asked, bob, steward):
        items = asked(formats=[claim(bob, City="Boston")], conflicts=[claim(bob, City="Boston")])
        asked(conflicts=[])
        decide(items["formats"], "accept", steward)
        assert states() == {"formats": State.DECIDED, "conflicts": State.WITHDRAWN}

    def test_a_claim_of_an_older_model_is_settled_as_that_models(self, same, source, steward):
        versions = [
            ModelVersion.objects.create(
                source=source,
                detector="conflicts",
                number=n,
                detector_version="1",
                directory=f"{n}",
                sha256="",
                state=state,
            )
            for n, state in [(1, "retired"), (2, "active")]
        ]
        Run.objects.filter(detector="conflicts").update(model_version=versions[0])
        decide(same["formats"], "accept", steward)
        assert Decision.objects.get(item=same["conflicts"]).model_version == versions[0]

    def test_what_policy_accepts_answers_for_no_other_check(self, same, bob):
        assert deciding.accept_by_policy(item=same["formats"])
        assert states() == {"formats": State.DECIDED, "conflicts": State.OPEN, "addresses": State.OPEN}
        assert Decision.objects.count() == 1


class TestUndo:
    @pytest.mark.parametrize("which", CHECKS)
    @pytest.mark.parametrize("verdict", ["accept", "reject"])
    def test_undoing_any_of_the_decisions_undoes_all(self, same, bob, source, steward, which, verdict):
        decide(same["formats"], verdict, steward)
        deciding.undo_decision(decision=Decision.objects.get(item=same[which]), user=steward)
        assert city(bob) == "Bostn"
        assert states() == all_of(State.OPEN)
        assert taught(source) == all_of([])
        assert set(Finding.objects.values_list("state", flat=True)) == {Finding.State.OPEN}
        for decision in Decision.objects.all():
            with pytest.raises(deciding.AlreadyDecided):
                deciding.undo_decision(decision=decision, user=steward)

    def test_it_may_be_answered_anew(self, same, bob, source, steward):
        deciding.undo_decision(decision=decide(same["formats"], "reject", steward), user=steward)
        decide(same["addresses"], "accept", steward)
        assert taught(source) == all_of([({"City": "Boston"}, True)])
        assert city(bob) == "Boston"

    def test_the_key_for_undo_takes_back_the_answer_not_one_of_its_decisions(self, same, bob, steward):
        decision = decide(same["formats"], "accept", steward)
        assert standing(steward) == decision

    def test_undoing_the_change_undoes_all(self, same, bob, steward):
        decision = decide(same["formats"], "accept", steward)
        undoing.undo_many([decision.change_set], by=steward)
        assert states() == all_of(State.OPEN)

    def test_an_answer_to_a_group_answers_twins_of_its_members_and_is_undone_with_them(
        self, asked, bob, ann, source, steward, monkeypatch
    ):
        told: list[tuple[int, str]] = []
        monkeypatch.setattr(feedback, "_tell_a_worker", lambda *which: told.append(which))
        correcting.set_fields(record_id=ann.pk, changes={"City": "Bostn"}, cause="test")
        both = [claim(bob, City="Boston"), claim(ann, City="Boston")]
        items = asked(formats=both, conflicts=both[:1], addresses=both[1:])
        batch = batching.decide_group(item=items["formats"], verdict=Verdict.ACCEPT, user=steward)
        assert not ReviewItem.objects.open().exists()
        assert taught(source)["conflicts"] == taught(source)["addresses"] == [({"City": "Boston"}, True)]
        assert sorted(told) == [(source.pk, "addresses"), (source.pk, "conflicts")], "a worker ranks their items anew"
        batching.request_undo(batch=batch, user=steward)
        assert ReviewItem.objects.open().count() == 4
        assert (city(bob), city(ann)) == ("Bostn", "Bostn")

    def test_a_claim_that_a_run_no_longer_makes_after_the_undo_is_withdrawn_alone(self, same, asked, source, steward):
        decision = decide(same["formats"], "reject", steward)
        deciding.undo_decision(decision=decision, user=steward)
        asked(conflicts=[])
        assert states() == {"formats": State.OPEN, "conflicts": State.WITHDRAWN, "addresses": State.OPEN}


class TestOneCard:
    def test_the_first_in_the_queues_order_is_shown_and_names_the_others(self, same, steward):
        desk = queue.fill(user=steward)
        assert desk.fresh == [same["formats"]]

    def test_the_page_says_who_else_found_it_and_why(self, same, steward, monkeypatch):
        monkeypatch.setattr("review.services.checks.score_hidden", lambda item: False)
        client = logged_in(steward)
        page = client.post("/queue/next/", {"held": ""}).content.decode()
        assert re.findall(r'class="desk" data-item="(\d+)"', page) == [str(same["formats"].pk)]
        assert "Also found by: conflicts (90 %), addresses (80 %). Your answer settles all." in page
        assert "Also found by conflicts</summary>" in page
        assert "Also asked about" not in page
        answer = client.post(f"/queue/{same['formats'].pk}/decide/", {"verdict": "accept"}).content.decode()
        assert "It answers addresses, conflicts too." in answer
        assert client.get("/decisions/").content.decode().count("settled along") == 2
        assert client.post(reverse("undo-last"), {}).status_code == 200
        assert states() == all_of(State.OPEN)

    def test_no_colleague_is_asked_while_it_lies_on_a_desk(self, same, steward, admin):
        queue.fill(user=steward)
        assert queue.fill(user=admin).fresh == []
        assert queue.claim(user=admin, item_id=same["conflicts"].pk) is None
        assert "A colleague has the same question" in (
            logged_in(admin).post("/queue/next/", {"item": same["conflicts"].pk}).content.decode()
        )
        queue.release(user=steward)
        assert queue.fill(user=admin).fresh == [same["formats"]]

    def test_other_cards_come_in_its_place(self, same, asked, ann, bob, steward, admin):
        more = asked(rules=[claim(ann, 0.6, City="Salem"), claim(bob, 0.7, Name="Bobby Ray")])["rules"]
        assert len(queue.fill(user=steward, want=1).fresh) == 1
        assert {item.detector for item in queue.fill(user=admin, want=3).fresh} == {more.detector}

    def test_one_whose_lease_ran_out_is_asked_elsewhere(self, same, steward, admin):
        queue.fill(user=steward)
        ReviewItem.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert queue.fill(user=admin, filters=queue.Filters(detector="addresses")).fresh == [same["addresses"]]

    def test_of_two_desks_the_first_answer_counts_and_the_other_card_is_gone(self, same, steward, admin):
        """A run found one of them while the other lay on a desk."""
        lay(same["formats"], steward)
        lay(same["conflicts"], admin)
        decide(same["formats"], "reject", steward)
        assert queue.renew(user=admin, held=[same["conflicts"].pk]) == [same["conflicts"].pk]
        with pytest.raises(deciding.AlreadyDecided):
            decide(same["conflicts"], "accept", admin)
        assert set(Decision.objects.values_list("by", "verdict")) == {(steward.pk, "reject")}

    def test_what_lies_on_a_desk_is_answered_there_not_by_its_twin(self, same, steward, admin):
        lay(same["conflicts"], admin)
        with pytest.raises(deciding.AlreadyDecided, match="same question"):
            decide(same["formats"], "reject", steward)
        batch = batching.decide_group(item=same["formats"], verdict=Verdict.REJECT, user=steward)
        assert [(one.outcome, one.decision) for one in batch.members.all()] == [("taken", None)]
        assert states() == all_of(State.OPEN)

    def test_a_mended_value_leaves_what_lies_on_a_desk_and_its_twins(self, asked, ann, sales, steward):
        items = asked(formats=[claim(ann, City="Salem")], conflicts=[claim(ann, City="Salem")])
        lay(items["conflicts"], steward)
        fixing.fix(record=ann, name="City", value="Salem", seen=fixing.mark_of("Boston"), user=sales)
        assert city(ann) == "Salem"
        assert not Decision.objects.exists()

    def test_skipping_puts_all_behind_the_others(self, same, asked, ann, steward):
        other = asked(rules=[claim(ann, 0.5, City="Salem")])["rules"]
        first = queue.claim_next(user=steward)
        queue.skip(item=first, user=steward, reason="ask Bob")
        assert queue.claim_next(user=steward) == other
        assert set(ReviewItem.objects.filter(detector__in=CHECKS).values_list("skips", flat=True)) == {1}
        assert Skip.objects.count() == 3

    def test_assigning_one_assigns_the_question(self, same, steward, admin):
        assert queue.assign(items=[same["conflicts"].pk], to=admin, by=steward) == 1
        assert set(ReviewItem.objects.values_list("assigned_to", flat=True)) == {admin.pk}
        assert queue.fill(user=steward).fresh == []
        assert queue.fill(user=admin).fresh == [same["formats"]]

    def test_what_was_just_skipped_is_not_asked_at_once_by_its_twin(self, same, steward):
        client = logged_in(steward)
        client.post("/queue/next/", {"held": ""})
        answer = client.post(f"/queue/{same['formats'].pk}/skip/", {"held": "", "want": "3"})
        assert 'class="desk"' not in answer.content.decode()

    def test_a_hidden_score_hides_those_of_the_others(self, same, steward, monkeypatch):
        monkeypatch.setattr("review.services.checks.score_hidden", lambda item: True)
        page = logged_in(steward).post("/queue/next/", {"held": ""}).content.decode()
        assert "Also found by: conflicts, addresses." in page


class TestRoles:
    def test_an_outsider_settles_none_of_them(self, same, sales):
        for item in same.values():
            assert post(logged_in(sales), "/decisions/", {"item": item.pk, "verdict": "accept"}).status_code == 404
        assert states() == all_of(State.OPEN)

    def test_a_sales_person_settles_those_of_their_own_record(self, asked, ann, sales):
        items = asked(formats=[claim(ann, City="Salem")], conflicts=[claim(ann, City="Salem")])
        ReviewItem.objects.filter(pk=items["conflicts"].pk).update(owners=["somebody"])  # hidden, as of the last run
        assert (
            post(logged_in(sales), "/decisions/", {"item": items["formats"].pk, "verdict": "reject"}).status_code == 201
        )
        assert states() == {"formats": State.DECIDED, "conflicts": State.OPEN}
        ReviewItem.objects.update(owners=["sales"])
        deciding.undo_decision(decision=Decision.objects.get(), user=sales)
        decide(items["formats"], "reject", sales)
        assert states() == {"formats": State.DECIDED, "conflicts": State.DECIDED}

    def test_masked_values_are_masked_in_the_others_reasons_too(self, asked, ann, sales, source):
        reason = (Evidence("seen", 1.0, "ann.lee@example.com is in the file", ("Email",)),)
        new = {"Email": "ann.lee@example.com"}
        items = asked(formats=[claim(ann, **new)], conflicts=[replace(claim(ann, **new), evidence=reason)])
        disclosing.set_policy(
            source=source,
            masked_for=["sales"],
            columns=["email"],
            reason_required=False,
            sales_decide=["set"],
            by=None,
        )
        with masking.seen_by(lambda: sales):
            (also,) = card(items["formats"]).also
        assert also.item == items["conflicts"]
        assert "ann.lee" not in also.why[0]


class TestApi:
    def test_the_card_names_the_others_and_one_decision_settles_them(self, same, steward):
        client = logged_in(steward)
        seen = post(client, "/items/next/").json()
        assert [(one["detector"], one["item"]) for one in seen["card"]["also_found_by"]] == [
            ("conflicts", same["conflicts"].pk),
            ("addresses", same["addresses"].pk),
        ]
        given = {"item": seen["id"], "verdict": "accept"}
        first, again = (post(client, "/decisions/", given, key="k1") for _ in range(2))
        assert (first.status_code, again.status_code, first.json()) == (201, 201, again.json())
        assert (Decision.objects.count(), Change.objects.count()) == (3, 1)
        assert post(client, "/decisions/", given | {"item": same["conflicts"].pk}, key="k2").status_code == 409
        assert post(client, "/items/next/").status_code == 204

    def test_a_bulk_says_of_a_twin_that_it_is_decided_and_its_keys_may_come_again(self, same, steward):
        given = [{"item": one.pk, "verdict": "reject", "key": name} for name, one in same.items()]
        for expected in ([201, 409, 409], [200, 409, 409]):
            answer = post(logged_in(steward), "/decisions/bulk/", {"decisions": given}).json()["results"]
            assert sorted(one["status"] for one in answer) == expected
        assert Decision.objects.count() == 3

    def test_undo_of_one_of_the_decisions_undoes_all(self, same, bob, steward):
        client = logged_in(steward)
        post(client, "/decisions/", {"item": same["formats"].pk, "verdict": "accept"})
        one = Decision.objects.get(item=same["addresses"])
        assert post(client, f"/decisions/{one.pk}/undo/").json()["restored"] == 1
        assert (city(bob), states()) == ("Bostn", all_of(State.OPEN))


@pytest.mark.django_db(transaction=True)
def test_of_two_stewards_who_answer_twins_at_once_one_is_first(same, bob, steward, make_user):
    people = [steward, make_user("steward", "second"), make_user("steward", "third")]
    start, outcomes = threading.Barrier(len(people)), []

    def answer(person: Any, item: ReviewItem, verdict: str) -> None:
        start.wait()
        try:
            outcomes.append(decide(item, verdict, person).by_id)
        except deciding.AlreadyDecided:
            outcomes.append(None)
        finally:
            connections.close_all()

    for verdicts in [("accept", "reject", "reject"), ("reject", "accept", "edit")] * 4:
        start.reset()
        outcomes.clear()
        said = zip(people, same.values(), ["accept" if one == "edit" else one for one in verdicts], strict=True)
        threads = [threading.Thread(target=answer, args=one) for one in said]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        firsts = [one for one in outcomes if one is not None]
        stood = Decision.objects.filter(undone_at=None)
        assert len(firsts) == 1, outcomes
        assert set(stood.values_list("by", flat=True)) == set(firsts)
        assert (stood.count(), stood.values("verdict").distinct().order_by().count()) == (3, 1)
        assert states() == all_of(State.DECIDED)
        assert city(bob) == ("Boston" if stood[0].verdict == "accept" else "Bostn")
        deciding.undo_decision(decision=stood[0], user=steward)


@pytest.mark.django_db(transaction=True)
def test_two_desks_filled_at_once_never_ask_the_same(asked, source, steward, make_user):
    records = list(Record.objects.order_by("id"))
    found = [claim(record, 0.9, City="Salem") for record in records]
    asked(formats=found, conflicts=found, addresses=found)
    people = [steward, make_user("steward", "second")]
    start = threading.Barrier(2)
    lying: dict[int, list[ReviewItem]] = {}

    def fill(person: Any) -> None:
        start.wait()
        lying[person.pk] = queue.fill(user=person, want=2).fresh
        connections.close_all()

    for _ in range(6):
        threads = [threading.Thread(target=fill, args=(person,)) for person in people]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        asked_about = [item.finding.subjects[0] for items in lying.values() for item in items]
        assert len(asked_about) == len(set(asked_about)), asked_about
        for person in people:
            queue.release(user=person)


def test_a_twin_that_somebody_holds_for_long_is_left_to_be_asked(same, steward, monkeypatch):
    monkeypatch.setattr(deciding, "PAUSES", ())
    kept = deciding.twins.locked_twins
    monkeypatch.setattr(
        deciding.twins,
        "locked_twins",
        lambda items: {
            item: [replace(twin, is_locked=twin.item != same["addresses"].pk) for twin in found]
            for item, found in kept(items).items()
        },
    )
    decide(same["formats"], "reject", steward)
    assert states() == {"formats": State.DECIDED, "conflicts": State.DECIDED, "addresses": State.OPEN}


def test_the_gate_of_every_check_counts_the_answer(same, source, steward):
    decide(same["formats"], "accept", steward)
    for name in CHECKS:
        assert labelling.teaching(source.pk, name).count() == 1
        assert policies.current_policy(source, name)


def logged_in(user: Any) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client: Client, path: str, body: Any = None, key: str = "") -> Any:
    headers = {"Idempotency-Key": key} if key else {}
    return client.post(f"/api/v1{path}", json.dumps(body or {}), "application/json", headers=headers)
