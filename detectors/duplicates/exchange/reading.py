"""A model from Splink settings: each Splink comparison finds ours of the same column, each of its levels our levels.

Exact agreement becomes our top level, "all other" our lowest, and what lies between our levels in the same order, the
nearest first. A Splink level that covers several of ours is split among them by our prior opinions (`scales`). The
classes that Splink does not have (household, namesakes) come from the same opinions, as before any EM step.
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from detectors.duplicates import scoring
from detectors.duplicates.plan import Comparison, Plan
from detectors.duplicates.scoring import EXPECTED, Floats, Model

_COLUMN = re.compile(r'"([^"]+)_[lr]"|`([^`]+)_[lr]`|\b([A-Za-z_]\w*)_[lr]\b')
_NEAR = re.compile(
    r"\b(levenshtein|damerau_levenshtein|jaro_winkler_similarity|jaro_winkler|jaro_similarity|jaro_sim|jaro|jaccard)\s*\("
)
_OURS = re.compile(r"classes_\d+$|.*_of_two_values$")
"""Comparisons that our export adds for the classes Splink does not have."""


class NoEquivalent(ValueError):
    """The settings hold something that our model has no place for; the message names it."""


@dataclass(frozen=True)
class Imported:
    """The model; used: Splink comparison -> ours. left_out: what has no equivalent, where that was allowed."""

    model: Model
    used: dict[str, str]
    left_out: tuple[str, ...]


@dataclass(frozen=True)
class _Level:
    """A Splink level: "exact", "near" or "else", with its probabilities."""

    kind: str
    m: float
    u: float


def model_of(text: str, plan: Plan, *, skip: bool = False) -> Imported:
    """The model that Splink settings describe, for records of this plan.

    skip: leave out comparisons without an equivalent instead of refusing. Comparisons of ours that the settings do not
    name say nothing. Raises NoEquivalent, also where the text is no Splink settings or holds untrained levels.
    """
    settings = _settings(text)
    chances, trust, by_chance = _silent(plan)
    used: dict[str, str] = {}
    left_out: list[str] = []
    for one in settings["comparisons"]:
        name = str(one.get("output_column_name") or one.get("comparison_description") or "a comparison")
        if _OURS.fullmatch(name):
            continue
        try:
            row = _same(name, one["comparison_levels"], plan)
            ours = plan.comparisons[row]
            if ours.key in used.values():
                raise NoEquivalent(f"{name}: a second comparison of what is compared once here ({ours.label}).")
            match, strangers = _probabilities(name, one["comparison_levels"], ours)
        except NoEquivalent as error:
            if not skip:
                raise
            left_out.append(str(error))
            continue
        used[name] = ours.key
        trust[row] = 1.0
        by_chance[row] = scoring._by_chance(plan)[row]
        for place in range(4):
            share = (1.0, *ours.shared, 0.0)[place] or 0.0
            chances[row, place] = share * match + (1 - share) * strangers
    if not used:
        raise NoEquivalent(left_out[0] if left_out else "The settings hold no comparisons.")
    priors = _priors(float(settings.get("probability_two_random_records_match", 0.0001)), plan.rows)
    matches = float(priors[0] * plan.rows * (plan.rows - 1) / 2)
    keys = tuple(one.key for one in plan.comparisons)
    model = Model(plan.entity, keys, chances, priors, trust, by_chance, 0, True, matches)
    return Imported(model, used, tuple(left_out))


def _settings(text: str) -> dict[str, Any]:
    try:
        found = json.loads(text)
    except ValueError as error:
        raise NoEquivalent(f"This is no JSON: {error}.") from error
    comparisons = found.get("comparisons") if isinstance(found, dict) else None
    fits = isinstance(comparisons, list) and all(
        isinstance(one, dict) and isinstance(one.get("comparison_levels"), list) for one in comparisons
    )
    if not fits:
        raise NoEquivalent("These are no Splink settings: there is no list of comparisons with comparison_levels.")
    return dict(found)


def _silent(plan: Plan) -> tuple[Floats, Floats, Floats]:
    """Chances, trust and by_chance of comparisons that say nothing."""
    size = len(plan.comparisons)
    return np.ones((size, 4, 8)), np.zeros(size), np.zeros((size, 4))


def _priors(match: float, rows: int) -> Floats:
    total = max(rows * (rows - 1) / 2, 1.0)
    between = np.minimum(EXPECTED[1:] * (rows + 10) / total, 0.2)
    match = min(max(match, 1e-12), 0.3)
    return np.array([match, *between, 1 - match - between.sum()])


def _plain(name: str) -> str:
    return re.sub(r"[^a-z0-9]+", "_", name.lower()).strip("_")


def _columns(levels: Sequence[dict[str, Any]]) -> set[str]:
    sql = " ".join(str(level.get("sql_condition", "")) for level in levels)
    return {next(name for name in found.groups() if name) for found in _COLUMN.finditer(sql)}


def _same(name: str, levels: Sequence[dict[str, Any]], plan: Plan) -> int:
    """Our comparison of the same column: by the name of the column, or, in an export of ours, by the comparison's."""
    columns = {_plain(column) for column in _columns(levels)}
    rows = [row for row, one in enumerate(plan.comparisons) if columns & {_plain(field) for field in one.fields}] or [
        row for row, one in enumerate(plan.comparisons) if _plain(one.key) == _plain(name)
    ]
    if len(rows) == 1:
        return rows[0]
    listed = ", ".join(sorted(columns)) or "no column"
    if rows:
        words = " and ".join(plan.comparisons[row].label for row in rows)
        raise NoEquivalent(f"{name}: one comparison of {listed}, which are compared apart here ({words}).")
    known = ", ".join(sorted({field for one in plan.comparisons for field in one.fields}))
    raise NoEquivalent(f"{name}: it compares {listed}; the columns compared here are {known}.")


