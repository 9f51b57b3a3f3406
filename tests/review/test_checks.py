"""Cards whose answer is known: they look like any other, write nothing, and say how far a person is trusted."""

from __future__ import annotations

import json
from datetime import timedelta
from typing import Any

import pandas as pd
import pytest
from django.test import Client
from django.urls import reverse
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crmquality.models import Change, Record
from crmquality.services import correcting
from crmquality.services.measuring_reference import measure_against_reference
from review.models import CheckAnswer, Decision, KnownAnswer, ReviewItem
from review.services import checks, deciding, known_answers, labelling, queue
from review.trust import error_rate, label_weight, pace_alert
from tests.scripted import claim, install, scan

Verdict = Decision.Verdict


@pytest.fixture(autouse=True)
def quick_passwords(settings: Any) -> None:
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


@pytest.fixture
def bob(source):
    return Record.objects.get(external_id="C3")


@pytest.fixture
def other(make_user):
    return make_user("steward", "other")


@pytest.fixture
def items(source, bob, monkeypatch):
    cy = Record.objects.get(external_id="C4")
    install(monkeypatch, lambda batch: [claim(bob, City="Boston"), claim(cy, 0.8, City="Rome")])
    scan(source)
    return list(ReviewItem.objects.order_by("-score"))


@pytest.fixture
def old(items, other):
    """Bob's city, corrected by another steward two months ago."""
    decision = deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=other)
    Decision.objects.filter(pk=decision.pk).update(at=timezone.now() - timedelta(days=60))
    return decision


@pytest.fixture
def always(monkeypatch):
    monkeypatch.setattr(checks.random, "random", lambda: 0.0)


class TestMaterial:
    def test_a_decision_that_stood_for_long_becomes_certain(self, old):
        assert known_answers.gather() == 1
        known = KnownAnswer.objects.get()
        assert (known.decision, known.right, known.why) == (old, True, "stood")

    def test_a_fresh_decision_does_not(self, items, other):
        deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=other)
        assert known_answers.gather() == 0

    def test_one_whose_value_was_edited_since_does_not(self, old, bob):
        correcting.set_fields(record_id=bob.pk, changes={"City": "Cambridge"}, cause="later")
        assert known_answers.gather() == 0

    def test_an_undone_one_is_retired(self, old, other):
        known_answers.gather()
        deciding.undo_decision(decision=old, user=other)
        known_answers.gather()
        assert KnownAnswer.objects.get().retired_at

    def test_two_people_who_say_the_same_of_the_same_values_make_it_certain(self, items, other, steward):
        first = deciding.decide(item=items[0], verdict=Verdict.REJECT, user=other)
        again = ReviewItem.objects.create(
            finding=items[0].finding, source=items[0].source, detector="scripted", action="set", score=0.9, rank=0.9
        )
        deciding.decide(item=again, verdict=Verdict.REJECT, user=steward)
        known_answers.gather()
        known = KnownAnswer.objects.get()
        assert (known.right, known.why) == (False, "agreed")
        assert known.decision != first

    def test_a_reference_file_overrules_the_person(self, source, items, other):
        deciding.decide(item=items[0], verdict=Verdict.REJECT, user=other)
        reference = pd.DataFrame({"Contact ID": ["C3"], "City": ["Boston"]})
        measure_against_reference(source=source, reference=reference)
        known = KnownAnswer.objects.get()
        assert (known.right, known.why) == (True, "reference")


