"""Claims whose answer is certain, gathered from decisions in a worker: agreed, verified, or long unchanged."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import timedelta

import pandas as pd
from django.db import connection
from django.db.models import Count, F, Q, QuerySet
from django.db.models.functions import Now
from django.utils import timezone

from crmquality.models import Record, Source
from detectors.missing_values import is_missing
from review.models import Decision, KnownAnswer, ReviewItem
from review.services import staleness

LONG_AGO = timedelta(days=30)
AT_ONCE = 500
ENOUGH = 2_000
Verdict = Decision.Verdict
Why = KnownAnswer.Why

_AGREED = """
    SELECT max(d.id), bool_and(d.verdict = 'accept')
    FROM review_decision d JOIN review_reviewitem i ON i.id = d.item_id
    WHERE d.undone_at IS NULL AND d.by_id IS NOT NULL AND d.looked_at
      AND d.verdict IN ('accept', 'reject', 'edit')
    GROUP BY i.finding_id, d.seen->>'values_digest'
    HAVING count(DISTINCT d.by_id) >= 2 AND (bool_and(d.verdict = 'accept') OR bool_and(d.verdict = 'reject'))
    ORDER BY 1 DESC LIMIT %s
"""


def gather() -> int:
    """Look for certain answers among the decisions, and retire those that are no longer; returns how many are new."""
    _retire()
    ReviewItem.objects.filter(state=ReviewItem.State.CHECK, closed_at=None, lease_until__lt=Now()).delete()
    if KnownAnswer.objects.filter(retired_at=None).count() >= ENOUGH:
        return 0
    with connection.cursor() as cursor:
        cursor.execute(_AGREED, [AT_ONCE])
        agreed = [(decision, right, Why.AGREED) for decision, right in cursor.fetchall()]
    old = _standing().filter(at__lt=timezone.now() - LONG_AGO, known_answer=None).order_by("-id")[:AT_ONCE]
    stood = [(one.pk, one.verdict == Verdict.ACCEPT, Why.STOOD) for one in old if unchanged(one)]
    return _keep([*agreed, *stood])


def note_reference(source: Source, reference: pd.DataFrame) -> None:
    """Decisions on values that a reference file verifies become certain, whatever the person said.

    reference: text cells, indexed by external id. A claim is right if it proposes the verified value in every field
    it changes, wrong if the value that stood was the verified one in each; others stay as they are.
    """
    found = []
    for decision in _standing().filter(item__source=source, item__action="set").order_by("-id")[:ENOUGH]:
        subject = decision.item.finding.subjects[0]
        record = Record.objects.filter(pk=subject).values_list("external_id", flat=True).first()
        changes = decision.seen["proposal"].get("changes", {})
        if record not in reference.index or not set(changes) <= set(reference.columns):
            continue
        verified = reference.loc[record, list(changes)]
        if is_missing(verified).any():
            continue
        before = decision.seen["values"].get(str(subject), {})
        if all(_same(value, verified[name]) for name, value in changes.items()):
            found.append((decision.pk, True, Why.REFERENCE))
        elif all(_same(before.get(name), verified[name]) for name in changes):
            found.append((decision.pk, False, Why.REFERENCE))
    _keep(found)


def still_certain(known: KnownAnswer) -> bool:
    """Whether the answer can still be taken for certain, and its records are still there to be shown."""
    decision = known.decision
    if decision.undone_at or Record.objects.filter(pk__in=decision.seen["subjects"]).count() < len(
        set(decision.seen["subjects"])
    ):
        return False
    return known.why != Why.STOOD or unchanged(decision)


def unchanged(decision: Decision) -> bool:
    """Whether the records are as the decision left them: the accepted values stand, the rejected claim is not stale."""
    finding = decision.item.finding
    if decision.verdict == Verdict.REJECT or finding.action in ("flag", "link"):
        return finding.values_digest == decision.seen.get("values_digest") and not staleness.is_stale(finding)
    proposal = decision.seen["proposal"]
    records = Record.objects.in_bulk(decision.seen["subjects"])
    if proposal["action"] == "merge":
        members = [records.get(member) for member in proposal["members"]]
        return all(member is not None and member.golden_id == proposal["survivor"] for member in members)
    record = records.get(finding.subjects[0])
    return record is not None and all(
        (record.fields.get(name) or None) == (value or None) for name, value in proposal["changes"].items()
    )


def _standing() -> QuerySet[Decision]:
    said = [Verdict.ACCEPT, Verdict.REJECT]
    return Decision.objects.looked_at().filter(verdict__in=said).select_related("item__finding")


def _keep(found: Iterable[tuple[int, bool, KnownAnswer.Why]]) -> int:
    made = [KnownAnswer(decision_id=decision, right=right, why=why) for decision, right, why in found]
    before = KnownAnswer.objects.count()
    KnownAnswer.objects.bulk_create(made, ignore_conflicts=True)
    return KnownAnswer.objects.count() - before


def _retire() -> None:
    """Undone decisions, and answers that most of three or more people contradict, are certain no more."""
    in_use = KnownAnswer.objects.filter(retired_at=None)
    in_use.filter(decision__undone_at__isnull=False).update(retired_at=Now())
    doubted = in_use.annotate(
        answered=Count("answers", filter=Q(answers__right__isnull=False)),
        against=Count("answers", filter=Q(answers__right=False)),
    ).filter(answered__gte=3, against__gt=F("answered") / 2)
    KnownAnswer.objects.filter(pk__in=list(doubted.values_list("pk", flat=True))).update(retired_at=Now())


def _same(one: str | None, other: str | None) -> bool:
    return (one or "").strip().casefold() == (other or "").strip().casefold()
