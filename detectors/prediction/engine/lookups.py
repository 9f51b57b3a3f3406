"""Look-ups: what value do the other rows hold that share a key? Found by themselves, single keys and pairs."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from copy import copy
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Self

import numpy as np

from detectors.prediction.engine.encoding import Bools, Floats, Ints, Key

FOLDS = 5
SHRINK = 2.0
"""Rows' worth of prior mixed into every group, so that a group of one is no proof."""

STEP = 0.25
"""Nats. Evidence is no finer than this: in a large group the folds' counts differ by a little, each in a way of its
own, by which trees would know the fold and, counts being complements, the answer. On adult's income that had cost
.16 of the coverage at p >= .95, and the calibration."""

_ROOM = 16
"""Counts are a table as long as it is not this many times larger than what is counted."""


def told(ratio: Floats) -> Floats:
    """The log of how much likelier something is, in whole steps of `STEP`."""
    return np.asarray(np.round(np.log(ratio) / STEP) * STEP)


class Counts:
    """How often each code occurs; 0 for a code never seen. A table if the codes are small, else a sorted list."""

    def __init__(self, codes: Ints) -> None:
        """codes: non-negative, any length."""
        largest = int(codes.max(initial=0))
        self._dense = largest < _ROOM * max(len(codes), 1000)
        if self._dense:
            self._counts = np.bincount(codes, minlength=largest + 2)  # the last one is 0: never seen
        else:
            self._codes, self._counts = np.unique(codes, return_counts=True)

    def __call__(self, codes: Ints) -> Ints:
        """The count of each code, in the same shape; a negative code is never seen."""
        last = len(self._counts) - 1
        if self._dense:
            return np.asarray(self._counts[np.where((codes < 0) | (codes > last), last, codes)])
        places = np.minimum(np.searchsorted(self._codes, codes), last)
        return np.where(self._codes[places] == codes, self._counts[places], 0)


@dataclass(frozen=True)
class Target:
    """The column to look up.

    codes: (n_rows,) value of each row, most frequent first, -1 where missing.
    sample: row positions that models are trained on; each has a fold.
    fold: (n_rows,) fold of a sampled row, -1 elsewhere. Rows of one fold never see each other's value, so a
        trained model cannot read the answer out of its own features.
    """

    codes: Ints
    size: int
    sample: Ints
    fold: Ints

    @cached_property
    def prior(self) -> Floats:
        """(size,) share of each value, never 0."""
        counts = np.bincount(self.codes[self.codes >= 0], minlength=self.size) + 0.5
        return np.asarray(counts / counts.sum())


