"""Confirmed anomalies as a rule: bounds on features of a record become conditions that any later record is held to."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from detectors.rules.conditions import BLANK, FILLED, Condition, Measure

if TYPE_CHECKING:
    from detectors.anomalies.features import Feature
    from detectors.anomalies.rules import Rule as Box


@dataclass(frozen=True, slots=True)
class Bound:
    """low < value <= high of one feature; an infinite end is none.

    name, kind, fields: of the feature, see `detectors.anomalies.features.Feature`.
    """

    name: str
    kind: str
    fields: tuple[str, ...]
    low: float = -math.inf
    high: float = math.inf


def bounds_of(box: Box, features: Iterable[Feature]) -> list[Bound]:
    """The bounds of a rule that describes confirmed anomalies. Raises ValueError if it has another feature."""
    known = {feature.name: feature for feature in features}
    lacking = [one.feature for one in box.conditions if one.feature not in known]
    if lacking:
        raise ValueError(f"no feature {', '.join(map(repr, lacking))} in the records as they are")
    return [
        Bound(one.feature, known[one.feature].kind, known[one.feature].fields, one.low, one.high)
        for one in box.conditions
    ]


def conditions_of(bounds: Sequence[Bound]) -> tuple[Condition, ...]:
    """The conditions that a record inside the box meets.

    Raises ValueError for a feature that is told by the other records rather than by the record alone (how common a
    value is, a number against its group), or by the look of its text.
    """
    found = []
    for bound in bounds:
        if bound.kind not in _READ:
            raise ValueError(
                f"“{bound.name}” is told by the records around it, not by the record alone: it makes no standing check"
            )
        found += list(_READ[bound.kind](bound))
    return tuple(found)


def _ends(bound: Bound, measure: Measure, field: str, other: str = "") -> Iterator[Condition]:
    for relation, end in ((">", bound.low), ("<=", bound.high)):
        if math.isfinite(end):
            yield Condition(field, relation, f"{end:.12g}", measure.value, other)


def _number(bound: Bound) -> Iterator[Condition]:
    return _ends(bound, Measure.NUMBER, bound.fields[0])


def _date(bound: Bound) -> Iterator[Condition]:
    """Dates are days since 1970 among the features."""
    for relation, end in ((">", bound.low), ("<=", bound.high)):
        if math.isfinite(end):
            yield Condition(bound.fields[0], relation, str(np.datetime64(math.floor(end), "D")), Measure.DATE.value)


def _pair(measure: Measure) -> Callable[[Bound], Iterator[Condition]]:
    return lambda bound: _ends(bound, measure, bound.fields[0], bound.fields[1])


def _level(bound: Bound) -> Iterator[Condition]:
    """ "Stage is won", yes or no."""
    (field,) = bound.fields
    yield Condition(field, "=" if bound.low >= 0 else "!=", bound.name.removeprefix(f"{field} is "))


def _shape(bound: Bound) -> Iterator[Condition]:
    (field,) = bound.fields
    if bound.name != f"length of {field}":
        raise ValueError(f"“{bound.name}” describes the look of a text: write a pattern rule for it")
    return _ends(bound, Measure.LENGTH, field)


def _blank(bound: Bound) -> Iterator[Condition]:
    yield Condition(bound.fields[0], BLANK if bound.low >= 0 else FILLED)


_READ: Mapping[str, Callable[[Bound], Iterator[Condition]]] = {
    "number": _number,
    "date": _date,
    "days": _pair(Measure.DAYS),
    "ratio": _pair(Measure.RATIO),
    "level": _level,
    "shape": _shape,
    "blank": _blank,
}
