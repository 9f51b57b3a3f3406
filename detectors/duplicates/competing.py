"""Sources without duplicates of their own: a record of one matches one record of another at most, so pairs compete.

The model scores a pair as if pairs were independent: how rare are matches among all pairs? Where sources hold the
same people, that is too timid: a record that has no better partner most likely matches the one it resembles, for nearly
every record has a match. And it is too bold where a record resembles two. So the odds of a pair are taken among the
matchings of two sources: the prior is that of two records which are both still free, and a record's candidates share
its probability with each other and with "no match". On pseudopeople's census (two copies) that took F1 from .9865 to
.9977, the best that any threshold gave without it being .9965.

Tried and rejected: to let the fit know which pairs cannot match. It moved no figure once pairs competed.

Source: Bayati and Nair, "A rigorous proof of the cavity method for counting matchings", 2006 (probabilities of the
edges of a random matching, exact on trees).
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from detectors.contract import RecordId
from detectors.duplicates import clustering
from detectors.duplicates.links import DIFFERENT, SAME
from detectors.duplicates.plan import Rows
from detectors.duplicates.scoring import Bits
from detectors.duplicates.text import Ints

Floats = npt.NDArray[np.float64]

ROUNDS = 8
"""Times that candidates hear of each other; an influence that came further than so many records would not be seen."""
COUNTED = 20
"""Times that expected matches are counted again, until they change by less than CLOSE."""
CLOSE = 0.01
_MOST = 60.0
"""Bits beyond which nothing is more certain."""


@dataclass
class Rivals:
    """Which records compete.

    source: (rows,) the number of each row's deduplicated source; -1 for those of any other.
    prior: log2 odds that a pair matches, which the scores hold. sizes: records of each source, the others last.
    lifts: (a source, a source or -1 for the others) -> bits that a pair of free records has more than a pair as such.
    """

    source: Ints
    prior: float
    sizes: Ints
    lifts: dict[tuple[int, int], float] = field(default_factory=dict)

    @classmethod
    def of(cls, records: Ints, origin: Mapping[RecordId, str], deduplicated: Collection[str], prior: float) -> Rivals:
        """records: (rows,) ids. prior: the share of matches among all pairs."""
        names = {name: place for place, name in enumerate(sorted(deduplicated))}
        places = (names.get(origin.get(int(record), ""), -1) for record in records)
        source = np.fromiter(places, dtype=np.int64, count=len(records))
        return cls(
            source,
            float(np.log2(prior / (1 - prior))),
            np.bincount(source % (len(names) + 1), minlength=len(names) + 1),
        )

    def count(self, bits: Bits, left: Rows, right: Rows) -> None:
        """Count the expected matches of every two sources, which say how likely a free record is to match."""
        enough = np.flatnonzero(bits > -2 * np.log2(max(len(self.source), 2)) - 20)
        left, right, weights = left[enough], right[enough], bits[enough].astype(np.float64)
        one, two = self._sides(left, right)
        for group in self._groups(one, two):
            part = self._is(group, one, two)
            self._count(group, weights[part], one[part], two[part])

    def lifted(self, bits: Bits, left: Rows, right: Rows) -> Bits:
        """(pairs,) log2 odds of pairs of records without other candidates; two of one source cannot match."""
        one, two = self._sides(left, right)
        out = bits.copy()
        for group, lift in self.lifts.items():
            out[self._is(group, one, two)] += np.float32(lift)
        decided = (bits == SAME) | (bits <= DIFFERENT)
        out[decided] = bits[decided]
        out[(self.source[left] == self.source[right]) & (self.source[left] >= 0) & (bits != SAME)] = DIFFERENT
        return out

    def settled(self, bits: Bits, left: Rows, right: Rows) -> Bits:
        """(pairs,) log2 odds after competition; decided pairs keep theirs, and count for their rivals.

        Inside a component of likely pairs all candidates hear of each other; a pair across two components yields to
        what stands inside them.
        """
        lifted = self.lifted(bits, left, right)
        decided = (lifted == SAME) | (lifted <= DIFFERENT)
        one, two = self._sides(left, right)
        compete = np.flatnonzero((self.source[one] >= 0) & (self.source[one] != self.source[two]) & (lifted > -_MOST))
        likely = lifted > 0
        parents = clustering.linked(len(self.source), left, right, likely)
        inside = parents[left[compete]] == parents[right[compete]]
        out = lifted.astype(np.float64)
        for group in self._groups(one[compete], two[compete]):
            part = self._is(group, one[compete], two[compete])
            core, rest = compete[part & inside], compete[part & ~inside]
            yielded = _yielded(out[core], one[core], two[core], len(self.source), both=group[1] >= 0)
            for row, taken in zip((one, two), yielded.taken, strict=True):
                out[rest] -= np.log2(1 + taken[row[rest]])
            out[core] = yielded.bits
        out[decided] = lifted[decided]
        return out.astype(np.float32)

    def _sides(self, left: Rows, right: Rows) -> tuple[Rows, Rows]:
        """Each pair's rows, that of the deduplicated source of the smaller number first, one of no such source last."""
        last = (self.source[left] < 0) | ((self.source[right] >= 0) & (self.source[right] < self.source[left]))
        return np.where(last, right, left), np.where(last, left, right)

    def _is(self, group: tuple[int, int], one: Rows, two: Rows) -> npt.NDArray[np.bool_]:
        return np.asarray((self.source[one] == group[0]) & (self.source[two] == group[1]))

    def _groups(self, one: Rows, two: Rows) -> list[tuple[int, int]]:
        first, second = self.source[one], self.source[two]
        rival = (first >= 0) & (first != second)
        codes = np.unique(first[rival] * len(self.sizes) + second[rival] % len(self.sizes))
        others = len(self.sizes) - 1
        pairs = (divmod(int(code), len(self.sizes)) for code in codes)
        return [(a, b if b < others else -1) for a, b in pairs]

    def _count(self, group: tuple[int, int], weights: Floats, one: Rows, two: Rows) -> None:
        first, second = (float(self.sizes[place]) for place in group)
        expected = _chances(weights).sum()
        for _ in range(COUNTED):
            free = second - expected + 1
            free *= first - expected + 1 if group[1] >= 0 else first
            self.lifts[group] = float(np.log2((expected + 1) / max(free, 1.0))) - self.prior
            lifted = weights + self.lifts[group]
            before = expected
            found = _yielded(lifted, one, two, len(self.source), both=group[1] >= 0).bits
            expected = min(float(_chances(found).sum()), first, second)
            if abs(expected - before) < CLOSE:
                break


