"""What a person fills in to connect a system: typed, checked, and secrets apart from the rest."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from crmquality.connectors.faults import Invalid

LONGEST = 4_000
_HOST = re.compile(r"^(?=.{1,253}$)[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9])?$|^[0-9A-Fa-f:]*:[0-9A-Fa-f:.]+$")


class SettingKind(StrEnum):
    """How a setting is read."""

    TEXT = "text"
    LONG = "long"
    LINES = "lines"
    NUMBER = "number"
    FLAG = "flag"
    CHOICE = "choice"
    HOST = "host"
    URL = "url"


@dataclass(frozen=True, slots=True)
class Setting:
    """One field of the form.

    secret: kept encrypted, never shown or logged; always a text.
    address: says where secrets are sent. Whoever changes it has to give the secrets anew: else they could be sent
        to a server of somebody else's.
    default: taken where nothing is given. least, most: bounds of a number.
    """

    name: str
    label: str
    kind: SettingKind = SettingKind.TEXT
    required: bool = False
    secret: bool = False
    address: bool = False
    default: Any = None
    choices: tuple[tuple[str, str], ...] = ()
    least: int | None = None
    most: int | None = None
    help: str = ""


def read(settings: Sequence[Setting], given: Mapping[str, Any]) -> tuple[dict[str, Any], dict[str, str]]:
    """What was given, as (settings, secrets), each of its type. Secrets that were left blank are left out.

    Raises Invalid for an unknown name, a missing or unfit value; the message names the field, never a secret's value.
    """
    unknown = sorted(set(given) - {one.name for one in settings})
    if unknown:
        raise Invalid(f"There is no setting {', '.join(map(repr, unknown))}.")
    plain: dict[str, Any] = {}
    secrets: dict[str, str] = {}
    for one in settings:
        value = given.get(one.name)
        if one.secret:
            if value not in (None, ""):
                secrets[one.name] = _text(one, value)
        else:
            plain[one.name] = _typed(one, value)
    return plain, secrets


def require_secrets(settings: Sequence[Setting], secrets: Mapping[str, str]) -> None:
    """Raises Invalid if a secret that is needed is not there."""
    missing = [one.label for one in settings if one.secret and one.required and not secrets.get(one.name)]
    if missing:
        raise Invalid(f"{', '.join(missing)}: needed to connect.")


def moved(settings: Sequence[Setting], before: Mapping[str, Any], after: Mapping[str, Any]) -> bool:
    """Whether secrets would be sent to another place by the new settings."""
    return any(before.get(one.name) != after.get(one.name) for one in settings if one.address)


def _typed(setting: Setting, value: Any) -> Any:
    if value is None or value == "" or value == []:
        if setting.kind is SettingKind.FLAG:
            return bool(setting.default) if value is None else False
        if setting.required and setting.default is None:
            raise Invalid(f"{setting.label}: fill it in.")
        return setting.default if setting.default is not None else [] if setting.kind is SettingKind.LINES else None
    match setting.kind:
        case SettingKind.LINES:
            lines = value.splitlines() if isinstance(value, str) else value
            if not isinstance(lines, list | tuple):
                raise Invalid(f"{setting.label}: a list of texts is needed.")
            return [text for text in (_text(setting, line).strip() for line in lines) if text]
        case SettingKind.NUMBER:
            return _number(setting, value)
        case SettingKind.FLAG:
            return value in (True, "1", "on", "true", "yes")
        case SettingKind.CHOICE:
            if value not in [name for name, _ in setting.choices]:
                raise Invalid(f"{setting.label}: choose one of {', '.join(name for name, _ in setting.choices)}.")
            return value
        case SettingKind.HOST:
            if not _HOST.match(_text(setting, value)):
                raise Invalid(f"{setting.label}: give the name or address of a machine, nothing else.")
            return value
        case SettingKind.URL:
            return _url(setting, _text(setting, value))
    return _text(setting, value)


def _text(setting: Setting, value: Any) -> str:
    if not isinstance(value, str) or len(value) > LONGEST or "\0" in value:
        raise Invalid(f"{setting.label}: a text of at most {LONGEST:,} characters is needed.")
    return value if setting.secret or setting.kind is SettingKind.LINES else value.strip()


def _number(setting: Setting, value: Any) -> int:
    try:
        number = int(str(value).strip())
    except ValueError:
        raise Invalid(f"{setting.label}: a whole number is needed.") from None
    if setting.least is not None and number < setting.least:
        raise Invalid(f"{setting.label}: at least {setting.least:,}.")
    if setting.most is not None and number > setting.most:
        raise Invalid(f"{setting.label}: at most {setting.most:,}.")
    return number


def _url(setting: Setting, value: str) -> str:
    if not re.match(r"^https?://[^\s/?#@]+(/[^\s?#]*)?$", value):
        raise Invalid(f"{setting.label}: an address like https://crm.example.com is needed, without a login or query.")
    return value.rstrip("/")
