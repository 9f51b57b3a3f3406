"""Merging two to many records: which value survives, what moves, what stands in the way, a cluster taken apart."""

from __future__ import annotations

from collections import Counter

import pytest
from django.db import connection

from crmquality.models import Change, Record, SurvivorshipRules
from crmquality.services import collisions, merging, survivorship
from crmquality.services.errors import Refused
from crmquality.services.survivorship import Collides, Unanswered
from detectors import registry
from detectors.duplicates.detector import DuplicateDetector
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.services import deciding, labelling, merges, policies, triaging
from tests.scripted import install, merge_claim, scan

ACCEPT, EDIT, REJECT = Decision.Verdict.ACCEPT, Decision.Verdict.EDIT, Decision.Verdict.REJECT
COLUMNS = {
    "Id": Role.ID,
    "Name": Role.NAME,
    "Email": Role.EMAIL,
    "Born": Role.DATE_OF_BIRTH,
    "Notes": Role.TEXT,
    "System": Role.SOURCE_SYSTEM,
    "City": Role.CITY,
}
ROWS = [
    ["P1", "Ann Lee", "ann@example.com", "1980-01-02", "likes tea", "shop", "Rome"],
    ["P2", "Anne Lee", "anne@example.com", "1980-02-01", "vegan", "erp", "Rome"],
    ["P3", "Ann Lee", None, None, None, "shop", "Oslo"],
    ["P4", "Ana Li", "ana@example.com", None, None, "erp", None],
    ["P5", "Ana Li", None, None, None, "erp", None],
    ["P6", "Bob", "anne@example.com", None, None, "erp", None],
]


@pytest.fixture
def people(make_source):
    make_source("people", COLUMNS, ROWS)
    return {record.external_id: record for record in Record.objects.select_related("source")}


@pytest.fixture
def propose(people, monkeypatch):
    """propose("P1", "P2", City="Oslo") gives the item of that merge."""

    def make(*keys, **changes):
        records = [people[key] for key in keys]
        install(monkeypatch, lambda batch: [merge_claim(*records, **changes)])
        scan(records[0].source)
        return ReviewItem.objects.open().get()

    return make


def plan_of(item, **edited):
    return merges.plan(item.finding, {one.pk: one for one in Record.objects.select_related("source")}, edited)


def row_of(item, name, **edited):
    return next(row for row in plan_of(item, **edited).rows if row.name == name)


def now(people, key):
    return Record.objects.get(pk=people[key].pk)


class TestSurvivorship:
    def test_every_field_says_by_which_rule_its_value_survives(self, propose):
        row = row_of(propose("P1", "P3"), "Name")
        assert (row.rule, row.reason) == ("most frequent", "all agree") or not row.differs
        notes = row_of(propose("P1", "P2"), "City")
        assert not notes.differs

    def test_what_no_rule_settles_is_asked_before_anything_is_written(self, propose, steward):
        item = propose("P1", "P2")
        assert plan_of(item).unanswered == ["Born"]
        with pytest.raises(Unanswered, match="Born"):
            deciding.decide(item=item, verdict=ACCEPT, user=steward)
        assert not Change.objects.exists()
        answer = {"changes": {"Born": "1980-02-01"}}
        done = deciding.decide(item=item, verdict=EDIT, user=steward, edited=answer)
        assert done.changes["chosen"] == answer["changes"]
        assert Record.objects.get(external_id="P1").fields["Born"] == "1980-02-01"

    def test_the_answer_may_be_the_value_that_stood(self, propose, people, steward):
        item = propose("P1", "P2")
        deciding.decide(item=item, verdict=EDIT, user=steward, edited={"changes": {"Born": "1980-01-02"}})
        assert now(people, "P1").fields["Born"] == "1980-01-02"

    @pytest.mark.parametrize(
        ("rule", "expected"),
        [
            ("keep master", "likes tea"),
            ("union", "likes tea; vegan"),
            ("longest", "likes tea"),
            ("most trusted source", "vegan"),
            ("most complete", "likes tea"),
        ],
    )
    def test_an_admins_rule_holds_for_the_card_at_once(self, propose, people, admin, rule, expected):
        item = propose("P1", "P2")
        survivorship.set_rules(
            source=item.source, rules={"Notes": rule}, unique=[], trusted=["ERP", "shop"], user=admin
        )
        row = row_of(item, "Notes")
        assert (row.after, row.rule) == (expected, rule)

    def test_the_next_run_proposes_by_the_admins_rules(self, people, admin, monkeypatch):
        source = people["P1"].source
        survivorship.set_rules(source=source, rules={"Name": "longest"}, unique=[], trusted=[], user=admin)
        seen = {}

        class Watched(DuplicateDetector):
            def detect(self, batch, context):
                seen.update(context.survivorship)
                return super().detect(batch, context)

        monkeypatch.setattr(registry, "available", lambda: {"scripted": object()})
        monkeypatch.setattr(registry, "load", lambda name: Watched)
        scan(source)
        assert seen == {"Name": "longest"}

    def test_rules_are_versions_with_who(self, people, admin):
        source = people["P1"].source
        survivorship.set_rules(source=source, rules={"Name": "longest"}, unique=["City"], trusted=[], user=admin)
        survivorship.set_rules(source=source, rules={"Name": ""}, unique=[], trusted=[], user=admin)
        versions = SurvivorshipRules.objects.values_list("number", "rules", "unique", "by__username")
        assert list(versions) == [(2, {}, [], "boss"), (1, {"Name": "longest"}, ["City"], "boss")]

    @pytest.mark.parametrize("rules", [{"Planet": "longest"}, {"Name": "coin toss"}])
    def test_rules_for_what_does_not_exist_are_refused(self, people, admin, rules):
        with pytest.raises(Refused):
            survivorship.set_rules(source=people["P1"].source, rules=rules, unique=[], trusted=[], user=admin)

    def test_another_survivor_is_a_persons_choice(self, propose, people, steward):
        item = propose("P1", "P3")
        edited = {"survivor": people["P3"].pk, "changes": {"City": "Oslo"}}
        deciding.decide(item=item, verdict=EDIT, user=steward, edited=edited)
        assert now(people, "P1").golden == now(people, "P3")
        assert now(people, "P3").fields["Email"] == "ann@example.com"

    def test_a_merge_that_would_do_something_else_than_was_shown_is_refused(self, propose, steward, admin):
        item = propose("P1", "P3")
        shown = plan_of(item).digest
        survivorship.set_rules(source=item.source, rules={"City": "most frequent"}, unique=[], trusted=[], user=admin)
        survivorship.set_rules(source=item.source, rules={"System": "ask"}, unique=[], trusted=[], user=admin)
        survivorship.set_rules(source=item.source, rules={"City": "ask"}, unique=[], trusted=[], user=admin)
        with pytest.raises(merges.NotWhatWasSeen):
            deciding.decide(item=item, verdict=ACCEPT, user=steward, edited={"seen": shown})

    def test_a_value_for_a_field_that_does_not_exist_is_refused(self, propose, steward):
        with pytest.raises(Refused, match="Planet"):
            deciding.decide(
                item=propose("P1", "P3"), verdict=EDIT, user=steward, edited={"changes": {"Planet": "Mars"}}
            )
        assert not Change.objects.exists()

    def test_policy_accepts_no_merge_that_waits_for_an_answer(self, propose, people):
        item = propose("P1", "P2")
        policies.set_policy(source=item.source, detector="scripted", review_at=0.5, accept_at=0.8, user=None)
        triaging.triage(run=item.finding.last_run)
        item.refresh_from_db()
        assert item.state == "open"


