"""Why a row stands out, in a steward's words: its value, how rare it is, and what is usual."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies import members
from detectors.anomalies.cells import codes_of
from detectors.anomalies.departures import LEAST_BITS, LEAST_RATIO, SURE, asked, chance, departures
from detectors.anomalies.discovery import Discovery
from detectors.anomalies.features import MEASURED, Feature, Features, in_one_unit
from detectors.anomalies.forest import Floats
from detectors.anomalies.paths import Paths
from detectors.anomalies.similarity import Rows
from detectors.contract import Evidence

MOST_REASONS = 4
LONGEST_VALUE = 60
_RARE = 0.01
_FAR = 3.5
"""Robust standard deviations from which a number is said to stand out (Iglewicz, Hoaglin 1993)."""


@dataclass(frozen=True, slots=True)
class Bound:
    """What a value of this kind must reach to be a reason: share of rows as extreme, and robust z."""

    rare: float
    far: float


_BOUNDS = (
    {kind: Bound(_RARE, _FAR) for kind in MEASURED}
    | {
        # Shapes of text have long tails in clean data, and a reason among many columns comes up by chance.
        "shape": Bound(0.002, 8.0),
        "frequency": Bound(_RARE, 0.0),
        "blank": Bound(_RARE, 0.0),
    }
    | {kind: Bound(_RARE, 0.0) for kind in LEAST_BITS}
)
MOST_BITS = 40.0
"""More is as good as certain."""
LOG2 = float(np.log(2))
_LEAST_RESIDUAL = 6.0
LEAST_NEARNESS = 0.3
"""Share of the kernel's height from which a judged record is said to be similar."""


