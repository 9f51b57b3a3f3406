"""The online methods that watch a series, under one signature, so that they can be compared on any series.

Each gives every reading a score from that reading and earlier ones only. Rare is a power of ten: 2 means "one
in 100 of this series' own history". All but the control hold repeats back by the same refractory period.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_forecast import walk
from detectors.anomalies.series_moving_average import ema_score
from detectors.anomalies.series_novelty import (
    HISTORY,
    fill_forward,
    hold_back,
    novelty,
    rarity,
    refractory,
    unit_range,
)
from detectors.anomalies.series_seasonal import expect_seasonal

Floats = npt.NDArray[np.float64]

Method = Callable[[Floats, Floats, int], Floats]
"""(times, values, learn) -> (n,) scores >= 0. times: seconds since the epoch; learn: rows that only teach."""

DEFAULT_METHOD = "novelty"
"""What the product alarms by where an admin chose nothing."""


def _novelty(times: Floats, values: Floats, learn: int) -> Floats:
    return novelty(values, learn=learn)


def _moving_average(times: Floats, values: Floats, learn: int) -> Floats:
    return _rare(ema_score(unit_range(fill_forward(values)), alpha=_memory(learn)), learn)


def _step(times: Floats, values: Floats, learn: int) -> Floats:
    filled = unit_range(fill_forward(values))
    return _rare(np.abs(np.diff(filled, prepend=filled[:1])), learn)


def _level(times: Floats, values: Floats, learn: int) -> Floats:
    """The mean of the last fiftieth of the learning span against the mean of the half span before it."""
    filled = unit_range(fill_forward(values))
    short, long = max(2, learn // 50), max(8, learn // 2)
    sums = np.concatenate([[0.0], np.cumsum(filled - filled[:1].mean())]) if len(filled) else np.zeros(1)
    here = np.arange(len(filled)) + 1
    edge, begin = np.maximum(here - short, 0), np.maximum(here - short - long, 0)
    recent = (sums[here] - sums[edge]) / np.maximum(here - edge, 1)
    before = (sums[edge] - sums[begin]) / np.maximum(edge - begin, 1)
    return _rare(np.where(begin < edge, np.abs(recent - before), 0.0), learn)


def _seasonal(times: Floats, values: Floats, learn: int) -> Floats:
    """Deviations from a profile refitted on all earlier readings every half learning span."""
    forecast = walk(times, values, expect_seasonal, learn=learn, block=max(1, learn // 2))
    return rare_after_learning(forecast.score(values), learn)


def _metronome(times: Floats, values: Floats, learn: int) -> Floats:
    """The control: an alarm every two thirds of the learning span, the series unread.

    NAB pays for it (its windows cover a tenth of every file), so a method must be compared with this, not
    with 0.
    """
    scores = np.zeros(len(values))
    scores[learn :: max(1, learn * 2 // 3)] = 1.0
    return scores


def _rare(scores: Floats, learn: int) -> Floats:
    return hold_back(rarity(scores, HISTORY), refractory(learn))


def rare_after_learning(scores: Floats, learn: int) -> Floats:
    """Rarity of deviations that there are none of before the learning span is over."""
    found = rarity(np.log1p(scores), HISTORY)
    return hold_back(np.where(np.arange(len(scores)) < learn, 0.0, found), refractory(learn))


def _memory(learn: int) -> float:
    """The weight that remembers about the learning span: 2 / (n + 1), bounded for very short ones."""
    return min(0.3, 2.0 / (learn + 1))


METHODS: dict[str, Method] = {
    "novelty": _novelty,
    "moving average": _moving_average,
    "step": _step,
    "level shift": _level,
    "seasonal": _seasonal,
    "metronome (control)": _metronome,
}
"""Every method by name; the first is the default."""
