"""Which changes there are, and what undoing one would do."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet

from crmquality.models import ChangeSet
from crmquality.services import masking
from crmquality.services.undoing import Preview, Value


def change_sets(*, automatic: bool = False) -> QuerySet[ChangeSet]:
    """All change sets; or those that no person decided: accepted by policy, or brought by an import."""
    rows = ChangeSet.objects.all()
    if not automatic:
        return rows
    return rows.filter(Q(by__isnull=True) | Q(action=ChangeSet.Action.IMPORT)).exclude(action=ChangeSet.Action.UNDO)


def shown_preview(preview: Preview) -> dict[str, Any]:
    """What undoing would do, as whoever looks may see it: "edited" and "restored" values, and why it cannot be done."""
    mask = masking.current()

    def shown(values: list[Value]) -> list[Value]:
        return [Value(mask.change(one.change), mask.kept(one.change, one.now)) for one in values]

    return {"refusal": preview.refusal, "edited": shown(preview.edited), "restored": shown(preview.restored)}
