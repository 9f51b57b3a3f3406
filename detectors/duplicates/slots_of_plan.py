"""The slots of a plan that was made for a whole batch."""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any, cast

from detectors.contract import Batch
from detectors.duplicates import fills, preparing
from detectors.duplicates.encoding import WORDS, encode
from detectors.duplicates.plan import Comparison, Plan
from detectors.duplicates.preparing import Dates, Name, Words
from detectors.duplicates.slots import DateSlot, Implied, LineSwap, NameSlot, NameSwap, NumberSlot, Slot, WordsSlot
from detectors.duplicates.slots_of_values import EmailSlot, LineSlot, PlaceSlot, ShortSlot
from detectors.roles import Role


def slots_of(plan: Plan, batch: Batch) -> list[Slot]:
    """A slot for each comparison of a plan, holding the plan's rows."""
    made: dict[str, Slot] = {}
    for comparison, fill in zip(plan.comparisons, plan.fills, strict=True):
        made[comparison.key] = _slot(comparison, cast("partial[None]", fill).args, batch, made)
    return list(made.values())


def _slot(comparison: Comparison, prepared: Any, batch: Batch, made: Mapping[str, Slot]) -> Slot:
    family, fields = comparison.key.split(":")[0], comparison.fields
    if isinstance(prepared[0], Name):
        whole = batch.roles.get(fields[0]) is Role.NAME
        return NameSlot(comparison, prepared[0], whole, whole and preparing.comma_first(batch.frame[fields[0]]))
    if isinstance(prepared[0], Dates):
        return DateSlot(comparison, prepared[0])
    if family == "age":
        return NumberSlot(comparison, prepared[0])
    if family == "email":
        names = [
            made.get(key) if column.filled else None
            for key, column in zip(("given", "family"), prepared[2], strict=True)
        ]
        return EmailSlot(
            comparison, prepared[0], prepared[1], [one if isinstance(one, NameSlot) else None for one in names]
        )
    if family == "address":
        house = fields[0] if len(fields) > 1 else None
        if house and encode(batch.frame[house], WORDS).filled < 0.5 * len(batch):  # as the planner decides
            house = None
        return LineSlot(comparison, prepared[0], prepared[1], house)
    if family == "place":
        found = {batch.roles[name]: name for name in fields}
        region = next((name for role, name in found.items() if role not in (Role.POSTCODE, Role.CITY)), None)
        return PlaceSlot(comparison, prepared, (found.get(Role.POSTCODE), found.get(Role.CITY), region))
    if isinstance(prepared[0], Words):
        return WordsSlot(comparison, prepared[0])
    return ShortSlot(comparison, prepared[0])


def swaps_of(plan: Plan, slots: list[Slot]) -> list[NameSwap | LineSwap | Implied]:
    """What looks at two comparisons of a plan at once, in its order."""
    found: list[NameSwap | LineSwap | Implied] = []
    for step in plan.steps:
        if not isinstance(step, partial):
            continue
        if step.func is fills.swap:
            (one, _), (two, _) = step.args
            given, family = slots[one], slots[two]
            assert isinstance(given, NameSlot)
            assert isinstance(family, NameSlot)
            found.append(NameSwap(given, family, (one, two)))
        elif step.func is fills.swap_lines:
            one, two, street, other = step.args
            line = next(slot for slot in slots if isinstance(slot, LineSlot))
            unit = slots[two]
            assert isinstance(unit, WordsSlot)
            found.append(LineSwap((line.texts, unit.texts), (street, other), (one, two)))
        elif step.func is fills.implied:
            found.append(Implied(*step.args))
    return found
