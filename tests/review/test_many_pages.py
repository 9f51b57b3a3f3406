"""Many at once as people and programs use it: pages and API."""

from __future__ import annotations

import json

import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import AccessPolicy, Record
from review.models import Decision, DecisionBatch, ReviewItem
from review.services import batching, deciding, lots
from review.views import queue
from tests.review.test_batches import ACCEPT, first, of, typos  # noqa: F401
from tests.review.test_lots import choice, judge, lot, sample, source  # noqa: F401

API = "/api/v1"


@pytest.fixture(autouse=True)
def quick_passwords(settings):
    settings.PASSWORD_HASHERS = ["django.contrib.auth.hashers.MD5PasswordHasher"]


def client_of(user) -> Client:
    client = Client()
    client.force_login(user)
    return client


def post(client, path, body=None):
    return client.post(API + path, json.dumps(body or {}), "application/json")


def ids_after(user, count: int) -> list[int]:
    """Items alike, but for the first so many; the one that the tests open is kept."""
    others = batching.alike(first(), user).exclude(pk=first().pk).order_by("pk")
    return list(others.values_list("pk", flat=True)[count - 1 :])


def test_the_list_of_decisions_leads_to_older_ones_where_there_are(typos, steward, monkeypatch):  # noqa: F811
    monkeypatch.setattr(queue, "DECISIONS", 2)
    for item in batching.alike(first(), steward).exclude(pk=first().pk)[:3]:
        deciding.decide(item=item, verdict=ACCEPT, user=steward)
    latest, middle, oldest = Decision.objects.order_by("-id").values_list("id", flat=True)[:3]
    page = client_of(steward).get(reverse("decisions"))
    assert [one.pk for one in page.context["decisions"]] == [latest, middle]
    assert f"?before={middle}".encode() in page.content
    last = client_of(steward).get(reverse("decisions"), {"before": middle})
    assert [one.pk for one in last.context["decisions"]] == [oldest]
    assert b">Older<" not in last.content


class TestGroupPage:
    def test_the_card_says_how_many_others_are_like_it(self, typos, steward):  # noqa: F811
        answer = client_of(steward).post(reverse("next-card"), {"item": first().pk})
        assert b"39 others like this" in answer.content
        assert reverse("group", args=[first().pk]).encode() in answer.content

    def test_it_lists_them_with_before_and_after_and_a_random_sample(self, typos, steward):  # noqa: F811
        page = client_of(steward).get(reverse("group", args=[first().pk]))
        group = page.context["group"]
        assert (group.total, group.free, len(group.rows), len(group.sample)) == (40, 40, 40, 8)
        assert group.rule == [("City", "Bostn → Boston")]
        again = client_of(steward).get(reverse("group", args=[first().pk])).context["group"]
        assert [row.item for row in again.sample] == [row.item for row in group.sample]

    def test_one_post_settles_the_ticked_ones_and_the_undo_key_takes_all_back(self, typos, steward):  # noqa: F811
        client = client_of(steward)
        ids = sorted(batching.alike(first(), steward).values_list("pk", flat=True))
        sent = {"verdict": "accept", "shown": ",".join(map(str, ids)), "item": ids[1:], "newest": ids[-1]}
        answer = client.post(reverse("decide-group", args=[first().pk]), sent, follow=True)
        assert b"39 items accepted together" in answer.content
        assert Record.objects.filter(fields__City="Boston").count() == 39
        undone = client.post(reverse("undo-last"))
        assert b"39 decisions made together undone" in undone.content
        assert not Record.objects.filter(fields__City="Boston").exists()

    def test_every_listed_item_has_its_tick_in_a_small_group_too(self, typos, steward):  # noqa: F811
        for count in (40, 3):
            batching.alike(first(), steward).filter(pk__in=ids_after(steward, count)).update(state="withdrawn")
            page = client_of(steward).get(reverse("group", args=[first().pk])).content.decode()
            assert page.count('name="item"') == count

    def test_a_person_who_may_not_read_a_column_sees_it_masked(self, typos, steward):  # noqa: F811
        AccessPolicy.objects.create(source=typos, number=1, columns=["city"], masked_for=["steward"])
        page = client_of(steward).get(reverse("group", args=[first().pk])).content.decode()
        assert "Bostn" not in page
        assert "Boston" not in page

    def test_sales_people_are_not_offered_groups(self, typos, sales, make_user):  # noqa: F811
        client = client_of(sales)
        assert client.get(reverse("group", args=[first().pk])).status_code == 403
        assert client.post(reverse("decide-group", args=[first().pk]), {"verdict": "accept"}).status_code == 403
        assert not Decision.objects.exists()

    def test_an_unknown_verdict_is_refused(self, typos, steward):  # noqa: F811
        answer = client_of(steward).post(reverse("decide-group", args=[first().pk]), {"verdict": "edit"})
        assert answer.status_code == 400

    def test_a_reason_to_skip_is_shown_when_the_card_comes_back(self, typos, steward):  # noqa: F811
        client, item = client_of(steward), first()
        client.post(reverse("next-card"), {"item": item.pk})
        client.post(reverse("skip", args=[item.pk]), {"reason": "waits for the customer"})
        back = client.post(reverse("next-card"), {"item": item.pk})
        assert b"waits for the customer" in back.content


