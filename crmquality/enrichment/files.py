"""A look-up in a file of the user's: CSV, Excel, Parquet or JSON lines, one row a company or person.

Files lie in one folder (`folder`); no other file is opened. A key that more than one row holds is nobody's.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from crmquality import embedded
from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Invalid
from crmquality.connectors.files import FileConnector
from crmquality.connectors.settings import Setting, SettingKind
from crmquality.connectors.tables import Unreadable
from crmquality.enrichment.contract import Adapter, Answer, LookUp
from crmquality.enrichment.matching import key_of
from detectors.mapping_names import read_name
from detectors.roles import Role

MOST_ROWS = 5_000_000


def lookup_folder() -> Path:
    """Where files of look-ups lie: $CRMQUALITY_LOOKUPS, else HOME/lookups."""
    given = os.environ.get("CRMQUALITY_LOOKUPS")
    return Path(given).resolve() if given else embedded.folder(embedded.home(), "lookups")


class FileAdapter(Adapter):
    """A table in a file."""

    name: ClassVar[str] = "file"
    title: ClassVar[str] = "File"
    is_local: ClassVar[bool] = True
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting("file", "File", help="Its name in the folder of look-ups; blank where one is handed in."),
        Setting(
            "columns", "Columns", SettingKind.LINES,
            help="Such as Umsatz=amount, one a line, where a column’s name does not say what it means.",
        ),
        Setting("address", "Column with the address of an entry", help="Where a person can read it."),
    )  # fmt: skip

    def open(self, key: Role, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> LookUp:
        """The file, read once. Raises Invalid if it is not there, cannot be read, or has no column of the key."""
        return FileLookUp(key, _path(settings["file"] or ""), _named(settings["columns"]), settings["address"] or "")


class FileLookUp(LookUp):
    """A table in memory: key -> its row; None for a key that several rows hold."""

    def __init__(self, key: Role, path: Path, named: Mapping[str, Role], address: str) -> None:
        self.name = path.name
        self.rows: dict[str, dict[str, str | None] | None] = {}
        try:
            table = FileConnector().open(str(path), {})
            columns = table.describe().columns
            self.roles = _roles(columns, named)
            holder = next((name for name, role in self.roles.items() if role is key), None)
            if holder is None:
                raise Invalid(f"{path.name} has no column that holds a {key.value.replace('_', ' ')}.")
            if address and address not in columns:
                raise Invalid(f"{path.name} has no column {address!r}.")
            kept = list(dict.fromkeys([*self.roles, *([address] if address else [])]))
            for block in table.blocks():
                for row in block.frame.select(kept).iter_rows(named=True):
                    if found := key_of(key, row[holder]):
                        self.rows[found] = None if found in self.rows else row
                if len(self.rows) > MOST_ROWS:
                    raise Invalid(f"{path.name} has more than {MOST_ROWS:,} rows.")
        except (Unreadable, OSError) as error:
            raise Invalid(f"{path.name} cannot be read: {error}") from None
        self.key, self.address = key, address

    def check(self) -> str:
        """How much it knows."""
        known = sum(row is not None for row in self.rows.values())
        given = ", ".join(role.value.replace("_", " ") for role in self.gives())
        return f"{self.name}: {known:,} entries by {self.key.value.replace('_', ' ')}, with {given or 'nothing else'}."

    def gives(self) -> Sequence[Role]:
        """The roles of its columns but the key."""
        return [role for role in dict.fromkeys(self.roles.values()) if role is not self.key]

    def ask(self, keys: Sequence[str]) -> list[Answer | None]:
        """The rows."""
        return [self._answer(row) if (row := self.rows.get(key)) else None for key in keys]

    def _answer(self, row: Mapping[str, str | None]) -> Answer:
        values: dict[Role, str] = {}
        for name, role in self.roles.items():
            if row[name] and role is not self.key:
                values.setdefault(role, str(row[name]))
        named = [values[role] for role in (Role.COMPANY, Role.NAME) if role in values]
        return Answer(values, named[0] if named else "", (row.get(self.address) if self.address else "") or "")


def _path(name: str) -> Path:
    if not name:
        raise Invalid("Hand a file in, or name one in the folder of look-ups.")
    folder = lookup_folder()
    path = (folder / name).resolve()
    if path.parent != folder.resolve() or not path.is_file():
        raise Invalid(f"There is no file {name!r} in the folder of look-ups.")
    return path


def _named(lines: Sequence[str]) -> dict[str, Role]:
    found = {}
    for line in lines:
        name, _, role = (part.strip() for part in line.rpartition("="))
        try:
            found[name] = Role(role)
        except ValueError:
            raise Invalid(f"Columns: {role!r} is no meaning that a column can have.") from None
    return found


def _roles(columns: Sequence[str], named: Mapping[str, Role]) -> dict[str, Role]:
    """Column -> what it means, where that is known; keys of the file's own mean nothing here."""
    missing = sorted(set(named) - set(columns))
    if missing:
        raise Invalid(f"There is no column {', '.join(map(repr, missing))}.")
    found: dict[str, Role] = {}
    for name in columns:
        hint = read_name(name)
        role = named.get(name) or (hint.role if hint else None)
        if role is not None and role not in (Role.ID, Role.IGNORE):
            found[name] = role
    return found
