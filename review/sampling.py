"""Acceptance sampling by attributes: how many of a lot to judge before the rest may be accepted. Pure.

A single sampling plan (n, c) for a lot of N: judge n drawn at random without replacement; accept the lot if at most c
of them are wrong. It is an LTPD plan: a lot with more wrong ones than the share an admin tolerates is accepted with a
probability of at most the consumer's risk, by the hypergeometric distribution (exact for a finite lot). Of the plans
that keep this, the one with the least judging is taken for the share of wrong ones expected from earlier decisions:
Dodge & Romig, "Sampling Inspection Tables", 2nd ed., Wiley 1959 (lot quality protection, single sampling); the
limiting quality of ISO 2859-2 is the same notion, with a consumer's risk near 10 %.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

MOST_WRONG = 10
"""The largest acceptance number that is tried; a larger one saves hardly any judging."""


@dataclass(frozen=True, slots=True)
class Plan:
    """What to do with a lot.

    size: N, the items of the lot. sample: n, how many are judged. allowed: c, how many of these may be wrong.
    limit: the share of wrong ones that is tolerated. risk: the probability that a lot with more is accepted, at most.
    expected: the share of wrong ones by which the plan was chosen among those that keep the limit.
    """

    size: int
    sample: int
    allowed: int
    limit: float
    risk: float
    expected: float

    @property
    def rest(self) -> int:
        """The items that are accepted unseen if the sample passes."""
        return self.size - self.sample

    @property
    def too_many(self) -> int:
        """The smallest number of wrong ones in the lot that is more than tolerated."""
        return unacceptable(self.size, self.limit)

    @property
    def risk_reached(self) -> float:
        """The probability that a lot with `too_many` wrong ones is accepted."""
        return at_most(self.allowed, lot=self.size, wrong=self.too_many, sample=self.sample)

    @property
    def passes_as_expected(self) -> float:
        """The probability that the lot is accepted if it holds the expected share of wrong ones."""
        wrong = round(self.expected * self.size)
        return at_most(self.allowed, lot=self.size, wrong=wrong, sample=self.sample)


def plan(*, size: int, limit: float, risk: float, expected: float) -> Plan | None:
    """The plan of least judging that keeps the limit; None where it would be to judge them all.

    size: items of the lot. limit, risk, expected: shares in (0, 1), as in `Plan`.
    Raises ValueError for shares out of range.
    """
    if not (0 < limit < 1 and 0 < risk < 1 and 0 <= expected <= 1):
        raise ValueError("limit and risk must lie in (0, 1), expected in [0, 1]")
    best: tuple[float, int, int] | None = None
    for allowed in range(MOST_WRONG + 1):
        sample = smallest_sample(size=size, allowed=allowed, limit=limit, risk=risk)
        if sample is None:
            break
        accepted = at_most(allowed, lot=size, wrong=min(size, round(expected * size)), sample=sample)
        judged = sample + (size - sample) * (1 - accepted)  # a refused lot is judged one by one
        if best is None or judged < best[0]:
            best = judged, sample, allowed
    return Plan(size, best[1], best[2], limit, risk, expected) if best else None


def smallest_sample(*, size: int, allowed: int, limit: float, risk: float) -> int | None:
    """The fewest items to judge so that a lot of more than `limit` wrong ones passes with at most `risk`.

    None if even all but one of the items would not do.
    """
    wrong = unacceptable(size, limit)
    if wrong <= allowed:
        return None
    low, high = allowed + 1, size - 1
    if high < low or at_most(allowed, lot=size, wrong=wrong, sample=high) > risk:
        return None
    while low < high:
        middle = (low + high) // 2
        if at_most(allowed, lot=size, wrong=wrong, sample=middle) <= risk:
            high = middle
        else:
            low = middle + 1
    return low


def unacceptable(size: int, limit: float) -> int:
    """The smallest number of wrong ones among `size` that is more than the tolerated share."""
    return math.floor(limit * size + 1e-9) + 1


def at_most(count: int, *, lot: int, wrong: int, sample: int) -> float:
    """P(X <= count) for X wrong ones in a sample without replacement (hypergeometric distribution)."""
    fewest, most = max(0, sample - (lot - wrong)), min(sample, wrong)
    if count >= most:
        return 1.0
    total = _log_choose(lot, sample)
    return min(
        1.0,
        math.fsum(
            math.exp(_log_choose(wrong, hits) + _log_choose(lot - wrong, sample - hits) - total)
            for hits in range(fewest, count + 1)
        ),
    )


def interval(found: int, *, lot: int, sample: int, risk: float = 0.10) -> tuple[int, int]:
    """Fewest and most wrong ones that the whole lot may hold, `found` being wrong among `sample` judged.

    The exact interval of confidence 1 - risk for a finite lot: the numbers that neither one-sided test at risk / 2
    refuses (Clopper & Pearson 1934, with the hypergeometric distribution).
    """
    if not sample:
        return 0, lot
    tail = risk / 2
    low, high = found, lot - (sample - found)
    return _first(low, high, lambda wrong: _at_least(found, lot, wrong, sample) > tail), _first(
        low, high, lambda wrong: wrong == high or at_most(found, lot=lot, wrong=wrong + 1, sample=sample) <= tail
    )


def _at_least(count: int, lot: int, wrong: int, sample: int) -> float:
    return 1.0 if count == 0 else 1 - at_most(count - 1, lot=lot, wrong=wrong, sample=sample)


def _first(low: int, high: int, holds: Callable[[int], bool]) -> int:
    """The smallest number in the range for which a condition holds that stays true; `high` if there is none."""
    while low < high:
        middle = (low + high) // 2
        if holds(middle):
            high = middle
        else:
            low = middle + 1
    return low


def _log_choose(of: int, take: int) -> float:
    return math.lgamma(of + 1) - math.lgamma(take + 1) - math.lgamma(of - take + 1)
