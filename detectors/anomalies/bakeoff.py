"""Who wins, by how much, and how sure that is: the same words for a comparison on series and one on rows.

Every contestant is scored on the same parts (files, planted copies, folds). The parts are drawn with replacement many
times, the same draw for all (paired bootstrap; Efron and Tibshirani, "An Introduction to the Bootstrap", 1993), so the
interval of a difference says what another choice of parts might have shown.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Total = Callable[[Floats], float]
"""Weights of the parts (n,), how often each was drawn -> a contestant's score on that draw."""

DRAWS = 2_000


@dataclass(frozen=True, slots=True)
class Standing:
    """A contestant's score with its 95 % interval, and what it is behind the best, with the interval of that.

    behind: 0 for the best.
    """

    name: str
    score: float
    low: float
    high: float
    behind: float
    behind_low: float
    behind_high: float

    @property
    def is_clearly_behind(self) -> bool:
        """Whether another choice of parts would hardly have put it first."""
        return self.behind_low > 0


@dataclass(frozen=True, slots=True)
class Ranking:
    """All contestants, the best first, and the verdict in words."""

    standings: tuple[Standing, ...]
    verdict: str


def precision_at_each(scores: Floats, is_anomaly: npt.NDArray[np.bool_]) -> Floats:
    """Precision at the place of each anomaly, (n_anomalies,), in the order of the rows; ties are taken together.

    Their mean is the average precision, so anomalies can be drawn with replacement without ranking anew.
    """
    order = np.argsort(-scores, kind="stable")
    ends = np.flatnonzero(np.append(np.diff(scores[order]) != 0, True))
    hits = np.cumsum(is_anomaly[order])[ends]
    precision = np.empty(len(scores))
    precision[order] = np.repeat(hits / (ends + 1), np.diff(ends, prepend=-1))
    return precision[is_anomaly]


def rank(contestants: Mapping[str, Total], *, parts: int, unit: str, digits: int = 1, seed: int = 0) -> Ranking:
    """The contestants by score, with intervals over draws of the parts.

    contestants: name -> its score for any weighting of the parts. unit: what a score counts, for the verdict.

    Raises ValueError without a contestant or a part.
    """
    if not contestants or parts < 1:
        raise ValueError("a comparison needs a contestant and something to be compared on")
    rng = np.random.default_rng(seed)
    draws = [np.ones(parts), *(rng.multinomial(parts, np.full(parts, 1 / parts)).astype(float) for _ in range(DRAWS))]
    scores = {name: np.array([total(weights) for weights in draws]) for name, total in contestants.items()}
    order = sorted(scores, key=lambda name: -scores[name][0])
    best = scores[order[0]]
    standings = tuple(_standing(name, scores[name], best - scores[name]) for name in order)
    return Ranking(standings, _verdict(standings, parts, unit, digits))


def _standing(name: str, scores: Floats, behind: Floats) -> Standing:
    low, high = np.quantile(scores[1:], [0.025, 0.975])
    behind_low, behind_high = np.quantile(behind[1:], [0.025, 0.975])
    return Standing(
        name, float(scores[0]), float(low), float(high), float(behind[0]), float(behind_low), float(behind_high)
    )


def _verdict(standings: Sequence[Standing], parts: int, unit: str, digits: int) -> str:
    best = standings[0]
    if len(standings) == 1:
        return f"Only {best.name} took part: {best.score:.{digits}f} {unit}."
    if parts < 3:
        return (
            f"{best.name} scored highest, {best.score:.{digits}f} {unit}; {parts} part{'s' * (parts != 1)} to compare "
            f"on {'are' if parts != 1 else 'is'} too few to say whether that would hold."
        )
    close = [one.name for one in standings[1:] if not one.is_clearly_behind]
    second = standings[1]
    gap = (
        f"{second.behind:.{digits}f} more than {second.name} "
        f"(95 % interval {second.behind_low:.{digits}f} to {second.behind_high:.{digits}f})"
    )
    if not close:
        return f"{best.name} wins with {best.score:.{digits}f} {unit}: {gap}."
    named = ", ".join(close[:4]) + (f" and {len(close) - 4} more" if len(close) > 4 else "")
    return (
        f"No clear winner: {best.name} has {best.score:.{digits}f} {unit}, {gap}; another sample might put "
        f"{named} first."
    )
