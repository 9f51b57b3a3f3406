"""What undoing puts back, what it leaves alone, and what it refuses."""

from datetime import timedelta

import pytest
from django.utils import timezone

from crmquality.models import ChangeSet, Record, Undoing
from crmquality.services import correcting, merging, undoing
from crmquality.services.errors import Refused
from crmquality.services.undoing import CannotUndo, Take
from review.models import Decision, ReviewItem
from review.services import deciding
from tests.scripted import claim, install, scan


@pytest.fixture
def people(source):
    return {record.external_id: record for record in Record.objects.all()}


def city(record):
    return Record.objects.get(pk=record.pk).fields["City"]


def correct(record, value, **given):
    return correcting.set_fields(record_id=record.pk, changes={"City": value}, cause="test", **given)


class TestChoosing:
    @pytest.fixture
    def edited(self, people):
        change_set = correct(people["C3"], "Boston")
        correct(people["C3"], "Cambridge")
        return change_set

    def test_the_preview_shows_the_value_before_after_and_now(self, edited):
        shown = undoing.preview(edited)
        assert [(one.change.before, one.change.after, one.now) for one in shown.edited] == [
            ("Bostn", "Boston", "Cambridge")
        ]
        assert shown.refusal == ""

    @pytest.mark.parametrize(
        ("take", "expected"), [(Take.BEFORE, "Bostn"), (Take.AFTER, "Boston"), (Take.NOW, "Cambridge")]
    )
    def test_a_person_chooses_among_the_three(self, edited, people, take, expected):
        undoing.undo(change_set=edited, take={edited.changes.get().pk: take})
        assert city(people["C3"]) == expected

    def test_without_a_choice_the_later_edit_wins(self, edited, people):
        assert [value for _, value in undoing.undo(change_set=edited).kept] == ["Cambridge"]
        assert city(people["C3"]) == "Cambridge"


class TestRefusing:
    def test_a_merge_whose_golden_record_was_merged_since_is_not_undone_before_that(self, people):
        first = merging.merge(survivor=people["C1"].pk, members=[people["C2"].pk], changes={}, cause="test")
        second = merging.merge(survivor=people["C3"].pk, members=[people["C1"].pk], changes={}, cause="test")
        with pytest.raises(CannotUndo, match="C1"):
            undoing.undo(change_set=first)
        undoing.undo(change_set=second)
        undoing.undo(change_set=first)
        assert Record.objects.live().count() == 4

    def test_an_undo_is_not_undone_so_no_two_records_point_at_each_other(self, people):
        one = merging.merge(survivor=people["C1"].pk, members=[people["C2"].pk], changes={}, cause="test")
        undone = undoing.undo(change_set=one)
        merging.merge(survivor=people["C2"].pk, members=[people["C1"].pk], changes={}, cause="test")
        with pytest.raises(CannotUndo, match="undo itself"):
            undoing.undo(change_set=undone.change_set)

    def test_an_admin_says_for_how_long(self, people, admin):
        change_set = correct(people["C3"], "Boston")
        ChangeSet.objects.update(at=timezone.now() - timedelta(days=8))
        undoing.set_undo_days(days=7, user=admin)
        with pytest.raises(CannotUndo, match="7 days"):
            undoing.undo(change_set=change_set)
        undoing.set_undo_days(days=9, user=admin)
        undoing.undo(change_set=change_set)
        assert city(people["C3"]) == "Bostn"

    @pytest.mark.parametrize("days", [0, 366])
    def test_the_period_is_1_to_365_days(self, admin, days):
        with pytest.raises(Refused):
            undoing.set_undo_days(days=days, user=admin)


class TestMany:
    def test_the_newest_is_undone_first_so_that_all_come_back(self, people, steward):
        sets = [correct(people["C3"], value) for value in ("Boston", "Cambridge", "Salem")]
        done = undoing.undo_many(sets, by=steward)
        assert (done.undone, done.restored, done.kept, city(people["C3"])) == (3, 3, [], "Bostn")

    def test_one_that_cannot_be_undone_stops_no_other(self, people, steward):
        blocked = correct(people["C2"], "Salem")
        merging.merge(survivor=people["C1"].pk, members=[people["C2"].pk], changes={}, cause="test")
        other = correct(people["C3"], "Boston")
        done = undoing.undo_many([blocked, other], by=steward)
        assert (done.undone, [one for one, _ in done.refused]) == (1, [blocked])
        assert city(people["C3"]) == "Bostn"

    def test_a_whole_run_is_undone_with_its_decisions_by_a_worker(self, source, people, steward, monkeypatch):
        install(monkeypatch, lambda batch: [claim(one, City="Rome") for one in people.values()])
        scan(source)
        for item in ReviewItem.objects.all():
            deciding.decide(item=item, verdict=Decision.Verdict.ACCEPT, user=steward)
        sets = undoing.standing(ChangeSet.objects.filter(run__detector="scripted"))
        job = undoing.request_undoing(change_sets=[one.pk for one in sets], title="run 1", by=steward)
        undoing.execute_undoing(job.pk)
        job = Undoing.objects.get()
        assert (job.state, job.undone, job.refused, job.percent) == ("succeeded", 4, [], 100)
        assert {name: city(one) for name, one in people.items()} == {
            "C1": "Boston",
            "C2": "Boston",
            "C3": "Bostn",
            "C4": "Austin",
        }
        assert not Decision.objects.filter(undone_at__isnull=True).exists()
        assert ReviewItem.objects.open().count() == 4

    def test_an_undoing_taken_up_again_passes_over_what_is_done(self, people, steward):
        sets = [correct(people["C3"], "Boston"), correct(people["C4"], "Dallas")]
        undoing.undo(change_set=sets[1])
        job = undoing.request_undoing(change_sets=[one.pk for one in sets], title="both", by=steward)
        undoing.execute_undoing(job.pk)
        assert Undoing.objects.get().undone == 2
        assert ChangeSet.objects.filter(action="undo").count() == 2


class TestAskingOnce:
    def test_undoing_an_old_verdict_asks_nothing_that_was_decided_anew(self, source, people, steward, monkeypatch):
        bob = people["C3"]
        install(monkeypatch, lambda batch: [claim(bob, City="Boston")])
        scan(source)
        first = deciding.decide(item=ReviewItem.objects.get(), verdict=Decision.Verdict.REJECT, user=steward)
        correct(bob, "Bosten")
        scan(source)
        deciding.decide(item=ReviewItem.objects.open().get(), verdict=Decision.Verdict.ACCEPT, user=steward)
        deciding.undo_decision(decision=first, user=steward)
        assert not ReviewItem.objects.open().exists()
