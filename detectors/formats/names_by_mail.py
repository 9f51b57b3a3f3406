"""Names held against the person's own e-mail address: "Partick" of patrick.jones@... is Patrick.

An address is typed once and then proves itself with every mail that arrives; a name may stay wrong for years. So where
a name is known to nobody (neither the census nor the column has it) and one slip away from what the address says, the
address is believed.

Source of the slip's measure: optimal string alignment, an insertion, loss, change or exchange of neighbours being one.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd
from rapidfuzz.distance import OSA

from detectors.formats.known_names import WORDS, KnownNames, folded, given_names, surnames

_PARTS = re.compile(r"[._\-+]+")
_LETTERS = re.compile(r"[^\W\d_]+")
_SHORTEST = 4
"""Letters from which on a part of an address is a name, and no initials."""
_LONG, _SLIPS = 8, 2
"""Letters of a name that may hold two slips; a shorter one holds one."""
_UMLAUTS = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "å": "aa", "ø": "oe"})
_SURE, _LIKELY = 0.93, 0.65
_ENOUGH, _CUSTOM = 20, 0.9
"""Addresses that tell the order of names, and the share that must tell the same, for the column to have a custom."""


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
    known = {True: KnownNames.of(_counted(given), given_names()), False: KnownNames.of(_counted(family), surnames())}
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


def orders(given: pd.Series, family: pd.Series, emails: pd.Series) -> npt.NDArray[np.int8]:
    """Whether each e-mail address has its row's names as they stand (1), the other way round (-1), or tells not (0).

    "robert.ashwood@" and "rashwood@" put the given name first; where most addresses of the column put it last, that is
    how they are read. All 0 where the column has no clear custom.
    """
    cells = zip(given.tolist(), family.tolist(), emails.tolist(), strict=True)
    told = np.fromiter((_order(*row) for row in cells), np.int8, count=len(emails))
    first, last = int((told > 0).sum()), int((told < 0).sum())
    if first + last < _ENOUGH or max(first, last) < _CUSTOM * (first + last):
        return np.zeros_like(told)
    return told if first > last else -told


def _order(given: object, family: object, email: object) -> int:
    if not (isinstance(given, str) and isinstance(family, str) and isinstance(email, str)) or "@" not in email:
        return 0
    one = [folded(word) for word in WORDS.findall(given)]
    two = [folded(word) for word in WORDS.findall(family)]
    parts = _parts(email.partition("@")[0])
    if not one or not two or set(one) & set(two) or not parts[0]:
        return 0
    return int(_begins(parts, one, two)) - int(_begins(parts, two, one))


def _begins(parts: Sequence[str], first: Sequence[str], then: Sequence[str]) -> bool:
    """Whether an address is made of one of the first names and one of the others, or of one and the other's initial."""
    if len(parts) > 1:
        return parts[0] in first and parts[1] in then
    (whole,) = parts
    return (whole[0] == first[0][:1] and whole[1:] in then) or (whole[-1] == then[0][:1] and whole[:-1] in first)


def confirms(email: object, name: str) -> bool:
    """Whether an e-mail address holds the name as it stands: it is rare then, and no slip."""
    return isinstance(email, str) and folded(name) in _letters(email.partition("@")[0])


def _counted(column: pd.Series) -> Iterator[tuple[str, int]]:
    for text, count in column.dropna().astype(str).value_counts().items():
        yield str(text), int(count)


def _mended(name: str, said: Sequence[str], known: KnownNames) -> tuple[str, bool] | None:
    """The name with its one misspelt word mended, and whether what it becomes is known; None where nothing is wrong."""
    words = WORDS.findall(name)
    forms = {form for word in words for form in (folded(word), folded(word.casefold().translate(_UMLAUTS)))}
    if not said or forms & set(said):
        return None
    for word in words:
        own = folded(word)
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
    return [part for part in _parts(local.partition("+")[0]) if len(part) >= _SHORTEST]


def _parts(local: str) -> list[str]:
    return [_letters(part) for part in _PARTS.split(local)]


def _letters(text: str) -> str:
    """The letters of a text, folded."""
    return folded("".join(_LETTERS.findall(text)))


def _of_this_name(said: Sequence[str], other: str, is_given: bool) -> list[str]:
    """What the parts say of the given (family) name: as they stand, and without the other name or its initial."""
    found = list(said)
    rest = _letters(other)
    for part in said:
        if is_given:
            found += [part.removesuffix(rest)] if len(rest) >= _SHORTEST and part.endswith(rest) else []
            found += [part[:-1]] if rest and part.endswith(rest[0]) else []
        else:
            found += [part.removeprefix(rest)] if len(rest) >= _SHORTEST and part.startswith(rest) else []
            found += [part[1:]] if rest and part.startswith(rest[0]) else []
    return [part for part in dict.fromkeys(found) if len(part) >= _SHORTEST and part != rest]
