"""Which claims follow one pattern: the same rule, the same columns, the same rewriting. Pure rules over plain data.

A pattern is what one decision may settle for many items at once, so it errs on the narrow side: what a proposal brings
in that its own record does not hold (a country code, a year's century, a corrected word) is part of the pattern letter
by letter; only what it carries over is left open. So

- a corrected value is the same pattern only for the same wrong and the same right value ("Bostn" -> "Boston");
- a filled blank, for the same value;
- a rewriting, for the same order of parts, the same separators and the same added or dropped characters
  ("(202) 555-0101" -> "+12025550101", "3/4/2021" -> "2021-04-03", "JANE DOE" -> "Jane Doe");
- a mail address or an abbreviation, for the same part that changes ("…@gmial.com" -> "…@gmail.com", "… Str" -> "…
  Street");
- a flag, for the same values flagged by the same rule;
- a merge is a judgement of its own: it has no pattern.
"""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

from detectors.formats.dates import MONTHS

Rewriting = tuple[object, ...]
"""The kind of a rewriting, then what makes two of them equal; JSON can hold it."""

_PARTS = re.compile(r"(\d+|[^\W\d_]+)")
_DIGITS = re.compile(r"\d+")
_LONGEST = 300
"""Longer values are text to read: their rewriting is taken as it stands."""
_LEAST_KEPT = 4
"""So many digits must stay for a number to count as rewritten rather than replaced."""


