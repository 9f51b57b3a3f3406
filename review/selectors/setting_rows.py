"""Settings of connectors and look-ups as fields of a form."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.http import QueryDict

from crmquality.connectors.settings import Setting, SettingKind


@dataclass(frozen=True)
class SettingRow:
    """One field of the form. value: as it is shown; of a secret nothing. kept: whether a secret is kept."""

    setting: Setting
    value: Any
    kept: bool = False

    @property
    def control(self) -> str:
        """Which input it is."""
        kinds = {SettingKind.LINES: "lines", SettingKind.LONG: "lines", SettingKind.FLAG: "flag"}
        kinds |= {SettingKind.CHOICE: "choice", SettingKind.NUMBER: "number"}
        return "secret" if self.setting.secret else kinds.get(self.setting.kind, "text")


def setting_rows(
    settings: Sequence[Setting], known: Mapping[str, Any], kept: Collection[str], given: Mapping[str, Any]
) -> list[SettingRow]:
    """The fields: as given, else as known, else the defaults. kept: names of the secrets that are."""
    rows = []
    for one in settings:
        value = given.get(one.name, known.get(one.name, one.default))
        if isinstance(value, list):
            value = "\n".join(value)
        rows.append(SettingRow(one, "" if one.secret or value is None else value, one.name in kept))
    return rows


def given_settings(settings: Sequence[Setting], posted: QueryDict) -> dict[str, Any]:
    """What was filled in; a box that is not ticked is sent by no browser."""
    found: dict[str, Any] = {}
    for one in settings:
        value = posted.get(f"setting:{one.name}")
        found[one.name] = value == "1" if one.kind is SettingKind.FLAG else value
    return found
