"""What an admin sees before choosing bounds: the scores, how good claims above a bound are, what a change would do."""

from __future__ import annotations

from dataclasses import dataclass

from crmquality.models import Source
from review import estimation
from review.charts_bars import Histogram, score_histogram
from review.estimation import Estimate, Simulation, Verdict
from review.models import Gate, PolicyVersion
from review.policy import Policy
from review.selectors import scores
from review.services import policies


@dataclass(frozen=True)
class Outlook:
    """What these bounds mean, by the claims and decisions there are.

    shown, accepted: precision at review_at and at accept_at (None where nothing is accepted by itself);
    found: recall at review_at. simulation: the bounds held against past decisions.
    """

    policy: Policy
    histogram: Histogram
    low: float
    shown: Estimate
    found: Estimate
    accepted: Estimate | None
    verdict: Verdict | None
    effect: scores.Effect
    simulation: Simulation
    stopped: dict[str, str]


@dataclass(frozen=True)
class Row:
    """One detector of a source on the list."""

    source: Source
    detector: str
    version: PolicyVersion
    gate: Gate | None


def outlook(source: Source, detector: str, policy: Policy) -> Outlook:
    """The outlook of bounds that need not be in force."""
    in_force = policies.policy_in_force(source, detector)
    found = scores.bins(source.pk, detector)
    marks = [("review at", policy.review_at)]
    accepted = verdict = None
    stopped: dict[str, str] = {}
    if policy.accept_at is not None:
        marks.append(("accept at", policy.accept_at))
        accepted = estimation.precision(found, policy.accept_at)
        verdict = estimation.gate(found, policy.accept_at, policy.target)
        tallies = scores.by_rule(source.pk, detector, policy.accept_at)
        stopped = estimation.stopped_rules(tallies, policy.target)
    low = scores.lowest_score(found, policy.review_at, in_force.review_at)
    return Outlook(
        policy=policy,
        histogram=score_histogram(found, low=low, marks=marks),
        low=low,
        shown=estimation.precision(found, policy.review_at),
        found=estimation.recall(found, policy.review_at),
        accepted=accepted,
        verdict=verdict,
        effect=scores.effect(
            scores.waiting(source.pk, detector), review_at=policy.review_at, accept_at=policy.accept_at
        ),
        simulation=estimation.simulate(found, review_at=policy.review_at, accept_at=policy.accept_at),
        stopped=stopped,
    )


def rows(detectors: list[str]) -> list[Row]:
    """Every detector of every source with the bounds in force and its gate."""
    gates = {(gate.source_id, gate.detector): gate for gate in Gate.objects.all()}
    newest = {
        (version.source_id, version.detector): version
        for version in PolicyVersion.objects.order_by("source_id", "detector", "-number").distinct(
            "source_id", "detector"
        )
    }
    return [
        Row(
            source,
            name,
            newest.get((source.pk, name)) or policies.policy_in_force(source, name),
            gates.get((source.pk, name)),
        )
        for source in Source.objects.all()
        for name in detectors
    ]
