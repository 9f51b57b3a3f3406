"""What a card shows: the claim as one question, what differs, why, and exactly what accepting would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from crmquality.models import Change, Finding, Record
from crmquality.services import masking
from crmquality.services.disclosing import policy_in_force
from crmquality.services.merging import children
from detectors.roles import Role
from review.charts import Waterfall, shortened, waterfall
from review.differences import Piece, pieces
from review.models import Question, ReviewItem
from review.selectors import as_seen
from review.services import asking

NAMING = (Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME, Role.COMPANY, Role.EMAIL)


@dataclass(frozen=True)
class FieldRow:
    """One field of a SetFields or Flag card."""

    name: str
    before: str | None
    after: str | None
    old: list[Piece]
    new: list[Piece]
    role: str = ""
    about: bool = False


@dataclass(frozen=True)
class MergeRow:
    """One field across the records of a merge; `after` is what the golden record will hold."""

    name: str
    values: list[str | None]
    after: str | None
    differs: bool
    role: str = ""

    @property
    def moves(self) -> bool:
        """Whether the surviving record's own value changes."""
        return (self.values[0] or "") != (self.after or "")


@dataclass(frozen=True)
class Member:
    """A record of a merge."""

    record: Record
    title: str
    is_survivor: bool
    children: int


@dataclass(frozen=True)
class Card:
    """Everything a card's template needs. finding: the claim as it may be shown, unlike the item's own.

    masked: the fields whose values are masked for whoever looks. reason_required: revealing them needs a reason.
    """

    item: ReviewItem
    finding: Finding
    question: str
    title: str
    records: list[Record]
    evidence: Waterfall
    smaller: list[tuple[str, float, str]] = field(default_factory=list)
    changed: list[FieldRow] = field(default_factory=list)
    same: list[FieldRow] = field(default_factory=list)
    members: list[Member] = field(default_factory=list)
    differing: list[MergeRow] = field(default_factory=list)
    equal: list[MergeRow] = field(default_factory=list)
    writes: list[str] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    reason_required: bool = False


def card(item: ReviewItem, known: Mapping[int, Record] | None = None) -> Card:
    """The card of an item, from the records as they are now; masked for whoever looks.

    known: records that were read just now.
    """
    as_seen.restore(item)
    finding = item.finding
    found = {one: known[one] for one in finding.subjects if one in known} if known else {}
    absent = [one for one in finding.subjects if one not in found]
    if absent:
        found |= {one.pk: one for one in Record.objects.filter(id__in=absent).select_related("source")}
    as_seen.restore_records(item, found)
    mask = masking.current()
    hidden = sorted({name for record in found.values() for name in mask.hides(record)})
    finding, found = mask.claim(finding, found)
    records = [found[subject] for subject in finding.subjects if subject in found]
    reasons, rest = shortened([(one["feature"], one["weight"], one["detail"]) for one in finding.evidence])
    common = {
        "item": item,
        "records": records,
        "title": " · ".join(title(record) for record in records[:1]),
        "evidence": waterfall(reasons),
        "smaller": rest,
        "history": mask.changes(
            Change.objects.filter(as_seen.known_then(item), record__in=records)
            .select_related("change_set", "change_set__by", "record__source")
            .order_by("-id")[:5]
        ),
        "finding": finding,
        "masked": hidden,
        "questions": asking.about(records),
        "reason_required": bool(hidden) and policy_in_force(item.source).reason_required,
    }
    match finding.action:
        case "merge":
            return _merge_card(finding, records, common)
        case "set":
            return _set_card(finding, records[0], common)
    return _flag_card(finding, records[0], common)


def title(record: Record) -> str:
    """What a person calls the record: its name, company or e-mail, else its id."""
    record = masking.current().record(record)
    names = [value for role in NAMING[:3] if (value := record.value(role))]
    if names:
        return " ".join(names)
    return next((value for role in NAMING[3:] if (value := record.value(role))), None) or record.external_id


def _set_card(finding: Finding, record: Record, common: Mapping[str, object]) -> Card:
    changes: Mapping[str, str | None] = finding.proposal["changes"]
    rows = [_field_row(record, name, changes.get(name, record.fields.get(name))) for name in record.source.columns]
    changed = [row for row in rows if row.name in changes]
    verb = "Fill in" if all(not row.before for row in changed) else "Correct"
    names = _join([row.name for row in changed])
    return Card(
        **common,  # type: ignore[arg-type]
        question=f"{verb} {names}?",
        changed=changed,
        same=[row for row in rows if row.name not in changes],
        writes=[f"{row.name}: {_shown(row.before)} becomes {_shown(row.after)}" for row in changed],
    )


def _flag_card(finding: Finding, record: Record, common: Mapping[str, object]) -> Card:
    about = {name for reason in finding.evidence for name in reason.get("fields", ())}
    rows = [
        FieldRow(name, record.fields.get(name), None, [], [], record.source.roles.get(name, ""), name in about)
        for name in record.source.columns
    ]
    return Card(
        **common,  # type: ignore[arg-type]
        question="Is something wrong here?",
        changed=[row for row in rows if row.about],
        same=[row for row in rows if not row.about],
        writes=["Nothing is written: accepting confirms that a person should act on it."],
    )


def _merge_card(finding: Finding, records: Sequence[Record], common: Mapping[str, object]) -> Card:
    survivor, changes = finding.proposal["survivor"], finding.proposal["changes"]
    golden = next(record for record in records if record.pk == survivor)
    ordered = [golden, *(record for record in records if record.pk != survivor)]
    source = golden.source
    rows = [
        MergeRow(
            name,
            values := [record.fields.get(name) for record in ordered],
            changes.get(name, golden.fields.get(name)),
            len({value or "" for value in values}) > 1,
            source.roles.get(name, ""),
        )
        for name in source.columns
    ]
    members = [Member(record, title(record), record.pk == survivor, children(record).count()) for record in ordered]
    moved = sum(member.children for member in members if not member.is_survivor)
    writes = [f"{member.record.external_id} will point at {golden.external_id}" for member in members[1:]]
    writes += [
        f"{name} of {golden.external_id}: {_shown(golden.fields.get(name))} becomes {_shown(value)}"
        for name, value in changes.items()
    ]
    if moved:
        writes.append(f"{moved} related record{'s' if moved > 1 else ''} will move to {golden.external_id}")
    things = "companies" if source.kind == "accounts" else "records"
    return Card(
        **common,  # type: ignore[arg-type]
        question=f"Are these {len(ordered)} {things} the same?",
        members=members,
        differing=[row for row in rows if row.differs],
        equal=[row for row in rows if not row.differs],
        writes=writes,
    )


def _field_row(record: Record, name: str, after: str | None) -> FieldRow:
    before = record.fields.get(name)
    old, new = pieces(before, after)
    return FieldRow(name, before, after, old, new, record.source.roles.get(name, ""))


def _shown(value: str | None) -> str:
    return f"“{value}”" if value else "(blank)"


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
