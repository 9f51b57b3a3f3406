"""Are values right for their columns, before they are written? The same rules make the findings and the metrics."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

import pandas as pd

from crmquality.metrics import OPTIONAL
from crmquality.models import Record, Source
from crmquality.services import validating
from crmquality.services.errors import Refused
from detectors.contract import Batch, RunContext, SetFields
from detectors.formats.detector import FormatDetector
from detectors.formats.validity import valid_mask
from detectors.missing_values import is_missing
from detectors.roles import Role
from detectors.rules.checking import check_record
from detectors.rules.kinds import Rule

LONGEST = 10_000
_COUNTRY = "\0country"
_ROW = 1
_BY_COUNTRY = {Role.PHONE, Role.FAX, Role.TAX_ID, Role.NATIONAL_ID}

Values = Mapping[str, str | None]


@dataclass(frozen=True, slots=True)
class Check:
    """What the rules say of a value. words: for a person, "" where there is nothing to say.

    suggestion: how it would be written better; None if the rules propose nothing.
    """

    is_valid: bool
    words: str
    suggestion: str | None = None


def check_value(record: Record, column: str, value: str | None) -> Check:
    """Whether a value is valid for the column's role in this record's country, and how it is better written.

    Raises Refused if the source has no such column, or the value is too long for a cell.
    """
    source = record.source
    values = {name: record.fields.get(name) for name in source.columns} | {column: value}
    require_columns(source, {column: value})
    rules = [rule for rule in validating.readable_rules(source) if column in rule.columns]
    return check_values(source, values, [column], broken_rules(values, rules))[column]


def require_columns(source: Source, values: Values) -> None:
    """Raises Refused if the source has no such column, or a value is too long for a cell."""
    for column, value in values.items():
        if column not in source.columns:
            raise Refused(f"No field {column!r} in source {source.name!r}.")
        if len(value or "") > LONGEST:
            raise Refused(f"A value has at most {LONGEST:,} characters.")


def check_values(
    source: Source, values: Values, columns: Collection[str], broken: Sequence[Rule] = ()
) -> dict[str, Check]:
    """What the rules say of these columns of one record; a column that is to be ignored is valid.

    values: the record as far as it is known, the source's columns alone. broken: rules of an admin's that it fails
    (`broken_rules`): the first that reads a column is said of that column.
    """
    roles = source.column_roles
    texts = {name: (values.get(name) or "").strip() for name in columns}
    in_words = {name: _says(broken, name) for name in columns}
    cells = pd.DataFrame({name: [text or None] for name, text in texts.items()}, index=[_ROW], dtype=object)
    missing = is_missing(pd.Series(texts, dtype=object))
    blank = {name for name in texts if missing[name]}
    country = next((values.get(name) for name in source.columns_of(Role.COUNTRY)), None) or source.country
    filled = [name for name in texts if name not in blank and name in roles]
    found = _suggested({name: roles[name] for name in filled}, cells, country)
    said = {}
    for name, text in texts.items():
        role = roles.get(name, Role.TEXT)
        if name in blank:
            said[name] = Check(False, in_words[name]) if in_words[name] else _of_nothing(role, text)
        elif name in roles:
            said[name] = _of_value(role, cells[name], country, in_words[name], *found.get(name, (None, "")))
        else:
            said[name] = Check(not in_words[name], in_words[name])
    return said


def broken_rules(values: Values, rules: Sequence[Rule]) -> list[Rule]:
    """The rules of an admin's that a record breaks, those that read a column which is not known left aside.

    One that compares records (unique, a reference) is not judged by a record alone.
    """
    known = [rule for rule in rules if all(name in values for name in rule.columns)]
    read = {name: (values[name] or "").strip() or None for rule in known for name in rule.columns}
    return check_record(read, known) if known else []


def _says(broken: Sequence[Rule], column: str) -> str:
    first = next((rule for rule in broken if column in rule.columns), None)
    return f"Rule “{first.name}”: {first.words()}." if first else ""


def _of_value(
    role: Role, cells: pd.Series, country: str | None, broken: str, suggestion: str | None, why: str
) -> Check:
    text = cells.iloc[0]
    where = pd.Series([country], index=[_ROW], dtype=object) if country and role is not Role.COUNTRY else None
    is_valid = bool(valid_mask(role, cells, where).iloc[0])
    if suggestion == text:
        suggestion = None
    if is_valid and broken:
        return Check(False, broken, suggestion)
    if is_valid:
        return Check(True, why if suggestion else "", suggestion)
    place = f" in {country}" if country and role in _BY_COUNTRY else ""
    return Check(False, why or f"This is not a valid {role.label.lower()}{place}.", suggestion)


def _of_nothing(role: Role, text: str) -> Check:
    if role in OPTIONAL:
        return Check(True, "It may stay blank.")
    return Check(False, f"“{text}” says nothing." if text else "It should not be blank.")


def _suggested(
    roles: Mapping[str, Role], cells: pd.DataFrame, country: str | None
) -> dict[str, tuple[str | None, str]]:
    """Column -> a better form of its value and the words of the rule that speaks of it; the rules see this one row."""
    if not roles:
        return {}
    frame = cells[list(roles)]
    seen = dict(roles)
    if country:
        frame.insert(0, _COUNTRY, [country])  # the first of its role is the record's country
        seen[_COUNTRY] = Role.COUNTRY
    found: dict[str, tuple[str | None, str]] = {}
    for finding in FormatDetector().detect(Batch(frame, seen), RunContext()):
        changes = finding.proposal.changes if isinstance(finding.proposal, SetFields) else {}
        for reason in finding.evidence:
            for name in (name for name in reason.fields if name in roles):
                if name in changes or name not in found:
                    found[name] = (changes.get(name), reason.detail)
    return found
