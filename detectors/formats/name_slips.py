"""Given names that nobody has, one slip of the fingers from one that many have: "Christopehr", "Josjua".

Not every letter counts as a slip: neighbours exchanged, a letter typed twice, one left out, or the key beside it.
"Marcin" is one letter from "Martin" and no slip of it; of 457 given names of physicians that stand once and in no
census, one ("Andreea") is taken for a slip.
"""

from __future__ import annotations

from collections.abc import Iterator
from functools import lru_cache

from detectors.formats.column import Column, Remark, Remarks
from detectors.formats.known_names import KnownNames, folded, given_names

_COMMON, _SHORTEST = 8, 5
"""Rows and letters of a name from which on another is taken for a slip of it."""
_SCORE = 0.75
_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_KEY_WIDTH = 1.2
"""How far apart two keys may be that one finger hits for the other, in keys along a row."""


def slips(column: Column) -> Remarks:
    """Names in one row and no census that are one slip from a single common one."""
    texts = list(zip(column.values, column.counts.tolist(), strict=True))
    known = KnownNames.of(texts, given_names())
    meant: dict[str, set[str]] = {}
    for name, rows in known.rows.items():
        if rows >= _COMMON and len(name) >= _SHORTEST:
            for slip in set(_slips_of(name)):
                meant.setdefault(slip, set()).add(name)
    found = {}
    for position, (value, rows) in enumerate(texts):
        name = folded(value)
        names = meant.get(name, set())
        if rows == 1 and len(names) == 1 and value.isalpha() and not known.has(name, own=1):
            (right,) = names
            why = f"{known.rows[right]} rows have {known.write(right, value)}, this one alone {value}."
            found[position] = Remark("name-slip", _SCORE, why, known.write(right, value))
    return found


def _slips_of(name: str) -> Iterator[str]:
    for at, letter in enumerate(name):
        before, behind = name[:at], name[at + 1 :]
        yield before + letter + letter + behind
        if at + 1 < len(name) and letter != name[at + 1]:
            yield before + name[at + 1] + letter + name[at + 2 :]
        if 0 < at < len(name) - 1 and name[at - 1] != letter:  # "Ana", "Anna" are two names
            yield before + behind
        for other in _beside(letter):
            yield before + other + behind


@lru_cache(maxsize=64)
def _beside(letter: str) -> tuple[str, ...]:
    """The letters whose keys lie beside this one's on an English keyboard."""
    places = {key: (row, at + row / 2) for row, keys in enumerate(_KEYS) for at, key in enumerate(keys)}
    if letter not in places:
        return ()
    row, at = places[letter]
    return tuple(
        key
        for key, (other_row, other_at) in places.items()
        if key != letter and abs(other_row - row) <= 1 and abs(other_at - at) <= _KEY_WIDTH
    )
