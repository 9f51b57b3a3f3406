"""Which pairs are worth comparing: pairs that share at least one of many cheap keys.

A key is one hash a row, made of a few features (e-mail; date of birth and sound of the family name; ...). Rows of
one block are paired; a block above `LARGEST` rows is read as a sorted neighbourhood instead, and reported, so
that no record is dropped silently. The cost of each key is known before its pairs are made: the cheapest keys come
first, for they are the most telling, until the budget is spent. (Taken in a fixed order of worth, a million people
made a third more pairs and .002 fewer of the true ones.)

Tried and rejected: one key of all names by q-grams (twenty times the pairs for .002 of recall); dropping large
blocks (loses the people of common names); a fixed list of keys for all schemas (half of it is always absent).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates.cores import ahead
from detectors.duplicates.plan import Plan, Rows
from detectors.duplicates.scales import PEOPLE
from detectors.duplicates.spilling import Spill
from detectors.duplicates.spread import Ordered
from detectors.duplicates.text import Codes, Hashes, Ints

Pairs = npt.NDArray[np.uint64]
"""Candidate pairs, packed: the smaller row position in the upper 32 bits, the larger in the lower."""

LARGEST = 60
WINDOW = 8
PAIRS_A_ROW = 8
FREE_PAIRS = 1_500_000
"""Pairs that may be made whatever the number of rows: seconds of work. Tried: 40 pairs a row at 100,000 rows found .003
more of the true pairs than 8 and cost as much F1, for the extra pairs are namesakes."""
SAMPLED = 16
"""One block in so many is looked at first, to know whether a key can be within the budget."""
DOUBTED = 1.5
"""So many times the budget, by that estimate, is surely over it."""
FROM = 200_000
"""Rows from which keys are estimated first; below, all are counted."""
RANGE = 1 << 23
"""Pairs of which repeats are removed at a time."""
ALL_PAIRS = 1000
"""Up to so many rows every pair is compared."""

_STRONG = "email email' email'' local local' national tax bank phone phone' phone'' fax"
_PEOPLE = """birth+family~ birth+given~ birth~+names~ postcode+family~ postcode+given~ birth+postcode birth+house
    names~+birth.y given+family phone4+family~ phone4+given~ birth.md+family~ birth.md+given~ postcode+house
    street#+house street+family~ street+given~ town+names~ names~ family^+birth.y+given1 given^+birth.y+postcode
    family+birth.y town+given+family^ town+family+given^ company+family~ company+given~ family~+age given~+age+town
    house+given~ house+family~ website+family~"""
_ORGANISATIONS = """name name#0+name#1 website name#0+postcode name#0+house name#0+name#2 name#1+name#2 street+house
    street#+house postcode+house name#1+postcode name#1+house name#0+town name#0+street# name#1+street# phone4+name#0
    name#1+town name:+name#0"""
_WIDE = """birth street family~+town given~+town family~ name#0 name#1 given~+birth.y postcode phone4 company street#
    given~ town"""


@dataclass(frozen=True)
class Key:
    """One blocking key over a batch, and what it cost.

    pairs: how many it makes; estimated where that is far over budget. oversized: blocks read as a sorted neighbourhood.
    used: False if over budget.
    """

    name: str
    pairs: int
    oversized: int
    used: bool


@dataclass(frozen=True)
class Blocking:
    """The candidate pairs of a batch, sorted, and the keys they come from."""

    pairs: Pairs
    keys: tuple[Key, ...]


def recipes(plan: Plan) -> list[tuple[str, ...]]:
    """The keys this plan's features allow, the most telling first."""
    names = _STRONG.split() + (_PEOPLE if plan.entity == PEOPLE else _ORGANISATIONS).split() + _WIDE.split()
    known = [tuple(name.split("+")) for name in names]
    extra = [(name,) for name in plan.features if name.startswith(("unit:", "name:")) and "#" not in name]
    return [parts for parts in known if all(part in plan.features for part in parts)] + extra


