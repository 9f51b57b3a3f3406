"""Misspelt street types: STRET, CIRLCE, BOULVARD, PRKWY.

Only the word where a type stands is looked at (the last before a unit or directional), never a name: a word the table
of places knows, or one that comes up again and again in the batch, is taken for a name.
"""

from __future__ import annotations

import math
import re
from collections.abc import Collection
from dataclasses import dataclass
from functools import cache, lru_cache

from rapidfuzz.distance import OSA

from detectors.addresses.calibration import Calibration
from detectors.addresses.standardising import (
    STREET_TYPES,
    directional_words,
    like,
    plain,
    street_type_words,
    unit_words,
)

_WORD = re.compile(r"[^\s,;]+")
_USUAL = frozenset(
    word
    for short in (
        "ST",
        "AVE",
        "RD",
        "DR",
        "BLVD",
        "LN",
        "CT",
        "HWY",
        "PKWY",
        "CIR",
        "PL",
        "TER",
        "WAY",
        "TRL",
        "SQ",
        "PLZ",
    )
    for word in (short, *STREET_TYPES[short][:1])
)


@dataclass(frozen=True, slots=True)
class StreetCorrection:
    """A street line with its type put right; raw: posterior before calibration; given, proper: the two words."""

    value: str
    raw: float
    given: str
    proper: str


def probability(mended: StreetCorrection, calibration: Calibration) -> float:
    """The calibrated probability; below even odds at most the raw posterior.

    Composed names resemble street types less than real ones do (COTNER, CONNORS), so the curve is trusted upward only
    where the model itself is for the correction.
    """
    calibrated = calibration("street", mended.raw)
    return calibrated if mended.raw >= 0.5 else min(calibrated, mended.raw)


def correct_street(text: str, names: Collection[str]) -> StreetCorrection | None:
    """The line with its misspelt street type mended; None if there is nothing to mend.

    names: words in upper case that are names, not misspelt types.
    """
    words = list(_WORD.finditer(text[:200]))
    at = _type_position([plain(word.group()).strip(".") for word in words])
    if at is None:
        return None
    given = words[at].group().strip(".")
    if plain(given) in names:
        return None
    proper, raw = _mended(plain(given))
    if not proper:
        return None
    proper = like(proper.title(), words[at - 1].group() if given.islower() else given)  # "ircle" lost its capital
    start = words[at].start() + words[at].group().index(given)
    return StreetCorrection(text[:start] + proper + text[start + len(given) :], raw, given, proper)


def _type_position(words: list[str]) -> int | None:
    """Where the street type of a numbered street line should stand; None if a known type stands there already."""
    if len(words) < 3 or not any(mark.isdigit() for mark in words[0]):
        return None
    units, ways, types = unit_words(), directional_words(), street_type_words()
    end = next((at for at in range(2, len(words)) if words[at] in units or words[at].startswith("#")), len(words))
    at = end - 1
    while at > 1 and (words[at] in ways or any(mark.isdigit() for mark in words[at])):
        at -= 1
    if at < 2 or any(word in types for word in words[1 : at + 1]) or len(words[at]) < 3 or not words[at].isalpha():
        return None
    return at


@lru_cache(maxsize=50_000)
def _mended(word: str) -> tuple[str, float]:
    """(the type most likely meant or "", its posterior): each type mistyped, against a street's name without a type."""
    for way in directional_words():
        if word.startswith(way) and word[len(way) :] in _USUAL:
            return f"{way} {word[len(way) :]}", 0.999
    weights: dict[str, float] = {}
    for proper, short in street_type_words().items():
        edits = OSA.distance(word, proper, score_cutoff=2)
        if edits > (0 if len(proper) < 3 else 1 if len(word) < 6 else 2):
            continue
        usual = 0.1 if proper in _USUAL else 0.001
        spelled = 1.0 if proper in {short, *_written_out()} else 0.1
        weights[proper] = usual * spelled * 0.01 * (0.05 / (50 * len(proper))) ** (edits - 1) / (50 * len(proper))
    if not weights:
        return "", 0.0
    best = max(weights, key=lambda proper: weights[proper])
    short = street_type_words()[best]
    same = sum(weight for proper, weight in weights.items() if street_type_words()[proper] == short)
    name = 0.05 * math.exp(-2.2 * len(word))
    return best, same / (sum(weights.values()) + name)


@cache
def _written_out() -> frozenset[str]:
    return frozenset(longs[0] for longs in STREET_TYPES.values() if longs)
