"""Names of people, companies and places: case, swapped given and family name, turned order, legal forms."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping

import numpy as np
import pandas as pd

from detectors.formats.column import Column, Remark, Remarks, distinct
from detectors.formats.name_slips import slips
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

_SAME_FORM, _OTHER_FORM = 0.8, 0.9
"""Share of a legal form's rows that must write it in one way for the others to be rewritten: "ltd." as "Ltd", and
"Limited" as "Ltd"."""
_MOSTLY_MIXED = 0.8
"""The same of companies, of which more are written in capitals by choice."""
_MIXED = 0.5
"""Share of rows in mixed case from which on a column's capitals or small letters are slips, not a choice."""


def proper_case(text: str) -> str:
    """ "mARY o'brien-mcKAY" -> "Mary O'Brien-McKay"; particles inside a name ("van der") small."""
    words = _WORD.sub(lambda match: match.group()[:1].upper() + match.group()[1:].lower(), text)
    words = re.sub(r"(?<=[^\W\d_]{2})(['’])S\b", r"\1s", _MC.sub(lambda match: match[1] + match[2].upper(), words))
    first, *rest = words.split(" ")
    return " ".join([first, *(word.lower() if word.lower() in _PARTICLES else word for word in rest)])


_AROUND = "of on upon under by sur sous les lès aux am an im in ob der den la le el los las"
_BETWEEN = frozenset(_AROUND.split())
"""Small words inside the names of places, beside the particles of names ("Stratford upon Avon")."""


def place_remarks(column: Column) -> Remarks:
    """Capitals or small letters only, in a column of towns where most rows have both.

    The column's own spelling of the same town comes first, else every word gets a capital.
    """
    mixed = column.share(_is_mixed)
    if mixed < _MIXED:
        return {}
    rows: dict[str, tuple[int, str]] = {}
    for value, count in zip(column.values, column.counts.tolist(), strict=True):
        if _is_mixed(value):
            rows[value.casefold()] = max(rows.get(value.casefold(), (0, "")), (count, value))
    found = {}
    for position, value in enumerate(column.values):
        if _is_mixed(value) or len(value) < 4 or not _WORD.search(value) or _ODD.search(value):
            continue
        own = rows.get(value.casefold())
        proposed = own[1] if own else _place_case(value)
        if proposed != value:
            why = "Most places here are written with capital and small letters."
            found[position] = Remark("place-case", (0.62 if own else 0.55) + 0.33 * mixed, why, proposed)
    return found


def _place_case(text: str) -> str:
    first, *rest = proper_case(text).split(" ")
    return " ".join([first, *(word.lower() if word.lower() in _BETWEEN else word for word in rest)])


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
    return {**slips(column), **found} if column.role is Role.GIVEN_NAME else found


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
    """The legal form as most rows of the column write it ("Inc." for "inc", "Incorporated"), and capitals only."""
    words = _word_spellings(column) if column.share(_is_mixed) >= _MOSTLY_MIXED else None
    taken = [_with_form(value) for value in column.values]
    spellings: dict[str, Counter[str]] = {}
    for value, match, count in zip(column.values, taken, column.counts.tolist(), strict=True):
        if match and (words is None or _is_mixed(value)):
            spellings.setdefault(_form(match["form"]), Counter())[_ending(match)] += count
    usual = {form: min(seen.items(), key=lambda item: (-item[1], item[0])) for form, seen in spellings.items()}
    found = {}
    for position, (value, match) in enumerate(zip(column.values, taken, strict=True)):
        stem = match["stem"] if match else value
        cased = _company_case(stem, words)
        form = _form(match["form"]) if match else ""
        if match and form in usual:
            ending, count = usual[form]
            sure = count / spellings[form].total()
            same_letters = _letters(ending) == _letters(match["form"])
            # "Limited" may be in the name as it was registered; where the rest changes its case, the form does too.
            is_usual = count >= 5 and sure >= (_SAME_FORM if same_letters else _OTHER_FORM)
            written = cased + (ending if is_usual or cased != stem else _ending(match))
            if written != value:
                why = f'{count} of {spellings[form].total()} rows end in "{ending.strip(", ")}".'
                found[position] = Remark("company-form", 0.3 + 0.4 * sure, why, written)
        elif cased != stem:
            why = "Most companies here have capital and small letters."
            found[position] = Remark("company-case", 0.6, why, cased + (_ending(match) if match else ""))
    return found


def _company_case(stem: str, words: Mapping[str, str] | None) -> str:
    """Capitals (small letters) only as the other companies write the words; as it stands where these do not tell."""
    if words is None or len(stem) <= 5 or " " not in stem or _is_mixed(stem):
        return stem
    return _WORD.sub(lambda word: words.get(word[0].casefold()) or _unknown_word(word[0]), stem)


def _with_form(text: str) -> re.Match[str] | None:
    """The text taken apart before its legal form; None if it ends in none."""
    match = _SUFFIX.fullmatch(text)
    return match if match and _form(match["form"]) else None


def _word_spellings(column: Column) -> dict[str, str]:
    """Word without case -> how most companies in capital and small letters write it ("LLC", "Media", "of")."""
    seen: dict[str, Counter[str]] = {}
    for value, count in zip(column.values, column.counts.tolist(), strict=True):
        if _is_mixed(value):
            for word in _WORD.findall(value):
                seen.setdefault(word.casefold(), Counter())[word] += count
    return {key: max(counts, key=lambda word: (counts[word], word)) for key, counts in seen.items()}


def _unknown_word(word: str) -> str:
    """A short word may be initials ("IBM"), which keep their capitals."""
    return word.upper() if len(word) <= 3 and word.isupper() else proper_case(word)


def _form(text: str) -> str:
    return _FORMS.get(re.sub(r"[\s.]", "", text).lower(), "")


def _letters(form: str) -> str:
    return re.sub(r"[\W_]", "", form).casefold()


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
