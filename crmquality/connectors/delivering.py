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
from crmquality.connectors.faults import (
    Denied,
    Differs,
    Gone,
    Invalid,
    NeedsPerson,
    NotAsWritten,
    NotSent,
    QuotaSpent,
    Stale,
    SystemFault,
    Unreachable,
)

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
    writes = [step for step in steps if isinstance(step, Write)]
    rows = _rows(system, writes)
    for write in writes:
        if (write.object, write.id) not in rows:
            raise Gone(f"{write.object} {write.id} is there no more.")
        _todo(write, rows[write.object, write.id])


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


def do_many(system: System, writes: Sequence[tuple[Write, str]]) -> list[Done | SystemFault]:
    """Do writes into different rows, each with its key: what became of each, or the fault that stopped it.

    Rows are compared and read back together: n + 2 requests instead of 3 n. A fault of one write stops no other. After
    one of `EVERYWHERE` nothing more is sent, and the others are `NotSent`. Raises such a fault if it comes before the
    first write: nothing was sent then.
    """
    rows = _rows(system, [write for write, _ in writes])
    found: list[Done | SystemFault] = []
    for write, key in writes:
        stopped = next((one for one in found[-1:] if isinstance(one, EVERYWHERE)), None)
        row = rows.get((write.object, write.id))
        found.append(NotSent(str(stopped)) if stopped else _outcome(system, write, row, key))
    sent = [place for place, one in enumerate(found) if one is Done.WRITTEN]
    try:
        now = _rows(system, [writes[place][0] for place in sent])
    except SystemFault as fault:  # written perhaps: the next try finds out
        return [fault if one is Done.WRITTEN else one for one in found]
    for place in sent:
        write = writes[place][0]
        found[place] = _compared(write, now.get((write.object, write.id)))
    return found


EVERYWHERE = (Unreachable, QuotaSpent, Denied)
"""Faults of the system, not of one row."""


def _outcome(system: System, write: Write, row: Row | None, key: str) -> Done | SystemFault:
    try:
        if row is None:
            raise Gone(f"{write.object} {write.id} is there no more.")
        todo = _todo(write, row)
        if todo is None:
            return Done.ALREADY
        try:
            _send(system, todo, row, key)
        except Differs:
            raise
        except Stale:  # it changed since all were read: this one by itself
            return _do_write(system, write, key)
    except SystemFault as fault:
        return fault
    return Done.WRITTEN


def _rows(system: System, writes: Sequence[Write]) -> dict[tuple[str, str], Row]:
    found: dict[tuple[str, str], Row] = {}
    for name in dict.fromkeys(write.object for write in writes):
        ids = list(dict.fromkeys(write.id for write in writes if write.object == name))
        found |= {(name, key): row for key, row in system.get(name, ids).items()}
    return found


def _compared(write: Write, row: Row | None) -> Done | SystemFault:
    try:
        if row is None:
            raise Gone(f"{write.object} {write.id} is there no more.")
        _require_written(write, row)
    except SystemFault as fault:
        return fault
    return Done.WRITTEN


def _do_write(system: System, write: Write, key: str) -> Done:
    for attempt in range(TRIES):
        row = current(system, write)
        todo = _todo(write, row)
        if todo is None:
            return Done.ALREADY
        try:
            _send(system, todo, row, key)
        except Stale as stale:
            if isinstance(stale, Differs) or attempt == TRIES - 1:
                raise
            continue
        _require_written(todo, current(system, write))
        return Done.WRITTEN
    raise AssertionError("unreachable")


def _send(system: System, write: Write, row: Row, key: str) -> None:
    for place, call in enumerate(system.calls(write, row)):
        system.send(call, key=f"{key}-{place}")


def _todo(write: Write, row: Row) -> Write | None:
    """What of a write is still to be done; None if nothing. Raises Differs."""
    held = {name: row.values.get(name) or None for name in write.values}
    wrong = {name: now for name, now in held.items() if now not in [one or None for one in write.values[name]]}
    if wrong:
        raise Differs(f"{write.object} {write.id} was changed there meanwhile: {', '.join(wrong)}.", now=wrong)
    left = {name: pair for name, pair in write.values.items() if held[name] != (pair[1] or None)}
    return Write(write.object, write.id, left, write.insist) if left else None


def _require_written(write: Write, row: Row) -> None:
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
