"""Which pairs to ask a person about first."""

from __future__ import annotations

import numpy as np

from detectors.contract import Finding, MergeRecords, RecordId
from detectors.duplicates.blocking import among, pack
from detectors.duplicates.findings import probability
from detectors.duplicates.linking import Linkage
from detectors.duplicates.text import Ints

RANGE = (-12.0, 25.0)
"""Bits within which pairs are spread over the scores."""


def worth_asking(linkage: Linkage, count: int, *, known: frozenset[tuple[int, int]], seed: int) -> Ints:
    """Positions of `count` compared pairs whose answers teach most, the best first.

    Half of them lie nearest to the boundary, half are spread evenly over the scores: the boundary alone teaches
    nothing about pairs the model is wrongly sure of.

    known: pairs of row positions (smaller first) that need no asking.
    """
    rng = np.random.default_rng(seed)
    bits = linkage.bits
    fresh = np.flatnonzero((bits > RANGE[0]) & (bits < RANGE[1]))
    if known:
        asked = np.array(sorted(known), dtype=np.int64)
        fresh = fresh[~among(pack(linkage.left[fresh], linkage.right[fresh]), pack(asked[:, 0], asked[:, 1]))]
    noise = rng.random(len(fresh)) * 1e-3
    near = fresh[np.argsort(np.abs(bits[fresh]) + noise)][: (count + 1) // 2]
    left_over = np.ones(len(bits), dtype=bool)
    left_over[near] = False
    rest = fresh[left_over[fresh]]
    edges = np.linspace(*RANGE, 21)
    bins = np.digitize(bits[rest], edges)
    order = rng.permutation(len(rest))
    rank = np.zeros(len(rest), np.int64)
    seen: dict[int, int] = {}
    for place in order.tolist():
        rank[place] = seen.get(int(bins[place]), 0)
        seen[int(bins[place])] = int(rank[place]) + 1
    spread = rest[np.lexsort((rng.random(len(rest)), rank))][: count - len(near)]
    return np.concatenate([near, spread])


def as_question(linkage: Linkage, ids: list[RecordId], pair: int) -> Finding:
    """The claim that a pair is one entity, as a finding to label."""
    one, two = ids[int(linkage.left[pair])], ids[int(linkage.right[pair])]
    return Finding(
        (min(one, two), max(one, two)),
        MergeRecords(min(one, two), (max(one, two),)),
        probability(float(linkage.bits[pair])),
    )