class Explainer:
    """Reasons for some rows of one table.

    frame: the text cells, in the order of the features' rows. rows: (k,) positions that will be asked about: what is
    told of all the others is a few numbers a column, so that memory does not grow with the table.
    """

    def __init__(self, frame: pd.DataFrame, made: Features, rows: Rows) -> None:
        self.frame, self.made = frame, made
        self.place_of = {int(row): place for place, row in enumerate(rows)}
        size = (len(rows), len(made))
        self.below, self.above, self.bits = np.ones(size), np.ones(size), np.zeros(size)
        self.tells, self.quantiles = np.zeros(size, bool), np.zeros((2, len(made)))
        self.comparable, self.asked = set(in_one_unit(made.columns)), set(asked(made.columns))
        self.sure_from = SURE + chance(made.columns)
        for place, feature in enumerate(made.columns):
            if (bound := _BOUNDS.get(feature.kind)) is not None and len(frame):
                self._weigh(place, feature, bound, rows)
        steps = [one.fields[0] for one in made.columns if one.kind == "step"]
        self.paths = {name: paths for name in steps if (paths := Paths.of(frame[name])) is not None}
        self.codes = {
            name: codes_of(frame[name]) for one in made.columns if one.kind == "filled" for name in one.fields
        }
        self.measured = [place for place, feature in enumerate(made.columns) if feature.kind == "number"]
        residual = members.regression_residual(made.values[:, self.measured]) if len(self.measured) > 1 else None
        self.residual = np.zeros((len(frame), 0), np.float32) if residual is None else residual.astype(np.float32)

    def reasons(self, row: int) -> list[Evidence]:
        """The row's strongest reasons, at most MOST_REASONS, heaviest first; weight in bits of rarity."""
        found = sorted(self._found(row), key=lambda reason: (-reason.weight, reason.feature))
        return _one_a_field(found)[:MOST_REASONS]

    def _weigh(self, place: int, feature: Feature, bound: Bound, rows: Rows) -> None:
        """Which of the rows this column is a reason for, and how many bits it is worth."""
        column = self.made.values[:, place]
        values = column[rows]
        below, above = _tails(column, values)
        self.below[:, place], self.above[:, place] = below, above
        low, high = self.quantiles[:, place] = np.quantile(column, [0.05, 0.95])
        surely = departures(self.made, place)[rows] if place in self.comparable else np.zeros(len(rows))
        share = _share_of(feature, values, below, above)
        far = members.robust_z(column[:, None])[rows, 0] if bound.far else np.zeros(len(rows))
        tells = (share <= max(bound.rare, 1.5 / len(column))) & (far >= bound.far)
        if place in self.asked:
            tells |= surely > self.sure_from
        if feature.kind == "ratio":  # what differs from usual ones by no more than rounding to cents does is no reason
            least = LEAST_RATIO * max(abs(low), abs(high))
            tells &= (values < low - least) | (values > high + least)
        if feature.kind in LEAST_BITS:
            tells &= values >= LEAST_BITS[feature.kind]
        self.tells[:, place] = tells & self.made.known[rows, place]
        self.bits[:, place] = np.minimum(surely / LOG2 - np.log2(share), MOST_BITS)

    def _found(self, row: int) -> Iterator[Evidence]:
        at = self.place_of[row]
        for place in map(int, np.flatnonzero(self.tells[at])):
            feature = self.made.columns[place]
            yield Evidence(feature.name, round(float(self.bits[at, place]), 3), self._words(row, place), feature.fields)
        yield from self._residuals(row)

    def _words(self, row: int, place: int) -> str:
        feature, rows, at = self.made.columns[place], len(self.frame), (self.place_of[row], place)
        share = float(_share_of(feature, self.made.values[row, place], self.below[at], self.above[at]))
        shown = {name: self._cell(row, name) for name in feature.fields}
        count = max(round(share * rows), 1)
        match feature.kind:
            case "frequency":
                name = feature.fields[0]
                return f"{name} “{shown[name]}”: values as rare are in {count:,} of {rows:,} records"
            case "pair":
                first, second = feature.fields
                return (
                    f"{first} “{shown[first]}” with {second} “{shown[second]}” is seen "
                    f"{2 ** self.made.values[row, place]:,.0f} times less often than the two words suggest"
                )
            case "filled":
                return self._words_of_filled(row, feature, shown)
            case "step":
                return self._words_of_step(row, feature, shown)
            case "blank":
                return f"{feature.fields[0]} is blank here and in only {count:,} of {rows:,} records"
        side = "above" if self.above[at] <= self.below[at] else "below"
        low, high = (self._say(feature, float(value)) for value in self.quantiles[:, place])
        said = self._say(feature, float(self.made.values[row, place]))
        shape = f", “{shown[feature.fields[0]]}”" if feature.kind == "shape" else ""
        where = f"is {side} {_percent(1 - share)} of {rows:,} records"
        if feature.kind == "group":
            name, *groups = feature.fields
            told = " and ".join(f"{group} “{shown[group]}”" for group in groups)
            unit = "robust standard deviations from the usual"
            return f"{name} {shown[name]} for {told} {where}: {said} {unit}, where {low} to {high} are common"
        return f"{feature.name} {said}{shape} {where}; usual {low} to {high}"

    def _words_of_filled(self, row: int, feature: Feature, shown: Mapping[str, str]) -> str:
        name, group = feature.fields
        alike = self.codes[group] == self.codes[group][row]
        filled = self.codes[name] >= 0
        count = int((filled[alike] == filled[row]).sum())
        state = f"“{shown[name]}” is filled" if filled[row] else "is blank"
        of = f"{count:,} of {int(alike.sum()):,} such records"
        return f"{name} {state} where {group} is “{shown[group]}”, as in only {of}"

    def _words_of_step(self, row: int, feature: Feature, shown: Mapping[str, str]) -> str:
        (name,) = feature.fields
        step = self.paths[name].rarest_of[str(self._raw(row, name)).strip()]
        begin = f"from “{step.start}”" if step.start else "at the start"
        of = f"of {step.left:,} that went on from there" if step.start else f"of {step.left:,}"
        return f"{name} “{shown[name]}” goes {begin} on to “{step.end}”, as only {step.taken:,} {of} did"

    def _residuals(self, row: int) -> Iterator[Evidence]:
        """Numbers that are odd for the other numbers of their row."""
        for column, place in enumerate(self.measured[: self.residual.shape[1]]):
            strength = float(self.residual[row, column])
            if strength < _LEAST_RESIDUAL or not self.made.known[row, place]:
                continue
            share = float((self.residual[:, column] >= strength).mean())
            if share > max(_RARE / 2, 1.5 / len(self.frame)):
                continue
            feature = self.made.columns[place]
            said = self._say(feature, float(self.made.values[row, place]))
            words = f"{feature.name} {said} does not fit the record's other numbers, as in {_percent(share)} of records"
            yield Evidence(
                f"{feature.name} for its other numbers", round(-float(np.log2(share)), 3), words, feature.fields
            )

    def _cell(self, row: int, name: str) -> str:
        value = self._raw(row, name)
        text = "" if value is None or value != value else " ".join(str(value).replace("\0", " ").split())
        return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"

    def _raw(self, row: int, name: str) -> object:
        return self.frame.iloc[row, self.frame.columns.get_loc(name)]

    def _say(self, feature: Feature, value: float) -> str:
        if feature.kind == "date":
            return _as_date(value)
        if abs(value) >= 100 or value == round(value):
            return f"{value:,.0f}"
        return f"{value:,.3g}"


