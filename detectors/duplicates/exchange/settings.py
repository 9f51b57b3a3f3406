"""Splink settings of a fitted model, with which Splink gives our weights.

Splink has two classes of pairs, our model four. So the settings hold, besides one Splink comparison for each of
ours (m of copies against u of strangers, rarity as a term frequency), a few small ones that take off what the pair
could be instead: one household, or namesakes by chance. What is taken off, -log2(1 + 2^a + 2^b), is a whole number of
eighths of a bit, and each of these comparisons is one binary digit of it. They read the levels of the other
comparisons from the same SELECT, which DuckDB and Spark (3.4 and later) allow.

Source for Splink's weights: `splink.internals.comparison_level` and `predict` of Splink 5.0.0.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from detectors.duplicates.exchange.conditions import ELSE
from detectors.duplicates.exchange.dialects import Dialect
from detectors.duplicates.exchange.prepared import BLOCKS, FRACTION, KEY, Compared, Prepared
from detectors.duplicates.scales import CLASSES
from detectors.duplicates.scoring import RARITY_CLIP, Model

STEP = 8
"""Parts of a bit in which the classes between match and stranger are counted."""
DIGITS = 9
TOLERANCE = 0.1
"""Bits by which a weight may differ from ours, for pairs whose levels agree: half a step, and rounding."""
_UNIT = 2 * FRACTION
_MATCH, _SHARED, _NAMESAKES, _STRANGERS = range(4)


def settings(prepared: Prepared, model: Model, dialect: Dialect) -> dict[str, Any]:
    """The settings as Splink reads them. Raises ValueError if the model is of another list of comparisons."""
    if model.keys != tuple(one.comparison.key for one in prepared.compared):
        raise ValueError("the model is of another list of comparisons than these records have")
    match, strangers = model.priors[_MATCH], model.priors[_STRANGERS]
    comparisons = [_comparison(row, one, model, dialect) for row, one in enumerate(prepared.compared)]
    return {
        "link_type": "dedupe_only",
        "unique_id_column_name": KEY,
        "probability_two_random_records_match": float(match / (match + strangers)),
        "blocking_rules_to_generate_predictions": [
            {
                "blocking_rule": f"l.{BLOCKS} = r.{BLOCKS}",
                "sql_dialect": dialect.name,
                "arrays_to_explode": [BLOCKS],
            }
        ],
        "comparisons": [
            *comparisons,
            *_rarities(prepared.compared, dialect),
            *_classes(prepared.compared, model, dialect),
        ],
        "retain_matching_columns": False,
        "retain_intermediate_calculation_columns": True,
        "sql_dialect": dialect.name,
    }


def weights(model: Model, row: int) -> tuple[np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """(m, u) of each level of a comparison; u is drawn towards m where its evidence is trusted less."""
    match, strangers = model.chances[row, _MATCH], model.chances[row, _STRANGERS]
    trust = model.trust[row]
    return match, strangers**trust * match ** (1 - trust)


def term_frequency(model: Model, row: int, top: int, rare: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """The frequency by which Splink's adjustment gives a value's rarity; rare: whole numbers of `FRACTION`."""
    return np.asarray(weights(model, row)[1][top] * 2.0 ** (-rare.astype(np.float64) / FRACTION))


def _comparison(row: int, one: Compared, model: Model, dialect: Dialect) -> dict[str, Any]:
    match, strangers = weights(model, row)
    words = one.comparison.scale.words
    levels = []
    for number, condition in one.conditions(dialect):
        if number == 0:
            levels.append({"sql_condition": condition, "label_for_charts": "missing", "is_null_level": True})
            continue
        level: dict[str, Any] = {
            "sql_condition": condition,
            "label_for_charts": words[number - 1],
            "m_probability": float(match[number]),
            "u_probability": float(strangers[number]),
        }
        if number == one.comparison.top:
            level |= {
                "tf_adjustment_column": one.column,
                "tf_adjustment_weight": 1.0,
                "disable_tf_exact_match_detection": True,
            }
        levels.append(level)
    return {
        "output_column_name": one.column,
        "comparison_description": one.comparison.label,
        "comparison_levels": levels,
    }


def _level(column: str) -> str:
    """What a comparison came to, as Splink numbers it: -1 missing, others from the last level upwards."""
    return f"gamma_{column}"


def _numbers(one: Compared, dialect: Dialect) -> list[int]:
    """Our levels in the order of Splink's numbers -1, 0, 1, ..."""
    return [0, *(number for number, _ in reversed(one.conditions(dialect)) if number)]


def _top(one: Compared, dialect: Dialect) -> str:
    return f"{_level(one.column)} = {_numbers(one, dialect).index(one.comparison.top) - 1}"