@dataclass(frozen=True)
class _Yielded:
    """bits: (pairs,) log2 odds after competition. taken: for either side (rows,) the odds that a row is taken."""

    bits: Floats
    taken: tuple[Floats, Floats]


def _yielded(bits: Floats, one: Rows, two: Rows, rows: int, *, both: bool) -> _Yielded:
    """The odds of pairs among random matchings, by passing messages. both: rows of `one` match once at most too."""
    weights = np.exp2(np.clip(bits, -_MOST, _MOST))
    to_two = to_one = np.ones(len(bits))  # the chance that a row would be free if this pair were not
    of_one = of_two = np.zeros(rows)
    for turn in range(ROUNDS + 1):
        if both:
            of_one = np.bincount(one, weights * to_one, rows).astype(np.float64)
        of_two = np.bincount(two, weights * to_two, rows).astype(np.float64)
        if turn < ROUNDS:
            free = np.maximum(of_two[two] - weights * to_two, 0.0)
            if both:
                to_two = 1 / (1 + np.maximum(of_one[one] - weights * to_one, 0.0))
            to_one = 1 / (1 + free)
    return _Yielded(bits + np.log2(to_two) + np.log2(to_one), (of_one, of_two))


def _chances(bits: Floats) -> Floats:
    return np.asarray(1 / (1 + np.exp2(-np.clip(bits, -_MOST, _MOST))))
