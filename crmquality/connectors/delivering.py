"""Doing steps in a system so that nothing is overwritten and nothing is done twice; pure of storage.

Every step is compared first, done only if the row still holds what it should, and read back afterwards. A step that
is found done is passed over, whoever did it: that makes it safe to repeat after any failure, also one where it is not
known whether the system did what was asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from enum import StrEnum
from typing import Any

from crmquality.connectors.contract import Act, Call, Plan, Row, Step, System, Write
from crmquality.connectors.faults import Differs, Gone, Invalid, NeedsPerson, NotAsWritten, Stale

TRIES = 3
"""How often a row that changes between reading and writing is read anew, before it is left for later."""


class Done(StrEnum):
    """What became of a step."""

    WRITTEN = "written"
    ALREADY = "already"


def plan_write(write: Write) -> Plan:
    """A single write as a plan."""
    return Plan((write,), (write.reversed(),))


def carry_out(system: System, steps: Iterable[Step], *, key: str) -> list[Done]:
    """Do steps in their order. key: identifies the whole; each step's own is made from it.

    Raises what `do` raises, at the step where it happens: those before it are done.
    """
    return [do(system, step, key=f"{key}-{place}") for place, step in enumerate(steps)]


def carry_out_whole(system: System, plan: Plan, *, key: str) -> list[Done]:
    """Do all steps of a plan or none: looks first whether all can be done, and takes back what was done if one fails
    for good. A failure to be tried again (Unreachable, QuotaSpent, Denied) leaves it half done for the next try.

    Raises what `do` raises.
    """
    require_fit(system, plan.steps)
    try:
        return carry_out(system, plan.steps, key=key)
    except (Stale, Gone, Invalid, NeedsPerson, NotAsWritten):
        take_back(system, plan, key=f"{key}-back")
        raise


def require_fit(system: System, steps: Sequence[Step]) -> None:
    """Raises Differs or Gone if a row does not hold what a step needs. One request for the rows of an object."""
    for name in dict.fromkeys(step.object for step in steps):
        about = [step for step in steps if step.object == name and isinstance(step, Write)]
        rows = system.get(name, list(dict.fromkeys(step.id for step in about)))
        for step in about:
            if step.id not in rows:
                raise Gone(f"{name} {step.id} is there no more.")
            _todo(step, rows[step.id])


def take_back(system: System, plan: Plan, *, key: str) -> None:
    """Undo those steps of a plan that were done; what somebody changed meanwhile is left."""
    for place, step in enumerate(plan.undo):
        try:
            do(system, step, key=f"{key}-{place}")
        except (Stale, Gone, Invalid, NeedsPerson, NotAsWritten):
            continue


def do(system: System, step: Step, *, key: str) -> Done:
    """Do one step, unless it is done.

    Raises Differs if a field holds neither what it should before nor after; Gone; Stale if the row never stood still;
    NotAsWritten if reading back shows something else; and what the system raises.
    """
    return _do_write(system, step, key) if isinstance(step, Write) else _do_act(system, step, key)


def preview(system: System, steps: Iterable[Step]) -> list[Call]:
    """The exact requests that the steps would send now; sends none. Raises what `do` raises before it sends."""
    found: list[Call] = []
    for step in steps:
        row = current(system, step)
        todo = _todo(step, row) if isinstance(step, Write) else None if system.acted(step) else step
        if todo is not None:
            found += system.calls(todo, row)
    return found


def current(system: System, step: Step) -> Row:
    """The row that a step is about. Raises Gone."""
    row = system.get(step.object, [step.id]).get(step.id)
    if row is None:
        raise Gone(f"{step.object} {step.id} is there no more.")
    return row


def _do_write(system: System, write: Write, key: str) -> Done:
    for attempt in range(TRIES):
        row = current(system, write)
        todo = _todo(write, row)
        if todo is None:
            return Done.ALREADY
        try:
            for place, call in enumerate(system.calls(todo, row)):
                system.send(call, key=f"{key}-{place}")
        except Stale as stale:
            if isinstance(stale, Differs) or attempt == TRIES - 1:
                raise
            continue
        _read_back(system, todo)
        return Done.WRITTEN
    raise AssertionError("unreachable")


def _todo(write: Write, row: Row) -> Write | None:
    """What of a write is still to be done; None if nothing. Raises Differs."""
    held = {name: row.values.get(name) or None for name in write.values}
    wrong = {name: now for name, now in held.items() if now not in [one or None for one in write.values[name]]}
    if wrong:
        raise Differs(f"{write.object} {write.id} was changed there meanwhile: {', '.join(wrong)}.", now=wrong)
    left = {name: pair for name, pair in write.values.items() if held[name] != (pair[1] or None)}
    return Write(write.object, write.id, left, write.insist) if left else None


def _read_back(system: System, write: Write) -> None:
    row = current(system, write)
    now = {name: row.values.get(name) or None for name in write.values}
    wrong = {name: value for name, value in now.items() if value != (write.values[name][1] or None)}
    if wrong:
        raise NotAsWritten(
            f"{write.object} {write.id} was written, but holds something else: {', '.join(wrong)}.", now=wrong
        )


def _do_act(system: System, act: Act, key: str) -> Done:
    if system.acted(act):
        return Done.ALREADY
    for place, call in enumerate(system.calls(act, current(system, act))):
        system.send(call, key=f"{key}-{place}")
    if not system.acted(act):
        raise NotAsWritten(f"{act.object} {act.id}: {act.name} was asked for, but is not done.", now={})
    return Done.WRITTEN


# Plans as JSON, to be kept


def plan_to_json(plan: Plan) -> dict[str, Any]:
    """A plan as plain JSON values."""
    return {
        "steps": [step_to_json(step) for step in plan.steps],
        "undo": [step_to_json(step) for step in plan.undo],
        "irreversible": plan.irreversible,
    }


def plan_from_json(kept: Mapping[str, Any]) -> Plan:
    """The plan that was kept."""
    steps, undo = (tuple(step_from_json(one) for one in kept[name]) for name in ("steps", "undo"))
    return Plan(steps, undo, kept.get("irreversible", ""))


def step_to_json(step: Step) -> dict[str, Any]:
    """A step as plain JSON values."""
    if isinstance(step, Write):
        values = {name: list(pair) for name, pair in step.values.items()}
        return {"object": step.object, "id": step.id, "values": values, "insist": step.insist}
    return {"object": step.object, "id": step.id, "act": step.name, "arguments": dict(step.arguments)}


def step_from_json(kept: Mapping[str, Any]) -> Step:
    """The step that was kept."""
    if "act" in kept:
        return Act(kept["act"], kept["object"], kept["id"], kept["arguments"])
    values = {name: (before, after) for name, (before, after) in kept["values"].items()}
    return Write(kept["object"], kept["id"], values, kept.get("insist", False))
