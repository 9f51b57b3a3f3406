"""The plan of a linkage: what is compared, and the features that blocking keys are made of."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cached_property

import numpy as np
import numpy.typing as npt

from detectors.duplicates.encoding import Column
from detectors.duplicates.scales import Scale, Shared
from detectors.duplicates.text import Codes, Hashes, Ints, intern

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]
Fill = Callable[[Ints, Ints, Levels], None]
"""Writes the levels of the pairs (left, right) into its third argument."""


@dataclass(frozen=True)
class Comparison:
    """One thing that is compared.

    key, label: its stable name and what a steward reads. fields: the frame's columns behind it.
    exact: (rows,) a hash; two rows agree fully where it is equal; 0 where missing. Gives term frequencies.
    shared: for each latent class between the first and the last, the share of its pairs that agrees.
    fixed: the share is not learned. trust: weight in [0, 1] of its evidence (less for columns of unknown meaning).
    """

    key: str
    label: str
    fields: tuple[str, ...]
    scale: Scale
    exact: Hashes
    shared: Shared
    trust: float = 1.0

    @property
    def top(self) -> int:
        """The level of full agreement."""
        return len(self.scale.words)

    @cached_property
    def holders(self) -> Codes:
        """(rows,) how many rows hold the row's value, itself included; 0 where it is missing."""
        codes, _ = intern(self.exact)
        counts = np.bincount(codes[codes >= 0], minlength=1).astype(np.int32)
        return np.append(counts, np.int32(0))[codes]


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
    features: dict[str, Hashes] = field(default_factory=dict)
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


def combine(*hashes: Hashes) -> Hashes:
    """One hash of several features a row; 0 where any of them is missing."""
    mixed = np.full(len(hashes[0]), 1469598103934665603, np.uint64)
    present = np.ones(len(hashes[0]), dtype=bool)
    for one in hashes:
        mixed = (mixed ^ one) * np.uint64(0x9E3779B97F4A7C15)
        mixed ^= mixed >> np.uint64(29)
        present &= one != 0
    return np.where(present, mixed | np.uint64(1), np.uint64(0))


def count_patterns(levels: Levels) -> tuple[Levels, Floats]:
    """The distinct columns of a level matrix as (patterns, comparisons), and how often each occurs."""
    packed = np.zeros(levels.shape[1], np.uint64)
    for row in levels[:20]:
        packed = packed << np.uint64(3) | row
    packed.sort()
    first = np.flatnonzero(np.append(True, packed[1:] != packed[:-1])) if len(packed) else np.zeros(0, np.int64)
    counts = np.diff(np.append(first, len(packed))).astype(float)
    kinds = packed[first]
    size = min(len(levels), 20)
    patterns = np.zeros((len(kinds), len(levels)), np.uint8)
    for row in range(size):
        patterns[:, row] = kinds >> np.uint64(3 * (size - 1 - row)) & np.uint64(7)
    return patterns, counts
