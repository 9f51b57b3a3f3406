"""A sales person's own records: what is wrong with them, mending it, and what a correction teaches."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
from django.test import Client

from crmquality.models import Change, ChangeSet, Finding, Record
from crmquality.services import checking, correcting, undoing
from crmquality.services.errors import Conflict, Refused
from detectors.contract import Evidence, Flag
from detectors.contract import Finding as Found
from detectors.roles import Role
from review.models import Decision, Question, ReviewItem, VerifiedValue
from review.selectors import own
from review.services import asking, fixing
from tests.conftest import COLUMNS
from tests.scripted import claim, install, merge_claim, scan

Verdict = Decision.Verdict


@pytest.fixture
def ann(source: Any) -> Record:
    return Record.objects.select_related("source").get(external_id="C1")


@pytest.fixture
def claimed(source: Any, ann: Record, monkeypatch: pytest.MonkeyPatch) -> Any:
    """claimed(finding, ...) runs a detector that finds these."""

    def run(*findings: Found) -> list[ReviewItem]:
        install(monkeypatch, lambda batch: findings)
        scan(source)
        return list(ReviewItem.objects.open().order_by("-score"))

    return run


def fix(record: Record, user: Any, **values: str | None) -> fixing.Fixed:
    name, value = values.popitem()
    return fixing.fix(record=record, name=name, value=value, seen=fixing.mark_of(record.fields.get(name)), user=user)


class TestFixing:
    def test_a_correction_is_written_and_undone_by_whoever_made_it(self, ann, sales):
        done = fix(ann, sales, City="Cambridge")
        ann.refresh_from_db()
        assert (ann.fields["City"], done.change_set.by, list(fixing.own_changes(sales))) == (
            "Cambridge",
            sales,
            [done.change_set],
        )
        undoing.undo_with_cause(change_set=done.change_set, by=sales)
        ann.refresh_from_db()
        assert (ann.fields["City"], list(fixing.own_changes(sales))) == ("Boston", [])

    def test_a_value_changed_meanwhile_is_not_overwritten_and_is_told(self, ann, sales, steward):
        correcting.set_fields(record_id=ann.pk, changes={"City": "Salem"}, cause="test", by=steward)
        with pytest.raises(fixing.Moved) as moved:
            fix(ann, sales, City="Cambridge")
        ann.refresh_from_db()
        assert (moved.value.now, ann.fields["City"]) == ("Salem", "Salem")

    def test_another_field_changed_meanwhile_is_no_conflict(self, ann, sales):
        correcting.set_fields(record_id=ann.pk, changes={"City": "Salem"}, cause="test")
        fix(ann, sales, Phone="+1 202 555 0199")
        ann.refresh_from_db()
        assert (ann.fields["City"], ann.fields["Phone"]) == ("Salem", "+1 202 555 0199")

    def test_the_same_value_again_is_refused(self, ann, sales):
        with pytest.raises(Refused):
            fix(ann, sales, City="Boston")

    def test_where_nothing_was_claimed_the_value_is_kept_as_verified_until_it_is_undone(self, ann, sales, source):
        done = fix(ann, sales, City="Cambridge")
        kept = fixing.verified_values(source).get()
        assert (kept.record, kept.field, kept.was, kept.value, kept.by) == (ann, "City", "Boston", "Cambridge", sales)
        undoing.undo_with_cause(change_set=done.change_set, by=sales)
        assert not fixing.verified_values(source).exists()

    @pytest.mark.parametrize(("written", "verdict"), [("Cambridge", Verdict.ACCEPT), ("Salem", Verdict.EDIT)])
    def test_it_settles_an_open_claim_of_the_field(self, ann, sales, claimed, written, verdict):
        claimed(claim(ann, City="Cambridge"))
        done = fix(ann, sales, City=written)
        decision = Decision.objects.get()
        ann.refresh_from_db()
        assert (decision.verdict, decision.by, decision.change_set) == (verdict, sales, done.change_set)
        assert (ann.fields["City"], ReviewItem.objects.get().state) == (written, "decided")
        assert not VerifiedValue.objects.exists()

    def test_a_claim_of_another_field_stays_open(self, ann, sales, claimed):
        claimed(claim(ann, City="Cambridge"))
        fix(ann, sales, Phone="+1 202 555 0199")
        assert ReviewItem.objects.open().count() == 1

    def test_a_correction_of_what_was_flagged_says_that_the_flag_was_right(self, ann, sales, claimed):
        claimed(Found((ann.pk,), Flag(), 0.9, (Evidence("city", 1.0, "odd", ("City",)),), "odd"))
        fix(ann, sales, City="Cambridge")
        assert Decision.objects.get().verdict == Verdict.EDIT

    def test_every_claim_of_the_field_is_settled_and_comes_back_with_an_undo(self, ann, sales, claimed):
        claimed(claim(ann, 0.9, City="Salem"), claim(ann, 0.8, City="Cambridge"), claim(ann, 0.7, City="Lynn"))
        done = fix(ann, sales, City="Cambridge")
        verdicts = sorted(Decision.objects.values_list("verdict", "item__score"))
        assert verdicts == [("accept", 0.8), ("edit", 0.7), ("edit", 0.9)]
        assert ChangeSet.objects.count() == 1
        undoing.undo_with_cause(change_set=done.change_set, by=sales)
        assert ReviewItem.objects.open().count() == 3
        assert not Decision.objects.filter(undone_at__isnull=True).exists()
        assert set(Finding.objects.values_list("state", flat=True)) == {"open"}

    def test_a_settled_claim_is_not_asked_again(self, source, ann, sales, claimed):
        claimed(claim(ann, 0.9, City="Salem"), claim(ann, 0.8, City="Cambridge"))
        fix(ann, sales, City="Cambridge")
        scan(source)
        assert not ReviewItem.objects.open().exists()

    def test_it_teaches_as_a_label(self, source, ann, sales, claimed):
        from review.services import labelling

        claimed(claim(ann, City="Cambridge"))
        fix(ann, sales, City="Cambridge")
        assert [label.is_defect for label in labelling.labels(source, "scripted")] == [True]

    def test_what_policy_leaves_to_stewards_is_not_settled(self, source, ann, sales, claimed):
        from crmquality.services import disclosing

        claimed(claim(ann, City="Cambridge"))
        disclosing.set_policy(
            source=source, masked_for=[], columns=[], reason_required=False, sales_decide=["merge"], by=None
        )
        fix(ann, sales, City="Cambridge")
        assert not Decision.objects.exists()
        assert VerifiedValue.objects.count() == 1

    def test_a_card_on_a_stewards_desk_is_left_to_them(self, ann, sales, steward, claimed):
        from review.services import queue

        claimed(claim(ann, City="Cambridge"))
        queue.claim_next(user=steward)
        fix(ann, sales, City="Salem")
        assert not Decision.objects.exists()


class TestChecking:
    @pytest.fixture
    def person(self, make_source) -> Record:
        columns = {"Id": Role.ID, "Email": Role.EMAIL, "Phone": Role.PHONE, "Country": Role.COUNTRY, "Fax": Role.FAX}
        make_source("people", columns, [["P1", None, None, "Germany", None]])
        return Record.objects.get()

    @pytest.mark.parametrize(
        ("column", "value", "valid", "suggestion"),
        [
            ("Email", "bob@", False, None),
            ("Email", "bob@gmail.com", True, None),
            ("Email", "bob@gmial.com", True, "bob@gmail.com"),
            ("Phone", "030 901820", True, "+4930901820"),
            ("Phone", "12", False, None),
            ("Country", "Germny", False, "DE"),
            ("Email", "", False, None),
            ("Email", "n/a", False, None),
            ("Fax", "", True, None),
        ],
    )
    def test_a_value_is_judged_by_its_column_in_the_records_country(self, person, column, value, valid, suggestion):
        found = checking.check_value(person, column, value)
        assert (found.is_valid, found.suggestion) == (valid, suggestion)

    def test_an_unknown_field_is_refused(self, person):
        with pytest.raises(Refused):
            checking.check_value(person, "Planet", "Mars")


class TestList:
    def test_the_worst_comes_first_and_each_fault_is_said_in_words(self, make_source, sales):
        rows = [
            ["C1", "Ann Lee", "ann@example.com", "+1 202 555 0101", "Boston", "02108", "sales"],
            ["C2", "Bea Lee", "bea@", None, "", "02108", "sales"],
            ["C3", "Cy Lee", "cy@example.com", None, "Boston", "02108", "sales"],
            ["C4", "Di Lee", "di@", None, None, None, "other"],
        ]
        make_source("contacts", COLUMNS, rows)
        found = own.own(sales)
        assert [one.record.external_id for one in found.records] == ["C2", "C3"]
        assert (found.total, found.faulty) == (3, 2)
        assert [(fault.field, fault.words) for fault in found.records[0].faults] == [
            ("Email", "“bea@” is not a valid email."),
            ("Phone", "It is blank."),
            ("City", "It is blank."),
        ]

    def test_a_claim_stands_in_place_of_the_rule_that_says_the_same(self, ann, sales, claimed):
        correcting.set_fields(record_id=ann.pk, changes={"Phone": None}, cause="test")
        (item,) = claimed(claim(Record.objects.get(pk=ann.pk), Phone="+1 202 555 0101"))
        (fault,) = own.own(sales).records[0].faults
        assert (fault.item, fault.suggestion, fault.decidable) == (item, "+1 202 555 0101", True)

    def test_a_merge_with_a_colleagues_record_is_left_out(self, ann, sales, claimed):
        claimed(merge_claim(ann, Record.objects.get(external_id="C3")))
        assert own.own(sales).records == []

    def test_why_two_of_ones_own_may_be_one_is_said_by_the_strongest_reasons(self, make_source, sales, claimed):
        rows = [["C7", "Ann Lee", "ann@example.com", "+1 202 555 0101", "Boston", "02108", "sales"] for _ in range(2)]
        rows[1] = ["C8", *rows[1][1:]]
        one, two = make_source("mine", rows=rows).records.order_by("external_id")
        reasons = tuple(
            Evidence(name, weight, f"says {name}") for name, weight in (("prior", -13), ("name", 4), ("mail", 9))
        )
        found = replace(merge_claim(one, two), evidence=reasons)
        claimed(found)
        scan(one.source)
        says = [fault.words for fault in own.own(sales).records[0].faults]
        assert says == ["It may be the same as Ann Lee (C8). mail: says mail; name: says name"]

    def test_a_text_is_found_in_faultless_records_too(self, source, sales):
        assert own.own(sales).records == []
        assert [one.title for one in own.own(sales, asked="anne").records] == ["Anne Lee"]

    def test_a_steward_owns_what_names_them_and_no_more(self, source, steward):
        assert own.own(steward).total == 0

    def test_a_page_costs_the_same_queries_however_many_records_there_are(
        self, make_source, sales, django_assert_max_num_queries
    ):
        rows = [[f"C{i}", f"Ann {i}", "ann@", None, None, "02108", "sales"] for i in range(60)]
        make_source("contacts", COLUMNS, rows)
        with django_assert_max_num_queries(14):
            own.own(sales)


class TestQuestions:
    def test_a_steward_sees_a_question_on_the_card_and_answers_it_once(self, ann, sales, steward, claimed):
        from review.selectors.cards import card

        (item,) = claimed(claim(ann, City="Cambridge"))
        question = asking.ask(record=ann, item=item, text=" Is it? ", user=sales)
        assert [one.text for one in card(item).questions] == ["Is it?"]
        asking.answer(question=question, text="It is.", user=steward)
        with pytest.raises(Conflict):
            asking.answer(question=question, text="No.", user=steward)
        assert [one.answer for one in own.own_record(ann, sales).questions] == ["It is."]

    def test_nothing_is_no_question(self, ann, sales):
        with pytest.raises(Refused):
            asking.ask(record=ann, text=" \0 ", user=sales)


class TestPages:
    @pytest.fixture
    def client(self, sales: Any) -> Client:
        client = Client()
        client.force_login(sales)
        return client

    def form(self, record: Record, name: str, value: str) -> dict[str, str]:
        return {"field": name, "value": value, "seen": fixing.mark_of(record.fields[name])}

    def test_a_sales_person_lands_on_their_records(self, client, source):
        assert client.get("/", follow=True).redirect_chain == [("/my/", 302)]

    def test_without_a_script_a_form_saves_too(self, client, ann):
        answer = client.post(f"/my/{ann.pk}/fix/", self.form(ann, "City", "Salem"), follow=True)
        assert "City is saved." in answer.content.decode()

    def test_a_conflict_shows_both_values_and_either_can_be_kept(self, client, ann, steward):
        sent = self.form(ann, "City", "Salem")
        correcting.set_fields(record_id=ann.pk, changes={"City": "Lynn"}, cause="test", by=steward)
        answer = client.post(f"/my/{ann.pk}/fix/", sent, headers={"HX-Request": "true"})
        page = answer.content.decode()
        assert "Lynn" in page
        assert "Salem" in page
        assert fixing.mark_of("Lynn") in page
        client.post(f"/my/{ann.pk}/fix/", sent | {"seen": fixing.mark_of("Lynn")})
        ann.refresh_from_db()
        assert ann.fields["City"] == "Salem"

    def test_the_hint_says_what_is_wrong_as_one_types(self, client, ann):
        hint = client.post(f"/my/{ann.pk}/check/", {"field": "Email", "value": "ann@gmial.com"}).content.decode()
        assert "ann@gmail.com" in hint
        assert client.post(f"/my/{ann.pk}/check/", {"field": "Planet", "value": "x"}).status_code == 400

    def test_a_claim_is_accepted_or_rejected_in_place(self, client, ann, claimed):
        (item,) = claimed(claim(ann, City="Cambridge"))
        client.post(f"/my/items/{item.pk}/decide/", {"verdict": "accept", "record": ann.pk})
        ann.refresh_from_db()
        assert ann.fields["City"] == "Cambridge"
        client.post(f"/my/changes/{Change.objects.get().change_set_id}/undo/", {"record": ann.pk})
        client.post(f"/my/items/{item.pk}/decide/", {"verdict": "reject", "record": ann.pk})
        assert Decision.objects.get(undone_at=None).verdict == "reject"

    def test_a_record_given_away_is_said_to_be_gone(self, client, ann):
        answer = client.post(f"/my/{ann.pk}/fix/", self.form(ann, "Owner", "other"), headers={"HX-Request": "true"})
        assert "no longer among yours" in answer.content.decode()

    def test_empty_pages_say_why(self, client, make_source):
        assert "No records have an owner" in client.get("/my/").content.decode()
        make_source("contacts", COLUMNS, [["C9", "Zoe", None, None, None, None, "other"]])
        assert "No record is yours" in client.get("/my/").content.decode()


class TestApi:
    def test_what_the_page_does_the_api_does(self, sales, ann, claimed):
        client = Client()
        client.force_login(sales)

        def post(path: str, body: Any, **headers: str) -> Any:
            return client.post(f"/api/v1/{path}", json.dumps(body), content_type="application/json", headers=headers)

        claimed(claim(ann, City="Cambridge"))
        page = client.get("/api/v1/own-records/").json()
        assert (page["total"], page["records"][0]["faults"][0]["suggestion"]) == (2, "Cambridge")
        place = f"own-records/{ann.pk}/"
        checked = post(place + "check/", {"field": "Email", "value": "bob@"}).json()
        assert (checked["valid"], checked["suggestion"]) == (False, None)
        sent = {"field": "City", "value": "Cambridge"}
        assert post(place + "fix/", sent).status_code == 428
        assert post(place + "fix/", sent, **{"If-Match": '"9"'}).status_code == 412
        done = post(place + "fix/", sent, **{"If-Match": '"1"'}).json()
        assert done["decisions"] == [Decision.objects.get().pk]
        assert post(place + "undo/", {"change_set": done["change_set"]}).json()["restored"] == 1
        asked = post("questions/", {"record": ann.pk, "text": "Why?"})
        assert (asked.status_code, Question.objects.get().text) == (201, "Why?")
