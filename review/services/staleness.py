"""Is a claim still about the records as they are?"""

from __future__ import annotations

from django.db.models.functions import Now

from crmquality.models import Finding, Record
from crmquality.services import findings
from review.models import ReviewItem


def is_stale(finding: Finding) -> bool:
    """Whether a value the claim was made from has changed, or a record of it was merged or is gone."""
    records = list(Record.objects.live().filter(id__in=finding.subjects).select_related("source"))
    if len(records) < len(set(finding.subjects)):
        return True
    return findings.current_digest(finding, records) != finding.values_digest


def close_if_stale(item: ReviewItem) -> bool:
    """Close the item as stale, untouched, if its records changed; True if it was."""
    if not is_stale(item.finding):
        return False
    close(item)
    return True


def close(item: ReviewItem) -> None:
    """Close the item as stale; the next run may make the claim anew."""
    ReviewItem.objects.filter(pk=item.pk).update(
        state=ReviewItem.State.STALE, closed_at=Now(), leased_by=None, lease_until=None
    )
    Finding.objects.filter(pk=item.finding_id).update(state=Finding.State.WITHDRAWN)
