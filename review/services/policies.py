"""The policy in force, new versions of it, and the gate before anything is accepted by itself."""

from __future__ import annotations

import logging
from typing import Any

from django.db import transaction
from django.db.models import Max
from django.utils import timezone

from crmquality.models import Source
from review import estimation
from review.models import Gate, PolicyVersion
from review.policy import DEFAULT_AUDIT, DEFAULT_TARGET, Policy, Route, default_policy
from review.selectors import scores
from review.services import filling

logger = logging.getLogger(__name__)


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
    *,
    source: Source,
    detector: str,
    review_at: float,
    accept_at: float | None,
    user: Any,
    target: float = DEFAULT_TARGET,
    audit_share: float = DEFAULT_AUDIT,
    reason: str = "",
) -> PolicyVersion:
    """Add a version. The queue follows at once; what the bounds let be accepted by itself waits for the next run.

    target: precision in [0.5, 1) whose lower 95 % end the decisions must reach before anything is accepted by itself.
    Open items that stay keep the version they came by. Raises ValueError if the bounds are out of order.
    """
    Policy(review_at, accept_at, target, audit_share)
    Source.objects.select_for_update().get(pk=source.pk)
    current_policy(source, detector)
    newest = PolicyVersion.objects.filter(source=source, detector=detector).aggregate(number=Max("number"))
    version = PolicyVersion.objects.create(
        source=source,
        detector=detector,
        number=(newest["number"] or 0) + 1,
        review_at=review_at,
        accept_at=accept_at,
        target=target,
        audit_share=audit_share,
        by=user,
        reason=reason,
    )
    filling.fill(version)
    check_gate(version)
    return version


def roll_back(*, version: PolicyVersion, user: Any) -> PolicyVersion:
    """Put an earlier version in force again, as a new version that says so."""
    return set_policy(
        source=version.source,
        detector=version.detector,
        review_at=version.review_at,
        accept_at=version.accept_at,
        target=version.target,
        audit_share=version.audit_share,
        user=user,
        reason=f"Back to version {version.number}.",
    )


@transaction.atomic
def check_gate(version: PolicyVersion) -> Gate:
    """Estimate from the decisions whether this version may accept by itself now, and keep the answer with its reason.

    Triage asks this in every run, whatever was true before; a decision above the bound has it asked again.
    """
    lowest = version.bounds.lowest(Route.AUTO_ACCEPT)
    if lowest is None:
        verdict = estimation.Verdict(
            False, "A person decides everything.", estimation.Estimate(None, 0.0, 1.0, decided=0, claims=0)
        )
        stopped: dict[str, str] = {}
    else:
        found = scores.bins(version.source_id, version.detector, lowest=lowest)
        verdict = estimation.gate(found, lowest, version.target)
        tallies = scores.by_rule(version.source_id, version.detector, lowest)
        stopped = estimation.stopped_rules(tallies, version.target)
    before = Gate.objects.select_for_update().filter(source=version.source_id, detector=version.detector).first()
    now = timezone.now()
    if before and before.passes and not verdict.passes and lowest is not None:
        logger.warning("%s on source %s stops accepting by itself", version.detector, version.source_id)
    gate, _ = Gate.objects.update_or_create(
        source_id=version.source_id,
        detector=version.detector,
        defaults={
            "policy": version,
            "passes": verdict.passes,
            "why": verdict.why,
            "precision": verdict.estimate.share,
            "low": verdict.estimate.low,
            "high": verdict.estimate.high,
            "decided": verdict.estimate.decided,
            "stopped": stopped,
            "since": before.since if before and before.passes == verdict.passes else now,
            "at": now,
        },
    )
    return gate


def check_gates(*, source: Source) -> None:
    """Check the gate of every detector of a source that may accept by itself.

    A worker does it, with the figures, wherever something was decided: only triage accepts, and triage checks too.
    """
    for detector in (
        PolicyVersion.objects.filter(source=source).values_list("detector", flat=True).distinct().order_by()
    ):
        version = policy_in_force(source, detector)
        if version.accept_at is not None:
            check_gate(version)
