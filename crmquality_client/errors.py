"""What can go wrong: the server's problem JSON (RFC 9457) as exceptions that say what, where and how to mend it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any


class ApiError(Exception):
    """The server refused. status: of HTTP. what: what is wrong. where: address or fields. how: how to mend it."""

    def __init__(self, status: int, what: str, *, where: str = "", how: str = "") -> None:
        self.status, self.what, self.where, self.how = status, what, where, how
        super().__init__(" ".join(filter(None, [f"{status}: {what}", f"[{where}]" if where else "", how])))


class Forbidden(ApiError):
    """401 or 403: no token, one that has ended, or a role that may not do this."""


class NotFound(ApiError):
    """404: it is not there, or not yours to see."""


class Outdated(ApiError):
    """409 or 412: somebody was faster. Read again and decide anew."""


class Unreachable(Exception):
    """Nobody answers at the address, or not as the API does."""


class TimedOut(Exception):
    """It was not over, or not answered, within the time that was given."""


class JobFailed(Exception):
    """A job ended, and not well. job: as it ended."""

    def __init__(self, job: Any) -> None:
        self.job = job
        super().__init__(f"{type(job).__name__} {job.id} {job.state}: {job.error}".rstrip(": "))


KINDS: dict[int, type[ApiError]] = {401: Forbidden, 403: Forbidden, 404: NotFound, 409: Outdated, 412: Outdated}


def from_problem(status: int, problem: Mapping[str, Any]) -> ApiError:
    """The exception of a problem."""
    fields = ", ".join(one["where"] for one in problem.get("errors", []) if one.get("where"))
    return KINDS.get(status, ApiError)(
        status,
        str(problem.get("detail") or problem.get("title") or "no reason was given"),
        where=fields or str(problem.get("instance", "")),
        how=str(problem.get("how", "")),
    )
