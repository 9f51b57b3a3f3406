"""Moving-average alarms (EMA/EMV): one mean and one variance a series, updated a reading at a time.

The same algorithm runs inside PostgreSQL (`series_sql`); both perform the same floating-point operations in
the same order, so that every flag is equal. Keep the two texts side by side when changing one.

Source: exponentially weighted mean and variance as in Finch, "Incremental calculation of weighted mean and
variance", 2009, section 9; alarm on the state before the update.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_numba import compiled

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]

LARGEST = 1e150
"""A reading of larger magnitude is taken as missing: its square overflows, which PostgreSQL refuses."""

SMALLEST = 1e-150
"""A smaller deviation is taken as none: its square underflows, which PostgreSQL refuses too."""

SMALLEST_VARIANCE = 1e-300


@dataclass(frozen=True, slots=True)
class EmaSettings:
    """How quickly the average forgets and when it alarms.

    alpha: weight of the newest reading, 0 < alpha < 1; 2 / (n + 1) remembers about n readings.
    k: alarm when a reading is more than k standard deviations from the mean.
    refractory: readings after an alarm that raise none.
    warmup: readings before the first alarm may be raised.
    side: 1 alarms at high readings only, -1 at low ones, 0 at both.
    """

    alpha: float = 0.01
    k: float = 5.0
    refractory: int = 12
    warmup: int = 30
    side: int = 0

    def __post_init__(self) -> None:
        if not 1e-6 <= self.alpha <= 1 - 1e-6:
            raise ValueError(f"alpha must lie in [1e-6, 1 - 1e-6], not {self.alpha}")
        if not (0 <= self.k <= LARGEST and self.refractory >= 0 and self.warmup >= 0):
            raise ValueError("k, refractory and warmup must not be negative")
        if self.side not in (-1, 0, 1):
            raise ValueError("side must be -1 (low), 0 (both) or 1 (high)")


@dataclass(frozen=True, slots=True)
class EmaState:
    """What is remembered between readings; all zeros before the first.

    seen: readings so far. quiet: readings that still raise no alarm.
    """

    mean: float = 0.0
    variance: float = 0.0
    seen: int = 0
    quiet: int = 0


@dataclass(frozen=True, slots=True)
class EmaResult:
    """What EMA/EMV said of each reading.

    flags: (n,) alarms. mean, deviation: (n,) the state before each reading, so mean +- k * deviation is the
    band it was held against. state: to go on from.
    """

    flags: Flags
    mean: Floats
    deviation: Floats
    state: EmaState


def ema_alarms(values: Floats, settings: EmaSettings, state: EmaState | None = None) -> EmaResult:
    """The alarms of the readings, in time order, going on from `state` (a fresh one if None).

    values: (n,) readings; not finite or beyond 1e150 = missing: no flag, and the state stays.
    """
    begin = state or EmaState()
    flags, means, deviations, mean, variance, seen, quiet = _scan(
        np.asarray(values, dtype=np.float64),
        settings.alpha,
        settings.k,
        settings.refractory,
        settings.warmup,
        settings.side,
        begin.mean,
        begin.variance,
        begin.seen,
        begin.quiet,
    )
    return EmaResult(flags, means, deviations, EmaState(float(mean), float(variance), int(seen), int(quiet)))


def ema_score(values: Floats, *, alpha: float) -> Floats:
    """|reading - mean| / standard deviation of the state before each reading, (n,); 0 while there is none."""
    result = ema_alarms(values, EmaSettings(alpha=alpha))
    away = np.abs(np.where(np.isfinite(values), values, result.mean) - result.mean)
    score: Floats = np.divide(away, result.deviation, out=np.zeros_like(away), where=result.deviation > 0)
    return score


@compiled
def _scan(
    values: Floats,
    alpha: float,
    k: float,
    refractory: int,
    warmup: int,
    side: int,
    mean: float,
    variance: float,
    seen: int,
    quiet: int,
) -> tuple[Flags, Floats, Floats, float, float, int, int]:
    rows = len(values)
    flags = np.zeros(rows, dtype=np.bool_)
    means, deviations = np.empty(rows), np.empty(rows)
    for row in range(rows):
        value = values[row]
        means[row], deviations[row] = mean, np.sqrt(variance)
        if not abs(value) <= LARGEST:
            continue
        if seen == 0:
            means[row] = mean = value
            seen = 1
            continue
        delta = value - mean
        if abs(delta) < SMALLEST:
            delta = 0.0
        alarm = seen >= warmup and quiet == 0 and delta * side >= 0 and abs(delta) > k * np.sqrt(variance)
        flags[row] = alarm
        if alarm:
            quiet = refractory
        elif quiet > 0:
            quiet -= 1
        mean = mean + alpha * delta
        variance = variance + alpha * delta * delta
        variance = 0.0 if variance < SMALLEST_VARIANCE else (1.0 - alpha) * variance
        seen += 1
    return flags, means, deviations, mean, variance, seen, quiet
