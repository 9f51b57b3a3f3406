"""Names of people and companies: case, swapped given and family name, turned order, legal forms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import numpy as np
import pandas as pd

from detectors.formats.column import Column, Remark, Remarks, distinct
from detectors.roles import Role

_SMALL = "de da di du des del della dos das van von der den ten ter zu zur la le el al bin ibn y e af av"
_PARTICLES = frozenset(_SMALL.split())
_MC = re.compile(r"\b(Mc)([a-z])")
_WORD = re.compile(r"[^\W\d_]+")
_ODD = re.compile(r"[\d@#$%^*=<>{}\[\]|\\~]")
_FULL = re.compile(r"([^,\d@]{2,40}), ([^,\d@]{2,40})")
_LEGAL = re.compile(r"(?:jr|sr|ii|iii|iv|md|phd|esq|inc|llc|ltd)\.?", re.IGNORECASE)

_FORMS = {
    "inc": "incorporated", "incorporated": "incorporated", "corp": "corporation",
    "corporation": "corporation", "ltd": "limited", "limited": "limited", "llc": "llc", "llp": "llp",
    "plc": "plc", "lp": "lp", "co": "company", "company": "company", "gmbh": "gmbh", "ag": "ag", "kg": "kg",
    "ohg": "ohg", "ug": "ug", "se": "se", "sa": "sa", "sas": "sas", "sarl": "sarl", "srl": "srl",
    "spa": "spa", "bv": "bv", "nv": "nv", "ab": "ab", "as": "as", "oy": "oy", "aps": "aps", "kk": "kk",
    "pty": "pty", "sl": "sl", "kft": "kft", "sro": "sro", "doo": "doo",
}  # fmt: skip
_SUFFIX = re.compile(r"(?P<stem>.*[^\s,])(?P<gap>\s*,\s*|\s+)(?P<form>[A-Za-z][A-Za-z. ]{0,12}[A-Za-z]\.?)")

_MIXED = 0.5
"""Share of rows in mixed case from which on a column's capitals or small letters are slips, not a choice."""


def proper_case(text: str) -> str:
    """ "mARY o'brien-mcKAY" -> "Mary O'Brien-McKay"; particles inside a name ("van der") small."""
    words = _WORD.sub(lambda match: match.group()[:1].upper() + match.group()[1:].lower(), text)
    words = re.sub(r"(?<=[^\W\d_]{2})(['’])S\b", r"\1s", _MC.sub(lambda match: match[1] + match[2].upper(), words))
    first, *rest = words.split(" ")
    return " ".join([first, *(word.lower() if word.lower() in _PARTICLES else word for word in rest)])


def _is_mixed(text: str) -> bool:
    return not text.isupper() and not text.islower()


def is_valid(text: str) -> bool:
    """Whether a person's name holds letters and none of the signs that names never have."""
    return bool(_WORD.search(text)) and not _ODD.search(text)


def person_remarks(column: Column) -> Remarks:
    """Case slips in a column of mixed case, "Family, Given" turned round, signs that no name has."""
    mixed = column.share(_is_mixed)
    found = {}
    for position, value in enumerate(column.values):
        remark = _person_remark(value, column.role, mixed)
        if remark is not None:
            found[position] = remark
    return found


def _person_remark(value: str, role: Role, mixed: float) -> Remark | None:
    if not is_valid(value):
        return Remark("name-odd", 0.7, f'"{value[:80]}" holds signs that names do not have.')
    turned = _FULL.fullmatch(value) if role is Role.NAME else None
    if turned and not _LEGAL.fullmatch(turned[2]):
        proposed = f"{turned[2]} {turned[1]}"
        if mixed >= _MIXED and not _is_mixed(proposed):
            proposed = proper_case(proposed)
        return Remark("name-order", 0.75, "Family name first, behind it a comma.", proposed)
    if (
        mixed < _MIXED
        or _is_mixed(value)
        or len(value) < 3
        or not any(letter.lower() != letter.upper() for letter in value)
    ):
        return None
    proposed = proper_case(value)
    if proposed == value:
        return None
    if value.isupper() and len(value) < 4:
        return Remark("name-case", 0.4, "Capitals only; perhaps initials.", proposed)
    return Remark(
        "name-case",
        0.6 + 0.35 * mixed,
        "Most names here are written with capital and small letters.",
        proposed,
    )


