"""Why this value: the look-ups that speak for it, the trees' part, and what else it could be."""

from __future__ import annotations

import numpy as np

from detectors.contract import Evidence
from detectors.prediction.engine.encoding import Column, Floats, Ints
from detectors.prediction.engine.imputation import Filler, Table
from detectors.prediction.engine.knowledge import KnownLookup
from detectors.prediction.engine.lookups import Lookup

REASONS = 3
PURE = 0.95
"""A look-up is the rule, not the trees, where at least this share of three or more records agree."""


def explain(
    filler: Filler, table: Table, row: int, values: Ints, probabilities: Floats
) -> tuple[str, tuple[Evidence, ...]]:
    """The rule behind a guess and the reasons for it, strongest first.

    values, probabilities: (n_candidates,) of this row, the proposed one first.

    Weights are bits of log2 odds: those of the look-ups as they stand alone, and one for how the trees judged
    them together; their sum is the log odds of the score.
    """
    chosen = np.array([[values[0]]])
    rows = np.array([row])
    spoken = []
    for lookup in filler.lookups:
        bits, held, size = (float(each[0, 0]) for each in lookup.evidence(rows, chosen))
        if held and bits > 0:
            spoken.append((bits / float(np.log(2)), int(held), int(size), lookup))
    spoken.sort(key=lambda item: (-item[0], item[3].key.label))
    reasons = [
        Evidence(lookup.key.label, bits, _sentence(filler, table, row, lookup, held, size), lookup.key.columns)
        for bits, held, size, lookup in spoken[:REASONS]
    ]
    odds = np.clip(probabilities[0], 1e-6, 1 - 1e-6)
    rest = float(np.log2(odds / (1 - odds))) - sum(reason.weight for reason in reasons)
    reasons.append(Evidence("all fields together", rest, _alternatives(filler, values, probabilities)))
    return _rule(filler, table, spoken), tuple(reasons)


def say_number(column: Column, number: float, radius: float) -> tuple[str, Evidence]:
    """A predicted number as the column writes its own, and the interval as the reason; weight: log2 of 9 to 1."""
    decimals = max((len(value.partition(".")[2]) for value in column.values[:100]), default=0)
    low, high = (f"{end:.{decimals}f}" for end in (number - radius, number + radius))
    detail = f"The record's other fields put {column.name} between {low} and {high}, right nine times in ten."
    return f"{number:.{decimals}f}", Evidence("all fields together", float(np.log2(9)), detail, (column.name,))


def _rule(filler: Filler, table: Table, spoken: list[tuple[float, int, int, Lookup]]) -> str:
    """ "lookup:postcode" where one look-up is proof enough, else "trees"."""
    for _, held, size, lookup in spoken:
        if held >= 3 and held >= PURE * size:
            return "lookup:" + "+".join(_word(table, name) for name in lookup.key.columns)
    return "trees"


def _word(table: Table, name: str) -> str:
    role = table.columns[name].role
    return name if role is None else role.value


def _sentence(filler: Filler, table: Table, row: int, lookup: Lookup, held: int, size: int) -> str:
    shown = " and ".join(f"{name} “{_shown(table, name, row)}”" for name in lookup.key.columns)
    if isinstance(lookup, KnownLookup):
        return f"The US gazetteer tells this {filler.column.name} by {shown} ({held / size:.0%} of its postcodes)."
    return f"{held} of {size} records with the same {lookup.key.label} as {shown} hold this {filler.column.name}."


def _shown(table: Table, name: str, row: int) -> str:
    column = table.columns[name]
    return _clip(column.values[column.codes[row]])


def _alternatives(filler: Filler, values: Ints, probabilities: Floats) -> str:
    options = [
        f"“{_clip(filler.column.values[value])}” {probability:.0%}"
        for value, probability in zip(values[1:4], probabilities[1:4], strict=True)
        if value >= 0 and probability >= 0.005
    ]
    return "Other values it could be: " + ", ".join(options) + "." if options else "No other value is likely."


def _clip(text: str) -> str:
    return text if len(text) <= 40 else text[:39] + "…"
