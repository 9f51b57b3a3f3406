"""Which rows should a person correct first? Those that show the most different ways of writing, and things."""

from __future__ import annotations

import re
from collections import defaultdict

import numpy as np

from detectors.conflicts.likeness import shape
from detectors.conflicts.sources import panels
from detectors.conflicts.table import Table

_WORD = re.compile(r"[^\W\d_]+")


def rows_to_label(table: Table, count: int, seed: int = 0) -> list[int]:
    """Positions of `count` rows, chosen greedily: each adds the commonest shapes not seen yet, column by column.

    The first rows of a table whose columns are written in one way each are as good as any; ties go by chance.
    Rows about a thing that is already covered are left for last where several sources tell of the same things.
    """
    features = [_shapes(table, position) for position in range(len(table.fields))]
    weights = [np.log1p(np.bincount(codes)) for codes in features]
    things = panels(table)
    order = np.random.default_rng(seed).permutation(table.rows)
    chosen: list[int] = []
    seen_things: set[int] = set()
    thing = min((one for one, _ in things), key=lambda one: len(one.usual)).keys if things else None
    while len(chosen) < min(count, table.rows):
        gain = np.zeros(table.rows)
        for codes, weight in zip(features, weights, strict=True):
            gain += weight[codes]
        if thing is not None:
            gain[np.isin(thing, list(seen_things))] -= gain.max() + 1
        gain[chosen] = -np.inf
        row = int(order[np.argmax(gain[order])])
        chosen.append(row)
        if thing is not None:
            seen_things.add(int(thing[row]))
        for codes, weight in zip(features, weights, strict=True):
            weight[codes[row]] *= 0.2
    return chosen


def _shapes(table: Table, position: int) -> np.ndarray:
    """(n,) the shape of each cell, with its words where the column has few: "12.0 oz" and "12.0 OZ." differ."""
    field = table.fields[position]
    words = {word for text in field.texts[:5000] for word in _WORD.findall(text)}
    shapes: dict[str, int] = defaultdict(lambda: len(shapes) + 1)
    if len(words) <= 60:
        codes = [shapes[re.sub(r"\d+", "9", text)] for text in field.texts]
    else:
        codes = [shapes[shape(text)] for text in field.texts]
    return np.array([*codes, 0], dtype=np.int64)[field.codes]
