"""Tryton's JSON-RPC: a session, its calls, its faults, and its values as text and back."""

from __future__ import annotations

import base64
from collections.abc import Mapping
from contextlib import suppress
from datetime import date, datetime
from decimal import Decimal, InvalidOperation
from typing import Any

from crmquality.connectors import vendors
from crmquality.connectors.contract import FieldKind, Line
from crmquality.connectors.faults import Denied, Gone, Invalid, NeedsPerson, Stale, SystemFault, Unreachable
from crmquality.connectors.http import Http

MOST_WARNINGS = 10


class Rpc:
    """One session with one database, begun with the first call."""

    def __init__(self, address: str, database: str, user: str, password: str, line: Line) -> None:
        if not database.replace("_", "").replace("-", "").isalnum():
            raise Invalid("The name of a database has letters, digits, - and _ only.")
        self.http = Http(address, line)
        self.database = database
        self.user = user
        self._password = password
        self._user_id: int | None = None

    def user_id(self) -> int:
        """Who we are there; logs in if need be. Raises Denied."""
        if self._user_id is None:
            login = (f"/{self.database}/rpc/", "common.db.login", self.user, {"password": self._password}, "en")
            try:
                given = self._ask(*login)
            except Invalid:  # a server that has not opened this database yet fails the login; opening it is a request
                with suppress(Gone, Invalid):  # there is no such page, but the database is open then
                    self.http.ask("GET", f"/{self.database}/r/")
                given = self._ask(*login)
            self._user_id = int(given[0])
            token = base64.b64encode(f"{self.user}:{given[0]}:{given[1]}".encode()).decode()
            self.http.session.headers["Authorization"] = f"Session {token}"
        return self._user_id

    def version(self) -> str:
        """The series of the server."""
        return str(self._ask("/rpc/", "common.server.version"))

    def model(self, name: str, method: str, *given: Any) -> Any:
        """A method of a model. Raises what `call` raises."""
        return self.call(f"model.{name}.{method}", *given)

    def call(self, method: str, *given: Any, timestamp: Mapping[str, str] | None = None, insist: bool = False) -> Any:
        """A method. timestamp: what rows must not have changed since. insist: warnings are acknowledged.

        Raises Stale, NeedsPerson, Gone, Invalid, and what `Http.ask` raises.
        """
        self.user_id()
        context = {"language": "en", **({"_timestamp": dict(timestamp)} if timestamp else {})}
        for _ in range(MOST_WARNINGS):
            try:
                return self._ask(f"/{self.database}/rpc/", method, *given, context)
            except _Warned as warning:
                if not insist:
                    raise NeedsPerson(f"Tryton warns: {warning}") from None
                self._ask(f"/{self.database}/rpc/", "model.res.user.warning.skip", warning.name, False, {})
        raise Invalid("Tryton warns again and again.")

    def close(self) -> None:
        """End the session; one that cannot be ended runs out by itself."""
        if self._user_id is not None:
            with suppress(SystemFault):
                self._ask(f"/{self.database}/rpc/", "common.db.logout")
        self.http.close()

    def _ask(self, path: str, method: str, *given: Any) -> Any:
        answer = self.http.ask("POST", path, {"id": 0, "method": method, "params": list(given)})
        try:
            found = answer.json()
        except ValueError:
            raise Unreachable(f"{self.http.base} answers, but not as Tryton does.") from None
        if not isinstance(found, dict):
            return found
        if "error" in found:
            raise _fault(found["error"])
        return found.get("result")


class _Warned(SystemFault):
    """Tryton asks for a warning to be acknowledged. name: by which it is."""

    def __init__(self, message: str, name: str) -> None:
        super().__init__(message)
        self.name = name


def _fault(error: Any) -> SystemFault:
    kind, rest = (error[0], error[1:]) if isinstance(error, list) and error else (str(error), [])
    said = rest[0] if rest and isinstance(rest[0], list) else rest
    words = " ".join(str(one) for one in said[:2] if one)[:500]
    match kind:
        case "ConcurrencyException":
            return Stale("The row changed there meanwhile.")
        case "UserWarning":
            return _Warned(" ".join(str(one) for one in said[1:3] if one)[:500], str(said[0]))
        case "LoginException":
            return Denied("Tryton asks for more than a password to log in.")
        case "UserError":
            return Invalid(words or "Tryton refuses it.")
    return Invalid(f"Tryton failed: {str(kind)[:200]}")


# Values


def decoded(value: Any) -> Any:
    """A value of JSON-RPC as Python's own."""
    if not isinstance(value, dict) or "__class__" not in value:
        return value
    parts = {name: part for name, part in value.items() if name != "__class__"}
    match value["__class__"]:
        case "datetime":
            return datetime(**parts)
        case "date":
            return date(**parts)
        case "Decimal":
            return Decimal(parts["decimal"])
    return str(parts)


def text(value: Any) -> str | None:
    """A value as text; "" is blank."""
    match value:
        case datetime():
            return value.isoformat(sep=" ")
        case date():
            return value.isoformat()
    return vendors.text(value)


def encoded(name: str, kind: FieldKind, value: str | None, *, is_float: bool = False) -> Any:
    """A text as a value of JSON-RPC. Raises Invalid if it is none of its kind."""
    if value is None or value == "":
        return None
    try:
        match kind:
            case FieldKind.NUMBER:
                return float(value) if is_float else {"__class__": "Decimal", "decimal": str(Decimal(value))}
            case FieldKind.DATE:
                when = date.fromisoformat(value)
                return {"__class__": "date", "year": when.year, "month": when.month, "day": when.day}
            case FieldKind.REFERENCE:
                return int(value)
            case FieldKind.FLAG:
                return {"yes": True, "no": False}[value]
    except (ValueError, InvalidOperation, KeyError):
        raise Invalid(f"{name}: {kind} is needed, and the text is none.") from None
    return value