def company_remarks(column: Column) -> Remarks:
    """The legal form as most rows of the column write it ("Inc." for "inc", "Incorporated")."""
    spellings: dict[str, Counter[str]] = {}
    taken = [_SUFFIX.fullmatch(value) for value in column.values]
    for match, count in zip(taken, column.counts, strict=True):
        if match and (form := _form(match["form"])):
            spellings.setdefault(form, Counter())[_ending(match)] += int(count)
    usual = {form: min(seen.items(), key=lambda item: (-item[1], item[0])) for form, seen in spellings.items()}
    mixed = column.share(_is_mixed)
    found = {}
    for position, (value, match) in enumerate(zip(column.values, taken, strict=True)):
        stem = match["stem"] if match else value
        cased = proper_case(stem) if mixed >= 0.8 and len(stem) > 5 and not _is_mixed(stem) and " " in stem else stem
        if match and (form := _form(match["form"])):
            ending, count = usual[form]
            sure = count / spellings[form].total()
            written = cased + (ending if sure >= 0.7 and count >= 5 else _ending(match))
            if written != value:
                why = f'{count} of {spellings[form].total()} rows end in "{ending.strip(", ")}".'
                found[position] = Remark("company-form", 0.3 + 0.4 * sure, why, written)
        elif cased != stem:
            found[position] = Remark("company-case", 0.6, "Most companies here have capital and small letters.", cased)
    return found


def _form(text: str) -> str:
    return _FORMS.get(re.sub(r"[\s.]", "", text).lower(), "")


def _ending(match: re.Match[str]) -> str:
    return (", " if "," in match["gap"] else " ") + match["form"]


def swapped(given: pd.Series, family: pd.Series) -> Iterator[tuple[int, float, str]]:
    """Rows whose given and family name have changed places: (position, score, reason).

    Each name's own use in the two columns tells: "Smith" is a family name in 40 rows and a given name in one.
    Both names of a row must speak for the swap. Names seen nowhere else say nothing.
    """
    first, first_texts = distinct(given.str.strip().str.casefold())
    last, last_texts = distinct(family.str.strip().str.casefold())
    as_given = Counter(dict(zip(first_texts, np.bincount(first[first >= 0], minlength=len(first_texts)), strict=True)))
    as_family = Counter(dict(zip(last_texts, np.bincount(last[last >= 0], minlength=len(last_texts)), strict=True)))
    rows = np.flatnonzero((first >= 0) & (last >= 0) & [True] * len(first))
    shared_given = np.array([text in as_family for text in first_texts], dtype=bool)
    shared_family = np.array([text in as_given for text in last_texts], dtype=bool)
    for row in rows[shared_given[first[rows]] | shared_family[last[rows]]]:
        one, two = first_texts[first[row]], last_texts[last[row]]
        if one == two:
            continue
        odds = [
            # The row's own mention is left out: it is the one under suspicion.
            np.log((as_family[one] + 0.2) / (as_given[one] - 1 + 0.2)),
            np.log((as_given[two] + 0.2) / (as_family[two] - 1 + 0.2)),
        ]
        if min(odds) < -0.5 or sum(odds) < 2.0:
            continue
        here = f"{as_family[one]} and {as_family[two] - 1} times here"
        why = f"As a family name {here}, as a given name {as_given[one] - 1} and {as_given[two]}."
        yield int(row), float(1 / (1 + np.exp(2.0 - sum(odds)))) * 0.95, why
