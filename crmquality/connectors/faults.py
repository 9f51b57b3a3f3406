"""What can go wrong with a system, sorted by what is to be done about it."""

from __future__ import annotations

from collections.abc import Mapping


class SystemFault(Exception):
    """Something a system did not do; the message is for a person, and holds no secret."""


class Unreachable(SystemFault):
    """It did not answer, or said that it cannot now: try again later. Whether a write was done is not known."""


class Throttled(Unreachable):
    """It asks for a pause. seconds: how long, as it says."""

    def __init__(self, message: str, *, seconds: float) -> None:
        super().__init__(message)
        self.seconds = seconds


class NotSent(Unreachable):
    """It was not tried, since the system did not answer to what came before it."""


class QuotaSpent(SystemFault):
    """No more calls may be made today: the rest waits until tomorrow."""


class Denied(SystemFault):
    """The login or its rights do not do: a person has to mend the connection first."""


class Gone(SystemFault):
    """The row is there no more."""


class Stale(SystemFault):
    """The row changed since it was read; nothing was written."""


class Differs(Stale):
    """The row holds something else than what it should hold before the write. now: those fields and what they hold."""

    def __init__(self, message: str, *, now: Mapping[str, str | None]) -> None:
        super().__init__(message)
        self.now = dict(now)


class Invalid(SystemFault):
    """The system refuses what was asked, and would again."""


class NeedsPerson(SystemFault):
    """The system warns, and writes only once a person has said that they want it all the same."""


class NotAsWritten(SystemFault):
    """What was read back is not what was written. now: those fields and what they hold."""

    def __init__(self, message: str, *, now: Mapping[str, str | None]) -> None:
        super().__init__(message)
        self.now = dict(now)