class TestCollisions:
    def test_a_value_that_another_record_holds_is_found_before_the_write(self, propose, people, steward):
        item = propose("P1", "P2", Email="anne@example.com", Born="1980-01-02")
        assert [str(one) for one in plan_of(item).blocking] == ["Email “anne@example.com” is held by P6 too"]
        with pytest.raises(Collides, match="Email"):
            deciding.decide(item=item, verdict=EDIT, user=steward, edited={"changes": {"Born": "1980-01-02"}})
        assert not Change.objects.exists()
        edited = {"changes": {"Born": "1980-01-02"}, "allow_collisions": True}
        deciding.decide(item=item, verdict=EDIT, user=steward, edited=edited)
        assert Record.objects.count() == len(ROWS)

    def test_what_stood_before_is_shown_and_stops_nobody(self, propose, people):
        plan = plan_of(propose("P6", "P5"))
        assert [one.others[0].external_id for one in plan.collisions] == ["P2"]
        assert not plan.blocking

    def test_a_column_that_an_admin_marked_counts(self, propose, people, admin):
        item = propose("P4", "P5", City="Oslo")
        assert not plan_of(item).blocking
        survivorship.set_rules(source=item.source, rules={}, unique=["City"], trusted=[], user=admin)
        blocking = plan_of(item, changes={"City": "oslo "}).blocking
        assert [one.column for one in blocking] == ["City"]

    def test_indexing_the_unique_columns_changes_no_answer(self, propose, people):
        source = people["P1"].source
        with connection.cursor() as cursor:
            cursor.execute("SET CONSTRAINTS ALL IMMEDIATE")  # no index is made while checks are due
        assert len(collisions.index_unique_columns(source.pk)) == 1
        assert collisions.index_unique_columns(source.pk) == []
        assert plan_of(propose("P1", "P2", Email="anne@example.com")).blocking

    def test_children_that_would_share_a_number_under_one_parent_are_found(self, propose, make_source, people, admin):
        columns = {"Id": Role.ID, "Contact": Role.CONTACT_REF, "Number": Role.TEXT}
        rows = [["Q1", "P1", "2026-7"], ["Q2", "P3", "2026-7"], ["Q3", "P3", "2026-8"]]
        quotations = make_source("quotations", columns, rows, kind="quotations")
        item = propose("P1", "P3")
        assert not plan_of(item).blocking
        survivorship.set_rules(source=quotations, rules={}, unique=["Number"], trusted=[], user=admin)
        (found,) = plan_of(item).blocking
        assert ([one.external_id for one in found.others], found.column) == (["Q1", "Q2"], "Number")


