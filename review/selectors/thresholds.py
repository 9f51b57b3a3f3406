"""What an admin sees before choosing bounds: the scores, how good claims above a bound are, what a change would do."""

from __future__ import annotations

import time
from dataclasses import dataclass
from functools import lru_cache

from crmquality.models import Run, Source
from review import estimation
from review.charts_bars import Histogram, score_histogram
from review.estimation import Estimate, Simulation, Verdict
from review.models import Decision, Gate, PolicyVersion
from review.policy import Policy
from review.selectors import scores
from review.services import policies

KEPT_SECONDS = 10


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
    found, waiting = _counts(source, in_force)
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
        effect=scores.effect(waiting, review_at=policy.review_at, accept_at=policy.accept_at),
        simulation=estimation.simulate(found, review_at=policy.review_at, accept_at=policy.accept_at),
        stopped=stopped,
    )


def _counts(source: Source, in_force: PolicyVersion) -> tuple[list[estimation.Bin], dict[int, scores.Waiting]]:
    """Claims by score, kept for a few seconds: while a bound is moved only the bounds change, not what they cut."""
    newest = Decision.objects.order_by("-id").values_list("id", flat=True).first()
    ran = Run.objects.filter(source=source, detector=in_force.detector).order_by("-id").values_list("id", "state")
    stamp = (in_force.number, newest, ran.first(), int(time.time() // KEPT_SECONDS))
    return _counted(source.pk, in_force.detector, stamp)


@lru_cache(maxsize=16)
def _counted(
    source_id: int, detector: str, stamp: tuple[object, ...]
) -> tuple[list[estimation.Bin], dict[int, scores.Waiting]]:
    return scores.bins(source_id, detector), scores.waiting(source_id, detector)


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
