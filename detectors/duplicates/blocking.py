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
from detectors.duplicates.plan import Plan, combine
from detectors.duplicates.scales import PEOPLE
from detectors.duplicates.text import Hashes, Ints

Pairs = npt.NDArray[np.uint64]
"""Candidate pairs, packed: the smaller row position in the upper 32 bits, the larger in the lower."""

LARGEST = 60
WINDOW = 8
PAIRS_A_ROW = 8
FREE_PAIRS = 1_500_000
"""Pairs that may be made whatever the number of rows: seconds of work. Tried: 40 pairs a row at 100,000 rows found .003
more of the true pairs than 8 and cost as much F1, for the extra pairs are namesakes."""
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

    pairs: how many it makes. oversized: blocks read as a sorted neighbourhood. used: False if over budget.
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


def block(plan: Plan, *, budget: int | None = None) -> Blocking:
    """The candidate pairs of a plan's rows.

    budget: how many pairs may be made before repeats are removed; by default `PAIRS_A_ROW`, and `FREE_PAIRS` for
        small batches.
    """
    if plan.rows <= ALL_PAIRS:
        left, right = np.triu_indices(plan.rows, 1)
        return Blocking(pack(left, right), (Key("all pairs", len(left), 0, True),))
    chosen, keys = choose(plan, budget)
    return Blocking(distinct([_emit(rows, bounds, cost_of(bounds)[0]) for rows, bounds in chosen]), keys)


def choose(plan: Plan, budget: int | None = None) -> tuple[list[tuple[Ints, Ints]], tuple[Key, ...]]:
    """The blocks (`grouped`) of the keys that the budget allows, the cheapest key first, and what every key costs."""
    left_over = budget if budget is not None else max(PAIRS_A_ROW * plan.rows, min(FREE_PAIRS, 400 * plan.rows))
    order = np.argsort(ranks(plan), kind="stable")
    wanted = recipes(plan)
    ordered = {name: plan.features[name][order] for name in dict.fromkeys(part for parts in wanted for part in parts)}

    def blocks(parts: tuple[str, ...]) -> tuple[Ints, Ints]:
        return grouped(combine(*(ordered[part] for part in parts)), order)

    kept: dict[int, tuple[Ints, Ints]] = {}
    costs = np.zeros((len(wanted), 2), np.int64)
    for place, found in enumerate(ahead(blocks, wanted)):
        costs[place] = cost_of(found[1])
        if 0 < costs[place, 0] <= left_over:
            kept[place] = found
    cheapest = np.argsort(costs[:, 0], kind="stable")
    used = np.zeros(len(wanted), dtype=bool)
    used[cheapest] = np.cumsum(costs[cheapest, 0]) <= left_over
    keys = (
        Key(" + ".join(parts), cost, oversized, taken)
        for parts, (cost, oversized), taken in zip(wanted, costs.tolist(), used.tolist(), strict=True)
    )
    return [kept[place] for place in cheapest.tolist() if used[place] and place in kept], tuple(keys)


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


def pack(left: Ints, right: Ints) -> Pairs:
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


def grouped(hashes: Hashes, order: Ints) -> tuple[Ints, Ints]:
    """Rows block after block, and where each block of two or more begins and ends.

    hashes: one a row, in the `order` that the rows of a block shall have.
    """
    bits = np.uint64(max(len(order) - 1, 1)).item().bit_length()
    low = np.uint64((1 << bits) - 1)
    packed = (hashes & ~low) | np.arange(len(order), dtype=np.uint64)
    packed = packed[hashes != 0]
    packed.sort()
    return _cut(packed, low, order)


@compiled
def _cut(packed: Pairs, low: np.uint64, order: Ints) -> tuple[Ints, Ints]:
    """The rows of blocks of two or more, and the blocks' bounds. packed: sorted; the row's place in the low bits."""
    rows = np.empty(len(packed), np.int64)
    bounds = np.empty((2, len(packed) // 2 + 1), np.int64)
    first, found, kept = 0, 0, 0
    while first < len(packed):
        last = first + 1
        while last < len(packed) and packed[last] & ~low == packed[first] & ~low:
            last += 1
        if last - first > 1:
            bounds[0, found] = kept
            for place in range(first, last):
                rows[kept] = order[packed[place] & low]
                kept += 1
            bounds[1, found] = kept
            found += 1
        first = last
    return rows[:kept].copy(), bounds[:, :found].copy()


def cost_of(bounds: Ints) -> tuple[int, int]:
    """(pairs that the blocks make, blocks read as neighbourhoods)."""
    sizes = bounds[1] - bounds[0]
    small = sizes <= LARGEST
    near = sizes[~small]
    pairs = (sizes[small] * (sizes[small] - 1) // 2).sum() + (near * WINDOW - WINDOW * (WINDOW + 1) // 2).sum()
    return int(pairs), int((~small).sum())


@compiled
def _emit(rows: Ints, bounds: Ints, cost: int) -> Pairs:
    out = np.empty(cost, np.uint64)
    made = 0
    for block in range(bounds.shape[1]):
        first, last = bounds[0, block], bounds[1, block]
        reach = last - first if last - first <= LARGEST else WINDOW
        for place in range(first, last):
            for other in range(place + 1, min(place + reach + 1, last)):
                a, b = np.uint64(rows[place]), np.uint64(rows[other])
                out[made] = (a << np.uint64(32) | b) if a < b else (b << np.uint64(32) | a)
                made += 1
    return out


def all_pairs(rows: Ints, bounds: Ints) -> Pairs:
    """Every pair inside each group rows[bounds[i]:bounds[i + 1]]."""
    sizes = np.diff(bounds)
    cost = int((sizes * (sizes - 1) // 2).sum())
    return np.sort(_emit_all(rows, bounds, cost))


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
