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
        distinct, first = np.unique(hashes, return_index=True)
        repeated = np.ones(len(hashes), dtype=bool)
        repeated[first] = False
        for run in self._runs:
            place = np.minimum(np.searchsorted(run, hashes), len(run) - 1)
            repeated |= run[place] == hashes
        self._push(distinct)
        return repeated

    def _push(self, run: Hashes) -> None:
        if len(run):
            self._runs.append(run)
        while len(self._runs) > 1 and len(self._runs[-1]) * 2 >= len(self._runs[-2]):
            last = self._runs.pop()
            merged = np.concatenate([self._runs.pop(), last])
            merged.sort(kind="stable")
            self._runs.append(merged)
