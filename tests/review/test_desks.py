"""The desk and what is around it: cards held ahead, filters and orders, views, comments, assignment, budgets."""

import re
from datetime import timedelta

import pytest
from django.test import Client
from django.utils import timezone

from crmquality.models import Record
from crmquality.services import correcting
from crmquality.services.errors import Refused
from detectors.contract import Evidence, Finding, Flag
from detectors.roles import Role
from review.models import Decision, ReviewItem, SavedView
from review.selectors import listing
from review.selectors.cards import card
from review.services import deciding, desks, queue
from review.services.filtering import Filters, Sort, visible_items
from tests.scripted import claim, install, install_checks, scan

Verdict = Decision.Verdict
COLUMNS = {"Contact ID": Role.ID, "Name": Role.NAME, "City": Role.CITY, "Country": Role.COUNTRY, "Owner": Role.OWNER}


@pytest.fixture
def items(make_source, monkeypatch):
    """Six items, the likeliest first; the odd ones are of the United States and the sales person's."""
    rows = [[f"C{n}", f"Person {n}", "Bostn", "US" if n % 2 else "DE", "sales" if n % 2 else "other"] for n in range(6)]
    source = make_source("people", COLUMNS, rows)
    records = list(Record.objects.filter(source=source).order_by("id"))
    install(
        monkeypatch, lambda batch: [claim(record, 0.95 - 0.08 * n, City="Boston") for n, record in enumerate(records)]
    )
    scan(source)
    return list(ReviewItem.objects.order_by("-score"))


@pytest.fixture
def client(steward):
    client = Client()
    client.force_login(steward)
    return client


def laid(response):
    """The ids of the cards in an answer, in order."""
    return [int(found) for found in re.findall(r'class="desk" data-item="(\d+)"', response.content.decode())]


@pytest.mark.parametrize(("detector", "ranks"), [("conflicts", False), ("anomalies", True)])
def test_a_flag_says_how_likely_it_is_unless_its_detector_ranks_all_records(source, monkeypatch, detector, ranks):
    record = Record.objects.get(external_id="C3")
    odd = Finding((record.pk,), Flag(), 0.99, (Evidence("test", 1.0, "because the test says so", ("City",)),), "test")
    install_checks(monkeypatch, **{detector: lambda batch: [odd]})
    scan(source, detector)
    assert card(ReviewItem.objects.get()).ranks_oddity == ranks


class TestHolding:
    def test_a_desk_holds_the_card_on_the_screen_and_the_next_two(self, items, steward, admin):
        assert queue.fill(user=steward).fresh == items[:3]
        assert queue.fill(user=admin).fresh == items[3:6]

    def test_held_cards_stay_and_only_what_is_missing_is_added(self, items, steward):
        queue.fill(user=steward)
        desk = queue.fill(user=steward, held=[items[1].pk, items[2].pk])
        assert (desk.fresh, desk.gone) == ([items[0]], [])

    def test_a_held_card_that_a_colleague_took_after_the_lease_ran_out_is_gone(self, items, steward, admin):
        queue.fill(user=steward, want=1)
        ReviewItem.objects.update(lease_until=timezone.now() - timedelta(seconds=1))
        assert queue.claim(user=admin, item_id=items[0].pk)
        assert queue.fill(user=steward, held=[items[0].pk], want=1).gone == [items[0].pk]

    def test_activity_renews_the_leases(self, items, steward, admin):
        queue.fill(user=steward, want=2)
        ReviewItem.objects.filter(leased_by=steward).update(lease_until=timezone.now() + timedelta(seconds=1))
        assert queue.renew(user=steward, held=[items[0].pk, items[1].pk]) == []
        assert ReviewItem.objects.filter(lease_until__gt=timezone.now() + timedelta(minutes=4)).count() == 2

    def test_giving_back_some_cards_keeps_the_others(self, items, steward, admin):
        queue.fill(user=steward)
        queue.release(user=steward, held=[items[0].pk])
        assert queue.fill(user=admin, want=1).fresh == [items[0]]
        assert ReviewItem.objects.filter(leased_by=steward).count() == 2

    def test_a_stale_card_is_refused_and_the_next_ones_come(self, client, items):
        client.post("/queue/next/", {"held": ""})
        correcting.set_fields(record_id=items[0].finding.subjects[0], changes={"City": "Berlin"}, cause="test")
        answer = client.post(f"/queue/{items[0].pk}/decide/", {"verdict": "accept", "held": f"{items[1].pk}"})
        assert 'data-outcome="refused"' in answer.content.decode()
        assert laid(answer) == [items[2].pk, items[3].pk]
        assert not Decision.objects.exists()

    def test_a_held_card_about_a_record_that_was_just_written_comes_again(self, make_source, steward, monkeypatch):
        source = make_source("people", COLUMNS, [["C1", "Ann", "Bostn", "U", "sales"]])
        record = Record.objects.get(source=source)
        install(monkeypatch, lambda batch: [claim(record, 0.9, City="Boston"), claim(record, 0.8, Country="US")])
        scan(source)
        first, second = queue.fill(user=steward).fresh
        deciding.decide(item=first, verdict=Verdict.ACCEPT, user=steward)
        desk = queue.fill(user=steward, held=[second.pk], touched=[record.pk])
        assert [item.pk for item in desk.fresh] == [second.pk]
        assert desk.records[record.pk].fields["City"] == "Boston"

    def test_twenty_decisions_are_undone_by_key_one_after_the_other(self, client, items):
        order = []
        for _ in range(4):
            for item in items[:5]:
                client.post(f"/queue/{item.pk}/decide/", {"verdict": "unsure"})
                order.append(item.pk)
            undone = []
            for _ in range(5):
                answer = client.post("/decisions/undo/")
                undone.append(int(re.search(r'data-about="(\d+)"', answer.content.decode())[1]))
            assert undone == order[::-1][:5]
        assert not Decision.objects.filter(undone_at=None).exists()

    def test_an_undo_names_its_item_and_takes_no_other_decision_back(self, client, items):
        for item in items[:2]:
            client.post(f"/queue/{item.pk}/decide/", {"verdict": "unsure"})
        client.post("/decisions/undo/", {"item": items[0].pk})
        assert Decision.objects.get(undone_at=None).item_id == items[1].pk


