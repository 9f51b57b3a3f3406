"""Accepting a lot after judging a sample of it: the plan, the one draw, the verdicts, the rest in one step.

The lot is fixed when it is drawn: its items are put into one random order, once, and an item is never in a second lot.
The sample is the beginning of that order and is judged at the desk by ordinary decisions. One that can no longer be
judged (its record changed, a run withdrew it) is replaced by the next in the order.
"""

from __future__ import annotations

import random
import secrets
from dataclasses import dataclass
from typing import Any

from django.db import IntegrityError, transaction
from django.db.models import Count, Max, OuterRef, Q, QuerySet, Subquery
from django.db.models.functions import Now

from crmquality.models import Source
from crmquality.services import access
from crmquality.services.access import UserRole
from crmquality.services.errors import Conflict, Refused
from review import sampling
from review.models import AcceptanceRule, Decision, DecisionBatch, Lot, LotItem, ReviewItem
from review.models.items import ReviewItemQuerySet
from review.services import batching, queue

RIGHT = {Decision.Verdict.ACCEPT, Decision.Verdict.EXPECTED}
"""Verdicts after which accepting as proposed was right; an edit or a doubt says that it would not have been."""
ENOUGH = 20
"""Decisions from which the share of wrong ones is estimated; with fewer, a fifth of the limit is assumed."""
LARGEST = 200_000


@dataclass(frozen=True)
class Choice:
    """What a lot is made of."""

    source: Source
    detector: str
    action: str = ""
    min_score: float = 0.0


@dataclass(frozen=True)
class Proposed:
    """What would be drawn. plan: None for a lot too small to be worth a sample. assumed: the expected share of wrong
    ones is no estimate yet, but a fifth of the limit."""

    size: int
    plan: sampling.Plan | None
    assumed: bool


@dataclass(frozen=True)
class Standing:
    """How the sample is doing. low, high: wrong ones the whole lot may hold, by the exact 90 % interval.

    missing: cards of the sample that can no longer be judged and await replacement.
    """

    judged: int
    wrong: int
    missing: int
    low: int
    high: int
    undone: int

    def passes(self, lot: Lot) -> bool:
        """Whether the rest may be accepted."""
        return self.judged >= lot.sample and self.wrong <= lot.allowed

    def fails(self, lot: Lot) -> bool:
        """Whether more are wrong than the plan allows."""
        return self.wrong > lot.allowed


def rule_in_force() -> AcceptanceRule:
    """The newest rule; the defaults, not stored, where no admin has set one."""
    return AcceptanceRule.objects.first() or AcceptanceRule()


def set_rule(*, limit: float, risk: float, user: Any) -> AcceptanceRule:
    """Set the tolerated share of wrong ones and the consumer's risk. Raises Refused out of range."""
    access.require(user, UserRole.ADMIN)
    if not (0.001 <= limit <= 0.5 and 0.01 <= risk <= 0.2):
        raise Refused("The tolerated share lies between 0.1 % and 50 %, the risk between 1 % and 20 %.")
    return AcceptanceRule.objects.create(limit=limit, risk=risk, by=user)


def eligible(choice: Choice, user: Any) -> ReviewItemQuerySet:
    """The open items that fit, are free for this person, and were never in a lot."""
    items = queue.visible_items(user).filter(
        source=choice.source, detector=choice.detector, score__gte=choice.min_score, place__isnull=True
    )
    return (items.filter(action=choice.action) if choice.action else items).available_to(user.pk)


def propose(choice: Choice, user: Any) -> Proposed:
    """What would be drawn now. Nothing is stored."""
    access.require(user, UserRole.STEWARD)
    size = eligible(choice, user)[: LARGEST + 1].count()
    rule = rule_in_force()
    known = known_wrong(choice)
    expected = rule.limit / 5 if known is None else known
    plan = sampling.plan(size=size, limit=rule.limit, risk=rule.risk, expected=expected) if size else None
    return Proposed(size, plan, known is None)


def known_wrong(choice: Choice) -> float | None:
    """The share of wrong ones among earlier decisions of this kind; None while there are too few to say."""
    decided = Decision.objects.looked_at().filter(
        item__source=choice.source, item__detector=choice.detector, item__score__gte=choice.min_score
    )
    if choice.action:
        decided = decided.filter(item__action=choice.action)
    counts = decided.aggregate(all=Count("id"), right=Count("id", filter=Q(verdict__in=RIGHT)))
    return 1 - counts["right"] / counts["all"] if counts["all"] >= ENOUGH else None


