"""Quality metrics of a table: pure functions, each A / B with its formula in the docstring (ISO/IEC 25024 style).

Every metric counts what it names and nothing else: blank cells are the business of completeness, so validity looks
at filled cells only; duplicates are counted on entities, not on equal values; accuracy comes from people's verdicts,
never from the rules that also make the findings.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime

import pandas as pd

from detectors.addresses.gazetteer import us_gazetteer
from detectors.contract import Batch
from detectors.formats.date_columns import read_dates
from detectors.formats.validity import regions, valid_mask
from detectors.missing_values import is_missing
from detectors.roles import Role, ValueType

RULE_VERSION = 2
FRESH_DAYS = 365
Z95 = 1.959963984540054

OPTIONAL = {Role.MIDDLE_NAME, Role.FAX, Role.UNIT, Role.CLOSED_AT, Role.REASON, Role.TEXT, Role.WEBSITE}
"""Roles that a complete record may leave blank."""

WEIGHTS = {
    "completeness": 1.0,
    "validity": 1.0,
    "consistency": 1.0,
    "uniqueness": 1.0,
    "timeliness": 0.5,
}
"""What each metric counts in the quality score. Accuracy is left out: people verify what was flagged, not a sample,
so the score would fall with every mistake they find and mend."""


@dataclass(frozen=True, slots=True)
class Measure:
    """One metric: numerator of denominator; low and high bound the value at 95 % where it is an estimate.

    field: the column; "" for the table as a whole. segment: the group of records; "" for all of them.
    """

    name: str
    numerator: float
    denominator: float
    field: str = ""
    low: float | None = None
    high: float | None = None
    segment: str = ""

    @property
    def value(self) -> float | None:
        """The share; None where the metric does not apply."""
        return self.numerator / self.denominator if self.denominator else None


@dataclass(frozen=True, slots=True)
class Masks:
    """Bool frames, one row a record.

    filled, required: one column a field: what holds a value, and what has to.
    invalid: one column a field: which filled cells fail their role's rule or one that an admin set for the field.
    applicable, broken: one column a rule about several fields or records: where it applies, and where it fails.
    ruled: the fields that validity counts. fresh: whether each record keeps the admin's rules of freshness, NA where
    none applies; None where there is no such rule.
    """

    filled: pd.DataFrame
    required: pd.DataFrame
    invalid: pd.DataFrame
    applicable: pd.DataFrame
    broken: pd.DataFrame
    ruled: tuple[str, ...]
    fresh: pd.Series | None = None


def masks(batch: Batch, *, each: Callable[[int], object] = lambda done: None) -> Masks:
    """Look at every cell once. each: is told how many columns are done. For an admin's rules: `metrics_rules`."""
    frame = batch.frame
    country = batch.text(Role.COUNTRY)
    filled = pd.DataFrame({name: ~is_missing(frame[name]) for name in frame.columns}, index=frame.index, dtype=bool)
    fails = {}
    for done, name in enumerate(frame.columns):
        each(done)
        fails[name] = filled[name] & ~valid_mask(batch.roles[name], frame[name], country)
    invalid = pd.DataFrame(fails, index=frame.index, columns=frame.columns, dtype=bool)
    failures = cross_field_failures(batch, filled)
    needed = {name: batch.roles[name] not in OPTIONAL for name in frame.columns}
    required = pd.DataFrame(needed, index=frame.index, columns=frame.columns, dtype=bool)
    broken = failures.fillna(False).astype(bool)
    return Masks(filled, required, invalid, failures.notna(), broken, tuple(ruled_columns(batch)))


def completeness(batch: Batch, seen: Masks) -> list[Measure]:
    """Filled required cells / required cells.

    Blank, "N/A", "unknown" and other placeholders are missing. Every mapped column is required but those whose role
    a complete record may leave blank (OPTIONAL), and those too where an admin's rule says so.
    """
    by_field = [
        Measure("completeness", int((seen.filled[name] & needed).sum()), int(needed.sum()), name)
        for name, needed in seen.required.items()
        if needed.any() or batch.roles[name] not in OPTIONAL
    ]
    return [_total("completeness", by_field), *by_field]


def validity(batch: Batch, seen: Masks) -> list[Measure]:
    """Filled cells that keep their role's rule and the admin's / filled cells of fields that have a rule."""
    by_field = [
        Measure("validity", int((seen.filled[name] & ~seen.invalid[name]).sum()), int(seen.filled[name].sum()), name)
        for name in seen.ruled
    ]
    return [_total("validity", by_field), *by_field]


