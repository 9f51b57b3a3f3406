"""How good claims of a score are, estimated from decisions: pure functions over counts by score.

Decisions are no random sample of the claims: only what the queue showed was decided, the strong claims first. So the
claims are split into strata of equal or near scores, the decided claims of a stratum stand for all claims of that
stratum (each counts claims / decided), and a stratum without any decision may hold anything.

Sources: Bennett and Carvalho, "Online stratified sampling: evaluating classifiers at web-scale", CIKM 2010 (precision
by score strata); Cochran, "Sampling Techniques", 1977, ch. 5 (stratified shares, collapsed strata); Zou, Huang and
Zhang, "A note on confidence interval estimation for a linear function of binomial proportions", 2009 (the interval:
Wilson's within a stratum, margins of the strata combined).
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from crmquality.metrics import wilson

BINS = 1_000
"""Scores are counted in thousandths."""

LEAST_DECIDED = 10
"""Neighbouring bins are taken together until a stratum has this many decisions."""

LEAST_OF_RULE = 5
"""A rule is judged by itself once it has this many decisions."""


@dataclass(frozen=True, slots=True)
class Bin:
    """The claims of one score.

    score: the lowest score in it. claims: made and not withdrawn. decided: by a person, "not sure" apart.
    right: accepted as they stood (a flag also as expected); an edited proposal would have written a wrong value.
    """

    score: float
    claims: int = 0
    decided: int = 0
    right: int = 0

    def plus(self, other: Bin) -> Bin:
        """Both together."""
        return Bin(
            min(self.score, other.score),
            self.claims + other.claims,
            self.decided + other.decided,
            self.right + other.right,
        )


@dataclass(frozen=True, slots=True)
class Estimate:
    """A share with its 95 % interval; None where nothing was decided. decided: the decisions behind it."""

    share: float | None
    low: float
    high: float
    decided: int
    claims: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """Whether claims may be accepted by themselves, and why (not)."""

    passes: bool
    why: str
    estimate: Estimate


@dataclass(frozen=True, slots=True)
class Simulation:
    """A policy held against decisions already made.

    accepted: decided claims that it would have accepted by itself; wrong: of those, what a person rejected or edited.
    hidden: decided claims that it would not have shown; missed: of those, what a person accepted.
    """

    accepted: int
    wrong: int
    hidden: int
    missed: int


def precision(bins: Iterable[Bin], at: float) -> Estimate:
    """Right claims / claims, of those scored at or above `at`."""
    return _share(strata(_above(bins, at)))


def recall(bins: Iterable[Bin], at: float) -> Estimate:
    """Right claims scored at or above `at` / all right claims that the detector makes.

    What it never claims nobody can count from decisions. Of scores that nobody was shown it is taken that they are
    right no more often than the lowest scores that were. The interval joins the outer ends of both sides' intervals,
    so it is wider than 95 % needs.
    """
    bins = list(bins)
    above = _share(strata(_above(bins, at)))
    below = _share(strata(_below(bins, at)), undecided_high=_lowest_decided(bins))
    decided = above.decided + below.decided
    claims = above.claims + below.claims
    if above.share is None:
        return Estimate(None, 0.0, 1.0, decided, claims)
    found = [above.claims * part for part in (above.low, above.share, above.high)]
    missed = [below.claims * part for part in (below.low, below.share or 0.0, below.high)]
    low, share, high = (
        mine / (mine + other) if mine + other else 1.0
        for mine, other in ((found[0], missed[2]), (found[1], missed[1]), (found[2], missed[0]))
    )
    return Estimate(share, min(low, share), max(high, share), decided, claims)


def gate(bins: Iterable[Bin], at: float, target: float) -> Verdict:
    """Claims at or above `at` may be accepted by themselves once the precision's lower end reaches the target."""
    estimate = precision(bins, at)
    if estimate.share is None:
        why = f"No claim scored {at:g} or more has been decided by a person yet."
        return Verdict(False, why, estimate)
    proven = f"{100 * estimate.low:.1f} % proven by {estimate.decided} decisions"
    passes = estimate.low >= target
    word = "reaches" if passes else "is below"
    return Verdict(passes, f"{proven} {word} the target of {100 * target:g} %.", estimate)


