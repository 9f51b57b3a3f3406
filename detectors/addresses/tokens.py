"""An address as words, with where each stands in the text and where a separator follows."""

from __future__ import annotations

import re
from dataclasses import dataclass

from detectors.addresses.standardising import plain

LONGEST = 600
"""Characters read of one text; the rest of a longer one is no address."""
_WORD = re.compile(r"[^\s,;|\x00-\x1f\u200b-\u200f\u202a-\u202e\u2066-\u2069]+")
_DASHES = frozenset("-–—/•·:")
_FUSED = re.compile(r"([A-Za-z]{2,})\.?(\d{5}(?:-\d{4})?)")


@dataclass(frozen=True, slots=True)
class Word:
    """One word: `text[start:end]`; `plain` in upper case without accents and outer full stops.

    breaks: a comma, semicolon, bar, line break or lone dash stands between it and the next word.
    """

    plain: str
    start: int
    end: int
    breaks: bool


def split_words(text: str) -> list[Word]:
    """The words of an address line, "IL62701" as two; at most `LONGEST` characters are read."""
    text = text[:LONGEST]
    spans: list[tuple[int, int]] = []
    broken: set[int] = set()
    for match in _WORD.finditer(text):
        if match.group() in _DASHES:
            broken.add(len(spans) - 1)
            continue
        fused = _FUSED.fullmatch(match.group())
        if fused:
            cut = match.start() + fused.start(2)
            spans += [(match.start(), cut), (cut, match.end())]
        else:
            spans.append(match.span())
    words = []
    for at, (start, end) in enumerate(spans):
        follows = text[end : spans[at + 1][0]] if at + 1 < len(spans) else ""
        breaks = at in broken or any(mark in ",;|\n\r" for mark in follows)
        words.append(Word(plain(text[start:end]).strip("."), start, end, breaks))
    return words
