"""How a series is watched: one method, one threshold, and what they say of every reading.

The methods that an admin chooses among, under one signature. Each says what was expected, how far a reading is from
it in units of its own (`UNITS`), and which readings are alarms. A reading that people expect to be odd is missing to
every method: it raises nothing and teaches nothing.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_bands import Band, Comfort, Flags, comfort, spaced
from detectors.anomalies.series_forecast import Forecast, walk
from detectors.anomalies.series_moving_average import EmaSettings, ema_alarms
from detectors.anomalies.series_mstl import expect_mstl
from detectors.anomalies.series_novelty import novelty
from detectors.anomalies.series_prophet import expect_prophet, is_installed
from detectors.anomalies.series_regression import fit_reference
from detectors.anomalies.series_seasonal import expect_seasonal

Floats = npt.NDArray[np.float64]

LARGEST_SCORE = 1e6
"""A constant series that changes is infinitely many deviations off; a score is a number all the same."""

PROPHET_BLOCKS = 16
"""Prophet is fitted so many times over a history: a fit takes seconds."""


@dataclass(frozen=True, slots=True)
class Watch:
    """What an admin set.

    k: alarms are scores above it. side: 1 high readings only, -1 low ones only, 0 both.
    refractory: readings after an alarm that raise none. learn: readings at the start that only teach.
    alpha: of the moving average, see `EmaSettings`. reference: the reference period of the regression, in seconds
    since the epoch; None: the learning span.
    """

    method: str = "novelty"
    k: float = 1.25
    side: int = 0
    refractory: int = 12
    learn: int = 100
    alpha: float = 0.02
    reference: tuple[float, float] | None = None

    def __post_init__(self) -> None:
        if self.method not in UNITS:
            raise ValueError(f"no method named {self.method!r}: choose one of {', '.join(UNITS)}")
        if not (0 < self.k <= LARGEST_SCORE and 0 <= self.refractory <= 100_000 and 1 <= self.learn <= 100_000):
            raise ValueError("k and the learning span must be above 0, the refractory period not below")
        if self.reference is not None and not self.reference[0] < self.reference[1]:
            raise ValueError("the reference period must end after it begins")
        self.moving_average()  # raises for an alpha or a side that make no sense

    def moving_average(self) -> EmaSettings:
        """The settings of EMA/EMV, which PostgreSQL runs."""
        return EmaSettings(self.alpha, self.k, self.refractory, self.learn, self.side)


@dataclass(frozen=True, slots=True)
class Judgement:
    """What a watch says of each reading, all (n,). scores: in the method's unit, >= 0. flags: the alarms.

    band: what was expected; of the novelty method the seasonal interval, for orientation, since what is new about
    a stretch is no interval of single readings.
    """

    scores: Floats
    band: Band
    flags: Flags


UNITS: dict[str, str] = {
    "novelty": "powers of ten, averaged over stretches of 1 to 32 readings: 2 = one in 100 was as new",
    "moving average": "standard deviations from the moving average",
    "seasonal": "robust standard deviations from the usual value of this hour and day",
    "regression": "standard deviations from the line metric ~ load of the reference period",
    "mstl": "robust standard deviations from trend and seasons (MSTL)",
    "prophet": "standard deviations from Prophet's forecast",
}
"""Method -> what its score and threshold count; the first is the default."""

DEFAULT_K = {"novelty": 1.25, "moving average": 4.0, "seasonal": 4.0, "regression": 4.0, "mstl": 4.0, "prophet": 4.0}
"""Where to begin. The novelty method's is what scored best on NAB: its scores are whole halves, so 1.5 is an alarm."""

BAND_K = 3.0
"""The interval drawn behind the novelty method, in robust standard deviations."""


def available() -> list[str]:
    """The methods that can be chosen here: all, but Prophet only where it is installed."""
    return [name for name in UNITS if name != "prophet" or is_installed()]


def judge(
    watch: Watch,
    times: Floats,
    values: Floats,
    *,
    expected_oddity: Flags | None = None,
    load: Floats | None = None,
    since: int = 0,
    earlier: Flags | None = None,
) -> Judgement:
    """Judge readings by those before them.

    times: (n,) seconds since the epoch, rising. values: (n,), not finite = missing. expected_oddity: (n,) readings
    that people expect to be odd. load: (n,) what the regression holds the metric against; needed for it alone.
    since: the scores and the band are needed from this row on; those before may be 0 and NaN. earlier: (n,) the
    alarms raised before that row, which silence what follows them.

    Raises ValueError if the regression lacks its load or has too few readings in its reference period.
    """
    known = np.isfinite(values) if expected_oddity is None else np.isfinite(values) & ~expected_oddity
    read = np.where(known, values, np.nan)
    if watch.method == "moving average":
        return _by_moving_average(watch, read)
    if watch.method == "novelty":
        forecast = _EXPECT["seasonal"](watch, times, read, load, since)
        scores = novelty(read, learn=watch.learn, quiet=max(1, watch.refractory))
        scores = np.where(known & (np.arange(len(read)) >= watch.learn), scores, 0.0)
    else:
        forecast = _EXPECT[watch.method](watch, times, read, load, since)
        scores = forecast.score(read)
    scores = np.minimum(np.where(_on_side(watch.side, read, forecast.expected), scores, 0.0), LARGEST_SCORE)
    raised = scores > watch.k
    if earlier is not None:
        raised[:since] = earlier[:since]
    band = forecast.band(k=BAND_K if watch.method == "novelty" else watch.k)
    return Judgement(scores, band, spaced(raised, watch.refractory))


