"""Known answers: planted on a desk like any other card, answered, never applied; what they say of each person."""

from __future__ import annotations

import random
from collections.abc import Collection
from typing import Any, Protocol

from django.db import transaction
from django.db.models import Count, Q
from django.db.models.functions import Now
from django.utils import timezone

from crmquality.prepared import Prepared
from review.models import CheckAnswer, CheckShares, Decision, KnownAnswer, ReviewItem
from review.models.items import LEASE, ReviewItemQuerySet
from review.services import known_answers
from review.trust import LATEST, error_rate, hides_score, label_weight, pace_alert

Verdict = Decision.Verdict
MOST = 0.5
"""No more than half of the cards may be checks."""

TRIES = 5
SAYS_RIGHT = {Verdict.ACCEPT: True, Verdict.EDIT: True, Verdict.EXPECTED: True, Verdict.REJECT: False}


_SHARES = Prepared(lambda: CheckShares.objects.all()[:1])


class Narrows(Protocol):
    """The queue's filters, so that a check fits what the person asked to see."""

    def apply(self, items: ReviewItemQuerySet, user: Any) -> ReviewItemQuerySet:
        """The items that fit."""


def shares() -> CheckShares:
    """How many cards are checks and how many hide their score, as last set."""
    return _SHARES.first() or CheckShares(at=None)  # type: ignore[misc] # never saved


def set_shares(*, known: float, hidden: float, user: Any) -> CheckShares:
    """Set both shares, 0 to 0.5 each; 0 switches them off. Raises ValueError for others."""
    if not (0 <= known <= MOST and 0 <= hidden <= MOST):
        raise ValueError(f"a share must lie in [0, {MOST}]")
    return CheckShares.objects.create(known=known, hidden=hidden, by=user)


@transaction.atomic
def plant(*, user: Any, filters: Narrows, held: Collection[int] = ()) -> ReviewItem | None:
    """In a share of the calls, a card with a known answer, leased to this person; None in all others.

    held: what lies on their desk: planted cards that do not, and were never answered, are taken away.

    It fits the person's filters, is none of their own decisions, and none they were checked with before. None too
    where there is no such material.
    """
    drawn = random.random()  # noqa: S311 - chance, no secret
    if drawn >= MOST or drawn >= shares().known:
        return None
    ReviewItem.objects.filter(state=ReviewItem.State.CHECK, leased_by=user, closed_at=None).exclude(
        pk__in=held
    ).delete()
    for known in _material(user, filters):
        if not known_answers.still_certain(known):
            KnownAnswer.objects.filter(pk=known.pk).update(retired_at=Now())
            continue
        shown = known.decision.item
        planted = ReviewItem.objects.create(
            finding=shown.finding,
            source=shown.source,
            detector=shown.detector,
            action=shown.action,
            state=ReviewItem.State.CHECK,
            score=known.decision.seen["score"],
            rank=known.decision.seen["rank"],
            policy=shown.policy,
            pattern=shown.pattern,
            impact=shown.impact,
            owners=shown.owners,
            segments=shown.segments,
            known_answer=known,
            leased_by=user,
            lease_until=timezone.now() + LEASE,
            created_at=shown.created_at,
        )
        return planted
    return None


def is_check(item: ReviewItem) -> bool:
    """Whether this is a planted card."""
    return item.state == ReviewItem.State.CHECK


@transaction.atomic
def answer(*, item: ReviewItem, verdict: Decision.Verdict, user: Any, seconds: float | None = None) -> CheckAnswer:
    """Note what a person said to a planted card; the same answer again if it was given before."""
    locked = ReviewItem.objects.select_for_update(of=("self",)).select_related("known_answer__decision").get(pk=item.pk)
    earlier = CheckAnswer.objects.filter(item=locked).first()
    if earlier:
        return earlier
    known = locked.known_answer
    assert known is not None
    certain = known.retired_at is None and known.decision.undone_at is None  # it may lie on a desk for minutes
    right = SAYS_RIGHT[verdict] == known.right if certain and verdict in SAYS_RIGHT else None
    ReviewItem.objects.filter(pk=locked.pk).update(closed_at=Now(), lease_until=None)
    return CheckAnswer.objects.create(
        item=locked, known_answer=known, by=user, verdict=verdict, right=right, seconds=seconds
    )


def said(answer: CheckAnswer) -> str:
    """What the person is told afterwards."""
    if answer.right is None and answer.verdict in SAYS_RIGHT:
        return "This one was a check, but what was agreed has been taken back since. Nothing was written."
    agreed = "accept" if answer.known_answer.right else "reject"
    word = {True: "so was yours", False: f"yours was {answer.verdict}", None: "you were not sure"}[answer.right]
    return f"This one was a check: the agreed answer was {agreed}, {word}. Nothing was written."


def undone_in_vain(user: Any, noted: int) -> CheckAnswer | None:
    """The person's latest act if it was a check that they have not been told of yet: nothing to undo.

    noted: the check they were told of last, so that the next undo takes back the decision before it.
    """
    latest = CheckAnswer.objects.filter(by=user).select_related("known_answer").first()
    if latest is None or latest.pk <= noted:
        return None
    newer = Decision.objects.filter(by=user, undone_at=None, at__gt=latest.at).exists()
    return None if newer else latest


def score_hidden(item: ReviewItem) -> bool:
    """Whether this card is shown without its score."""
    return hides_score(item.pk, MOST) and hides_score(item.pk, shares().hidden)


def trusts() -> dict[int, float]:
    """Person -> what their labels weigh in learning; who was never checked is not in it and weighs 1."""
    answered = CheckAnswer.objects.filter(right__isnull=False).values_list("by")
    counts = answered.annotate(wrong=Count("id", filter=Q(right=False)), all=Count("id")).order_by()
    return {person: label_weight(error_rate(wrong, total)) for person, wrong, total in counts}


def alert(user: Any) -> str:
    """A gentle word on the person's pace; "" if there is nothing to say."""
    rows = Decision.objects.answers().filter(by=user).order_by("-id").values_list("verdict", "seconds")[:LATEST]
    latest = [row for row in rows if row[1] is not None]  # here: looking for those with a time may take all there are
    return pace_alert([verdict == Verdict.ACCEPT for verdict, _ in latest], [float(s or 0) for _, s in latest])


def _material(user: Any, filters: Narrows) -> list[KnownAnswer]:
    decided = ReviewItem.objects.filter(state=ReviewItem.State.DECIDED)
    usable = KnownAnswer.objects.filter(retired_at=None, decision__item__in=filters.apply(decided, user).values("id"))
    seen = CheckAnswer.objects.filter(by=user).values("known_answer")
    return list(
        usable.exclude(decision__by=user)
        .exclude(id__in=seen)
        .select_related("decision__item__finding", "decision__item__source", "decision__item__policy")
        .order_by("?")[:TRIES]
    )
