"""Findings about formats and validity, by what each column means."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
import pandas as pd

from detectors.contract import Batch, Finding, Flag, RecordId, RunContext, SetFields
from detectors.formats import (
    countries,
    dates,
    emails,
    encoding,
    identifiers,
    names,
    names_by_mail,
    numbers,
    phones,
    placeholders,
    urls,
    word_slips,
)
from detectors.formats.acceptance import RuleDetector, reason
from detectors.formats.column import Check, Column, Ints, Remark, distinct
from detectors.formats.validity import regions
from detectors.roles import Role, ValueType

_CHECKS: dict[Role, Check] = {
    Role.EMAIL: emails.remarks,
    Role.PHONE: phones.remarks,
    Role.FAX: phones.remarks,
    Role.WEBSITE: urls.remarks,
    Role.COUNTRY: countries.country_remarks,
    Role.CURRENCY: countries.currency_remarks,
    Role.COMPANY: lambda column: {**word_slips.slips(column), **names.company_remarks(column)},
    **dict.fromkeys((Role.STREET, Role.JOB_TITLE), word_slips.slips),
    **dict.fromkeys((Role.CITY, Role.COUNTY), names.place_remarks),
    **dict.fromkeys((Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME), names.person_remarks),
    **dict.fromkeys((Role.TAX_ID, Role.NATIONAL_ID, Role.BANK_ACCOUNT), identifiers.remarks),
    **{role: numbers.remarks for role in Role if role.value_type is ValueType.NUMBER},
    **{role: dates.remarks for role in Role if role.value_type is ValueType.DATE},
}
_BY_COUNTRY = {Role.COMPANY, Role.PHONE, Role.FAX, Role.CURRENCY, Role.TAX_ID, Role.NATIONAL_ID, Role.BANK_ACCOUNT}
_BY_SOURCE = {role for role in Role if role.value_type is ValueType.DATE}
_UNTOUCHED = {Role.IGNORE, Role.ID}

_LONGEST = 1000
"""Longer cells are text to read, not values of a format."""

_BY_MAIL = 0.95
"""How surely two names changed places that the person's e-mail address has the other way round."""

_ASSUMED_COUNTRY = 0.8
"""How far a number read for the commonest country stands behind one read for the record's own."""


@dataclass
class _Flags:
    """What to look at, gathered a record and rule: one rule may speak of several fields of a record."""

    reasons: dict[tuple[RecordId, str], list[tuple[str, Remark]]] = field(default_factory=lambda: defaultdict(list))

    def findings(self) -> Iterator[Finding]:
        """One finding a record and rule."""
        for (record, rule), remarks in self.reasons.items():
            score = max(remark.score for _, remark in remarks)
            (first, strongest), *others = sorted(remarks, key=lambda pair: (-pair[1].score, pair[0]))
            evidence = [reason(rule, strongest.score, strongest.detail, (first,))]
            # The first reason carries the score; the same fault in other fields adds to read, not to weigh.
            evidence += [reason(rule, 0.5, remark.detail, (name,)) for name, remark in others]
            yield Finding((record,), Flag(), score, tuple(evidence), rule)


class FormatDetector(RuleDetector):
    """Dates, phones, e-mails, names, countries, numbers, web addresses, identifiers, damaged text."""

    name: ClassVar[str] = "formats"
    version: ClassVar[str] = "1"

    def suggest(self, batch: Batch, context: RunContext) -> Iterator[Finding]:
        """One finding a cell that could be written better, and one a record and rule that someone should see."""
        columns = [name for name in batch.frame.columns if batch.roles.get(name, Role.IGNORE) not in _UNTOUCHED]
        context.report(0, len(columns) + 1, "formats")
        swaps = dict(_swapped_names(batch))
        yield from swaps.values()
        by_mail = dict(_names_by_mail(batch, swaps))
        yield from by_mail.values()
        flags = _Flags()
        where = _countries(batch)
        sources = pd.Series(batch.origin, dtype=object).reindex(batch.frame.index).fillna("").to_numpy()
        for done, name in enumerate(columns, start=1):
            context.report(done, len(columns) + 1, f"formats: {name}")
            role = batch.roles[name]
            skip = set(swaps) if role in {Role.GIVEN_NAME, Role.FAMILY_NAME} else set()
            keys = where if role in _BY_COUNTRY else sources if role in _BY_SOURCE else None
            for record, remark in _remarks(batch.frame[name], role, keys):
                if record in skip:
                    continue
                if remark.rule == "name-slip" and (
                    (record, name) in by_mail or _confirmed_by_mail(batch, record, name)
                ):
                    continue
                if remark.proposes:
                    yield _set_field(record, name, remark)
                else:
                    flags.reasons[record, remark.rule].append((name, remark))
        yield from flags.findings()


def _set_field(record: RecordId, name: str, remark: Remark) -> Finding:
    evidence = (reason(remark.rule, remark.score, remark.detail, (name,)),)
    return Finding((record,), SetFields({name: remark.value}), remark.score, evidence, remark.rule)


