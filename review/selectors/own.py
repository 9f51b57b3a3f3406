"""A sales person's own records, each with what is wrong with it in words, the worst first."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import pandas as pd
from django.db.models import F, Func, IntegerField, Q, Value
from django.db.models.functions import Coalesce

from crmquality import metrics
from crmquality.metrics_rules import OF_A_FIELD
from crmquality.models import Change, ChangeSet, Record, Source
from crmquality.selectors.naming import title
from crmquality.services import access, disclosing, masking, measuring, scoring, validating
from crmquality.services.scoring import Shown
from detectors.roles import Role
from detectors.rules.checking import check_record
from detectors.rules.kinds import Rule
from review.models import Question, ReviewItem
from review.services import asking, fixing
from review.services.queue import visible_items

PAGE = 12
CANDIDATES = 240
"""So many records, the worst by their open claims and blanks, are looked at value by value and put in order."""

MOST = 20_000
"""More records than this have no single owner."""
REASONS = 2
"""So many of the strongest reasons say why two records may be one."""

MERGE, INVALID, BROKEN, BLANK = 3.0, 2.0, 1.5, 1.0
CLAIMED = 2.0
"""What a fault weighs; a claim by its score. Records stand in order of the sum."""


Looked = tuple[Source, list[Record], metrics.Masks]
"""Records of one source, and what the rules of the metrics say of each cell."""


class _Blanks(Func):
    """How many of the named cells hold nothing."""

    template = "(SELECT count(*) FROM unnest(%(expressions)s ->> c), '') = '')"
    arg_joiner = "::text[]) AS c WHERE coalesce(btrim("
    output_field = IntegerField()


@dataclass(frozen=True)
class Fault:
    """One thing that is wrong. field: "" where it is about several or none. suggestion: a value that would mend it.
    item: the claim behind it, if there is one. decidable: the person may decide that claim.
    """

    words: str
    weight: float
    field: str = ""
    suggestion: str | None = None
    item: ReviewItem | None = None
    decidable: bool = False


@dataclass(frozen=True)
class Field:
    """A field to be mended. mark: which value its reader saw. is_masked: its value is not shown."""

    name: str
    value: str | None
    role: str
    mark: str
    is_masked: bool
    faults: list[Fault]


@dataclass(frozen=True)
class OwnRecord:
    """One record with its faults: by field, and those of the record as a whole."""

    record: Record
    title: str
    faults: list[Fault]
    fields: list[Field]
    whole: list[Fault]
    masked: list[str] = field(default_factory=list)
    reason_required: bool = False
    questions: list[Question] = field(default_factory=list)
    predicted: list[Shown] = field(default_factory=list)

    @property
    def weight(self) -> float:
        """How bad it is."""
        return sum(fault.weight for fault in self.faults)

    @property
    def faulty(self) -> list[Field]:
        """The fields that something is wrong with."""
        return [one for one in self.fields if one.faults]


@dataclass(frozen=True)
class Own:
    """A page of a person's records. total: all they own. faulty: those of the looked at that have a fault."""

    records: list[OwnRecord]
    total: int
    faulty: int
    page: int
    pages: int
    has_owner_column: bool


