"""What a table holds, in plain values that a page and an API can show: see `summary`."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict
from itertools import combinations
from typing import Any

import numpy as np
import polars as pl

from detectors.duplicates.survivorship import place_of_stage
from detectors.profiling import distributions, relations
from detectors.profiling.gathering import ColumnCounts, Gatherer, Ints
from detectors.profiling.relations import Measured
from detectors.roles import Role, ValueType
from detectors.rules.columns import Cells, Floats

TOP = 12
FEW = 50
"""A column of at most so many values is held to be of categories, whatever its role."""

SHARED = 10
"""A personal value is named only if so many records share it: then it is nobody's own."""

COMMON = 0.005
"""A value of a column that is not of categories is named from this share of its filled cells on."""

LOOKED_AT = 5_000
"""Rows of the sample by which it is said what cells look like."""

RELATED, RELATED_ROWS = 16, 20_000
"""Columns of the heat map, and rows of the sample that it is made of."""

PATTERNS, BLANKS, SEGMENTS, STRONGEST = 12, 12, 20, 12
_GROUPING = (Role.STAGE, Role.STATUS, Role.INDUSTRY, Role.COUNTRY, Role.REGION, Role.SOURCE_SYSTEM, Role.CATEGORY)
_LEFT = {"lost", "cancelled", "canceled", "abandoned", "disqualified", "dead"}


def segment_of(columns: Mapping[str, Role]) -> str:
    """The column that groups records best by what it means; "" if none does."""
    for role in _GROUPING:
        for name, held in columns.items():
            if held is role:
                return name
    return ""


def summary(gathered: Gatherer, roles: Mapping[str, Role], *, personal: Collection[str] = ()) -> dict[str, Any]:
    """Everything that a profile shows.

    personal: columns of which values are named only where SHARED records hold them.

    rows; sampled (rows of the sample: equal to rows where nothing had to be drawn).
    columns: of each, name, role, type (number, date, category, text, key or empty), filled, blank, placeholders,
        distinct (is_exact: else by a sketch), top ([value, rows at least]), looks (share of number, date and text among
        filled cells of the sample), bars and box (see `distributions`; dates in days since 1970), balance.
    patterns: columns that are blank together, the commonest: columns, rows, records (some of them).
    together: for columns with blanks, the share of rows blank in one that are blank in the other.
    correlations: columns and strengths (see `relations.strength`), null where too little is known; strongest pairs.
    segments: rows and share of filled cells by the values of a column. funnel: rows by stage, and how many got so far.
    """
    ids, sample = gathered.sample()
    cells = {name: Cells(sample[name]) for name in gathered.columns}
    kinds = {name: _kind(roles[name], gathered.of[name]) for name in gathered.columns}
    columns = [
        _column(name, roles[name], kinds[name], gathered.of[name], cells[name], ids, is_personal=name in personal)
        for name in gathered.columns
    ]
    return {
        "rows": gathered.rows,
        "sampled": len(ids),
        "columns": columns,
        "patterns": _patterns(gathered, cells, ids),
        "together": _together(gathered),
        "correlations": _correlations(cells, kinds),
        "segments": _segments(gathered),
        "funnel": _funnel(gathered, roles),
    }


