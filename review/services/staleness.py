"""Is a claim still about the records as they are?"""

from __future__ import annotations

from collections.abc import Mapping

from crmquality.models import Finding, Record
from crmquality.services import correcting, findings
from review.models import ReviewItem


def is_stale(finding: Finding, records: Mapping[int, Record] | None = None) -> bool:
    """Whether a value the claim was made from has changed, or a record of it was merged or is gone.

    records: id -> record with its source, where they were read just now.
    """
    if records is None:
        records = correcting.read_records(finding.subjects)
    about = [records[one] for one in dict.fromkeys(finding.subjects) if one in records]
    live = [one for one in about if one.golden_id is None and one.gone_at is None]
    if len(live) < len(set(finding.subjects)):
        return True
    return findings.current_digest(finding, live) != finding.values_digest


def sorted_out(items: list[ReviewItem]) -> tuple[list[ReviewItem], dict[int, Record]]:
    """The items whose claim still holds, in their order, and the records of all; the others are closed as stale."""
    records = {}
    if items:
        records = correcting.read_records(subject for item in items for subject in item.finding.subjects)
    fresh = []
    for item in items:
        if is_stale(item.finding, records):
            close(item)
        else:
            fresh.append(item)
    return fresh, records


def close_if_stale(item: ReviewItem) -> bool:
    """Close the item as stale, untouched, if its records changed; True if it was."""
    return not sorted_out([item])[0]


def close(item: ReviewItem) -> None:
    """Close the item as stale, if it is open still; the next run may make the claim anew."""
    closed = ReviewItem.objects.open().filter(pk=item.pk)
    if closed.close(ReviewItem.State.STALE):
        Finding.objects.filter(pk=item.finding_id).update(state=Finding.State.WITHDRAWN)
