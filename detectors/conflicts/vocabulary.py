"""Slips in columns whose values repeat: a rare spelling a step away from a common one.

Digits vary by nature ("172 patients", "97 patients"), so values are compared as masks with every digit as "9"; the
mended text keeps the cell's own digits. Where the slip hit a digit, only a known value that fits at all other
places can tell it, and only if there is but one.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product

import numpy as np
from rapidfuzz.distance import OSA, Hamming
from rapidfuzz.process import cdist

from detectors.conflicts.likeness import FAR, NEAR, SHAPED, SLIP, has_another_word, shape
from detectors.conflicts.table import LONGEST, Field, is_typed, reader

_DIGIT = re.compile(r"\d")
_COMMON = 5
"""Rows from which on a mask is common."""

_TIMES = 20
"""How much commoner the right spelling must be, where the wrong one is in several rows."""

_COVERED = 0.5
"""Share of rows that common masks must hold: in other columns a rare value is no sign."""

_USUAL_CODES = 0.05
"""Share of rows from which on words of digits and letters in one order ("5a", "12b") are a kind of the column's own."""

_MOST_COMMON, _MOST_RARE = 2_000, 20_000
_SAMPLE = 500
"""Masks whose neighbours are looked at to see what is chance."""
_MOST_LOST = 2
"""Digits that a slip can have taken from one text."""


@dataclass(frozen=True, slots=True)
class Misspelling:
    """A spelling of the column, what it should be, how surely, and what speaks for it."""

    code: int
    value: str
    score: float
    common: str
    rows: int


