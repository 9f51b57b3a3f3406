"""How many records does a thing have? Learned from the batch, and put into the odds of its pairs.

The model scores a pair as if pairs were independent. Where a thing has two records at most (two copies of a list that
were put together), that is too bold for a third record, and too timid for two records that resemble no other. So the
odds of a pair are taken among all ways to part records into things (partitions): a thing of k records weighs as much as
such things are frequent, times the evidence of its pairs. What that adds to independent pairs is one number a size, the
lift. On pseudopeople's census (two copies, nothing said of sources) F1 went from .970 to .993.

The frequencies are those that make the batch most likely (EM). They begin with the links that leave no doubt, and only
components of which one partition is nearly certain are counted, so that households taken for one person do not pass for
people of many records. A few imagined things, distributed as independent pairs would have it, keep a small batch from
saying too much.

The pairs of a thing are not independent: what tells one record of a person from the father's tells all of them. So the
pairs between two groups count as fewer than they are, by the design effect of a correlation of one half. Tried and
rejected: to count them all, which joined couples into things of four (the census: F1 .987); to count their mean, once
(much the same, but where scores are too sure, groups of many records were joined on next to nothing).

Source: a random partition with known numbers of blocks of each size (Pitman, "Combinatorial stochastic processes",
2006, chapter 1); design effect (Kish, "Survey sampling", 1965, chapter 8); average linkage (Sokal and Michener 1958).
"""

from __future__ import annotations

from dataclasses import dataclass
from math import lgamma, log

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates import clustering
from detectors.duplicates.links import DIFFERENT, SAME
from detectors.duplicates.plan import Rows
from detectors.duplicates.scoring import Bits
from detectors.duplicates.text import Ints

Floats = npt.NDArray[np.float64]

LISTED = 8
"""Records up to which all partitions of a component are summed over; the pairs of larger ones keep their odds."""
IMAGINED = 20.0
"""Things that are thought to have been seen before any is."""
SURE = 10.0
"""Bits of a link that leaves no doubt."""
CERTAIN = 0.9
"""Probability of a component's best partition from which its things are counted."""
ALIKE = 0.5
"""How far the pairs between two groups of records say the same: the correlation of their evidence."""
STEPS = 20
CLOSE = 0.05
"""Bits; lifts that change by less are taken as found."""
_RAISED = 3.0
_MOST = 100.0
"""Bits beyond which nothing is more certain; the sums of `LISTED` records stay finite."""
_SEEN = -10.0
"""Bits of a pair across two components below which nobody looks."""
_SIZES = np.arange(LISTED + 1)
_PAIRS = _SIZES * (_SIZES - 1) / 2


def fit(rows: int, left: Rows, right: Rows, bits: Bits, prior: float) -> Floats:
    """(LISTED + 1,) log2 of how much likelier a thing of each size is than independent pairs would have it.

    bits: log2 odds of each pair. prior: the share of matches among all pairs, which the bits hold.
    """
    imagined = _imagined(rows, prior)
    sure = np.flatnonzero(bits >= SURE)
    certain = clustering.linked(rows, left, right, sure)
    counts = _counted(certain) + imagined
    counts[2:] *= min(prior * rows * (rows - 1) / 2 / (counts * _PAIRS).sum(), rows / (counts * _SIZES)[2:].sum())
    counts[1] = max(rows - (counts * _SIZES)[2:].sum(), 0.0) + imagined[1]
    lifts = _lifts(counts, prior)
    for _ in range(STEPS):
        parents = components(rows, left, right, bits, lifts)
        counts = _parted(parents, left, right, bits, lifts).counts
        listed = (np.bincount(parents, minlength=rows)[parents] <= LISTED).sum()
        counts *= listed / max(float((counts * _SIZES).sum()), 1.0)  # as if the uncertain ones were like the others
        counts += _counted_large(parents, left, right, bits)
        before, lifts = lifts, _lifts(counts + imagined, prior)
        common = counts > 1  # the lift of a size that is not there may wander for ever
        if np.abs(lifts - before)[common].max(initial=0.0) < CLOSE:
            break
    return lifts


def components(rows: int, left: Rows, right: Rows, bits: Bits, lifts: Floats) -> Ints:
    """(rows,) smallest row position of the component within which records are parted.

    Likely pairs hold a component together, and pairs that would be likely if neither record had another, as far as
    it probably has none. Of the latter more is asked where a component would become too large.
    """
    likely = np.flatnonzero(bits > 0)
    one, two = left[likely].astype(np.int64), right[likely].astype(np.int64)
    first = clustering.components(rows, one, two)
    lift = float(lifts[2])
    if lift <= 0:
        return first
    free = np.log2(_parted(first, left, right, bits, lifts).alone)
    near = _across(first, left, right, np.flatnonzero(bits > -lift))
    a, b = left[near].astype(np.int64), right[near].astype(np.int64)
    margin = bits[near].astype(np.float64) + lift + free[a] + free[b]
    asked = np.zeros(rows)
    while True:
        held = margin > np.maximum(asked[a], asked[b])
        parents = clustering.components(rows, np.concatenate([one, a[held]]), np.concatenate([two, b[held]]))
        large = np.bincount(parents, minlength=rows)[parents] > LISTED
        if not (large[a] & held).any():
            return parents
        asked[large] += _RAISED


