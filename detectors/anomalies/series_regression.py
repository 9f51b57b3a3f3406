"""Regression z: is a metric unusual for its load, in the current period against a reference period?

Response time grows with the number of requests, refunds with the number of orders. A line metric ~ count is
fitted on the reference (the previous release, the last quarter); a current reading is held against what that
line expects at its own count.

Source: ordinary least squares with the prediction variance of a new observation (Draper and Smith, "Applied
Regression Analysis", 3rd ed., section 3.1).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_bands import Band

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class ReferenceLine:
    """metric = intercept + slope * count, as the reference period had it.

    deviation: standard deviation of the reference residuals, in the metric's unit.
    readings: how many it was fitted on. center, spread: mean and summed squared deviation of their counts.
    """

    intercept: float
    slope: float
    deviation: float
    readings: int
    center: float
    spread: float

    def expected(self, counts: Floats) -> Floats:
        """The metric the reference would have shown at these counts, (n,)."""
        return self.intercept + self.slope * counts

    def uncertainty(self, counts: Floats) -> Floats:
        """Standard deviation of a new reading at these counts, (n,): wider far from the counts seen."""
        leverage = (counts - self.center) ** 2 / self.spread if self.spread > 0 else np.zeros_like(counts)
        return self.deviation * np.sqrt(1 + 1 / self.readings + leverage)

    def z(self, counts: Floats, metrics: Floats) -> Floats:
        """Signed standard deviations of the current readings from the line, (n,); a missing one is 0."""
        return np.nan_to_num((metrics - self.expected(counts)) / self.uncertainty(counts), nan=0.0)

    def band(self, counts: Floats, *, k: float) -> Band:
        """The interval of k standard deviations about the line."""
        middle, width = self.expected(counts), k * self.uncertainty(counts)
        return Band(middle, middle - width, middle + width)


def fit_reference(counts: Floats, metrics: Floats) -> ReferenceLine:
    """The line of a reference period.

    counts, metrics: (n,) readings side by side; not finite = missing.

    Raises ValueError with fewer than three complete readings: two lie on any line.
    """
    known = np.isfinite(counts) & np.isfinite(metrics)
    counts, metrics = counts[known], metrics[known]
    if len(counts) < 3:
        raise ValueError(f"a reference needs at least 3 complete readings, not {len(counts)}")
    center, middle = float(counts.mean()), float(metrics.mean())
    spread = float(((counts - center) ** 2).sum())
    slope = float(((counts - center) * (metrics - middle)).sum() / spread) if spread > 0 else 0.0
    intercept = middle - slope * center
    rest = metrics - (intercept + slope * counts)
    deviation = float(np.sqrt((rest**2).sum() / (len(rest) - 2)))
    smallest = 1e-9 * max(1.0, float(np.abs(metrics).max()))
    return ReferenceLine(intercept, slope, max(deviation, smallest), len(counts), center, spread)
