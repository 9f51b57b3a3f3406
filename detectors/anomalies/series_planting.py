"""Anomalies planted in a series of the user's own, so that methods can be compared where nobody has labelled any.

Six kinds, each sized by the series' own noise around its own seasons, so that they are neither obvious nor hidden.
That noise is the seasonal method's own measure, which may favour it a little on series that have seasons.
What is odd in the history already counts as a false alarm for every method alike.
"""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from detectors.anomalies.series_nab import Labelled, probation
from detectors.anomalies.series_novelty import fill_forward
from detectors.anomalies.series_seasonal import fit_seasonal

Floats = npt.NDArray[np.float64]
Rng = np.random.Generator

LEAST = 200
"""A shorter series has no room for a learning span and planted anomalies."""

PLANTED = 5
WINDOW_SHARE = 0.02
"""Length of a planted stretch as a share of the series."""


def _spike(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """One reading far off."""
    part[0] += _sign(rng) * rng.uniform(5, 10) * noise[0]
    return part


def _shift(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """A lasting change of level."""
    return part + _sign(rng) * rng.uniform(2.5, 5) * noise


def _drift(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """A slow change."""
    return part + _sign(rng) * np.linspace(0.5, rng.uniform(4, 7), len(part)) * noise


def _frozen(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """The same value again and again, as from a feed that hangs."""
    return np.full(len(part), part[0])


def _unsteady(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """More noise than usual."""
    return part + rng.normal(0, 3, len(part)) * noise


def _silent(part: Floats, noise: Floats, rng: Rng) -> Floats:
    """Nothing arrives: the metric falls to its lowest."""
    return np.full(len(part), min(0.0, float(part.min())) if part.min() < 0 else 0.0)


KINDS: dict[str, Callable[[Floats, Floats, Rng], Floats]] = {
    "spike": _spike,
    "level shift": _shift,
    "drift": _drift,
    "frozen": _frozen,
    "unsteady": _unsteady,
    "silent": _silent,
}
"""Kind of planted anomaly -> (readings of the stretch, their usual noise, rng) -> what they become."""


def planted(name: str, times: Floats, values: Floats, *, seed: int) -> Labelled:
    """A copy of a series with anomalies planted after its learning span, labelled.

    times: (n,) seconds, rising; values: (n,), not finite = missing, read as the reading before.

    Raises ValueError for fewer than LEAST readings.
    """
    if len(values) < LEAST:
        raise ValueError(f"{name}: {len(values)} readings are too few to plant anomalies in; {LEAST} are needed")
    rng = np.random.default_rng(seed)
    copy = fill_forward(values).copy()
    noise = fit_seasonal(times, copy).deviation(times)
    width = max(5, int(WINDOW_SHARE * len(copy)))
    windows = []
    for kind, start in zip(_kinds(rng), _places(len(copy), width, rng), strict=False):
        stretch = slice(start, start + width)
        copy[stretch] = KINDS[kind](copy[stretch].copy(), noise[stretch], rng)
        windows.append((start, start + width - 1))
    return Labelled(f"{name} #{seed}", times, copy, tuple(windows))


def _kinds(rng: Rng) -> list[str]:
    return [str(kind) for kind in rng.permutation(list(KINDS))]


def _places(rows: int, width: int, rng: Rng) -> list[int]:
    """Where the stretches begin: one in each equal part of what follows the learning span, in order."""
    parts = np.linspace(probation(rows) + width, rows - width, PLANTED + 1).astype(np.int64)
    return [int(rng.integers(first, max(first + 1, last - width))) for first, last in pairwise(parts.tolist())]


def _sign(rng: Rng) -> float:
    return float(rng.choice([-1.0, 1.0]))