def free(rows: int, left: Rows, right: Rows, bits: Bits, lifts: Floats) -> Floats:
    """(rows,) log2 of how likely each row has no other record, among likely pairs alone."""
    parents = clustering.linked(rows, left, right, bits > 0)
    return np.log2(_parted(parents, left, right, bits, lifts).alone)


def settled(left: Rows, right: Rows, bits: Bits, lifts: Floats, parents: Ints) -> Bits:
    """(pairs,) log2 odds among all partitions; decided pairs keep theirs, and count for the others.

    parents: (rows,) as `components` gives. A pair across two components yields to what stands inside them.
    """
    parted = _parted(parents, left, right, bits, lifts)
    out, alone = bits.copy(), parted.alone
    out[parted.places] = parted.bits
    across = _across(parents, left, right, np.flatnonzero(bits > _SEEN))
    one, two = alone[left[across]], alone[right[across]]
    shares = one * two, one + two - 2 * one * two, (1 - one) * (1 - two)
    joined = lifts[2], lifts[3] - lifts[2], lifts[4] - 2 * lifts[2]  # a record that is not alone has one other
    gain = np.sum([share * np.exp2(lift) for share, lift in zip(shares, joined, strict=True)], axis=0)
    out[across] += np.minimum(np.log2(gain), 0.0).astype(np.float32)
    decided = (bits == SAME) | (bits <= DIFFERENT)
    out[decided] = bits[decided]
    return out


def _across(parents: Ints, left: Rows, right: Rows, places: Ints) -> Ints:
    """Those of the pairs at these places that lie between two components."""
    return np.asarray(places[parents[left[places]] != parents[right[places]]])


def _imagined(rows: int, prior: float) -> Floats:
    """(LISTED + 1,) `IMAGINED` things, distributed over sizes as independent pairs would have it."""
    share = 0.5
    for _ in range(50):  # Newton's steps to share * exp(share) = prior * rows
        share = max(share - (share - prior * rows * np.exp(-share)) / (1 + share), 1e-9)
    weights = np.array([0.0, *(np.exp((size - 1) * log(share) - lgamma(size + 1)) for size in _SIZES[1:])])
    return np.asarray(IMAGINED * weights / weights.sum())


def _lifts(counts: Floats, prior: float) -> Floats:
    """(LISTED + 1,) lifts from (LISTED + 1,) things of each size: 0 for none and one."""
    found = np.zeros(LISTED + 1)
    for size in range(2, LISTED + 1):
        orders = lgamma(size + 1) / log(2)
        found[size] = orders + np.log2(counts[size]) - size * np.log2(counts[1]) - (size - 1) * np.log2(prior)
    return found


def _counted(labels: Ints) -> Floats:
    """(LISTED + 1,) clusters of each size; larger ones are not counted."""
    found = np.bincount(np.bincount(labels), minlength=LISTED + 1)[: LISTED + 1].astype(np.float64)
    found[0] = 0.0
    return found


def _counted_large(parents: Ints, left: Rows, right: Rows, bits: Bits) -> Floats:
    """(LISTED + 1,) clusters of each size within components whose partitions are not summed over."""
    large = np.bincount(parents, minlength=len(parents))[parents] > LISTED
    places = clustering.inside(parents, left, right)
    places = places[large[left[places]]]
    labels = clustering.cluster(len(parents), left[places], right[places], bits[places])
    return _counted(labels[large])


@dataclass(frozen=True)
class _Parted:
    """places, bits: the pairs inside listed components and their log2 odds among all partitions.

    alone: (rows,) how likely each row has no other. counts: (LISTED + 1,) expected things of each size.
    """

    places: Ints
    bits: Floats
    alone: Floats
    counts: Floats


def _parted(parents: Ints, left: Rows, right: Rows, bits: Bits, lifts: Floats) -> _Parted:
    """Part the records of each component. parents: (rows,) the component of each row."""
    sizes = np.bincount(parents, minlength=len(parents))[parents]
    places = clustering.inside(parents, left, right)
    one, two, weights = left[places].astype(np.int64), right[places].astype(np.int64), np.minimum(bits[places], _MOST)
    large = sizes[one] > LISTED
    odds = np.exp2(weights[large].astype(np.float64))
    others = np.bincount(one[large], odds, len(parents)) + np.bincount(two[large], odds, len(parents))
    alone = np.where(sizes == 1, 1.0, 1 / (1 + others))
    counts = np.zeros(LISTED + 1)
    counts[1] = (sizes == 1).sum()
    order = np.flatnonzero(~large)
    order = order[np.argsort(parents[one[order]], kind="stable")]
    one, two, weights = one[order], two[order], weights[order].astype(np.float64)
    home = parents[one]
    bounds = np.concatenate([np.flatnonzero(np.append(True, home[1:] != home[:-1])) if len(home) else [], [len(home)]])
    found = _sum_each(one, two, weights, bounds.astype(np.int64), lifts, clustering.UNCOMPARED, alone, counts)
    return _Parted(places[order], found, np.maximum(alone, 2.0**-_MOST), counts)