def block(plan: Plan, *, budget: int | None = None, spill: Spill | None = None) -> Blocking:
    """The candidate pairs of a plan's rows.

    budget: how many pairs may be made before repeats are removed; by default `PAIRS_A_ROW`, and `FREE_PAIRS` for
        small batches. spill: where pairs are kept meanwhile.
    """
    if plan.rows <= ALL_PAIRS:
        left, right = np.triu_indices(plan.rows, 1)
        return Blocking(pack(left, right), (Key("all pairs", len(left), 0, True),))
    spill = spill or Spill()
    chosen, keys = choose(plan, budget)
    chosen.reverse()
    made = (chosen.pop() for _ in range(len(chosen)))
    return Blocking(_united([spill.keep(one) for one in ahead(_sorted, made)]), keys)


def choose(plan: Plan, budget: int | None = None) -> tuple[list[tuple[Codes, Codes]], tuple[Key, ...]]:
    """The blocks (`grouped`) of the keys that the budget allows, the cheapest key first, and what every key costs."""
    whole = budget if budget is not None else max(PAIRS_A_ROW * plan.rows, min(FREE_PAIRS, 400 * plan.rows))
    order = np.argsort(ranks(plan), kind="stable")
    wanted = recipes(plan)
    ordered = Ordered(plan.features, sorted({part for parts in wanted for part in parts}), order)
    costs = np.zeros((len(wanted), 2), np.int64)
    likely = list(range(len(wanted)))
    if plan.rows >= FROM:
        for place, cost in enumerate(ahead(lambda parts: _estimated(ordered.combined(parts)), wanted)):
            costs[place] = cost
        cheapest = np.argsort(costs[:, 0], kind="stable")
        likely = sorted(cheapest[np.cumsum(costs[cheapest, 0]) <= DOUBTED * whole].tolist())
    kept: dict[int, tuple[Codes, Codes]] = {}
    for place, found in zip(
        likely, ahead(lambda at: grouped(ordered.combined(wanted[at]), order), likely), strict=True
    ):
        costs[place] = cost_of(found[1])
        if costs[place, 0]:
            kept[place] = found
        spent = 0
        for other in sorted(kept, key=lambda at: (costs[at, 0], at)):  # what is over budget now stays so
            spent += int(costs[other, 0])
            if spent > whole:
                del kept[other]
    cheapest = np.array(sorted(likely, key=lambda at: (costs[at, 0], at)), np.int64)
    used = np.zeros(len(wanted), dtype=bool)
    used[cheapest] = np.cumsum(costs[cheapest, 0]) <= whole
    keys = (
        Key(" + ".join(parts), cost, oversized, taken)
        for parts, (cost, oversized), taken in zip(wanted, costs.tolist(), used.tolist(), strict=True)
    )
    return [kept[place] for place in cheapest.tolist() if used[place] and place in kept], tuple(keys)


def _estimated(hashes: Hashes) -> tuple[int, int]:
    """`cost_of` a key's blocks, from one block in `SAMPLED`."""
    drawn = hashes[(hashes >> np.uint64(40)) % np.uint64(SAMPLED) == 1]
    drawn = np.sort(drawn[drawn != 0])
    bounds = np.append(np.flatnonzero(np.append(True, drawn[1:] != drawn[:-1])), len(drawn)) if len(drawn) else drawn
    pairs, oversized = cost_of(bounds.astype(np.int64))
    return pairs * SAMPLED, oversized * SAMPLED


def _sorted(blocks: tuple[Codes, Codes]) -> Pairs:
    """The pairs that blocks make, sorted."""
    made = _emit(*blocks, cost_of(blocks[1])[0])
    made.sort()
    return made


