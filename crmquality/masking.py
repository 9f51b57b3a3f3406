"""Personal values shown so that they can be judged and not read: pure functions, one shape for every place.

A masked value keeps its shape: the first letter of each word, a dot for every other letter ("•" small, "●" capital,
"◦" a digit), and every sign between them. "Ann Lee" is "A•• L••", "bob@gmial.com" is "b••@g••••.c••".
"""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Collection, Iterable, Sequence

from rapidfuzz.distance import Indel

SMALL, CAPITAL, DIGIT = "•", "●", "◦"
SIGNS = SMALL + CAPITAL + DIGIT

_SHOWN_SHARE = 3
"""Of so many characters of a value, one may be shown where it differs from another value."""

_ADDRESS = re.compile(r"[^\s“”\"'<>,;]+@[^\s“”\"'<>,;]+")
_QUOTED = re.compile(r"“[^”]*”|\"[^\"]*\"|(?<!\w)'[^']*'(?!\w)")
_WORD = re.compile(r"[^\W_]+")
_SHORTEST_DIGITS = 3


def masked(value: str | None, shown: Collection[int] = ()) -> str | None:
    """The value with its letters and digits hidden; None and "" as they are.

    shown: positions that stay readable.
    """
    if not value:
        return value
    signs = []
    for place, sign in enumerate(value):
        before, after = value[max(place - 1, 0) : place], value[place + 1 : place + 2]
        begins_word = sign.isalpha() and _is_letter(after) and not _is_letter(before)
        signs.append(sign if place in shown or begins_word else _hidden(sign))
    return "".join(signs)


def masked_together(values: Sequence[str | None]) -> list[str | None]:
    """Values of one field, masked so that they can be compared: equal ones alike, and what differs is shown.

    Characters in which a value differs from the first are shown where they are few; a value of which more than a third
    would be shown is hidden whole. Different values that look alike are numbered: "A•• (2)".
    """
    filled = list(dict.fromkeys(value for value in values if value))
    shown: dict[str, set[int]] = {value: set() for value in filled}
    for other in filled[1:]:
        _show_differences(filled[0], other, shown)
    looks: dict[str, str] = {}
    taken: dict[str, int] = {}
    for value in filled:
        look = masked(value, shown[value]) or ""
        taken[look] = taken.get(look, 0) + 1
        looks[value] = look if taken[look] == 1 else f"{look} ({taken[look]})"
    return [looks[value] if value else value for value in values]


def masked_sentence(text: str, secrets: Iterable[str | None], *, strict: bool = False) -> str:
    """A sentence in which nothing of the secrets can be read: their words, digits and addresses are masked.

    strict: the sentence is about a hidden field, so everything quoted, every number, and every capitalised word but the
    first is masked too, since it may be another spelling of the value.
    """
    known = [secret for secret in secrets if secret]
    words = {_folded(word) for secret in known for word in _WORD.findall(secret) if len(word) > 1}
    numbers = [digits for secret in known if len(digits := "".join(filter(str.isdigit, secret))) >= _SHORTEST_DIGITS]

    def hide(found: re.Match[str]) -> str:
        return masked(found[0]) or ""

    def hide_word(found: re.Match[str]) -> str:
        word = found[0]
        is_number = word.isdigit() and len(word) >= _SHORTEST_DIGITS and any(word in digits for digits in numbers)
        guessed = strict and (word.isdigit() or (word[0].isupper() and found.start() > 0))
        return (masked(word) or "") if is_number or guessed or _folded(word) in words else word

    for secret in sorted(known, key=len, reverse=True):
        if len(secret) > 1:
            text = re.sub(re.escape(secret), hide, text, flags=re.IGNORECASE)
    if strict:
        text = _QUOTED.sub(hide, text)
    return _WORD.sub(hide_word, _ADDRESS.sub(hide, text))


def is_masked(value: str | None) -> bool:
    """Whether a value holds a sign that only masking writes."""
    return any(sign in SIGNS for sign in value or "")


def _is_letter(sign: str) -> bool:
    """Whether a sign is part of a word: letters, digits, marks upon letters, and their masks, so that masking twice is
    masking once.
    """
    return sign != "" and (sign.isalnum() or sign in SIGNS or unicodedata.category(sign)[0] in "LMN")


def _hidden(sign: str) -> str:
    kind = unicodedata.category(sign)[0]
    if kind == "N":
        return DIGIT
    if kind not in "LM":
        return sign
    return CAPITAL if sign.isupper() else SMALL


def _show_differences(first: str, other: str, shown: dict[str, set[int]]) -> None:
    here: set[int] = set()
    there: set[int] = set()
    for step in Indel.opcodes(first, other):
        if step.tag != "equal":
            here |= set(range(step.src_start, step.src_end))
            there |= set(range(step.dest_start, step.dest_end))
    fits_first = len(shown[first] | here) * _SHOWN_SHARE <= len(first)
    if fits_first and len(there) * _SHOWN_SHARE <= len(other):
        shown[first] |= here
        shown[other] |= there


def _folded(word: str) -> str:
    apart = unicodedata.normalize("NFKD", word.casefold())
    return "".join(sign for sign in apart if not unicodedata.combining(sign))
