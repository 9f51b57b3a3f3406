"""The plan of a linkage: what is compared, and the features that blocking keys are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates.encoding import Column
from detectors.duplicates.scales import Scale, Shared
from detectors.duplicates.spread import Feature, Features, hashes_of
from detectors.duplicates.text import Codes, Hashes, Ints, finish, intern

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]
Rows = Ints | Codes
"""Row positions; pairs that are kept take four bytes each."""
Fill = Callable[[Ints, Ints, Levels], None]
"""Writes the levels of the pairs (left, right) into its third argument."""

CHUNK = 1 << 18
"""Pairs that are worked on at a time."""


@dataclass(frozen=True)
class Comparison:
    """One thing that is compared.

    key, label: its stable name and what a steward reads. fields: the frame's columns behind it.
    exact: a hash of each row; two rows agree fully where it is equal; 0 where missing. Gives term frequencies.
    shared: for each latent class between the first and the last, the share of its pairs that agrees.
    fixed: the share is not learned. trust: weight in [0, 1] of its evidence (less for columns of unknown meaning).
    """

    key: str
    label: str
    fields: tuple[str, ...]
    scale: Scale
    exact: Feature
    shared: Shared
    trust: float = 1.0

    @property
    def top(self) -> int:
        """The level of full agreement."""
        return len(self.scale.words)

    @property
    def hashes(self) -> Hashes:
        """(rows,) `exact` of each row."""
        return hashes_of(self.exact)


@dataclass
class Plan:
    """The comparisons of one kind of entity over one batch, and the features that blocking keys are made of.

    rows: how many records take part; every array is over them.
    steps: fill the rows of a level matrix, in order; each knows its own rows of the matrix.
    features: name -> (rows,) hash, 0 where missing; prefixes mean the role.
    sort_by: columns whose order puts similar records side by side, for sorted neighbourhoods.
    fills: what fills the row of each comparison, bound to its prepared columns.
    """

    entity: str
    rows: int
    comparisons: list[Comparison] = field(default_factory=list)
    steps: list[Callable[[Ints, Ints, Levels], None]] = field(default_factory=list)
    features: Features = field(default_factory=Features)
    sort_by: list[Column] = field(default_factory=list)
    fills: list[Fill] = field(default_factory=list)

    def compare(self, left: Ints, right: Ints) -> Levels:
        """(comparisons, pairs) levels of the pairs of row positions."""
        found = np.zeros((len(self.comparisons), len(left)), np.uint8)
        for step in self.steps:
            step(left, right, found)
        return found

    def add(self, comparison: Comparison, fill: Fill) -> int:
        """Add a comparison that fills its own row; returns the row."""
        row = len(self.comparisons)
        self.comparisons.append(comparison)
        self.fills.append(fill)

        def step(left: Ints, right: Ints, found: Levels) -> None:
            fill(left, right, found[row])

        self.steps.append(step)
        return row


def count_patterns(levels: Levels) -> tuple[Levels, Floats]:
    """The distinct columns of a level matrix as (patterns, comparisons), and how often each occurs."""
    hashes, counts, samples = [], [], []
    for start in range(0, levels.shape[1], CHUNK):
        part = levels[:, start : start + CHUNK]
        kinds, sample = kinds_of(part)
        hashes.append(pattern_hashes(part[:, sample]))
        counts.append(np.bincount(kinds))
        samples.append(part[:, sample])
    if not hashes:
        return np.zeros((0, len(levels)), np.uint8), np.zeros(0)
    kinds, sample = intern(np.concatenate(hashes))
    patterns = np.concatenate(samples, axis=1)[:, sample].T.copy()
    return patterns, np.bincount(kinds, np.concatenate(counts)).astype(np.float64)


def kinds_of(levels: Levels) -> tuple[Codes, Ints]:
    """(pairs,) the number of each column's pattern, in the order of first appearance, and a column that has each."""
    found: tuple[Codes, Ints] = intern(pattern_hashes(levels))
    return found


@compiled
def pattern_hashes(levels: Levels) -> Hashes:
    """(pairs,) a hash of each column of a level matrix; never 0."""
    out = np.full(levels.shape[1], np.uint64(14695981039346656037), np.uint64)
    for row in range(levels.shape[0]):
        for pair in range(levels.shape[1]):
            out[pair] = (out[pair] ^ np.uint64(levels[row, pair])) * np.uint64(1099511628211)
    for pair in range(levels.shape[1]):
        out[pair] = finish(out[pair])
    return out
