"""Our small spaCy pipeline: says of each word of an address whether it is street, place, ...

Trained by `python -m detectors.addresses.recipe` on strings we compose; shipped in `model/` in spaCy's own format.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

MODEL = Path(__file__).with_name("model")
STREET_TAGS = ("NUMBER", "DIRECTION", "NAME", "TYPE", "UNIT", "BOX")
TAGS = (*STREET_TAGS, "PLACE", "REGION", "POSTCODE")


_DOUBT = 0.05
"""The tagger may be wrong about any word: no word counts as less likely than this."""


class Tagger:
    """Wraps a spaCy pipeline whose last pipe is a tagger over `TAGS`."""

    def __init__(self, pipeline: Any) -> None:
        self._pipeline = pipeline
        self._tagger = pipeline.get_pipe("tagger")
        labels = list(self._tagger.labels)
        self._street = [labels.index(tag) for tag in STREET_TAGS]
        self._place = labels.index("PLACE")

    def street_and_place(self, lines: Sequence[Sequence[str]]) -> Iterator[list[tuple[float, float]]]:
        """For each line, a word: log P(it is of the street), log P(it is of the place).

        lines: words in upper case, none empty.
        """
        for scores in self._scores(lines):
            yield [(_log(float(row[self._street].sum())), _log(float(row[self._place]))) for row in scores]

    def tags(self, lines: Sequence[Sequence[str]]) -> Iterator[list[str]]:
        """The likeliest tag of each word."""
        labels = list(self._tagger.labels)
        for scores in self._scores(lines):
            yield [labels[int(row.argmax())] for row in scores]

    def _scores(self, lines: Sequence[Sequence[str]]) -> Iterator[Any]:
        """Arrays (n_words, n_tags) of probabilities."""
        for start in range(0, len(lines), 256):
            docs = [self._doc(line) for line in lines[start : start + 256]]
            for scores in self._tagger.model.predict(docs):
                odds = np.exp(scores - scores.max(axis=1, keepdims=True))
                yield odds / odds.sum(axis=1, keepdims=True)

    def _doc(self, words: Iterable[str]) -> Any:
        from spacy.tokens import Doc

        return Doc(self._pipeline.vocab, words=[word or "-" for word in words])


def _log(probability: float) -> float:
    return math.log(max(probability, _DOUBT))


@cache
def trained_tagger() -> Tagger:
    """The shipped pipeline; read at the first call (it imports spaCy, about 2 s)."""
    import spacy

    return Tagger(spacy.load(MODEL))