class TestBatchPage:
    def test_it_shows_outcomes_and_undoes_as_a_whole(self, typos, steward):  # noqa: F811
        batch = batching.decide_group(item=first(), verdict=ACCEPT, user=steward)
        client = client_of(steward)
        assert b"Undo all 40" in client.get(reverse("batch", args=[batch.pk])).content
        answer = client.post(reverse("undo-batch", args=[batch.pk]), follow=True)
        assert b"Undo of batch" in answer.content
        assert batching.standing(batch) == 0
        assert b"Undone by batch" in client.get(reverse("batch", args=[batch.pk])).content

    def test_a_large_one_shows_its_progress_and_can_be_stopped(self, typos, steward, monkeypatch):  # noqa: F811
        monkeypatch.setattr(batching, "AT_ONCE", 10)
        client = client_of(steward)
        answer = client.post(reverse("decide-group", args=[first().pk]), {"verdict": "reject"})
        batch = DecisionBatch.objects.get()
        assert answer.url == reverse("batch", args=[batch.pk])
        assert b'hx-trigger="load delay:1s"' in client.get(answer.url).content
        assert (
            reverse("batch", args=[batch.pk]).encode()
            in client.get(reverse("jobs"), headers={"HX-Request": "true"}).content
        )
        client.post(reverse("cancel-batch", args=[batch.pk]))
        batch.refresh_from_db()
        assert batch.state == "cancelled"


class TestLotPages:
    def test_plan_draw_judge_and_accept(self, choice, steward):  # noqa: F811
        client = client_of(steward)
        asked = {"source": choice.source.pk, "detector": "scripted", "min_score": "0"}
        plan = client.get(reverse("lots"), asked).context["proposed"].plan
        drawn = client.post(reverse("draw-lot"), asked)
        made = choice.source.lots.get()
        assert (drawn.url, made.sample) == (reverse("lot", args=[made.pk]), plan.sample)
        assert client.post(reverse("judge-lot", args=[made.pk])).url.endswith(f"?lot={made.pk}")
        judge(made, steward)
        assert f"Accept the other {made.size - made.sample}".encode() in client.get(drawn.url).content
        assert client.post(reverse("accept-lot", args=[made.pk])).url.startswith("/batches/")
        assert not ReviewItem.objects.open().exists()

    def test_a_judged_card_is_listed_as_it_was_seen(self, lot, steward):  # noqa: F811
        judge(lot, steward)
        cards = client_of(steward).get(reverse("lot", args=[lot.pk])).context["cards"]
        assert {row.cells[0].before for _, row in cards} == {"Bostn"}

    def test_a_failed_sample_shows_the_interval_and_accepts_nothing(self, lot, steward):  # noqa: F811
        judge(lot, steward, wrong=lot.allowed + 1)
        client = client_of(steward)
        assert b"90 % interval" in client.get(reverse("lot", args=[lot.pk])).content
        client.post(reverse("accept-lot", args=[lot.pk]))
        lot.refresh_from_db()
        assert (lot.state, lot.rest) == ("refused", None)

    def test_an_admin_sets_the_limits_in_percent(self, admin, db):
        client_of(admin).post(reverse("lot-rule"), {"limit": "2.5", "risk": "5"})
        rule = lots.rule_in_force()
        assert (rule.limit, rule.risk, rule.by) == (0.025, 0.05, admin)

    @pytest.mark.parametrize("sent", [{"limit": "nan", "risk": "5"}, {"limit": "", "risk": ""}, {"limit": "2"}])
    def test_nonsense_is_refused_with_a_word(self, admin, db, sent):
        answer = client_of(admin).post(reverse("lot-rule"), sent, follow=True)
        assert answer.status_code == 200
        assert lots.rule_in_force().pk is None


