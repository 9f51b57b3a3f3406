"""Records of one household, office or group with another: shown beside it, never proposed for a merge."""

from __future__ import annotations

from typing import Any

from crmquality.models import Record
from crmquality.selectors.naming import title
from crmquality.services import access, masking, resident

SHOWN = 12


def related(user: Any, record: Record) -> list[dict[str, Any]] | None:
    """{record, title, kind, probability} of those that the person may see; None while the index cannot say."""
    if record.golden_id is not None or record.gone_at is not None:
        return []
    try:
        found = {one.record: one for one in resident.related(record, limit=SHOWN)}
    except resident.NotReady:
        return None
    mask = masking.current()
    seen = access.visible_records(user, Record.objects.live().filter(pk__in=list(found))).select_related("source")
    rows = [
        {"record": other, "title": title(mask.record(other)), "kind": found[other.pk].kind, "probability": chance}
        for other in seen
        if (chance := found[other.pk].probability)
    ]
    return sorted(rows, key=lambda row: -row["probability"])
