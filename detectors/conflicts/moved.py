"""Parts that slid into the neighbour: "Lake Geneva WI" with an empty state.

A text whose first or last words are a value of another column, which is blank in that row, gives the part back. How
often texts end so by chance is seen in the rows where the other column is filled.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.table import Field, Table

_MOST_VALUES = 5_000
_MOST_WORDS = 3
_LONGEST = 120


@dataclass(frozen=True, slots=True)
class Moved:
    """Row position, where the part stands and what is left of it, where it belongs and what it is."""

    row: int
    field: str
    rest: str
    other: str
    part: str
    score: float


def moved(table: Table) -> Iterator[Moved]:
    """Cells that hold what is missing in another column of their row."""
    values = _vocabularies(table)
    for field in table.fields:
        splits = _splits(field, values)
        for other in table.fields:
            if other.name == field.name or other.name not in splits:
                continue
            yield from _judged(field, other, splits[other.name])


def _vocabularies(table: Table) -> dict[str, list[str]]:
    """Value -> names of the columns whose repeated values hold it; numbers and long texts are no parts."""
    found: dict[str, list[str]] = defaultdict(list)
    for field in table.fields:
        if len(field.texts) > _MOST_VALUES or field.filled < 2 * len(field.texts):
            continue
        for text, count in zip(field.texts, field.counts, strict=True):
            if count >= 2 and len(text) <= 40 and any(sign.isalpha() for sign in text):
                found[text].append(field.name)
    return found


Split = tuple[str, str]
"""What is left, and the part."""


def _splits(field: Field, values: dict[str, list[str]]) -> dict[str, dict[int, Split]]:
    """Other column -> spelling of this column -> how it splits into a rest and a value of the other."""
    found: dict[str, dict[int, Split]] = defaultdict(dict)
    for code, text in enumerate(field.texts):
        if len(text) > _LONGEST or " " not in text:
            continue
        words = text.split(" ")
        for count in range(1, min(_MOST_WORDS, len(words) - 1) + 1):
            for part, rest in (
                (" ".join(words[-count:]), " ".join(words[:-count])),
                (" ".join(words[:count]), " ".join(words[count:])),
            ):
                for name in values.get(part.strip(",;()"), ()):
                    if name != field.name and any(sign.isalnum() for sign in rest):
                        found[name].setdefault(code, (rest.rstrip(" ,;-("), part.strip(",;()")))
    return found


def _judged(field: Field, other: Field, splits: dict[int, Split]) -> Iterator[Moved]:
    splittable = np.zeros(len(field.texts) + 1, dtype=np.bool_)
    splittable[list(splits)] = True
    splits_here = splittable[field.codes] & (field.codes >= 0)
    blank = other.codes < 0
    rows = np.flatnonzero(splits_here & blank)
    if not len(rows):
        return
    filled = field.codes >= 0
    by_chance = (splits_here & ~blank).sum() / max(1, (filled & ~blank).sum())
    expected = float(by_chance * (filled & blank).sum())
    precision = max(0.0, (len(rows) - expected) / (len(rows) + 0.5))
    known = set(field.texts)
    whole = set(np.unique(field.codes[splits_here & ~blank]).tolist())
    for row in rows.tolist():
        if int(field.codes[row]) in whole:
            continue  # The same text stands where nothing is missing: it is whole as it is.
        rest, part = splits[int(field.codes[row])]
        score = precision * (1.0 if rest in known else 0.9)
        yield Moved(row, field.name, rest, other.name, part, score)