class TestChildren:
    KINDS = ("opportunities", "activities", "quotations", "orders")

    @pytest.mark.parametrize("kind", KINDS)
    def test_children_move_with_every_column_and_none_is_lost(self, kind, make_source, people, propose, steward):
        columns = {"Id": Role.ID, "Contact": Role.CONTACT_REF, "Signed by": Role.CONTACT_REF, "Note": Role.TEXT}
        rows = [[f"X{n}", f"P{n}", f"P{4 - n}", f"note {n}"] for n in (1, 2, 3)]
        make_source(kind, columns, rows, kind=kind)
        children = Record.objects.filter(source__kind=kind).order_by("id")
        before = list(children.values_list("fields", "refs"))
        item = propose("P1", "P2", "P3")
        decision = deciding.decide(item=item, verdict=EDIT, user=steward, edited={"changes": {"Born": "1980-01-02"}})
        assert {(child.fields["Contact"], child.fields["Signed by"]) for child in children} == {("P1", "P1")}
        assert [child.fields["Note"] for child in children] == ["note 1", "note 2", "note 3"]
        assert Counter(merging.children(now(people, "P1"))) == Counter(children.all())
        deciding.undo_decision(decision=decision, user=steward)
        assert list(children.values_list("fields", "refs")) == before

    def test_a_parent_that_would_become_the_record_itself_is_blanked_and_comes_back(self, make_source, steward):
        columns = {"Id": Role.ID, "Name": Role.COMPANY, "Parent": Role.ACCOUNT_REF}
        make_source("firms", columns, [["A1", "Acme", "A2"], ["A2", "Acme", None]], kind="accounts")
        one, two = Record.objects.order_by("id")
        done = merging.merge(survivor=one.pk, members=[two.pk], changes={"Parent": "A2"}, cause="test")
        one.refresh_from_db()
        assert (one.fields["Parent"], one.refs) == (None, None)
        assert done.changes.filter(field="Parent").count() == 1

    def test_children_of_a_record_merged_before_move_on_with_it(self, make_source, people):
        merging.merge(survivor=people["P2"].pk, members=[people["P3"].pk], changes={}, cause="test")
        make_source("deals", {"Id": Role.ID, "Who": Role.CONTACT_REF}, [["D1", "P3"]], kind="opportunities")
        assert merging.children(now(people, "P2")).count() == 1
        merging.merge(survivor=people["P1"].pk, members=[people["P2"].pk], changes={}, cause="test")
        assert Record.objects.get(external_id="D1").fields["Who"] == "P1"


class TestClusters:
    def test_a_member_can_be_left_out_and_is_known_to_be_another(self, propose, people, steward):
        item = propose("P1", "P3", "P4")
        edited = {"members": [people["P3"].pk]}
        done = deciding.decide(item=item, verdict=EDIT, user=steward, edited=edited)
        assert now(people, "P4").golden is None
        said = {tuple(label.finding.subjects): label.is_defect for label in labelling.labels_of(done)}
        assert said == {
            (people["P1"].pk, people["P3"].pk): True,
            (people["P1"].pk, people["P4"].pk): False,
        }

    def test_six_records_are_merged_at_once(self, propose, people, steward):
        item = propose("P1", "P2", "P3", "P4", "P5", "P6")
        edited = {"changes": {"Born": "1980-01-02", "Email": "ann@example.com"}}
        deciding.decide(item=item, verdict=EDIT, user=steward, edited=edited)
        assert Record.objects.live().count() == 1

    @pytest.fixture
    def split(self, propose, people, steward):
        item = propose("P1", "P3", "P4", "P5")
        edited = {"members": [people["P3"].pk], "split": True}
        return deciding.decide(item=item, verdict=EDIT, user=steward, edited=edited)

    def test_the_records_left_out_become_a_merge_of_their_own(self, split, people, steward):
        item = ReviewItem.objects.open().get()
        assert sorted(item.finding.subjects) == [people["P4"].pk, people["P5"].pk]
        assert item.assigned_to == steward
        deciding.decide(item=item, verdict=ACCEPT, user=steward)
        assert Record.objects.live().count() == 4

    def test_undoing_the_split_withdraws_what_nobody_decided(self, split, people, steward):
        deciding.undo_decision(decision=split, user=steward)
        assert ReviewItem.objects.open().get().pk == split.item_id
        assert Record.objects.live().count() == 6

    def test_one_record_alone_is_no_second_cluster(self, propose, people, steward):
        item = propose("P1", "P3", "P4")
        with pytest.raises(Refused, match="two records"):
            deciding.decide(item=item, verdict=EDIT, user=steward, edited={"members": [people["P3"].pk], "split": True})
        assert Record.objects.live().count() == 6

    @pytest.mark.parametrize("members", [[], [999_999]])
    def test_a_merge_of_fewer_than_two_or_of_strangers_is_refused(self, propose, steward, members):
        with pytest.raises(Refused):
            deciding.decide(item=propose("P1", "P3", "P4"), verdict=EDIT, user=steward, edited={"members": members})