def _united(parts: list[Pairs]) -> Pairs:
    """All pairs of sorted parts once, sorted, a range of rows at a time, so that memory stays bounded."""
    ranges = sum(map(len, parts)) // RANGE + 1
    if ranges == 1:
        return distinct(parts)
    largest = max(parts, key=len)
    cuts = largest[np.arange(1, ranges) * len(largest) // ranges] & ~np.uint64(0xFFFFFFFF)
    bounds = [np.concatenate([[0], np.searchsorted(part, cuts), [len(part)]]) for part in parts]

    def united(at: int) -> Pairs:
        return distinct([part[ends[at] : ends[at + 1]] for part, ends in zip(parts, bounds, strict=True)])

    return np.concatenate(list(ahead(united, range(ranges))))


def distinct(parts: list[Pairs]) -> Pairs:
    """All pairs once, sorted."""
    if not parts:
        return np.zeros(0, np.uint64)
    pairs = np.sort(np.concatenate(parts))
    return pairs[np.append(True, pairs[1:] != pairs[:-1])] if len(pairs) else pairs


def among(values: Pairs, known: Pairs) -> npt.NDArray[np.bool_]:
    """Whether each value is among the known ones. (numpy's hash-based set routines crawl on packed pairs.)"""
    ordered = np.append(np.sort(known), np.uint64(0xFFFFFFFFFFFFFFFF))
    return np.asarray(ordered[np.searchsorted(ordered, values)] == values)


def held(left: Codes, right: Codes, pairs: Pairs) -> npt.NDArray[np.bool_]:
    """Whether each of these pairs is among (left, right), sorted as `unpack` gives them."""
    firsts = (pairs >> np.uint64(32)).astype(np.int32)
    seconds = (pairs & np.uint64(0xFFFFFFFF)).astype(np.int32)
    return np.asarray(_held(left, right, np.searchsorted(left, firsts), firsts, seconds))


@compiled
def _held(left: Codes, right: Codes, begins: Ints, firsts: Codes, seconds: Codes) -> npt.NDArray[np.bool_]:
    out = np.zeros(len(begins), np.bool_)
    for pair in range(len(begins)):
        place = begins[pair]
        while place < len(left) and left[place] == firsts[pair] and right[place] < seconds[pair]:
            place += 1
        out[pair] = place < len(left) and left[place] == firsts[pair] and right[place] == seconds[pair]
    return out


def pack(left: Rows, right: Rows) -> Pairs:
    """Pairs of row positions, packed."""
    first, last = np.minimum(left, right).astype(np.uint64), np.maximum(left, right).astype(np.uint64)
    return first << np.uint64(32) | last


def unpack(pairs: Pairs) -> tuple[Ints, Ints]:
    """Left and right row positions."""
    return (pairs >> np.uint64(32)).astype(np.int64), (pairs & np.uint64(0xFFFFFFFF)).astype(np.int64)


LETTERS: dict[int, list[int]] = {0: [], 1: [8], 2: [5, 3], 3: [4, 2, 2]}
"""Number of columns to sort by -> how many of the first letters of each count."""


def ranks(plan: Plan) -> Hashes:
    """(rows,) the first letters of the columns to sort by as a number: rows of near numbers are alike."""
    wide = LETTERS[min(len(plan.sort_by), 3)]
    rank = np.zeros(plan.rows, np.uint64)
    for column, letters in zip(plan.sort_by, wide, strict=False):
        value = np.zeros(len(column) + 1, np.uint64)
        firsts, lasts = column.starts[:-1], column.starts[1:]
        for step in range(letters):
            there = firsts + step < lasts
            letter = (
                np.where(there, column.text[np.minimum(firsts + step, len(column.text) - 1)], 0) if len(column) else 0
            )
            value[:-1] = value[:-1] << np.uint64(8) | letter
        rank = rank << np.uint64(8 * letters) | value[column.codes]
    return rank


def sides(pairs: Pairs) -> tuple[Codes, Codes]:
    """Left and right row positions in four bytes each, to be kept."""
    left, right = np.empty(len(pairs), np.int32), np.empty(len(pairs), np.int32)
    _split(pairs, left, right)
    return left, right


@compiled
def _split(pairs: Pairs, left: Codes, right: Codes) -> None:
    for pair in range(len(pairs)):
        left[pair] = pairs[pair] >> np.uint64(32)
        right[pair] = pairs[pair] & np.uint64(0xFFFFFFFF)


def grouped(hashes: Hashes, order: Ints) -> tuple[Codes, Codes]:
    """Rows block after block, and where each block of two or more begins, the end of the last behind them.

    hashes: one a row, in the `order` that the rows of a block shall have.
    """
    bits = np.uint64(max(len(order) - 1, 1)).item().bit_length()
    low = np.uint64((1 << bits) - 1)
    packed = _packed(hashes, ~low)
    packed.sort()
    return _cut(packed, low, order)


@compiled
def _packed(hashes: Hashes, high: np.uint64) -> Pairs:
    """The hashes that are there, each with its place in the low bits."""
    out = np.empty(len(hashes), np.uint64)
    found = 0
    for place in range(len(hashes)):
        if hashes[place] != 0:
            out[found] = (hashes[place] & high) | np.uint64(place)
            found += 1
    return out[:found]


@compiled
def _cut(packed: Pairs, low: np.uint64, order: Ints) -> tuple[Codes, Codes]:
    """The rows of blocks of two or more, and the blocks' bounds. packed: sorted; the row's place in the low bits."""
    rows = np.empty(len(packed), np.int32)
    bounds = np.zeros(len(packed) // 2 + 1, np.int32)
    first, found, kept = 0, 0, 0
    while first < len(packed):
        last = first + 1
        while last < len(packed) and packed[last] & ~low == packed[first] & ~low:
            last += 1
        if last - first > 1:
            for place in range(first, last):
                rows[kept] = order[packed[place] & low]
                kept += 1
            found += 1
            bounds[found] = kept
        first = last
    return rows[:kept].copy(), bounds[: found + 1].copy()


def cost_of(bounds: Rows) -> tuple[int, int]:
    """(pairs that the blocks make, blocks read as neighbourhoods)."""
    sizes = np.diff(bounds).astype(np.int64)
    small = sizes <= LARGEST
    near = sizes[~small]
    pairs = (sizes[small] * (sizes[small] - 1) // 2).sum() + (near * WINDOW - WINDOW * (WINDOW + 1) // 2).sum()
    return int(pairs), int((~small).sum())


@compiled
def _emit(rows: Codes, bounds: Codes, cost: int) -> Pairs:
    out = np.empty(cost, np.uint64)
    made = 0
    for block in range(len(bounds) - 1):
        first, last = bounds[block], bounds[block + 1]
        reach = last - first if last - first <= LARGEST else WINDOW
        for place in range(first, last):
            for other in range(place + 1, min(place + reach + 1, last)):
                a, b = np.uint64(rows[place]), np.uint64(rows[other])
                out[made] = (a << np.uint64(32) | b) if a < b else (b << np.uint64(32) | a)
                made += 1
    return out


def all_pairs(rows: Rows, bounds: Rows) -> Pairs:
    """Every pair inside each group rows[bounds[i]:bounds[i + 1]]."""
    sizes = np.diff(bounds).astype(np.int64)
    cost = int((sizes * (sizes - 1) // 2).sum())
    return np.sort(_emit_all(rows.astype(np.int64), bounds.astype(np.int64), cost))


@compiled
def _emit_all(rows: Ints, bounds: Ints, cost: int) -> Pairs:
    out = np.empty(cost, np.uint64)
    made = 0
    for group in range(len(bounds) - 1):
        for place in range(bounds[group], bounds[group + 1]):
            for other in range(place + 1, bounds[group + 1]):
                a, b = np.uint64(rows[place]), np.uint64(rows[other])
                out[made] = (a << np.uint64(32) | b) if a < b else (b << np.uint64(32) | a)
                made += 1
    return out
