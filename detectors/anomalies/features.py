"""Text cells to typed features that a steward understands, chosen by what each column means.

Numbers and dates as they are, ratios of amounts to quantities, days between two dates, how common a category
and a pair of categories is, a number against its own category, and the shape of text. Names, e-mails and keys
enter by shape alone: who somebody is makes no record odd.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.anomalies.cells import codes_of, dates, numbers, shapes
from detectors.anomalies.forest import Floats
from detectors.anomalies.members import MAD_TO_SIGMA, MEAN_TO_SIGMA, SMALL_GROUP, pair_surprise
from detectors.anomalies.paths import Paths
from detectors.roles import Role, ValueType

MOST_LEVELS = 12
"""A category of at most so many values gets a column a value; a richer one counts by frequency alone."""
MOST_CROSSED = 12
"""At most so many features of a kind that crosses two columns."""
MEASURED = {"number", "date", "days", "ratio", "group"}
"""Kinds of feature whose size has a meaning of its own."""
LOPSIDED, SMALL_PART = 0.3, 100
"""Skewness by quantiles from which a column counts by factors; so small a part of its low values is as good as 0."""
GROUPING = (Role.CURRENCY, Role.STAGE, Role.STATUS, Role.COUNTRY, Role.INDUSTRY, Role.CATEGORY, Role.GENDER)

Codes = dict[str, npt.NDArray[np.int64]]
"""Column -> number of each row's value, -1 where blank."""


@dataclass(frozen=True, slots=True)
class Feature:
    """One column of the matrix.

    name: as a steward reads it ("days from Created to Closed").
    kind: number, date, days, ratio, group, frequency, step, pair, filled, level, shape or blank: how its value is
        said in words.
    fields: the columns of the batch it was made of.
    """

    name: str
    kind: str
    fields: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Features:
    """values: (n, d) without gaps, a gap filled by the column's median; known: (n, d), False at a gap."""

    columns: tuple[Feature, ...]
    values: Floats
    known: npt.NDArray[np.bool_]

    def __len__(self) -> int:
        return len(self.columns)


def features(frame: pd.DataFrame, roles: Mapping[str, Role]) -> Features:
    """Every feature of the frame's columns that differs between rows; columns without a role are left out."""
    made: list[tuple[Feature, Floats]] = []
    typed = {kind: _of_type(frame, roles, kind) for kind in ValueType}
    number = {name: numbers(frame[name]) for name in typed[ValueType.NUMBER]}
    date = {name: dates(frame[name]) for name in typed[ValueType.DATE]}
    category = {name: codes_of(frame[name]) for name in typed[ValueType.CATEGORY]}
    made += [(Feature(name, "number", (name,)), values) for name, values in number.items()]
    made += [(Feature(name, "date", (name,)), values) for name, values in date.items()]
    made += _ratios(number, roles) + _durations(date, roles)
    paths = {name: found for name in category if (found := Paths.of(frame[name])) is not None}
    grouped = _grouped({name: codes for name, codes in category.items() if name not in paths}, roles)
    made += _categories(frame, category) + _steps(frame, paths) + _pairs(category)
    made += _filled(frame, [*category, *number, *date], grouped) + _against_group(number, grouped, roles)
    for name in typed[ValueType.TEXT] + typed[ValueType.KEY]:
        made += [(Feature(f"{what} of {name}", "shape", (name,)), values) for what, values in shapes(frame[name])]
    made += _blanks(made)
    return _assemble(made, len(frame))


def _of_type(frame: pd.DataFrame, roles: Mapping[str, Role], kind: ValueType) -> list[str]:
    return [
        name
        for name in frame.columns
        if roles.get(name, Role.IGNORE) is not Role.IGNORE and roles[name].value_type is kind
    ]


def _ratios(number: dict[str, Floats], roles: Mapping[str, Role]) -> list[tuple[Feature, Floats]]:
    """Amount a unit of quantity, and amount to amount."""
    made = []
    for first, second in combinations(number, 2):
        pair = {roles[first], roles[second]}
        if pair not in ({Role.AMOUNT}, {Role.AMOUNT, Role.QUANTITY}):
            continue
        above, below = (second, first) if roles[first] is Role.QUANTITY else (first, second)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            ratio = number[above] / number[below]
        ratio[~np.isfinite(ratio)] = np.nan
        made.append((Feature(f"{above} / {below}", "ratio", (above, below)), ratio))
    return made[:MOST_CROSSED]


def _durations(date: dict[str, Floats], roles: Mapping[str, Role]) -> list[tuple[Feature, Floats]]:
    """Days from the earlier kind of event to the later one, in the order a record lives through them."""
    life = [Role.DATE_OF_BIRTH, Role.CREATED_AT, Role.DATE, Role.UPDATED_AT, Role.VERIFIED_AT, Role.CLOSED_AT]
    ordered = sorted(date, key=lambda name: life.index(roles[name]) if roles[name] in life else 2)
    return [
        (Feature(f"days from {start} to {end}", "days", (start, end)), date[end] - date[start])
        for start, end in combinations(ordered, 2)
    ][:MOST_CROSSED]


def _categories(frame: pd.DataFrame, category: dict[str, npt.NDArray[np.int64]]) -> list[tuple[Feature, Floats]]:
    made = []
    for name, codes in category.items():
        count = np.bincount(codes[codes >= 0], minlength=1)
        share = np.where(codes >= 0, count[codes] / max(count.sum(), 1), np.nan)
        made.append((Feature(f"how common the {name} is", "frequency", (name,)), np.log10(share)))
        if 2 < len(count) <= MOST_LEVELS:
            words = frame[name].astype("string").str.strip().to_numpy()
            for level in range(len(count)):
                here = codes == level
                made.append((Feature(f"{name} is {words[here.argmax()]}", "level", (name,)), here.astype(float)))
    return made


