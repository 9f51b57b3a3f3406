"""Which of a record's values came from a look-up: who said so, and under which licence they may be used."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Any

from crmquality.models import Change, Finding, Record
from detectors.enrichment.detector import LICENCE, SOURCE, EnrichmentDetector


@dataclass(frozen=True, slots=True)
class Attribution:
    """Where a field's value is from."""

    field: str
    source: str
    licence: str
    at: datetime


def attributions(record: Record) -> list[Attribution]:
    """Of every field that still holds what a look-up proposed and a person accepted. Two queries."""
    latest: dict[str, Change] = {}
    for change in Change.objects.filter(record=record).select_related("change_set__run").order_by("id"):
        latest[change.field] = change
    from_look_ups = [
        change
        for name, change in latest.items()
        if _detector(change) == EnrichmentDetector.name and record.fields.get(name) == change.after
    ]
    if not from_look_ups:
        return []
    claims = Finding.objects.filter(detector=EnrichmentDetector.name, subjects__contains=[record.pk]).order_by("id")
    by_claim: dict[tuple[str, Any], Finding] = {}
    for claim in claims:
        for name, value in claim.proposal.get("changes", {}).items():
            by_claim[name, value] = claim
    found = []
    for change in from_look_ups:
        its = by_claim.get((change.field, change.after))
        if its is not None:
            found.append(Attribution(change.field, _said(its, SOURCE), _said(its, LICENCE), change.change_set.at))
    return found


def _detector(change: Change) -> str:
    run = change.change_set.run
    return run.detector if run is not None else ""


def _said(claim: Finding, feature: str) -> str:
    return next((str(one["detail"]) for one in claim.evidence if one["feature"] == feature), "")
