"""The compiled comparison of several words: company names, streets, free text (see `levels`)."""

from __future__ import annotations

import numpy as np

from detectors.compiling import compiled
from detectors.duplicates.fetching import BLOCK, bounds_of, codes_of
from detectors.duplicates.levels import Levels, allowed
from detectors.duplicates.text import Bytes, Codes, Hashes, Ints, beyond, edits


@compiled
def words(
    left: Ints,
    right: Ints,
    codes: Codes,
    bounds: Ints,
    tokens: Codes,
    weights: np.ndarray,
    text: Bytes,
    starts: Ints,
    signatures: Hashes,
    out: Levels,
) -> None:
    """Several words: 1 different, 2 some, 3 half, 4 one within the other, 5 most, 6 nearly equal, 7 equal.

    Words are weighed by rarity; a word finds its best partner: equal, or alike in letters (numbers: equal only),
    or the initial of it. Values that differ by blanks alone have one code ("day care" = "daycare").
    """
    peq = np.zeros(256, np.uint64)
    mine, theirs = np.empty(BLOCK, np.int32), np.empty(BLOCK, np.int32)
    firsts, lasts = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    begins, ends = np.empty(BLOCK, np.int64), np.empty(BLOCK, np.int64)
    for pair in range(len(left)):
        at = pair % BLOCK
        if at == 0:
            count = min(BLOCK, len(left) - pair)
            codes_of(left[pair : pair + count], codes, mine[:count])
            codes_of(right[pair : pair + count], codes, theirs[:count])
            bounds_of(mine[:count], bounds, firsts, lasts)
            bounds_of(theirs[:count], bounds, begins, ends)
        a, b = mine[at], theirs[at]
        if a < 0 or b < 0:
            out[pair] = 0
            continue
        if a == b:
            out[pair] = 7
            continue
        first, last = firsts[at], min(lasts[at], firsts[at] + 16)
        start, stop = begins[at], min(ends[at], begins[at] + 16)
        if lasts[at] - first > ends[at] - start:
            first, last, start, stop = start, stop, first, last
        used = np.uint64(0)
        own, other, found = 0.0, 0.0, 0.0
        for j in range(start, stop):
            other += weights[tokens[j]]
        for i in range(first, last):
            one = tokens[i]
            own += weights[one]
            best, partner = 0.0, -1
            for j in range(start, stop):
                if used >> np.uint64(j - start) & np.uint64(1):
                    continue
                two = tokens[j]
                likeness = 1.0 if one == two else _alike(text, starts, signatures, one, two, peq)
                if likeness > best:
                    best, partner = likeness, j
                    if best == 1.0:
                        break
            if partner >= 0:
                used |= np.uint64(1) << np.uint64(partner - start)
                found += best * min(weights[one], weights[tokens[partner]]) * 2
                if best < 1.0:  # an imperfect partner's missing rarity is no disagreement of its own
                    found += best * abs(weights[one] - weights[tokens[partner]])
        share = found / (own + other)
        if share >= 0.93:
            out[pair] = 6
        elif share >= 0.75:
            out[pair] = 5
        elif found >= 1.9 * min(own, other):
            out[pair] = 4
        else:
            out[pair] = 3 if share >= 0.5 else 2 if share >= 0.25 else 1


@compiled
def _alike(text: Bytes, starts: Ints, signatures: Hashes, one: int, two: int, peq: Hashes) -> float:
    """Likeness of two unequal words in [0, 1]."""
    first, last, start, stop = starts[one], starts[one + 1], starts[two], starts[two + 1]
    size, wide = last - first, stop - start
    if text[first] <= 57 or text[start] <= 57:
        return 0.0
    if size == 1 or wide == 1:
        return 0.5 if text[first] == text[start] else 0.0
    longest = max(size, wide)
    if abs(size - wide) * 10 > longest * 4:
        return 0.0
    if beyond(signatures[one], signatures[two], max(longest * 3 // 10, allowed(longest))):
        return 0.0
    distance = edits(text, first, last, text, start, stop, peq)
    if distance <= allowed(longest):
        return 0.9
    return 0.6 if distance * 10 <= longest * 3 else 0.0
