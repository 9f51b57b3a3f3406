"""From a linkage to findings: clusters worth merging, links across sources, and the uncertain pairs between them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.contract import Batch, Evidence, Finding, LinkRecords, MergeRecords
from detectors.duplicates.evidence import explain
from detectors.duplicates.golden import Merger
from detectors.duplicates.linking import Linkage
from detectors.duplicates.plan import Rows
from detectors.duplicates.text import Ints

WEAKEST, GOLDEN = "weakest link", "golden record"
"""Evidence without weight: which pair holds a cluster together, and which value of a field survives."""

ACROSS = "across sources"
"""The rule of links between records of different sources."""

LOWEST = 0.05
"""Score from which an uncertain pair is worth ranking."""


Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Claim:
    """What a finding will say, before its reasons and its golden record are written.

    rows: row positions. pair: position of the pair that it rests on. links: it links two records, and merges none.
    """

    rows: tuple[int, ...]
    pair: int
    score: float
    rule: str
    links: bool = False

    def fingerprint(self, ids: Ints) -> str:
        """That of its finding. ids: (rows,) records."""
        subjects = tuple(sorted(ids[list(self.rows)].tolist()))
        return Finding(
            subjects, LinkRecords() if self.links else MergeRecords(subjects[0], subjects[1:]), 0
        ).fingerprint


def claims(linkage: Linkage, own: Flags | None = None) -> Iterator[Claim]:
    """One claim a cluster, then one for the best pair between any two clusters that might yet be one.

    own: (rows,) whether a record is of the source that findings are for; all are, if not given. Two of them are
    merged, one of them and one of another source are linked; what others are to each other is not said.
    """
    first, second = (True, True) if own is None else (own[linkage.left], own[linkage.right])
    inner = np.broadcast_to(np.asarray(first) & second, linkage.left.shape)
    for rows, pair in clusters(linkage, inner):
        score = probability(float(linkage.bits[pair]))
        yield Claim(tuple(rows), pair, max(score, 0.5) if len(rows) > 2 else score, linkage.plan.entity)
    for pair, score in doubtful(linkage, inner):
        yield Claim(_two(linkage, pair), pair, score, "possible")
    if own is not None:
        across = np.asarray(first) != second
        for pair in linked(linkage, own, across):
            score = max(probability(float(linkage.bits[pair])), 0.5)
            yield Claim(_two(linkage, pair), pair, score, ACROSS, links=True)
        for pair, score in doubtful(linkage, across):
            yield Claim(_two(linkage, pair), pair, score, f"{ACROSS}, possible", links=True)


def findings(linkage: Linkage, merger: Merger, own: Flags | None = None) -> Iterator[Finding]:
    """What is claimed (`claims`), in words."""
    for claim in claims(linkage, own):
        yield written(linkage, merger, claim)


def written(linkage: Linkage, merger: Merger, claim: Claim) -> Finding:
    """A claim with its reasons, and with the golden record of what it merges."""
    rows, ids = claim.rows, [merger.ids[row] for row in claim.rows]
    evidence = explain(linkage, merger.cells, claim.pair)
    if claim.links:
        return Finding(tuple(sorted(ids)), LinkRecords(), claim.score, evidence, claim.rule)
    if len(rows) > 2:
        one, two = (merger.ids[row] for row in _two(linkage, claim.pair))
        weakest = f"The weakest link of these {len(rows)} records is between {one} and {two}; the reasons are theirs"
        evidence = (Evidence(WEAKEST, 0.0, weakest, records=(one, two)), *evidence)
    golden = merger.golden(rows)
    members = tuple(record for record in ids if record != golden.survivor)
    kept = tuple(
        Evidence(GOLDEN, 0.0, f'{name}: "{choice.value or ""}" survives ({choice.rule}: {choice.reason})', (name,))
        for name, choice in golden.choices.items()
    )
    proposal = MergeRecords(golden.survivor, members, golden.changes)
    return Finding(tuple(sorted(ids)), proposal, claim.score, evidence + kept, claim.rule)


def owned(batch: Batch, source: str) -> Flags | None:
    """(rows,) whether a record is of this source; None where the batch holds no other."""
    if not source or not batch.origin:
        return None
    places = (batch.origin.get(int(record)) == source for record in batch.frame.index)
    own = np.fromiter(places, dtype=bool, count=len(batch))
    return None if own.all() else own


def linked(linkage: Linkage, own: Flags, across: Flags) -> list[int]:
    """Of every cluster, each record of another source with the record of one's own that it resembles most.

    across: (pairs,) whether one of its records is one's own. Returns positions of pairs.
    """
    labels = linkage.labels
    inside = np.flatnonzero(across & (labels[linkage.left] == labels[linkage.right]))
    inside = inside[np.argsort(-linkage.bits[inside], kind="stable")]
    other = np.where(own[linkage.left[inside]], linkage.right[inside], linkage.left[inside])
    _, first = np.unique(other, return_index=True)
    return [int(pair) for pair in inside[np.sort(first)]]


def clusters(linkage: Linkage, among: Flags) -> Iterator[tuple[list[int], int]]:
    """(row positions, position of the weakest link) of every cluster of two or more.

    among: (pairs,) those that count. The weakest link is the weakest pair of the strongest tree that holds the
    cluster together.
    """
    labels = linkage.labels
    inside = np.flatnonzero(among & (labels[linkage.left] == labels[linkage.right]))
    inside = inside[np.lexsort((-linkage.bits[inside], labels[linkage.left[inside]]))]
    if not len(inside):
        return
    homes = labels[linkage.left[inside]]
    bounds = np.append(np.flatnonzero(np.append(True, homes[1:] != homes[:-1])), len(inside))
    for first, last in zip(bounds[:-1].tolist(), bounds[1:].tolist(), strict=True):
        part = inside[first:last]
        if last - first == 1:
            yield [int(linkage.left[part[0]]), int(linkage.right[part[0]])], int(part[0])
        else:
            yield _tree(linkage.left[part], linkage.right[part], part)


def _tree(left: Rows, right: Rows, pairs: Ints) -> tuple[list[int], int]:
    """The rows of a cluster, and the last pair its strongest spanning tree needs; pairs come strongest first."""
    home = {row: row for row in sorted({*left.tolist(), *right.tolist()})}

    def root(row: int) -> int:
        while home[row] != row:
            row = home[row]
        return row

    weakest = int(pairs[0])
    for one, two, pair in zip(left.tolist(), right.tolist(), pairs.tolist(), strict=True):
        a, b = root(one), root(two)
        if a != b:
            home[max(a, b)] = min(a, b)
            weakest = pair
    return list(home), weakest


def doubtful(linkage: Linkage, among: Flags) -> Iterator[tuple[int, float]]:
    """(position, score) of the best pair between any two clusters, where it scores at least `LOWEST`.

    among: (pairs,) those that count.
    A pair that looked good by itself but was kept apart by the evidence of its clusters scores just below one half.
    """
    labels = linkage.labels
    floor = np.log2(LOWEST / (1 - LOWEST))
    across = np.flatnonzero(among & (labels[linkage.left] != labels[linkage.right]) & (linkage.bits >= floor))
    one, two = labels[linkage.left[across]], labels[linkage.right[across]]
    table = pd.DataFrame(
        {"a": np.minimum(one, two), "b": np.maximum(one, two), "bits": linkage.bits[across], "pair": across}
    )
    best = table.sort_values(["bits", "pair"], ascending=[False, True]).drop_duplicates(["a", "b"])
    for pair, bits in zip(best["pair"].tolist(), best["bits"].tolist(), strict=True):
        yield pair, min(probability(bits), 0.49)


def probability(bits: float) -> float:
    """The probability of log2 odds."""
    return float(1 / (1 + 2.0 ** -min(max(bits, -60.0), 60.0)))


def _two(linkage: Linkage, pair: int) -> tuple[int, int]:
    return int(linkage.left[pair]), int(linkage.right[pair])
