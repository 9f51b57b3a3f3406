"""Which keys were seen before: a set of hashes in sorted runs, eight bytes a key."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

Hashes = npt.NDArray[np.uint64]


class SeenKeys:
    """Says of each key whether it may have been seen before.

    "Not seen" is certain; "seen" may be wrong when two keys share a hash (chance 3e-6 among 10 million), so whoever
    asks settles the seen ones exactly. Runs are merged when one has grown to the size of the one before it: adding n
    keys costs n log n, memory is 8 bytes a key and as much again while two runs are merged.

    Tried and rejected: a Python set (100 bytes a key); asking the database for every chunk (an index look-up a row,
    which the later upsert repeats).
    """

    def __init__(self) -> None:
        self._runs: list[Hashes] = []

    def add(self, hashes: Hashes) -> npt.NDArray[np.bool_]:
        """Add keys, shape (n,); returns which of them may have been seen before, in earlier calls or earlier here."""
        if not len(hashes):
            return np.zeros(0, dtype=bool)
        ordered = np.sort(hashes)  # look-ups in order are several times quicker than at random
        again = np.append(ordered[1:] == ordered[:-1], False)
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, ordered), len(run) - 1)
            again |= run[place] == ordered
        repeated = np.zeros(len(hashes), dtype=bool)
        if again.any():  # rare while a file is read for the first time
            repeated = self._which(hashes, ordered[again])
        self._push(ordered[np.append(ordered[1:] != ordered[:-1], True)])
        return repeated

    def _which(self, hashes: Hashes, suspected: Hashes) -> npt.NDArray[np.bool_]:
        """Mark the suspected ones, but for the first of those that no earlier call had."""
        repeated = np.isin(hashes, suspected)
        places = np.flatnonzero(repeated)
        distinct, first = np.unique(hashes[places], return_index=True)
        known = np.zeros(len(distinct), dtype=bool)
        for run in self._runs:
            known |= run[np.minimum(np.searchsorted(run, distinct), len(run) - 1)] == distinct
        repeated[places[first[~known]]] = False
        return repeated

    def _push(self, run: Hashes) -> None:
        self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]):
            last = self._runs.pop()
            merged = np.concatenate([self._runs.pop(), last])
            merged.sort(kind="stable")
            self._runs.append(merged)
