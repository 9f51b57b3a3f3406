"""How checks are written, registered and run one after the other."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import dataclass
from enum import StrEnum


class State(StrEnum):
    """How a check ended. Skipped: something that it needs was not there."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"
    SKIPPED = "skipped"


@dataclass(frozen=True)
class Finding:
    """What a check says. mend: a command, or a place on the pages, that mends it; "" where nothing is wrong."""

    state: State
    says: str
    mend: str = ""


@dataclass(frozen=True)
class Result:
    """A finding under the name of its check."""

    name: str
    state: State
    says: str
    mend: str


def ok(says: str) -> Finding:
    """All is well."""
    return Finding(State.OK, says)


def warn(says: str, mend: str) -> Finding:
    """It works, and could be better or will not work for long."""
    return Finding(State.WARN, says, mend)


def fail(says: str, mend: str) -> Finding:
    """It does not work."""
    return Finding(State.FAIL, says, mend)


def skipped(says: str) -> Finding:
    """It could not be asked."""
    return Finding(State.SKIPPED, says)


Look = Callable[[], Finding]


@dataclass(frozen=True)
class Check:
    """A named look at one thing. needs: checks that must not have failed before it can be asked."""

    name: str
    look: Look
    needs: tuple[str, ...] = ()


def run(checks: Iterable[Check], failed: Collection[str] = ()) -> Iterator[Result]:
    """The results in order. A check that breaks has failed; what it needs that failed has it skipped.

    failed: names of checks that failed before these.
    """
    bad = set(failed)
    for check in checks:
        missing = [need for need in check.needs if need in bad]
        if missing:
            found = skipped(f"Not asked: {missing[0]} failed.")
        else:
            try:
                found = check.look()
            except Exception as error:
                found = fail(f"The check itself broke: {type(error).__name__}: {error}"[:300], "Report it as a bug.")
        if found.state == State.FAIL or missing:
            bad.add(check.name)
        yield Result(check.name, found.state, found.says, found.mend)
