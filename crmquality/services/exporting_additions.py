"""What an export may add to the columns of a source: scores, and blanks filled for analysis. No record is written.

A blank is filled with the mean (numbers) or the most frequent value (categories) of its column, which is good enough
for a method that takes no blanks and too poor a guess for a person's record. So every filled cell is named in a column
of its own, and an import refuses a file that has that column.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import polars as pl

from crmquality.models import Prediction, Score, Source
from crmquality.services import scoring, sensitive
from crmquality.services.blocks import record_blocks
from detectors.missing_values import is_missing
from detectors.prediction.engine.encoding import read_number
from detectors.prediction.sensitive import is_sensitive
from detectors.roles import Role, ValueType

FILLED = "Filled for analysis (CRM Quality)"
"""The column that names the filled cells of a row."""

READABLE = 0.9
"""Share of a number column's filled cells that must be numbers before a mean is taken."""

_CHOICES = (ValueType.CATEGORY, ValueType.NUMBER)
_NEVER = frozenset({Role.OWNER, Role.CONSENT})
"""A person's own word, or somebody's task: never guessed."""


@dataclass(frozen=True)
class Additions:
    """scores: four columns a prediction. fill: blanks filled with the mean or the most frequent value."""

    scores: bool = False
    fill: bool = False

    def __bool__(self) -> bool:
        return self.scores or self.fill


NOTHING = Additions()


@dataclass(frozen=True)
class Filling:
    """What the blanks of a column are filled with, and what that is ("mean", "most frequent")."""

    value: str
    how: str


class Adder:
    """Adds to frames of records, one after the other."""

    def __init__(self, source: Source, additions: Additions, hide: Collection[str]) -> None:
        """hide: columns that are masked for whoever asked: not filled, and no reason quotes them."""
        self.fillings = fillings(source, hide) if additions.fill else {}
        self.fills = additions.fill
        self.hide = frozenset(hide)
        found = source.predictions.order_by("name") if additions.scores else Prediction.objects.none()
        self.predictions = [(prediction, scoring.cut_of(prediction)) for prediction in found]

    def __call__(self, ids: Sequence[int], frame: pl.DataFrame) -> pl.DataFrame:
        """The frame of these records with what is added."""
        if self.fills:
            frame = self._filled(frame)
        if self.predictions:
            frame = self._scored(ids, frame)
        return frame

    def _filled(self, frame: pl.DataFrame) -> pl.DataFrame:
        said: list[list[str]] = [[] for _ in range(frame.height)]
        columns = []
        for name in frame.columns:
            cells = frame[name]
            filling = self.fillings.get(name)
            if filling is not None:
                blank = _blank(cells)
                for row in np.flatnonzero(blank):
                    said[row].append(f"{name} ({filling.how})")
                texts = [filling.value if gone else cell for cell, gone in zip(cells, blank, strict=True)]
                cells = pl.Series(name, texts, dtype=pl.String)
            columns.append(cells)
        marks = pl.Series(FILLED, ["; ".join(one) or None for one in said], dtype=pl.String)
        return pl.DataFrame([*columns, marks])

    def _scored(self, ids: Sequence[int], frame: pl.DataFrame) -> pl.DataFrame:
        found: dict[int, dict[int, Score]] = defaultdict(dict)
        rows = Score.objects.filter(record__in=list(ids)).select_related("version", "prediction")
        for score in rows:
            found[score.prediction_id][score.record_id] = score
        added = []
        for prediction, cut in self.predictions:
            scores = [found[prediction.pk].get(record) for record in ids]
            cells = {
                "": [None if one is None else f"{one.number:.6g}" if _is_number(one) else one.value for one in scores],
                " band": [None if one is None else cut.band(one.number) or None for one in scores],
                " version": [None if one is None else str(one.version.number) for one in scores],
                " why": [None if one is None else "; ".join(scoring.reasons(one, self.hide)) for one in scores],
            }
            for part, texts in cells.items():
                name = f"{prediction.name}{part}"
                while name in frame.columns:
                    name = f"{name} (CRM Quality)"
                added.append(pl.Series(name, texts, dtype=pl.String))
        return frame.with_columns(added)


def fillings(source: Source, hide: Collection[str] = ()) -> dict[str, Filling]:
    """Column -> what its blanks are filled with in an analysis export.

    Only numbers and categories; no names, keys, dates, nor anything sensitive unless an admin allowed it.
    """
    allowed = sensitive.allowed_columns(source)
    columns = [
        name
        for name, role in source.column_roles.items()
        if role.value_type in _CHOICES
        and role not in _NEVER
        and name not in hide
        and (name in allowed or not is_sensitive(name, role))
    ]
    counts: dict[str, Counter[str]] = {name: Counter() for name in columns}
    for _, block in record_blocks(source, columns) if columns else ():
        for name in columns:
            values, found = block[name].drop_nulls().value_counts()
            counts[name].update(dict(zip(values.to_list(), found.to_list(), strict=True)))
    roles = source.column_roles
    made = {name: _filling(counts[name], roles[name]) for name in columns}
    return {name: filling for name, filling in made.items() if filling is not None}


def _filling(counts: Counter[str], role: Role) -> Filling | None:
    values = list(counts)
    blank = _blank(pl.Series(values, dtype=pl.String))
    known = {value: counts[value] for value, gone in zip(values, blank, strict=True) if not gone}
    if not known:
        return None
    if role.value_type is ValueType.CATEGORY:
        return Filling(max(known, key=lambda value: (known[value], value)), "most frequent")
    numbers = np.array([read_number(value) for value in known])
    weights = np.array(list(known.values()), dtype=float)
    readable = np.isfinite(numbers)
    if weights[readable].sum() < READABLE * weights.sum():
        return None
    return Filling(f"{np.average(numbers[readable], weights=weights[readable]):.6g}", "mean")


def _blank(cells: pl.Series) -> list[bool]:
    return [bool(one) for one in is_missing(pd.Series(cells.to_list(), dtype=object))]


def _is_number(score: Score) -> bool:
    return score.probability is None or scoring.is_outcome(score.prediction)
