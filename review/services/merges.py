"""Deciding a merge: what exactly is done, what a person has to answer first, and a cluster taken apart."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from crmquality import models
from crmquality.models import ChangeSet, Record, SurvivorshipRules
from crmquality.services import merging, survivorship
from crmquality.services.errors import Conflict, Refused
from crmquality.services.findings import current_digest
from crmquality.services.proposals import evidence_to_json, proposal_to_json
from crmquality.services.survivorship import Collides, Plan, Unanswered
from detectors.contract import Evidence, Finding, MergeRecords
from review.models import Decision, ReviewItem

SPLIT = "split"


class NotWhatWasSeen(Conflict):
    """The merge would write something else by now than the person saw."""


def plan(finding: models.Finding, records: Mapping[int, Record], edited: Mapping[str, Any] | None = None) -> Plan:
    """The merge that a finding claims, as it would be done now.

    edited: {"changes": {field: value}, "picks": {field: id of the record whose value it takes}, "survivor": id,
        "members": [id, ...]}, each in place of what is proposed.
    Raises Refused if that does not fit the claim.
    """
    edited = edited or {}
    chosen = values_chosen(records, edited)
    ordered = [records[one] for one in finding.subjects]
    survivor = edited.get("survivor")
    members = edited.get("members")
    if members is None and survivor is not None:
        members = [one for one in finding.subjects if one != survivor]
    return survivorship.plan_merge(
        ordered, proposal=finding.proposal, run=finding.last_run, survivor=survivor, members=members, chosen=chosen
    )


def values_chosen(records: Mapping[int, Record], edited: Mapping[str, Any]) -> dict[str, str | None]:
    """Field -> the value a person wrote, or took from one of the records. Raises Refused for anything else."""
    written, picks = require_values(edited.get("changes") or {}), edited.get("picks") or {}
    if not isinstance(picks, dict) or not all(record in records for record in picks.values()):
        raise Refused("A value can be taken from the records of the claim only.")
    return {name: records[record].fields.get(name) for name, record in picks.items()} | written


def require_values(changes: Any) -> dict[str, str | None]:
    """What a person wrote, field -> value, as it was sent. Raises Refused if it is anything else."""
    if not isinstance(changes, dict) or not all(
        isinstance(name, str) and (value is None or isinstance(value, str)) for name, value in changes.items()
    ):
        raise Refused("An edit needs changes: an object of field names and texts.")
    return changes


def apply(
    item: ReviewItem, records: Mapping[int, Record], edited: Mapping[str, Any], *, cause: str, by: Any
) -> tuple[ChangeSet, dict[str, Any]]:
    """Merge as planned; returns the change set and what was done, as `Decision.changes` keeps it.

    edited: as for `plan`, and {"seen": the digest of the plan that was shown, "allow_collisions": True, "split": True}.
    Raises Unanswered or Collides if a person has to look first, NotWhatWasSeen if the plan differs from what was
    shown, and what `plan` and `merging.merge` raise.
    """
    done = plan(item.finding, records, edited)
    if edited.get("seen") and edited["seen"] != done.digest:
        raise NotWhatWasSeen("The rules or the claim changed since this card was shown: look again.")
    if done.unanswered:
        raise Unanswered(f"Choose first: {', '.join(done.unanswered)}. The records disagree, and no rule settles it.")
    if done.blocking and not edited.get("allow_collisions"):
        columns = ", ".join(dict.fromkeys(one.column for one in done.blocking))
        raise Collides(f"{columns}: another record holds the same value. Confirm that, or choose another one.")
    reasons = {row.name: f"{row.rule}: {row.reason}".strip(": ") for row in done.rows if row.moves}
    change_set = merging.merge(
        survivor=done.survivor.pk,
        members=[record.pk for record in done.records[1:]],
        changes=done.changes,
        cause=cause,
        by=by,
        reasons=reasons,
        run=item.finding.last_run,
    )
    said = done.proposal | {"chosen": values_chosen(records, edited)}
    if edited.get("split"):
        split, is_new = _put_forward(item, done.left_out, by)
        said |= {SPLIT: split.pk} if is_new else {}  # undoing takes back only what this decision put there
    return change_set, said


def take_back_split(decision: Decision) -> None:
    """Withdraw the item of the records that the decision split off, unless it was decided meanwhile."""
    if SPLIT not in decision.changes:
        return
    for item in ReviewItem.objects.open().filter(pk=decision.changes[SPLIT]):
        ReviewItem.objects.filter(pk=item.pk).close(ReviewItem.State.WITHDRAWN)
        models.Finding.objects.filter(pk=item.finding_id).update(state=models.Finding.State.WITHDRAWN)


def _put_forward(item: ReviewItem, rest: Sequence[Record], user: Any) -> tuple[ReviewItem, bool]:
    """The records that were left out, as a merge of their own for the same person to decide; whether it is new."""
    if len(rest) < 2:
        raise Refused("To split off a second cluster, leave out two records or more.")
    rules = SurvivorshipRules.in_force(item.source)
    golden = survivorship.merger(item.source, rest, rules).golden(range(len(rest)))
    members = tuple(record.pk for record in rest if record.pk != golden.survivor)
    why = (Evidence("split", 0.0, f"Split from a cluster of {len(item.finding.subjects)} by a person"),)
    claim = Finding(
        tuple(sorted(record.pk for record in rest)),
        MergeRecords(golden.survivor, members, golden.changes),
        item.score,
        why,
        item.finding.rule,
    )
    finding, _ = models.Finding.objects.update_or_create(
        source=item.source,
        detector=item.detector,
        fingerprint=claim.fingerprint,
        defaults={
            "subjects": list(claim.subjects),
            "proposal": proposal_to_json(claim.proposal),
            "score": claim.score,
            "rule": claim.rule,
            "evidence": evidence_to_json(claim.evidence),
            "state": models.Finding.State.OPEN,
            "first_run": item.finding.last_run,
            "last_run": item.finding.last_run,
        },
    )
    finding.values_digest = current_digest(finding, rest)
    finding.save(update_fields=["values_digest"])
    return ReviewItem.objects.get_or_create(
        finding=finding,
        state=ReviewItem.State.OPEN,
        defaults={
            "source": item.source,
            "detector": item.detector,
            "action": "merge",
            "score": item.score,
            "rank": item.rank,
            "policy": item.policy,
            "assigned_to": user,
        },
    )
