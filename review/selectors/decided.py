"""Decisions as they may be shown."""

from __future__ import annotations

import copy
from typing import Any

from crmquality.services import masking
from crmquality.services.undoing import Undone
from review.models import Decision

UNDO_BY_KEY = 20
"""So many of a person's latest decisions one key takes back, one after the other."""


def standing(user: Any, item_id: int | None = None) -> Decision | None:
    """The person's latest answer that stands, to this item if one is named; None beyond their last few."""
    recent = Decision.objects.answers().filter(by=user.pk).order_by("-id")[:UNDO_BY_KEY]
    return next((one for one in recent if one.undone_at is None and item_id in (None, one.item_id)), None)


NOTHING_WRITTEN = "Your last card was a check: nothing was written, so there is nothing to undo."


def undone_in_words(undone: Undone | None) -> str:
    """That it was undone, and how many values stay as somebody else left them."""
    kept = len(undone.kept) if undone else 0
    return "Undone." + (f" {kept} values were edited since and stay." if kept else "")


def along_in_words(decision: Decision) -> str:
    """Which other checks a decision made just now has answered; "" if none."""
    names = ", ".join(sorted(one.item.detector for one in decision.along))
    return f"It answers {names} too." if names else ""


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