def learned_reasons(discovery: Discovery | None, row: int, ids: npt.NDArray[np.int64]) -> list[Evidence]:
    """What the verdicts say about a row: the nearest judged record, weighed in bits of odds against the usual row's."""
    if discovery is None or not discovery.answers:
        return []
    answers = list(discovery.answers.values())
    near = discovery.similarity.nearness(
        discovery.table.similar[row], discovery.table.similar[[answer.row for answer in answers]]
    )
    closest = int(near.argmax())
    if near[closest] < LEAST_NEARNESS:
        return []
    answer = answers[closest]
    expected = float(np.clip(discovery.chance_of(row), 0.01, 0.99))
    usual = float(np.clip(discovery.usual, 0.01, 0.99))
    bits = float(np.log2(expected / (1 - expected)) - np.log2(usual / (1 - usual)))
    verdict = "confirmed as an anomaly" if answer.confirmed else "dismissed"
    what = "itself" if answer.row == row else f"record {int(ids[answer.row])}"
    return [Evidence("verdicts so far", round(bits, 3), f"the most similar judged record, {what}, was {verdict}")]


def _share_of(feature: Feature, value: npt.ArrayLike, below: npt.ArrayLike, above: npt.ArrayLike) -> Floats:
    """Share of rows at least as extreme as each value, on the side that speaks for an anomaly."""
    if feature.kind == "frequency":
        return np.asarray(below)
    if feature.kind in {"blank", *LEAST_BITS}:
        return np.where(np.asarray(value) > 0, above, 1.0)
    return np.minimum(below, above)


def _tails(column: Floats, asked: Floats) -> tuple[Floats, Floats]:
    """Share of the column's values that are at most, and at least, each asked value: (k,) each."""
    ordered, rows = np.sort(column), max(len(column), 1)
    below = np.searchsorted(ordered, asked, side="right") / rows
    return below, 1 - np.searchsorted(ordered, asked, side="left") / rows


def _one_a_field(reasons: list[Evidence]) -> list[Evidence]:
    """The heaviest reason about each field: an amount that is odd three ways is one reason."""
    kept: dict[str, Evidence] = {}
    for reason in reasons:
        kept.setdefault(reason.fields[0], reason)
    return list(kept.values())


def _percent(share: float) -> str:
    digits = next((digits for digits in (0, 1, 2, 3) if round(100 * share, digits) not in (0.0, 100.0)), 3)
    return f"{100 * share:.{digits}f} %"


def _as_date(days: float) -> str:
    try:
        return str(np.datetime64(int(np.clip(days, -700_000, 2_900_000)), "D"))
    except (ValueError, OverflowError):
        return f"{days:,.0f} days since 1970"
