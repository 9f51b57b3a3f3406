"""Who may see and do what: roles are groups, checked on every object."""

from __future__ import annotations

from enum import StrEnum
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db.models import Q, QuerySet

from crmquality.models import Record, Source
from detectors.roles import Role as ColumnRole


class UserRole(StrEnum):
    """What a person does here; the name of a group. An admin may do everything a steward may."""

    STEWARD = "steward"
    SALES = "sales"
    ADMIN = "admin"
    AUDITOR = "auditor"


def roles_of(user: Any) -> set[UserRole]:
    """The roles of a person; a superuser is an admin."""
    if not user.is_authenticated:
        return set()
    cached: set[UserRole] | None = getattr(user, "_crmquality_roles", None)
    if cached is None:
        names = set(user.groups.values_list("name", flat=True))
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


def visible_records(user: Any, records: QuerySet[Record] | None = None) -> QuerySet[Record]:
    """The records this person may see: all, or those whose owner column names them (user name, e-mail or full name)."""
    records = Record.objects.all() if records is None else records
    if sees_everything(user):
        return records
    if not has_role(user, UserRole.SALES):
        return records.none()
    names = [name for name in {user.username, user.email, user.get_full_name()} if name]
    own = Q(pk__in=[])
    for source in Source.objects.all():
        for column in source.columns_of(ColumnRole.OWNER):
            own |= _owned(source, column, names)
    return records.filter(own)


def _owned(source: Source, column: str, names: list[str]) -> Q:
    # by containment: a column's name may hold "__" or a lookup's name, so no lookup is built from it
    either = Q(pk__in=[])
    for name in names:
        either |= Q(fields__contains={column: name})
    return Q(source=source) & either