def misspellings(field: Field) -> Iterator[Misspelling]:
    """Rare values of the column that are a slip of a common one, with the gate's precision as score."""
    masks, members, counts = _masks(field)
    common = np.flatnonzero(counts >= _COMMON)
    if not len(common) or counts[common].sum() < _COVERED * field.filled:
        return
    common = common[np.argsort(-counts[common], kind="stable")][:_MOST_COMMON]
    rare = np.flatnonzero((counts * _TIMES <= counts[common[0]]) | (counts == 1))
    rare = rare[[len(masks[position]) <= LONGEST // 10 for position in rare]]
    if not len(rare) or len(rare) > _MOST_RARE:
        return
    nearest = _nearest(masks, counts, rare, common, _usual_codes(masks, counts))
    precision = _gate(masks, common, rare, nearest)
    known = {text for text, count in zip(field.texts, field.counts, strict=True) if count >= 2}
    read = reader(field.texts, field.counts)
    for position, (other, look) in zip(rare.tolist(), nearest, strict=True):
        if other < 0 or precision.get(look, 0.0) <= 0:
            continue
        for code in members[position]:
            if is_typed(read(field.texts[code])):
                continue  # A number or a time that can be read is no misspelling, however rare.
            value = _mended(field.texts[code], masks[other], known)
            if value is not None and value != field.texts[code]:
                yield Misspelling(code, value, precision[look], masks[other], int(counts[other]))


def _masks(field: Field) -> tuple[list[str], list[list[int]], np.ndarray]:
    """Distinct masks, the spellings of each, the rows of each."""
    members: dict[str, list[int]] = defaultdict(list)
    for code, text in enumerate(field.texts):
        members[_DIGIT.sub("9", text)].append(code)
    masks = sorted(members)
    rows = [int(field.counts[members[mask]].sum()) for mask in masks]
    return masks, [members[mask] for mask in masks], np.array(rows, dtype=np.int64)


Look = tuple[bool, int]
"""Of a rare mask: as long as the common one, and the level of likeness."""


def _nearest(
    masks: list[str], counts: np.ndarray, rare: np.ndarray, common: np.ndarray, codes: set[str]
) -> list[tuple[int, Look]]:
    """For every rare mask the nearest common one that is much commoner, or -1; ties of different meaning give -1."""
    found: list[tuple[int, Look]] = []
    targets = [masks[position] for position in common]
    for start in range(0, len(rare), 500):
        part = rare[start : start + 500]
        texts = [masks[position] for position in part]
        distances = cdist(texts, targets, scorer=OSA.distance, dtype=np.int32)
        for position, row in zip(part.tolist(), distances, strict=True):
            found.append(_pick(position, row, masks, counts, common, codes))
    return found


def _pick(
    position: int, distances: np.ndarray, masks: list[str], counts: np.ndarray, common: np.ndarray, codes: set[str]
) -> tuple[int, Look]:
    mask, own = masks[position], counts[position]
    allowed = (distances > 0) & (distances <= max(1, len(mask) // 2)) & (common != position)
    allowed &= (own * _TIMES <= counts[common]) | ((own == 1) & (counts[common] >= _COMMON))
    order = np.flatnonzero(allowed)
    if not len(order):
        return -1, (False, FAR)
    # Most slips change letters and leave the length, so equal length comes first.
    ranked = sorted(order, key=lambda at: (distances[at] + (len(masks[common[at]]) != len(mask)), -counts[common[at]]))
    fitting = (at for at in ranked if not _moves_digits(mask, masks[common[at]], int(distances[at])))
    best, second = next(fitting, None), next(fitting, None)
    if best is None:
        return -1, (False, FAR)
    other = masks[common[best]]
    if _differ_in_codes(mask, other, codes):
        return -1, (False, FAR)
    look = len(other) == len(mask), _level(mask, other, int(distances[best]))
    if (
        second is not None
        and distances[second] == distances[best]
        and counts[common[second]] * 3 > counts[common[best]]
    ):
        same_length = len(masks[common[second]]) == len(mask)
        if same_length == look[0]:
            return -1, look
    return (int(common[best]), look) if look[1] != FAR else (-1, look)


def _usual_codes(masks: list[str], counts: np.ndarray) -> set[str]:
    """Shapes of words of digits and letters that many rows have: house numbers "5a" and "12b" are "9a"."""
    rows: Counter[str] = Counter()
    for mask, count in zip(masks, counts.tolist(), strict=True):
        for word in {shape(word) for word in mask.split() if _is_code(word)}:
            rows[word] += count
    return {word for word, count in rows.items() if count >= _USUAL_CODES * counts.sum()}


def _is_code(word: str) -> bool:
    return "9" in word and any(sign.isalpha() for sign in word)


def _differ_in_codes(mask: str, other: str, codes: set[str]) -> bool:
    """Whether only words of letters and digits differ ("L99 9LY", "L99 9RL"): codes differ in letters by nature.

    So they do where the mask's word is of a shape that is usual in the column: "Hill St 5a" is no slip of "Hill St 58".
    """
    words, others = Counter(mask.split()), Counter(other.split())
    changed, own = list((others - words).elements()), list((words - others).elements())
    return (bool(changed) and all(map(_is_code, changed))) or (
        bool(own) and all(_is_code(word) and shape(word) in codes for word in own)
    )


def _moves_digits(mask: str, other: str, distance: int) -> bool:
    """Whether the other has more or fewer digits, and not because other signs stand in their places.

    "Gatenstr. 198" is no slip of "Gartenstr. 98", nor "19patients" of "1 patients": a slip leaves the digits that it
    does not hit, and what it writes over the sign between a word and a number is seldom one more digit.
    """
    if mask.count("9") == other.count("9"):
        return False
    if len(mask) != len(other) or Hamming.distance(mask, other) != distance:
        return True
    for at, (own, sign) in enumerate(zip(mask, other, strict=True)):
        beside = mask[max(0, at - 1) : at] + mask[at + 1 : at + 2]
        if own != sign and "9" in (own, sign) and "9" in beside and not (own + sign).isalnum():
            return True
    return False


def _level(mask: str, other: str, distance: int) -> int:
    longest = max(len(mask), len(other))
    if mask.casefold() == other.casefold():
        return SLIP
    if has_another_word(mask, other):
        return FAR
    if len(mask) == len(other):
        distance = min(distance, Hamming.distance(mask, other))
    if distance <= max(1.0, 0.15 * longest) and longest >= 3:
        return SLIP
    if distance <= 0.25 * longest:
        return NEAR
    return SHAPED if len(mask) == len(other) and distance <= 0.5 * longest else FAR


def _gate(masks: list[str], common: np.ndarray, rare: np.ndarray, nearest: list[tuple[int, Look]]) -> dict[Look, float]:
    """Precision by look: how often a value has such a neighbour by chance is seen where there are no slips.

    Common masks are right, so their neighbours among each other are chance; and so are those of rare masks among rare
    ones, but for two slips of one value: surnames are like each other by nature ("Rockmore", "Rockward", "Rockford").
    """
    targets = [masks[position] for position in common[:_SAMPLE]]
    by_chance = _neighbours(targets)
    if any(look[1] != SLIP for other, look in nearest if other >= 0):
        no_slips = [masks[at] for at, (_, look) in zip(rare.tolist(), nearest, strict=True) if look[1] != SLIP]
        tried = no_slips[:: max(1, len(no_slips) // _SAMPLE)][:_SAMPLE]
        # The more others there are to be near to, the more often one is: here as many as there are common masks.
        fewer = len(targets) / len(tried)
        for look, count in _neighbours(tried).items():
            if look[1] != SLIP:
                chance = 1 - (1 - min(0.999, count / len(tried))) ** fewer
                by_chance[look] = max(by_chance[look], len(targets) * chance)
    seen: dict[Look, int] = defaultdict(int)
    alone = 0
    for other, look in nearest:
        if other >= 0:
            seen[look] += 1
        else:
            alone += 1
    precision = {}
    for look, count in seen.items():
        chance = (by_chance[look] + 0.25) / (len(targets) + 0.5)
        expected = (alone + 0.5) * chance / max(0.05, 1 - chance)
        # A look seen once or twice is weak evidence, the weaker the less alike.
        precision[look] = max(0.0, (count - expected) / (count + (0.3 if look[1] == SLIP else 1.0)))
    return precision


def _neighbours(masks: list[str]) -> defaultdict[Look, float]:
    """How many of the masks have another one of each look among them."""
    found: defaultdict[Look, float] = defaultdict(float)
    distances = cdist(masks, masks, scorer=OSA.distance, dtype=np.int32)
    np.fill_diagonal(distances, 10**6)
    folded = np.unique([mask.casefold() for mask in masks], return_inverse=True)[1]
    for at, row in enumerate(distances):
        # Farther ones are of no level, but for those that differ in case alone.
        near = (row <= len(masks[at])) & ((row <= len(masks[at]) // 2 + 1) | (folded == folded[at]))
        looks = {
            (len(masks[other]) == len(masks[at]), _level(masks[at], masks[other], int(row[other])))
            for other in np.flatnonzero(near)
            if not _moves_digits(masks[at], masks[other], int(row[other]))
        }
        for look in looks:
            found[look] += 1
    return found


def _mended(text: str, mask: str, known: set[str]) -> str | None:
    """The mask with the text's own digits; None if the slip took a digit that no known value gives back."""
    if len(text) != len(mask):
        digits = _DIGIT.findall(text)
        if mask.count("9") != len(digits):
            return None
        return _DIGIT.sub(lambda _: digits.pop(0), mask)
    if all(own.isdigit() for own, sign in zip(text, mask, strict=True) if sign == "9"):
        return "".join(own if sign == "9" else sign for own, sign in zip(text, mask, strict=True))
    return _only_fit(text, mask, known)


def _only_fit(text: str, mask: str, known: set[str]) -> str | None:
    """The one known value with this mask that has the text's digits wherever the text has digits; None if not one.

    What the slip took is filled in with every digit, and looked up.
    """
    places = [own if own.isdigit() else "" for own, sign in zip(text, mask, strict=True) if sign == "9"]
    if places.count("") > _MOST_LOST:
        return None
    fits = []
    for digits in product(*(place or "0123456789" for place in places)):
        filled = iter(digits)
        value = "".join(next(filled) if sign == "9" else sign for sign in mask)
        if value in known:
            fits.append(value)
    return fits[0] if len(fits) == 1 else None
