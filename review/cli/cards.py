"""A card in words: the question, every differing field open, why, and what accepting writes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from crmquality.selectors.naming import shown
from review.cli.terminal import Terminal, columns
from review.differences import Piece
from review.selectors.cards import Also, Card, FieldRow
from review.selectors.merge_cards import MergeRow, MergeView
from review.services import checks
from review.templatetags.quality import certainty

WRITES = 6
"""Lines of what is written that a card shows."""

BLANK = "(blank)"
SIGNS = {"same": "{}", "gone": "[-{}-]", "new": "{{+{}+}}"}


def show(card: Card, terminal: Terminal, *, waiting: str) -> None:
    """Draw a card."""
    item = card.item
    terminal.write()
    terminal.write(terminal.styled("faint", "-" * terminal.width))
    about = [item.detector, item.source.name, card.records[0].external_id, _score(card), f"{waiting} waiting"]
    if item.skips:
        about.append(f"skipped {item.skips}x")
    terminal.wrapped(" · ".join(about), indent="")
    terminal.write(terminal.styled("bold", card.question))
    terminal.wrapped(card.title, indent="")
    if card.also:
        hidden = checks.score_hidden(item)
        names = ", ".join(_check(one, hidden=hidden) for one in card.also)
        terminal.wrapped(f"Also found by: {names}. Your answer settles all.", indent="")
    for one in item.skip_reasons.select_related("by")[:3] if item.skips else ():
        terminal.wrapped(f"skipped by {one.by.username if one.by else 'nobody'}: {one.reason}")
    if card.masked:
        terminal.wrapped(f"Masked for you: {', '.join(card.masked)}. v reveals it, which is noted in the log.")
    terminal.write()
    if card.merge:
        _merge(card.merge, terminal)
    else:
        _fields(card, terminal)
    terminal.write()
    _why(card, terminal)
    for question in card.questions:
        terminal.wrapped(f"Asked: {question.text}")
    if item.action != "flag":
        _writes(card.writes, terminal)


def same_fields(card: Card, terminal: Terminal) -> None:
    """The fields that do not differ."""
    if card.merge:
        pairs = [(one.row.name, one.row.after) for one in card.merge.equal]
    else:
        pairs = [(row.name, row.before) for row in card.same]
    width = columns([name for name, _ in pairs])
    for name, value in pairs:
        terminal.field(name, value or BLANK, width)
    if not pairs:
        terminal.write("  There are no other fields.")


def as_row(card: Card) -> dict[str, Any]:
    """A card as JSON; see docs/cli.md. Masked as the card is."""
    item = card.item
    hidden = checks.score_hidden(item)
    return {
        "item": item.pk,
        "source": item.source.name,
        "detector": item.detector,
        "action": item.action,
        "score": None if hidden else item.score,
        "question": card.question,
        "title": card.title,
        "records": [{"id": record.pk, "external_id": record.external_id} for record in card.records],
        "fields": [_row(row) for row in card.changed] if card.merge is None else [_pick(row) for row in _open(card)],
        "evidence": [
            {"feature": bar.label, "weight": None if hidden else bar.weight, "detail": bar.detail}
            for bar in card.evidence.bars
        ],
        "also_found_by": [
            {"item": one.item.pk, "detector": one.item.detector, "score": None if hidden else one.item.score}
            for one in card.also
        ],
        "writes": card.writes,
        "masked": card.masked,
    }


def _row(row: FieldRow) -> dict[str, Any]:
    return {"field": row.name, "before": row.before, "after": row.after}


def _pick(one: MergeRow) -> dict[str, Any]:
    return {
        "field": one.row.name,
        "values": {holder: option.text for option in one.options for holder in option.holders},
        "after": one.row.after,
        "choose": one.row.ask,
    }


def _open(card: Card) -> Sequence[MergeRow]:
    return card.merge.differing if card.merge else ()


def _check(one: Also, *, hidden: bool) -> str:
    return one.item.detector if hidden else f"{one.item.detector} ({certainty(one.item.score)})"


def _score(card: Card) -> str:
    item = card.item
    if checks.score_hidden(item):
        return "score hidden this time"
    if card.ranks_oddity:
        return f"odder than {certainty(item.score)} of usual records"
    return f"{certainty(item.score)} likely"


def _fields(card: Card, terminal: Terminal) -> None:
    """A correction as before and after, a link as both records' values, an anomaly as the values it is about."""
    width = columns([row.name for row in card.changed])
    one, two = "", "-> "
    if card.item.action == "link":
        one, two = (f"{record.external_id}: " for record in card.records[:2])
    for row in card.changed:
        if card.item.action == "flag":
            terminal.field(row.name, row.before or BLANK, width)
        else:
            terminal.field(row.name, one + _marked(row.old), width)
            terminal.field("", two + _marked(row.new), width)


def _merge(merge: MergeView, terminal: Terminal) -> None:
    for member in merge.members:
        stays = "  stays" if member.stays else "  left out" if not member.is_in else ""
        related = f"  {member.children} related" if member.children else ""
        terminal.wrapped(f"{member.number}  {member.record.external_id}  {member.title}{related}{stays}")
    if merge.weakest:
        terminal.wrapped(f"Weakest link: {merge.weakest.one} - {merge.weakest.two}. The reasons are about these two.")
    for collision in merge.collisions:
        others = ", ".join(other.external_id for other in collision.others)
        terminal.wrapped(f"{'Would collide' if collision.is_new else 'Stands elsewhere too'}: {collision}: {others}")
    terminal.write()
    if not merge.differing:
        terminal.write("  All fields are equal.")
    width = columns([one.row.name for one in merge.differing])
    for one in merge.differing:
        name = one.row.name
        for option in one.options:
            taken = "*" if option.is_taken and not one.row.ask else " "
            terminal.field(name, f"{option.number}{taken} {', '.join(option.holders)}: {_marked(option.pieces)}", width)
            name = ""
        why = ": ".join(filter(None, [one.row.rule, one.row.reason]))
        after = "choose: e" if one.row.ask else shown(one.row.after)
        terminal.field("", f"-> {after}" + (f" ({why})" if why else ""), width)


def _why(card: Card, terminal: Terminal) -> None:
    terminal.write(terminal.styled("bold", "Why"))
    hidden = checks.score_hidden(card.item)
    for bar in card.evidence.bars:
        weight = "" if hidden else f"{bar.weight:+5.1f}  "
        terminal.wrapped(f"{bar.label}: {bar.detail}", indent="  " + " " * len(weight), first="  " + weight)
    for one in card.also:
        terminal.wrapped(f"also {one.item.detector}: {'; '.join(one.why)}" if one.why else f"also {one.item.detector}")


def _writes(lines: Sequence[str], terminal: Terminal) -> None:
    terminal.write(terminal.styled("bold", "Accepting writes"))
    for line in lines[:WRITES]:
        terminal.wrapped(line, indent="    ", first="  - ")
    if len(lines) > WRITES:
        terminal.write(f"  - and {len(lines) - WRITES} more: w lists them")


def all_writes(card: Card, terminal: Terminal) -> None:
    """Everything that accepting writes."""
    for line in card.writes:
        terminal.wrapped(line, indent="    ", first="  - ")


def _marked(stretches: Sequence[Piece]) -> str:
    """A value with what is gone as [-...-] and what is new as {+...+}, as wdiff marks it, where only parts differ."""
    if len(stretches) < 2:
        return "".join(piece.text for piece in stretches) or BLANK
    return "".join(SIGNS[piece.kind].format(piece.shown) for piece in stretches)
