"""How the values of one column lie: histogram, box, outliers, balance, each with records to look at."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]

BINS = 20
EXAMPLES = 20
"""Records kept for looking at, a bar or an end of a box."""

FENCE = 1.5
"""Interquartile ranges beyond the quartiles where a box plot's whiskers end (Tukey, 1977)."""

FAR = 20.0
"""Positive values that reach so many times their median are shown on a logarithmic scale."""

SKEWED = 0.02
"""The outermost bars hold what lies beyond this share's quantiles, where the ends are far away."""


@dataclass(frozen=True, slots=True)
class Bar:
    """low <= value < high (the last bar includes its end); open: values beyond that end are in it too.

    count: rows of the sample. records: some of them.
    """

    low: float
    high: float
    count: int
    is_open: str
    records: tuple[int, ...]


def histogram(values: Floats, ids: Ints, *, bins: int = BINS) -> list[Bar]:
    """Bars of equal width over finite values, of equal ratio where they spread over magnitudes; the outermost are open
    where a few values lie far out.

    values, ids: (n,) of the same rows. Few whole numbers get a bar each.
    """
    if not len(values):
        return []
    low, high = float(values.min()), float(values.max())
    if low == high:
        return [Bar(low, high, len(values), "", tuple(map(int, ids[:EXAMPLES])))]
    whole = bool(np.all(values == np.round(values)))
    inner_low, inner_high = np.quantile(values, [SKEWED, 1 - SKEWED])
    start, end = low, high
    if low > 0 and inner_high > FAR * float(np.median(values)):
        edges = np.geomspace(low, high, bins + 1)
        edges[[0, -1]] = low, high
        return _bars(edges, values, ids)
    if inner_high > inner_low and high - low > 2 * (inner_high - inner_low):
        start, end = max(low, float(inner_low)), min(high, float(inner_high))
    if whole and end - start < bins:
        edges = np.arange(np.floor(start), np.ceil(end) + 2) - 0.5
    else:
        edges = np.linspace(start, end, bins + 1)
    return _bars(edges, values, ids)


def _bars(edges: Floats, values: Floats, ids: Ints) -> list[Bar]:
    low, high = float(values.min()), float(values.max())
    place = np.clip(np.searchsorted(edges, values, side="right") - 1, 0, len(edges) - 2)
    order = np.argsort(place, kind="stable")
    starts = np.searchsorted(place[order], np.arange(len(edges)))
    bars = []
    for at in range(len(edges) - 1):
        rows = order[starts[at] : starts[at + 1]]
        beyond = "below" if at == 0 and low < edges[0] else "above" if at == len(edges) - 2 and high > edges[-1] else ""
        bars.append(
            Bar(float(edges[at]), float(edges[at + 1]), len(rows), beyond, tuple(map(int, ids[rows[:EXAMPLES]])))
        )
    return bars


def box(values: Floats, ids: Ints) -> dict[str, Any] | None:
    """Quartiles, whiskers and outliers of finite values; None for fewer than five.

    Returns minimum, q1, median, q3, maximum, whisker_low, whisker_high, mean, deviation, low_outliers, high_outliers
    (how many rows of the sample lie beyond a whisker), low_records, high_records (the outermost, the furthest first),
    and shown: the ends of the scale that a picture needs, with what lies further out left out.
    """
    if len(values) < 5:
        return None
    first, median, third = (float(value) for value in np.quantile(values, [0.25, 0.5, 0.75]))
    reach = FENCE * (third - first)
    inside = values[(values >= first - reach) & (values <= third + reach)]
    lowest, highest = (float(inside.min()), float(inside.max())) if len(inside) else (first, third)
    order = np.argsort(values, kind="stable")
    low = order[values[order] < lowest]
    high = order[::-1][values[order[::-1]] > highest]
    return {
        "minimum": float(values.min()),
        "q1": first,
        "median": median,
        "q3": third,
        "maximum": float(values.max()),
        "whisker_low": lowest,
        "whisker_high": highest,
        "mean": float(values.mean()),
        "deviation": float(values.std()),
        "low_outliers": len(low),
        "high_outliers": len(high),
        "low_records": [int(ids[row]) for row in low[:EXAMPLES]],
        "high_records": [int(ids[row]) for row in high[:EXAMPLES]],
        "low_values": [float(values[row]) for row in low[:EXAMPLES]],
        "high_values": [float(values[row]) for row in high[:EXAMPLES]],
    }


def balance(counts: list[int]) -> dict[str, float] | None:
    """How evenly the classes of a column are held; None for fewer than two.

    majority: share of the commonest. ratio: the commonest to the rarest. effective: how many equally common classes
    would be as varied (the exponential of the entropy, Hill's number of order 1).
    """
    held = np.array([count for count in counts if count > 0], dtype=np.float64)
    if len(held) < 2:
        return None
    shares = held / held.sum()
    return {
        "majority": float(shares.max()),
        "ratio": float(held.max() / held.min()),
        "effective": float(np.exp(-(shares * np.log(shares)).sum())),
    }