class TestApi:
    def test_a_group_is_settled_listed_and_undone(self, typos, steward):  # noqa: F811
        client, item = client_of(steward), first()
        alike = client.get(f"{API}/items/", {"pattern": item.pattern, "state": "open"}).json()["results"]
        apart = of(Record.objects.get(external_id="C9"))
        made = post(client, "/batches/", {"item": item.pk, "verdict": "accept", "without": [apart.pk]})
        assert (made.status_code, made.json()["outcomes"]["decided"], len(alike)) == (201, 39, 40)
        found = client.get(f"{API}/batches/{made.json()['id']}/members/").json()["results"]
        assert {one["outcome"] for one in found} == {"decided"}
        undone = post(client, f"/batches/{made.json()['id']}/undo/").json()
        assert (undone["kind"], undone["outcomes"]["undone"]) == ("undo", 39)
        assert post(client, f"/batches/{made.json()['id']}/undo/").status_code == 400

    def test_a_large_group_is_accepted_for_later(self, typos, steward, monkeypatch):  # noqa: F811
        monkeypatch.setattr(batching, "AT_ONCE", 10)
        made = post(client_of(steward), "/batches/", {"item": first().pk, "verdict": "reject"})
        assert (made.status_code, made.json()["state"]) == (202, "queued")

    def test_similar_items_are_a_filter(self, typos, steward):  # noqa: F811
        found = client_of(steward).get(f"{API}/items/", {"like": first().pk, "page_size": 100}).json()["results"]
        assert first().pk not in {row["id"] for row in found}
        assert {row["rule"] for row in found} == {"scripted"}

    def test_a_lot_is_planned_drawn_judged_and_accepted(self, choice, steward):  # noqa: F811
        client = client_of(steward)
        given = {"source": choice.source.pk, "detector": "scripted"}
        plan = post(client, "/lots/plan/", given).json()
        made = post(client, "/lots/", given).json()
        assert (plan["size"], made["sample"], made["allowed"]) == (60, plan["sample"], plan["allowed"])
        cards = client.get(f"{API}/lots/{made['id']}/sample/").json()
        assert post(client, f"/lots/{made['id']}/accept/").status_code == 400
        for card in cards:
            assert post(client, "/decisions/", {"item": card["item"], "verdict": "accept"}).status_code == 201
        assert client.get(f"{API}/lots/{made['id']}/").json()["standing"]["judged"] == made["sample"]
        done = post(client, f"/lots/{made['id']}/accept/").json()
        assert (done["kind"], done["outcomes"]["decided"]) == ("rest", 60 - made["sample"])

    def test_a_skip_says_why(self, typos, steward):  # noqa: F811
        client = client_of(steward)
        assert post(client, f"/items/{first().pk}/skip/", {"reason": "ask Ann"}).status_code == 204
        shown = client.get(f"{API}/items/{first().pk}/").json()["skip_reasons"]
        assert [(one["by"], one["reason"]) for one in shown] == [("steward", "ask Ann")]

    def test_an_admin_sets_the_limits(self, admin, db):
        made = post(client_of(admin), "/acceptance-rules/", {"limit": 0.02, "risk": 0.05})
        assert (made.status_code, lots.rule_in_force().limit) == (201, 0.02)
        assert post(client_of(admin), "/acceptance-rules/", {"limit": 0.9, "risk": 0.05}).status_code == 400
