"""Names held against the person's own e-mail address: "Partick" of patrick.jones@... is Patrick.

An address is typed once and then proves itself with every mail that arrives; a name may stay wrong for years. So where
a name is known to nobody (neither the census nor the column has it) and one slip away from what the address says, the
address is believed.

Source of the slip's measure: optimal string alignment, an insertion, loss, change or exchange of neighbours being one.
"""

from __future__ import annotations

import re
import unicodedata
from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from functools import cache, lru_cache
from importlib import resources

import pandas as pd
from rapidfuzz.distance import OSA

_PARTS = re.compile(r"[._\-+]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_WORDS = re.compile(r"[^\W_]+")
"""Words of a name, in which a digit may stand for a letter ("Pau1")."""
_SHORTEST = 4
"""Letters from which on a part of an address is a name, and no initials."""
_LONG, _SLIPS = 8, 2
"""Letters of a name that may hold two slips; a shorter one holds one."""
_IN_COLUMN = 2
"""Other rows with a name that make it a name."""
_UNSPELT = str.maketrans({"ł": "l", "ø": "o", "đ": "d", "ı": "i", "ß": "ss", "æ": "ae", "œ": "oe"})
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_SURE, _LIKELY = 0.93, 0.65


@dataclass(frozen=True, slots=True)
class Misspelt:
    """A name in a row: whether it is the given one, what it should be, how surely, and why."""

    row: int
    is_given: bool
    value: str
    score: float
    detail: str


def misspelt(given: pd.Series, family: pd.Series, emails: pd.Series) -> Iterator[Misspelt]:
    """Names one slip away from what the row's e-mail address says, by position.

    0.93 where the address's form is a name that the census or two other rows have, 0.65 where nobody has either.
    """
    known = {True: _Known.of(given, _given_names()), False: _Known.of(family, _surnames())}
    for row, (first, last, email) in enumerate(zip(given.tolist(), family.tolist(), emails.tolist(), strict=True)):
        if not isinstance(email, str) or "@" not in email:
            continue
        names = first if isinstance(first, str) else "", last if isinstance(last, str) else ""
        said = _said(email.partition("@")[0].strip())
        for is_given, name, other in ((True, *names), (False, *names[::-1])):
            found = _mended(name, _of_this_name(said, other, is_given), known[is_given]) if name else None
            if found:
                value, sure = found
                detail = f"The e-mail address says {value}" + (", and others are called so." if sure else ".")
                yield Misspelt(row, is_given, value, _SURE if sure else _LIKELY, detail)


@dataclass(frozen=True, slots=True)
class _Known:
    """The names of a column. rows: folded -> rows; spelled: folded -> spelling -> rows; census: more names."""

    rows: Counter[str]
    spelled: dict[str, Counter[str]]
    census: Collection[str]

    @classmethod
    def of(cls, column: pd.Series, census: Collection[str]) -> _Known:
        rows: Counter[str] = Counter()
        spelled: dict[str, Counter[str]] = {}
        for text, count in column.dropna().astype(str).value_counts().items():
            for word in _WORDS.findall(str(text)):
                rows[_folded(word)] += int(count)
                if not word.isupper() and not word.islower():
                    spelled.setdefault(_folded(word), Counter())[word] += int(count)
        return cls(rows, spelled, census)

    def has(self, name: str, *, own: int = 0) -> bool:
        """Whether it is a name; own: rows that are themselves in question."""
        return name in self.census or self.rows[name] - own >= _IN_COLUMN

    def write(self, name: str, typed: str) -> str:
        """A folded name as the column writes it, with the accents and the capitals of what was typed."""
        found = self.spelled.get(name, Counter())
        nearest = min(
            found, key=lambda word: (OSA.distance(word, typed), -found[word], word), default=name.capitalize()
        )
        return nearest.upper() if typed.isupper() else nearest


def _mended(name: str, said: Sequence[str], known: _Known) -> tuple[str, bool] | None:
    """The name with its one misspelt word mended, and whether what it becomes is known; None where nothing is wrong."""
    words = _WORDS.findall(name)
    forms = {form for word in words for form in (_folded(word), _folded(word.casefold().translate(_UMLAUTS)))}
    if not said or forms & set(said):
        return None
    for word in words:
        own = _folded(word)
        if len(own) < _SHORTEST - 1 or known.has(own, own=1):
            continue
        near = [part for part in said if _is_slip(own, part)]
        if near:
            part = min(near, key=lambda part: (not known.has(part), OSA.distance(own, part), len(part)))
            sure = known.has(part)
            if sure or not (own in part or part in own):  # else a short form, or an initial beside it
                return name.replace(word, known.write(part, word), 1), sure
    return None


def _is_slip(own: str, part: str) -> bool:
    allowed = _SLIPS if min(len(part), len(own)) >= _LONG else 1
    return 0 < OSA.distance(own, part, score_cutoff=allowed) <= allowed


def _said(local: str) -> list[str]:
    """The parts of an address before the @ that may be names, without digits, folded."""
    parts = (_folded("".join(_LETTERS.findall(part))) for part in _PARTS.split(local.partition("+")[0]))
    return [part for part in parts if len(part) >= _SHORTEST]


def _of_this_name(said: Sequence[str], other: str, is_given: bool) -> list[str]:
    """What the parts say of the given (family) name: as they stand, and without the other name or its initial."""
    found = list(said)
    rest = _folded("".join(_LETTERS.findall(other)))
    for part in said:
        if is_given:
            found += [part.removesuffix(rest)] if len(rest) >= _SHORTEST and part.endswith(rest) else []
            found += [part[:-1]] if rest and part.endswith(rest[0]) else []
        else:
            found += [part.removeprefix(rest)] if len(rest) >= _SHORTEST and part.startswith(rest) else []
            found += [part[1:]] if rest and part.startswith(rest[0]) else []
    return [part for part in dict.fromkeys(found) if len(part) >= _SHORTEST and part != rest]


@lru_cache(maxsize=262_144)
def _folded(word: str) -> str:
    """Small letters without accents: "Łukasz" -> "lukasz"."""
    plain = unicodedata.normalize("NFKD", word.casefold().translate(_UNSPELT))
    return "".join(letter for letter in plain if letter.isalpha())


@cache
def _given_names() -> frozenset[str]:
    """The 5,494 given names of the US census of 1990."""
    return _listed("dist.female.first") | _listed("dist.male.first")


@cache
def _surnames() -> frozenset[str]:
    """The 88,799 family names of the same."""
    return _listed("dist.all.last")


def _listed(file: str) -> frozenset[str]:
    lines = resources.files("names").joinpath(file).read_text(encoding="ascii").splitlines()
    return frozenset(line.split()[0].casefold() for line in lines if line.split())
