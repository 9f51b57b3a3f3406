"""A person's own values in place of a proposal, typed line by line."""

from __future__ import annotations

from typing import Any

from crmquality.services.errors import Refused
from review.cli.terminal import Terminal
from review.selectors.cards import Card
from review.selectors.merge_cards import MergeRow, MergeView


def edited(card: Card, terminal: Terminal) -> dict[str, Any] | None:
    """What to do instead, as `deciding.decide` takes it; None where the person thinks better of it.

    Raises Refused where there is nothing to edit.
    """
    if card.merge:
        return _choices(card.merge, card.masked, terminal)
    if card.item.action in ("flag", "link"):
        raise Refused("There is no value to edit: say yes (a) or no (x).")
    terminal.wrapped("Your values; an empty line blanks a field, Ctrl-D goes back to the card.", indent="")
    changes: dict[str, str | None] = {}
    for row in card.changed:
        if row.name in card.masked:
            terminal.wrapped(f"{row.name} is masked: reveal it (v) to edit it.")
            continue
        value = terminal.line(f"  {row.name}: ", row.after or row.before or "")
        if value is None:
            return None
        changes[row.name] = value.strip() or None
    return {"changes": changes} if changes else None


def _choices(merge: MergeView, hidden: list[str], terminal: Terminal) -> dict[str, Any] | None:
    """Which value of each differing field survives: a number, or a text of one's own after =."""
    terminal.wrapped(
        "For each field: a number takes that value, =TEXT a value of your own, Enter leaves it. Ctrl-D goes back.",
        indent="",
    )
    picks: dict[str, int] = {}
    changes: dict[str, str | None] = {}
    for one in merge.differing:
        answer = _asked(one, one.row.name in hidden, terminal)
        if answer is None:
            return None
        if answer.startswith("="):
            changes[one.row.name] = answer[1:].strip() or None
        elif answer:
            picks[one.row.name] = next(option.record for option in one.options if str(option.number) == answer)
    confirmed = _confirmed(merge, terminal)
    if not picks and not changes and not confirmed:
        return None
    return {"picks": picks, "changes": changes} | ({"allow_collisions": True} if confirmed else {})


def _asked(one: MergeRow, is_hidden: bool, terminal: Terminal) -> str | None:
    numbers = [str(option.number) for option in one.options]
    while True:
        answer = terminal.line(f"  {one.row.name} ({', '.join(numbers)}{'' if is_hidden else ', =TEXT'}): ")
        if answer is None:
            return None
        answer = answer.strip()
        if not answer or answer in numbers or (answer.startswith("=") and not is_hidden):
            return answer
        terminal.wrapped(f"Answer {', '.join(numbers)}{'' if is_hidden else ', =TEXT'} or nothing.")


def _confirmed(merge: MergeView, terminal: Terminal) -> bool:
    """Whether the person lets a value stand though another record holds it."""
    if not merge.plan.blocking:
        return False
    answer = terminal.line("  Another record holds such a value. Merge all the same? yes/no: ")
    return (answer or "").strip().lower() in ("y", "yes")
