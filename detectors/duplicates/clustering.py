"""From scored pairs to clusters: correlation clustering by greedy additive edge contraction.

Evidence against counts as much as evidence for: two groups are joined while the sum of all log-odds between them
is positive. Tried and rejected: closing over single good pairs (transitive closure) lets one false bridge join two
people, and cost up to .14 F1.

Source: Keuper et al., "Efficient decomposition of image and mesh graphs by lifted multicuts", ICCV 2015 (GAEC).
"""

from __future__ import annotations

import numpy as np

from detectors.compiling import compiled
from detectors.duplicates.plan import Rows
from detectors.duplicates.scoring import Bits
from detectors.duplicates.text import Ints

UNCOMPARED = -3.0
"""Bits of a pair that no blocking key brought together."""

LARGEST = 2000
"""Records a component may have; a larger one is taken apart by asking for stronger links first."""


def cluster(rows: int, left: Rows, right: Rows, bits: Bits, *, threshold: float = 0.0) -> Ints:
    """(rows,) the smallest row position of each row's cluster.

    bits: log2 odds of each pair. threshold: bits that are asked for; 0 = more likely than not.
    """
    labels = np.arange(rows)
    strong = bits > np.float64(threshold)
    parents = linked(rows, left, right, strong)
    places = inside(parents, left, right)
    left, right = left[places].astype(np.int64), right[places].astype(np.int64)
    _parted(parents, left, right, bits[places].astype(np.float64) - threshold, labels, 0.0)
    return labels


def _cluster(left: Ints, right: Ints, weights: np.ndarray, labels: Ints, floor: float) -> None:
    strong = weights > floor
    parents = linked(len(labels), left, right, strong)
    places = inside(parents, left, right)
    _parted(parents, left[places], right[places], weights[places], labels, floor)


@compiled
def inside(parents: Ints, left: Rows, right: Rows) -> Ints:
    """The places of the pairs within one component."""
    size = 0
    for pair in range(len(left)):
        size += parents[left[pair]] == parents[right[pair]]
    out = np.empty(size, np.int64)
    found = 0
    for pair in range(len(left)):
        if parents[left[pair]] == parents[right[pair]]:
            out[found] = pair
            found += 1
    return out


def _parted(parents: Ints, left: Ints, right: Ints, weights: np.ndarray, labels: Ints, floor: float) -> None:
    """Cluster each component. parents: (rows,) the component of each row; the pairs are those within one."""
    home = parents[left]
    order = np.argsort(home, kind="stable")
    left, right, weights, home = left[order], right[order], weights[order], home[order]
    bounds = (
        np.concatenate([np.flatnonzero(np.append(True, home[1:] != home[:-1])), [len(home)]])
        if len(home)
        else np.zeros(1, np.int64)
    )
    sizes = np.bincount(parents, minlength=len(labels))
    big = sizes[home[bounds[:-1]]] > LARGEST if len(home) else np.zeros(0, dtype=bool)
    _contract_all(left, right, weights, bounds, big, labels, UNCOMPARED)
    for place in np.flatnonzero(big):
        part = slice(bounds[place], bounds[place + 1])
        _cluster(left[part], right[part], weights[part], labels, floor + 3.0)


def linked(rows: int, left: Rows, right: Rows, chosen: np.ndarray) -> Ints:
    """(rows,) smallest row position that each row is linked to by the chosen pairs, directly or through others.

    chosen: a mask of the pairs, or their places.
    """
    return components(rows, left[chosen].astype(np.int64), right[chosen].astype(np.int64))


@compiled
def components(rows: int, left: Ints, right: Ints) -> Ints:
    """(rows,) smallest row position of each row's connected component."""
    parents = np.arange(rows)
    for pair in range(len(left)):
        a, b = left[pair], right[pair]
        while parents[a] != a:
            parents[a] = parents[parents[a]]
            a = parents[a]
        while parents[b] != b:
            parents[b] = parents[parents[b]]
            b = parents[b]
        if a < b:
            parents[b] = a
        else:
            parents[a] = b
    for row in range(rows):
        parents[row] = parents[parents[row]]
    return parents


@compiled
def _contract_all(
    left: Ints, right: Ints, weights: np.ndarray, bounds: Ints, skip: np.ndarray, labels: Ints, missing: float
) -> None:
    local = np.full(len(labels), -1, np.int64)
    for part in range(len(bounds) - 1):
        if skip[part]:
            continue
        first, last = bounds[part], bounds[part + 1]
        members = np.empty(2 * (last - first), np.int64)
        size = 0
        for pair in range(first, last):
            for row in (left[pair], right[pair]):
                if local[row] < 0:
                    local[row] = size
                    members[size] = row
                    size += 1
        table = np.full((size, size), missing)
        for pair in range(first, last):
            a, b = local[left[pair]], local[right[pair]]
            table[a, b] = weights[pair]
            table[b, a] = weights[pair]
        _contract(table, members[:size], labels)
        for place in range(size):
            local[members[place]] = -1


@compiled
def _contract(table: np.ndarray, members: Ints, labels: Ints) -> None:
    """Join the two groups of the largest positive sum until there is none; writes the members' labels."""
    size = len(members)
    group = np.arange(size)
    best = np.full(size, -1, np.int64)
    alive = np.ones(size, np.bool_)
    for row in range(size):
        table[row, row] = -np.inf
        best[row] = np.argmax(table[row])
    while True:
        one = -1
        for row in range(size):
            if alive[row] and table[row, best[row]] > 0 and (one < 0 or table[row, best[row]] > table[one, best[one]]):
                one = row
        if one < 0:
            break
        two = best[one]
        if two < one:
            one, two = two, one
        for row in range(size):
            if alive[row] and row != one and row != two:
                joined = table[one, row] + table[two, row]
                table[one, row] = joined
                table[row, one] = joined
        alive[two] = False
        table[two, :] = -np.inf
        table[:, two] = -np.inf
        for row in range(size):
            if group[row] == two:
                group[row] = one
            if alive[row] and (row == one or best[row] == one or best[row] == two):
                best[row] = np.argmax(table[row])
            elif alive[row] and table[row, one] > table[row, best[row]]:
                best[row] = one
    smallest = np.full(size, np.iinfo(np.int64).max)
    for row in range(size):
        smallest[group[row]] = min(smallest[group[row]], members[row])
    for row in range(size):
        labels[members[row]] = smallest[group[row]]