def outlook(scores: Floats, *, refractory: int, steps: int = 40) -> list[Comfort]:
    """What each of some thresholds would have meant on this history, lowest threshold first.

    Each lies midway between two scores that occurred, so that every step changes something: from where a tenth of the
    readings would be alarms to above the highest score, in steps of even ratio of the readings above.
    """
    levels, counts = np.unique(scores[scores > 0], return_counts=True)
    if not len(levels):
        return []
    above = np.cumsum(counts[::-1])[::-1]
    most = max(10.0, 0.1 * len(scores))
    wanted = np.geomspace(most, 1, steps)
    places = np.unique([int(np.argmax(above <= count)) for count in wanted if (above <= count).any()])
    below = np.concatenate([[0.0], levels])[places]
    ks = [_rounded(low, high) for low, high in zip(below.tolist(), levels[places].tolist(), strict=True)]
    top = float(levels[-1])
    return comfort(scores, sorted({*ks, _rounded(top, top * 1.1 + 0.1)}), refractory=refractory)


def _rounded(low: float, high: float) -> float:
    """A number between two others, with as few digits as tell them apart."""
    middle = (low + high) / 2
    for digits in range(2, 15):
        if low <= (found := round(middle, digits)) < high:
            return found
    return middle


def comfortable(outlooks: list[Comfort], *, alarms: float, otherwise: float) -> float:
    """The lowest threshold of the outlook with at most so many alarms, never below `otherwise`."""
    fitting = [one.k for one in outlooks if one.alarms <= alarms and one.k >= otherwise]
    return min(fitting, default=max([otherwise, *(one.k for one in outlooks)]))


def with_k(watch: Watch, k: float) -> Watch:
    """The same with another threshold."""
    return replace(watch, k=k)


def _on_side(side: int, read: Floats, expected: Floats) -> Flags:
    if not side:
        return np.ones(len(read), dtype=np.bool_)
    return np.asarray((read - expected) * side > 0)


def _by_moving_average(watch: Watch, read: Floats) -> Judgement:
    found = ema_alarms(read, watch.moving_average())
    away = (np.where(np.isfinite(read), read, found.mean) - found.mean) * (watch.side or 1)
    away = np.abs(away) if not watch.side else np.maximum(away, 0.0)
    infinite = np.where(away > 0, LARGEST_SCORE, 0.0)
    scores = np.divide(away, found.deviation, out=infinite, where=found.deviation > 0)
    scores[: watch.learn] = 0.0
    width = watch.k * found.deviation
    return Judgement(
        np.minimum(scores, LARGEST_SCORE), Band(found.mean, found.mean - width, found.mean + width), found.flags
    )


def _seasonal(watch: Watch, times: Floats, read: Floats, load: Floats | None, since: int) -> Forecast:
    return walk(times, read, expect_seasonal, learn=watch.learn, block=max(1, watch.learn // 2), since=since)


def _mstl(watch: Watch, times: Floats, read: Floats, load: Floats | None, since: int) -> Forecast:
    return walk(times, read, expect_mstl, learn=watch.learn, block=max(1, watch.learn // 2), since=since)


def _prophet(watch: Watch, times: Floats, read: Floats, load: Floats | None, since: int) -> Forecast:
    block = max(1, watch.learn // 2, (len(read) - watch.learn) // PROPHET_BLOCKS)
    return walk(times, read, expect_prophet, learn=max(watch.learn, 2), block=block, since=since)


def _regression(watch: Watch, times: Floats, read: Floats, load: Floats | None, since: int) -> Forecast:
    if load is None:
        raise ValueError("the regression needs a load: the series that the metric grows with")
    place = np.arange(len(read))
    first, last = watch.reference or (-np.inf, np.inf)
    inside = (times >= first) & (times < last) if watch.reference else place < watch.learn
    line = fit_reference(load[inside], read[inside])
    later = place >= watch.learn if watch.reference is None else times >= last
    return Forecast(np.where(later, line.expected(load), np.nan), np.where(later, line.uncertainty(load), np.nan))


_EXPECT: dict[str, Callable[[Watch, Floats, Floats, Floats | None, int], Forecast]] = {
    "seasonal": _seasonal,
    "mstl": _mstl,
    "prophet": _prophet,
    "regression": _regression,
}
