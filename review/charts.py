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
    """Reasons that add up: one bar each, from where the one before ended, and the sum."""

    bars: tuple[Bar, ...]
    zero: float
    total: float
    width: int
    height: int


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


def waterfall(reasons: Sequence[tuple[str, float, str]], *, width: int = 320, row: int = 18) -> Waterfall:
    """Bars of (label, weight, detail), in the order given."""
    sums = [0.0]
    for _, weight, _ in reasons:
        sums.append(sums[-1] + weight)
    low, high = min(sums), max(sums)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return round((value - low) / span * width, 1)

    bars = tuple(
        Bar(
            label,
            detail,
            weight,
            min(place(sums[i]), place(sums[i + 1])),
            max(2.0, abs(place(sums[i + 1]) - place(sums[i]))),
            i * row,
            sums[i + 1],
        )
        for i, (label, weight, detail) in enumerate(reasons)
    )
    return Waterfall(bars, place(0.0), sums[-1], width, max(row, len(reasons) * row))


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
