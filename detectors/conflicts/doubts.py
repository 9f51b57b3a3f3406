"""What is said of a record without a value to propose."""

from __future__ import annotations

from dataclasses import dataclass

_LONGEST_RULE = 110


@dataclass(frozen=True, slots=True)
class Doubt:
    """Some fields of one record do not agree. row: position. score: estimated probability that one is wrong."""

    row: int
    fields: tuple[str, ...]
    rule: str
    score: float
    detail: str


def rule_of(kind: str, says: str) -> str:
    """The name of a dependency's rule; what would be cut off is told apart by a number made of the whole."""
    name = f"{kind}: {says}"
    if len(name) <= _LONGEST_RULE:
        return name
    return f"{name[: _LONGEST_RULE - 7]}…{sum(at * ord(sign) for at, sign in enumerate(name)) % 1_000_000}"
