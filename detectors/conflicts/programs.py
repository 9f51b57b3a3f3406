"""Small programs that rewrite a text: the ways a column's format can be mended, found from a person's corrections.

A program is data (a kind and its arguments), so that it can be saved, shown and compared. `candidates` lists the
programs that turn one text into another; which of them hold for the column is decided in `lessons`.

Source of the token programs' idea: Gulwani, "Automating String Processing in Spreadsheets Using Input-Output
Examples", POPL 2011; this is a much smaller language with one branch a shape.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal

from detectors.conflicts.table import time_of_day
from detectors.formats import dates, encoding, names, numbers
from detectors.formats.placeholders import is_placeholder

_TOKEN = re.compile(r"[A-Z]{2,}(?![a-z])|[A-Z]?[^\W\d_A-Z]+|[A-Z]|\d+|\s+|.", re.DOTALL)
"""Words end where a capital follows a small letter: "40aDec" is 40, a, Dec."""

_DELIMITERS = " ,;|/-(:[@\n\t"
_DATE_STYLES = (
    "%Y-%m-%d", "%d/%m/%Y", "%m/%d/%Y", "%d.%m.%Y", "%d-%m-%Y", "%m-%d-%Y", "%Y/%m/%d", "%Y%m%d", "%d/%m/%y",
    "%m/%d/%y", "%d %B %Y", "%B %d, %Y", "%d %b %Y", "%b %d, %Y", "%d-%b-%y", "%d-%b-%Y",
)  # fmt: skip
_LONGEST = 200


@dataclass(frozen=True, slots=True)
class Program:
    """kind: a key of _RUN. arguments: its constants."""

    kind: str
    arguments: tuple[str, ...] = ()

    def __call__(self, text: str) -> str | None:
        """The rewritten text, "" to empty the cell; None where the program does not apply."""
        return _RUN[self.kind](text, *self.arguments) if len(text) <= _LONGEST else None

    @property
    def says(self) -> str:
        """What it does, in words."""
        return _SAYS[self.kind].format(*self.arguments, *([""] * 3))


def candidates(old: str, new: str) -> Iterator[Program]:
    """Programs that turn `old` into `new` ("" = empty)."""
    if max(len(old), len(new)) > _LONGEST:
        return
    for program in _proposed(old, new):
        if program(old) == new:
            yield program


def _proposed(old: str, new: str) -> Iterator[Program]:
    if not new:
        yield Program("placeholder")
        return
    for kind in ("number", "number_as_is", "one_decimal", "clean", "upper", "lower", "proper"):
        yield Program(kind)
    for clock in ("12", "012", "24", "024"):
        for ending in _endings(new):
            yield Program("time", (clock, ending))
    for style in _DATE_STYLES:
        for padded in ("", "short"):
            for order in (dates.DAY_FIRST, dates.MONTH_FIRST):
                yield Program("date", (style, padded, order))
    if new.isdigit() and old.isdigit() and new.lstrip("0") == old.lstrip("0"):
        yield Program("pad", (str(len(new)),))
    yield from _cuts(old, new)
    gone = "".join(sorted({sign for sign in old if not sign.isalnum() and sign not in new}))
    if gone:
        yield Program("without", (gone,))
    if old and old in new:
        before, _, after = new.partition(old)
        yield Program("around", (before, after))
    changed = {(was, now) for was, now in zip(old, new, strict=False) if was != now}
    if len(old) == len(new) and len(changed) == 1:
        was, now = changed.pop()
        if not (was.isalnum() and now.isalnum()):
            yield Program("replace", (was, now))


def _endings(new: str) -> list[str]:
    """How a time ends in this style: the text behind the minutes, with its "a" or "p" as %."""
    match = re.fullmatch(r"\d{1,2}:\d{2}(.*)", new)
    return (
        [re.sub(r"[apAP](?=\.?[mM]|$)", lambda m: "%" if m[0].islower() else "^", match[1], count=1)] if match else []
    )


def _cuts(old: str, new: str) -> Iterator[Program]:
    at = old.find(new)
    if at < 0 or not new:
        return
    before, after = old[:at], old[at + len(new) :]
    for sign in _DELIMITERS:
        if not before and sign in old:
            yield Program("before", (sign,))
            yield Program("before_last", (sign,))
        if not after and sign in old:
            yield Program("after", (sign,))
            yield Program("after_last", (sign,))
    if before or after:
        yield Program("cut", (before, after))


def signature(text: str) -> tuple[str, ...]:
    """A text's tokens by class: letters "a", digits "9", white space " ", other signs themselves."""
    return tuple("a" if t[0].isalpha() else "9" if t[0].isdigit() else " " if t.isspace() else t for t in _tokens(text))


def _tokens(text: str) -> list[str]:
    return _TOKEN.findall(text)


def template(pairs: list[tuple[str, str]]) -> Program | None:
    """The program that builds every new text from the old one's tokens and constants; None if there is none.

    pairs: (old, new) whose old texts have one signature. A token that can be copied is copied rather than spelled
    out, since copies carry over to other texts; digits are never spelled out. A word that is left out every time
    must stand there: "Lake Geneva WI" teaches nothing about "San Luis Obispo".
    """
    options: list[set[str]] = []
    for old, new in pairs:
        source, target = _tokens(old), _tokens(new)
        here = [
            {*([] if token.isdigit() else [f"={token}"]), *(f"#{at}" for at, was in enumerate(source) if was == token)}
            for token in target
        ]
        if not options:
            options = here
        if len(here) != len(options):
            return None
        options = [one & other for one, other in zip(options, here, strict=True)]
    if not options or not all(options) or not any(choice.startswith("#") for some in options for choice in some):
        return None
    chosen = [min(some, key=lambda choice: (choice[0] != "#", len(choice), choice)) for some in options]
    return Program("template", ("\x1f".join(_condition(pairs, chosen)), "\x1f".join(chosen)))


