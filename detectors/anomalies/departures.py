"""One value alone that is farther out than its column's other values foretell, however usual the rest of its row is.

The members that judge whole rows sum over all columns: one wild value among sixty is drowned by what the other
fifty-nine happen to say. Here each column speaks for itself, and only where it is sure: a value counts by how much
rarer it is than its place in the column says. The largest of a thousand is nothing; the largest of a thousand, ten
times as far out as the body of the column foretells, is.

Only features that compare are asked: days between dates, ratios, a number for its group, steps, what is filled
beside what. A bare number is left to the others: with those in, the mean AP of six public tables of bare numbers
fell from .317 to .293, for their anomalies are not the farthest values.
"""

from __future__ import annotations

import numpy as np

from detectors.anomalies.features import MEASURED, Feature, Features, in_one_unit, in_proportion
from detectors.anomalies.forest import Floats

FEWEST_ROWS = 50
"""The body of a smaller table foretells nothing about its tails."""
BODY, TAIL = 0.75, 0.9375
"""The quantiles that tell how a side falls off; so many anomalies at an end change nothing."""
HEAVIEST, LIGHTEST = 0.3, 2.0
"""Bounds of the tail's exponent: 1 is an exponential's, 2 is a normal's, less is heavier."""
UNKNOWN = 0.7
"""The exponent where more than half of the column is one value."""
SURE = 3.0
"""Nats beyond chance from which a value alone makes a row worth a look: twenty times too many lie so far out."""
LEAST_RATIO = 0.001
"""Ratios nearer to each other than this share are equal: they differ by the rounding of cents."""
LEAST_BITS = {"step": 5.0, "pair": 3.0, "filled": 3.0}
"""Surprise from which a step or a combination is rare at all."""
_ASKED = {"days", "ratio", "group", *LEAST_BITS}


def departures(made: Features, place: int) -> Floats:
    """How surely each row's value in this column is out of place: (n,) nats, 0 where it is not."""
    feature, values, known = made.columns[place], made.values[:, place], made.known[:, place]
    if len(values) < FEWEST_ROWS or feature.kind not in MEASURED | LEAST_BITS.keys():
        return np.zeros(len(values))
    if feature.kind in LEAST_BITS:
        return np.where(known, _apart(values, LEAST_BITS[feature.kind]), 0.0)
    if feature.kind in {"number", "ratio"}:
        values = in_proportion(values)
    least = LEAST_RATIO * abs(float(np.median(values))) if feature.kind == "ratio" else 0.0
    return np.where(known, np.maximum(beyond(values, least), beyond(-values, least)), 0.0)


def surest(made: Features) -> Floats | None:
    """Each row's surest departure, (n,) nats less what chance among so many fields is worth.

    None without a column to ask.
    """
    places = asked(made.columns)
    if not places:
        return None
    most = np.zeros(len(made.values))
    for place in places:
        np.maximum(most, departures(made, place), out=most)
    return np.maximum(most - chance(made.columns), 0.0)


def chance(columns: tuple[Feature, ...]) -> float:
    """Nats that the surest of so many fields reaches by chance."""
    return float(np.log(max(len({columns[place].fields[0] for place in asked(columns)}), 1)))


def asked(columns: tuple[Feature, ...]) -> list[int]:
    """Places of the features that compare."""
    return [place for place in in_one_unit(columns) if columns[place].kind in _ASKED]


def beyond(values: Floats, least: float = 0.0) -> Floats:
    """How much rarer each high value is than its rank says, by how the body of the column falls off: (n,) nats.

    The tail beyond the median is taken for a stretched exponential through two of its quantiles, log(1 / p) =
    log 2 + (distance / scale) ** exponent: exact for a Laplace, near enough for normal, uniform and log-normal.
    A value counts log(share of rows at least as high / p): the log of how many times too many rows lie there.
    least: quantiles nearer to the median than this are taken to be so far. A column that is one value nearly
    everywhere has no tail; there any other value departs.
    """
    middle, body, tail = np.quantile(values, [0.5, BODY, TAIL])
    near, far = max(body - middle, least / 3), max(tail - middle, least)
    if far <= 0:
        return _apart(values, tail)
    at_body, at_tail = np.log(0.5 / (1 - BODY)), np.log(0.5 / (1 - TAIL))
    exponent = UNKNOWN
    if near > 0:
        exponent = float(np.log(at_tail / at_body) / np.log(far / near)) if far > near else LIGHTEST
        exponent = min(max(exponent, HEAVIEST), LIGHTEST)
    surely = np.zeros(len(values))
    high = np.flatnonzero(values > tail)
    foretold = np.log(2) + at_tail * ((values[high] - middle) / far) ** exponent
    surely[high] = np.maximum(foretold + np.log(_share_above(values[high], len(values))), 0.0)
    return surely


def _apart(values: Floats, bound: float) -> Floats:
    """Nats of a departure, beyond the bound, from what nearly all rows have in common: (n,).

    Twice the rarity of departing as far, less 3: one in a hundred is worth 6, and from one in five on it is nothing.
    """
    surely = np.zeros(len(values))
    high = np.flatnonzero(values > bound)
    surely[high] = np.maximum(-2 * np.log(_share_above(values[high], len(values))) - 3, 0.0)
    return surely


def _share_above(high: Floats, rows: int) -> Floats:
    """Of all the rows, the share at least as high as each of the high ones: (k,)."""
    return np.asarray((len(high) - np.searchsorted(np.sort(high), high, side="left")) / rows)