def _probabilities(name: str, levels: Sequence[dict[str, Any]], ours: Comparison) -> tuple[Floats, Floats]:
    """(m, u) of our levels 0 to 7; 1 for levels that the scale does not have."""
    groups = _by_words(levels, ours)
    if not groups:
        groups = _groups(name, [_read(name, level) for level in levels if not level.get("is_null_level")], ours)
    match, strangers = np.ones(8), np.ones(8)
    agree, chance = (np.array([1.0, *prior]) for prior in (ours.scale.agree, ours.scale.chance))
    for level, numbers in groups:
        match[numbers] = level.m * agree[numbers] / agree[numbers].sum()
        strangers[numbers] = level.u * chance[numbers] / chance[numbers].sum()
    top = slice(1, ours.top + 1)
    match[top] = np.maximum(match[top], 1e-9) / np.maximum(match[top], 1e-9).sum()
    strangers[top] = np.maximum(strangers[top], 1e-9) / np.maximum(strangers[top], 1e-9).sum()
    return match, strangers


def _by_words(levels: Sequence[dict[str, Any]], ours: Comparison) -> list[tuple[_Level, list[int]]]:
    """Levels that carry the very words of our scale, as in an export of ours; empty if they do not."""
    numbers = {words: number for number, words in enumerate(ours.scale.words, start=1)}
    labels = {str(level.get("label_for_charts")): level for level in levels if not level.get("is_null_level")}
    if set(labels) != set(numbers):
        return []
    return [
        (_Level("exact", float(level["m_probability"]), float(level["u_probability"])), [numbers[label]])
        for label, level in labels.items()
    ]


def _groups(name: str, read: list[_Level], ours: Comparison) -> list[tuple[_Level, list[int]]]:
    """Which of our levels each Splink level covers."""
    exact = [level for level in read if level.kind == "exact"]
    near = [level for level in read if level.kind == "near"]
    rest = [level for level in read if level.kind == "else"]
    if len(exact) != 1 or len(rest) != 1:
        raise NoEquivalent(f"{name}: one level of exact agreement and one of all others are needed.")
    middle = list(range(ours.top - 1, 1, -1))
    covered = middle[: len(near)]
    if len(near) > len(covered) and covered:
        merged = near[len(covered) - 1 :]
        near = [
            *near[: len(covered) - 1],
            _Level("near", sum(one.m for one in merged), sum(one.u for one in merged)),
        ]
    found = [(exact[0], [ours.top])]
    found += [(level, [number]) for level, number in zip(near, covered, strict=False)]
    found.append((rest[0], [1, *(number for number in middle if number not in covered)]))
    return found


def _read(name: str, level: dict[str, Any]) -> _Level:
    sql = str(level.get("sql_condition", "")).strip()
    label = str(level.get("label_for_charts") or sql)
    m, u = level.get("m_probability"), level.get("u_probability")
    if not isinstance(m, (int, float)) or not isinstance(u, (int, float)):
        raise NoEquivalent(f"{name}: the level “{label}” has no m or u; train it in Splink first.")
    lower = sql.lower()
    if lower == "else":
        return _Level("else", float(m), float(u))
    sides = [part.strip().strip('"`') for part in lower.split("=")]
    if len(sides) == 2 and sides[0][:-2] == sides[1][:-2] and {sides[0][-2:], sides[1][-2:]} == {"_l", "_r"}:
        return _Level("exact", float(m), float(u))
    if _NEAR.search(lower) and not re.search(r"\band\b|\bor\b|\bnot\b", lower):
        return _Level("near", float(m), float(u))
    raise NoEquivalent(f"{name}: the level “{label}” ({' '.join(sql.split())[:80]}) has no equivalent here.")