def _remarks(series: pd.Series, role: Role, keys: np.ndarray | None) -> Iterator[tuple[RecordId, Remark]]:
    """Every remark on a column, record by record.

    keys: (n,) country or source of each row, for rules that read by it.
    """
    codes, texts = distinct(series)
    general = [_general(text, role) for text in texts]
    cleaned = [_cleaned(text, remark) for text, remark in zip(texts, general, strict=True)]
    counts = np.bincount(codes[codes >= 0], minlength=len(texts))
    usable = np.array([text is not None for text in cleaned], dtype=np.bool_)
    whole = _column(role, cleaned, counts, np.flatnonzero(usable), "", None)
    names_of, groups = np.unique(keys.astype(str), return_inverse=True) if keys is not None else (np.array([""]), None)
    usual = _commonest(names_of, groups) if role in _BY_COUNTRY else ""
    records = series.index.to_numpy()
    for group, key in enumerate(names_of):
        rows = np.flatnonzero((codes >= 0) if groups is None else (codes >= 0) & (groups == group))
        held = np.bincount(codes[rows], minlength=len(texts))
        positions = np.flatnonzero((held > 0) & usable)
        part = _column(role, cleaned, held, positions, str(key) or usual, None if groups is None else whole)
        specific = _CHECKS[role](part) if role in _CHECKS else {}
        assumed = bool(usual) and not key
        on_text: dict[int, Remark] = {}
        for at, remark in specific.items():
            on_text[int(positions[at])] = _less_sure(remark) if assumed else remark
        for code in np.flatnonzero(held):
            found = _combined(texts[code], general[code], on_text.get(int(code)))
            if found is None:
                on_text.pop(int(code), None)
            else:
                on_text[int(code)] = found
        for row in rows:
            remark_here = on_text.get(int(codes[row]))
            if remark_here is not None:
                yield int(records[row]), remark_here


def _general(text: str, role: Role) -> Remark | None:
    """Rules for any column: placeholders and damaged text."""
    if len(text) > _LONGEST:
        return None
    return placeholders.remark(text, role) or encoding.remark(text)


def _cleaned(text: str, remark: Remark | None) -> str | None:
    """What the role's rule gets to read; None where nothing is left to read."""
    if len(text) > _LONGEST:
        return None
    return text if remark is None else remark.value


def _combined(text: str, general: Remark | None, specific: Remark | None) -> Remark | None:
    """One remark a cell: the role's rule read the repaired text, so its value includes the repair."""
    found = specific or general
    if specific is not None and not specific.proposes and general is not None and general.proposes:
        found = general
    return None if found is not None and found.value == text else found


def _column(
    role: Role, texts: list[str | None], counts: Ints, positions: Ints, key: str, whole: Column | None
) -> Column:
    values = tuple(texts[position] or "" for position in positions)
    return Column(role, values, counts[positions], key, whole)


def _commonest(names_of: np.ndarray, groups: Ints | None) -> str:
    """The country of most rows; "" where none is known."""
    if groups is None:
        return ""
    counts = Counter({str(name): int(count) for name, count in zip(names_of, np.bincount(groups), strict=True) if name})
    return min(counts, key=lambda name: (-counts[name], name)) if counts else ""


def _less_sure(remark: Remark) -> Remark:
    detail = f"{remark.detail} The record names no country; read for the commonest."
    return Remark(remark.rule, remark.score * _ASSUMED_COUNTRY, detail, remark.value, remark.empties)


def _countries(batch: Batch) -> np.ndarray:
    """ISO alpha-2 code of each record's country; "" where it is unknown."""
    column = batch.text(Role.COUNTRY)
    return regions(column).to_numpy() if column is not None else np.full(len(batch), "", dtype=object)


def _names_by_mail(batch: Batch, swaps: Mapping[RecordId, Finding]) -> Iterator[tuple[tuple[RecordId, str], Finding]]:
    given, family, email = (batch.column(role) for role in (Role.GIVEN_NAME, Role.FAMILY_NAME, Role.EMAIL))
    if given is None or family is None or email is None:
        return
    records = batch.frame.index.to_numpy()
    for one in names_by_mail.misspelt(*(batch.frame[name] for name in (given, family, email))):
        record, field = int(records[one.row]), given if one.is_given else family
        if record not in swaps:
            evidence = (reason("name-by-mail", one.score, one.detail, (field, email)),)
            finding = Finding((record,), SetFields({field: one.value}), one.score, evidence, "name-by-mail")
            yield (record, field), finding


def _confirmed_by_mail(batch: Batch, record: RecordId, name: str) -> bool:
    email = batch.column(Role.EMAIL)
    return email is not None and names_by_mail.confirms(
        batch.frame.at[record, email], str(batch.frame.at[record, name])
    )


def _swapped_names(batch: Batch) -> Iterator[tuple[RecordId, Finding]]:
    given, family, email = (batch.column(role) for role in (Role.GIVEN_NAME, Role.FAMILY_NAME, Role.EMAIL))
    if given is None or family is None or batch.frame.empty:
        return
    first, last = batch.frame[given], batch.frame[family]
    records = batch.frame.index.to_numpy()
    by_mail = names_by_mail.orders(first, last, batch.frame[email]) if email else np.zeros(len(batch), np.int8)
    found = {row: (score, why) for row, score, why in names.swapped(first, last) if by_mail[row] <= 0}
    for row in np.flatnonzero(by_mail < 0).tolist():
        score, why = found.get(row, (_BY_MAIL, ""))
        found[row] = max(score, _BY_MAIL), f"The e-mail address has them the other way round. {why}".strip()
    for row, (score, detail) in sorted(found.items()):
        changes = {given: str(last.iloc[row]), family: str(first.iloc[row])}
        evidence = (reason("name-swapped", score, detail, (given, family)),)
        record = int(records[row])
        yield record, Finding((record,), SetFields(changes), score, evidence, "name-swapped")
