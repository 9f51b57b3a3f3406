"""The policy in force, and new versions of it."""

from __future__ import annotations

from typing import Any

from django.db import transaction
from django.db.models import Max

from crmquality.models import Source
from review.models import PolicyVersion
from review.policy import Policy, default_policy


def policy_in_force(source: Source, detector: str) -> PolicyVersion:
    """The newest version; where there is none yet, the defaults as a version that is not stored."""
    newest = PolicyVersion.objects.filter(source=source, detector=detector).order_by("-number").first()
    if newest:
        return newest
    start = default_policy(detector)
    return PolicyVersion(
        source=source,
        detector=detector,
        number=1,
        review_at=start.review_at,
        accept_at=start.accept_at,
        reason="the default",
    )


def current_policy(source: Source, detector: str) -> PolicyVersion:
    """The version in force, stored, so that a run and its items can name it."""
    current = policy_in_force(source, detector)
    if current.pk is None:
        current, _ = PolicyVersion.objects.get_or_create(
            source=source,
            detector=detector,
            number=1,
            defaults={"review_at": current.review_at, "accept_at": current.accept_at, "reason": current.reason},
        )
    return current


@transaction.atomic
def set_policy(
    *, source: Source, detector: str, review_at: float, accept_at: float | None, user: Any, reason: str = ""
) -> PolicyVersion:
    """Add a version; open items keep the one they came by. Raises ValueError if the bounds are out of order."""
    Policy(review_at, accept_at)
    Source.objects.select_for_update().get(pk=source.pk)
    current_policy(source, detector)
    newest = PolicyVersion.objects.filter(source=source, detector=detector).aggregate(number=Max("number"))
    return PolicyVersion.objects.create(
        source=source,
        detector=detector,
        number=(newest["number"] or 0) + 1,
        review_at=review_at,
        accept_at=accept_at,
        by=user,
        reason=reason,
    )
