"""A look-up by an HTTP service of the user's that answers with JSON, a request a key.

The key goes into the path where it says {key}, else into a parameter. An answer of 404, an empty list, or a list of
more than one means that nobody is known for sure.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, ClassVar
from urllib.parse import quote

from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Gone, Invalid, Unreachable
from crmquality.connectors.http import Http
from crmquality.connectors.settings import Setting, SettingKind
from crmquality.enrichment.contract import Adapter, Answer, LookUp
from detectors.roles import Role

PLACE = "{key}"
LONGEST = 500
"""Characters of a value; what is longer is no field of a record."""


class HttpAdapter(Adapter):
    """A service by its address."""

    name: ClassVar[str] = "http"
    title: ClassVar[str] = "HTTP service"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "address", "Address", SettingKind.URL, required=True, address=True,
            help="https://register.example.com/companies/{key}, or without {key} and with a parameter.",
        ),
        Setting("parameter", "Parameter with the key", help="Such as domain. Blank where the address has {key}."),
        Setting("header", "Header with the token", default="Authorization"),
        Setting("token", "Token", secret=True, help="With its kind, where there is one: Bearer abc123."),
        Setting("within", "Where the entry is in the answer", help="Such as data.companies. Blank: it is the answer."),
        Setting(
            "values", "Values", SettingKind.LINES, required=True,
            help="Such as city=address.town, one a line: what it means, and where it is in the entry.",
        ),
        Setting("title", "Where the entry’s title is", help="Such as name."),
        Setting("entry", "Where the entry’s own address is", help="Such as links.self."),
        Setting("probe", "A key that it knows", help="Asked for when the look-up is tried."),
    )  # fmt: skip

    def open(self, key: Role, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> LookUp:
        """A session; nothing is asked yet. Raises Invalid if a value's meaning is unknown, or the key goes nowhere."""
        if (PLACE in settings["address"]) == bool(settings["parameter"]):
            raise Invalid("The address needs {key} in it, or the name of a parameter: one of the two.")
        return HttpLookUp(settings, _values(settings["values"]), secrets.get("token", ""), line)


class HttpLookUp(LookUp):
    """One session."""

    def __init__(self, settings: Mapping[str, Any], values: Mapping[Role, str], token: str, line: Line) -> None:
        self.settings = settings
        self.values = values
        scheme, _, rest = settings["address"].partition("://")
        host, slash, path = rest.partition("/")
        self.path = slash + path
        self.http = Http(f"{scheme}://{host}", line, {settings["header"]: token} if token else {})

    def check(self) -> str:
        """Asks for the probe, or for a key that nobody has."""
        found = self._one(self.settings["probe"] or "nobody.invalid")
        if self.settings["probe"] and found is None:
            raise Invalid(f"{self.http.base} answers, but knows nothing of {self.settings['probe']!r}.")
        known = f", and knows {', '.join(role.value for role in found.values)}" if found else ""
        return f"{self.http.base} answers{known}."

    def gives(self) -> Sequence[Role]:
        """What is set."""
        return list(self.values)

    def ask(self, keys: Sequence[str]) -> list[Answer | None]:
        """One request a key."""
        return [self._one(key) for key in keys]

    def close(self) -> None:
        """Close the session."""
        self.http.close()

    def _one(self, key: str) -> Answer | None:
        parameter = self.settings["parameter"]
        path = self.path.replace(PLACE, quote(key, safe=""))
        try:
            query: dict[str, Any] = {parameter: key} if parameter else {}
            answer = self.http.ask("GET", path or "/", None, **query)
        except Gone:
            return None
        try:
            entry = _at(answer.json(), self.settings["within"] or "")
        except ValueError:
            raise Unreachable(f"{self.http.base} answers, but not with JSON.") from None
        if isinstance(entry, list):
            entry = entry[0] if len(entry) == 1 else None
        if not isinstance(entry, dict):
            return None
        values = {role: text for role, where in self.values.items() if (text := _text(_at(entry, where)))}
        words = [_text(_at(entry, self.settings[name] or "-")) for name in ("title", "entry")]
        return Answer(values, *words) if values else None


def _values(lines: Sequence[str]) -> dict[Role, str]:
    found = {}
    for line in lines:
        role, _, where = (part.strip() for part in line.partition("="))
        try:
            found[Role(role)] = where
        except ValueError:
            raise Invalid(f"Values: {role!r} is no meaning that a column can have.") from None
        if not where:
            raise Invalid(f"Values: say where {role} is in the entry.")
    return found


def _at(value: Any, where: str) -> Any:
    """What stands at a place such as address.town or names.0; None if nothing does."""
    for word in filter(None, where.split(".")):
        if isinstance(value, dict):
            value = value.get(word)
        elif isinstance(value, list) and word.isdecimal() and int(word) < len(value):
            value = value[int(word)]
        else:
            return None
    return value


def _text(value: Any) -> str:
    if value is None or isinstance(value, bool | dict | list):
        return ""
    text = str(value).strip()
    return text if len(text) <= LONGEST else ""
