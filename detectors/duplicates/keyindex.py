"""Which records share a blocking key with one record: sorted keys of many records, and a table of those added since.

The keys are those of a run (`blocking.recipes`). A block above `blocking.LARGEST` is read as a sorted neighbourhood, as
there.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates import blocking
from detectors.duplicates.plan import Plan
from detectors.duplicates.spread import combine
from detectors.duplicates.text import Hashes, Ints

FRESH = 4096
"""Records added one by one are put into a segment of their own from this many on."""
MOST = 1000
"""Records that one question compares; the most telling keys come first."""


@dataclass(frozen=True)
class Segment:
    """The keys of some rows, sorted.

    rows: (size,) row positions in the order of `ranks`; packed: for each key its hashes with the lowest `bits` bits
    replaced by the place in `rows`, sorted; offsets: where each key's part of it begins.
    """

    rows: Ints
    ranks: Hashes
    packed: Hashes
    offsets: Ints
    bits: int


def segment(keys: list[Hashes], ranks: Hashes, rows: Ints) -> Segment:
    """The segment of some rows. keys: one hash a row for each key, 0 where missing."""
    order = np.argsort(ranks, kind="stable")
    bits = max(len(order), 2).bit_length()
    low = np.uint64((1 << bits) - 1)
    parts = []
    for key in keys:
        mixed = key[order]
        packed = (mixed & ~low) | np.arange(len(order), dtype=np.uint64)
        parts.append(np.sort(packed[mixed != 0]))
    offsets = np.concatenate([[0], np.cumsum([len(part) for part in parts])]).astype(np.int64)
    whole = np.concatenate(parts) if parts else np.zeros(0, np.uint64)
    return Segment(rows[order].astype(np.int64), ranks[order], whole, offsets, bits)


class Recipes:
    """The keys of a plan, and how to make them of one record's features."""

    def __init__(self, plan: Plan) -> None:
        self.names = blocking.recipes(plan)
        self.features = sorted({part for parts in self.names for part in parts})
        places = {name: place for place, name in enumerate(self.features)}
        self._recipes = np.full((len(self.names), 3), -1, np.int64)
        for key, parts in enumerate(self.names):
            self._recipes[key, : len(parts)] = [places[part] for part in parts]

    def of_plan(self, plan: Plan) -> list[Hashes]:
        """One hash a row for each key."""
        return [combine(*(plan.features[part] for part in parts)) for parts in self.names]

    def of_record(self, features: Mapping[str, int]) -> Hashes:
        """One hash a key of a record with these features."""
        return _combined(np.array([features.get(name, 0) for name in self.features], np.uint64), self._recipes)


