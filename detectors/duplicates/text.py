"""Compiled text kernels: cleaning, interning, sounds and edit distance over flat byte buffers.

Every kernel works on `text` (uint8) with `starts` (int64, one more than there are strings), so that a million
values cost two arrays and no Python object. Kernels release the interpreter lock; callers split the work
over threads. Compiled code is cached beside this file.
"""

from __future__ import annotations

import unicodedata

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled

Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]
Codes = npt.NDArray[np.int32]
Hashes = npt.NDArray[np.uint64]

WORDS, ALNUM, DIGITS, EMAIL = 0, 1, 2, 3
"""How a value is cleaned: words apart by one blank, letters and digits run together, digits, e-mail."""

_LETTERS = dict(
    zip(
        "абвгдеёжзийклмнопрстуфхцчшщъыьэюяіїєґαβγδεζηθικλμνξοπρσςτυφχψω",
        "a b v g d e e zh z i y k l m n o p r s t u f kh ts ch sh shch _ y _ e yu ya i yi ye g "
        "a v g d e z i th i k l m n x o p r s s t y f ch ps o".replace("_", "\0").split(" "),
        strict=True,
    )
)
_LETTERS |= {"ß": "ss", "æ": "ae", "œ": "oe", "ø": "o", "ł": "l", "đ": "d", "ð": "d", "þ": "th", "ı": "i", "ħ": "h"}
_TABLE = str.maketrans(_LETTERS)


def fold(value: str) -> str:
    """Lower-case text without accents; Greek and Cyrillic in Latin letters, other scripts as they are.

    German umlauts lose their dots ("müller" -> "muller"): "mueller" is then one letter away, "muller" none.
    """
    plain = unicodedata.normalize("NFKD", value.casefold())
    kept = "".join(letter for letter in plain if not unicodedata.combining(letter))
    return kept.translate(_TABLE).replace("\0", "")


@compiled
def clean(text: Bytes, starts: Ints, mode: int) -> tuple[Bytes, Ints, Hashes]:
    """Every string cleaned by `mode`, and its 64-bit hash; the hash of an empty string is 0.

    Bytes above 127 are letters of another script and kept. Apostrophes join ("o'brien" -> "obrien").
    """
    size = len(starts) - 1
    out = np.empty(len(text) + 1, np.uint8)
    ends = np.zeros(size + 1, np.int64)
    hashes = np.zeros(size, np.uint64)
    at = 0
    for row in range(size):
        first = at
        gap = False
        mixed = np.uint64(14695981039346656037)
        for place in range(starts[row], starts[row + 1]):
            letter = text[place]
            if 65 <= letter <= 90:
                letter += np.uint8(32)
            digit = 48 <= letter <= 57
            alpha = 97 <= letter <= 122 or letter > 127
            if mode == DIGITS:
                keep = digit
            elif mode == EMAIL:
                keep = letter > 32
            else:
                keep = digit or alpha
            if keep:
                if gap and mode == WORDS and at > first:
                    out[at] = 32
                    at += 1
                    mixed = (mixed ^ np.uint64(32)) * np.uint64(1099511628211)
                gap = False
                out[at] = letter
                at += 1
                mixed = (mixed ^ np.uint64(letter)) * np.uint64(1099511628211)
            elif letter != 39 and letter != 96:
                gap = True
        ends[row + 1] = at
        if at > first:
            hashes[row] = finish(mixed)
    return out[:at].copy(), ends, hashes


@compiled
def finish(value: np.uint64) -> np.uint64:
    """Spread a hash over all 64 bits (splitmix64's finaliser); never 0."""
    value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    value = value ^ (value >> np.uint64(31))
    return value | np.uint64(1)


@compiled
def intern(hashes: Hashes) -> tuple[Codes, Ints]:
    """Codes of equal hashes in the order of first appearance (-1 for hash 0), and a row that holds each code."""
    size = 16
    while size < 2 * len(hashes):
        size *= 2
    slots = np.full(size, -1, np.int32)
    codes = np.full(len(hashes), -1, np.int32)
    sample = np.empty(len(hashes), np.int64)
    known = 0
    mask = np.uint64(size - 1)
    for row in range(len(hashes)):
        value = hashes[row]
        if value == 0:
            continue
        slot = (value >> np.uint64(20)) & mask
        while slots[slot] >= 0 and hashes[sample[slots[slot]]] != value:
            slot = (slot + np.uint64(1)) & mask
        if slots[slot] < 0:
            slots[slot] = known
            sample[known] = row
            known += 1
        codes[row] = slots[slot]
    return codes, sample[:known].copy()


@compiled
def take(text: Bytes, starts: Ints, rows: Ints) -> tuple[Bytes, Ints]:
    """The strings at these rows, as a new buffer."""
    ends = np.zeros(len(rows) + 1, np.int64)
    for place in range(len(rows)):
        ends[place + 1] = ends[place] + starts[rows[place] + 1] - starts[rows[place]]
    out = np.empty(ends[-1], np.uint8)
    for place in range(len(rows)):
        out[ends[place] : ends[place + 1]] = text[starts[rows[place]] : starts[rows[place] + 1]]
    return out, ends


@compiled
def hash_parts(text: Bytes, first: Ints, last: Ints) -> Hashes:
    """The hash of text[first[i]:last[i]] for every i; 0 where that is empty."""
    out = np.zeros(len(first), np.uint64)
    for row in range(len(first)):
        if last[row] <= first[row]:
            continue
        mixed = np.uint64(14695981039346656037)
        for place in range(first[row], last[row]):
            mixed = (mixed ^ np.uint64(text[place])) * np.uint64(1099511628211)
        out[row] = finish(mixed)
    return out