def _condition(pairs: list[tuple[str, str]], chosen: list[str]) -> list[str]:
    """What an old text must look like: its signature, and the words that were always left out."""
    shape = list(signature(pairs[0][0]))
    sources = [_tokens(old) for old, _ in pairs]
    for at, kind in enumerate(shape):
        words = {source[at] for source in sources}
        if kind == "a" and f"#{at}" not in chosen and len(words) == 1:
            shape[at] = f"={words.pop()}"
    return shape


def _fill(text: str, shape: str, recipe: str) -> str | None:
    tokens, wanted = _tokens(text), shape.split("\x1f")
    classes = signature(text)
    if len(wanted) != len(tokens):
        return None
    for token, kind, want in zip(tokens, classes, wanted, strict=True):
        if kind != want and not (len(want) > 1 and want == f"={token}"):
            return None
    return "".join(part[1:] if part[0] == "=" else tokens[int(part[1:])] for part in recipe.split("\x1f"))


def _number(text: str) -> str | None:
    reading = numbers.read(text, ".")
    if reading is None:
        return None
    value = Decimal(repr(float(f"{float(reading.value):.12g}")))
    digits = f"{value:f}"
    return digits.rstrip("0").rstrip(".") if "." in digits else digits


def _number_as_is(text: str) -> str | None:
    reading = numbers.read(text, ".")
    return None if reading is None else numbers.plain(reading.value)


def _one_decimal(text: str) -> str | None:
    digits = _number(text)
    return digits if digits is None or "." in digits else f"{digits}.0"


def _time(text: str, clock: str, ending: str) -> str | None:
    minutes = time_of_day(text)
    if minutes is None:
        return None
    hour, minute = divmod(minutes, 60)
    half = "p" if hour >= 12 else "a"
    shown = hour if clock.endswith("24") else (hour % 12 or 12)
    digits = f"{shown:02d}" if clock.startswith("0") else str(shown)
    return f"{digits}:{minute:02d}{ending.replace('%', half).replace('^', half.upper())}"


def _date(text: str, style: str, padded: str, order: str) -> str | None:
    parts = dates.take_apart(text)
    reading = dates.resolve(parts, dates.Orders({"": 1.0 if order == dates.DAY_FIRST else 0.0}))
    return None if reading is None else _styled(reading.day, style, padded)


def _styled(day: date, style: str, padded: str) -> str:
    text = day.strftime(style)
    return re.sub(r"\b0(?=\d)", "", text) if padded else text


def _around(text: str, before: str, after: str) -> str | None:
    if (before and text.startswith(before)) or (after and text.endswith(after)):
        return None
    return f"{before}{text}{after}"


def _cut(text: str, before: str, after: str) -> str | None:
    if not (text.startswith(before) and text.endswith(after)) or len(text) <= len(before) + len(after):
        return None
    return text[len(before) : len(text) - len(after)]


def _part(text: str, sign: str, last: bool, behind: bool) -> str | None:
    if sign not in text:
        return None
    left, _, right = text.rpartition(sign) if last else text.partition(sign)
    return (right if behind else left).strip() or None


_RUN: dict[str, Callable[..., str | None]] = {
    "placeholder": lambda text: "" if is_placeholder(text) else None,
    "number": _number,
    "number_as_is": _number_as_is,
    "one_decimal": _one_decimal,
    "clean": encoding.clean,
    "upper": str.upper,
    "lower": str.lower,
    "proper": names.proper_case,
    "time": _time,
    "date": _date,
    "pad": lambda text, width: text.zfill(int(width)) if text.isdigit() else None,
    "before": lambda text, sign: _part(text, sign, last=False, behind=False),
    "before_last": lambda text, sign: _part(text, sign, last=True, behind=False),
    "after": lambda text, sign: _part(text, sign, last=False, behind=True),
    "after_last": lambda text, sign: _part(text, sign, last=True, behind=True),
    "cut": _cut,
    "without": lambda text, signs: text.translate(dict.fromkeys(map(ord, signs))),
    "around": _around,
    "replace": lambda text, was, now: text.replace(was, now) if was in text else None,
    "template": _fill,
    "exactly": lambda text, was, now: now if text == was else None,
}
_SAYS = {
    "placeholder": "a word for nothing known is emptied",
    "number": "the number alone, in its shortest form",
    "number_as_is": "the number alone",
    "one_decimal": "the number alone, with a decimal",
    "clean": "damaged letters and stray spaces mended",
    "upper": "in capitals",
    "lower": "in small letters",
    "proper": "as a name is written",
    "time": "the time of day in the column's style",
    "date": "the date in the column's style",
    "pad": "leading zeros to {0} digits",
    "before": 'what stands before the first "{0}"',
    "before_last": 'what stands before the last "{0}"',
    "after": 'what stands behind the first "{0}"',
    "after_last": 'what stands behind the last "{0}"',
    "cut": 'without "{0}" in front and "{1}" behind',
    "without": 'without "{0}"',
    "around": 'with "{0}" in front and "{1}" behind',
    "replace": '"{1}" instead of "{0}"',
    "template": "its parts put together anew",
    "exactly": 'always "{1}" for "{0}"',
}
