"""Geometry of the pictures on the pages: plain numbers in, SVG coordinates out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Bar:
    """One bar of a waterfall; x and width in the unit of the picture's width."""

    label: str
    detail: str
    weight: float
    x: float
    width: float
    y: int
    total: float

    @property
    def sign(self) -> str:
        """ "for" or "against" the claim: said in words and by the bar's pattern, not by colour alone."""
        return "for" if self.weight >= 0 else "against"


@dataclass(frozen=True, slots=True)
class Waterfall:
    """Reasons that add up: one bar each, from where the one before ended, and the sum as the last bar.

    labels: width of the column of names at the left, in the unit of the picture.
    """

    bars: tuple[Bar, ...]
    sum: Bar
    zero: float
    total: float
    width: int
    height: int
    labels: int


@dataclass(frozen=True, slots=True)
class Trend:
    """A line through values over time: the SVG path, its end points, and the range of the values."""

    path: str
    first: float
    last: float
    x: float
    y: float
    low: float
    high: float


def shortened(
    reasons: Sequence[tuple[str, float, str]], *, most: int = 7
) -> tuple[list[tuple[str, float, str]], list[tuple[str, float, str]]]:
    """The weightiest reasons, a prior first, with the rest summed up in one; and that rest."""
    prior = [reason for reason in reasons if reason[0] == "prior"]
    others = sorted((reason for reason in reasons if reason[0] != "prior"), key=lambda reason: -abs(reason[1]))
    kept, rest = others[: most - len(prior)], others[most - len(prior) :]
    rest = [reason for reason in rest if reason[1]] or rest
    if not rest:
        return prior + kept, []
    total = sum(weight for _, weight, _ in rest)
    return [*prior, *kept, (f"{len(rest)} smaller", total, "together; listed below")], rest


def waterfall(
    reasons: Sequence[tuple[str, float, str]], *, width: int = 330, labels: int = 122, row: int = 18
) -> Waterfall:
    """Bars of (label, weight, detail), in the order given, and of their sum."""
    sums = [0.0]
    for _, weight, _ in reasons:
        sums.append(sums[-1] + weight)
    low, high = min(sums), max(sums)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round(labels + (value - low) / span * (width - labels), 1)

    def bar(label: str, detail: str, start: float, end: float, line: int) -> Bar:
        left, right = sorted((place(start), place(end)))
        return Bar(label, detail, end - start, left, max(2.0, round(right - left, 1)), line * row, end)

    bars = tuple(bar(label, detail, sums[i], sums[i + 1], i) for i, (label, _, detail) in enumerate(reasons))
    total = bar("sum", "", 0.0, sums[-1], len(reasons))
    return Waterfall(bars, total, place(0.0), sums[-1], width, (len(reasons) + 1) * row, labels)


def trend(values: Sequence[float], *, width: int = 160, height: int = 36) -> Trend | None:
    """A line through the values, evenly spaced; None for fewer than two."""
    if len(values) < 2:
        return None
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    step = (width - 8) / (len(values) - 1)
    points = [
        (round(4 + i * step, 1), round(height - 4 - (value - low) / span * (height - 8), 1))
        for i, value in enumerate(values)
    ]
    path = "M" + " L".join(f"{x} {y}" for x, y in points)
    return Trend(path, values[0], values[-1], *points[-1], low, high)