class TestPlanting:
    @pytest.fixture
    def planted(self, old, always, steward):
        known_answers.gather()
        item = queue.claim_next(user=steward)
        assert item is not None
        return item

    def test_without_material_every_card_is_real(self, items, always, steward):
        assert queue.claim_next(user=steward) == items[0]

    def test_at_a_share_of_nought_every_card_is_real(self, old, always, steward, admin, items):
        known_answers.gather()
        checks.set_shares(known=0, hidden=0, user=admin)
        assert queue.claim_next(user=steward) == items[1]

    def test_it_looks_as_it_did_and_its_history_ends_there(self, planted, bob):
        from review.selectors.cards import card

        shown = card(planted)
        bob.refresh_from_db()
        assert bob.fields["City"] == "Boston"
        assert shown.writes == ["City: “Bostn” becomes “Boston”"]
        assert shown.history == []
        assert planted.shown_state == "open"

    def test_whoever_decided_it_never_meets_it(self, old, always, other, items):
        known_answers.gather()
        assert queue.claim_next(user=other) == items[1]

    def test_it_is_on_one_desk_only_and_in_no_count(self, planted, steward, admin):
        assert planted in queue.visible_items(steward)
        assert planted not in queue.visible_items(admin)
        assert planted not in ReviewItem.objects.open()

    def test_nothing_can_apply_it(self, planted, steward, bob):
        before = Change.objects.count()
        with pytest.raises(deciding.AlreadyDecided):
            deciding.decide(item=planted, verdict=Verdict.ACCEPT, user=steward)
        checks.answer(item=planted, verdict=Verdict.ACCEPT, user=steward)
        assert Change.objects.count() == before
        assert Decision.objects.count() == 1

    def test_it_comes_once_to_a_person(self, planted, steward, items):
        checks.answer(item=planted, verdict=Verdict.ACCEPT, user=steward)
        assert queue.claim_next(user=steward) == items[1]

    @pytest.mark.parametrize(
        ("verdict", "right"), [("accept", True), ("edit", True), ("reject", False), ("unsure", None)]
    )
    def test_it_is_held_against_the_known_answer(self, planted, steward, verdict, right):
        assert checks.answer(item=planted, verdict=Verdict(verdict), user=steward).right is right

    def test_it_says_nothing_of_a_person_once_what_was_agreed_is_taken_back(self, planted, old, steward, other):
        deciding.undo_decision(decision=old, user=other)
        answered = checks.answer(item=planted, verdict=Verdict.REJECT, user=steward)
        assert answered.right is None
        assert "taken back" in checks.said(answered)

    def test_an_answer_that_is_no_longer_certain_is_not_planted(self, old, always, steward, bob, items):
        known_answers.gather()
        correcting.set_fields(record_id=bob.pk, changes={"City": "Cambridge"}, cause="later")
        assert queue.claim_next(user=steward) == items[1]
        assert KnownAnswer.objects.get().retired_at

    def test_the_desk_tells_the_agreed_answer_and_goes_on(self, planted, steward, items):
        client = Client()
        client.force_login(steward)
        answer = client.post(reverse("decide", args=[planted.pk]), {"verdict": "reject", "seconds": "2"})
        page = answer.content.decode()
        assert "This one was a check: the agreed answer was accept, yours was reject." in page
        assert f'data-item="{items[1].pk}"' in page
        assert "the agreed answer" not in client.post(reverse("next-card")).content.decode()
        first, second = (client.post(reverse("undo-last")).content.decode() for _ in range(2))
        assert "nothing to undo" in first
        assert "Nothing to undo." in second

    def test_the_api_hands_it_out_like_any_other_and_tells_afterwards(self, old, always, steward):
        known_answers.gather()
        client = Client()
        client.force_login(steward)
        item = client.post("/api/v1/items/next/", "{}", "application/json").json()
        assert (item["state"], item["card"]["writes"]) == ("open", ["City: “Bostn” becomes “Boston”"])
        body = json.dumps({"item": item["id"], "verdict": "reject"})
        made = client.post("/api/v1/decisions/", body, "application/json")
        assert (made.status_code, made.json()["id"]) == (200, None)
        assert made.json()["check"] == {"answer": "accept", "right": False}

    def test_ones_accuracy_is_on_ones_own_page_and_admins_see_all(self, planted, steward, admin, other):
        checks.answer(item=planted, verdict=Verdict.REJECT, user=steward)
        pages = {}
        for user in (steward, other, admin):
            client = Client()
            client.force_login(user)
            pages[user.username] = client.get(reverse("my-work")).content.decode()
        assert "of 1 as agreed" in pages["steward"]
        assert "of 1 as agreed" not in pages["other"]
        client = Client()
        client.force_login(admin)
        assert "0 % of 1" in client.get(reverse("people")).content.decode()


class TestTrust:
    def test_wrong_answers_make_a_persons_labels_weigh_less(self, old, items, steward, other):
        known_answers.gather()
        known = KnownAnswer.objects.get()
        assert [label.weight for label in labelling.labels(old.item.source, "scripted")] == [1.0]
        for number in range(10):
            item = ReviewItem.objects.create(
                finding=old.item.finding, source=old.item.source, detector="scripted", action="set", state="check",
                score=0.9, rank=0.9, known_answer=known,
            )  # fmt: skip
            CheckAnswer.objects.create(item=item, known_answer=known, by=other, verdict="reject", right=number > 6)
        (label,) = labelling.labels(old.item.source, "scripted")
        assert label.weight == pytest.approx((1 - 2 * 8 / 30) / 0.9)

    @given(st.integers(0, 200), st.integers(0, 200))
    def test_a_weight_lies_in_zero_to_one_and_falls_with_errors(self, wrong, more):
        answered = wrong + more + 1
        weight = label_weight(error_rate(wrong, answered))
        assert 0 <= label_weight(error_rate(wrong + 1, answered)) <= weight <= 1

    def test_a_pace_alert_is_for_haste_or_for_accepting_all(self):
        assert pace_alert([True] * 99, [0.1] * 99) == ""
        assert "0.5 s" in pace_alert([True, False] * 50, [0.5] * 100)
        assert "You accepted 99%" in pace_alert([True] * 99 + [False], [3.0] * 100)
        assert pace_alert([True] * 98 + [False] * 2, [3.0] * 100) == ""


def test_a_card_with_its_score_hidden_says_so_and_the_decision_remembers(items, steward, admin, monkeypatch):
    monkeypatch.setattr(checks, "hides_score", lambda item, share: share > 0)
    client = Client()
    client.force_login(steward)
    page = client.post(reverse("next-card")).content.decode()
    assert "score hidden" in page
    assert "likely" not in page
    assert deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=steward).seen["score_hidden"]
    checks.set_shares(known=0, hidden=0, user=admin)
    assert not checks.score_hidden(items[1])


def test_a_planted_merge_looks_as_it_did_though_its_records_are_one_by_now(source, monkeypatch, other, steward):
    from review.selectors.cards import card
    from tests.scripted import merge_claim

    ann, anne = Record.objects.filter(external_id__in=["C1", "C2"]).order_by("external_id")
    install(monkeypatch, lambda batch: [merge_claim(ann, anne, Name="Anne Lee")])
    scan(source)
    item = ReviewItem.objects.get()
    before = card(item)
    decision = deciding.decide(item=item, verdict=Verdict.ACCEPT, user=other)
    Decision.objects.filter(pk=decision.pk).update(at=timezone.now() - timedelta(days=60))
    known_answers.gather()
    monkeypatch.setattr(checks.random, "random", lambda: 0.0)
    planted = queue.claim_next(user=steward)
    assert planted is not None
    assert planted.known_answer is not None
    now = card(planted)
    assert (now.question, now.writes, now.history) == (before.question, before.writes, [])
    shown, then = ([(one.title, one.stays, one.is_in) for one in seen.merge.members] for seen in (now, before))
    assert shown == then
