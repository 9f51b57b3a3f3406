"""What the pages of many items show: a group's rows, a random sample of it, a batch's outcomes."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

from crmquality.models import Record
from crmquality.selectors.naming import title
from crmquality.services import masking
from review.differences import Piece, pieces
from review.models import BatchMember, Decision, DecisionBatch, LotItem, ReviewItem
from review.models.items import ReviewItemQuerySet
from review.patterns import describe, rewriting_of
from review.services import batching

SHOWN = 500
"""Rows of a group on its page, the least sure first; the rest is counted."""
CHECKED = 8
MANY = 1_000


@dataclass(frozen=True)
class Cell:
    """One field's change."""

    name: str
    before: str | None
    after: str | None
    old: list[Piece]
    new: list[Piece]


@dataclass(frozen=True)
class Row:
    """One item of a group, masked for whoever looks."""

    item: ReviewItem
    record: Record
    title: str
    cells: list[Cell]
    why: str


@dataclass(frozen=True)
class Group:
    """Everything a group's page needs.

    total: all its open items; free: those that one decision would settle now. newest: the highest id among them.
    sample: rows drawn at random from all of it. rows: the least sure first. rule: how the values change, in words.
    """

    item: ReviewItem
    total: int
    free: int
    newest: int
    sample: list[Row]
    rows: list[Row]
    rule: list[tuple[str, str]]

    @property
    def elsewhere(self) -> int:
        """Items on colleagues' desks."""
        return self.total - self.free

    @property
    def unseen(self) -> int:
        """Free items that are not in the list."""
        return self.free - len(self.rows)


def group(item: ReviewItem, user: Any) -> Group | None:
    """The group of an item; None if nothing of it is open."""
    every = batching.alike(item, user)
    free = every.available_to(user.pk)
    ids = sorted(free.values_list("id", flat=True))
    if not ids:
        return None
    # the same draw for the same group, however often the page is opened
    chosen = random.Random(f"{item.pattern}{ids[-1]}").sample(ids, min(CHECKED, len(ids)))  # noqa: S311
    listed = rows(free.order_by("score", "id")[:SHOWN])
    known = {row.item.pk: row for row in listed}
    missing = rows(free.filter(pk__in=[one for one in chosen if one not in known]))
    known |= {row.item.pk: row for row in missing}
    sample = [known[one] for one in chosen if one in known]
    first = sample[0] if sample else listed[0]
    return Group(item, every.count(), len(ids), ids[-1], sample, listed, _rule(first))


def rows(items: Iterable[ReviewItem] | ReviewItemQuerySet) -> list[Row]:
    """The items as before and after, from the records as they are now; an item whose record is gone is left out."""
    found = list(items.select_related("finding") if isinstance(items, ReviewItemQuerySet) else items)
    ids = {subject for item in found for subject in item.finding.subjects[:1]}
    records = {one.pk: one for one in Record.objects.filter(pk__in=ids).select_related("source")}
    return [_row(item, records[item.finding.subjects[0]]) for item in found if item.finding.subjects[0] in records]


def others_like(item: ReviewItem, user: Any) -> int:
    """How many other open items share the item's pattern, counted to MANY + 1."""
    return batching.alike(item, user).exclude(pk=item.pk)[: MANY + 1].count() if item.pattern else 0


def sample_rows(places: Sequence[LotItem]) -> list[tuple[LotItem, Row | None]]:
    """The cards of a lot's sample, each with its row: one that was judged as it was seen, another as it is now."""
    found = {row.item.pk: row for row in rows([place.item for place in places])}
    judged = Decision.objects.filter(item__in=[place.item_id for place in places], undone_at__isnull=True)
    seen = {one.item_id: one for one in judged.select_related("item__source")}
    return [(place, _as_seen(found.get(place.item_id), seen.get(place.item_id))) for place in places]


def troubles(batch: DecisionBatch, *, most: int = 200) -> list[BatchMember]:
    """Members that were not simply done, with the reason."""
    plain = [BatchMember.Outcome.WAITING, BatchMember.Outcome.DECIDED, BatchMember.Outcome.UNDONE]
    odd = batch.members.exclude(outcome__in=plain, note="").select_related("item__finding")
    return list(odd.order_by("id")[:most])


def _row(item: ReviewItem, record: Record) -> Row:
    finding, found = masking.current().claim(item.finding, {record.pk: record})
    record = found[record.pk]
    changes = finding.proposal.get("changes") or {
        name: None for reason in finding.evidence for name in reason.get("fields", ())
    }
    cells = []
    for name, after in changes.items():
        before = record.fields.get(name)
        old, new = pieces(before, after) if item.action == "set" else ([], [])
        cells.append(Cell(name, before, after, old, new))
    why = finding.evidence[0]["detail"] if finding.evidence else ""
    return Row(item, record, title(record), cells, why)


def _as_seen(row: Row | None, decision: Decision | None) -> Row | None:
    """The row with the values that the decision was taken on."""
    if row is None or decision is None:
        return row
    seen = masking.current().seen(decision.item.source, decision.seen)
    held = seen["values"].get(str(row.record.pk), {})
    return replace(row, cells=[replace(cell, before=held.get(cell.name)) for cell in row.cells])


def _rule(row: Row) -> list[tuple[str, str]]:
    before = {cell.name: cell.before for cell in row.cells}
    after = {cell.name: cell.after for cell in row.cells} if row.item.action == "set" else {}
    return [(cell.name, describe(rewriting_of(cell.name, before, after))) for cell in row.cells]
