"""Who may see and do what: roles are groups, checked on every object."""

from __future__ import annotations

import hashlib
from enum import StrEnum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import connection
from django.db.models import Q, QuerySet
from django.db.models.fields.json import KeyTextTransform
from django.db.models.lookups import In
from psycopg import sql

from crmquality.models import Record, Source
from detectors.roles import Role as ColumnRole


class UserRole(StrEnum):
    """What a person does here; the name of a group. An admin may do everything a steward may."""

    STEWARD = "steward"
    SALES = "sales"
    ADMIN = "admin"
    AUDITOR = "auditor"


EVERYONE = (UserRole.STEWARD, UserRole.SALES, UserRole.AUDITOR)
STAFF = (UserRole.STEWARD, UserRole.AUDITOR)
DECIDERS = (UserRole.STEWARD, UserRole.SALES)
"""An admin is in all of them, as a steward."""


def roles_of(user: Any) -> set[UserRole]:
    """The roles of a person; a superuser is an admin."""
    if not user.is_authenticated:
        return set()
    cached: set[UserRole] | None = getattr(user, "_crmquality_roles", None)
    if cached is None:
        known = getattr(user, "group_names", None)  # read with the person of a session
        names = set(user.groups.values_list("name", flat=True) if known is None else known)
        cached = {role for role in UserRole if role.value in names}
        if user.is_superuser:
            cached.add(UserRole.ADMIN)
        user._crmquality_roles = cached
    return cached


def has_role(user: Any, *roles: UserRole) -> bool:
    """Whether the person has one of these roles; an admin has all but auditor's by right."""
    return bool(roles_of(user) & {*roles, UserRole.ADMIN})


def require(user: Any, *roles: UserRole) -> None:
    """Raises PermissionDenied unless the person has one of these roles."""
    if not has_role(user, *roles):
        raise PermissionDenied("Your role does not allow this.")


def sees_everything(user: Any) -> bool:
    """Stewards, admins and auditors see all records; sales people their own."""
    return has_role(user, UserRole.STEWARD, UserRole.AUDITOR)


def owner_names(user: Any) -> list[str]:
    """What an owner column calls this person: user name, e-mail or full name."""
    return sorted({name for name in (user.username, user.email, user.get_full_name()) if name})


def visible_records(user: Any, records: QuerySet[Record] | None = None) -> QuerySet[Record]:
    """The records this person may see: all, or those whose owner column names them."""
    records = Record.objects.all() if records is None else records
    if sees_everything(user):
        return records
    if not has_role(user, UserRole.SALES):
        return records.none()
    return own_records(user, records)


def own_records(user: Any, records: QuerySet[Record] | None = None) -> QuerySet[Record]:
    """The records whose owner column names this person, whatever else their role lets them see."""
    records = Record.objects.all() if records is None else records
    names = owner_names(user)
    own = Q(pk__in=[])
    for source in Source.objects.all():
        for column in source.columns_of(ColumnRole.OWNER):
            # a transform, not a look-up by name: a column's name may hold "__"
            own |= Q(In(KeyTextTransform(column, "fields"), names), source=source)
    return records.filter(own)


def index_owners(source: Source) -> None:
    """An index on the owner columns of a large source, so that sales people find their records at once.

    It is made once the records are there, not with the table: an import fills the table without it, and a source
    without sales people never has it.
    """
    for column in source.columns_of(ColumnRole.OWNER):
        name = f"record_owner_{source.pk}_{hashlib.md5(column.encode(), usedforsecurity=False).hexdigest()[:8]}"
        query = sql.SQL(
            "CREATE INDEX IF NOT EXISTS {name} ON crmquality_record ((fields ->> {column})) WHERE source_id = {source}"
        ).format(name=sql.Identifier(name), column=sql.Literal(column), source=sql.Literal(source.pk))
        with connection.cursor() as cursor:
            cursor.execute(query)
