"""Geometry of a predictor's pictures: shares against shares, on a square."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

SIZE, LEFT, FOOT = 260, 40, 30
MARKS = (0.0, 0.25, 0.5, 0.75, 1.0)


@dataclass(frozen=True, slots=True)
class Square:
    """A curve from share to share. path: its SVG path. dots: (x, y, words). level: the path of the diagonal.

    across, up: (words, x or y) of the scales.
    """

    path: str
    dots: tuple[tuple[float, float, str], ...]
    level: str
    across: tuple[tuple[str, float], ...]
    up: tuple[tuple[str, float], ...]
    size: int = SIZE
    left: int = LEFT
    base: int = SIZE - FOOT


def square(points: Sequence[tuple[float, float]], words: Sequence[str] = ()) -> Square | None:
    """points: (across, up), both in [0, 1]. words: what each dot says; no dots without. None for fewer than two."""
    if len(points) < 2:
        return None
    placed = [_at(*point) for point in points]
    dots = tuple((x, y, said) for (x, y), said in zip(placed, words, strict=False))
    return Square(
        _path(placed),
        dots,
        _path([_at(0, 0), _at(1, 1)]),
        tuple((f"{share:.0%}", _at(share, 0)[0]) for share in MARKS),
        tuple((f"{share:.0%}", _at(0, share)[1]) for share in MARKS),
    )


def _at(across: float, up: float) -> tuple[float, float]:
    base = SIZE - FOOT
    return round(LEFT + across * (SIZE - LEFT - 12), 1), round(base - up * (base - 10), 1)


def _path(points: Sequence[tuple[float, float]]) -> str:
    return "M" + " L".join(f"{x} {y}" for x, y in points)
