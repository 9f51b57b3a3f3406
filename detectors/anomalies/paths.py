"""Cells that hold a path, steps in their order ("Prospecting > Qualification > Won"), and how rare a step is."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
import numpy.typing as npt
import pandas as pd

Floats = npt.NDArray[np.float64]

_MARKS = (
    (re.compile(r"\s*(?:->|=>|→|»)\s*"), 1.25),
    (re.compile(r"\s*>\s*"), 1.25),
    (re.compile(r"\s*\|\s*"), 1.5),
    (re.compile(r"\s*;\s*"), 2.0),
    (re.compile(r"\s*/\s*"), 2.0),
    (re.compile(r"\s*,\s*"), 2.0),
)
"""What may stand between two steps, and in how many distinct cells a step must recur on average.

The first that most cells hold is the column's. "Smith, Ann" has a comma too, but its parts make no other name.
"""
MOSTLY = 0.5
MOST_STEPS = 30
"""A column of paths has at most so many distinct steps; one of more is a list of words."""
LEAST_TAKEN = 20
"""A step is taken so many times on average, or the column has no usual steps."""
BEGIN = ""
"""What stands before a path's first step."""


@dataclass(frozen=True, slots=True)
class Step:
    """From one stage on to another: taken so many times out of those that went on from there at all."""

    start: str
    end: str
    taken: int
    left: int

    @property
    def bits(self) -> float:
        """-log2 of the share of those at the start who went on so."""
        return float(np.log2(self.left / self.taken))


@dataclass(frozen=True, slots=True)
class Paths:
    """A column of paths. rarest_of: distinct cell -> its rarest step, given where it comes from.

    A deal that went from its proposal to being lost is usual; one that was won without any negotiation is not.
    """

    rarest_of: Mapping[str, Step]

    @classmethod
    def of(cls, cells: pd.Series) -> Paths | None:
        """None for a column that holds no paths."""
        counts = cells.dropna().astype(str).str.strip().value_counts()
        counts = counts[counts.index != ""]
        paths = _split(counts)
        if paths is None:
            return None
        onward: Counter[tuple[str, str]] = Counter()
        left: Counter[str] = Counter()
        told: dict[str, str] = {}
        for path, many in zip(paths, counts.tolist(), strict=True):
            for start, end in pairwise([BEGIN, *path]):
                onward[start.casefold(), end.casefold()] += many
                left[start.casefold()] += many
                told.setdefault(end.casefold(), end)
        steps = {
            (start, end): Step(told.get(start, BEGIN), told[end], taken, left[start])
            for (start, end), taken in onward.items()
        }
        rarest = (
            max(
                (steps[start.casefold(), end.casefold()] for start, end in pairwise([BEGIN, *path])),
                key=lambda step: step.bits,
            )
            for path in paths
        )
        return cls(dict(zip(counts.index, rarest, strict=True)))

    def rarest(self, cells: pd.Series) -> Floats:
        """Bits of each cell's rarest step: (n,), NaN where blank."""
        codes, words = pd.factorize(cells.to_numpy(object), use_na_sentinel=True)
        found = (self.rarest_of.get(str(word).strip()) for word in words)
        bits = np.array([np.nan if step is None else step.bits for step in found] + [np.nan], np.float64)
        return np.asarray(bits[codes])


def _split(counts: pd.Series) -> list[list[str]] | None:
    """The steps of each distinct cell, by the mark that most cells hold; None where the column is no such."""
    if counts.empty or len(counts) > counts.sum() / 2:
        return None
    for mark, recurring in _MARKS:
        longer = [mark.search(text) is not None for text in counts.index]
        if counts[longer].sum() < MOSTLY * counts.sum():
            continue
        paths = [[step for step in mark.split(text) if step] or [text] for text in counts.index]
        distinct = len({step.casefold() for path in paths for step in path})
        taken = sum(len(path) * many for path, many in zip(paths, counts.tolist(), strict=True))
        apart = sum(len({step.casefold() for step in path}) for path in paths)
        if distinct <= MOST_STEPS and taken >= LEAST_TAKEN * distinct and apart >= recurring * distinct:
            return paths
    return None
