"""From a raw posterior to a probability that held on records we corrupted: isotonic steps, one curve a part.

Source: Zadrozny and Elkan, "Transforming classifier scores into accurate multiclass probability estimates", KDD 2002.
The curves are learned by `python -m detectors.addresses.recipe` and shipped as JSON.
"""

from __future__ import annotations

import json
import math
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path

CURVES = Path(__file__).with_name("calibration.json")
CEILING = 0.999


def logit(raw: float) -> float:
    """log odds of a raw posterior, kept within +-14: near 1 a posterior tells apart only on this scale."""
    return max(-14.0, min(14.0, math.log(max(raw, 1e-7) / max(1.0 - raw, 1e-7))))


class Calibration:
    """Curve a part: points (log odds of the raw posterior, probability), both rising; straight lines between."""

    def __init__(self, curves: Mapping[str, Sequence[Sequence[float]]]) -> None:
        self._curves = {part: sorted((float(x), float(y)) for x, y in points) for part, points in curves.items()}

    def __call__(self, part: str, raw: float) -> float:
        """The calibrated probability; an unknown part's raw posterior is only capped."""
        points = self._curves.get(part)
        if not points:
            return min(raw, CEILING)
        x = logit(raw)
        at = bisect_left(points, (x, 0.0))
        if at == 0:
            return points[0][1]
        if at == len(points):
            return points[-1][1]
        (x0, y0), (x1, y1) = points[at - 1], points[at]
        return y0 + (y1 - y0) * (x - x0) / (x1 - x0) if x1 > x0 else y1


@cache
def shipped_calibration() -> Calibration:
    """The curves of the package."""
    return Calibration(json.loads(CURVES.read_text(encoding="utf-8")))
