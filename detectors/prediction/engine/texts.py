"""Look-ups by parts of a text: what do the other rows hold whose text shares words, or letters, with this one's?

A name that no other row holds still tells something by its letters, an organisation by its words. Each part speaks
as a look-up of its own; their evidence is added up, tempered, as parts of one text lean on each other.
"""

from __future__ import annotations

from collections.abc import Sequence
from itertools import chain

import numpy as np
import pandas as pd
import scipy.sparse as sp

from detectors.prediction.engine.encoding import MANY, Column, Floats, Ints, Key, Kind
from detectors.prediction.engine.lookups import FOLDS, SHRINK, STEP, Counts, Lookup, Target

WORDY = 0.1
"""Share of distinct texts of two words or more from which a column is read by its words, else by its letters."""

LETTERS = 3
LONGEST = 40
"""Letters of a text that are read, and words."""

ROOM = 10_000_000
"""Cells of a table (texts x target values) that may be made to find what a text proposes."""


class TextLookup(Lookup):
    """The values of a target by the words or letters of a text column, learned on the sample."""

    def __init__(self, column: Column, target: Target) -> None:
        self.target = target
        label, parts = _parts(column.values)
        self.key = Key(f"{label} of {column.name}", (column.name,), column.codes, len(column.values))
        self._first, self._token, self.tokens = _interned(parts, column, target.sample)
        row, token = self._spread(target.sample)
        value, fold = target.codes[target.sample][row], target.fold[target.sample][row]
        pairs = token * target.size + value
        self._pairs, self._group = Counts(pairs), Counts(token)
        self._fold_pairs, self._fold_group = Counts(pairs * FOLDS + fold), Counts(token * FOLDS + fold)
        self._seen = (token, value)

    def evidence(self, rows: Ints, values: Ints) -> tuple[Floats, Floats, Floats]:
        """As a look-up's, summed over the parts and divided by the root of their number; counts of the best part."""
        row, token = self._spread(rows)
        values = np.broadcast_to(values, (len(rows), values.shape[1]))
        held, size = self._apart(token[:, None], self.target.fold[rows][row][:, None], values[row])
        prior = self.target.prior[values[row]]
        parts = np.log((held + SHRINK * prior) / ((size + SHRINK) * prior))
        count = np.bincount(row, minlength=len(rows))
        temper = np.sqrt(np.maximum(count, 1))[:, None]
        start = np.cumsum(count) - count
        filled = count > 0
        total, most, group = np.zeros(values.shape), np.zeros(values.shape), np.zeros(values.shape)
        if filled.any():
            total[filled] = np.add.reduceat(parts, start[filled], axis=0)
            best = np.maximum.reduceat(held, start[filled], axis=0)
            most[filled] = best
            group[filled] = np.maximum.reduceat(np.where(held == best[(np.cumsum(filled) - 1)[row]], size, 0),
                                                start[filled], axis=0)  # fmt: skip
        return np.round(total / temper / STEP) * STEP, most, group

    def leading(self, top: int) -> Ints:
        """(n_texts, top) the values that each text's parts propose; -1 throughout where that would be a huge table."""
        leaders = np.full((self.key.size, top), -1, dtype=np.int64)
        if self.key.size * self.target.size > ROOM or self.tokens * self.target.size > ROOM or not self.tokens:
            return leaders
        counts = np.zeros((self.tokens, self.target.size), dtype=np.float32)
        np.add.at(counts, self._seen, 1)
        prior = self.target.prior[None].astype(np.float32)
        told = np.log((counts + SHRINK * prior) / ((counts.sum(axis=1, keepdims=True) + SHRINK) * prior))
        ends = np.append(self._first, len(self._token))
        holds = sp.csr_matrix((np.ones(len(self._token), np.float32), self._token, ends), (self.key.size, self.tokens))
        score = holds @ told + np.log(prior)
        few = min(top, self.target.size)
        leaders[:, :few] = np.argsort(-score, axis=1, kind="stable")[:, :few]
        return leaders

    def _spread(self, rows: Ints) -> tuple[Ints, Ints]:
        """The parts of these rows' texts: (position in rows, token), the rows in order."""
        code = self.key.codes[rows]
        ends = np.append(self._first, len(self._token))
        count = np.where(code < 0, 0, ends[np.maximum(code, 0) + 1] - ends[np.maximum(code, 0)])
        row = np.repeat(np.arange(len(rows)), count)
        offset = np.arange(len(row)) - np.repeat(np.cumsum(count) - count, count)
        return row, self._token[self._first[code[row]] + offset]

    def _apart(self, token: Ints, fold: Ints, values: Ints) -> tuple[Floats, Floats]:
        """Rows of each token that hold the value, and rows of the token, without the row's own fold."""
        pairs = token * self.target.size + values
        held = self._pairs(pairs) - self._fold_pairs(np.where(fold >= 0, pairs * FOLDS + fold, -1))
        size = self._group(token) - self._fold_group(np.where(fold >= 0, token * FOLDS + fold, -1))
        return held.astype(float), np.broadcast_to(size, held.shape).astype(float)


def text_lookups(columns: Sequence[Column], target: Target) -> list[TextLookup]:
    """One for each text column of many values."""
    texts = [column for column in columns if column.kind is Kind.CATEGORY and len(column.values) > MANY]
    return [lookup for lookup in (TextLookup(column, target) for column in texts) if lookup.tokens]


def _parts(values: list[str]) -> tuple[str, list[list[str]]]:
    """What the parts are called, and those of each distinct text."""
    words = [value.lower().split()[:LONGEST] for value in values]
    if sum(len(each) > 1 for each in words) >= WORDY * len(words):
        return "words", [sorted(set(each)) for each in words]
    texts = [f"^{value.lower()[:LONGEST]}$" for value in values]
    return "letters", [sorted({text[at : at + LETTERS] for at in range(len(text) - LETTERS + 1)}) for text in texts]


def _interned(parts: list[list[str]], column: Column, sample: Ints) -> tuple[Ints, Ints, int]:
    """First part of each text, the parts as numbers, how many there are; without those that one sampled row holds."""
    length = np.array([len(each) for each in parts], dtype=np.int64)
    token, distinct = pd.factorize(np.array(list(chain.from_iterable(parts)), dtype=object))
    held = np.bincount(column.codes[sample][column.codes[sample] >= 0], minlength=len(parts))
    rows = np.bincount(token, weights=np.repeat(held, length), minlength=len(distinct))
    known = rows >= 2
    number = np.cumsum(known) - 1
    text = np.repeat(np.arange(len(parts)), length)[known[token]]
    count = np.bincount(text, minlength=len(parts))
    return np.cumsum(count) - count, number[token[known[token]]], int(known.sum())
