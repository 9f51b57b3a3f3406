"""Geometry of a profile's pictures: histograms, bars of values, box plots."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True, slots=True)
class HistogramBar:
    """One bar: its range in words, its count, its place in the profile's bars."""

    place: int
    label: str
    count: int
    share: float
    x: float
    y: float
    width: float
    height: float


@dataclass(frozen=True, slots=True)
class Bars:
    """Bars beside each other; ticks: (words, x, anchor) below them. is_log: ranges grow by a ratio."""

    bars: tuple[HistogramBar, ...]
    is_log: bool
    ticks: tuple[tuple[str, float, str], ...]
    width: int
    height: int
    base: int


@dataclass(frozen=True, slots=True)
class Dot:
    """An outlier. is_beyond: it lies further out than the picture reaches, and is drawn at its edge."""

    x: float
    is_beyond: bool
    label: str


@dataclass(frozen=True, slots=True)
class Box:
    """A box plot on its side."""

    whisker_low: float
    q1: float
    median: float
    q3: float
    whisker_high: float
    dots: tuple[Dot, ...]
    ticks: tuple[tuple[str, float, str], ...]
    width: int
    height: int


def histogram(bars: Sequence[Mapping[str, Any]], *, kind: str, width: int = 380, height: int = 104) -> Bars | None:
    """A column's histogram from its profile's bars; None where there is none. kind: number, date, text or key."""
    if not bars:
        return None
    base = height - 18
    most = max(bar["count"] for bar in bars) or 1
    total = sum(bar["count"] for bar in bars) or 1
    step = width / len(bars)
    drawn = tuple(
        HistogramBar(
            place,
            _range_words(bar, kind),
            bar["count"],
            bar["count"] / total,
            round(place * step, 1),
            round(base - (base - 4) * bar["count"] / most, 1),
            round(max(1.0, step - 1), 1),
            round((base - 4) * bar["count"] / most, 1),
        )
        for place, bar in enumerate(bars)
    )
    ends = [("start", bars[0]["low"], 0.0), ("middle", bars[len(bars) // 2]["low"], len(bars) // 2 * step)]
    ends.append(("end", bars[-1]["high"], float(width)))
    ticks = tuple(
        (shown(value, kind), round(x, 1), anchor) for anchor, value, x in (ends if len(bars) > 1 else ends[:1])
    )
    inner = bars[len(bars) // 2]
    is_log = kind == "number" and inner["high"] - inner["low"] > 2 * (bars[0]["high"] - bars[0]["low"])
    return Bars(drawn, is_log, ticks, width, height, base)


def box(found: Mapping[str, Any] | None, *, width: int = 380, height: int = 62) -> Box | None:
    """A column's box plot; None where there is none. Outliers far out are drawn at the edge."""
    if not found:
        return None
    reach = (found["whisker_high"] - found["whisker_low"]) or 1.0
    low = max(found["minimum"], found["whisker_low"] - reach / 2)
    high = min(found["maximum"], found["whisker_high"] + reach / 2)
    span = (high - low) or 1.0

    def place(value: float) -> float:
        return float(round(8 + (min(high, max(low, value)) - low) / span * (width - 16), 1))

    dots = tuple(
        Dot(place(value), not low <= value <= high, shown(value, "number"))
        for value in [*found["low_values"], *found["high_values"]]
    )
    ticks = ((shown(low, "number"), 8.0, "start"), (shown(high, "number"), float(width - 8), "end"))
    edges = {name: place(found[name]) for name in ("whisker_low", "q1", "median", "q3", "whisker_high")}
    return Box(**edges, dots=dots, ticks=ticks, width=width, height=height)


def shown(value: float, kind: str) -> str:
    """A place on a scale as a person reads it; dates are days since 1970."""
    if kind == "date":
        return str(np.datetime64(round(value), "D"))
    if abs(value) >= 1e6:
        return f"{value / 1e6:,.4g} M"
    return f"{value:,.0f}" if value == round(value) or abs(value) >= 1000 else f"{value:,.4g}"


def _range_words(bar: Mapping[str, Any], kind: str) -> str:
    low, high = bar["low"], bar["high"]
    if low == high:
        return shown(low, kind)
    if kind != "date" and high - low == 1 and low % 1 == 0.5:  # a bar of one whole number
        words = shown(low + 0.5, kind)
    else:
        words = f"{shown(low, kind)} to {shown(high, kind)}"
    return {"below": f"up to {shown(high, kind)}", "above": f"{shown(low, kind)} and more"}.get(bar["is_open"], words)
