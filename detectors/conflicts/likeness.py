"""How near is one text to another, and what shape has a text?"""

from __future__ import annotations

import re
from collections import Counter
from functools import lru_cache

from rapidfuzz.distance import OSA

SAME, SLIP, NEAR, SHAPED, DIGITS, FAR = 5, 4, 3, 2, 1, 0
"""Levels of likeness: the same but for case; one slip; several letters; same length, much changed; other digits only;
unlike. Numbers of one kind are near each other by nature, so other digits are hardly a sign of a slip."""


_DIGITS = re.compile(r"\d")


@lru_cache(maxsize=262_144)
def likeness(one: str, other: str) -> int:
    """The level of likeness of two different texts, by optimal string alignment."""
    if one.casefold() == other.casefold():
        return SAME
    longest = max(len(one), len(other))
    if longest > 2000 or abs(len(one) - len(other)) > 0.5 * longest:
        return FAR
    if _has_more_words(one, other) or _has_more_words(other, one):
        return FAR
    distance = OSA.distance(one, other, score_cutoff=longest // 2 + 1)
    if _DIGITS.sub("9", one) == _DIGITS.sub("9", other):
        return DIGITS if distance <= max(1.0, 0.34 * longest) else FAR
    if distance <= max(1.0, 0.15 * longest) and longest >= 3:
        return SLIP
    if distance <= 0.34 * longest:
        return NEAR
    if len(one) == len(other) and distance <= 0.5 * longest:
        return SHAPED
    return FAR


def _has_more_words(one: str, other: str) -> bool:
    """Whether one is the other with whole words more: "Oak Heights" is no slip of "Oak", slips fall inside words."""
    words, fewer = one.split(), other.split()
    if len(words) <= len(fewer):
        return False
    left = Counter(words) - Counter(fewer)
    return left.total() == len(words) - len(fewer)


def has_another_word(one: str, other: str) -> bool:
    """Whether a word of one is quite another in the other: "South Alabama" is no slip of "South Florida".

    Compared only where both have as many words.
    """
    words, others = one.split(), other.split()
    if len(words) != len(others) or len(words) < 2:
        return False
    return any(
        OSA.distance(word, another) > max(2, max(len(word), len(another)) // 2)
        for word, another in zip(words, others, strict=True)
        if word != another
    )


_RUNS = ((re.compile(r"[^\W\d_]+"), "a"), (re.compile(r"\d+"), "9"), (re.compile(r"\s+"), " "))


@lru_cache(maxsize=262_144)
def shape(text: str) -> str:
    """Runs of letters as "a", of digits as "9": "al_ami-7a" -> "a_a-9a"."""
    for pattern, sign in _RUNS:
        text = pattern.sub(sign, text)
    return text[:60]
