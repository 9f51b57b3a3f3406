"""Approximate functional dependencies, found by themselves: which column tells another?

X -> Y holds as far as a row's Y is what most *other* rows with the same X say. Leaving the row itself out keeps
keys and near-keys from "determining" everything by chance.

Source of the measure's idea: Mandros, Boley, Vreeken, "Discovering Reliable Approximate Functional Dependencies",
KDD 2017 (correct a dependency for chance); the leave-one-out form is ours: it is cheap and reads as a precision.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.table import Field, Ints, Table

_SAMPLE = 50_000
"""Rows looked at to find a dependency; whole groups are taken, so that their purity is seen as it is."""

_LEAST_ROWS = 12
_STRONG = 0.9
_FAIR, _BEYOND_CHANCE = 0.6, 0.4
_MOST_DETERMINANTS = 8


@dataclass(frozen=True, slots=True)
class Dependency:
    """determinant -> dependent, both column names.

    agreement: share of rows, among those with company in their group, whose value is what the others say.
    chance: agreement of always saying the column's commonest value.
    """

    determinant: str
    dependent: str
    agreement: float
    chance: float

    @property
    def beyond_chance(self) -> float:
        """Agreement beyond chance; 1 = always, 0 = no better than the commonest value."""
        return max(0.0, (self.agreement - self.chance) / max(1e-9, 1 - self.chance))

    @property
    def weight(self) -> float:
        """How much its vote counts: natural log odds of the agreement, at most 5."""
        odds = self.agreement / max(1 - self.agreement, 0.005)
        return float(min(5.0, max(0.05, np.log(max(odds, 1.05)))))


@dataclass(frozen=True)
class Groups:
    """Rows of Y by their value of X.

    pairs, counts: distinct (x, y) as x * width + y, sorted, and the rows of each.
    sizes, top, first, second: (values of X,) filled rows, commonest y, its rows, rows of the next.
    """

    width: int
    pairs: Ints
    counts: Ints
    sizes: Ints
    top: Ints
    first: Ints
    second: Ints

    @property
    def settled(self) -> np.ndarray:
        """Values of X whose commonest y stands even when one of its rows is taken away."""
        return np.asarray(self.first - 1 > self.second)

    def count(self, x: int, y: int) -> int:
        """Rows that hold both."""
        pair = x * self.width + y
        at = int(self.pairs.searchsorted(pair))
        return int(self.counts[at]) if at < len(self.pairs) and self.pairs[at] == pair else 0


def group(xs: Ints, ys: Ints, x_size: int, y_size: int) -> Groups:
    """Count y within x; rows where either is blank (-1) are left out."""
    both = (xs >= 0) & (ys >= 0)
    width = max(1, y_size)
    pairs, counts = np.unique(xs[both] * width + ys[both], return_counts=True)
    owners = pairs // width
    sizes = np.bincount(owners, weights=counts, minlength=x_size).astype(np.int64)
    order = np.lexsort((-pairs, counts, owners))
    last = np.flatnonzero(np.append(owners[order][1:] != owners[order][:-1], True)) if len(order) else order
    top, first, second = (np.full(x_size, fill, dtype=np.int64) for fill in (-1, 0, 0))
    best = order[last]
    top[owners[best]], first[owners[best]] = pairs[best] - owners[best] * width, counts[best]
    runner = last[(last > 0)]
    runner = runner[owners[order[runner - 1]] == owners[order[runner]]]
    second[owners[order[runner]]] = counts[order[runner - 1]]
    return Groups(width, pairs, counts, sizes, top, first, second)


def find(table: Table, report: Callable[..., None] | None = None) -> Iterator[tuple[Field, list[Dependency]]]:
    """For every column, what determines it, best first; a column nothing determines gives an empty list.

    report: called before each column with (done, total, stage), so that a run can be cancelled.
    """
    found: dict[str, list[Dependency]] = {field.name: [] for field in table.fields}
    for done, determinant in enumerate(table.fields):
        if report is not None:
            report(done, len(table.fields), f"conflicts: what {determinant.name} tells")
        rows = _sample(determinant, table.rows)
        if rows is None:
            continue
        for dependent in table.fields:
            if dependent.name == determinant.name or len(dependent.usual) < 2:
                continue
            dependency = _measure(determinant, dependent, rows)
            if dependency is not None:
                found[dependent.name].append(dependency)
    for field in table.fields:
        best = sorted(found[field.name], key=lambda one: (-one.agreement, one.determinant))
        yield field, best[:_MOST_DETERMINANTS]


def _sample(field: Field, rows: int) -> Ints | None:
    """Rows of enough whole groups of this column; None if it has no groups to learn from."""
    keys = field.keys
    sizes = np.bincount(keys[keys >= 0], minlength=len(field.usual))
    shared = sizes >= 2
    if len(field.usual) < 2 or sizes[shared].sum() < _LEAST_ROWS:
        return None
    if rows > _SAMPLE:
        order = np.random.default_rng(0).permutation(len(sizes))
        order = order[shared[order]]
        taken = order[np.cumsum(sizes[order]) <= max(_SAMPLE, int(sizes[order[:1]].sum()))]
        shared = np.zeros(len(sizes), dtype=np.bool_)
        shared[taken] = True
    return np.flatnonzero(np.append(shared, False)[keys])


def _measure(determinant: Field, dependent: Field, rows: Ints) -> Dependency | None:
    groups = group(determinant.keys[rows], dependent.keys[rows], len(determinant.usual), len(dependent.usual))
    company = groups.sizes >= 2
    total = int(groups.sizes[company].sum())
    if total < _LEAST_ROWS:
        return None
    agreement = float(groups.first[company & groups.settled].sum() / total)
    held = np.bincount(groups.pairs % groups.width, weights=groups.counts, minlength=groups.width)
    chance = float(held.max() / held.sum())
    found = Dependency(determinant.name, dependent.name, agreement, chance)
    holds = agreement >= _STRONG or (agreement >= _FAIR and found.beyond_chance >= _BEYOND_CHANCE)
    return found if holds else None