def stopped_rules(tallies: Mapping[str, tuple[int, int]], target: float) -> dict[str, str]:
    """Rule -> why it is not accepted by itself, for rules that were right less often than the target.

    tallies: rule -> (right, decided), of claims at or above the bound.
    """
    return {
        rule: f"{right} of {decided} were right, below the target of {100 * target:g} %"
        for rule, (right, decided) in sorted(tallies.items())
        if decided >= LEAST_OF_RULE and right < target * decided
    }


def simulate(bins: Iterable[Bin], *, review_at: float, accept_at: float | None) -> Simulation:
    """What this policy would have done with the claims that people decided."""
    bins = list(bins)
    accepted = _total(_above(bins, accept_at)) if accept_at is not None else Bin(1.0)
    hidden = _total(_below(bins, review_at))
    return Simulation(accepted.decided, accepted.decided - accepted.right, hidden.decided, hidden.right)


def strata(bins: Iterable[Bin]) -> list[Bin]:
    """Neighbouring bins together, from the highest score down, until each has LEAST_DECIDED decisions.

    The last may have fewer; scores below all decided ones are a stratum by themselves.
    """
    made: list[Bin] = []
    open_bin: Bin | None = None
    tail: Bin | None = None
    for one in sorted(bins, key=lambda one: -one.score):
        if not one.decided:
            tail = one if tail is None else tail.plus(one)
            continue
        joined = one if tail is None else tail.plus(one)
        open_bin, tail = joined if open_bin is None else open_bin.plus(joined), None
        if open_bin.decided >= LEAST_DECIDED:
            made.append(open_bin)
            open_bin = None
    if open_bin is not None:
        made.append(open_bin)
    if tail is not None:
        made.append(tail)
    return made


def bin_of(score: float) -> int:
    """The thousandth that a score or bound belongs to; a hair below one counts as the one."""
    return math.floor(score * BINS + 1e-9)


def _share(parts: Sequence[Bin], *, undecided_high: float = 1.0) -> Estimate:
    # more decisions than claims are possible: of claims withdrawn since
    sizes = [max(part.claims, part.decided) for part in parts]
    total, decided = sum(sizes), sum(part.decided for part in parts)
    if not decided:
        return Estimate(None, 0.0, undecided_high if total else 1.0, 0, total)
    known = [(size / total, part) for size, part in zip(sizes, parts, strict=True) if part.decided]
    unknown = 1.0 - sum(weight for weight, _ in known)
    share = sum(weight * part.right / part.decided for weight, part in known) / (1.0 - unknown)
    low, high = _combined(known)
    low, high = low, high + unknown * undecided_high
    return Estimate(share, max(0.0, min(low, share)), min(1.0, max(high, share)), decided, total)


def _combined(known: Sequence[tuple[float, Bin]]) -> tuple[float, float]:
    """The ends of a weighted sum of shares: each stratum's Wilson margins are added in squares (Zou et al., eq. 3)."""
    middle = under = over = 0.0
    for weight, part in known:
        share = part.right / part.decided
        low, high = wilson(part.right, part.decided)
        middle += weight * share
        under += (weight * (share - (low or 0.0))) ** 2
        over += (weight * ((1.0 if high is None else high) - share)) ** 2
    return middle - math.sqrt(under), middle + math.sqrt(over)


def _lowest_decided(bins: Sequence[Bin]) -> float:
    """The upper end for scores that nobody was shown: that of the lowest stratum that somebody was."""
    decided = [part for part in strata(bins) if part.decided]
    if not decided:
        return 1.0
    _, high = wilson(decided[-1].right, decided[-1].decided)
    return 1.0 if high is None else high


def _above(bins: Iterable[Bin], at: float) -> list[Bin]:
    return [one for one in bins if bin_of(one.score) >= bin_of(at)]


def _below(bins: Iterable[Bin], at: float) -> list[Bin]:
    return [one for one in bins if bin_of(one.score) < bin_of(at)]


def _total(bins: Iterable[Bin]) -> Bin:
    whole = Bin(1.0)
    for one in bins:
        whole = whole.plus(one)
    return whole