class TestNarrowing:
    @pytest.mark.parametrize(
        ("filters", "places"),
        [
            (Filters(segment="Country=US"), [1, 3, 5]),
            (Filters(owner="other"), [0, 2, 4]),
            (Filters(min_score=0.7, max_score=0.9), [1, 2, 3]),
            (Filters(min_age=1), []),
            (Filters(max_age=1), [0, 1, 2, 3, 4, 5]),
            (Filters(rule="scripted", action="set", detector="scripted"), [0, 1, 2, 3, 4, 5]),
            (Filters(assigned="nobody", segment="Country=DE"), [0, 2, 4]),
        ],
    )
    def test_only_what_fits_is_handed_out(self, items, steward, filters, places):
        assert queue.fill(user=steward, filters=filters, want=6).fresh == [items[place] for place in places]

    def test_every_order_hands_out_and_lists_the_same(self, items, steward):
        ReviewItem.objects.filter(pk=items[0].pk).update(created_at=timezone.now() - timedelta(days=2))
        ReviewItem.objects.filter(pk=items[4].pk).update(impact=9)
        firsts = {}
        for sort in Sort.values:
            filters = Filters(sort=sort)
            listed = [row.item.pk for row in listing.page(user=steward, filters=filters).rows]
            assert [item.pk for item in queue.fill(user=steward, filters=filters, want=6).fresh] == listed
            firsts[sort] = listed[0]
        assert firsts == {
            "rank": items[0].pk,
            "impact": items[4].pk,
            "confidence": items[0].pk,
            "varied": items[0].pk,
            "informative": items[5].pk,
            "oldest": items[0].pk,
        }

    @pytest.mark.parametrize("sort", Sort.values)
    def test_the_pages_of_the_list_hold_every_item_once(self, items, steward, sort, monkeypatch):
        monkeypatch.setattr(listing, "PAGE", 2)
        queue.skip(item=items[3], user=steward)
        seen, cursor = [], ""
        while True:
            page = listing.page(user=steward, filters=Filters(sort=sort), cursor=cursor)
            seen += [row.item.pk for row in page.rows]
            cursor = page.further
            if not cursor:
                break
        assert sorted(seen) == sorted(item.pk for item in items)
        assert seen[-1] == items[3].pk

    @pytest.mark.parametrize("cursor", ["x", "1_nan_2", "0__", "-1_2_3", "0_0.5_" + "9" * 30])
    def test_a_cursor_that_we_did_not_write_is_the_start(self, items, steward, cursor):
        assert len(listing.page(user=steward, filters=Filters(), cursor=cursor).rows) == 6

    def test_the_list_says_who_is_on_an_item(self, items, client, admin):
        queue.claim(user=admin, item_id=items[0].pk)
        assert '<span class="tag running">boss</span>' in client.get("/queue/list/").content.decode()

    def test_sales_people_see_items_of_records_that_are_theirs_now(self, items, sales):
        assert list(visible_items(sales).order_by("-score")) == items[1::2]
        Record.objects.filter(pk=items[1].finding.subjects[0]).update(fields={"Owner": "other"})
        assert list(visible_items(sales).order_by("-score")) == items[3::2]


