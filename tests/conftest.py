"""What many tests need: people of each role, sources with records, a detector that finds what it is told to."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import HealthCheck, settings

from detectors.roles import Role

# A busy machine is slow, not wrong: how long an example takes fails no test.
settings.register_profile("steady", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("steady")


@pytest.fixture(scope="session")
def django_db_modify_db_settings(servers: object) -> None:
    """pytest-django makes its test database only once the servers run."""


@pytest.fixture
def make_user(db: None) -> Callable[..., Any]:
    """make_user("steward") gives a person of that role, with password "secret-word"."""
    from django.contrib.auth.models import Group, User

    def make(role: str, name: str = "", **fields: Any) -> User:
        user = User.objects.create_user(name or role, f"{name or role}@example.com", "secret-word", **fields)
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        return user

    return make


@pytest.fixture
def steward(make_user: Callable[..., Any]) -> Any:
    return make_user("steward")


@pytest.fixture
def admin(make_user: Callable[..., Any]) -> Any:
    return make_user("admin", "boss")


@pytest.fixture
def sales(make_user: Callable[..., Any]) -> Any:
    return make_user("sales")


COLUMNS = {
    "Contact ID": Role.ID,
    "Name": Role.NAME,
    "Email": Role.EMAIL,
    "Phone": Role.PHONE,
    "City": Role.CITY,
    "Postcode": Role.POSTCODE,
    "Owner": Role.OWNER,
}
ROWS = [
    ["C1", "Ann Lee", "ann@example.com", "+1 202 555 0101", "Boston", "02108", "sales"],
    ["C2", "Anne Lee", "ann@example.com", "+1 202 555 0101", "Boston", "02108", "sales"],
    ["C3", "Bob Ray", "bob@gmial.com", "202 555 0102", "Bostn", "02108", "other"],
    ["C4", "Cy Poe", None, None, "Austin", "78701", "other"],
]


@pytest.fixture
def make_source(db: None) -> Callable[..., Any]:
    """make_source(name, columns, rows) stores a source and its records; four contacts by default."""
    from crmquality.models import Record, Source
    from crmquality.services.correcting import references

    def make(
        name: str = "contacts",
        columns: dict[str, Role] = COLUMNS,
        rows: list[list[str | None]] = ROWS,
        **fields: Any,
    ) -> Source:
        source = Source.objects.create(
            name=name,
            columns=list(columns),
            roles={column: role.value for column, role in columns.items()},
            roles_confirmed=True,
            **fields,
        )
        key = next((i for i, role in enumerate(columns.values()) if role is Role.ID), 0)
        for line, row in enumerate(rows, 2):
            values = dict(zip(columns, row, strict=True))
            Record.objects.create(
                source=source,
                external_id=str(row[key]),
                line=line,
                fields=values,
                refs=references(source, values),
            )
        return source

    return make


@pytest.fixture
def source(make_source: Callable[..., Any]) -> Any:
    return make_source()
