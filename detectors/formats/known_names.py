"""Names of persons that are known: in the US census of 1990, or in the column itself."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterable
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

from rapidfuzz.distance import OSA, Indel

WORDS = re.compile(r"[^\W_]+")
"""Words of a name, in which a digit may stand for a letter ("Pau1")."""
WOMEN, MEN = "dist.female.first", "dist.male.first"
"""The tables of given names of the census."""
_IN_COLUMN = 2
"""Other rows with a name that make it a name."""
_UNSPELT = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe"})


@dataclass(frozen=True, slots=True)
class KnownNames:
    """Whom a column and a census know.

    rows: folded name -> rows; spelled: folded name -> spelling -> rows; census: more names, folded.
    """

    rows: Counter[str]
    spelled: dict[str, Counter[str]]
    census: Collection[str]

    @classmethod
    def of(cls, column: Iterable[tuple[str, int]], census: Collection[str]) -> KnownNames:
        """column: distinct texts and the rows of each; census: folded names."""
        rows: Counter[str] = Counter()
        spelled: dict[str, Counter[str]] = {}
        for text, count in column:
            for word in WORDS.findall(text):
                rows[folded(word)] += count
                if not word.isupper() and not word.islower():
                    spelled.setdefault(folded(word), Counter())[word] += count
        return cls(rows, spelled, census)

    def has(self, name: str, *, own: int = 0) -> bool:
        """Whether it is a name; own: rows that are themselves in question."""
        return name in self.census or self.rows[name] - own >= _IN_COLUMN

    def write(self, name: str, typed: str) -> str:
        """A folded name as the column writes it, else with the accents of what was typed; in its capitals."""
        found = self.spelled.get(name, Counter())
        fallback = _accented(name, typed)
        nearest = min(found, key=lambda word: (OSA.distance(word, typed), -found[word], word), default=fallback)
        return nearest.upper() if typed.isupper() else nearest


def _accented(name: str, typed: str) -> str:
    """The folded name with the letters that were typed wherever the two agree: "stepien", "Syępień" -> "Stępień"."""
    plain = folded(typed)
    if len(plain) != len(typed):
        return name.capitalize()
    parts = (
        typed[one.src_start : one.src_end] if one.tag == "equal" else name[one.dest_start : one.dest_end]
        for one in Indel.opcodes(plain, name)
    )
    written = "".join(parts)
    return written[:1].upper() + written[1:]


@lru_cache(maxsize=262_144)
def folded(word: str) -> str:
    """Small letters without accents: "Łukasz" -> "lukasz"."""
    plain = unicodedata.normalize("NFKD", word.casefold().translate(_UNSPELT))
    return "".join(letter for letter in plain if letter.isalpha())


@cache
def given_names() -> frozenset[str]:
    """The 5,494 given names of the US census of 1990."""
    return frozenset(name.casefold() for file in (WOMEN, MEN) for name in census(file))


@cache
def surnames() -> frozenset[str]:
    """The 88,799 family names of the same."""
    return frozenset(name.casefold() for name in census("dist.all.last"))


def census(file: str) -> dict[str, float]:
    """Name in upper case -> per cent of the people that a table of the census (such as WOMEN) is about."""
    lines = resources.files("names").joinpath(file).read_text(encoding="ascii").splitlines()
    return {cells[0]: float(cells[1]) for cells in map(str.split, lines) if len(cells) == 4}
