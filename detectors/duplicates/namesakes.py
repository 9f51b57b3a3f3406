"""Namesakes by chance, counted over all pairs and not only over those that blocking brought together.

Among a million people hundreds of thousands of pairs share both names and the town, for names go with places. Those are
the pairs that blocking compares; namesakes who live elsewhere, far more, it does not. So a class of namesakes fitted to
the compared pairs alone stays empty, and the pairs are taken for copies: F1 .31 at 1,000,000 generated people where
100,000 gave .97. Here the number of namesakes is counted by the frequencies of the names, and how they agree on
everything else is seen on a random draw of them, with the copies among them parted off by EM.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.duplicates.blocking import all_pairs, unpack
from detectors.duplicates.plan import Plan, count_patterns
from detectors.duplicates.scales import NAMESAKE
from detectors.duplicates.spread import combine
from detectors.duplicates.text import Ints, intern

Floats = npt.NDArray[np.float64]
Levels = npt.NDArray[np.uint8]

NAMES = frozenset({"given", "family"})
GO_WITH_NAMES = frozenset({"place", "email"})
"""What namesakes share more often than strangers: names go with regions, and addresses are made of names.

Learning the others too cost recall (F1 .967 for .974 at 10,000 people: fathers and sons of one name share address and
telephone); the place alone was not enough at 1,000,000 (.88 for .97).
"""
CLASS = 2
"""The place of the namesakes among the classes (`scales.CLASSES`)."""
DRAWN = 100_000
OPINION = 20.0
"""Pairs that the opinion "namesakes agree as strangers do" is worth."""


@dataclass
class Namesakes:
    """The pairs of records with the same names, by a draw of them.

    names: the comparisons that are names; free: those on which namesakes do not agree as copies do; learned: the
        places among the free ones of those that go with names.
    total: pairs with the same names. patterns: (kinds, comparisons) levels of those drawn; counts: (kinds,).
    copies: share of them that are copies of one record, as far as is known. agree: (free, 8) how the others agree on
        the free comparisons, as far as is known; None: as strangers do.
    """

    names: tuple[int, ...]
    free: npt.NDArray[np.int64]
    learned: list[int]
    total: float
    patterns: Levels
    counts: Floats
    copies: float = 0.5
    agree: Floats | None = None

    def learn(self, chances: Floats, trust: Floats) -> Floats:
        """One EM step on the draw. chances, trust: as in a model. Returns how namesakes agree: (free, 8)."""
        agree = chances[self.free, -1] if self.agree is None else self.agree
        places = np.arange(len(self.free))[:, None]
        levels = self.patterns[:, self.free].T
        weights = trust[self.free, None]
        copy = (np.log(chances[self.free, 0]) * weights)[places, levels].sum(axis=0)
        other = (np.log(agree) * weights)[places, levels].sum(axis=0)
        odds = np.log((1 - self.copies) / self.copies) + other - copy
        chance = self.counts / (1 + np.exp(-np.clip(odds, -500, 500)))
        self.copies = float(np.clip(1 - (chance.sum() + 1) / (self.counts.sum() + 2), 1e-6, 1 - 1e-6))
        self.agree = chances[self.free, -1].copy()
        for row in self.learned:
            level = levels[row]
            seen = np.bincount(level, weights=chance, minlength=8)[1:]
            opinion = self.agree[row, 1:]
            learned = (seen + OPINION * opinion) / (seen.sum() + OPINION)
            self.agree[row, 1:] = np.where(opinion < 1.0, learned, opinion)
        return self.agree

    def mass(self, plan: Plan, chances: Floats) -> float:
        """Expected pairs of namesakes, those whose names differ by a slip among them."""
        equal = np.prod([chances[row, 0, plan.comparisons[row].top] for row in self.names])
        return self.total * (1 - self.copies) / float(equal)


def gathered(plan: Plan, pairs: Levels, total: float) -> Namesakes | None:
    """What is known before the first step. pairs: (comparisons, drawn) levels. None where nobody shares both names."""
    if not total:
        return None
    free = [row for row, one in enumerate(plan.comparisons) if one.shared[CLASS - 1] is None]
    patterns, counts = count_patterns(pairs)
    learned = [place for place, row in enumerate(free) if plan.comparisons[row].key in GO_WITH_NAMES]
    return Namesakes(_names(plan), np.array(free, np.int64), learned, total, patterns, counts)


def draw(plan: Plan, seed: int) -> tuple[Ints, Ints, float]:
    """Random pairs of rows with the same names, all where there are few, and how many such pairs there are."""
    names = _names(plan)
    nobody = np.zeros(0, np.int64)
    if len(names) < len(NAMES):
        return nobody, nobody, 0.0
    codes, _ = intern(combine(*(plan.comparisons[row].hashes for row in names)))
    rows = np.argsort(codes, kind="stable")[int((codes < 0).sum()) :]
    bounds = np.append(np.flatnonzero(np.diff(codes[rows], prepend=-1)), len(rows))
    sizes = np.diff(bounds)
    pairs = sizes * (sizes - 1) // 2
    total = int(pairs.sum())
    if total <= DRAWN:
        left, right = unpack(all_pairs(rows, bounds)) if total else (nobody, nobody)
        return left, right, float(total)
    rng = np.random.default_rng(seed)
    group = np.searchsorted(np.cumsum(pairs), rng.integers(0, total, DRAWN), side="right")
    one = rng.integers(0, sizes[group])
    other = (one + rng.integers(1, sizes[group])) % sizes[group]
    return rows[bounds[group] + one], rows[bounds[group] + other], float(total)


def _names(plan: Plan) -> tuple[int, ...]:
    return tuple(
        row
        for row, comparison in enumerate(plan.comparisons)
        if comparison.key in NAMES and comparison.shared[CLASS - 1] == NAMESAKE
    )
