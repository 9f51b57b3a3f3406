"""Findings as they are stored: the contract's dataclasses to JSON and back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from detectors.contract import Evidence, Finding, Flag, LinkRecords, MergeRecords, Proposal, SetFields


def proposal_to_json(proposal: Proposal) -> dict[str, Any]:
    """{"action": "set" | "merge" | "link" | "flag", ...}."""
    match proposal:
        case SetFields(changes):
            return {"action": "set", "changes": dict(changes)}
        case MergeRecords(survivor, members, changes):
            return {
                "action": "merge",
                "survivor": survivor,
                "members": list(members),
                "changes": dict(changes),
            }
        case LinkRecords():
            return {"action": "link"}
        case Flag():
            return {"action": "flag"}


def proposal_from_json(stored: Mapping[str, Any]) -> Proposal:
    """The inverse of `proposal_to_json`. Raises ValueError for anything else."""
    match stored:
        case {"action": "set", "changes": dict(changes)}:
            return SetFields(changes)
        case {
            "action": "merge",
            "survivor": int(survivor),
            "members": list(members),
            "changes": dict(changes),
        }:
            return MergeRecords(survivor, tuple(members), changes)
        case {"action": "link"}:
            return LinkRecords()
        case {"action": "flag"}:
            return Flag()
    raise ValueError(f"not a stored proposal: action {stored.get('action')!r}")


def evidence_to_json(evidence: Sequence[Evidence]) -> list[dict[str, Any]]:
    """A list of {"feature", "weight", "detail", "fields", "records"}."""
    return [
        {
            "feature": reason.feature,
            "weight": round(reason.weight, 4),
            "detail": reason.detail,
            "fields": list(reason.fields),
            "records": list(reason.records),
        }
        for reason in evidence
    ]


def finding_from_row(
    *,
    subjects: Sequence[int],
    proposal: Mapping[str, Any],
    score: float,
    evidence: Sequence[Mapping[str, Any]],
    rule: str,
) -> Finding:
    """The contract's finding of a stored one."""
    reasons = tuple(
        Evidence(
            reason["feature"],
            reason["weight"],
            reason["detail"],
            tuple(reason.get("fields", ())),
            tuple(reason.get("records", ())),
        )
        for reason in evidence
    )
    return Finding(tuple(subjects), proposal_from_json(proposal), score, reasons, rule)
