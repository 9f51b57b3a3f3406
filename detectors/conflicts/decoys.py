"""A precision gate learned without the truth: how many of these disagreements would there be by chance?

Some rows disagree with the vote because they are wrong, some because the dependency has exceptions. A slip looks
like what was meant; an exception looks like any other value of the column. So pairs drawn at random from the
column are decoys: the far disagreements, which slips cannot make, tell how many exceptions there are, and the
decoys tell how many of the exceptions would look like slips. What is seen beyond that is slips.

The idea is the target-decoy estimate of false discoveries (Elias and Gygi, Nature Methods 2007), used on tables.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.likeness import DIGITS, FAR, likeness, shape
from detectors.conflicts.table import Field

_PAIRS = 600
_RARE_SHAPE = 0.02

Look = tuple[int, bool, bool]
"""Of a disagreeing value: level of likeness to the vote, without a home, of a rare shape."""


@dataclass(frozen=True)
class Gate:
    """Estimated precision of disagreements by how they look."""

    precision: dict[Look, float]

    def of(self, look: Look) -> float:
        """The share of disagreements that look so and are errors; 0 for a look never seen."""
        return self.precision.get(look, 0.0)


def rare_shapes(field: Field) -> set[str]:
    """Shapes that hardly any row of the column has."""
    shapes: Counter[str] = Counter()
    for text, count in zip(field.texts, field.counts, strict=True):
        shapes[shape(text)] += int(count)
    return {name for name, count in shapes.items() if count < _RARE_SHAPE * field.filled}


def learn(looks: Sequence[Look], normal: Sequence[tuple[bool, bool]], chances: dict[int, float], agreeing: int) -> Gate:
    """The gate of one column.

    looks: of every disagreeing value. normal: (without a home, rare shape) of rows nobody denies, a sample.
    chances: level of likeness -> share among decoys. agreeing: how many rows nobody denies.
    """
    seen = Counter(looks)
    far = Counter(look[1:] for look in looks if look[0] == FAR)
    exceptions = (far.total() + 0.5) / max(chances.get(FAR, 0.0), 0.05)
    usual, drawn = Counter(normal), max(1, len(normal))
    precision = {}
    for look, count in seen.items():
        plain = (usual[look[1:]] + 0.5 * drawn / max(1, agreeing)) / drawn
        like = (far[look[1:]] + 2 * plain) / (far.total() + 2)
        expected = exceptions * chances.get(look[0], 0.0) * like
        precision[look] = max(0.0, (count - expected) / (count + 0.2))
    return Gate(precision)


def decoy_chances(field: Field, voted: Sequence[int], allowed: Sequence[int]) -> dict[int, float]:
    """Level of likeness -> share among random pairs of (a voted meaning, another meaning that is not denied).

    voted: proposed meanings, one a disagreement. allowed: meanings of rows nobody denies, one a row or weighted.
    """
    rng = np.random.default_rng(0)
    if not len(voted) or not len(allowed):
        return {FAR: 1.0}
    ours = np.sort(np.asarray(voted))[rng.integers(len(voted), size=_PAIRS)]
    theirs = np.sort(np.asarray(allowed))[rng.integers(len(allowed), size=_PAIRS)]
    levels = [
        likeness(field.spelled(one), field.spelled(other))
        for one, other in zip(ours.tolist(), theirs.tolist(), strict=True)
        if one != other
    ]
    counts = Counter(levels)
    chances = {level: (counts[level] + 0.5) / (len(levels) + 3) for level in range(6)}
    return chances | {DIGITS: max(0.5, chances[DIGITS])}