def ruled_columns(batch: Batch) -> list[str]:
    """The columns whose role has a rule."""
    return [
        name
        for name in batch.frame.columns
        if batch.roles[name].value_type is not ValueType.TEXT or batch.roles[name] in CHECKED_TEXT
    ]


CHECKED_TEXT = {Role.EMAIL, Role.PHONE, Role.FAX, Role.WEBSITE, Role.POSTCODE}


def consistency(batch: Batch, seen: Masks) -> list[Measure]:
    """Rules about several fields or records that are kept / applicable (where all their fields are filled).

    Rules: postcode and region or city belong together; created before updated, before closed; born before created; and
    those of an admin: cross-field, never together, unique, reference.
    """
    applicable, broken = seen.applicable.sum(), seen.broken.sum()
    by_rule = [
        Measure("consistency", int(applicable[name] - broken[name]), int(applicable[name]), name)
        for name in seen.applicable.columns
    ]
    return [_total("consistency", by_rule), *by_rule]


def uniqueness(records: int, clusters: Iterable[int]) -> Measure:
    """1 - (records in duplicate clusters - clusters) / records, on entity clusters.

    clusters: the size of each cluster of two or more.
    """
    surplus = sum(size - 1 for size in clusters)
    return Measure("uniqueness", records - surplus, records)


def timeliness(batch: Batch, seen: Masks, *, now: datetime) -> Measure:
    """Records whose last verification or update is at most FRESH_DAYS old / records that carry such a date.

    Where an admin set rules of freshness: records that keep them / records that one applies to.
    """
    fresh = freshness(batch, seen, now=now)
    return Measure("timeliness", 0, 0) if fresh is None else Measure("timeliness", int(fresh.sum()), int(fresh.count()))


def freshness(batch: Batch, seen: Masks, *, now: datetime) -> pd.Series | None:
    """Whether each record is fresh, see `timeliness`; NA where that cannot be told, None where it can of no record."""
    if seen.fresh is not None:
        return seen.fresh
    dates = None
    for role in (Role.VERIFIED_AT, Role.UPDATED_AT, Role.CREATED_AT):
        cells = batch.text(role)
        if cells is not None:
            read = _dates(cells)
            dates = read if dates is None else dates.fillna(read)
    if dates is None:
        return None
    today = pd.Timestamp(now).tz_localize(None).as_unit("s")  # a mistyped year 9167 does not fit finer units
    age = (today - dates) / pd.Timedelta(1, "D").as_unit("s")
    return (age <= FRESH_DAYS).astype("boolean").where(dates.notna())


def accuracy(right: int, verified: int) -> Measure:
    """Values that were right as they stood / values verified by people's verdicts; Wilson interval."""
    low, high = wilson(right, verified)
    return Measure("accuracy", right, verified, low=low, high=high)


def accuracy_against(frame: pd.DataFrame, reference: pd.DataFrame) -> list[Measure]:
    """Cells equal to the reference's / cells that the reference knows, in all and by field; Wilson interval.

    frame, reference: text cells, indexed by the external id. Only shared ids and fields count, and only cells that
    the reference fills; case and blanks at the ends are folded.
    """
    ids = frame.index.intersection(reference.index)
    by_field = []
    for name in (name for name in reference.columns if name in frame.columns):
        wanted = reference.loc[ids, name]
        known = ~is_missing(wanted)
        held, right = (cells[known].fillna("").str.strip().str.casefold() for cells in (frame.loc[ids, name], wanted))
        by_field.append(Measure("accuracy against reference", int((held == right).sum()), int(known.sum()), name))
    total = _total("accuracy against reference", by_field)
    low, high = wilson(total.numerator, total.denominator)
    return [Measure(total.name, total.numerator, total.denominator, low=low, high=high), *by_field]


def error_rate(batch: Batch, seen: Masks) -> Measure:
    """Failed checks / checks: every filled cell's rule and every applicable cross-field rule is one check."""
    checks = int(seen.filled.to_numpy().sum()) + int(seen.applicable.to_numpy().sum())
    failed = int(seen.invalid.to_numpy().sum()) + int(seen.broken.to_numpy().sum())
    return Measure("error rate", failed, checks)


