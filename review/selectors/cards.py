"""What a card shows: the claim as one question, what differs, why, and exactly what accepting would write."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from django.db.models import QuerySet

from crmquality.models import Change, Finding, Record
from crmquality.selectors import outbox
from crmquality.selectors.naming import shown, title
from crmquality.services import masking
from crmquality.services.disclosing import policy_in_force
from crmquality.services.sisters import aligned
from detectors.duplicates.findings import GOLDEN, WEAKEST
from review.charts import Waterfall, shortened, waterfall
from review.differences import Piece, pieces
from review.models import Question, ReviewItem
from review.selectors import as_seen
from review.selectors.around import around
from review.selectors.merge_cards import MergeView, merge_view
from review.services import asking
from review.services.queue import visible_items

UNWEIGHED = (GOLDEN, WEAKEST)
"""Evidence that the card shows beside the fields, not among the reasons."""

OTHERS = 5
"""Other claims about the records that a card names."""
REASONS = 3
"""Reasons that it gives for another check that proposes the same."""

_RANKING = frozenset({"anomalies", "sequences"})
"""Detectors that rank all records; the flags of all others are claims with a probability."""


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
class Other:
    """Another open claim about one of the records. about: what it would change. who: on whose desk it lies, or ""."""

    item: ReviewItem
    about: str
    who: str


@dataclass(frozen=True)
class Also:
    """Another check that proposes the very same values: the answer to the card is one to this too. why: its reasons."""

    item: ReviewItem
    why: list[str]


@dataclass(frozen=True)
class Card:
    """Everything a card's template needs. finding: the claim as it may be shown, unlike the item's own.

    also: the checks that propose the same. others: what else is asked about the records.
    masked: the fields whose values are masked for whoever looks. reason_required: revealing them needs a reason.
    commented: whether anything was said about the claim.
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
    merge: MergeView | None = None
    writes: list[str] = field(default_factory=list)
    history: list[Change] = field(default_factory=list)
    also: list[Also] = field(default_factory=list)
    others: list[Other] = field(default_factory=list)
    masked: list[str] = field(default_factory=list)
    questions: list[Question] = field(default_factory=list)
    reason_required: bool = False
    commented: bool = False

    @property
    def ranks_oddity(self) -> bool:
        """Whether the score says how odd the record is among all, not how likely it is wrong."""
        return self.item.action == "flag" and self.item.detector in _RANKING


def card(item: ReviewItem, known: Mapping[int, Record] | None = None) -> Card:
    """The card of an item, from the records as they are now; masked for whoever looks.

    known: records that were read just now.
    """
    as_seen.restore(item)
    finding = item.finding
    found = {one: known[one] for one in finding.subjects if one in known} if known else {}
    absent = [one for one in finding.subjects if one not in found]
    if absent:
        found |= {
            one.pk: one for one in Record.objects.filter(id__in=absent).select_related("source__feed__connection")
        }
    as_seen.restore_records(item, found)
    mask = masking.current()
    hidden = sorted({name for record in found.values() for name in mask.hides(record)})
    merge = merge_view(finding, found) if finding.action == "merge" else None  # masks by itself: it weighs the values
    plain, (finding, found) = found, mask.claim(finding, found)
    records = [found[subject] for subject in finding.subjects if subject in found]
    weighed = [one for one in finding.evidence if one["feature"] not in UNWEIGHED]
    there = around(item)
    same, others = _others(item) if there.others else ([], [])
    reasons, rest = shortened([(one["feature"], one["weight"], one["detail"]) for one in weighed])
    common = {
        "item": item,
        "records": records,
        "title": " · ".join(title(record) for record in records[:1]),
        "evidence": waterfall(reasons),
        "smaller": rest,
        "history": mask.changes(_history(item, records)) if there.history else [],
        "finding": finding,
        "masked": hidden,
        "questions": asking.about(records) if there.questions else [],
        "reason_required": bool(hidden) and policy_in_force(item.source).reason_required,
        "also": [_also(one, mask.claim(one.finding, plain)[0]) for one in same],
        "others": others,
        "commented": there.comments,
    }
    match finding.action:
        case "merge":
            return _merge_card(records, merge, common)
        case "set":
            return _set_card(finding, records[0], common)
        case "link":
            return _link_card(records, common)
    return _flag_card(finding, records[0], common)