class Lookup:
    """The values of a target by one key."""

    def __init__(self, key: Key, target: Target, pairs: Ints | None = None) -> None:
        """pairs: key code x target.size + target code of everything known, if it comes from elsewhere than the rows."""
        self.key = key
        self.target = target
        known = (target.codes >= 0) & (key.codes >= 0) & (pairs is None)
        of_row = key.codes * target.size + target.codes
        sampled = known & (target.fold >= 0)
        self._known = of_row[known] if pairs is None else pairs
        self._pairs = Counts(self._known)
        self._group = Counts(self._known // target.size)
        self._fold_pairs = Counts(of_row[sampled] * FOLDS + target.fold[sampled])
        self._fold_group = Counts(key.codes[sampled] * FOLDS + target.fold[sampled])

    def counts(self, rows: Ints, values: Ints) -> tuple[Floats, Floats]:
        """How many rows of each row's group hold each value, and the group's size; both without the row's own fold.

        rows: (n,) row positions. values: (n, m) target codes. Returns (n, m) and (n, 1).
        """
        key = self.key.codes[rows][:, None]
        fold = self.target.fold[rows][:, None]
        pairs = np.where(key < 0, -1, key * self.target.size + values)
        apart = (fold >= 0) & (key >= 0)
        held = self._pairs(pairs) - self._fold_pairs(np.where(apart, pairs * FOLDS + fold, -1))
        size = self._group(key) - self._fold_group(np.where(apart, key * FOLDS + fold, -1))
        return held.astype(float), size.astype(float)

    def evidence(self, rows: Ints, values: Ints) -> tuple[Floats, Floats, Floats]:
        """Log of how much likelier each value is in the row's group than overall, (n, m); then `counts`."""
        held, size = self.counts(rows, values)
        prior = self.target.prior[values]
        return told((held + SHRINK * prior) / ((size + SHRINK) * prior)), held, size

    def without(self, hidden: Mapping[str, Bools]) -> Self:
        """The same, but with the rows blank in which a column of its key is hidden; what it knows stays.

        hidden: column -> (n_rows,) whether the row's cell is taken for blank.
        """
        gone = [hidden[name] for name in self.key.columns if name in hidden]
        if not gone:
            return self
        blanked = copy(self)
        blanked.key = replace(self.key, codes=np.where(np.any(gone, axis=0), -1, self.key.codes))
        return blanked

    def gain(self) -> float:
        """Mean log evidence for the true value over the sample: what this key alone tells, in nats a row."""
        rows = self.target.sample
        evidence = self.evidence(rows, self.target.codes[rows][:, None])[0]
        return float(evidence.mean()) if len(rows) else 0.0

    def leading(self, top: int) -> Ints:
        """(key.size, top) the most frequent values of each group; -1 where it has fewer."""
        pairs, counts = np.unique(self._known, return_counts=True)
        groups, values = np.divmod(pairs, self.target.size)
        order = np.lexsort((values, -counts, groups))
        groups, values = groups[order], values[order]
        rank = np.arange(len(groups)) - np.searchsorted(groups, groups)
        leaders = np.full((self.key.size, top), -1, dtype=np.int64)
        keep = rank < top
        leaders[groups[keep], rank[keep]] = values[keep]
        return leaders


def choose(
    keys: Sequence[Key],
    target: Target,
    pair: Callable[[Key, Key], Key],
    *,
    known: Sequence[Lookup] = (),
    most: int = 14,
) -> list[Lookup]:
    """The look-ups worth having for a target, best first: the `most` best single keys, and pairs that add to them.

    known: further look-ups to choose from.
    """
    singles = [(lookup.gain(), lookup) for lookup in [*(Lookup(key, target) for key in keys), *known]]
    ranked = _best(singles, most, a_column=3)
    gains = {id(lookup): gain for gain, lookup in ranked}
    heads = _heads([lookup for _, lookup in ranked], 5)
    pairs = []
    for place, left in enumerate(heads):
        for right in heads[place + 1 :]:
            both = Lookup(pair(left.key, right.key), target)
            gain = both.gain()
            if gain > 1.02 * max(gains[id(left)], gains[id(right)]):
                pairs.append((gain, both))
    return [lookup for _, lookup in ranked] + [lookup for _, lookup in _best(pairs, most // 3, a_column=most)]


def telling(lookups: Sequence[Lookup], most: int = 3) -> list[Lookup]:
    """Those of these look-ups that tell anything at all, the best few first."""
    return [lookup for _, lookup in _best([(lookup.gain(), lookup) for lookup in lookups], most, a_column=1)]


def _best(scored: list[tuple[float, Lookup]], most: int, a_column: int) -> list[tuple[float, Lookup]]:
    """The best few that tell anything at all, no column more than `a_column` times."""
    used: dict[tuple[str, ...], int] = {}
    best: list[tuple[float, Lookup]] = []
    for gain, lookup in sorted(scored, key=lambda item: (-item[0], item[1].key.label)):
        columns = lookup.key.columns
        if gain > 1e-4 and used.get(columns, 0) < a_column and len(best) < most:
            used[columns] = used.get(columns, 0) + 1
            best.append((gain, lookup))
    return best


def _heads(lookups: list[Lookup], most: int) -> list[Lookup]:
    """The best look-up of each of the first few columns."""
    heads: dict[tuple[str, ...], Lookup] = {}
    for lookup in lookups:
        heads.setdefault(lookup.key.columns, lookup)
    return list(heads.values())[:most]
