"""Is a value right for its column, before it is written? The same rules make the findings and the metrics."""

from __future__ import annotations

from dataclasses import dataclass

import pandas as pd

from crmquality.metrics import OPTIONAL
from crmquality.models import Record
from crmquality.services import validating
from crmquality.services.errors import Refused
from detectors.contract import Batch, RunContext, SetFields
from detectors.formats.detector import FormatDetector
from detectors.formats.validity import valid_mask
from detectors.missing_values import is_missing
from detectors.roles import Role
from detectors.rules.checking import check_record

LONGEST = 10_000
_COUNTRY = "\0country"
_ROW = 1


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
    if column not in source.columns:
        raise Refused(f"No field {column!r} in source {source.name!r}.")
    text = (value or "").strip()
    if len(text) > LONGEST:
        raise Refused(f"A value has at most {LONGEST:,} characters.")
    role = source.column_roles.get(column, Role.TEXT)
    broken = _broken(record, column, text)
    cells = pd.Series([text or None], index=[_ROW], dtype=object)
    if bool(is_missing(cells).iloc[0]):
        return Check(False, broken) if broken else _of_nothing(role, text)
    country = text if role is Role.COUNTRY else record.value(Role.COUNTRY) or source.country
    where = pd.Series([country], index=[_ROW], dtype=object) if country else None
    is_valid = bool(valid_mask(role, cells, where).iloc[0])
    suggestion, why = _suggested(role, cells, country)
    if suggestion == text:
        suggestion = None
    if is_valid and broken:
        return Check(False, broken, suggestion)
    if is_valid:
        return Check(True, why if suggestion else "", suggestion)
    place = f" in {country}" if country and role in {Role.PHONE, Role.FAX, Role.TAX_ID, Role.NATIONAL_ID} else ""
    return Check(False, why or f"This is not a valid {role.label.lower()}{place}.", suggestion)


def _broken(record: Record, column: str, text: str) -> str:
    """What an admin's rule says about the record with this value; "" if it keeps all that read the column."""
    rules = [rule for rule in validating.readable_rules(record.source) if column in rule.columns]
    values = {name: record.fields.get(name) for rule in rules for name in rule.columns} | {column: text or None}
    broken = check_record(values, rules)
    return f"Rule “{broken[0].name}”: {broken[0].words()}." if broken else ""


def _of_nothing(role: Role, text: str) -> Check:
    if role in OPTIONAL:
        return Check(True, "It may stay blank.")
    return Check(False, f"“{text}” says nothing." if text else "It should not be blank.")


def _suggested(role: Role, cells: pd.Series, country: str | None) -> tuple[str | None, str]:
    """A better form of the value, and the words of the rule that speaks of it; the rules see this one row."""
    roles = {"value": role}
    frame = pd.DataFrame({"value": cells})
    if country and role is not Role.COUNTRY:
        frame[_COUNTRY] = [country]
        roles[_COUNTRY] = Role.COUNTRY
    words = ""
    for finding in FormatDetector().detect(Batch(frame, roles), RunContext()):
        about = [reason for reason in finding.evidence if "value" in reason.fields]
        if isinstance(finding.proposal, SetFields) and "value" in finding.proposal.changes:
            return finding.proposal.changes["value"], about[0].detail if about else ""
        if about:
            words = about[0].detail
    return None, words
