"""Confirmed anomalies in words: the fewest, simplest boxes that hold them and no dismissed record.

Candidate boxes are regions of the forest's leaves that hold confirmed rows, shortened condition by condition
while they stay as clean; an integer program (HiGHS) picks the cover. A rule reads "Amount > 50,000 and days
from Created to Closed <= 1" and can be kept as a standing check.

Source: Das et al., "Active Anomaly Detection via Ensembles: Insights, Algorithms, and Interpretability",
2019, section 4 (compact descriptions as a set cover).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from scipy.optimize import Bounds, LinearConstraint, milp

from detectors.anomalies.forest import Floats, Forest, Leaves, Matrix
from detectors.anomalies.similarity import Rows, Verdicts

LEAVES_A_ROW = 5
MOST_CONDITIONS = 4
WIDEST = 0.05
"""A rule that holds for a larger share of all rows describes no anomaly."""
UNCOVERED_COST, DISMISSED_COST, ROWS_COST = 20.0, 10.0, 20.0
SECONDS = 5.0


@dataclass(frozen=True, slots=True)
class Condition:
    """low < value <= high of one feature; an infinite bound is none. yes_or_no: the feature is 1 or 0."""

    feature: str
    low: float
    high: float
    yes_or_no: bool = False

    def __str__(self) -> str:
        if self.yes_or_no:
            return self.feature if self.low >= 0 else f"not: {self.feature}"
        if np.isinf(self.low):
            return f"{self.feature} <= {_short(self.high)}"
        if np.isinf(self.high):
            return f"{self.feature} > {_short(self.low)}"
        return f"{_short(self.low)} < {self.feature} <= {_short(self.high)}"


@dataclass(frozen=True, slots=True)
class Rule:
    """A box in words; confirmed, dismissed: labelled rows inside; share: of all rows inside."""

    conditions: tuple[Condition, ...]
    confirmed: int
    dismissed: int
    share: float

    def __str__(self) -> str:
        return " and ".join(map(str, self.conditions))

    def holds(self, values: Matrix, names: Sequence[str]) -> Verdicts:
        """Which rows of (n, d) it holds for. Raises ValueError if one of its features is not among `names`."""
        inside = np.ones(len(values), bool)
        for condition in self.conditions:
            column = values[:, list(names).index(condition.feature)]
            inside &= (column > condition.low) & (column <= condition.high)
        return inside


def describe(
    forest: Forest, leaves: Leaves, values: Matrix, names: Sequence[str], rows: Rows, confirmed: Verdicts
) -> list[Rule]:
    """Rules that together cover the confirmed rows, widest first; empty without a confirmed row.

    leaves: (n, trees) of values (n, d); names: of the d features; rows, confirmed: (k,) labelled positions.
    """
    yes, no = rows[confirmed], rows[~confirmed]
    if not len(yes):
        return []
    boxes = _candidates(forest, leaves, values, yes, no)
    inside = np.array([_inside(values, low, high) for low, high in boxes])
    usable = (inside.mean(axis=1) <= WIDEST) & inside[:, yes].any(axis=1)
    boxes, inside = [box for box, use in zip(boxes, usable, strict=True) if use], inside[usable]
    if not boxes:
        return []
    chosen = _cover(boxes, inside, yes, no)
    binary = np.asarray(np.isin(values, (0, 1)).all(axis=0), bool).reshape(-1)
    rules = [_rule(boxes[place], inside[place], names, binary, yes, no) for place in chosen]
    return sorted(rules, key=lambda rule: (-rule.confirmed, rule.dismissed, len(rule.conditions), str(rule)))


def _candidates(forest: Forest, leaves: Leaves, values: Matrix, yes: Rows, no: Rows) -> list[tuple[Floats, Floats]]:
    """Shortened leaf boxes of every confirmed row, each once."""
    found: dict[bytes, tuple[Floats, Floats]] = {}
    for row in yes:
        shallow = np.argsort(forest.depth[leaves[row]], kind="stable")[:LEAVES_A_ROW]
        for tree in shallow:
            low, high = _leaf_box(forest, int(tree), values[row])
            low, high = _shortened(low, high, values, no)
            found.setdefault(low.tobytes() + high.tobytes(), (low, high))
    return list(found.values())


def _leaf_box(forest: Forest, tree: int, row: npt.NDArray[np.float32]) -> tuple[Floats, Floats]:
    """The bounds, exclusive below and inclusive above, of the leaf that a row reaches."""
    low, high = np.full(len(row), -np.inf), np.full(len(row), np.inf)
    node = int(forest.roots[tree])
    while forest.feature[node] >= 0:
        column, cut = int(forest.feature[node]), float(forest.cut[node])
        if row[column] <= cut:
            high[column] = min(high[column], cut)
            node = int(forest.left[node])
        else:
            low[column] = max(low[column], cut)
            node = int(forest.right[node])
    return low, high


def _shortened(low: Floats, high: Floats, values: Matrix, no: Rows) -> tuple[Floats, Floats]:
    """Drop bounds, the one that lets in the fewest rows first, while few rows and no more dismissed ones come in."""
    low, high = low.copy(), high.copy()
    allowed = max(int(_inside(values[no], low, high).sum()), 0)
    most = max(int(WIDEST * len(values) / 5), 1)
    while True:
        bounds = [(side, column) for side in (low, high) for column in np.flatnonzero(np.isfinite(side))]
        trials = []
        for side, column in bounds:
            kept, side[column] = side[column], np.inf if side is high else -np.inf
            inside = _inside(values, low, high)
            trials.append((int(inside.sum()), int(inside[no].sum())))
            side[column] = kept
        fine = [place for place, (rows, bad) in enumerate(trials) if rows <= most and bad <= allowed]
        if not fine or len(bounds) <= 1:
            return low, high
        side, column = bounds[min(fine, key=lambda place: trials[place])]
        side[column] = np.inf if side is high else -np.inf


def _inside(values: Matrix, low: Floats, high: Floats) -> Verdicts:
    columns = np.flatnonzero(np.isfinite(low) | np.isfinite(high))
    return np.asarray(((values[:, columns] > low[columns]) & (values[:, columns] <= high[columns])).all(axis=1))


def _cover(boxes: list[tuple[Floats, Floats]], inside: npt.NDArray[np.bool_], yes: Rows, no: Rows) -> list[int]:
    """The cheapest choice: a confirmed row left out, a dismissed one let in, rows and conditions all cost."""
    length = np.array([len(_conditions(box)) for box in boxes], np.float64)
    cost = (
        1 + length**2 / MOST_CONDITIONS + DISMISSED_COST * inside[:, no].sum(axis=1) + ROWS_COST * inside.mean(axis=1)
    )
    costs = np.concatenate([cost, np.full(len(yes), UNCOVERED_COST)])
    # One row a confirmed record: some chosen box holds it, or its slack is paid for.
    holds = np.hstack([inside[:, yes].T.astype(float), np.eye(len(yes))])
    answer = milp(
        costs,
        constraints=LinearConstraint(holds, lb=1),
        integrality=np.ones(len(costs)),
        bounds=Bounds(0, 1),
        options={"time_limit": SECONDS},
    )
    return [] if answer.x is None else [int(place) for place in np.flatnonzero(answer.x[: len(boxes)] > 0.5)]


def _conditions(box: tuple[Floats, Floats]) -> list[int]:
    return [int(column) for column in np.flatnonzero(np.isfinite(box[0]) | np.isfinite(box[1]))]


def _rule(
    box: tuple[Floats, Floats],
    inside: npt.NDArray[np.bool_],
    names: Sequence[str],
    binary: npt.NDArray[np.bool_],
    yes: Rows,
    no: Rows,
) -> Rule:
    low, high = box
    conditions = tuple(
        Condition(names[column], float(low[column]), float(high[column]), bool(binary[column]))
        for column in _conditions(box)
    )
    return Rule(conditions, int(inside[yes].sum()), int(inside[no].sum()), float(inside.mean()))


def _short(value: float) -> str:
    return f"{value:,.0f}" if abs(value) >= 1000 else f"{value:,.4g}"
