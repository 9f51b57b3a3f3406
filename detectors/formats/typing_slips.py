"""Slips of the fingers: neighbours exchanged, a letter twice or left out, the key beside it, a digit for a letter.

Other changes of a letter are no slips but other words: "Marcin", "Martin".
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache

_KEYS = ("qwertyuiop", "asdfghjkl", "zxcvbnm")
_KEY_WIDTH = 1.2
"""How far apart two keys may be that one finger hits for the other, in keys along a row."""
_LOOKS = {"o": "0", "l": "1", "i": "1", "s": "5"}


def meanings(words: Iterable[str]) -> dict[str, str]:
    """Every slip of these words (small letters) -> the word, where it can be a slip of one only."""
    meant: dict[str, str] = {}
    for word in words:
        for slip in set(slips_of(word)):
            meant[slip] = "" if slip in meant else word
    return {slip: word for slip, word in meant.items() if word}


def slips_of(word: str) -> Iterator[str]:
    """What one slip makes of a word in small letters; some more than once."""
    for at, letter in enumerate(word):
        before, behind = word[:at], word[at + 1 :]
        yield before + letter + letter + behind
        if at + 1 < len(word) and letter != word[at + 1]:
            yield before + word[at + 1] + letter + word[at + 2 :]
        if 0 < at < len(word) - 1 and word[at - 1] != letter:  # "Ana", "Anna" are two names
            yield before + behind
        for other in (*_beside(letter), *_LOOKS.get(letter, "")):
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
