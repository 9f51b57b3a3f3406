"""A column's own way of writing, kept by nearly all of its rows: the few others are rewritten in it.

Only rewritings that lose nothing are tried: a time of day that can be read, leading zeros of fixed-length codes, case.
A program qualifies for a column if it leaves nearly every row as it is; a rewritten text that other rows have is
surer than a new one.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass

from detectors.conflicts.programs import Program, candidates
from detectors.conflicts.table import Field, time_of_day

_KEPT_BY = {"time": 0.6, "pad": 0.9, "upper": 0.95, "lower": 0.95}
"""Share of rows that must be written so already. A text that reads as a time can only be one, so less will do."""

_TIME_ONLY = re.compile(r"\d{1,2}:\d{2}\s*(?:[aApP]\.?\s?[mM]\.?)?")
_LEAST_ROWS = 20


@dataclass(frozen=True, slots=True)
class Restyled:
    """A spelling, its text in the column's style, how surely, and what was done."""

    code: int
    value: str
    score: float
    says: str


def restyled(field: Field) -> Iterator[Restyled]:
    """Spellings that stray from the column's style and can be written in it."""
    if field.filled < _LEAST_ROWS:
        return
    known = dict(zip(field.texts, field.counts.tolist(), strict=True))
    for program in _programs(field):
        made = [program(text) for text in field.texts]
        rows = zip(field.texts, made, field.counts.tolist(), strict=True)
        kept = sum(count for text, new, count in rows if new == text)
        if kept < _KEPT_BY[program.kind] * field.filled:
            continue
        for code, (text, new) in enumerate(zip(field.texts, made, strict=True)):
            seen = known.get(new or "", 0)
            if not new or new == text or (program.kind in {"upper", "lower"} and seen < 2):
                continue
            if program.kind == "pad" and text.startswith("0"):
                continue  # what strips zeros leaves none
            yield Restyled(code, new, 0.9 if seen > 1 else 0.7, program.says)


def _programs(field: Field) -> Iterator[Program]:
    """The style of the commonest time, the length of codes that start with zeros, capitals or small letters."""
    times = Counter[str]()
    lengths = Counter[int]()
    for text, count in zip(field.texts, field.counts.tolist(), strict=True):
        if _TIME_ONLY.fullmatch(text) and time_of_day(text) is not None:
            times[text] += count
        if text.isdigit():
            lengths[len(text)] += count
    if times.total() >= _KEPT_BY["time"] * field.filled:
        text = min(times, key=lambda one: (-times[one], one))
        yield from (program for program in candidates(text, text) if program.kind == "time")
    if lengths:
        length, count = lengths.most_common(1)[0]
        if length >= 4 and count >= _KEPT_BY["pad"] * field.filled and _leads_with_zeros(field, length):
            yield Program("pad", (str(length),))
    yield Program("upper")
    yield Program("lower")


def _leads_with_zeros(field: Field, length: int) -> bool:
    """Whether codes of full length begin with zeros about as often as others are short, and short ones do not.

    Otherwise what the short ones have lost can be any digit, or nothing: dialling codes, of which each begins with a
    zero, are of several lengths.
    """
    full = short = kept = 0
    for text, count in zip(field.texts, field.counts.tolist(), strict=True):
        if text.isdigit():
            full += count * (len(text) == length and text.startswith("0"))
            short += count * (len(text) < length)
            kept += count * (len(text) < length and text.startswith("0"))
    return 2 * full >= short and full > 0 and 10 * kept <= short
