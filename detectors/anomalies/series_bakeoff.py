"""All methods on series of the user's own, by one scoring: NAB's standard profile, one threshold a method for all."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.anomalies.bakeoff import Ranking, Total, rank
from detectors.anomalies.series_compared import COMPARED, NETWORKS
from detectors.anomalies.series_forecast import Fit, walk
from detectors.anomalies.series_methods import METHODS, Method, rare_after_learning
from detectors.anomalies.series_mstl import expect_mstl
from detectors.anomalies.series_nab import Labelled, NabScore, earned, nab_score, probation
from detectors.anomalies.series_prophet import expect_prophet, is_installed

Floats = npt.NDArray[np.float64]
Report = Callable[[int, int, str], None]

UNIT = "NAB points"
PROPHET_FITS = 8
ENOUGH_SERIES = 5


@dataclass(frozen=True, slots=True)
class Contestant:
    """What one method reached. us_per_row: CPU microseconds a reading, everything included."""

    name: str
    found: NabScore
    us_per_row: float


@dataclass(frozen=True, slots=True)
class SeriesBakeOff:
    """Every method's result and the ranking, the best first."""

    contestants: Mapping[str, Contestant]
    ranking: Ranking

    def details(self) -> dict[str, dict[str, float | int | str]]:
        """What stands beside each method's score: windows found, false alarms, CPU a reading."""
        return {
            name: {
                "found": f"{one.found.hits} of {one.found.windows}",
                "false_alarms": one.found.false_alarms,
                "us_per_row": one.us_per_row,
            }
            for name, one in self.contestants.items()
        }


def methods(*, networks: bool = True) -> dict[str, Method]:
    """Every method that can take part here: the product's, those that failed for others and, if wanted, networks."""
    seasonal_ones = {"mstl": _forecaster(expect_mstl, blocks=None)}
    if is_installed():
        seasonal_ones["prophet"] = _forecaster(expect_prophet, blocks=PROPHET_FITS)
    others = {name: method for name, method in COMPARED.items() if networks or name not in NETWORKS}
    return {**METHODS, **seasonal_ones, **others}


def compare(
    corpus: Sequence[Labelled], chosen: Mapping[str, Method], *, report: Report = lambda *_: None
) -> SeriesBakeOff:
    """Run the methods over a labelled corpus and rank them.

    report: called as report(done, total, stage) before each method and series.
    """
    steps, groups = len(chosen) * len(corpus), _groups(corpus)
    contestants: dict[str, Contestant] = {}
    totals: dict[str, Total] = {}
    for number, (name, method) in enumerate(chosen.items()):
        scores: dict[str, Floats] = {}
        started = time.process_time()
        for place, series in enumerate(corpus):
            report(number * len(corpus) + place, steps, f"{name} on {series.name}")
            scores[series.name] = method(series.times, series.values, probation(len(series.values)))
        spent = time.process_time() - started
        rows = sum(len(series.values) for series in corpus)
        found = nab_score(corpus, scores)
        contestants[name] = Contestant(name, found, spent / rows * 1e6)
        totals[name] = _total(corpus, groups, scores, found.threshold)
    return SeriesBakeOff(contestants, rank(totals, parts=len(set(groups)), unit=UNIT))


def _groups(corpus: Sequence[Labelled]) -> list[int]:
    """The part that each labelled series belongs to: the copies of one series are one, where there are enough series.

    Copies of one series resemble each other; drawn one by one they would make the interval too narrow.
    """
    names = [series.name.rpartition(" #")[0] or series.name for series in corpus]
    if len(set(names)) < ENOUGH_SERIES:
        names = [series.name for series in corpus]
    return [list(dict.fromkeys(names)).index(name) for name in names]


def _total(corpus: Sequence[Labelled], groups: list[int], scores: Mapping[str, Floats], threshold: float) -> Total:
    """NAB's score of a draw of the corpus, at the threshold chosen on the whole."""
    sums = np.bincount(groups, [earned(series, scores[series.name], threshold) for series in corpus])
    windows = np.bincount(groups, [len(series.windows) for series in corpus])

    def total(weights: Floats) -> float:
        drawn = float(weights @ windows)
        return 100 * (float(weights @ sums) + drawn) / (2 * drawn) if drawn else 0.0

    return total


def _forecaster(fit: Fit, *, blocks: int | None) -> Method:
    """A forecaster as an online method. blocks: fits over a series; None: one every half learning span."""

    def score(times: Floats, values: Floats, learn: int) -> Floats:
        block = max(1, learn // 2) if blocks is None else max(1, (len(values) - learn) // blocks)
        forecast = walk(times, values, fit, learn=max(learn, 2), block=block)
        return rare_after_learning(forecast.score(values), learn)

    return score
