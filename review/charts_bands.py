"""Geometry of a series with the interval that was expected: usual readings, alarms, and what people expected."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from math import floor, isfinite, log10

MOST_POINTS = 240
"""Readings drawn; of more, the oddest of each stretch."""

_AROUND = 1.0
"""The band is drawn up to so many spans of the values beyond them: one wide band must not flatten the line."""


@dataclass(frozen=True, slots=True)
class Reading:
    """One reading as a chart takes it; None where there is none."""

    at: datetime
    value: float | None
    expected: float | None
    lower: float | None
    upper: float | None
    score: float | None
    is_alarm: bool
    is_expected: bool

    @property
    def kind(self) -> str:
        """ "alarm", "expected" (odd, and people know why) or "usual"."""
        return "alarm" if self.is_alarm else "expected" if self.is_expected else "usual"


@dataclass(frozen=True, slots=True)
class Point:
    """A reading at its place."""

    x: float
    y: float
    reading: Reading


@dataclass(frozen=True, slots=True)
class BandChart:
    """path: the line of the readings, broken at gaps. band: the interval; middle: what was expected; "" for none.

    points: usual ones first, so that alarms lie on top. levels: (words, y); places: (words, x). stretch: readings
    that one point stands for.
    """

    path: str
    band: str
    middle: str
    points: tuple[Point, ...]
    levels: tuple[tuple[str, float], ...]
    places: tuple[tuple[str, float], ...]
    readings: int
    alarms: int
    stretch: int
    left: int
    width: int
    height: int

    @property
    def alarm_points(self) -> tuple[Point, ...]:
        """The red ones."""
        return tuple(point for point in self.points if point.reading.kind == "alarm")


def band_chart(
    readings: Sequence[Reading], *, width: int = 1000, height: int = 280, left: int = 62, mark: datetime | None = None
) -> BandChart | None:
    """The chart of readings in time order; None for fewer than two values. mark: a time that is drawn in any case."""
    known = [one for one in readings if one.value is not None]
    if len(known) < 2:
        return None
    drawn, stretch = _thinned(readings, mark)
    bottom, top = _scale(drawn)
    first, last = readings[0].at, readings[-1].at
    span = (last - first) or timedelta(seconds=1)
    base, roof, right = height - 24, 10, width - 10

    def across(at: datetime) -> float:
        return round(left + (at - first) / span * (right - left), 1)

    def up(value: float) -> float:
        inside = min(max(value, bottom), top)
        return round(base - (inside - bottom) / (top - bottom) * (base - roof), 1)

    points = [Point(across(one.at), up(one.value), one) for one in drawn if one.value is not None]
    points.sort(key=lambda point: ("usual", "expected", "alarm").index(point.reading.kind))
    steps = _ticks(bottom, top)
    return BandChart(
        _line([(across(one.at), None if one.value is None else up(one.value)) for one in drawn]),
        _band([(across(one.at), up(one.lower), up(one.upper)) for one in drawn if _has_band(one)]),  # type: ignore[arg-type]
        _line([(across(one.at), None if one.expected is None else up(one.expected)) for one in drawn]),
        tuple(points),
        tuple((words, up(value)) for words, value in steps),
        tuple((words, across(at)) for words, at in _times(first, last)),
        len(known),
        sum(one.is_alarm for one in readings),
        stretch,
        left,
        width,
        height,
    )


def _has_band(one: Reading) -> bool:
    return one.lower is not None and one.upper is not None


def _thinned(readings: Sequence[Reading], mark: datetime | None) -> tuple[list[Reading], int]:
    """At most about MOST_POINTS readings: of each stretch the alarm, else the oddest."""
    stretch = -(-len(readings) // MOST_POINTS)
    if stretch == 1:
        return list(readings), 1

    def oddness(one: Reading) -> tuple[bool, bool, float, float]:
        away = abs(one.value - one.expected) if one.value is not None and one.expected is not None else 0.0
        return (mark is not None and one.at == mark, one.is_alarm, one.score or 0.0, away)

    return [max(readings[at : at + stretch], key=oddness) for at in range(0, len(readings), stretch)], stretch


def _scale(readings: Sequence[Reading]) -> tuple[float, float]:
    """The lowest and the highest value shown."""
    values = [one.value for one in readings if one.value is not None]
    low, high = min(values), max(values)
    span = (high - low) or max(abs(high), 1.0)
    lowers = [one.lower for one in readings if one.lower is not None]
    uppers = [one.upper for one in readings if one.upper is not None]
    bottom = min([low, *(max(value, low - _AROUND * span) for value in lowers)])
    top = max([high, *(min(value, high + _AROUND * span) for value in uppers)])
    margin = ((top - bottom) or span) * 0.04
    return bottom - margin, top + margin


def _line(places: Sequence[tuple[float, float | None]]) -> str:
    """An SVG path through what is known, lifted at gaps."""
    parts, drawing = [], False
    for x, y in places:
        if y is None:
            drawing = False
            continue
        parts.append(f"{'L' if drawing else 'M'}{x} {y}")
        drawing = True
    return " ".join(parts)


def _band(edges: Sequence[tuple[float, float, float]]) -> str:
    if len(edges) < 2:
        return ""
    over = [f"{x} {upper}" for x, _, upper in edges]
    under = [f"{x} {lower}" for x, lower, _ in reversed(edges)]
    return "M" + " L".join([*over, *under]) + " Z"


def _ticks(bottom: float, top: float, count: int = 4) -> list[tuple[str, float]]:
    """Round values between the ends, as words and numbers."""
    rough = (top - bottom) / count
    if not (isfinite(rough) and rough > 0):
        return []
    size = 10.0 ** floor(log10(rough))
    step = size * min((1, 2, 5, 10), key=lambda factor: abs(factor * size - rough))
    first = floor(bottom / step) + 1
    values = [number * step for number in range(first, first + 12) if number * step <= top]
    return [(_short(value, step), value) for value in values]


def _short(value: float, step: float) -> str:
    """A value with no more digits than its step needs: 1,200 or 0.05 or 3.4M."""
    for size, letter in ((1e12, "T"), (1e9, "G"), (1e6, "M")):
        if abs(value) >= size * 10 or (abs(value) >= size and step >= size / 10):
            return f"{value / size:,.{0 if step >= size else 1}f}{letter}"
    if value and not 1e-6 <= abs(step) < 1e15:
        return f"{value:.1e}"
    digits = max(0, -floor(log10(step))) if step < 1 else 0
    return f"{value:,.{digits}f}"


def _times(first: datetime, last: datetime) -> list[tuple[str, datetime]]:
    """Five moments with words that fit the span."""
    span = last - first
    form = "%H:%M" if span <= timedelta(days=1) else "%-d %b %H:%M" if span <= timedelta(days=5) else "%-d %b"
    if span > timedelta(days=300):
        form = "%b %Y"
    return [(at.strftime(form), at) for at in (first + span * part / 4 for part in range(5))]