def _kind(role: Role, counts: ColumnCounts) -> str:
    if not counts.filled:
        return "empty"
    if role.value_type in {ValueType.NUMBER, ValueType.DATE, ValueType.KEY}:
        return role.value_type.value
    if role.value_type is ValueType.CATEGORY and counts.distinct <= max(FEW, counts.filled // 10):
        return "category"
    return "category" if counts.distinct <= FEW and counts.distinct < counts.filled / 2 else "text"


def _column(
    name: str, role: Role, kind: str, counts: ColumnCounts, cells: Cells, ids: Ints, *, is_personal: bool
) -> dict[str, Any]:
    least = 1 if kind == "category" else max(2, COMMON * counts.filled)
    least = max(least, SHARED) if is_personal else least
    top = [[value[:200], count] for value, count in counts.top(TOP) if count >= least]
    values = _readings(cells, kind)
    known = np.flatnonzero(np.isfinite(values)) if values is not None else np.zeros(0, dtype=np.int64)
    measured = values[known] if values is not None else np.zeros(0)
    bars = distributions.histogram(measured, ids[known])
    return {
        "name": name,
        "role": role.value,
        "type": kind,
        "filled": counts.filled,
        "blank": counts.blank,
        "placeholders": counts.placeholders,
        "distinct": counts.distinct,
        "is_exact": not counts.forgotten,
        "top": top,
        "looks": _looks(cells),
        "read": len(known) if kind in {"number", "date"} else None,
        "bars": [asdict(bar) | {"records": list(bar.records)} for bar in bars] if len(bars) > 1 else [],
        "box": distributions.box(measured, ids[known]) if kind == "number" else None,
        "balance": distributions.balance([count for _, count in counts.top(FEW)]) if kind == "category" else None,
    }


def _readings(cells: Cells, kind: str) -> Floats | None:
    """(n,) what a histogram is made of: the numbers, days since 1970, lengths of texts; None where there is none."""
    if kind == "number":
        return cells.number
    if kind == "date":
        days = cells.day.astype("datetime64[D]")
        return np.where(np.isnat(days), np.nan, days.astype(np.int64).astype(np.float64))
    return cells.length if kind in {"text", "key"} else None


def _looks(cells: Cells) -> dict[str, float]:
    """Shares of number, date and text among filled cells, of the first LOOKED_AT rows."""
    few = Cells(cells.text.head(LOOKED_AT))
    held = few.filled
    total = int(held.sum())
    if not total:
        return {}
    is_number = few.matches(r"\s*[-+(]?\s*[$€£¥]?\s*\d[\d.,'\s]*\s*[%$€£¥]?\s*\)?\s*") & np.isfinite(few.number)
    is_date = ~np.isnat(few.day) & ~few.matches(r"\s*-?\d{1,7}(?:\.\d+)?\s*") & held
    is_number &= ~is_date
    shares = {"number": is_number, "date": is_date, "text": ~is_number & ~is_date}
    return {what: round(float((mask & held).sum()) / total, 4) for what, mask in shares.items()}


def _blank_columns(pattern: bytes, columns: list[str]) -> list[str]:
    bits = np.unpackbits(np.frombuffer(pattern, np.uint8), count=len(columns))
    return [name for name, bit in zip(columns, bits, strict=True) if bit]


def _patterns(gathered: Gatherer, cells: Mapping[str, Cells], ids: Ints) -> list[dict[str, Any]]:
    if not gathered.columns:
        return []
    packed = np.packbits(np.column_stack([~cells[name].filled for name in gathered.columns]), axis=1)
    found = []
    for pattern, count in gathered.patterns.most_common(PATTERNS):
        alike = np.flatnonzero((packed == np.frombuffer(pattern, np.uint8)).all(axis=1))[: distributions.EXAMPLES]
        names = _blank_columns(pattern, gathered.columns)
        found.append({"columns": names, "rows": count, "records": [int(one) for one in ids[alike]]})
    return found


def _together(gathered: Gatherer) -> dict[str, Any]:
    """Of the columns with blanks in some rows but not all, those with the most."""
    some = [name for name in gathered.columns if 0 < gathered.of[name].filled < gathered.rows]
    names = sorted(some, key=lambda name: gathered.of[name].filled)[:BLANKS]
    shares = relations.blank_together(dict(gathered.patterns), len(gathered.columns))
    places = [gathered.columns.index(name) for name in names]
    return {"columns": names, "shares": [[_rounded(shares[one, other]) for other in places] for one in places]}


def _correlations(cells: Mapping[str, Cells], kinds: Mapping[str, str]) -> dict[str, Any]:
    read = (_measured(name, held, kinds[name]) for name, held in cells.items())
    measured = [column for column in read if column is not None][:RELATED]
    size = len(measured)
    table: list[list[float | None]] = [[1.0 if one == other else None for other in range(size)] for one in range(size)]
    pairs: list[dict[str, Any]] = []
    for one, other in combinations(range(size), 2):
        found = relations.strength(measured[one], measured[other])
        if found is not None:
            value = round(found[0], 3)
            table[one][other] = table[other][one] = value
            pairs.append(
                {"one": measured[one].name, "other": measured[other].name, "strength": value, "measure": found[1]}
            )
    pairs.sort(key=lambda pair: -abs(pair["strength"]))
    return {"columns": [one.name for one in measured], "strengths": table, "strongest": pairs[:STRONGEST]}


def _measured(name: str, cells: Cells, kind: str) -> Measured | None:
    few = Cells(cells.text.head(RELATED_ROWS))
    if kind in {"number", "date"}:
        numbers = _readings(few, kind)
        assert numbers is not None
        return Measured(name, numbers=numbers) if np.isfinite(numbers).sum() >= relations.FEWEST else None
    if kind != "category":
        return None
    held = few.stripped.to_frame("value").with_columns(
        pl.when(pl.Series(few.filled)).then(pl.col("value")).otherwise(None).alias("value")
    )
    codes = held.select(pl.col("value").rank("dense").fill_null(0).cast(pl.Int64) - 1).to_series().to_numpy()
    return Measured(name, codes=codes) if 2 <= codes.max(initial=-1) + 1 <= FEW else None


def _segments(gathered: Gatherer) -> dict[str, Any] | None:
    found = sorted(gathered.segments.items(), key=lambda item: (-item[1][0], item[0]))
    if not gathered.segment or len(found) < 2:
        return None
    shown, rest = found[:SEGMENTS], found[SEGMENTS:]
    width = len(gathered.columns)
    rows = [
        {"value": value, "rows": count, "filled": round(filled / (count * width), 4)}
        for value, (count, filled) in shown
    ]
    others = {"values": len(rest), "rows": sum(count for _, (count, _) in rest)} if rest else None
    return {"column": gathered.segment, "rows": rows, "others": others}


def _funnel(gathered: Gatherer, roles: Mapping[str, Role]) -> dict[str, Any] | None:
    """Stages in the order of a sale; reached: records at this stage or a later one; those that left are apart."""
    name = next((name for name in gathered.columns if roles[name] is Role.STAGE), "")
    if not name or not 2 <= gathered.of[name].distinct <= FEW:
        return None
    counts = gathered.of[name].top(FEW)
    left = [(stage, count) for stage, count in counts if _LEFT & set(stage.casefold().replace("-", " ").split())]
    steps = [(stage, count) for stage, count in counts if (stage, count) not in left]
    steps.sort(key=lambda step: (place_of_stage(step[0]), -step[1]))
    reached = np.cumsum([count for _, count in steps][::-1])[::-1]
    return {
        "column": name,
        "steps": [
            {"value": stage, "rows": count, "reached": int(so_far)}
            for (stage, count), so_far in zip(steps, reached, strict=True)
        ],
        "left": [{"value": stage, "rows": count} for stage, count in left],
    }


def _rounded(value: float) -> float | None:
    return round(float(value), 4) if np.isfinite(value) else None
