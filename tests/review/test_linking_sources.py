"""Duplicates across sources: linked by a steward, never merged, taken back by undo."""

from __future__ import annotations

import pytest

from crmquality.models import AccessPolicy, Change, Finding, Record
from crmquality.services import masking, running, sisters
from crmquality.services.errors import Refused
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.selectors.cards import card
from review.selectors.linked import linked
from review.services import deciding, policies
from review.services.queue import visible_items

ACCEPT, EDIT, REJECT = Decision.Verdict.ACCEPT, Decision.Verdict.EDIT, Decision.Verdict.REJECT
CONTACTS = {
    "Id": Role.ID,
    "First": Role.GIVEN_NAME,
    "Last": Role.FAMILY_NAME,
    "Mail": Role.EMAIL,
    "Phone": Role.PHONE,
    "Owner": Role.OWNER,
}
LEADS = {
    "Lead": Role.ID,
    "E-Mail": Role.EMAIL,
    "Surname": Role.FAMILY_NAME,
    "Forename": Role.GIVEN_NAME,
    "Mobile": Role.PHONE,
    "Note": Role.TEXT,
    "Rep": Role.OWNER,
}
PEOPLE = [
    ("Ann", "Przybylski", "ann.przybylski@example.com", "+1 202 555 0101"),
    ("Bob", "Ray", "bob.ray@example.org", "+1 202 555 0177"),
    ("Cy", "Poe", "cy.poe@example.net", "+1 202 555 0123"),
    ("Dora", "Quint", "dora@quint.example", "+1 202 555 0199"),
]


@pytest.fixture
def contacts(make_source):
    return make_source("contacts", CONTACTS, [[f"C{n}", *person, "sales"] for n, person in enumerate(PEOPLE)])


@pytest.fixture
def leads(make_source):
    rows = [
        ["L0", "ann.przybylski@example.com", "Przybylski", "Anne", "+1 202 555 0101", "called", "sales"],
        ["L1", "zoe@other.example", "Zimmer", "Zoe", "+1 303 555 0111", None, "sales"],
    ]
    return make_source("leads", LEADS, rows, kind="leads")


def run(source):
    return running.execute_run(running.request_run(source=source, detector="duplicates").pk)


def record(key):
    return Record.objects.select_related("source").get(external_id=key)


@pytest.fixture
def item(contacts, leads):
    run(leads)
    return ReviewItem.objects.open().get()


def test_a_lead_is_found_among_the_contacts_and_asked_as_a_link(item, leads, steward):
    assert item.action == "link"
    assert item.source == leads
    assert set(item.finding.subjects) == {record("L0").pk, record("C0").pk}
    shown = card(item)
    assert shown.question == "Are these two people the same?"
    assert [one.external_id for one in shown.records] == ["L0", "C0"]
    assert [(row.name, row.before, row.after) for row in shown.changed] == [("Forename / First", "Anne", "Ann")]


def test_accepting_writes_nothing_and_each_record_shows_the_other(item, steward):
    deciding.decide(item=item, verdict=ACCEPT, user=steward)
    assert not Change.objects.exists()
    assert record("L0").golden_id is record("C0").golden_id is None
    assert [one.external_id for one, _ in linked(steward, record("C0"))] == ["L0"]
    assert [one.external_id for one, _ in linked(steward, record("L0"))] == ["C0"]


def test_undo_takes_the_link_back_and_asks_again(item, steward):
    decision = deciding.decide(item=item, verdict=ACCEPT, user=steward)
    deciding.undo_decision(decision=decision, user=steward)
    assert linked(steward, record("C0")) == []
    assert ReviewItem.objects.open().get() == item


def test_a_link_cannot_be_edited(item, steward):
    with pytest.raises(Refused, match="accepted or rejected"):
        deciding.decide(item=item, verdict=EDIT, user=steward, edited={"changes": {"Mobile": "1"}})


def test_the_other_source_does_not_ask_the_same_again(item, contacts, steward):
    run(contacts)
    assert ReviewItem.objects.open().get() == item
    deciding.decide(item=item, verdict=REJECT, user=steward)
    run(contacts)
    run(item.source)
    assert not ReviewItem.objects.open().exists()


def test_a_changed_value_of_either_record_makes_the_claim_stale(item, steward):
    other = record("C0")
    other.fields["Mail"] = "new@example.com"
    other.save()
    with pytest.raises(deciding.StaleFinding):
        deciding.decide(item=item, verdict=ACCEPT, user=steward)


def test_a_field_that_is_not_compared_makes_nothing_stale(item, steward):
    other = record("L0")
    other.fields["Rep"] = "somebody else"
    other.save()
    deciding.decide(item=item, verdict=ACCEPT, user=steward)


