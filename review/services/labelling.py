"""What decisions teach: the labels of each, and which decisions teach at all."""

from __future__ import annotations

from datetime import datetime

from django.db.models import QuerySet

from crmquality.models import Source
from crmquality.services.proposals import finding_from_row
from detectors.contract import Finding, Label, SetFields
from review.models import Decision
from review.services import checks, resetting

OWN_CORRECTION = "corrected-row"
"""The rule of what a person wrote instead of a proposal; detectors learn of the row from it."""

TEACHES = {Decision.Verdict.ACCEPT: True, Decision.Verdict.EDIT: True, Decision.Verdict.REJECT: False}
"""Verdict -> was the claim right. "Expected" and "unsure" teach nothing about the claim."""


def labels(source: Source, detector: str, since: datetime | None = None) -> list[Label]:
    """The labels people gave on this detector's findings in this source, oldest first; only later ones if given."""
    weights, resets = checks.trusts(), resetting.resets_of(source, detector)
    return [
        label
        for decision in teaching(source.pk, detector, since)
        if not resets or resetting.counts(decision, resets)
        for label in labels_of(decision, weights.get(decision.by_id or 0, 1.0))
    ]


def labels_of(decision: Decision, weight: float = 1.0) -> list[Label]:
    """What one decision teaches: one label, or for an edited merge one a part of the cluster.

    weight: how far the person is trusted, from the answers they gave to cards whose answer is known.
    """
    seen = decision.seen
    finding = finding_from_row(
        subjects=seen["subjects"],
        proposal=seen["proposal"],
        score=seen["score"],
        evidence=seen["evidence"],
        rule=seen["rule"],
    )
    right = TEACHES[Decision.Verdict(decision.verdict)]
    if decision.verdict == Decision.Verdict.EDIT and decision.changes.get("action") == "merge":
        return _labels_of_split(finding, decision, weight)
    if decision.verdict == Decision.Verdict.EDIT and isinstance(finding.proposal, SetFields):
        return _labels_of_edit(finding, decision, weight)
    return [Label(finding, right, weight)]


def count_verdicts(source: Source) -> tuple[int, int]:
    """Values found right, and values verified.

    A rejected claim confirms the value that stood, an accepted or edited one refutes it. Only claims that propose
    values count, and equal ones once; a flag or a merge verifies no value.
    """
    answers = Decision.objects.looked_at().answers()
    standing = answers.filter(item__source=source, item__action="set", verdict__in=TEACHES)
    right = standing.filter(verdict=Decision.Verdict.REJECT).count()
    return right, standing.count()


def teaching(source_id: int, detector: str, since: datetime | None = None) -> QuerySet[Decision]:
    """What people said that teaches a detector about a source, oldest first; only later ones if given."""
    decisions = (
        Decision.objects.looked_at()
        .filter(item__source=source_id, item__detector=detector, verdict__in=TEACHES)
        .order_by("id")
    )
    return decisions.filter(at__gt=since) if since else decisions


def _labels_of_edit(finding: Finding, decision: Decision, weight: float) -> list[Label]:
    """What was proposed was wrong; what the person wrote instead is right."""
    changes = decision.changes.get("changes", {})
    assert isinstance(finding.proposal, SetFields)
    if not changes or changes == dict(finding.proposal.changes):
        return [Label(finding, True, weight)]
    written = Finding(finding.subjects, SetFields(changes), finding.score, (), OWN_CORRECTION)
    return [Label(finding, False, weight), Label(written, True, weight)]


def _labels_of_split(finding: Finding, decision: Decision, weight: float) -> list[Label]:
    """The records kept together are one; each left out is not the same as the survivor."""
    edited = decision.changes
    together = finding_from_row(
        subjects=[edited["survivor"], *edited["members"]],
        proposal=edited,
        score=finding.score,
        evidence=[],
        rule=finding.rule,
    )
    apart = set(finding.subjects) - set(together.subjects)
    return [Label(together, True, weight)] + [
        Label(
            finding_from_row(
                subjects=[edited["survivor"], one],
                proposal={"action": "merge", "survivor": edited["survivor"], "members": [one], "changes": {}},
                score=finding.score,
                evidence=[],
                rule=finding.rule,
            ),
            False,
            weight,
        )
        for one in sorted(apart)
    ]
