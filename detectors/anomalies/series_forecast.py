"""What was to be expected of each reading by those before it: a model fitted again and again as a series grows.

A chart that draws a band from a model that has seen the whole series flatters itself: an outlier widens its own
band. Here every block of readings is held against a model of earlier readings only, as it would have been live.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_bands import Band

Floats = npt.NDArray[np.float64]

Expect = Callable[[Floats], tuple[Floats, Floats]]
"""times (n,) -> what is expected at each, and its standard deviation (> 0), both (n,)."""

Fit = Callable[[Floats, Floats], Expect]
"""(times, values), both (n,) in time order and known -> what that history lets expect."""


@dataclass(frozen=True, slots=True)
class Forecast:
    """expected, deviation: (n,) of each reading; NaN while there was too little to learn from."""

    expected: Floats
    deviation: Floats

    def score(self, values: Floats) -> Floats:
        """Standard deviations from the expected, (n,) >= 0; 0 for a missing reading or where nothing is expected."""
        away = np.abs(values - self.expected) / self.deviation
        return np.nan_to_num(away, nan=0.0, posinf=np.finfo(np.float64).max)

    def band(self, *, k: float) -> Band:
        """The interval of k standard deviations about the expected; NaN where nothing is."""
        width = k * self.deviation
        return Band(self.expected, self.expected - width, self.expected + width)


def walk(times: Floats, values: Floats, fit: Fit, *, learn: int, block: int, since: int = 0) -> Forecast:
    """Each block of `block` readings by a fit on all known readings before it.

    times: (n,) seconds since the epoch, rising. values: (n,), not finite = missing.
    learn: readings before the first fit. since: only readings from this row on are needed; others stay NaN.
    """
    expected, deviation = np.full(len(values), np.nan), np.full(len(values), np.nan)
    known = np.isfinite(values)
    for start in range(max(learn, 1), len(values), max(1, block)):
        end = min(start + block, len(values))
        if end > since and known[:start].any():
            expect = fit(times[:start][known[:start]], values[:start][known[:start]])
            expected[start:end], deviation[start:end] = expect(times[start:end])
    return Forecast(expected, deviation)


def interval_of(times: Floats) -> float:
    """The usual distance of two readings in seconds; an hour where there is only one."""
    return float(np.median(np.diff(times))) if len(times) > 1 else 3600.0
