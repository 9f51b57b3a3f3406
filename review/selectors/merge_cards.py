"""What the card of a merge shows: who is the same, which value of each field survives and why, what moves with it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from crmquality.masking import masked, masked_together
from crmquality.models import Finding, Record
from crmquality.selectors import outbox
from crmquality.selectors.naming import shown, title
from crmquality.services import access, masking
from crmquality.services.collisions import Collision
from crmquality.services.survivorship import CHOSEN, Plan, Row
from detectors.duplicates.findings import WEAKEST
from detectors.roles import Role
from review.differences import Piece, pieces
from review.services import merges

SIDE_BY_SIDE = 2
"""So many records stand in columns of their own; of more, the different values are listed, each with who holds it."""


@dataclass(frozen=True, slots=True)
class Option:
    """One value that a field may take: the key that chooses it, who holds it, where it differs from what survives."""

    number: int
    record: int
    text: str | None
    holders: list[str]
    pieces: list[Piece]
    is_taken: bool


@dataclass(frozen=True, slots=True)
class MergeRow:
    """One field. is_listed: the value that survives is one of the options, not a text of its own."""

    row: Row
    options: list[Option]

    @property
    def is_listed(self) -> bool:
        """Whether what survives is one record's value."""
        return any(option.is_taken for option in self.options)

    @property
    def is_chosen(self) -> bool:
        """Whether a person chose it."""
        return self.row.rule == CHOSEN


@dataclass(frozen=True, slots=True)
class Member:
    """A record of the claim. is_in: ticked, part of the merge."""

    number: int
    record: Record
    title: str
    stays: bool
    is_in: bool
    children: int


@dataclass(frozen=True, slots=True)
class WeakestLink:
    """The pair that holds the cluster together, and the probability that these two are one."""

    one: str
    two: str
    score: float


@dataclass(frozen=True)
class MergeView:
    """A merge as the card shows it. digest: of the plan, to be sent back with the verdict."""

    plan: Plan
    digest: str
    members: list[Member]
    differing: list[MergeRow]
    equal: list[MergeRow]
    weakest: WeakestLink | None = None
    split: bool = False
    writes: list[str] = field(default_factory=list)

    @property
    def collisions(self) -> list[Collision]:
        """What stands in the way, or stood there before."""
        return self.plan.collisions

    @property
    def in_columns(self) -> bool:
        """Whether every record has a column of its own."""
        return len(self.plan.records) <= SIDE_BY_SIDE

    @property
    def may_split(self) -> bool:
        """Whether enough records are left out to be a cluster of their own."""
        return len(self.plan.left_out) > 1

    @property
    def moved(self) -> int:
        """How many related records move."""
        return sum(self.plan.children[record.pk] for record in self.plan.records[1:])


def merge_view(finding: Finding, records: Mapping[int, Record], edited: Mapping[str, Any] | None = None) -> MergeView:
    """The merge that a finding claims, as a person ticked and chose so far. Raises Refused if that does not fit."""
    edited = edited or {}
    done = merges.plan(finding, records, edited)
    plan = _masked(done)
    first = finding.proposal["survivor"]  # the order stays, whatever is ticked, so that a key keeps its meaning
    ordered = [records[first], *(records[one] for one in finding.subjects if one != first)]
    rows = [MergeRow(row, _options(row, plan, ordered)) for row in plan.rows if not _is_own_id(row, plan.records)]
    differing = sorted((one for one in rows if one.row.differs or one.is_chosen), key=_most_doubtful_first)
    taken = {record.pk for record in plan.records}
    return MergeView(
        plan,
        done.digest,
        [
            Member(number, one, title(one), one.pk == plan.survivor.pk, one.pk in taken, plan.children.get(one.pk, 0))
            for number, one in enumerate(ordered, 1)
        ],
        differing,
        [one for one in rows if one not in differing],
        _weakest(finding, records),
        bool(edited.get("split")) and len(plan.left_out) > 1,
        _writes(plan),
    )


def _options(row: Row, plan: Plan, ordered: Sequence[Record]) -> list[Option]:
    held = {record.pk: value or None for record, value in zip(plan.records, row.values, strict=True)}
    there = [record for record in ordered if record.pk in held]
    firsts = there
    if len(there) > SIDE_BY_SIDE:
        different = {held[record.pk]: record for record in reversed(there)}
        firsts = sorted(different.values(), key=lambda record: (held[record.pk] is None, there.index(record)))
    return [
        Option(
            number,
            first.pk,
            held[first.pk],
            [record.external_id for record in there if held[record.pk] == held[first.pk]],
            pieces(row.after, held[first.pk])[1],
            held[first.pk] == (row.after or None),
        )
        for number, first in enumerate(firsts, 1)
    ]


def _is_own_id(row: Row, records: Sequence[Record]) -> bool:
    """Whether it only repeats the ids of the records, which their names show already."""
    return (
        row.role == Role.ID
        and row.rule != CHOSEN
        and not row.moves
        and all(value == record.external_id for value, record in zip(row.values, records, strict=True))
    )


def _most_doubtful_first(one: MergeRow) -> tuple[bool, bool, bool]:
    """What waits for an answer, then where values disagree, then where one record fills another's blank."""
    texts = {value.casefold() for value in one.row.values if value}
    return (not one.row.ask, len(texts) < 2, not one.row.moves)


def _weakest(finding: Finding, records: Mapping[int, Record]) -> WeakestLink | None:
    reason = next((one for one in finding.evidence if one["feature"] == WEAKEST and one.get("records")), None)
    if reason is None or not set(reason["records"]) <= set(records):
        return None
    one, two = (records[record].external_id for record in reason["records"])
    bits = sum(other["weight"] for other in finding.evidence)
    return WeakestLink(one, two, 1 / (1 + 2.0 ** -max(min(bits, 60.0), -60.0)))


def _masked(plan: Plan) -> Plan:
    """The plan as whoever looks may see it; it was made from the values themselves."""
    mask = masking.current()
    hidden = frozenset(name for record in plan.records for name in mask.hides(record))
    rows = [_masked_row(row) if row.name in hidden else row for row in plan.rows]
    return replace(plan, rows=rows, collisions=[_masked_collision(one, hidden, mask.user) for one in plan.collisions])


def _masked_row(row: Row) -> Row:
    *values, after = masked_together([*row.values, row.after])
    return replace(row, values=tuple(values), after=after)


def _masked_collision(one: Collision, hidden: frozenset[str], viewer: Any) -> Collision:
    if viewer is not None and not access.sees_everything(viewer):
        mine = access.visible_records(viewer, Record.objects.filter(pk__in=[other.pk for other in one.others]))
        one = replace(one, others=list(mine.select_related("source")))
    return replace(one, value=masked(one.value) or "") if one.column in hidden else one


def _writes(plan: Plan) -> list[str]:
    """Exactly what merging writes, in words."""
    golden = plan.survivor
    written = [
        f"{row.name} of {golden.external_id}: {shown(row.values[0])} becomes {shown(row.after)}"
        for row in plan.rows
        if row.moves
    ]
    written += [f"{record.external_id} will point at {golden.external_id}" for record in plan.records[1:]]
    for record in plan.records[1:]:
        count = plan.children[record.pk]
        if count:
            things = "related record" if count == 1 else "related records"
            written.append(f"{count} {things} of {record.external_id} will move to {golden.external_id}")
    return written + outbox.leaves(golden.source, merges=True)