def own(user: Any, *, asked: str = "", page: int = 1) -> Own:
    """The person's records, the worst first; those without a fault only where a text is asked for."""
    blanks = _blanks(user, asked)
    items = _open_items(user, blanks)
    claimed = {pk: sum(_weight(item) for item in found) for pk, found in items.items()}
    worst = sorted(blanks, key=lambda pk: (-(claimed.get(pk, 0.0) + BLANK * blanks[pk]), pk))[:CANDIDATES]
    records = Record.objects.filter(pk__in=worst).select_related("source")
    looked_at = list(_looked_at(list(records)))
    weights = _weights(looked_at, items)
    order = sorted((pk for pk in worst if pk in weights), key=lambda pk: (-weights[pk], pk))
    shown = [pk for pk in order if asked or weights[pk]]
    pages = max(1, -(-len(shown) // PAGE))
    page = min(max(page, 1), pages)
    found = {record.pk: record for record in records}
    here = [found[pk] for pk in shown[(page - 1) * PAGE : page * PAGE]]
    faults, questions = _faults(looked_at, items, user, {record.pk for record in here}), _questions(here)
    predicted = scoring.scores_of_many(here)
    return Own(
        [
            _own_record(record, faults[record.pk], questions.get(record.pk, []), predicted.get(record.pk, []))
            for record in here
        ],
        len(blanks),
        sum(weight > 0 for weight in weights.values()),
        page,
        pages,
        any(source.columns_of(Role.OWNER) for source in Source.objects.all()),
    )


def own_record(record: Record, user: Any) -> OwnRecord:
    """One record with all its fields."""
    items = visible_items(user).open().filter(finding__subjects__contains=[record.pk])
    found = {record.pk: list(items.select_related("finding", "source"))}
    return _own_record(
        record,
        _faults(list(_looked_at([record])), found, user, {record.pk})[record.pk],
        asking.about([record]),
        scoring.scores_of(record),
    )


def last_changes(user: Any) -> list[tuple[ChangeSet, list[Change]]]:
    """The person's latest corrections, masked for them, that they can undo."""
    mask = masking.current()
    rows = fixing.own_changes(user).prefetch_related("changes__record__source")[:8]
    return [(row, mask.changes(row.changes.all()[:4])) for row in rows]


def _blanks(user: Any, asked: str) -> dict[int, int]:
    """Id -> blank required cells, of every live record of this person."""
    found: dict[int, int] = {}
    for source in Source.objects.all():
        if not source.columns_of(Role.OWNER):
            continue
        required = [name for name, role in source.column_roles.items() if role not in metrics.OPTIONAL]
        rows = access.own_records(user, Record.objects.live().filter(source=source))
        if asked:
            rows = masking.current().searchable(rows).filter(Q(text__icontains=asked))
        counted = rows.annotate(blanks=Coalesce(_Blanks(Value(required), F("fields")), 0))
        found |= dict(counted.order_by("id").values_list("id", "blanks")[:MOST])
    return found


def _open_items(user: Any, own_ids: Iterable[int]) -> dict[int, list[ReviewItem]]:
    wanted = set(own_ids)
    rows = visible_items(user).open()
    if access.sees_everything(user):  # a sales person's are narrowed by an index of their own
        rows = rows.filter(finding__subjects__overlap=list(wanted))
    found: dict[int, list[ReviewItem]] = defaultdict(list)
    for item in rows.select_related("finding", "source").order_by("-rank", "id")[:MOST]:
        for subject in set(item.finding.subjects) & wanted:
            found[subject].append(item)
    return found


def _weight(item: ReviewItem) -> float:
    return item.score * (MERGE if item.action in ("merge", "link") else CLAIMED)


def _weights(looked_at: Sequence[Looked], items: Mapping[int, Sequence[ReviewItem]]) -> dict[int, float]:
    """Record -> how bad it is, by the same faults as `_faults`, counted and not worded."""
    weights: dict[int, float] = {}
    for _, rows, seen in looked_at:
        invalid, blank = seen.invalid.to_numpy(), seen.required.to_numpy() & ~seen.filled.to_numpy()
        broken = seen.broken.to_numpy().sum(axis=1) if len(seen.broken.columns) else np.zeros(len(rows))
        place = {name: at for at, name in enumerate(seen.filled.columns)}
        for at, record in enumerate(rows):
            claims = items.get(record.pk, ())
            free = np.ones(len(place), dtype=bool)
            free[[place[name] for name in map(_field_of, claims) if name in place]] = False
            by_rules = INVALID * (invalid[at] & free).sum() + BLANK * (blank[at] & free).sum() + BROKEN * broken[at]
            weights[record.pk] = float(by_rules) + sum(map(_weight, claims))
    return weights


def _looked_at(records: Sequence[Record]) -> Iterator[Looked]:
    """The records a source, with what the rules of the metrics say of each cell."""
    for source in {record.source for record in records}:
        rows = [record for record in records if record.source == source]
        roles = source.column_roles
        cells = [[record.fields.get(name) for name in roles] for record in rows]
        frame = pd.DataFrame(cells, index=[record.pk for record in rows], columns=list(roles), dtype=object)
        yield source, rows, measuring.seen_of(source, frame)[1]


def _faults(
    looked_at: Sequence[Looked], items: Mapping[int, Sequence[ReviewItem]], user: Any, wanted: Collection[int]
) -> dict[int, list[Fault]]:
    """Record -> what is wrong with it: what detectors claim, and what the rules say of fields without a claim."""
    found: dict[int, list[Fault]] = {}
    for source, rows, seen in looked_at:
        rules = validating.readable_rules(source)
        for record in (record for record in rows if record.pk in wanted):
            claims = items.get(record.pk, ())
            faults = [_claimed(item, record, user) for item in claims]
            faults += _by_rules(record, source.column_roles, seen, rules, {_field_of(item) for item in claims})
            found[record.pk] = sorted(faults, key=lambda fault: -fault.weight)
    return found


def _by_rules(
    record: Record, roles: Mapping[str, Role], seen: metrics.Masks, rules: Sequence[Rule], claimed: set[str]
) -> list[Fault]:
    pk, shown, faults = record.pk, masking.current().record(record), []
    broken = {rule.field: rule for rule in check_record(record.fields, rules) if isinstance(rule, OF_A_FIELD)}
    for name in (name for name in roles if name not in claimed):
        value = shown.fields.get(name)
        if seen.invalid.at[pk, name]:
            what = f"is not a valid {roles[name].label.lower()}"
            if name in broken:
                what = f"breaks the rule “{broken[name].name}”: {broken[name].words()}"
            faults.append(Fault(f"“{value}” {what}.", INVALID, name))
        elif seen.required.at[pk, name] and not seen.filled.at[pk, name]:
            faults.append(Fault(f"“{value}” says nothing." if value and value.strip() else "It is blank.", BLANK, name))
    faults += [
        Fault(f"This does not hold: {rule[:1].lower()}{rule[1:]}.", BROKEN)
        for rule in seen.broken.columns
        if seen.broken.at[pk, rule]
    ]
    return faults


def _field_of(item: ReviewItem) -> str:
    """The one field that a claim is about; "" for several, or none."""
    if item.action in ("merge", "link"):
        return ""
    fields = set(item.finding.proposal.get("changes", ()))
    if item.action == "flag":
        fields = {name for reason in item.finding.evidence for name in reason.get("fields", ())}
    return fields.pop() if len(fields) == 1 else ""


def _claimed(item: ReviewItem, record: Record, user: Any) -> Fault:
    finding = masking.current().finding(item.finding)
    may = disclosing.may_decide(user, item.source, item.action)
    why = next((reason["detail"] for reason in finding.evidence), "")
    weight, name = _weight(item), _field_of(item)
    if item.action in ("merge", "link"):
        others = Record.objects.filter(pk__in=finding.subjects).exclude(pk=record.pk).select_related("source")[:3]
        named = ", ".join(f"{title(other)} ({other.external_id})" for other in others)
        strongest = sorted(finding.evidence, key=lambda reason: -reason["weight"])[:REASONS]
        why = "; ".join(f"{one['feature']}: {one['detail']}" for one in strongest if one["weight"] > 0)
        return Fault(f"It may be the same as {named}. {why}".strip(), weight, item=item, decidable=may)
    if item.action == "flag":
        return Fault(why, weight, name, None, item, may)
    changes = finding.proposal["changes"]
    if name:
        return Fault(why, weight, name, changes[name] or "", item, may)
    written = "; ".join(f"{field}: {value or '(blank)'}" for field, value in changes.items())
    return Fault(f"{why} It should perhaps be: {written}.", weight, item=item, decidable=may)


def _own_record(record: Record, faults: list[Fault], questions: list[Question], predicted: list[Shown]) -> OwnRecord:
    mask = masking.current()
    shown, hidden = mask.record(record), mask.hides(record)
    fields = [
        Field(
            name,
            shown.fields.get(name),
            record.source.roles.get(name, ""),
            fixing.mark_of(record.fields.get(name)),
            name in hidden and bool(record.fields.get(name)),
            [fault for fault in faults if fault.field == name],
        )
        for name in record.source.columns
    ]
    named = {one.name for one in fields}
    return OwnRecord(
        shown,
        title(shown),
        faults,
        fields,
        [fault for fault in faults if fault.field not in named],
        sorted(hidden),
        bool(hidden) and disclosing.policy_in_force(record.source).reason_required,
        questions,
        predicted,
    )


def _questions(records: Sequence[Record]) -> dict[int, list[Question]]:
    found: dict[int, list[Question]] = defaultdict(list)
    for question in asking.about(records):
        found[question.record_id].append(question)
    return found