def faultless(batch: Batch, seen: Masks) -> Measure:
    """Records that fail no check and lack no required value / records: the record-level score."""
    fails = seen.invalid.any(axis=1) | seen.broken.any(axis=1) | (seen.required & ~seen.filled).any(axis=1)
    return Measure("faultless records", int((~fails).sum()), len(batch))


def record_scores(batch: Batch, seen: Masks) -> pd.Series:
    """Checks passed / checks of each record in [0, 1]: required cells filled, filled cells valid, rules kept."""
    checks = seen.required.sum(axis=1) + seen.filled.sum(axis=1) + seen.applicable.sum(axis=1)
    failed = (seen.required & ~seen.filled).sum(axis=1) + seen.invalid.sum(axis=1) + seen.broken.sum(axis=1)
    return (1 - failed / checks.where(checks > 0, 1)).astype(float)


def quality_score(measures: Mapping[str, float | None]) -> float | None:
    """Weighted mean of the metrics that apply, by WEIGHTS; None if none does."""
    known = [(WEIGHTS[name], value) for name, value in measures.items() if name in WEIGHTS and value is not None]
    weight = sum(share for share, _ in known)
    return sum(share * value for share, value in known) / weight if weight else None


def wilson(right: float, total: float, *, z: float = Z95) -> tuple[float | None, float | None]:
    """The Wilson score interval of a share (Wilson 1927), 95 % by default; None, None for an empty sample."""
    if total <= 0:
        return None, None
    share = right / total
    middle = share + z**2 / (2 * total)
    half = z * math.sqrt(share * (1 - share) / total + z**2 / (4 * total**2))
    scale = 1 + z**2 / total
    # the share itself bounds both: at 0 and 1 the formula meets it but for rounding
    return max(0.0, min(share, (middle - half) / scale)), min(1.0, max(share, (middle + half) / scale))


def cross_field_failures(batch: Batch, filled: pd.DataFrame) -> pd.DataFrame:
    """Rule -> True where broken, False where kept, NA where it does not apply."""
    rules: dict[str, pd.Series] = {}
    dates = {
        role: _dates(batch.frame[column])
        for role in (Role.DATE_OF_BIRTH, Role.CREATED_AT, Role.UPDATED_AT, Role.CLOSED_AT)
        if (column := batch.column(role)) is not None
    }
    for earlier, later in (
        (Role.DATE_OF_BIRTH, Role.CREATED_AT),
        (Role.CREATED_AT, Role.UPDATED_AT),
        (Role.CREATED_AT, Role.CLOSED_AT),
    ):
        if earlier in dates and later in dates:
            known = dates[earlier].notna() & dates[later].notna()
            rules[f"{earlier.label} before {later.label.lower()}"] = _three(
                dates[earlier].dt.normalize() > dates[later].dt.normalize(), known
            )
    place = _postcode_rule(batch, filled)
    if place is not None:
        rules["Postcode and region belong together"] = place
    return pd.DataFrame(rules, index=batch.frame.index)


def _postcode_rule(batch: Batch, filled: pd.DataFrame) -> pd.Series | None:
    """A US postcode lies in one state; rows of other countries, and postcodes not in the gazetteer, are left out."""
    postcode, region = batch.column(Role.POSTCODE), batch.column(Role.REGION)
    if postcode is None or region is None:
        return None
    country = batch.text(Role.COUNTRY)
    both = filled[postcode] & filled[region]
    if country is not None:
        both &= regions(country).isin(["US", ""])
    keys, pairs = pd.factorize(pd.MultiIndex.from_frame(batch.frame.loc[both, [postcode, region]]))
    answers = pd.array([_lies_elsewhere(code, name) for code, name in pairs], dtype="boolean")
    broken = pd.Series(pd.NA, index=batch.frame.index, dtype="boolean")
    broken[both] = answers[keys]
    return broken


def _lies_elsewhere(postcode: str, region: str) -> bool | None:
    gazetteer = us_gazetteer()
    area, code = gazetteer.area(postcode.strip()[:5]), gazetteer.region_code(region)
    return None if area is None or code is None else area.region != code


def _dates(cells: pd.Series) -> pd.Series:
    return read_dates(cells)["date"]


def _three(broken: pd.Series, known: pd.Series) -> pd.Series:
    return broken.astype("boolean").where(known)


def _total(name: str, parts: list[Measure]) -> Measure:
    return Measure(name, sum(part.numerator for part in parts), sum(part.denominator for part in parts))
