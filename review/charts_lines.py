"""Geometry of lines over days: one or two lines on a shared scale, a band where values are estimates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Line:
    """One line: its SVG path, and the band around it ("" for none)."""

    label: str
    path: str
    band: str


@dataclass(frozen=True, slots=True)
class Lines:
    """Lines over the same places. levels: (value, y) of the horizontal grid; places: (words, x) below it.

    rows: the same numbers for the table: (place, value of each line).
    """

    lines: tuple[Line, ...]
    levels: tuple[tuple[float, float], ...]
    places: tuple[tuple[str, float], ...]
    rows: tuple[tuple[str, tuple[float, ...]], ...]
    width: int
    height: int


def lines(
    places: Sequence[str],
    series: Sequence[tuple[str, Sequence[float]]],
    *,
    low: float | None = None,
    high: float | None = None,
    bands: Sequence[Sequence[tuple[float | None, float | None]]] = (),
    width: int = 580,
    height: int = 170,
) -> Lines | None:
    """Series of (label, values), one value a place; None for fewer than two places.

    low, high: the ends of the scale; the values' own where None. bands: for each series (low, high) a place.
    """
    if len(places) < 2 or not series:
        return None
    ends = [value for _, values in series for value in values]
    ends += [end for band in bands for pair in band for end in pair if end is not None]
    bottom, top = min(ends) if low is None else low, max(ends) if high is None else high
    span = (top - bottom) or 1.0
    left, right, base, roof = 44, width - 6, height - 20, 8

    def at(place: int) -> float:
        return round(left + place * (right - left) / (len(places) - 1), 1)

    def up(value: float) -> float:
        return round(base - (value - bottom) / span * (base - roof), 1)

    drawn = []
    for number, (label, values) in enumerate(series):
        path = "M" + " L".join(f"{at(place)} {up(value)}" for place, value in enumerate(values))
        edge = bands[number] if number < len(bands) else ()
        known = [(place, pair) for place, pair in enumerate(edge) if pair[0] is not None and pair[1] is not None]
        band = ""
        if len(known) > 1:
            over = [f"{at(place)} {up(pair[1] or 0.0)}" for place, pair in known]
            under = [f"{at(place)} {up(pair[0] or 0.0)}" for place, pair in reversed(known)]
            band = "M" + " L".join([*over, *under]) + " Z"
        drawn.append(Line(label, path, band))
    middle = (bottom + top) / 2
    shown = sorted({0, len(places) // 2, len(places) - 1})
    return Lines(
        tuple(drawn),
        tuple((value, up(value)) for value in (bottom, middle, top)),
        tuple((places[place], at(place)) for place in shown),
        tuple((name, tuple(values[place] for _, values in series)) for place, name in enumerate(places)),
        width,
        height,
    )
