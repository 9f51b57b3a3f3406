"""What a source's columns mean: guessed at first, settled by a person, remembered from then on."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd
from django.db import connection, transaction

from crmquality.models import Source
from crmquality.models.records import REFERENCES
from crmquality.services.errors import Refused
from detectors.mapping import Guess, guess_roles
from detectors.roles import Role


@dataclass(frozen=True)
class ColumnMap:
    """Roles of all columns, what was guessed of those that nobody had settled, and whether a person had a say."""

    roles: dict[str, Role]
    guesses: dict[str, Guess]
    confirmed: bool

    @property
    def key(self) -> str | None:
        """The column that identifies a record; None if there is none."""
        return key_column(self.roles)


def map_columns(source: Source, frame: pd.DataFrame, given: Mapping[str, str] | None = None) -> ColumnMap:
    """The roles of a file's columns for this source.

    frame: some rows of text cells. given: column -> role, a person's word, which goes before everything else. Then
    comes what the source remembers of the column, and last a guess. A guessed ID must be filled and unique in `frame`.

    Raises Refused for an unknown column or role in `given`, or two IDs.
    """
    said = read_roles(given or {}, frame.columns)
    remembered = {name: Role(source.roles[name]) for name in frame.columns if name in source.roles}
    guesses = guess_roles(frame, kind=source.kind)
    settled = remembered | said
    roles = {name: settled.get(name, guesses[name].role) for name in map(str, frame.columns)}
    _keep_one_key(roles, frame, settled, said)
    return ColumnMap(roles, guesses, source.roles_confirmed or bool(said))


def read_roles(given: Mapping[str, str], columns: Iterable[str]) -> dict[str, Role]:
    """Column -> role from words. Raises Refused for an unknown column or role, or two IDs."""
    known = [str(name) for name in columns]
    roles: dict[str, Role] = {}
    for column, word in given.items():
        if column not in known:
            raise Refused(f"There is no column {column!r}: the columns are {', '.join(map(repr, known))}.")
        try:
            roles[column] = Role(str(word).strip().lower())
        except ValueError:
            raise Refused(f"There is no role {word!r}: choose one of {', '.join(Role)}.") from None
    keys = [column for column, role in roles.items() if role is Role.ID]
    if len(keys) > 1:
        raise Refused(f"Only one column can be the ID, not {' and '.join(map(repr, keys))}.")
    return roles


def remember(source: Source, found: ColumnMap) -> None:
    """Store a file's columns and roles in the source: new columns come behind those it has.

    Raises Refused if the file brings another ID, which records of the source lack or share.
    """
    before = key_column({name: Role(role) for name, role in source.roles.items()})
    if source.columns and found.key != before and (found.key or before in found.roles):
        change_key(source, found.key)
        source.roles = {name: Role.TEXT.value if name == before else role for name, role in source.roles.items()}
    source.columns = [*source.columns, *(name for name in found.roles if name not in source.columns)]
    source.roles = source.roles | {name: role.value for name, role in found.roles.items()}
    source.role_guesses = source.role_guesses | {
        name: asdict(guess) | {"role": guess.role.value} for name, guess in found.guesses.items()
    }
    source.roles_confirmed = found.confirmed
    source.save(update_fields=["columns", "roles", "role_guesses", "roles_confirmed"])


@transaction.atomic
def confirm_roles(source: Source, roles: Mapping[str, str], user: Any = None) -> Source:
    """Settle what columns mean: column -> role. Columns not named keep their role.

    The records follow: their external ids if another column is the ID now, and what they refer to.

    Raises Refused for an unknown column or role, or an ID that is blank or repeated in some record.
    """
    source = Source.objects.select_for_update().get(pk=source.pk)
    said = read_roles(roles, source.columns)
    before = {name: Role(role) for name, role in source.roles.items()}
    after = before | said
    if Role.ID in said.values():
        after |= {name: Role.TEXT for name, role in before.items() if role is Role.ID and name not in said}
    if key_column(after) != key_column(before):
        change_key(source, key_column(after))
    source.roles = {name: role.value for name, role in after.items()}
    source.roles_confirmed = True
    source.save(update_fields=["roles", "roles_confirmed"])
    with connection.cursor() as cursor:
        expression, params = references_sql(source, "fields")
        cursor.execute(
            f"UPDATE crmquality_record SET refs = {expression} WHERE source_id = %s "  # noqa: S608
            f"AND refs IS DISTINCT FROM {expression}",
            [*params, source.pk, *params],
        )
    return source


def change_key(source: Source, column: str | None) -> None:
    """Give the source's records the external ids of another ID column; by content, if it is None.

    Raises Refused if that column is blank or repeated in a record.
    """
    with connection.cursor() as cursor:
        if column is None:
            cursor.execute(
                "UPDATE crmquality_record r SET external_id = k.key FROM (SELECT id, digest || '-' || "
                "row_number() OVER (PARTITION BY digest ORDER BY line, id) AS key FROM crmquality_record "
                "WHERE source_id = %s) k WHERE r.id = k.id",
                [source.pk],
            )
            return
        cursor.execute(
            "SELECT count(*) - count(DISTINCT key) FROM (SELECT nullif(btrim(fields->>%s), '') AS key "
            "FROM crmquality_record WHERE source_id = %s) k",
            [column, source.pk],
        )
        bad = cursor.fetchone()[0]
        if bad:
            raise Refused(
                f"Column {column!r} cannot be the ID: in {bad:,} records it is blank or holds a value that another "
                "record has. Give it the role 'text', or mend those records first."
            )
        # by way of keys that no record has: an UPDATE checks uniqueness row by row
        cursor.execute(
            "UPDATE crmquality_record SET external_id = chr(1) || btrim(fields->>%s) WHERE source_id = %s",
            [column, source.pk],
        )
        cursor.execute(
            "UPDATE crmquality_record SET external_id = substr(external_id, 2) WHERE source_id = %s", [source.pk]
        )


def key_column(roles: Mapping[str, Role]) -> str | None:
    """The column that is the ID."""
    return next((name for name, role in roles.items() if role is Role.ID), None)


def references_sql(source: Source, fields: str) -> tuple[str, list[Any]]:
    """An SQL expression for `Record.refs` from a jsonb expression, and its parameters: as correcting.references."""
    parts: list[str] = []
    params: list[Any] = []
    for column, role in source.column_roles.items():
        if role in REFERENCES:
            parts.append(f"%s || nullif({fields}->>%s, '')")
            params += [f"{REFERENCES[role]}:", column]
    if not parts:
        return "NULL::text[]", []
    return f"nullif(array_remove(ARRAY[{', '.join(parts)}], NULL), '{{}}')", params


def _keep_one_key(
    roles: dict[str, Role], frame: pd.DataFrame, settled: Mapping[str, Role], said: Mapping[str, Role]
) -> None:
    """Take the ID from columns that lose it to a settled one, or were only guessed and do not identify every row."""
    order = [*said, *settled]
    keys = sorted(
        (name for name, role in roles.items() if role is Role.ID),
        key=lambda name: order.index(name) if name in order else len(order),
    )
    for place, name in enumerate(keys):
        identifies = name in settled or (frame[name].notna().all() and frame[name].is_unique and len(frame) > 0)
        if place or not identifies:
            roles[name] = Role.TEXT