@compiled
def _sum_each(
    left: Ints, right: Ints, weights: Floats, bounds: Ints, lifts: Floats, missing: float, alone: Floats, counts: Floats
) -> Floats:
    """(pairs,) log2 odds over all partitions of their component. Writes what is alone, and adds to the counts."""
    local = np.full(len(alone), -1, np.int64)
    members = np.empty(LISTED, np.int64)
    table, together = np.empty((LISTED, LISTED)), np.empty((LISTED, LISTED))
    out = np.empty(len(left))
    for part in range(len(bounds) - 1):
        size = 0
        table[:, :] = missing
        for pair in range(bounds[part], bounds[part + 1]):
            for row in (left[pair], right[pair]):
                if local[row] < 0:
                    local[row] = size
                    members[size] = row
                    size += 1
            a, b = local[left[pair]], local[right[pair]]
            table[a, b] = table[b, a] = weights[pair]
        _sum(_things(table, size, lifts), size, together, counts)
        for pair in range(bounds[part], bounds[part + 1]):
            a, b = local[left[pair]], local[right[pair]]
            odds = np.log2(together[min(a, b), max(a, b)]) - np.log2(together[max(a, b), min(a, b)])
            out[pair] = min(max(odds, -_MOST), _MOST)
        for place in range(size):
            alone[members[place]] = together[place, place]
            local[members[place]] = -1
    return out


@compiled
def _things(table: Floats, size: int, lifts: Floats) -> Floats:
    """(2 ** size,) how much each set of records, a bit mask, weighs as one thing.

    Its evidence is that of the best way to join it from single records, two groups at a time.
    """
    inner = np.zeros(1 << size)  # the sum of all pairs of a set
    number = np.zeros(1 << size, np.int64)
    joined = np.zeros(1 << size)
    for one in range(1, 1 << size):
        last = _last(one, size)
        rest = one ^ (1 << last)
        number[one] = number[rest] + 1
        inner[one] = inner[rest]
        for row in range(last):
            if rest >> row & 1:
                inner[one] += table[last, row]
        part = rest
        if rest:
            joined[one] = -np.inf
        while part:  # a group without the last record, and the others
            other = one ^ part
            pairs = number[part] * number[other]
            between = (inner[one] - inner[part] - inner[other]) / (1 + (pairs - 1) * ALIKE)
            joined[one] = max(joined[one], joined[part] + joined[other] + between)
            part = (part - 1) & rest
    return np.exp2(joined + lifts[number])


@compiled
def _sum(weight: Floats, size: int, together: Floats, counts: Floats) -> None:
    """Sum over all partitions of `size` records. weight: of each set of records as one thing.

    together: gets the chance of two records to be together above the diagonal, to be apart below it, and of one to be
        alone on it. counts: gets the expected things of each size added, where one partition is nearly certain.
    """
    ways = np.zeros(1 << size)  # the sum over the partitions of a set
    ways[0] = 1.0
    best = np.zeros(1 << size)  # the largest of them
    best[0] = 1.0
    for one in range(1, 1 << size):
        last = _last(one, size)
        rest = one ^ (1 << last)
        part = rest
        while True:  # the thing that holds the last record, and all partitions of the others
            ways[one] += weight[part | 1 << last] * ways[rest ^ part]
            best[one] = max(best[one], weight[part | 1 << last] * best[rest ^ part])
            if not part:
                break
            part = (part - 1) & rest
    together[:size, :size] = 0.0
    whole = (1 << size) - 1
    for one in range(1, 1 << size):
        chance = weight[one] * ways[whole ^ one] / ways[whole]
        number = 0
        for row in range(size):
            if not one >> row & 1:
                continue
            number += 1
            for other in range(size):
                if other != row:
                    if not one >> other & 1:
                        together[max(row, other), min(row, other)] += chance / 2  # seen from either side
                    elif other < row:
                        together[other, row] += chance
        if number == 1:
            together[_last(one, size), _last(one, size)] = chance
        if best[whole] > CERTAIN * ways[whole]:
            counts[number] += chance


@compiled
def _last(one: int, size: int) -> int:
    last = size - 1
    while not one >> last & 1:
        last -= 1
    return last
