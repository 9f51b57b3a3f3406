"""Accepting a lot after judging a sample of it."""

from __future__ import annotations

import pytest
from django.core.exceptions import PermissionDenied
from django.db import IntegrityError, transaction

from crmquality.models import Change, Record
from crmquality.services import correcting
from crmquality.services.errors import Refused
from review.models import Decision, Lot, LotItem, ReviewItem
from review.services import batching, deciding, labelling, lots, queue
from tests.review.test_batches import contacts
from tests.scripted import claim, install, scan

ACCEPT, REJECT, EDIT, UNSURE = (Decision.Verdict(name) for name in ("accept", "reject", "edit", "unsure"))


@pytest.fixture
def source(make_source, monkeypatch):
    """Sixty claims on as many records, at scores from 0.6 to 0.9."""
    source = contacts(make_source, 60)
    claims = [
        claim(record, 0.6 + at / 200, City=f"City {at}") for at, record in enumerate(Record.objects.order_by("id"))
    ]
    install(monkeypatch, lambda batch: claims)
    scan(source)
    return source


@pytest.fixture
def choice(source, admin):
    lots.set_rule(limit=0.1, risk=0.1, user=admin)
    return lots.Choice(source, "scripted")


@pytest.fixture
def lot(choice, steward):
    return lots.draw(choice=choice, user=steward)


def sample(lot: Lot) -> list[ReviewItem]:
    return [place.item for place in lots.with_verdicts(lot)]


def judge(lot: Lot, user, *, wrong: int = 0) -> None:
    for at, item in enumerate(one for one in sample(lot) if one.state == "open"):
        deciding.decide(item=item, verdict=REJECT if at < wrong else ACCEPT, user=user)


def test_the_rest_is_accepted_in_one_step_once_the_sample_passed(lot, steward):
    assert 0 < lot.sample < lot.size == 60
    judge(lot, steward, wrong=lot.allowed)
    batch = lots.accept_rest(lot=lot, user=steward)
    lot.refresh_from_db()
    assert (lot.state, lot.judged, lot.wrong, lot.rest) == ("accepted", lot.sample, lot.allowed, batch)
    assert batch.size == batching.outcomes(batch)["decided"] == 60 - lot.sample
    assert Change.objects.count() == 60 - lot.allowed
    assert not ReviewItem.objects.open().exists()


def test_more_wrong_ones_than_allowed_refuse_the_lot_for_good_and_the_interval_is_shown(lot, steward):
    judge(lot, steward, wrong=lot.allowed + 1)
    with pytest.raises(Refused, match=r"90 % interval the lot of 60 holds \d+ to \d+ wrong ones"):
        lots.accept_rest(lot=lot, user=steward)
    lot.refresh_from_db()
    assert (lot.state, lot.wrong, lot.rest) == ("refused", lot.allowed + 1, None)
    with pytest.raises(Refused, match="closed"):
        lots.accept_rest(lot=lot, user=steward)
    assert ReviewItem.objects.open().count() == 60 - lot.sample


def test_a_sample_that_is_not_judged_to_the_end_accepts_nothing(lot, steward):
    judge(lot, steward)
    deciding.undo_decision(decision=Decision.objects.first(), user=steward)
    with pytest.raises(Refused, match="judge them all first"):
        lots.accept_rest(lot=lot, user=steward)
    assert lots.standing(lot).undone == 1


@pytest.mark.parametrize("verdict", [EDIT, UNSURE])
def test_an_edit_and_a_doubt_count_as_wrong(lot, steward, verdict):
    edited = {"changes": {"City": "Rome"}} if verdict is EDIT else None
    deciding.decide(item=sample(lot)[0], verdict=verdict, user=steward, edited=edited)
    assert (lots.standing(lot).judged, lots.standing(lot).wrong) == (1, 1)


def test_nobody_draws_until_lucky(lot, choice, source, steward, monkeypatch):
    with pytest.raises(Refused, match="not in a lot before"):
        lots.draw(choice=choice, user=steward)
    judge(lot, steward, wrong=lot.allowed + 1)
    with pytest.raises(Refused):
        lots.accept_rest(lot=lot, user=steward)
    with pytest.raises(Refused, match="not in a lot before"):
        lots.draw(choice=lots.Choice(source, "scripted", "set", 0.8), user=steward)


def test_an_item_is_in_one_lot_only_by_a_constraint(lot, source, steward):
    plan = {"size": 1, "sample": 1, "allowed": 0, "limit": 0.1, "risk": 0.1, "expected": 0.0, "seed": 1}
    other = Lot.objects.create(source=source, detector="scripted", by=steward, **plan)
    with pytest.raises(IntegrityError), transaction.atomic():
        LotItem.objects.create(lot=other, item=sample(lot)[0], position=0)


