"""The pages and the API of merging and undoing; survivorship learned from choices; masked values on a merge."""

from __future__ import annotations

import pytest

from crmquality.models import AccessPolicy, ChangeSet, Record, SurvivorshipRules, UndoPeriod
from crmquality.services import correcting, masking
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.selectors import survivorship as learned
from review.selectors.changing import change_sets
from review.selectors.merge_cards import merge_view
from review.services import deciding
from tests.scripted import claim, install, merge_claim, scan

ACCEPT, EDIT = Decision.Verdict.ACCEPT, Decision.Verdict.EDIT


@pytest.fixture
def pair(source, monkeypatch):
    ann, anne = Record.objects.filter(external_id__in=["C1", "C2"]).order_by("external_id")
    install(monkeypatch, lambda batch: [merge_claim(ann, anne, Name="Anne Lee")])
    scan(source)
    return ReviewItem.objects.get()


class TestTheMergeOnACard:
    def test_a_choice_is_planned_anew_and_nothing_is_written(self, pair, client, steward):
        client.force_login(steward)
        ann = Record.objects.get(external_id="C1")
        page = client.get(f"/queue/{pair.pk}/merge/", {"pick:Name": ann.pk}).content.decode()
        assert "your choice" in page
        assert not ChangeSet.objects.exists()

    def test_a_value_is_taken_from_a_record_by_its_id(self, pair, client, steward):
        client.force_login(steward)
        ann = Record.objects.get(external_id="C1")
        client.post(f"/queue/{pair.pk}/decide/", {"verdict": "edit", "pick:Name": ann.pk})
        assert Decision.objects.get().changes["chosen"] == {"Name": "Ann Lee"}
        ann.refresh_from_db()
        assert ann.fields["Name"] == "Ann Lee"

    def test_masked_values_are_compared_and_chosen_without_being_read(self, pair, steward):
        AccessPolicy.objects.create(source=pair.source, number=1, masked_for=["steward"], columns=["name"])
        records = {one.pk: one for one in Record.objects.select_related("source")}
        with masking.seen_by(lambda: steward):
            view = merge_view(pair.finding, records)
        (row,) = [one for one in view.differing if one.row.name == "Name"]
        assert "Anne" not in str([row.row.values, row.row.after, view.writes, [one.title for one in view.members]])
        assert view.digest == merge_view(pair.finding, records).digest

    def test_the_api_shows_the_merge_and_takes_what_was_seen(self, pair, client, steward):
        client.force_login(steward)
        merge = client.get(f"/api/v1/items/{pair.pk}/").json()["card"]["merge"]
        (name,) = [one for one in merge["fields"] if one["name"] == "Name"]
        assert name["after"] == "Anne Lee"
        given = {"item": pair.pk, "verdict": "accept", "seen": merge["digest"]}
        assert client.post("/api/v1/decisions/", given, content_type="application/json").status_code == 201