@compiled
def _consonant(letter: int, following: int) -> int:
    """The sound class of a letter: 0 vowel or silent, 1 lips, 2 throat and hiss, 3 teeth, 4 l, 5 m n, 6 r, 7 other."""
    if letter > 127 or 48 <= letter <= 57:
        return letter
    if letter in (98, 112, 102, 118):
        return 1
    if letter in (99, 103, 106, 107, 113, 115, 120, 122):
        return 0 if letter == 103 and following == 104 else 2
    if letter in (100, 116):
        return 3
    if letter == 108:
        return 4
    if letter in (109, 110):
        return 5
    if letter == 114:
        return 6
    return 0


@compiled
def sounds(text: Bytes, first: Ints, last: Ints) -> Hashes:
    """A phonetic hash of each part: class of the first letter, then the consonant classes, repeats merged.

    Like Soundex, but unlimited in length, blind to the spelling of the first sound (k/c/q, f/ph/v, i/j/y),
    to "h" and "w", and to repeats across vowels of the same class only when adjacent. 0 for an empty part.
    """
    out = np.zeros(len(first), np.uint64)
    for row in range(len(first)):
        if last[row] <= first[row]:
            continue
        mixed = np.uint64(1469598103934665603)
        before = -1
        for place in range(first[row], last[row]):
            letter = int(text[place])
            following = int(text[place + 1]) if place + 1 < last[row] else 0
            if letter == 112 and following == 104:
                letter = 102
            sound = _consonant(letter, following)
            if place == first[row] and sound == 0:
                sound = 8 if letter in (105, 106, 121) else (9 if letter in (119, 118) else 10)
            if sound not in (0, before):
                mixed = (mixed ^ np.uint64(sound)) * np.uint64(1099511628211)
            if letter not in (104, 119):
                before = sound
        out[row] = finish(mixed)
    return out


@compiled
def edits(text: Bytes, first: int, last: int, other: Bytes, start: int, stop: int, peq: Hashes) -> int:
    """Edit distance with transpositions (optimal string alignment) of two strings of at most 64 bytes.

    Longer strings are compared on their first 64 bytes. peq: 256 zeros, given back as zeros.

    Source: Hyyrö, "Bit-parallel approximate string matching algorithms with transposition", 2003.
    """
    length = min(last - first, 64)
    wide = min(stop - start, 64)
    if length == 0 or wide == 0:
        return max(length, wide)
    for place in range(length):
        peq[text[first + place]] |= np.uint64(1) << np.uint64(place)
    one = np.uint64(1)
    top = one << np.uint64(length - 1)
    plus, minus, diagonal, before = ~np.uint64(0), np.uint64(0), np.uint64(0), np.uint64(0)
    distance = length
    for place in range(wide):
        here = peq[other[start + place]]
        swapped = (((~diagonal) & here) << one) & before
        diagonal = ((((here & plus) + plus) ^ plus) | here | minus) | swapped
        up = minus | ~(diagonal | plus)
        down = diagonal & plus
        if up & top:
            distance += 1
        if down & top:
            distance -= 1
        up = (up << one) | one
        down = down << one
        plus = down | ~(diagonal | up)
        minus = up & diagonal
        before = here
    for place in range(length):
        peq[text[first + place]] = 0
    return distance


@compiled
def signatures(text: Bytes, first: Ints, last: Ints, numbers: bool) -> Hashes:
    """The letters and digits of each part as a set of bits: a cheap lower bound of the edit distance (`beyond`).

    One bit a letter, another where it occurs twice or more; one a digit, and two for anything else. numbers: the parts
    hold digits alone; a digit has up to six bits then, by how often it occurs. Bytes beyond the 64th count for nothing.
    """
    out = np.zeros(len(first), np.uint64)
    for row in range(len(first)):
        bits = np.uint64(0)
        for place in range(first[row], min(last[row], first[row] + 64)):
            letter = text[place]
            if 97 <= letter <= 122:
                at, most = 2 * (letter - 97), 2
            elif 48 <= letter <= 57:
                at, most = (6 * (letter - 48), 6) if numbers else (52 + letter - 48, 1)
            else:
                at, most = 62, 2
            for step in range(most):
                bit = np.uint64(1) << np.uint64(at + step)
                if not bits & bit:
                    bits |= bit
                    break
        out[row] = bits
    return out


@compiled
def _ones(bits: np.uint64) -> int:
    """How many bits are set (the processor's own instruction, which the compiler recognises in this form)."""
    bits -= (bits >> np.uint64(1)) & np.uint64(0x5555555555555555)
    bits = (bits & np.uint64(0x3333333333333333)) + ((bits >> np.uint64(2)) & np.uint64(0x3333333333333333))
    bits = (bits + (bits >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int((bits * np.uint64(0x0101010101010101)) >> np.uint64(56))


@compiled
def beyond(one: np.uint64, other: np.uint64, most: int) -> bool:
    """Whether two values cannot be within `most` edits, by their `signatures`; False leaves it open.

    An edit adds at most one letter and takes away at most one.
    """
    return _ones(one & ~other) > most or _ones(other & ~one) > most


@compiled
def contains(text: Bytes, first: int, last: int, other: Bytes, start: int, stop: int) -> bool:
    """Whether text[first:last] holds other[start:stop]."""
    length = stop - start
    for place in range(first, last - length + 1):
        same = True
        for step in range(length):
            if text[place + step] != other[start + step]:
                same = False
                break
        if same:
            return True
    return False
