"""What the person who looks may not read: one mask for pages, API and downloads, asked for by whatever shows a value.

Who looks is known from the request (`seen_by`, set by a middleware), so that a selector or serializer masks without
being told for whom. A worker or a command looks for nobody: there nothing is masked. Copies are masked, never the
objects that services write.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import timedelta
from functools import cached_property
from typing import Any, TypeVar

from django.db.models import F, Func, JSONField, QuerySet, TextField, Value
from django.db.models.functions import Cast, Now

from crmquality.masking import is_masked, masked, masked_sentence, masked_together
from crmquality.models import AccessPolicy, Change, Disclosure, Finding, Record, Source
from crmquality.prepared import Prepared
from crmquality.services.access import roles_of
from crmquality.services.errors import Refused
from detectors.roles import Role

SHOWN_FOR = timedelta(minutes=5)
"""So long a person sees a record's values after revealing them, as long as an item stays on their desk."""

PERSONAL: dict[str, tuple[Role, ...]] = {
    "Names": (Role.NAME, Role.GIVEN_NAME, Role.MIDDLE_NAME, Role.FAMILY_NAME),
    "E-mail": (Role.EMAIL,),
    "Phone and fax": (Role.PHONE, Role.FAX),
    "Street": (Role.ADDRESS, Role.STREET, Role.HOUSE_NUMBER, Role.UNIT),
    "Birth date and age": (Role.DATE_OF_BIRTH, Role.AGE),
    "Tax, bank and identity numbers": (Role.TAX_ID, Role.BANK_ACCOUNT, Role.NATIONAL_ID),
}
"""Kinds of personal values, as an admin chooses them, and the column roles they are."""

HIDDEN_ROW = "(the row as it was read is not shown while values are masked)"

T = TypeVar("T")
_POLICIES = Prepared(lambda: AccessPolicy.objects.order_by("source_id", "-number").distinct("source_id"))
"""The newest policy of each source."""


