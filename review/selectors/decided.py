"""Decisions as they may be shown."""

from __future__ import annotations

import copy

from crmquality.services import masking
from review.models import Decision


def shown_decision(decision: Decision) -> Decision:
    """The decision with what was seen, written and said about it masked for whoever looks; a copy where it is."""
    mask, source = masking.current(), decision.item.source
    if not mask.hidden(source):
        return decision
    twin = copy.copy(decision)
    twin.seen = mask.seen(source, decision.seen)
    twin.changes = mask.edits(source, decision.changes)
    twin.reason = mask.said(source, decision.seen, decision.reason)
    return twin
