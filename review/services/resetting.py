"""A rule starts anew: what was answered before no longer counts."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import datetime
from typing import Any

from django.db import transaction

from crmquality.models import ModelVersion, Source
from crmquality.services import learning
from crmquality.services.errors import Refused
from detectors import registry
from detectors.registry import UnknownDetector
from review.models import Decision, RuleReset


@transaction.atomic
def reset_rule(
    *, source: Source, detector: str, rule: str, fields: str = "", user: Any = None, reason: str = ""
) -> RuleReset:
    """Forget the answers to a rule on these fields, for this detector in this source.

    Where a version serves that was trained on them, one is trained without them, and serves whatever the gate says:
    that is what the admin asked for. Raises Refused if the detector is not installed or learns nothing.
    """
    try:
        if detector not in registry.available() or not learning.learns(detector):
            raise Refused(f"Detector {detector!r} does not learn from answers.")
    except UnknownDetector as error:
        raise Refused(f"No detector named {detector!r} is installed.") from error
    made = RuleReset.objects.create(
        source=source, detector=detector, rule=rule, fields=fields, by=user, reason=reason[:300]
    )
    if ModelVersion.objects.filter(source=source, detector=detector, state=ModelVersion.State.ACTIVE).exists():
        why = f"Rule {rule or 'without a name'} starts anew."
        learning.request_training(source=source, detector=detector, user=user, serves_because=why)
    return made


def resets_of(source: Source, detector: str) -> dict[tuple[str, str], datetime]:
    """(rule, fields) -> when it last started anew."""
    rows = RuleReset.objects.filter(source=source, detector=detector).order_by("id")
    return {(rule, fields): at for rule, fields, at in rows.values_list("rule", "fields", "at")}


def counts(decision: Decision, resets: Mapping[tuple[str, str], datetime]) -> bool:
    """Whether a decision was given after its rule last started anew."""
    at = resets.get((decision.seen["rule"], fields_of(decision.seen["proposal"])))
    return at is None or decision.at > at


def fields_of(proposal: Mapping[str, Any]) -> str:
    """The fields that a proposal sets, joined; "" for a flag or a merge."""
    return ",".join(sorted(proposal.get("changes", ()))) if proposal.get("action") == "set" else ""
