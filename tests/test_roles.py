"""What each role may see in the bodies of answers, and that an auditor writes nothing: derived from every route."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from django.test import Client

from detectors.contract import Evidence, Finding, SetFields
from tests.scripted import claim, install, merge_claim, scan
from tests.test_access import (
    AUDITOR,
    EVERYONE,
    PUBLIC,
    ROUTES,
    SALES,
    STEWARD,
    address,
    cases,
    objects,
    patterns,
    people,
    quick_passwords,
    rule_and_profile,
    state,
)

__all__ = ["objects", "people", "quick_passwords"]
CANARY = "Xanthippe Quill"
CANARY_MAIL = "xanthippe.quill@hidden.example"
WRITING = ("POST", "PUT", "PATCH", "DELETE")
OWN_LOGIN = {"logout"} | PUBLIC
ASKING = {"api-policy-preview", "api-rule-try"}
"""Sent by POST because what is asked is long; they write nothing, which is checked here."""


def body(response: Any) -> str:
    return b"".join(response).decode("utf-8", "replace")


def client_of(person: Any) -> Client:
    client = Client(raise_request_exception=False)
    client.force_login(person)
    return client


class TestAuditor:
    def test_no_writing_route_names_an_auditor(self) -> None:
        named = [
            f"{method} {name}"
            for name, _, method, allowed in cases()
            if method in WRITING and AUDITOR in allowed and name not in OWN_LOGIN | ASKING
        ]
        assert not named

    def test_whatever_an_auditor_sends_is_refused_and_changes_nothing(self, people: Any, objects: Any) -> None:
        client = client_of(people[AUDITOR])
        before = state()
        wrong = []
        for entry in patterns():
            name = str(entry.name)
            if name in OWN_LOGIN:
                continue
            number = objects[ROUTES[name].about][0]
            for method in WRITING:
                answer = client.generic(method, address(name, number), "{}", content_type="application/json")
                shown = method not in dict(ROUTES[name].methods) and answer.status_code == 200
                shown = shown or name in ASKING
                if answer.status_code not in (403, 405) and not shown:
                    wrong.append(f"{method} {name}: {answer.status_code}")
        assert not wrong
        assert state() == before

    def test_an_auditor_reads_everything_that_is_kept(self, people: Any, objects: Any) -> None:
        client = client_of(people[AUDITOR])
        kept = (
            "changes decisions thresholds models runs access disclosures record records api-record-list "
            "api-decision-list api-change-set-list api-policy-list api-model-list api-disclosure-list"
        )
        for name in kept.split():
            assert client.get(address(name, objects[ROUTES[name].about][1])).status_code == 200, name


@pytest.fixture
def canary(source: Any, people: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """A record of somebody else whose name and e-mail appear nowhere else, with all that can be known of it.

    It has an open correction, a merge with a record that a sales person owns, a verdict, a change and a bad row.
    """
    from crmquality.models import Change, Import, QuarantinedRow, Record
    from crmquality.services import correcting
    from review.models import Decision, ReviewItem
    from review.services import deciding

    record = Record.objects.get(external_id="C3")
    record.fields |= {"Name": CANARY, "Email": CANARY_MAIL}
    record.raw = f"C3,{CANARY},{CANARY_MAIL}"
    record.save()
    own = Record.objects.get(external_id="C1")
    told = Evidence("name", 1.0, f"Everyone called Quill lives in Rome; so does “{CANARY}” ({CANARY_MAIL})")
    install(
        monkeypatch,
        lambda batch: [
            claim(record, 0.9, Email=CANARY_MAIL.replace("hidden", "hiden")),
            Finding((record.pk,), SetFields({"City": "Rome"}), 0.8, (told,), "scripted"),
            claim(record, 0.7, Name=CANARY.upper()),
            merge_claim(own, record, Name=CANARY, Email=CANARY_MAIL),
        ],
    )
    scan(source)
    item = ReviewItem.objects.get(finding__proposal__changes__has_key="Name", action="set")
    deciding.decide(item=item, verdict=Decision.Verdict.REJECT, user=people[STEWARD], reason=f"{CANARY} is right")
    change = correcting.set_fields(
        record_id=record.pk,
        changes={"Phone": "1"},
        cause="test",
        by=people[STEWARD],
        reasons={"Phone": f"{CANARY} said so"},
    )
    correcting.set_fields(record_id=record.pk, changes={"Name": CANARY + "e"}, cause="test", by=people[STEWARD])
    correcting.set_fields(record_id=record.pk, changes={"Name": CANARY}, cause="test", by=people[STEWARD])
    job = Import.objects.create(source=source, file_name="f.csv", path="")
    QuarantinedRow.objects.create(job=job, source=source, line=9, raw=record.raw.encode(), reason=f"no id: {CANARY}")
    assert Change.objects.filter(record=record).exists()
    assert ReviewItem.objects.open().count() == 3
    return {"record": record, "own": own, "change_set": change}


@pytest.fixture
def about(canary: Any, source: Any, people: Any) -> dict[str, list[int]]:
    """Kind -> ids of everything there is of it."""
    from crmquality import models
    from crmquality.models import ChangeSet, Record, Run
    from review.models import Decision, DecisionBatch, Lot, LotItem, Question, ReviewItem

    kinds = {"record": Record, "item": ReviewItem, "finding": models.Finding, "decision": Decision, "run": Run}
    kinds["change_set"] = ChangeSet
    plan = {"size": 3, "sample": 3, "allowed": 0, "limit": 0.05, "risk": 0.1, "expected": 0.01, "seed": 1}
    lot = Lot.objects.create(source=source, detector="scripted", by=people[STEWARD], **plan)
    for place, item in enumerate(ReviewItem.objects.open().order_by("id")):
        LotItem.objects.create(lot=lot, item=item, position=place, drawn=True)
    batch = DecisionBatch.objects.create(source=source, kind="group", verdict="accept")
    for decision in Decision.objects.all():
        batch.members.create(item=decision.item, decision=decision, outcome="decided")
    question = Question.objects.create(record=canary["record"], text="Is it right?", by=people[STEWARD])
    rule, profile = rule_and_profile(source)
    found = {kind: list(model.objects.values_list("pk", flat=True)) for kind, model in kinds.items()}
    found |= {"rule": [rule.quality_rule_id], "profile": [profile.pk]}
    return found | {"source": [source.pk], "": [0], "lot": [lot.pk], "batch": [batch.pk], "question": [question.pk]}


def reading(about: dict[str, list[int]]) -> Iterator[tuple[str, str]]:
    """The name and address of every page and endpoint that is read, for every object."""
    for name, one, method, _ in cases():
        if method == "GET":
            for number in about.get(one.about, []):
                yield name, address(name, number)
                if one.about == "source" and name in {"export", "records"}:
                    yield name, address(name, number).replace("/csv/", "/changes/") + f"?q={CANARY.split()[0]}"


def said(text: str) -> str:
    """Where it leaks, for a failure."""
    at = text.lower().find("quill")
    return text[max(0, at - 200) : at + 60] if at >= 0 else text[:100]


def leaks(text: str) -> bool:
    """Whether the words of the canary can be read, however they are written; an echo of the search does not count."""
    folded = text.lower().replace("“xanthippe”", "").replace('value="xanthippe"', "").replace("q=xanthippe", "")
    return "xanthippe" in folded or "quill" in folded or "hidden.example" in folded


class TestSalesPeople:
    def test_no_answer_holds_a_value_of_somebody_elses_record(self, people: Any, about: Any) -> None:
        client = client_of(people[SALES])
        asked = list(reading(about))
        assert len(asked) > 60
        assert not [place for _, place in asked if leaks(body(client.get(place)))]

    def test_nor_does_an_answer_to_what_they_send(self, people: Any, about: Any) -> None:
        client = client_of(people[SALES])
        wrong = []
        for name, one, method, _ in cases():
            if method in WRITING and name != "logout":
                for number in about.get(one.about, []):
                    sent = {"item": about["item"][-1], "verdict": "unsure"} if name == "api-decision-list" else {}
                    answer = client.generic(method, address(name, number), _json(sent), content_type="application/json")
                    if leaks(body(answer)):
                        wrong.append(f"{method} {name}")
        assert not wrong

    def test_a_merge_with_somebody_elses_record_is_not_theirs_to_see(self, people: Any, canary: Any) -> None:
        from review.services import queue

        assert not queue.visible_items(people[SALES]).filter(action="merge").exists()
        assert queue.visible_items(people[STEWARD]).filter(action="merge").exists()


class TestMasked:
    @pytest.fixture
    def masked(self, canary: Any, source: Any) -> Any:
        from crmquality.services import disclosing

        return disclosing.set_policy(
            source=source,
            masked_for=[STEWARD, AUDITOR],
            columns=["name", "email"],
            reason_required=False,
            sales_decide=[],
            by=None,
        )

    @pytest.mark.parametrize("role", sorted(EVERYONE - {SALES, "admin"}))
    def test_no_answer_holds_a_value_that_is_masked_for_the_role(
        self, role: str, people: Any, about: Any, masked: Any
    ) -> None:
        client = client_of(people[role])
        assert not [place for _, place in reading(about) if leaks(body(client.get(place)))]

    def test_an_admin_sees_the_values_and_a_person_of_two_roles_what_either_sees(
        self, people: Any, canary: Any, masked: Any
    ) -> None:
        from django.contrib.auth.models import Group

        place = address("record", canary["record"].pk)
        assert leaks(body(client_of(people["admin"]).get(place)))
        people[STEWARD].groups.add(Group.objects.get(name="admin"))
        assert leaks(body(client_of(people[STEWARD]).get(place)))

    def test_nor_does_an_answer_to_what_is_sent(self, people: Any, about: Any, masked: Any) -> None:
        client = client_of(people[STEWARD])
        wrong = []
        for name, one, method, _ in cases():
            if method in WRITING and name != "logout" and "reveal" not in name:
                for number in about.get(one.about, []):
                    sent = {"item": about["item"][-1], "verdict": "unsure"} if name == "api-decision-list" else {}
                    answer = client.generic(method, address(name, number), _json(sent), content_type="application/json")
                    if leaks(body(answer)):
                        wrong.append(f"{method} {name}")
        assert not wrong

    def test_revealing_shows_them_for_a_while_and_is_logged(self, people: Any, canary: Any, masked: Any) -> None:
        from crmquality.models import Disclosure

        client = client_of(people[STEWARD])
        record = canary["record"]
        client.post(address("reveal", record.pk), {"why": "he called"})
        row = Disclosure.objects.get()
        assert (row.by, row.external_id, row.fields, row.why) == (people[STEWARD], "C3", ["Email", "Name"], "he called")
        assert leaks(body(client.get(address("record", record.pk))))
        assert not leaks(body(client_of(people[AUDITOR]).get(address("record", record.pk))))

    def test_after_a_while_they_are_masked_again(self, people: Any, canary: Any, masked: Any, monkeypatch: Any) -> None:
        from datetime import timedelta

        from crmquality.services import masking

        client = client_of(people[STEWARD])
        client.post(address("reveal", canary["record"].pk))
        monkeypatch.setattr(masking, "SHOWN_FOR", timedelta(0))
        assert not leaks(body(client.get(address("record", canary["record"].pk))))

    def test_a_card_is_revealed_with_all_its_records(self, people: Any, canary: Any, masked: Any) -> None:
        from crmquality.models import Disclosure
        from review.models import ReviewItem

        client = client_of(people[STEWARD])
        item = ReviewItem.objects.get(action="merge")
        assert not leaks(body(client.get(address("api-item-detail", item.pk))))
        assert leaks(body(client.post(address("api-item-reveal", item.pk), {}, content_type="application/json")))
        assert set(Disclosure.objects.values_list("external_id", flat=True)) == {"C1", "C3"}

    def test_where_policy_asks_for_a_reason_none_is_refused(self, people: Any, canary: Any, masked: Any) -> None:
        from crmquality.models import AccessPolicy, Disclosure

        AccessPolicy.objects.update(reason_required=True)
        client = client_of(people[STEWARD])
        answer = client.post(
            address("api-record-reveal", canary["record"].pk), {"why": " "}, content_type="application/json"
        )
        assert (answer.status_code, Disclosure.objects.count()) == (400, 0)

    def test_what_is_not_masked_for_a_person_is_no_disclosure(self, people: Any, canary: Any, masked: Any) -> None:
        from crmquality.models import Disclosure

        client_of(people["admin"]).post(address("reveal", canary["record"].pk))
        assert not Disclosure.objects.exists()

    def test_the_log_is_never_changed(self, people: Any, canary: Any, masked: Any) -> None:
        from django.db import DatabaseError, transaction

        from crmquality.models import Disclosure

        client_of(people[STEWARD]).post(address("reveal", canary["record"].pk))
        for change in (lambda: Disclosure.objects.update(why="x"), lambda: Disclosure.objects.all().delete()):
            with pytest.raises(DatabaseError), transaction.atomic():
                change()

    def test_the_log_is_filtered_and_downloaded(self, people: Any, canary: Any, masked: Any) -> None:
        client_of(people[STEWARD]).post(address("reveal", canary["record"].pk), {"why": "=1+1"})
        auditor = client_of(people[AUDITOR])
        assert "C3" in body(auditor.get("/disclosures.csv?by=steward"))
        assert "'=1+1" in body(auditor.get("/disclosures.csv?since=2020-01-01"))
        assert "C3" not in body(auditor.get("/disclosures.csv?by=nobody"))
        assert ">C3</a>" not in body(auditor.get("/disclosures/?until=2020-01-01"))
        assert ">C3</a>" in body(auditor.get("/disclosures/?record=C3"))

    def test_a_masked_value_is_never_written_back(self, people: Any, canary: Any, masked: Any) -> None:
        from review.models import ReviewItem

        client = client_of(people[STEWARD])
        record = canary["record"]
        answer = client.generic(
            "PATCH",
            address("api-record-detail", record.pk),
            _json({"fields": {"Name": "X••••••••• Q••••"}}),
            content_type="application/json",
            headers={"If-Match": "*"},
        )
        assert answer.status_code == 400
        item = ReviewItem.objects.get(finding__proposal__changes__has_key="Email", action="set")
        sent = {"item": item.pk, "verdict": "edit", "changes": {"Email": "x•••@h•••••.e••••••"}}
        answer = client.post(address("api-decision-list", 0), _json(sent), content_type="application/json")
        record.refresh_from_db()
        assert (answer.status_code, record.fields["Email"]) == (400, CANARY_MAIL)

    def test_accepting_a_masked_card_writes_the_true_value(self, people: Any, canary: Any, masked: Any) -> None:
        from review.models import ReviewItem

        client = client_of(people[STEWARD])
        item = ReviewItem.objects.get(finding__proposal__changes__has_key="Email", action="set")
        sent = {"item": item.pk, "verdict": "accept"}
        assert (
            client.post(address("api-decision-list", 0), _json(sent), content_type="application/json").status_code
            == 201
        )
        canary["record"].refresh_from_db()
        assert canary["record"].fields["Email"] == CANARY_MAIL.replace("hidden", "hiden")

    def test_a_hidden_value_cannot_be_found_by_searching(self, people: Any, canary: Any, masked: Any) -> None:
        found = client_of(people[STEWARD]).get(address("api-record-list", 0), {"q": "xanthippe"}).json()["results"]
        assert found == []
        assert client_of(people["admin"]).get(address("api-record-list", 0), {"q": "xanthippe"}).json()["results"]


class TestPolicy:
    def test_sales_people_decide_what_policy_leaves_to_them(self, people: Any, source: Any, monkeypatch: Any) -> None:
        from crmquality.models import Record
        from crmquality.services import disclosing
        from review.models import ReviewItem

        install(monkeypatch, lambda batch: [claim(Record.objects.get(external_id="C1"), City="Cambridge")])
        scan(source)
        sent = _json({"item": ReviewItem.objects.get().pk, "verdict": "accept"})
        client = client_of(people[SALES])
        rule = {"source": source, "masked_for": [], "columns": [], "reason_required": False, "by": None}
        disclosing.set_policy(**rule, sales_decide=["merge"])
        assert client.post(address("api-decision-list", 0), sent, content_type="application/json").status_code == 403
        disclosing.set_policy(**rule, sales_decide=["set"])
        assert client.post(address("api-decision-list", 0), sent, content_type="application/json").status_code == 201

    def test_half_a_rule_is_refused(self, source: Any) -> None:
        from crmquality.services import disclosing
        from crmquality.services.errors import Refused

        rule = {"source": source, "reason_required": False, "sales_decide": [], "by": None}
        for half in ({"masked_for": [STEWARD], "columns": []}, {"masked_for": ["pirate"], "columns": ["name"]}):
            with pytest.raises(Refused):
                disclosing.set_policy(**rule, **half)


def _json(value: Any) -> str:
    import json

    return json.dumps(value)