def test_links_run_through_a_third_source(make_source, item, contacts, steward):
    deciding.decide(item=item, verdict=ACCEPT, user=steward)
    make_source("shop", CONTACTS, [["S0", "Ann", "Przybylski", "ann.przybylski@example.com", None, "other"]])
    run(contacts)
    for one in ReviewItem.objects.open():
        deciding.decide(item=one, verdict=ACCEPT, user=steward)
    assert {one.external_id for one, _ in linked(steward, record("L0"))} == {"C0", "S0"}


def test_sources_of_other_systems_and_kinds_are_left_alone(make_source, contacts):
    row = ["X0", *PEOPLE[0], "sales"]
    make_source("elsewhere", CONTACTS, [row], system="other")
    make_source("deals", CONTACTS, [row], kind="opportunities")
    run(contacts)
    assert not Finding.objects.exists()


def test_duplicates_within_the_sister_are_not_claimed_here(make_source, contacts):
    make_source("shop", CONTACTS, [["S0", "Zoe", "Zed", "zoe@zed.org", "+1 202 555 0155", None]] * 1)
    make_source("web", CONTACTS, [["W0", "Zoe", "Zed", "zoe@zed.org", "+1 202 555 0155", None]])
    run(contacts)
    assert not Finding.objects.exists()


def test_a_source_that_holds_nothing_twice_has_no_merges(make_source, contacts):
    twice = make_source("shop", CONTACTS, [["S0", *PEOPLE[1], None], ["S1", *PEOPLE[1], None]])
    sisters.declare_deduplicated(source=contacts, deduplicated=True)
    sisters.declare_deduplicated(source=twice, deduplicated=True)
    run(twice)
    found = [one for one in Finding.objects.all() if one.score >= 0.5]
    assert {one.action for one in found} <= {"link"}
    assert len(found) <= 1  # one match a record


def test_sales_people_see_a_link_only_if_both_records_are_theirs(item, sales, make_user):
    assert visible_items(sales).filter(pk=item.pk).exists()
    other = record("C0")
    other.fields["Owner"] = "somebody else"
    other.save()
    assert not visible_items(sales).filter(pk=item.pk).exists()
    assert linked(sales, record("L0")) == []


def test_a_link_is_not_shown_to_whom_the_other_record_is_hidden(item, steward, sales):
    deciding.decide(item=item, verdict=ACCEPT, user=steward)
    other = record("C0")
    other.fields["Owner"] = "somebody else"
    other.save()
    assert linked(sales, record("L0")) == []


def test_values_masked_in_one_source_are_masked_in_links_from_the_other(item, contacts, sales, steward):
    AccessPolicy.objects.create(
        source=contacts, number=1, masked_for=["sales"], columns=["email", "phone"], sales_decide=["link"]
    )
    for user, is_masked in ((sales, True), (steward, False)):
        with masking.seen_by(lambda user=user: user):
            shown = card(item)
            texts = [other.fields["Mail"] for other in shown.records if "Mail" in other.fields]
            claim = masking.current().finding(item.finding)
        assert (PEOPLE[0][2] not in texts) == is_masked
        assert any(PEOPLE[0][2] in reason["detail"] for reason in claim.evidence) != is_masked
    decision = deciding.decide(item=item, verdict=ACCEPT, user=steward)
    with masking.seen_by(lambda: sales):
        seen = masking.current().seen(decision.item.source, decision.seen)
    assert PEOPLE[0][2] not in str({key: one for key, one in seen["values"].items() if key == str(record("C0").pk)})
    assert PEOPLE[0][2] not in str(seen["evidence"])


def test_an_answer_about_a_link_is_kept_by_the_next_run(item, leads, steward):
    deciding.decide(item=item, verdict=REJECT, user=steward)
    run(leads)
    assert not ReviewItem.objects.open().exists()
    assert policies.current_policy(leads, "duplicates")


def test_the_switch_stands_on_the_source_page(client, admin, steward, contacts, leads):
    client.force_login(admin)
    page = client.get(f"/sources/{contacts.pk}/").content.decode()
    assert "holds nothing twice" in page
    assert "leads" in page
    client.post(f"/sources/{contacts.pk}/deduplicated/", {"deduplicated": "1"})
    contacts.refresh_from_db()
    assert contacts.deduplicated
    client.force_login(steward)
    assert client.post(f"/sources/{contacts.pk}/deduplicated/", {}).status_code == 403


def test_the_run_page_says_how_much_of_the_true_pairs_was_compared(client, contacts, leads, steward):
    job = running.request_run(source=leads, detector="duplicates")
    running.execute_run(job.pk)
    client.force_login(steward)
    assert "an estimated 100.0% were compared" in client.get(f"/runs/{job.pk}/").content.decode()


def test_the_record_page_names_the_linked_record(client, item, steward):
    deciding.decide(item=item, verdict=ACCEPT, user=steward)
    client.force_login(steward)
    page = client.get(f"/records/{record('C0').pk}/").content.decode()
    assert "The same in other sources" in page
    assert "L0" in page
