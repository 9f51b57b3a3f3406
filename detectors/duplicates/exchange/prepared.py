"""Records prepared for SQL: what the compiled comparisons read, as flat columns, and the blocks a record is in."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from detectors.contract import Batch
from detectors.duplicates import blocking, comparisons, fills, scoring
from detectors.duplicates.encoding import Column
from detectors.duplicates.exchange import conditions
from detectors.duplicates.exchange.blocks import memberships
from detectors.duplicates.exchange.conditions import Conditions
from detectors.duplicates.exchange.dialects import Dialect
from detectors.duplicates.plan import Comparison, Plan
from detectors.duplicates.preparing import Dates, Name, Words
from detectors.duplicates.text import Hashes, Ints

KEY = "record_id"
Build = Callable[[Dialect], Conditions]
"""The conditions of one comparison, by dialect."""
BLOCKS = "block_keys"
LIKELY_WORDS = 16
"""Words of a text that are compared; as in `levels.words`."""
FRACTION = 256
"""Rarity is written in whole numbers of this part of a bit."""


@dataclass(frozen=True)
class Compared:
    """One comparison in SQL.

    column: its column, which holds the value that counts for term frequencies. conditions: by dialect.
    unequal: whether values that differ can reach the top level, so that their rarities differ.
    """

    comparison: Comparison
    column: str
    conditions: Build
    unequal: bool


@dataclass
class Prepared:
    """The records of one kind of entity, ready for Splink.

    records: one row a record: its id, the prepared columns, the rarity of each value, the blocks.
    frequencies: column -> (value, rarity in bits) of every value met.
    """

    plan: Plan
    compared: list[Compared]
    records: pa.Table
    frequencies: dict[str, pa.Table]
    keys: tuple[blocking.Key, ...]


def prepare(batch: Batch, entity: str) -> Prepared:
    """The records of a batch (ordered by id) as columns for SQL.

    Raises TypeError if a comparison has no form in SQL.
    """
    plan = comparisons.plan(batch, entity)
    columns: dict[str, pa.Array] = {KEY: pa.array(batch.frame.index.to_numpy(np.int64))}
    compared, frequencies = [], {}
    names = _safe_names([one.key for one in plan.comparisons])
    for comparison, fill, name in zip(plan.comparisons, plan.fills, names, strict=True):
        value, parts, build, unequal = _columns(fill, name)
        columns |= {name: value, **parts}
        rare = np.round(scoring.rarity(comparison).astype(np.float64) * FRACTION).astype(np.int64)
        columns[f"{name}_rarity"] = pa.array(rare)
        frequencies[name] = _frequencies(name, value, rare)
        compared.append(Compared(comparison, name, build, unequal))
    _cross(plan, compared)
    blocks, keys = _blocks(plan)
    columns[BLOCKS] = blocks
    return Prepared(plan, compared, pa.table(columns), frequencies, keys)


def _safe_names(keys: list[str]) -> list[str]:
    """Column names that every engine takes, one a comparison."""
    found: list[str] = []
    for key in keys:
        name = re.sub(r"[^a-z0-9]+", "_", key.lower()).strip("_") or "column"
        while name in found:
            name += "x"
        found.append(name)
    return found


def _frequencies(name: str, value: pa.Array, rare: np.ndarray[Any, Any]) -> pa.Table:
    table = pa.table({name: value, "rarity": rare}).filter(pc.is_valid(value))
    return table.group_by(name).aggregate([("rarity", "max")]).rename_columns([name, "rarity"])


# -- columns --------------------------------------------------------------------------------------------------

_Made = tuple[pa.Array, dict[str, pa.Array], Build, bool]


def _columns(fill: Any, name: str) -> _Made:
    """(value, further columns, its conditions, whether unequal values can reach the top) of one comparison."""
    if not isinstance(fill, partial) or fill.func not in _MAKERS:
        raise TypeError(f"the comparison {name} has no form in SQL")
    return _MAKERS[fill.func](name, *fill.args)


def _name(name: str, prepared: Name) -> _Made:
    column = prepared.column
    forms = [[int(group) for group in groups if group >= 0] for groups in prepared.aliases]
    parts = {
        f"{name}_forms": _spread_lists(column, forms, pa.int64()),
        f"{name}_sound": _spread(column, prepared.sounds.view(np.int64).tolist(), pa.int64()),
    }
    return _text(column), parts, lambda dialect: conditions.name(name, dialect), False


def _words(name: str, prepared: Words) -> _Made:
    value, parts = _word_columns(name, prepared)
    return value, parts, lambda dialect: conditions.words(name, dialect), False


def _word_columns(name: str, prepared: Words) -> tuple[pa.Array, dict[str, pa.Array]]:
    column, vocabulary = prepared.column, prepared.vocabulary.values()
    bounds, tokens = prepared.bounds.tolist(), prepared.tokens.tolist()
    codes = [tokens[first : min(last, first + LIKELY_WORDS)] for first, last in pairwise(bounds)]
    spelled = [[vocabulary[code] for code in one] for one in codes]
    weights = [[float(prepared.weights[code]) for code in one] for one in codes]
    parts = {
        f"{name}_words": _spread_lists(column, spelled, pa.string()),
        f"{name}_weights": _spread_lists(column, weights, pa.float64()),
        f"{name}_mass": _spread(column, [sum(one) for one in weights], pa.float64()),
    }
    whole = ["".join(vocabulary[code] for code in tokens[first:last]) for first, last in pairwise(bounds)]
    return _spread(column, whole, pa.string()), parts


def _date(name: str, prepared: Dates) -> _Made:
    column = prepared.column
    parts = {
        f"{name}_{letter}": _spread(column, numbers.tolist(), pa.int64())
        for letter, numbers in (("y", prepared.years), ("m", prepared.months), ("d", prepared.days))
    }
    return _text(column), parts, lambda dialect: conditions.date(name), False


def _number(name: str, values: np.ndarray[Any, Any]) -> _Made:
    missing = np.isnan(values)
    value = pa.array(values, mask=missing)
    return value, {}, lambda dialect: conditions.number(name), False


def _short(name: str, columns: list[Column]) -> _Made:
    return _several(name, columns, lambda names, dialect: conditions.short(names, dialect))


def _several(name: str, columns: list[Column], build: Callable[[list[str], Dialect], Conditions]) -> _Made:
    """The first value there is counts; where there are more columns, each stands by itself beside it."""
    texts = [_text(column) for column in columns]
    if len(texts) == 1:
        return texts[0], {}, lambda dialect: build([name], dialect), False
    names = [f"{name}_{place}" for place in range(1, len(texts) + 1)]
    value = pc.coalesce(*texts)
    return value, dict(zip(names, texts, strict=True)), lambda dialect: build(names, dialect), True


def _email(name: str, columns: list[Column], local: tuple[Ints, Hashes], names: list[Column]) -> _Made:
    ats, _ = local
    starts = columns[0].starts
    whole = columns[0].text.tobytes()
    locals_ = [whole[first:at].decode("utf-8", "replace") for first, at in zip(starts[:-1], ats, strict=True)]
    digits = [re.sub(r"[^0-9]", "", one) for one in locals_]
    parts: dict[str, pa.Array] = {}
    held = []
    for place, column in enumerate(names):
        if column.filled:
            letters = [one[:5] if len(one) >= 3 else None for one in column.values()]
            held.append(f"{name}_name{place + 1}")
            parts[held[-1]] = _spread(column, letters, pa.string())
    value, more, build, unequal = _several(name, columns, lambda names, dialect: conditions.email(names, held))
    for own, column in zip(more or [name], columns, strict=True):
        parts[f"{own}_local"] = _spread(column, locals_, pa.string())
        parts[f"{own}_digits"] = _spread(column, digits, pa.string())
    return value, {**more, **parts}, build, unequal


def _line(name: str, street: Words, number: Column) -> _Made:
    value, parts = _word_columns(f"{name}_street", street)
    house = _text(number)
    both = pc.binary_join_element_wise(value, house, " ")
    parts |= {f"{name}_street": value, f"{name}_house": house}

    def build(dialect: Dialect) -> Conditions:
        return conditions.line(f"{name}_street", f"{name}_house", dialect)

    return both, parts, build, True


def _place(name: str, code: Column, town: Column, region: Column) -> _Made:
    columns = {f"{name}_code": code, f"{name}_town": town, f"{name}_region": region}
    parts = {own: _text(column) for own, column in columns.items() if column.filled}
    own = [column if column in parts else None for column in columns]
    value = _place_value(code, town, region)

    def build(dialect: Dialect) -> Conditions:
        return conditions.place(own, dialect)

    return value, parts, build, False


def _place_value(code: Column, town: Column, region: Column) -> pa.Array:
    """As in `comparisons`: postcode and town together, or the one there is."""
    if code.filled and town.filled:
        return pc.binary_join_element_wise(_text(code), _text(town), " ")
    return _text(code if code.filled else town if town.filled else region)


_MAKERS: Mapping[Any, Callable[..., _Made]] = {
    fills.fill_name: _name,
    fills.fill_words: _words,
    fills.fill_date: _date,
    fills.fill_number: _number,
    fills.fill_short: _short,
    fills.fill_email: _email,
    fills.fill_line: _line,
    fills.fill_place: _place,
}


def _cross(plan: Plan, compared: list[Compared]) -> None:
    """Comparisons that look at each other: crossed names, crossed address lines, what follows from another."""
    for step in plan.steps:
        if not isinstance(step, partial):
            continue
        if step.func is fills.swap:
            rows = (step.args[0][0], step.args[1][0])
            _replace_both(compared, rows, conditions.crossed_names)
        elif step.func is fills.swap_lines:
            _replace_both(compared, step.args[:2], conditions.crossed_lines)
        elif step.func is fills.implied:
            other, least, row = step.args
            old = compared[row]
            build = partial(_implied, compared[other].conditions, least, old.conditions)
            compared[row] = Compared(old.comparison, old.column, build, old.unequal)


def _implied(other: Build, least: int, own: Build, dialect: Dialect) -> Conditions:
    return conditions.implied(other(dialect), least, own(dialect))


def _replace_both(
    compared: list[Compared],
    rows: tuple[int, int],
    build: Callable[[str, str, Dialect], tuple[Conditions, Conditions]],
) -> None:
    one, two = (compared[row].column for row in rows)
    for place, row in enumerate(rows):
        old = compared[row]

        def own(dialect: Dialect, place: int = place) -> Conditions:
            return build(one, two, dialect)[place]

        compared[row] = Compared(old.comparison, old.column, own, old.unequal)


def _text(column: Column) -> pa.Array:
    return _spread(column, column.values(), pa.string())


def _spread(column: Column, values: list[Any], kind: pa.DataType) -> pa.Array:
    """One value a distinct value, spread to rows; null where the row has none."""
    codes = pa.array(column.codes, mask=column.codes < 0)
    return pa.array(values, type=kind).take(codes)


def _spread_lists(column: Column, values: list[list[Any]], kind: pa.DataType) -> pa.Array:
    return _spread(column, values, pa.list_(kind))


# -- blocks -----------------------------------------------------------------------------------------------------


def _blocks(plan: Plan) -> tuple[pa.Array, tuple[blocking.Key, ...]]:
    """Every record's blocks by number, so that two records are compared exactly where they share one.

    A block that is read as a sorted neighbourhood becomes one small block for each window of it.
    """
    rows, numbers, keys = memberships(plan)
    order = np.argsort(rows, kind="stable")
    offsets = np.concatenate([[0], np.cumsum(np.bincount(rows, minlength=plan.rows))])
    return pa.LargeListArray.from_arrays(pa.array(offsets), pa.array(numbers[order])).cast(pa.list_(pa.int64())), keys
