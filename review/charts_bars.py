"""Geometry of bars: shares with their intervals, scores and what was said of them, from record to correction."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from math import sqrt

from review.estimation import Bin


@dataclass(frozen=True, slots=True)
class ShareBar:
    """One share in [0, 1] as a bar with a whisker from low to high; None where there is nothing to show.

    said: what stands at the right end.
    """

    label: str
    said: str
    value: float | None
    low: float | None
    high: float | None
    detail: str
    y: int
    width: float
    low_x: float
    high_x: float


@dataclass(frozen=True, slots=True)
class ShareBars:
    """Bars below each other; labels stand left of `left`, which is where 0 is; `right` is where 1 is."""

    bars: tuple[ShareBar, ...]
    left: int
    right: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class ScoreBar:
    """The claims of a range of scores, upwards; below the line what people said of them, right first."""

    low: float
    high: float
    claims: int
    right: int
    wrong: int
    x: float
    width: float
    up: float
    right_height: float
    wrong_height: float


@dataclass(frozen=True, slots=True)
class Histogram:
    """Scores of claims. base: the y of the line; marks: (words, x) of the bounds; ticks: (score, x)."""

    bars: tuple[ScoreBar, ...]
    marks: tuple[tuple[str, float], ...]
    ticks: tuple[tuple[float, float], ...]
    base: int
    width: int
    height: int


@dataclass(frozen=True, slots=True)
class Step:
    """One step of a funnel; share: of the step before, None for the first and where that was 0."""

    label: str
    count: int
    share: float | None
    x: float
    y: int
    width: float


@dataclass(frozen=True, slots=True)
class Funnel:
    """Steps below each other, each as wide as the square root of its count, so that the narrow ones can be seen."""

    steps: tuple[Step, ...]
    width: int
    height: int

    @property
    def middle(self) -> float:
        """The x of the words."""
        return self.width / 2


def share_bars(
    rows: Sequence[tuple[str, float | None, float | None, float | None, str]],
    *,
    said: Sequence[str] = (),
    left: int = 140,
    width: int = 580,
    row: int = 26,
) -> ShareBars:
    """Bars of (label, value, low, high, detail). said: what stands at each one's end, its value in percent if empty."""
    right = width - 64
    span = right - left

    def place(value: float | None) -> float:
        return round(left + span * (value or 0.0), 1)

    bars = tuple(
        ShareBar(
            label,
            said[at] if said else f"{100 * (value or 0.0):.1f} %",
            value,
            low,
            high,
            detail,
            at * row,
            place(value) - left,
            place(low),
            place(high),
        )
        for at, (label, value, low, high, detail) in enumerate(rows)
    )
    return ShareBars(bars, left, right, width, max(1, len(rows)) * row)


def score_histogram(
    bins: Sequence[Bin],
    *,
    low: float,
    marks: Sequence[tuple[str, float]] = (),
    bars: int = 50,
    width: int = 820,
    base: int = 130,
    height: int = 210,
) -> Histogram:
    """Claims by score from `low` to 1, heights by the square root of the counts, so that rare scores can be seen."""
    span = (1.0 - low) or 1.0

    def place(score: float) -> float:
        return round((min(1.0, max(low, score)) - low) / span * width, 1)

    groups: list[list[Bin]] = [[] for _ in range(bars)]
    for one in bins:
        if one.score >= low:
            groups[min(bars - 1, int((one.score - low) / span * bars + 1e-9))].append(one)
    counts = [
        (sum(one.claims for one in group), sum(one.right for one in group), sum(one.decided for one in group))
        for group in groups
    ]
    most = max((claims for claims, _, _ in counts), default=0) or 1
    said = max((decided for _, _, decided in counts), default=0) or 1
    step = width / bars
    drawn = []
    for at, (claims, right, decided) in enumerate(counts):
        down = sqrt(decided / said) * (height - base - 24)
        good = down * right / decided if decided else 0.0
        drawn.append(
            ScoreBar(
                round(low + span * at / bars, 3),
                round(low + span * (at + 1) / bars, 3),
                claims,
                right,
                decided - right,
                round(at * step, 1),
                round(step - 1, 1),
                round(sqrt(claims / most) * (base - 18), 1),
                round(good, 1),
                round(down - good, 1),
            )
        )
    ticks = tuple((round(low + span * part / 5, 3), round(width * part / 5, 1)) for part in range(6))
    return Histogram(tuple(drawn), tuple((name, place(at)) for name, at in marks), ticks, base, width, height)


def funnel(counts: Sequence[tuple[str, int]], *, width: int = 580, row: int = 34) -> Funnel:
    """Steps of (label, count)."""
    most = max((count for _, count in counts), default=0) or 1
    steps = []
    for at, (label, count) in enumerate(counts):
        before = counts[at - 1][1] if at else 0
        wide = round(max(2.0, width * sqrt(count / most)) if count else 0.0, 1)
        share = count / before if at and before else None
        steps.append(Step(label, count, share, round((width - wide) / 2, 1), at * row, wide))
    return Funnel(tuple(steps), width, len(counts) * row)
