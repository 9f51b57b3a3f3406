"""Why a row stands out, in a steward's words: its value, how rare it is, and what is usual."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies import members
from detectors.anomalies.discovery import Discovery
from detectors.anomalies.features import MEASURED, Feature, Features
from detectors.anomalies.forest import Floats
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


_BOUNDS = {kind: Bound(_RARE, _FAR) for kind in MEASURED} | {
    # Shapes of text have long tails in clean data, and a reason among many columns comes up by chance.
    "shape": Bound(0.002, 8.0),
    "frequency": Bound(_RARE, 0.0),
    "blank": Bound(_RARE, 0.0),
    "pair": Bound(_RARE, 0.0),
}
_LEAST_SURPRISE = 3.0
"""Bits: a pair of categories seen an eighth as often as chance has it."""
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
        self.below, self.above, self.far = np.empty(size), np.empty(size), np.empty(size)
        self.quantiles = np.zeros((2, len(made)))
        for place in range(len(made)):
            column = made.values[:, place]
            self.below[:, place], self.above[:, place] = _tails(column, column[rows])
            self.far[:, place] = members.robust_z(column[:, None])[rows, 0]
            self.quantiles[:, place] = np.quantile(column, [0.05, 0.95]) if len(column) else 0.0
        self.measured = [place for place, feature in enumerate(made.columns) if feature.kind == "number"]
        residual = members.regression_residual(made.values[:, self.measured]) if len(self.measured) > 1 else None
        self.residual = np.zeros((len(frame), 0), np.float32) if residual is None else residual.astype(np.float32)

    def reasons(self, row: int) -> list[Evidence]:
        """The row's strongest reasons, at most MOST_REASONS, heaviest first; weight in bits of rarity."""
        found = sorted(self._found(row), key=lambda reason: (-reason.weight, reason.feature))
        return _one_a_field(found)[:MOST_REASONS]

    def _found(self, row: int) -> Iterator[Evidence]:
        for place, feature in enumerate(self.made.columns):
            bound = _BOUNDS.get(feature.kind)
            if bound is None or not self.made.known[row, place]:
                continue
            share = self._share(row, place, feature)
            if share > max(bound.rare, 1.5 / len(self.frame)) or self.far[self.place_of[row], place] < bound.far:
                continue
            if feature.kind == "pair" and self.made.values[row, place] < _LEAST_SURPRISE:
                continue
            yield Evidence(
                feature.name, round(-float(np.log2(share)), 3), self._words(row, place, share), feature.fields
            )
        yield from self._residuals(row)

    def _share(self, row: int, place: int, feature: Feature) -> float:
        """Share of rows at least as extreme, on the side that speaks for an anomaly."""
        below, above = (float(side[self.place_of[row], place]) for side in (self.below, self.above))
        if feature.kind == "frequency":
            return below
        if feature.kind in {"pair", "blank"}:
            return above if self.made.values[row, place] > 0 else 1.0
        return min(below, above)

    def _words(self, row: int, place: int, share: float) -> str:
        feature, rows = self.made.columns[place], len(self.frame)
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
            case "blank":
                return f"{feature.fields[0]} is blank here and in only {count:,} of {rows:,} records"
        at = self.place_of[row], place
        side = "above" if self.above[at] <= self.below[at] else "below"
        low, high = (self._say(feature, float(value)) for value in self.quantiles[:, place])
        said = self._say(feature, float(self.made.values[row, place]))
        shape = f", “{shown[feature.fields[0]]}”" if feature.kind == "shape" else ""
        unit = " robust standard deviations from the usual" if feature.kind == "group" else ""
        percent = _percent(1 - share)
        return f"{feature.name} {said}{unit}{shape} is {side} {percent} of {rows:,} records; usual {low} to {high}"

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
        value = self.frame.iloc[row, self.frame.columns.get_loc(name)]
        text = "" if value is None or value != value else " ".join(str(value).replace("\0", " ").split())
        return text if len(text) <= LONGEST_VALUE else text[: LONGEST_VALUE - 1] + "…"

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
