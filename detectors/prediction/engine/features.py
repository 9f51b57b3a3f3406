"""Records as a matrix of numbers that every estimator of the search reads; learned once, then fixed."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import pandas as pd

from detectors.missing_values import is_missing
from detectors.prediction.engine.encoding import Column, Floats, Kind, days_of, read_column, read_number
from detectors.roles import Role, ValueType

IDENTIFIER = 0.9
"""A category with at least this share of distinct values among its filled cells names its rows: of no use to
a model, and a leak where ids were handed out by outcome."""

KNOWN = 200
"""Values of a category told apart, the most frequent ones; the rest is one more."""


@dataclass(frozen=True)
class Feature:
    """One column as a feature. values: a category's known values, its code is the position; empty for a number."""

    name: str
    kind: Kind
    values: tuple[str, ...] = ()

    def read(self, series: pd.Series) -> Floats:
        """(n_rows,) number, days or code of each cell; NaN where missing, len(values) for a value never seen."""
        codes, distinct = pd.factorize(series.astype(object).mask(is_missing(series), None))
        readings = self._of([str(text) for text in distinct])
        return np.asarray(np.append(readings, np.nan)[codes])

    def _of(self, texts: list[str]) -> Floats:
        if self.kind is Kind.DATE:
            return days_of(texts)
        if self.kind is Kind.NUMBER:
            return np.array([read_number(text) for text in texts], dtype=float)
        place = {value: float(code) for code, value in enumerate(self.values)}
        return np.array([place.get(text, float(len(self.values))) for text in texts], dtype=float)

    def shown(self, reading: float) -> str:
        """A reading as a person reads it."""
        if np.isnan(reading):
            return "missing"
        if self.kind is Kind.CATEGORY:
            return self.values[int(reading)] if reading < len(self.values) else "another value"
        if self.kind is Kind.DATE:
            return str(np.datetime64(int(reading), "D"))
        return f"{reading:g}"


@dataclass(frozen=True)
class Features:
    """The features of a table. left_out: column -> why it is none."""

    features: tuple[Feature, ...]
    left_out: Mapping[str, str]

    @classmethod
    def learn(
        cls,
        frame: pd.DataFrame,
        target: str,
        roles: Mapping[str, Role] | None = None,
        left_out: Mapping[str, str] | None = None,
    ) -> Features:
        """Which columns of a frame of text cells to use for a target, and how to read them.

        left_out: columns not to use, and why.
        """
        features, reasons = [], dict(left_out or {})
        for name in frame.columns:
            if name != target and name not in reasons:
                column = read_column(frame[name], (roles or {}).get(name))
                reason = _unfit(column)
                if reason:
                    reasons[str(name)] = reason
                else:
                    values = tuple(column.values[:KNOWN]) if column.kind is Kind.CATEGORY else ()
                    features.append(Feature(column.name, column.kind, values))
        return cls(tuple(features), reasons)

    @property
    def names(self) -> list[str]:
        """The feature columns, in the matrix's order."""
        return [feature.name for feature in self.features]

    @property
    def categories(self) -> list[int]:
        """Positions of the features that are categories."""
        return [place for place, feature in enumerate(self.features) if feature.kind is Kind.CATEGORY]

    def read(self, frame: pd.DataFrame) -> Floats:
        """(n_rows, n_features). Raises KeyError if the frame lacks a feature's column."""
        readings = [feature.read(frame[feature.name]) for feature in self.features]
        return np.column_stack(readings) if readings else np.zeros((len(frame), 0))

    def to_json(self) -> dict[str, Any]:
        """Plain values for a model file."""
        features = [[feature.name, feature.kind.value, list(feature.values)] for feature in self.features]
        return {"features": features, "left_out": dict(self.left_out)}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> Features:
        """Read `to_json`. Raises KeyError, TypeError or ValueError if it is something else."""
        features = [Feature(str(name), Kind(kind), tuple(values)) for name, kind, values in data["features"]]
        return cls(tuple(features), dict(data["left_out"]))


def _unfit(column: Column) -> str:
    """Why a column is no feature; "" if it is one."""
    distinct = len(column.values)
    if distinct == 0:
        return "empty"
    if distinct == 1 and column.filled == len(column.codes):
        return "the same everywhere"
    if column.role is not None and column.role.value_type is ValueType.KEY:
        return "identifier"
    if column.kind is Kind.CATEGORY and distinct > 20 and distinct >= IDENTIFIER * column.filled:
        return "identifier"
    if column.kind is Kind.NUMBER and distinct == column.filled and _counts_up(column):
        return "identifier"
    return ""


def _counts_up(column: Column) -> bool:
    """Whether the numbers are a row counter: whole, distinct and dense."""
    assert column.numbers is not None
    numbers = column.numbers[np.isfinite(column.numbers)]
    whole = bool(np.all(numbers == np.round(numbers)))
    return whole and len(numbers) > 20 and float(np.ptp(numbers)) < 1.2 * len(numbers)