def _pairs(category: dict[str, npt.NDArray[np.int64]]) -> list[tuple[Feature, Floats]]:
    return [
        (
            Feature(f"how rare {first} with {second} is", "pair", (first, second)),
            pair_surprise(category[first], category[second]),
        )
        for first, second in list(combinations(category, 2))[:MOST_CROSSED]
    ]


def _steps(frame: pd.DataFrame, paths: Mapping[str, Paths]) -> list[tuple[Feature, Floats]]:
    """How rare the rarest step of a path is, given where it comes from: bits."""
    return [
        (Feature(f"rarest step in {name}", "step", (name,)), found.rarest(frame[name])) for name, found in paths.items()
    ]


def _filled(frame: pd.DataFrame, columns: list[str], grouped: Codes) -> list[tuple[Feature, Floats]]:
    """How rarely a column is filled, or blank, in records of the same group: bits ("a Loss Reason on a won deal")."""
    made = []
    for name in columns:
        filled = (codes_of(frame[name]) >= 0).astype(np.int64)
        if filled.all() or not filled.any():
            continue
        made += [
            (
                Feature(f"{name} filled or blank for its {group}, how rare", "filled", (name, group)),
                pair_surprise(codes, filled),
            )
            for group, codes in grouped.items()
            if group != name
        ]
    return made[:MOST_CROSSED]


def _grouped(category: Codes, roles: Mapping[str, Role]) -> Codes:
    """The categories that part the records into groups with usual values of their own."""
    return {
        name: codes
        for name, codes in category.items()
        if roles[name] in GROUPING and 1 < codes.max(initial=-1) + 1 <= MOST_LEVELS
    }


def _against_group(
    number: dict[str, Floats], grouped: Codes, roles: Mapping[str, Role]
) -> list[tuple[Feature, Floats]]:
    """How far a number lies from the median of its own group, in robust standard deviations.

    Amounts are held against those of their own currency first: 50,000 yen among 50,000 dollars are a small deal.
    """
    made = []
    currency = next((name for name in grouped if roles[name] is Role.CURRENCY), None)
    for name, plain in number.items():
        values, fields = in_proportion(plain), [name]
        if currency is not None and roles[name] is Role.AMOUNT:
            values, fields = _within(values, grouped[currency]), [name, currency]
            made.append((Feature(f"{name} for its {currency}", "group", (name, currency)), values))
        for group in (one for one in grouped if one not in fields):
            told = " and ".join([*fields[1:], group])
            made.append((Feature(f"{name} for its {told}", "group", (*fields, group)), _within(values, grouped[group])))
    return made[:MOST_CROSSED]


def in_one_unit(columns: tuple[Feature, ...]) -> list[int]:
    """Places of the features that compare between any two rows: not an amount of several currencies, nor one a piece.

    Beside such an amount stands "for its Currency", and a ratio of two of them has no unit.
    """
    several = {one.fields[0] for one in columns if one.kind == "group" and len(one.fields) > 2}
    return [
        place
        for place, one in enumerate(columns)
        if one.kind not in {"number", "ratio"} or len(several & set(one.fields)) != 1
    ]


def in_proportion(values: Floats) -> Floats:
    """Values that are large by factors rather than by sums, such as amounts, on a scale of factors; others as they are.

    Told by its quantiles: positive but for few, and lopsided. Zero and below stay what they are, below the small ones.
    """
    known = values[np.isfinite(values)]
    if not len(known):
        return values
    low, middle, high = np.quantile(known, [0.05, 0.5, 0.95])
    if low <= 0 or high + low - 2 * middle <= LOPSIDED * (high - low):
        return values
    return np.asarray(np.arcsinh(values / (low / SMALL_PART)))


def _within(values: Floats, codes: npt.NDArray[np.int64]) -> Floats:
    """Distance from the median of the row's own group in the group's robust standard deviations.

    A group in which values happen to lie close together is taken to spread at least half as far as groups usually do.
    """
    apart, spread = np.full(len(values), np.nan), np.full(len(values), np.nan)
    for group in range(codes.max(initial=-1) + 1):
        rows = (codes == group) & np.isfinite(values)
        if rows.sum() < SMALL_GROUP:
            continue
        apart[rows] = values[rows] - np.median(values[rows])
        size = np.abs(apart[rows])
        spread[rows] = np.median(size) * MAD_TO_SIGMA or size.mean() * MEAN_TO_SIGMA
    if not np.isfinite(spread).any():
        return apart
    spread = np.maximum(spread, np.nanmedian(spread) / 2)
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.where(spread > 0, apart / spread, np.nan)


def _blanks(made: list[tuple[Feature, Floats]]) -> list[tuple[Feature, Floats]]:
    """Whether a number or date is missing, where that differs between rows."""
    return [
        (Feature(f"{feature.name} is blank", "blank", feature.fields), np.isnan(values).astype(float))
        for feature, values in made
        if feature.kind in {"number", "date"}
    ]


def _assemble(made: list[tuple[Feature, Floats]], rows: int) -> Features:
    columns, values, known = [], [], []
    for feature, column in made:
        there = np.isfinite(column)
        if not there.any():
            continue
        filled = np.where(there, column, np.median(column[there]))
        if np.ptp(filled) > 0:
            columns.append(feature)
            values.append(filled)
            known.append(there)
    if not columns:
        return Features((), np.zeros((rows, 0)), np.zeros((rows, 0), bool))
    return Features(tuple(columns), np.column_stack(values), np.column_stack(known))
