"""What the numbers and the dates of a record say of each other: what does not add up, what comes before its time."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from detectors.conflicts import arithmetic, balancing, orders
from detectors.conflicts.amounts import amounts, in_order
from detectors.conflicts.doubts import Doubt
from detectors.conflicts.repairs import Repair
from detectors.contract import Batch


def find(batch: Batch, names: Sequence[str], report: Callable[..., None]) -> tuple[list[Repair], list[Doubt]]:
    """Repairs of numbers that do not add up or are blank, and doubts about records whose wrong cell cannot be told."""
    order = in_order(batch.frame)
    columns = amounts(batch.frame, names, batch.roles, report)
    found, read = arithmetic.find(columns, order, report)
    report(0, 1, "conflicts: what does not add up")
    judged = list(balancing.judge({one.name: one for one in read}, found))
    axes = [*orders.dates(batch.frame, names, batch.roles, order, report), *orders.numbers(columns)]
    in_line = orders.judge(orders.find(axes, order, [one.formula.columns for one in found]))
    mended = [one for one in judged if isinstance(one, Repair)]
    return mended, [*(one for one in judged if isinstance(one, Doubt)), *in_line]
