"""What people decided: pairs of records that are, or are not, one entity."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from detectors.contract import Label, LinkRecords, MergeRecords, RecordId
from detectors.duplicates.text import Ints

Pair = tuple[RecordId, RecordId]

SAME, DIFFERENT = 60.0, -1000.0
"""Bits of a decided pair; "different" outweighs any sum of a cluster's links."""


@dataclass(frozen=True)
class Links:
    """Decided pairs of record ids (smaller first), and clusters rejected as a whole.

    rejected: a rejected cluster of three or more says only that not all of them are one.
    """

    same: frozenset[Pair] = frozenset()
    different: frozenset[Pair] = frozenset()
    rejected: frozenset[tuple[RecordId, ...]] = frozenset()

    def with_labels(self, labels: Iterable[Label]) -> Links:
        """These links and those of further labels; a later label overrules an earlier one."""
        same, different, rejected = set(self.same), set(self.different), set(self.rejected)
        for label in labels:
            if not isinstance(label.finding.proposal, MergeRecords | LinkRecords):
                continue
            subjects = tuple(sorted(label.finding.subjects))
            pairs = set(combinations(subjects, 2))
            if label.is_defect:
                same |= pairs
                different -= pairs
                rejected.discard(subjects)
            elif len(subjects) == 2:
                different |= pairs
                same -= pairs
            else:
                rejected.add(subjects)
        return Links(frozenset(same), frozenset(different), frozenset(rejected))

    def verdict(self, subjects: Sequence[RecordId]) -> bool | None:
        """True if all of these records are known to be one, False if not, None if undecided."""
        pairs = set(combinations(sorted(subjects), 2))
        if pairs & self.different or tuple(sorted(subjects)) in self.rejected:
            return False
        return True if pairs <= self.same else None

    def __bool__(self) -> bool:
        return bool(self.same or self.different or self.rejected)


def rows_of(pairs: Iterable[Pair], ids: Ints) -> tuple[Ints, Ints]:
    """Row positions of the pairs whose records are both in the batch; ids are ascending."""
    table = np.array(sorted(pairs), dtype=np.int64).reshape(-1, 2)
    places = np.searchsorted(ids, table)
    there = (places < len(ids)).all(axis=1)
    places = places[there]
    there = (ids[places] == table[there]).all(axis=1)
    return places[there, 0], places[there, 1]