class Mask:
    """What one person may not read. Every method gives its argument back where nothing is hidden from them.

    user: None for nobody, from whom nothing is hidden: a worker, a command.
    """

    def __init__(self, user: Any) -> None:
        self.user = user

    @cached_property
    def _rules(self) -> dict[int, frozenset[str]]:
        """Source -> the column roles hidden from this person."""
        if self.user is None:
            return {}
        mine = {role.value for role in roles_of(self.user)}
        return {
            policy.source_id: frozenset(policy.columns)
            for policy in _POLICIES.all()
            if policy.columns and policy.masked_for and mine <= set(policy.masked_for)
        }

    @cached_property
    def _revealed(self) -> set[int]:
        """The records whose values this person asked to see a moment ago."""
        if not self._rules:
            return set()
        lately = Disclosure.objects.filter(by=self.user.pk, at__gt=Now() - SHOWN_FOR)
        return set(lately.values_list("record_id", flat=True))

    def hidden(self, source: Source) -> frozenset[str]:
        """The columns of a source that this person sees masked."""
        roles = self._rules.get(source.pk)
        if not roles:
            return frozenset()
        return frozenset(column for column, role in source.roles.items() if role in roles)

    def hides(self, record: Record) -> frozenset[str]:
        """The columns of a record that this person sees masked now; none once they have revealed it."""
        return frozenset() if record.pk in self._revealed else self.hidden(record.source)

    def record(self, record: Record) -> Record:
        """The record, its hidden values masked."""
        hidden = frozenset() if _is_copy(record) else self.hides(record)
        return _with_values(record, {name: masked(record.fields.get(name)) for name in hidden}) if hidden else record

    def value(self, record: Record, field: str, value: str | None) -> str | None:
        """One value of a record's field."""
        return masked(value) if field in self.hides(record) else value

    def kept(self, change: Change, value: str | None) -> str | None:
        """A value that an undo left as it is."""
        return masked(value) if self._rules and change.field in self.hides(change.record) else value

    def claim(self, finding: Finding, records: Mapping[int, Record]) -> tuple[Finding, dict[int, Record]]:
        """A claim and its records, masked together: equal values look alike, small differences show.

        records: id -> record, of the claim's subjects.
        """
        concerned = {pk: record for pk, record in records.items() if not _is_copy(record)}
        hidden = frozenset(column for record in concerned.values() for column in self.hides(record))
        if not hidden or _is_copy(finding):
            return finding, dict(records)
        changes: Mapping[str, str | None] = finding.proposal.get("changes", {})
        values: dict[int, dict[str, str | None]] = {pk: {} for pk in concerned}
        proposed: dict[str, str | None] = {}
        for column in hidden:
            held = [record.fields.get(column) for record in concerned.values()]
            shown = masked_together([*held, changes.get(column)])
            for pk, look in zip(concerned, shown, strict=False):
                values[pk][column] = look
            if column in changes:
                proposed[column] = shown[-1]
        secrets = [
            fields.get(column) for column in hidden for fields in (*(one.fields for one in concerned.values()), changes)
        ]
        twin = _twin(finding)
        if "changes" in finding.proposal:
            twin.proposal = {**finding.proposal, "changes": {**changes, **proposed}}
        twin.evidence = _masked_evidence(finding.evidence, secrets, hidden)
        return twin, {**records, **{pk: _with_values(one, values[pk]) for pk, one in concerned.items()}}

    def finding(self, finding: Finding) -> Finding:
        """A claim, its values and evidence masked."""
        if finding.source_id not in self._rules and finding.action != "link":
            return finding
        found = {one.pk: one for one in Record.objects.filter(pk__in=finding.subjects).select_related("source")}
        return self.claim(finding, found)[0]

    def change(self, change: Change) -> Change:
        """A change: both values masked together, its reason as a sentence about them."""
        if not self._rules or _is_copy(change):
            return change
        hidden = self.hides(change.record)
        if not hidden:
            return change
        twin = _twin(change)
        is_hidden = change.field in hidden and not change.is_pointer
        if is_hidden:
            twin.before, twin.after = masked_together([change.before, change.after])
        secrets = [change.record.fields.get(name) for name in hidden]
        secrets += [change.before, change.after] if is_hidden else []
        twin.reason = masked_sentence(change.reason, secrets, strict=is_hidden)
        return twin

    def reasons(self, record: Record, reasons: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Evidence about a record ({"detail", "fields", ...}), without the values that are hidden of it."""
        hidden = self.hides(record)
        if not hidden:
            return [dict(reason) for reason in reasons]
        return _masked_evidence(reasons, [record.fields.get(name) for name in hidden], hidden)

    def changes(self, changes: Iterable[Change]) -> list[Change]:
        """Several changes."""
        return [self.change(change) for change in changes]

    def seen(self, source: Source, seen: Mapping[str, Any]) -> dict[str, Any]:
        """What a decision keeps of its card: subjects, values, proposal and evidence."""
        subjects = seen.get("subjects", [])
        hidden = self._hidden_in(source, seen)
        if not hidden or (subjects and set(subjects) <= self._revealed):
            return dict(seen)
        values: Mapping[str, Mapping[str, str | None]] = seen.get("values", {})
        proposal = seen.get("proposal", {})
        changes = proposal.get("changes", {})
        shown = {key: dict(fields) for key, fields in values.items()}
        proposed = dict(changes)
        for column in hidden:
            looks = masked_together([*(fields.get(column) for fields in values.values()), changes.get(column)])
            for key, look in zip(values, looks, strict=False):
                if column in shown[key]:
                    shown[key][column] = look
            if column in changes:
                proposed[column] = looks[-1]
        secrets = [
            held for column in hidden for held in (*(one.get(column) for one in values.values()), changes.get(column))
        ]
        answer = {**seen, "evidence": _masked_evidence(seen.get("evidence", []), secrets, hidden)}
        if values:
            answer["values"] = shown
        if changes:
            answer["proposal"] = {**proposal, "changes": proposed}
        return answer

    def _hidden_in(self, source: Source, seen: Mapping[str, Any]) -> frozenset[str]:
        """The columns masked in what a decision keeps; of a link, those of either source."""
        if not self._rules or seen.get("proposal", {}).get("action") != "link":
            return self.hidden(source)
        sources = Source.objects.filter(records__in=seen.get("subjects", [])).distinct()
        return frozenset().union(self.hidden(source), *map(self.hidden, sources))

    def edits(self, source: Source, changes: Mapping[str, Any]) -> dict[str, Any]:
        """What a person wrote in place of a proposal: {"changes": {field: value}, "chosen": {field: value}, ...}."""
        hidden = self.hidden(source)
        shown = dict(changes)
        for part in ("changes", "chosen"):
            if hidden and part in changes:
                values = changes[part].items()
                shown[part] = {name: masked(value) if name in hidden else value for name, value in values}
        return shown

    def said(self, source: Source, seen: Mapping[str, Any], text: str) -> str:
        """What a person wrote about a decision, without the values they saw."""
        values: Iterable[Mapping[str, str | None]] = [
            *seen.get("values", {}).values(),
            seen.get("proposal", {}).get("changes", {}),
        ]
        return masked_sentence(text, [one.get(column) for column in self._hidden_in(source, seen) for one in values])

    def row(self, source: Source, text: str) -> str:
        """A row that could not be read into columns: masked whole where any column is hidden."""
        return (masked(text) or "") if self.hidden(source) else text

    def searchable(self, records: QuerySet[Record]) -> QuerySet[Record]:
        """The records with `text`, what a search may look through: a hidden value cannot be guessed by searching."""
        hidden: set[str] = set()
        for source in Source.objects.filter(pk__in=self._rules):
            hidden |= self.hidden(source)
        cells: Any = F("fields")
        if hidden:
            names = Value(sorted(hidden))
            cells = Func(cells, names, template="(%(expressions)s::text[])", arg_joiner=" - ", output_field=JSONField())
        return records.annotate(text=Cast(cells, TextField()))

    def refuse_masked(self, source: Source, changes: Mapping[str, str | None]) -> None:
        """Raises Refused if a masked value would be written back as if it were the value."""
        hidden = self.hidden(source)
        bad = sorted(name for name, value in changes.items() if name in hidden and is_masked(value))
        if bad:
            raise Refused(f"{', '.join(bad)}: this is the masked form. Reveal the value, or type it in full.")


class _Viewer:
    """Who looks; found out as late as possible, since the API logs in after the middleware."""

    def __init__(self, who: Callable[[], Any]) -> None:
        self._who = who
        self._mask: Mask | None = None

    def mask(self) -> Mask:
        user = self._who()
        if self._mask is None or self._mask.user != user:
            self._mask = Mask(user)
        return self._mask

    def forget(self) -> None:
        self._mask = None


_viewer: ContextVar[_Viewer | None] = ContextVar("crmquality_viewer", default=None)


@contextmanager
def seen_by(who: Callable[[], Any]) -> Iterator[None]:
    """Within it, what is shown is shown to this person."""
    before = _viewer.set(_Viewer(who))
    try:
        yield
    finally:
        _viewer.reset(before)


def current() -> Mask:
    """The mask of whoever looks now; one that hides nothing where nobody does."""
    viewer = _viewer.get()
    return viewer.mask() if viewer else Mask(None)


def forget() -> None:
    """What the person may see has changed: look again."""
    viewer = _viewer.get()
    if viewer:
        viewer.forget()


def _masked_evidence(
    evidence: Sequence[Mapping[str, Any]], secrets: Sequence[str | None], hidden: frozenset[str]
) -> list[dict[str, Any]]:
    """Reasons without the secrets; one that names no field may be about any, so it is masked as strictly."""
    return [
        {
            **reason,
            "detail": masked_sentence(
                reason["detail"], secrets, strict=not reason.get("fields") or bool(hidden & set(reason["fields"]))
            ),
        }
        for reason in evidence
    ]


def _with_values(record: Record, values: Mapping[str, str | None]) -> Record:
    twin = _twin(record)
    twin.fields = {**record.fields, **{name: value for name, value in values.items() if name in record.fields}}
    twin.raw = HIDDEN_ROW if record.raw else ""
    return twin


def _twin(instance: T) -> T:
    twin = copy.copy(instance)
    twin.is_masked_copy = True  # type: ignore[attr-defined]
    return twin


def _is_copy(instance: Any) -> bool:
    return bool(getattr(instance, "is_masked_copy", False))
