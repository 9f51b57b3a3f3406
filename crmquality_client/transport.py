"""Requests to one server: signed in, tried again where the server asks for patience, errors as exceptions."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from http import HTTPStatus
from typing import Any
from urllib.parse import urlsplit

import requests

from crmquality_client.errors import TimedOut, Unreachable, from_problem

API = "/api/v1/"
AGAIN = (429, 503)
"""Refused before anything was done, so that any request may be sent again."""

WAITS = (0.5, 1.0, 2.0, 5.0, 10.0)
TIMEOUT = (10.0, 120.0)
"""Seconds to connect, and between two pieces of an answer."""

Sleep = Callable[[float], None]


class Transport:
    """patience: seconds to wait in all for a server that says "later" or is away, a request."""

    def __init__(self, address: str, token: str = "", *, patience: float = 120.0, sleep: Sleep = time.sleep) -> None:
        """Raises ValueError for an address that is none."""
        parts = urlsplit(address)
        if parts.scheme not in ("http", "https") or not parts.netloc:
            raise ValueError(f"{address!r} is no address such as https://crm.example.com")
        self.root = address.rstrip("/").removesuffix(API.rstrip("/")) + API
        self.patience = patience
        self.sleep = sleep
        self.session = requests.Session()
        self.session.trust_env = False  # no password of a .netrc in place of the token
        self.session.headers["User-Agent"] = "crmquality-client"
        if token:
            self.session.headers["Authorization"] = f"Token {token}"

    def ask(self, method: str, path: str, *, again: bool = False, **sent: Any) -> Any:
        """The JSON of an answer; None for an empty one. again: may be sent twice, so a broken line is tried again too.

        Raises ApiError, Unreachable, TimedOut.
        """
        answer = self.send(method, path, again=again, **sent)
        if answer.status_code == HTTPStatus.NO_CONTENT or not answer.content:
            return None
        try:
            return answer.json()
        except ValueError:
            raise Unreachable(f"{self.root} does not answer as the API of CRM Quality does.") from None

    def send(self, method: str, path: str, *, again: bool = False, stream: bool = False, **sent: Any) -> Any:
        """An answer that is no error. Raises as `ask`."""
        waited, tries = 0.0, 0
        while True:
            wait = WAITS[min(tries, len(WAITS) - 1)]
            try:
                answer = self.session.request(
                    method, self.root + path, stream=stream, timeout=TIMEOUT, allow_redirects=False, **sent
                )
            except requests.RequestException as error:
                if not (again or method == "GET") or waited + wait > self.patience:
                    raise Unreachable(f"{self.root} does not answer: {type(error).__name__}.") from error
            else:
                if answer.status_code not in AGAIN:
                    return _checked(answer)
                wait = retry_after(answer.headers) or wait
                if waited + wait > self.patience:
                    refusal = _problem(answer)
                    raise TimedOut(f"Not answered within {self.patience:g} s: {refusal}") from refusal
            self.sleep(wait)
            waited += wait
            tries += 1

    def pages(self, path: str, query: Mapping[str, Any]) -> Iterator[Mapping[str, Any]]:
        """Every row of a list, page by page. Only the query of `next` is taken, so the token goes nowhere else."""
        page = self.ask("GET", path, params=dict(query))
        while True:
            yield from page["results"]
            if not page.get("next"):
                return
            page = self.ask("GET", f"{path}?{urlsplit(page['next']).query}")


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that the server asks for, said as a number or as a time; None if it says nothing."""
    said = headers.get("Retry-After", "")
    with suppress(ValueError):
        return max(0.0, float(said))
    with suppress(ValueError, TypeError):
        return max(0.0, (parsedate_to_datetime(said) - datetime.now(UTC)).total_seconds())
    return None


def _checked(answer: requests.Response) -> requests.Response:
    if answer.status_code >= HTTPStatus.BAD_REQUEST:
        raise _problem(answer)
    if answer.status_code >= HTTPStatus.MULTIPLE_CHOICES:
        raise Unreachable(f"The server sends elsewhere, to {answer.headers.get('Location', '')}: use that address.")
    return answer


def _problem(answer: requests.Response) -> Exception:
    try:
        said = answer.json()
    except ValueError:
        said = {}
    return from_problem(answer.status_code, said if isinstance(said, dict) else {})