@transaction.atomic
def draw(*, choice: Choice, user: Any) -> Lot:
    """Fix a lot and draw its sample. Raises Refused if it is empty, too large or too small; Conflict if an item of it
    was put into another lot at the same moment."""
    access.require(user, UserRole.STEWARD)
    plan = propose(choice, user).plan
    ids = sorted(eligible(choice, user).values_list("id", flat=True)[: LARGEST + 1])
    if len(ids) > LARGEST:
        raise Refused(f"More than {LARGEST:,} items: narrow the choice.")
    if not ids:
        raise Refused("No open item fits that was not in a lot before.")
    if plan is not None and plan.size != len(ids):
        raise Conflict("The queue changed just now: look again.")
    if plan is None:
        raise Refused(f"{len(ids)} items are too few: a sample would be all of them. Judge them one by one.")
    seed = secrets.randbits(62)
    random.Random(seed).shuffle(ids)  # noqa: S311 - a seed that is kept, so that the draw can be repeated
    lot = Lot.objects.create(
        source=choice.source,
        detector=choice.detector,
        action=choice.action,
        min_score=choice.min_score,
        size=plan.size,
        sample=plan.sample,
        allowed=plan.allowed,
        limit=plan.limit,
        risk=plan.risk,
        expected=plan.expected,
        seed=seed,
        by=user,
    )
    try:
        with transaction.atomic():
            LotItem.objects.bulk_create(
                (LotItem(lot=lot, item_id=item, position=at, drawn=at < plan.sample) for at, item in enumerate(ids)),
                batch_size=5_000,
            )
    except IntegrityError as error:
        raise Conflict("Another steward drew a lot with some of these items just now: look again.") from error
    return lot


def standing(lot: Lot) -> Standing:
    """Verdicts of the sample as they stand, and what they say of the whole lot."""
    counts = _verdicts(lot).aggregate(
        judged=Count("id", filter=Q(verdict__isnull=False)),
        wrong=Count("id", filter=Q(verdict__isnull=False) & ~Q(verdict__in=RIGHT)),
        missing=Count("id", filter=_cannot_be_judged()),
    )
    taken_back = Decision.objects.filter(item__place__lot=lot, item__place__drawn=True, undone_at__isnull=False)
    low, high = sampling.interval(counts["wrong"], lot=lot.size, sample=counts["judged"])
    return Standing(counts["judged"], counts["wrong"], counts["missing"], low, high, taken_back.count())


@transaction.atomic
def top_up(lot: Lot) -> int:
    """Replace the cards of the sample that can no longer be judged; returns how many were."""
    lot = Lot.objects.select_for_update().get(pk=lot.pk)
    if lot.state != Lot.State.DRAWN:
        return 0
    usable = _verdicts(lot).exclude(_cannot_be_judged()).count()
    last = lot.places.filter(drawn=True).aggregate(last=Max("position"))["last"]
    following = lot.places.filter(position__gt=last).order_by("position")
    wanted = list(following.values_list("pk", flat=True)[: max(0, lot.sample - usable)])
    return LotItem.objects.filter(pk__in=wanted).update(drawn=True)


def accept_rest(*, lot: Lot, user: Any) -> DecisionBatch:
    """Accept what is open of a lot whose sample passed, in one step.

    Raises Refused, saying what the sample shows, if it did not pass or is not judged to the end.
    """
    access.require(user, UserRole.STEWARD)
    refusal = ""
    with transaction.atomic():
        lot = Lot.objects.select_for_update().select_related("source").get(pk=lot.pk)
        if lot.state != Lot.State.DRAWN:
            raise Refused(f"This lot is closed: {lot.get_state_display()}.")
        now = standing(lot)
        if now.fails(lot):
            refusal = refusal_of(lot, now)
            _close(lot, Lot.State.REFUSED, now)
        elif not now.passes(lot):
            raise Refused(f"{now.judged} of {lot.sample} cards of the sample are judged; judge them all first.")
        else:
            batch = batching.start(_rest_of(lot, user), ReviewItem.objects.open().filter(place__lot=lot), user)
            lot.rest = batch
            _close(lot, Lot.State.ACCEPTED, now)
    if refusal:
        raise Refused(refusal)
    return batching.do_or_queue(batch)


def refusal_of(lot: Lot, now: Standing) -> str:
    """Why the rest may not be accepted, with the interval."""
    return (
        f"{now.wrong} of {now.judged} judged were wrong, {lot.allowed} are allowed: by the 90 % interval the lot of "
        f"{lot.size} holds {now.low} to {now.high} wrong ones ({now.low / lot.size:.1%} to {now.high / lot.size:.1%}). "
        "Judge the rest one by one."
    )


def with_verdicts(lot: Lot) -> QuerySet[LotItem, Any]:
    """The sample with each card's standing verdict (`verdict`, null while there is none), in the order drawn."""
    return _verdicts(lot).select_related("item", "item__finding").order_by("position")


def _rest_of(lot: Lot, user: Any) -> DecisionBatch:
    return DecisionBatch(
        kind=DecisionBatch.Kind.REST,
        verdict=Decision.Verdict.ACCEPT,
        source=lot.source,
        filters={"detector": lot.detector, "action": lot.action, "min_score": lot.min_score, "lot": lot.pk},
        reason=f"rest of lot {lot.pk}: at most {lot.allowed} of {lot.sample} judged were wrong",
        requested_by=user,
    )


def _close(lot: Lot, state: Lot.State, now: Standing) -> None:
    lot.state, lot.judged, lot.wrong = state, now.judged, now.wrong
    lot.closed_at = Now()
    lot.save(update_fields=["state", "judged", "wrong", "closed_at", "rest"])


def _verdicts(lot: Lot) -> QuerySet[LotItem, Any]:
    given = Decision.objects.filter(item=OuterRef("item"), undone_at__isnull=True).order_by("-id")
    return LotItem.objects.filter(lot=lot, drawn=True).annotate(verdict=Subquery(given.values("verdict")[:1]))


def _cannot_be_judged() -> Q:
    return Q(verdict__isnull=True) & ~Q(item__state=ReviewItem.State.OPEN)