def _history(item: ReviewItem, records: Sequence[Record]) -> QuerySet[Change]:
    changes = Change.objects.filter(as_seen.known_then(item), record__in=records)
    return changes.select_related("change_set", "change_set__by", "record__source").order_by("-id")[:5]


def _others(item: ReviewItem) -> tuple[list[ReviewItem], list[Other]]:
    """The open claims about its records that whoever looks may see: those that propose the same, and the others."""
    viewer = masking.current().user
    if viewer is None or item.known_answer is not None:
        return [], []
    rows = visible_items(viewer).open().filter(finding__subjects__overlap=item.finding.subjects).exclude(pk=item.pk)
    ordered = rows.select_related("leased_by", "finding").order_by("-rank", "id")
    same = [one for one in ordered.filter(finding__fingerprint=item.finding.fingerprint) if item.action == "set"]
    rest = ordered.exclude(pk__in=[one.pk for one in same])[:OTHERS]
    return same, [_other(one, viewer) for one in rest]


def _other(item: ReviewItem, viewer: Any) -> Other:
    about = ", ".join(item.finding.proposal.get("changes", {})) if item.action == "set" else ""
    holder = item.leased_by
    if holder is None or item.holder_id in (None, viewer.pk):
        return Other(item, about, "")
    return Other(item, about, holder.get_full_name() or holder.username)


def _also(item: ReviewItem, claim: Finding) -> Also:
    return Also(item, [reason["detail"] for reason in claim.evidence[:REASONS] if reason["detail"]])


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
        writes=[
            *(f"{row.name}: {shown(row.before)} becomes {shown(row.after)}" for row in changed),
            *outbox.leaves(record.source, names=[row.name for row in changed]),
        ],
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


def _merge_card(records: Sequence[Record], merge: MergeView | None, common: Mapping[str, object]) -> Card:
    things = "companies" if records[0].source.kind == "accounts" else "records"
    return Card(
        **common,  # type: ignore[arg-type]
        question=f"Are these {len(records)} {things} the same?",
        merge=merge,
        writes=merge.writes if merge else [],
    )


def _link_card(records: Sequence[Record], common: dict[str, object]) -> Card:
    """Two records of different sources, that of the claim's source first."""
    item = common["item"]
    assert isinstance(item, ReviewItem)
    one, two = sorted(records, key=lambda record: record.source_id != item.source_id)
    common["records"], common["title"] = [one, two], f"{title(one)} · {title(two)}"
    names = {to: name for name, to in aligned(two.source.column_roles, one.source.column_roles).items()}
    rows = []
    for name, other in names.items():
        before, after = one.fields.get(name), two.fields.get(other)
        label = name if name == other else f"{name} / {other}"
        rows.append(FieldRow(label, before, after, *pieces(before, after), one.source.roles.get(name, "")))
    things = "companies" if one.source.kind == "accounts" else "people"
    return Card(
        **common,  # type: ignore[arg-type]
        question=f"Are these two {things} the same?",
        changed=[row for row in rows if (row.before or "") != (row.after or "")],
        same=[row for row in rows if (row.before or "") == (row.after or "") and row.before],
        writes=["Nothing is written: the two are linked, and each shows the other. Undo takes the link back."],
    )


def _field_row(record: Record, name: str, after: str | None) -> FieldRow:
    before = record.fields.get(name)
    old, new = pieces(before, after)
    return FieldRow(name, before, after, old, new, record.source.roles.get(name, ""))


def _join(names: Sequence[str]) -> str:
    return names[0] if len(names) == 1 else ", ".join(names[:-1]) + " and " + names[-1]
