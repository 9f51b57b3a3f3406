"""The blocks of `blocking.block` as numbers a record carries: two records are compared where they share one."""

from __future__ import annotations

import numpy as np

from detectors.duplicates import blocking
from detectors.duplicates.blocking import ALL_PAIRS, LARGEST, WINDOW, Key
from detectors.duplicates.plan import Plan, Rows
from detectors.duplicates.text import Codes, Ints


def memberships(plan: Plan) -> tuple[Ints, Ints, tuple[Key, ...]]:
    """(rows, block numbers, keys): row rows[i] is in block numbers[i]; records alone in a block are left out.

    The sorted neighbourhood of a large block is written as one block for each window of `WINDOW` + 1 neighbours:
    two records share such a window exactly if they are at most `WINDOW` apart.
    """
    if plan.rows <= ALL_PAIRS:
        every = np.arange(plan.rows)
        pairs = plan.rows * (plan.rows - 1) // 2
        return every, np.zeros(plan.rows, np.int64), (Key("all pairs", pairs, 0, True),)
    chosen, keys = blocking.choose(plan)
    found: list[tuple[Rows, Ints]] = []
    base = 0
    for rows, bounds in chosen:
        for own, numbers in _numbered(rows, bounds):
            found.append((own, numbers + base))
        base = int(found[-1][1].max()) + 1 if len(found[-1][1]) else base
    if not found:
        return np.zeros(0, np.int64), np.zeros(0, np.int64), keys
    return (
        np.concatenate([own for own, _ in found]).astype(np.int64),
        np.concatenate([numbers for _, numbers in found]),
        keys,
    )


def _numbered(rows: Codes, bounds: Codes) -> list[tuple[Rows, Ints]]:
    """Rows and block numbers of one key: whole blocks, then the windows of large ones."""
    firsts, sizes = bounds[:-1].astype(np.int64), np.diff(bounds).astype(np.int64)
    small = np.flatnonzero(sizes <= LARGEST)
    own, block = _places(firsts[small], sizes[small])
    found: list[tuple[Rows, Ints]] = [(rows[own], block)]
    base = len(small)
    for large in np.flatnonzero(sizes > LARGEST).tolist():
        first, size = int(firsts[large]), int(sizes[large])
        windows = max(size - WINDOW, 1)
        place = np.repeat(np.arange(windows), WINDOW + 1) + np.tile(np.arange(WINDOW + 1), windows)
        window = np.repeat(np.arange(windows), WINDOW + 1)
        found.append((rows[first + place], base + window))
        base += windows
    return found


def _places(firsts: Ints, sizes: Ints) -> tuple[Ints, Ints]:
    """Every position of the runs that begin at `firsts`, and the run each is in."""
    run = np.repeat(np.arange(len(firsts)), sizes)
    starts = np.concatenate([[0], np.cumsum(sizes)[:-1]]) if len(sizes) else np.zeros(0, np.int64)
    return firsts[run] + np.arange(len(run)) - starts[run], run
