"""The interval a chart shows about a series, and how a threshold is chosen by the alarms it would give."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Band:
    """What was expected of each reading: a middle and the bounds outside which it is an alarm, each (n,)."""

    expected: Floats
    lower: Floats
    upper: Floats

    def flags(self, values: Floats) -> Flags:
        """The readings outside the bounds (red points), (n,); a missing one is inside."""
        outside: Flags = (values < self.lower) | (values > self.upper)
        return outside


@dataclass(frozen=True, slots=True)
class Comfort:
    """What one threshold would have meant on the user's own history.

    k: the threshold. alarms: runs of readings above it that a refractory period leaves.
    excess: by how much the readings above it exceed it, summed, in units of the score.
    """

    k: float
    alarms: int
    excess: float


def comfort(scores: Floats, thresholds: Iterable[float], *, refractory: int = 0) -> list[Comfort]:
    """For each threshold, the alarms it gives and the summed excess, so that a person can choose.

    scores: (n,) in time order, e.g. standard deviations from the expected; not finite = no reading.
    refractory: readings after an alarm that raise none.
    """
    known = np.where(np.isfinite(scores), scores, -np.inf)
    return [_comfort(known, k, refractory) for k in thresholds]


def spaced(raised: Flags, refractory: int) -> Flags:
    """The alarms left when each silences the `refractory` readings after it, (n,)."""
    left: Flags = np.zeros(len(raised), dtype=np.bool_)
    left[_spaced(np.flatnonzero(raised).tolist(), refractory)] = True
    return left


def _comfort(scores: Floats, k: float, refractory: int) -> Comfort:
    above = np.flatnonzero(scores > k)
    return Comfort(k, len(_spaced(above.tolist(), refractory)), float((scores[above] - k).sum()))


def _spaced(positions: list[int], refractory: int) -> list[int]:
    kept: list[int] = []
    for position in positions:
        if not kept or position > kept[-1] + refractory:
            kept.append(position)
    return kept
