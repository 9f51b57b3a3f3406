"""One JSON request to a system: counted, timed, and what goes wrong said in the words of `faults`."""

from __future__ import annotations

from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import requests

from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Denied, Gone, Invalid, Stale, SystemFault, Throttled, Unreachable

LONGEST_ANSWER = 64 * 2**20
PAUSE = 30.0
"""Seconds to wait where a system asks for a pause and does not say how long."""


class Lent(requests.Session):
    """A session to lend to a vendor's client: every request is counted and timed, and faults are ours.

    No redirect is followed: it could lead a login to another host. No proxy or login is taken from the environment.
    headers_seen: those of the last answer, for quotas.
    """

    def __init__(self, base: str, line: Line) -> None:
        super().__init__()
        self.base = base.rstrip("/")
        self.line = line
        self.trust_env = False
        self.headers.update({"Accept": "application/json", "User-Agent": "crmquality"})
        self.headers_seen: Mapping[str, str] = {}

    def request(self, method: Any, url: Any, *given: Any, **more: Any) -> requests.Response:
        """Send one request below the one address; returns the answer if its status is below 300.

        Raises Denied (401, 403), Gone (404, 410), Stale (409, 412), Invalid (400, 422 and the like), Throttled (429),
        Unreachable (5xx, no answer, a redirect), and what `Line.spend` raises.
        """
        if not str(url).startswith(self.base + "/"):
            raise Invalid(f"The system sends us to another place than {self.base}.")
        self.line.spend()
        try:
            answer = super().request(
                method, url, *given, **{**more, "timeout": self.line.timeout, "allow_redirects": False}
            )
        except requests.RequestException as error:
            raise Unreachable(f"{self.base} did not answer ({type(error).__name__}).") from None
        self.headers_seen = answer.headers
        if answer.status_code >= 300:
            raise self.fault(answer)
        return answer

    def fault(self, answer: requests.Response) -> SystemFault:
        """What an answer of 300 or more means."""
        said = _said(answer)
        match answer.status_code:
            case 401 | 403:
                return Denied(f"{self.base} refuses the login or its rights{said}.")
            case 404 | 410:
                return Gone(f"There is no such row{said}.")
            case 409 | 412:
                return Stale(f"The row changed meanwhile{said}.")
            case 429:
                return Throttled(f"{self.base} asks for a pause.", seconds=retry_after(answer.headers))
            case code if 400 <= code < 500:
                return Invalid(f"It was refused ({code}){said}.")
        return Unreachable(f"{self.base} answered {answer.status_code}.")


class Http:
    """JSON requests below one address, in a session of `Lent`."""

    def __init__(
        self, base: str, line: Line, headers: Mapping[str, str] | None = None, session: Lent | None = None
    ) -> None:
        self.session = session or Lent(base, line)
        self.base = self.session.base
        self.session.headers.update(headers or {})

    def ask(
        self, method: str, path: str, body: Any = None, *, headers: Mapping[str, str] | None = None, **query: Any
    ) -> requests.Response:
        """Send one request; returns the answer if its status is below 300. Raises what `Lent.request` raises."""
        given = {name: value for name, value in query.items() if value is not None}
        return self.session.request(method, self.base + path, json=body, params=given, headers=dict(headers or {}))

    def close(self) -> None:
        """Close its connections."""
        self.session.close()


def retry_after(headers: Mapping[str, str]) -> float:
    """Seconds that Retry-After asks to wait, given as a number or a date; `PAUSE` if it says nothing sensible."""
    given = headers.get("Retry-After", "")
    if given.strip().isdecimal():
        return float(given)
    try:
        until, now = parsedate_to_datetime(given), parsedate_to_datetime(headers["Date"])
        return max(0.0, (until - now).total_seconds())
    except (ValueError, TypeError, KeyError):
        return PAUSE


def _said(answer: requests.Response) -> str:
    """The answer's own words, shortened."""
    try:
        body = answer.json()
    except ValueError:
        return ""
    body = body[0] if isinstance(body, list) and body else body
    if not isinstance(body, dict):
        return ""
    words = next((body[name] for name in ("detail", "message", "error", "title") if body.get(name)), "")
    return f": {str(words)[:300].rstrip('.')}" if words else ""