def test_the_lot_is_fixed_what_a_run_finds_later_is_not_accepted_with_it(lot, source, steward, monkeypatch):
    record = Record.objects.get(external_id="C0")
    install(
        monkeypatch,
        lambda batch: [
            *[claim(Record.objects.get(pk=one.finding.subjects[0]), one.score, **one.finding.proposal["changes"])
              for one in ReviewItem.objects.select_related("finding")],
            claim(record, 0.99, Town="Boston"),
        ],
    )  # fmt: skip
    scan(source)
    judge(lot, steward)
    lots.accept_rest(lot=lot, user=steward)
    assert [item.finding.proposal["changes"] for item in ReviewItem.objects.open()] == [{"Town": "Boston"}]


def test_the_draw_is_random_kept_and_spread_over_the_lot(lot):
    import random

    ids = sorted(ReviewItem.objects.values_list("id", flat=True))
    random.Random(lot.seed).shuffle(ids)
    assert list(lot.places.values_list("item", flat=True)) == ids
    assert lot.places.filter(drawn=True).count() == lot.sample


def test_a_card_that_can_no_longer_be_judged_is_replaced_by_the_next_in_the_order(lot, steward):
    gone = sample(lot)[2]
    correcting.set_fields(record_id=gone.finding.subjects[0], changes={"City": "Austin"}, cause="test")
    with pytest.raises(deciding.StaleFinding):
        deciding.decide(item=gone, verdict=ACCEPT, user=steward)
    judge(lot, steward)
    assert (lots.standing(lot).judged, lots.standing(lot).missing) == (lot.sample - 1, 1)
    assert (lots.top_up(lot), lots.top_up(lot)) == (1, 0)
    assert sample(lot)[-1] == lot.places.get(position=lot.sample).item
    judge(lot, steward)
    assert lots.standing(lot).passes(lot)


def test_the_sample_alone_is_handed_out_at_the_desk(lot, steward):
    drawn = {item.pk for item in sample(lot)}
    given = set()
    while item := queue.claim_next(user=steward, filters=queue.Filters(lot=lot.pk)):
        given.add(item.pk)
        deciding.decide(item=item, verdict=ACCEPT, user=steward)
    assert given == drawn


def test_what_lies_below_the_score_or_on_a_colleagues_desk_is_not_in_the_lot(source, choice, steward, admin):
    held = queue.claim_next(user=admin)
    lot = lots.draw(choice=lots.Choice(source, "scripted", "set", 0.7), user=steward)
    items = ReviewItem.objects.filter(place__lot=lot)
    assert lot.size == items.count() == 39
    assert min(items.values_list("score", flat=True)) >= 0.7
    assert held not in items


def test_the_rest_is_undone_as_a_whole(lot, steward):
    judge(lot, steward)
    batch = lots.accept_rest(lot=lot, user=steward)
    batching.request_undo(batch=batch, user=steward)
    assert ReviewItem.objects.open().count() == 60 - lot.sample
    assert Record.objects.filter(fields__City="Bostn").count() == 60 - lot.sample


def test_what_nobody_looked_at_teaches_nothing(lot, source, steward):
    judge(lot, steward)
    lots.accept_rest(lot=lot, user=steward)
    assert len(labelling.labels(source, "scripted")) == lot.sample
    assert labelling.count_verdicts(source)[1] == lot.sample


def test_the_expected_share_comes_from_earlier_decisions_once_there_are_enough(source, choice, steward):
    items = list(ReviewItem.objects.order_by("id"))
    assert lots.propose(choice, steward).assumed
    for at, item in enumerate(items[: lots.ENOUGH]):
        deciding.decide(item=item, verdict=REJECT if at % 10 == 0 else ACCEPT, user=steward)
    found = lots.propose(choice, steward)
    assert not found.assumed
    assert found.plan is None or found.plan.expected == pytest.approx(0.1)
    assert lots.known_wrong(choice) == pytest.approx(0.1)


def test_a_lot_that_is_too_small_is_refused(source, choice, steward):
    with pytest.raises(Refused, match="too few"):
        lots.draw(choice=lots.Choice(source, "scripted", "", 0.89), user=steward)


def test_only_stewards_draw_and_accept_and_only_admins_set_the_limits(choice, lot, sales, make_user, steward):
    for person in (sales, make_user("auditor")):
        with pytest.raises(PermissionDenied):
            lots.draw(choice=choice, user=person)
        with pytest.raises(PermissionDenied):
            lots.accept_rest(lot=lot, user=person)
    with pytest.raises(PermissionDenied):
        lots.set_rule(limit=0.5, risk=0.2, user=steward)


@pytest.mark.parametrize(("limit", "risk"), [(0.0, 0.1), (0.6, 0.1), (0.05, 0.5)])
def test_limits_out_of_range_are_refused(db, admin, limit, risk):
    with pytest.raises(Refused):
        lots.set_rule(limit=limit, risk=risk, user=admin)
