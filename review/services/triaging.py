"""What a run found becomes review items, or automatic corrections, by policy."""

from __future__ import annotations

from crmquality.models import Run
from review.models import ReviewItem
from review.policy import Route, audited
from review.services import deciding, figures, filling, policies


def triage(*, run: Run) -> None:
    """Bring the queue in line with what the run found; verdicts given before are never touched.

    Corrections that the policy accepts by itself are applied at once, as decisions of no person, listed and undoable:
    none before the policy's gate is open, none of a rule that it stopped, and a share is left to people all the same.
    """
    version = policies.current_policy(run.source, run.detector)
    filling.fill(version, after_run=True)
    lowest = version.bounds.lowest(Route.AUTO_ACCEPT)
    if lowest is not None:
        gate = policies.check_gate(version)
        if gate.passes:
            certain = ReviewItem.objects.open().filter(source=run.source, detector=run.detector, score__gte=lowest)
            certain = certain.exclude(action="flag").exclude(finding__rule__in=gate.stopped).select_related("finding")
            for item in certain.order_by("-score", "id"):
                if not audited(item.finding.fingerprint, version.audit_share):
                    deciding.accept_by_policy(item=item)
    figures.publish_refresh(run.source_id)
