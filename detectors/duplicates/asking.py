"""One record read as a run reads whole columns: the same cleaned values, parts and hashes, within microseconds.

A run cleans a column at a time with compiled kernels, whose calls alone would cost a single record a millisecond.
Here the texts of a record are cut in Python and hashed by one call. `tests/detectors/duplicates/test_resident.py` holds
both ways against each other.
"""

from __future__ import annotations

import re

import numpy as np

from detectors.duplicates import text as kernels
from detectors.duplicates.encoding import NAMES_TOO
from detectors.duplicates.text import ALNUM, DIGITS, EMAIL, WORDS
from detectors.missing_values import PLACEHOLDERS

MASK = 0xFFFFFFFFFFFFFFFF
MIXED = 0x9E3779B97F4A7C15

_NOT_WORDS, _NOT_DIGITS = re.compile(rb"[^0-9a-z\x80-\xff]+"), re.compile(rb"[^0-9]+")
_HOST = re.compile(r"^(https?:/*)?(www\.)?")
_ENDS = b"0123456789"


def clean(cell: object, mode: int) -> bytes:
    """A cell cleaned as by `text.clean`; empty if it holds no value, or a placeholder."""
    if not isinstance(cell, str):
        return b""
    whole = (cell if cell.isascii() else kernels.fold(cell)).encode()
    cleaned = _cleaned(whole, mode)
    return b"" if cleaned in _PLACEHOLDERS[mode] else cleaned


def _cleaned(whole: bytes, mode: int) -> bytes:
    whole = whole.lower()
    if mode == WORDS:
        return _NOT_WORDS.sub(b" ", whole.translate(None, b"'`")).strip(b" ")
    if mode == ALNUM:
        return _NOT_WORDS.sub(b"", whole)
    if mode == DIGITS:
        return _NOT_DIGITS.sub(b"", whole)
    return bytes(letter for letter in whole if letter > 32)


_CLEANED = {
    mode: {_cleaned(kernels.fold(word).encode(), mode) for word in PLACEHOLDERS}
    for mode in (WORDS, ALNUM, DIGITS, EMAIL)
}
_PLACEHOLDERS = {
    mode: frozenset(word for word in words if word.decode("utf-8", "replace") not in NAMES_TOO)
    for mode, words in _CLEANED.items()
}


def phone(cell: object) -> bytes:
    """The last nine digits of a telephone number of at least five."""
    digits = clean(cell, DIGITS)
    return digits[-9:] if len(digits) >= 5 else b""


def host(cell: object) -> bytes:
    """The host of a web address."""
    whole = clean(cell, EMAIL)
    return _HOST.sub("", whole.decode("utf-8", "replace")).split("/")[0].encode() if whole else b""


def house_and_street(line: bytes) -> tuple[bytes, bytes]:
    """The house number of a cleaned address line, and the rest of it."""
    words = line.split()
    for place, word in enumerate(words):
        if word[:1] in _DIGIT or word[-1:] in _DIGIT:
            last = len(word)
            while word[last - 1] not in _ENDS:
                last -= 1
            return word[:last], b" ".join(words[:place] + words[place + 1 :])
    return b"", line


_DIGIT = frozenset(bytes([digit]) for digit in _ENDS)


def number(cell: object) -> float:
    """A number; NaN if it is none."""
    if not isinstance(cell, str):
        return float("nan")
    try:
        value = float(cell)
    except ValueError:
        return float("nan")
    return value if "_" not in cell and np.isfinite(value) else float("nan")


def hashed(value: int) -> int:
    """The hash of a whole number, as features of dates and ages have it."""
    mixed = (value + 11) * MIXED & MASK
    mixed ^= mixed >> 31
    return mixed * 0xBF58476D1CE4E5B9 & MASK | 1


def combined(*hashes: int) -> int:
    """One hash of several; 0 if any of them is missing (as `spread.combine`)."""
    mixed = 1469598103934665603
    for one in hashes:
        if not one:
            return 0
        mixed = (mixed ^ one) * MIXED & MASK
        mixed ^= mixed >> 29
    return mixed | 1


class Pad:
    """The texts of one record, hashed by one call. A text is named by its place; -1 is the empty one.

    signs: their signatures, and those among columns that hold digits alone.
    """

    def __init__(self) -> None:
        self.texts: list[bytes] = []
        self.hashes: list[int] = []
        self.sounds: list[int] = []
        self.signs: tuple[list[int], list[int]] = [], []

    def add(self, text: bytes) -> int:
        """Note a text; its place."""
        if not text:
            return -1
        self.texts.append(text)
        return len(self.texts) - 1

    def close(self) -> None:
        """Hash all texts, and their sounds."""
        starts = np.zeros(len(self.texts) + 1, np.int64)
        np.cumsum([len(text) for text in self.texts], out=starts[1:])
        whole = np.frombuffer(b"".join(self.texts) or b"\0", np.uint8)
        firsts, lasts = starts[:-1], starts[1:]
        self.hashes = [*kernels.hash_parts(whole, firsts, lasts).tolist(), 0]
        self.sounds = [*kernels.sounds(whole, firsts, lasts).tolist(), 0]
        self.signs = (
            [*kernels.signatures(whole, firsts, lasts, False).tolist(), 0],
            [*kernels.signatures(whole, firsts, lasts, True).tolist(), 0],
        )

    def text(self, place: int) -> bytes:
        """The text at a place."""
        return self.texts[place] if place >= 0 else b""