def pattern_of(
    *, detector: str, rule: str, action: str, before: Mapping[str, str | None], after: Mapping[str, str | None]
) -> str:
    """The key that claims of one pattern share, 32 hexadecimal digits; "" where a claim stands for itself.

    before: field -> value the record holds, of the fields that are changed or, for a flag, that the evidence names.
    after: field -> proposed value; empty for a flag.
    """
    if (
        action in ("merge", "link")
        or (action == "set" and not after)
        or (action == "flag" and not any(before.values()))
    ):
        return ""
    parts = [[name, *rewriting_of(name, before, after)] for name in sorted(after or before)]
    text = json.dumps([detector, rule, action, parts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:32]


def rewriting_of(name: str, before: Mapping[str, str | None], after: Mapping[str, str | None]) -> Rewriting:
    """How one field changes; a value that comes from another of the changed fields is told by that field's name."""
    if not after:
        return ("flagged", before.get(name))
    value = after[name]
    others = sorted(other for other in after if other != name and value and before.get(other) == value)
    return ("taken from", others[0]) if others else rewriting(before.get(name), value)


@lru_cache(maxsize=65_536)
def rewriting(before: str | None, after: str | None) -> Rewriting:
    """What two changes must share to be of one pattern; see the head of this module."""
    as_it_stands: Rewriting = ("replaced", before or None, after or None)
    if not before or not after:
        return ("filled", after) if after else as_it_stands
    if max(len(before), len(after)) > _LONGEST:
        return as_it_stands
    old, new = _PARTS.split(before), _PARTS.split(after)
    numbers = all(part[0].isdecimal() for part in old[1::2])
    return (
        (None if numbers else _respelt(old, new))
        or _reordered(old, new)
        or _renumbered(before, after)
        or _other_domain(before, after)
        or _abbreviated(old, new)
        or as_it_stands
    )


def describe(how: Rewriting) -> str:
    """A rewriting in a few words; N stands for digits, ① for the first part, … for what is kept."""
    match how:
        case ("filled", after):
            return f"blank → {after}"
        case ("flagged", value):
            return str(value or "blank")
        case ("taken from", other):
            return f"takes the value of {other}"
        case ("replaced", before, after):
            return f"{before} → {after or 'blank'}"
        case ("respelt", list(words), list(gaps)):
            said = [f"{_CASES.get(str(old), old)} → {_CASES.get(str(new), new)}" for old, new in words]
            return ", ".join(said + [f"“{old}” → “{new}”" for _, old, new in gaps])
        case ("reordered", list(old), list(new)):
            return f"{_numbered(old)} → {_referring(new)}"
        case ("renumbered", str(side), str(cut), str(put), str(old), str(new)):
            return f"{old} → {new}{_exchanged(side, cut, put)}".replace("\0", "")
        case ("domain", str(old), str(new)):
            return f"…@{old} → …@{new}"
        case ("abbreviated", before, after, old, new):
            return f"{before}{old}{after} → {before}{new}{after}"
    return ""


_CASES = {"a": "lower case", "A": "capitals", "Aa": "Capitalised"}


def _exchanged(side: str, cut: str, put: str) -> str:
    where = "in front" if side == "head" else "at the end"
    if cut and put:
        return f", {cut} {where} becomes {put}"
    return f", {cut or put} {where} is {'dropped' if cut else 'added'}" if cut or put else ""


def _numbered(parts: Sequence[Any]) -> str:
    return "".join(
        part if at % 2 == 0 else chr(0x2460 + at // 2) if part in ("N", "W") else part[1:]
        for at, part in enumerate(parts)
    )


def _referring(parts: Sequence[Any]) -> str:
    return "".join(part if at % 2 == 0 else _referred(*part) for at, part in enumerate(parts))


def _referred(head: str, places: Sequence[int], form: str) -> str:
    written = f" with {form} digits" if form.isdecimal() and form != "2" else ""
    return head + chr(0x2460 + places[0]) + written


def _case(word: str) -> str | None:
    """ "a", "A" or "Aa"; None for mixed case, and for a script without case."""
    if word == word.lower():
        return "a" if word != word.upper() else None
    if len(word) > 1 and word == word.upper():
        return "A"
    return "Aa" if word == word[0].upper() + word[1:].lower() else None


def _recased(one: str, other: str) -> tuple[str, str]:
    """How a word changes its case, letter by letter where that is no plain case."""
    case = _case(other)
    return (_case(one) or one, case) if case else (one, other)


def _respelt(old: Sequence[str], new: Sequence[str]) -> Rewriting | None:
    """The same words and numbers in the same order: only case and separators differ, all alike by the same rule."""
    if len(old) != len(new) or len(old) == 1:
        return None
    words: dict[str, str] = {}
    gaps: dict[str, str] = {}
    for at, (one, other) in enumerate(zip(old, new, strict=True)):
        if at % 2 and one.casefold() != other.casefold():
            return None
        edge = ("<" if at == 0 else "") + (">" if at == len(old) - 1 else "")
        kept, (key, value) = (words, _recased(one, other)) if at % 2 else (gaps, (f"{edge} {one}", other))
        if kept.setdefault(key, value) != value:
            return None  # the same text once changed and once not: no rule would say which
    changed = [
        [list(pair) for pair in sorted(words.items()) if pair[0] != pair[1]],
        [[*gap.split(" ", 1), other] for gap, other in sorted(gaps.items()) if gap.split(" ", 1)[1] != other],
    ]
    return ("respelt", *changed)


def _value(part: str) -> object:
    return int(part) if part[0].isdecimal() else MONTHS.get(part.casefold(), part.casefold())


def _reordered(old: Sequence[str], new: Sequence[str]) -> Rewriting | None:
    """All that stands after comes from a part before: dates, "Last, First", lost leading zeros."""
    parts = old[1::2]
    if len(parts) > 12 or len(new) < 3:
        return None
    values = [_value(part) for part in parts]
    in_place = len(old) == len(new) and values == [_value(part) for part in new[1::2]]
    used: set[int] = set()
    told: list[Any] = []
    for at, part in enumerate(new):
        if at % 2 == 0:
            told.append(part)
            continue
        said: list[Any] | None = ["", [at // 2], _form(part, old[at])] if in_place else _reference(part, parts, values)
        if said is None:
            return None
        used.update(said[1])
        told.append(said)
    # what is dropped is told letter by letter: "00:00" after a date is not the same as "13:05"
    kinds = [("N" if part[0].isdecimal() else "W") if at in used else f"={part}" for at, part in enumerate(parts)]
    before = [kinds[at // 2] if at % 2 else text for at, text in enumerate(old)]
    return ("reordered", before, told)


def _reference(part: str, parts: Sequence[str], values: Sequence[object]) -> list[Any] | None:
    """[what is put in front, which parts before hold this value, in which form it is written]; None if none does."""
    value = _value(part)
    same = [at for at, one in enumerate(values) if one == value]
    if same:
        return ["", same, _form(part, parts[same[0]])]
    if part[0].isdecimal() and len(part) == 4:  # a century put before a year of two digits
        ending = [at for at, one in enumerate(parts) if one == part[2:]]
        if ending:
            return [part[:2], ending, ""]
    return None


def _form(part: str, came_from: str) -> str:
    """The number of digits, the change of case, or the very word that a number or another word became."""
    if part[0].isdecimal():
        return "2" if len(part) == 2 else "" if part == came_from else str(len(part))
    if part.casefold() != came_from.casefold():
        return part
    return "" if part == came_from else ">".join(_recased(came_from, part))


def _renumbered(before: str, after: str) -> Rewriting | None:
    """The same digits with other separators, or another head or tail: telephone numbers, amounts, identifiers."""
    old, new = ("".join(_PARTS.findall(text)) for text in (before, after))
    if old == new:
        return ("renumbered", "", "", "", _shape(before), _shape(after, whole=True))
    end, start = _shared_digits(old[::-1], new[::-1]), _shared_digits(old, new)
    kept = max(end, start)
    if kept < _LEAST_KEPT or 2 * kept < len(new):
        return None
    side, cut = ("head", slice(None, -kept)) if end >= start else ("tail", slice(kept, None))
    return ("renumbered", side, old[cut], new[cut], _shape(before), _shape(after, whole=True))


def _shape(text: str, *, whole: bool = False) -> str:
    """The text with N for its digits, however many; for the rest of the numbers an N a digit if `whole`.

    So the first number may have any length, and where the others begin is told: "1.234" is not "12.34".
    """
    marked = text.replace("N", "\0N")  # no stored text holds the character NUL
    runs = _DIGITS.findall(marked)
    exact = range(1, len(runs)) if whole else range(len(runs) - 1, len(runs)) if re.search("[.,]", text) else range(0)
    count = iter(range(len(runs)))
    return _DIGITS.sub(lambda run: "N" * len(run[0]) if next(count) in exact else "N", marked)


def _shared_digits(one: str, other: str) -> int:
    count = 0
    for mine, yours in zip(one, other, strict=False):
        if mine != yours or not mine.isdecimal():
            break
        count += 1
    return count


def _other_domain(before: str, after: str) -> Rewriting | None:
    """The same mailbox at another domain: a mistyped provider."""
    (old_box, at, old), (box, also, new) = before.rpartition("@"), after.rpartition("@")
    return ("domain", old, new) if at and also and old_box == box and box else None


def _abbreviated(old: Sequence[str], new: Sequence[str]) -> Rewriting | None:
    """One word written out or cut short in a text that is kept: "12 Main Str" -> "12 Main Street"."""
    if len(old) != len(new) or len(old) < 5:
        return None
    differing = [at for at, (one, other) in enumerate(zip(old, new, strict=True)) if one != other]
    words = [at for at in differing if at % 2]
    if len(words) != 1 or any(abs(at - words[0]) > 1 for at in differing) or old.count(old[words[0]]) > 1:
        return None
    at = words[0]
    short, long = sorted((old[at].casefold(), new[at].casefold()), key=len)
    letters = iter(long)
    if short[0] != long[0] or not all(letter in letters for letter in short) or short[0].isdecimal():
        return None
    said = ["".join(parts[at - 1 : at + 2]) for parts in (old, new)]
    return ("abbreviated", "…" if at > 1 else "", "…" if at < len(old) - 2 else "", *said)