class TestUndoing:
    @pytest.fixture
    def edited(self, pair, steward):
        decision = deciding.decide(item=pair, verdict=ACCEPT, user=steward)
        correcting.set_fields(record_id=pair.finding.subjects[0], changes={"Name": "Annie Lee"}, cause="test")
        return decision.change_set

    def test_where_values_were_edited_since_a_page_asks_first(self, edited, client, steward):
        client.force_login(steward)
        page = client.post(f"/changes/{edited.pk}/undo/").content.decode()
        assert all(text in page for text in ("Ann Lee", "Anne Lee", "Annie Lee"))
        assert not edited.is_undone
        change = edited.changes.get(field="Name")
        client.post(f"/changes/{edited.pk}/undo/", {f"take:{change.pk}": "before"})
        assert edited.is_undone
        assert Record.objects.get(external_id="C1").fields["Name"] == "Ann Lee"

    def test_the_api_previews_and_takes_the_choice(self, edited, client, steward):
        client.force_login(steward)
        (value,) = client.get(f"/api/v1/change-sets/{edited.pk}/preview/").json()["edited"]
        assert (value["before"], value["after"], value["now"]) == ("Ann Lee", "Anne Lee", "Annie Lee")
        given = {"take": [{"change": value["change"], "take": "after"}]}
        answer = client.post(f"/api/v1/change-sets/{edited.pk}/undo/", given, content_type="application/json")
        assert answer.json()["kept"] == []
        assert Record.objects.get(external_id="C1").fields["Name"] == "Anne Lee"

    def test_the_changes_stand_newest_first_and_the_ticked_ones_are_undone(self, source, client, steward):
        client.force_login(steward)
        bob = Record.objects.get(external_id="C3")
        sets = [
            correcting.set_fields(record_id=bob.pk, changes={"City": city}, cause=f"number {city}")
            for city in ("Rome", "Oslo", "Bonn")
        ]
        page = client.get("/changes/").content.decode()
        assert page.index("number Bonn") < page.index("number Oslo") < page.index("number Rome")
        client.post("/changes/undo/", {"change_set": [one.pk for one in sets]})
        bob.refresh_from_db()
        assert bob.fields["City"] == "Bostn"

    def test_all_that_came_of_a_run_is_undone_from_its_page(self, source, client, steward, monkeypatch):
        client.force_login(steward)
        install(monkeypatch, lambda batch: [claim(one, City="Rome") for one in Record.objects.all()])
        scan(source)
        for item in ReviewItem.objects.all():
            deciding.decide(item=item, verdict=ACCEPT, user=steward)
        run = item.finding.last_run
        assert "<dd>4</dd>" in client.get(f"/runs/{run.pk}/undo/").content.decode()
        client.post(f"/runs/{run.pk}/undo/")
        assert not Record.objects.filter(fields__City="Rome").exists()
        assert ReviewItem.objects.open().count() == 4

    def test_automatic_changes_are_those_of_policy_and_of_imports(self, source, steward):
        record = Record.objects.get(external_id="C3")
        of_import, by_policy, by_hand = (
            ChangeSet.objects.create(source=source, action=action, cause="test", by=by)
            for action, by in (("import", steward), ("set", None), ("set", steward))
        )
        assert record.pk
        assert set(change_sets(automatic=True)) == {of_import, by_policy}
        assert by_hand in change_sets()

    def test_only_an_admin_sets_the_period(self, client, steward, admin):
        client.force_login(steward)
        assert client.post("/changes/period/", {"days": 5}).status_code == 403
        client.force_login(admin)
        client.post("/changes/period/", {"days": 5})
        assert UndoPeriod.in_force().days == 5


class TestLearning:
    @pytest.fixture
    def chosen(self, make_source, steward, monkeypatch):
        """Twelve merges in which people took the shorter note."""
        columns = {"Id": Role.ID, "Name": Role.NAME, "Note": Role.JOB_TITLE, "Changed": Role.UPDATED_AT}
        rows = [
            row
            for n in range(12)
            for row in ([f"A{n}", "Ann", "Sales director", "2025-01-01"], [f"B{n}", "Ann", "Boss", "2024-01-01"])
        ]
        source = make_source("people", columns, rows)
        pairs = [(Record.objects.get(external_id=f"A{n}"), Record.objects.get(external_id=f"B{n}")) for n in range(12)]
        install(monkeypatch, lambda batch: [merge_claim(other, one) for one, other in pairs])
        scan(source)
        for item in ReviewItem.objects.all():
            deciding.decide(item=item, verdict=EDIT, user=steward, edited={"changes": {"Note": "Boss"}})
        return source

    def test_the_rule_that_agrees_with_people_is_suggested_with_its_interval(self, chosen):
        (note,) = [one for one in learned.column_rules(chosen) if one.name == "Note"]
        assert (note.rule, note.current.agreed, note.current.choices) == ("most recent", 0, 12)
        assert note.suggestion.rule == "keep master"
        assert (note.suggestion.agreed, round(note.suggestion.low, 2)) == (12, 0.76)

    def test_it_is_put_in_force_by_an_admin_only(self, chosen, client, steward, admin):
        address = f"/sources/{chosen.pk}/survivorship/"
        assert not SurvivorshipRules.objects.exists()
        client.force_login(steward)
        assert client.post(address, {"adopt": "Note\nkeep master"}).status_code == 403
        client.force_login(admin)
        assert "Use it" in client.get(address).content.decode()
        client.post(address, {"adopt": "Note\nkeep master"})
        assert SurvivorshipRules.objects.get().rules == {"Note": "keep master"}