class TestAround:
    def test_an_assigned_item_is_handed_to_that_person_alone(self, items, steward, admin):
        queue.assign(items=[items[0].pk], to=admin, by=steward)
        assert queue.fill(user=steward, want=1).fresh == [items[1]]
        assert queue.fill(user=admin, filters=Filters(assigned="me")).fresh == [items[0]]

    def test_an_item_is_not_assigned_to_someone_who_may_not_see_it(self, items, steward, sales, make_user):
        with pytest.raises(Refused, match="may not see 1"):
            queue.assign(items=[items[0].pk, items[1].pk], to=sales, by=steward)
        with pytest.raises(Refused, match="decides no items"):
            queue.assign(items=[items[0].pk], to=make_user("auditor"), by=steward)
        assert queue.assign(items=[items[1].pk], to=sales, by=steward) == 1

    def test_a_comment_is_shown_on_the_card_and_escaped(self, items, client):
        client.post(f"/queue/{items[0].pk}/comment/", {"text": "Ask <b>Ann</b>"})
        card = client.post("/queue/next/").content.decode()
        assert "Ask &lt;b&gt;Ann&lt;/b&gt;" in card

    @pytest.mark.parametrize("text", ["", "   ", "x" * 2_001, "a\0b"])
    def test_an_empty_or_endless_comment_is_refused(self, items, steward, text):
        with pytest.raises(Refused):
            desks.comment(item=items[0], text=text, user=steward)

    def test_a_view_is_its_owners_until_an_admin_shares_it(self, items, client, steward, admin):
        client.post("/queue/views/", {"name": "Mine", "segment": "Country=US", "sort": "impact"})
        mine = SavedView.objects.get()
        assert mine.query == {"segment": "Country=US", "sort": "impact"}
        assert mine not in desks.views_for(admin)
        with pytest.raises(Refused):
            desks.save_view(user=steward, name="Ours", query={}, shared=True)
        shared = desks.save_view(user=admin, name="Ours", query={"sort": "oldest"}, shared=True)
        assert shared in desks.views_for(steward)
        assert client.post(f"/queue/views/{shared.pk}/delete/").status_code == 404
        assert client.post(f"/queue/views/{mine.pk}/delete/").status_code == 302

    def test_a_view_of_the_api_is_the_same_view(self, items, client):
        made = client.post(
            "/api/v1/views/", {"name": "V", "query": {"sort": "oldest"}}, content_type="application/json"
        )
        assert made.status_code == 201
        assert 'href="?sort=oldest"' in client.get("/queue/").content.decode()
        assert client.delete(f"/api/v1/views/{made.json()['id']}/").status_code == 204

    def test_a_used_up_budget_hands_out_no_more_until_the_person_goes_on(self, items, client, steward, admin):
        desks.set_budget(user=steward, cards=2, by=admin)
        assert len(laid(client.post("/queue/next/"))) == 2
        for item in items[:2]:
            answer = client.post(f"/queue/{item.pk}/decide/", {"verdict": "unsure"})
        said = answer.content.decode()
        assert 'data-used="2" data-budget="2"' in said
        assert "data-used-up" in said
        assert laid(answer) == []
        assert len(laid(client.post("/queue/next/", {"over": "1"}))) == 3

    def test_an_undone_decision_is_not_counted_against_the_budget(self, items, steward, admin):
        desks.set_budget(user=steward, cards=5, by=admin)
        decision = deciding.decide(item=items[0], verdict=Verdict.UNSURE, user=steward)
        deciding.undo_decision(decision=decision, user=steward)
        assert desks.budget_of(steward).used == 0

    def test_the_api_assigns_comments_and_budgets(self, items, client, admin):
        def post(path, body):
            return client.post(f"/api/v1/{path}", body, content_type="application/json")

        assert post(f"items/{items[0].pk}/assign/", {"to": "boss"}).json()["assigned_to"] == "boss"
        assert post(f"items/{items[0].pk}/assign/", {"to": None}).json()["assigned_to"] is None
        assert post(f"items/{items[0].pk}/assign/", {"to": "nobody there"}).status_code == 404
        assert post(f"items/{items[0].pk}/comments/", {"text": "why?"}).status_code == 201
        assert [one["text"] for one in client.get(f"/api/v1/items/{items[0].pk}/comments/").json()] == ["why?"]
        client.force_login(admin)
        assert post("budgets/", {"user": "steward", "cards": 50}).json()["cards"] == 50
        assert {"user": "steward", "cards": 50, "used": 0} in client.get("/api/v1/budgets/").json()
        listed = client.get("/api/v1/items/?segment=Country%3DUS&assigned=nobody&max_score=0.8").json()["results"]
        assert {row["id"] for row in listed} == {items[3].pk, items[5].pk}