class PairKeys:
    """Which rows are compared with which, as a relation of two rows alone; see `incremental`.

    The keys of a run, in its order, while their cost is within its budget. A block that is too large when this is made
    is split by the rank of its rows, for good.
    """

    def __init__(self, keys: list[Hashes], ranks: Hashes) -> None:
        rows = len(ranks)
        left_over = max(blocking.PAIRS_A_ROW * rows, blocking.FREE_PAIRS)
        every = np.arange(rows)
        self.split: list[Hashes] = []
        self.used: list[bool] = []
        kept, narrow = [], []
        for key in keys:
            held, bounds = blocking.grouped(key, every)
            large = bounds[:-1][np.diff(bounds) > blocking.LARGEST]
            split = np.sort(key[held[large]])
            made = self._narrowed(key, ranks, split)
            held, bounds = blocking.grouped(made, every)
            sizes = np.diff(bounds).astype(np.int64)
            cost = int((sizes * (sizes - 1) // 2).sum())
            self.split.append(split)
            self.used.append(cost <= left_over)
            narrow.append(made if self.used[-1] else np.zeros(rows, np.uint64))
            if self.used[-1]:
                left_over -= cost
                if cost:
                    kept.append(blocking.all_pairs(held, bounds))
        self.pairs = blocking.distinct(kept)
        self.index = KeyIndex(narrow, ranks, whole=True)
        self._later: dict[int, Hashes] = {}

    def add(self, row: int, keys: Hashes, rank: int) -> None:
        """Let a row be compared."""
        self._later[row] = self._row(keys, rank)
        self.index.add(row, self._later[row], rank)

    def remove(self, row: int) -> None:
        """Let a row not be compared any more."""
        self._later.pop(row, None)
        self.index.remove(row)

    def partners(self, row: int) -> Ints:
        """The rows that one added later is compared with."""
        found = self.index.candidates(self._later[row], 0)
        return np.asarray(found[found != row])

    @staticmethod
    def _narrowed(keys: Hashes, ranks: Hashes, split: Hashes) -> Hashes:
        if not len(split):
            return keys
        place = np.minimum(np.searchsorted(split, keys), len(split) - 1)
        return np.where(split[place] == keys, combine(keys, ranks * np.uint64(2) | np.uint64(1)), keys)

    def _row(self, keys: Hashes, rank: int) -> Hashes:
        """A row's keys: 0 for those that are not used, split where their blocks are."""
        ranks = np.array([rank], np.uint64)
        parts = [
            self._narrowed(keys[place : place + 1], ranks, split) if used else np.zeros(1, np.uint64)
            for place, (split, used) in enumerate(zip(self.split, self.used, strict=True))
        ]
        return np.concatenate(parts) if parts else keys


class KeyIndex:
    """The keys of a growing set of rows.

    keys: of the first rows, one hash a row for each key. whole: however large, the whole of a block is found.
    A row that is not `alive` is not found.
    """

    def __init__(self, keys: list[Hashes], ranks: Hashes, *, whole: bool = False) -> None:
        rows = len(ranks)
        self.segments = [segment(keys, ranks, np.arange(rows))]
        self.largest, self.most = (np.iinfo(np.int64).max >> 1, 1 << 20) if whole else (blocking.LARGEST, MOST)
        self.alive = np.ones(rows + 1024, np.bool_)
        self._seen = np.zeros(rows + 1024, np.int64)
        self._question = 0
        self._fresh: dict[tuple[int, int], list[int]] = {}
        self._waiting: list[tuple[int, int, Hashes]] = []

    def add(self, row: int, keys: Hashes, rank: int) -> None:
        """Let a row be found by its keys."""
        if row >= len(self.alive):
            more = len(self.alive) // 8 + 1024
            self.alive = np.concatenate([self.alive, np.ones(more, np.bool_)])
            self._seen = np.concatenate([self._seen, np.zeros(more, np.int64)])
        self.alive[row] = True
        self._waiting.append((row, rank, keys))
        for key, value in enumerate(keys.tolist()):
            if value:
                self._fresh.setdefault((key, value), []).append(row)
        if len(self._waiting) >= FRESH:
            self._settle()

    def remove(self, row: int) -> None:
        """Let a row not be found any more."""
        self.alive[row] = False

    def candidates(self, keys: Hashes, rank: int) -> Ints:
        """Row positions that share a key, those of the most telling keys first; at most `MOST`, unless whole."""
        self._question += 1
        out = np.empty(self.most, np.int64)
        count = 0
        for part in self.segments:
            place = int(np.searchsorted(part.ranks, np.uint64(rank)))
            count = _gather(
                part.rows,
                part.packed,
                part.offsets,
                np.uint64((1 << part.bits) - 1),
                keys,
                place,
                self.largest,
                blocking.WINDOW,
                self.alive,
                self._seen,
                self._question,
                out,
                count,
            )
        if self._fresh:
            for key, value in enumerate(keys.tolist()):
                for row in self._fresh.get((key, value), ())[-self.largest :] if value else ():
                    if count < self.most and self.alive[row] and self._seen[row] != self._question:
                        self._seen[row] = self._question
                        out[count] = row
                        count += 1
        return out[:count]

    @property
    def worn(self) -> bool:
        """Whether so much was added that building anew makes questions faster."""
        return len(self.segments) > 8

    def _settle(self) -> None:
        """Make a segment of the rows added one by one."""
        rows = np.array([row for row, _, _ in self._waiting], np.int64)
        ranks = np.array([rank for _, rank, _ in self._waiting], np.uint64)
        table = np.stack([keys for _, _, keys in self._waiting])
        self.segments.append(segment(list(table.T), ranks, rows))
        self._fresh, self._waiting = {}, []


@compiled
def _combined(values: Hashes, recipes: Ints) -> Hashes:
    """`spread.combine` of each recipe's values."""
    out = np.zeros(len(recipes), np.uint64)
    for key in range(len(recipes)):
        mixed = np.uint64(1469598103934665603)
        there = True
        for step in range(3):
            if recipes[key, step] < 0:
                break
            one = values[recipes[key, step]]
            if one == 0:
                there = False
            mixed = (mixed ^ one) * np.uint64(0x9E3779B97F4A7C15)
            mixed ^= mixed >> np.uint64(29)
        if there:
            out[key] = mixed | np.uint64(1)
    return out


@compiled
def _first(packed: Hashes, first: int, last: int, value: np.uint64) -> int:
    """The first place in packed[first:last] whose value is at least this."""
    while first < last:
        middle = (first + last) // 2
        if packed[middle] < value:
            first = middle + 1
        else:
            last = middle
    return first


@compiled
def _gather(
    rows: Ints,
    packed: Hashes,
    offsets: Ints,
    low: np.uint64,
    keys: Hashes,
    place: int,
    largest: int,
    window: int,
    alive: npt.NDArray[np.bool_],
    seen: Ints,
    question: int,
    out: Ints,
    count: int,
) -> int:
    for key in range(len(keys)):
        if keys[key] == 0:
            continue
        wanted = keys[key] & ~low
        first = _first(packed, offsets[key], offsets[key + 1], wanted)
        last = first
        while last < offsets[key + 1] and last - first <= largest and (packed[last] & ~low) == wanted:
            last += 1
        if last - first > largest:
            near = _first(packed, first, offsets[key + 1], wanted | np.uint64(place))
            last = near
            while last < offsets[key + 1] and last - near < window and (packed[last] & ~low) == wanted:
                last += 1
            first = max(first, near - window)
        for at in range(first, last):
            row = rows[packed[at] & low]
            if alive[row] and seen[row] != question:
                if count == len(out):
                    return count
                seen[row] = question
                out[count] = row
                count += 1
    return count