def _rarities(compared: list[Compared], dialect: Dialect) -> list[dict[str, Any]]:
    """Where unequal values reach the top level, ours takes the mean of two rarities and Splink the lesser: the rest."""
    found = []
    for one in compared:
        if not one.unequal:
            continue
        gap = f"abs({one.column}_rarity_l - {one.column}_rarity_r)"
        steps = int(RARITY_CLIP) * STEP  # half of the widest gap of 2 * RARITY_CLIP bits
        levels = [
            {
                "sql_condition": dialect.let("g", gap, f"CASE WHEN {_top(one, dialect)} THEN g ELSE 0 END")
                + f" < {_UNIT // STEP // 2}",
                "label_for_charts": "equally rare",
                **_weight(0.0),
            }
        ]
        for step in range(1, steps + 1):
            bound = (2 * step + 1) * (_UNIT // STEP) // 2
            condition = f"{gap} < {bound}" if step < steps else ELSE
            levels.append(
                {"sql_condition": condition, "label_for_charts": f"{step / STEP:g} bits", **_weight(step / STEP)}
            )
        found.append(
            {
                "output_column_name": f"{one.column}_of_two_values",
                "comparison_description": f"{one.comparison.label}: the mean rarity of two values that count as equal",
                "comparison_levels": levels,
            }
        )
    return found


def _weight(bits: float) -> dict[str, Any]:
    """m and u whose ratio weighs so many bits."""
    m, u = min(1.0, 2.0**bits), min(1.0, 2.0**-bits)
    return {"m_probability": m, "u_probability": u, "fix_m_probability": True, "fix_u_probability": True}


def _classes(compared: list[Compared], model: Model, dialect: Dialect) -> list[dict[str, Any]]:
    """Binary digits of what a pair loses because it could be of one of the classes between."""
    terms, rarities = [], {}
    least = [0, 0]
    for row, one in enumerate(compared):
        rows = _logs(model, row)
        top = one.comparison.top
        counted = [round(1 - float(model.by_chance[row, place])) for place in (_SHARED, _NAMESAKES)]
        entries = np.round(rows[:, : top + 1] * _UNIT).astype(np.int64)
        reserve = [int(RARITY_CLIP * _UNIT + 1) * one_counts for one_counts in counted]
        lowest = entries.min(axis=1)
        entries = entries - lowest[:, None]
        for place in range(2):
            least[place] += int(lowest[place]) - reserve[place]
        entries = entries + np.array(reserve)[:, None]
        if not entries.any():
            continue
        packed = ((entries[0] << 32) + entries[1])[_numbers(one, dialect)]
        table = dialect.array(*(f"CAST({int(entry)} AS BIGINT)" for entry in packed))
        terms.append(dialect.item(table, f"({_level(one.column)} + 2)"))
        if any(counted):
            rarities[one.column] = f"{one.column}_rarity_l + {one.column}_rarity_r"
            factor = (counted[0] << 32) + counted[1]
            terms.append(f"(CASE WHEN {_top(one, dialect)} THEN z.{one.column} * CAST({factor} AS BIGINT) ELSE 0 END)")
    names = CLASSES[model.entity]
    priors = np.log2(model.priors[1:3] / model.priors[_STRANGERS])
    low = [least[place] / _UNIT + float(priors[place]) for place in range(2)]
    a = f"({dialect.upper_half('p')} / {_UNIT}.0 + ({low[0]!r}))"
    b = f"((p & 4294967295) / {_UNIT}.0 + ({low[1]!r}))"
    most = 2**DIGITS - 1
    # log2(1 + 2^a + 2^b) without overflow: the largest of the three is taken out
    top_one = f"greatest(CAST(0 AS DOUBLE), {a}, {b})"
    powers = " + ".join(f"power(CAST(2 AS DOUBLE), {one} - {top_one})" for one in ("0", a, b))
    loss = f"({top_one} + log2({powers}))"
    number = f"CAST(least(round({loss} * {STEP}), {most}) AS BIGINT)"
    total = " + ".join(terms) or "CAST(0 AS BIGINT)"
    argument = dialect.struct(**rarities) if rarities else "0"
    digits = []
    for digit in reversed(range(DIGITS)):
        bits = 2**digit / STEP
        inner = dialect.let("p", total, f"({number} & {2**digit}) = 0")
        digits.append(
            {
                "output_column_name": f"classes_{digit}",
                "comparison_description": f"could be {names[1]} or {names[2]}",
                "comparison_levels": [
                    {"sql_condition": dialect.let("z", argument, inner), "label_for_charts": "no", **_weight(0.0)},
                    {"sql_condition": ELSE, "label_for_charts": f"{bits:g} bits less", **_weight(-bits)},
                ],
            }
        )
    return digits


def _logs(model: Model, row: int) -> np.ndarray[Any, Any]:
    """(2, levels) log2 of each level in the two classes between, against strangers."""
    logs = model.logs[row]
    return np.asarray(logs[1:3] - logs[_STRANGERS][None])
