"""Database servers for tests of the SQL connector: PostgreSQL and MariaDB on this machine, SQLite in a folder.

$CRMQUALITY_TEST_POSTGRESQL and $CRMQUALITY_TEST_MARIADB say where they are, as user:password@host:port. Where a server
does not answer, its tests are skipped with the reason; in CI ($CI) they fail.
"""

from __future__ import annotations

import os
import re
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import pytest
import sqlalchemy as sa

_SERVERS = {
    "postgresql": ("CRMQUALITY_TEST_POSTGRESQL", "postgres:@127.0.0.1:5432", "postgresql+psycopg", "postgres"),
    "mysql": ("CRMQUALITY_TEST_MARIADB", "root:@127.0.0.1:3306", "mysql+pymysql", None),
}


@dataclass(frozen=True)
class Server:
    """Where a server is, and how to connect as its owner."""

    dialect: str
    user: str
    password: str
    host: str
    port: int

    def engine(self, database: str | None = None) -> sa.Engine:
        """As its owner, for making what a test needs."""
        _, _, driver, default = _SERVERS[self.dialect]
        url = sa.URL.create(driver, self.user, self.password, self.host, self.port, database or default)
        return sa.create_engine(url, poolclass=sa.pool.NullPool)

    def settings(self, *databases: str, **more: Any) -> dict[str, Any]:
        """What a person fills in to connect it."""
        login = {"user": self.user, "password": self.password}
        place = {"dialect": self.dialect, "host": self.host, "port": self.port, "encryption": "off"}
        return {**place, **login, "databases": list(databases), **more}

    def run(self, *statements: str) -> None:
        """Statements outside of a transaction."""
        with self.engine().connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            for statement in statements:
                connection.execute(sa.text(statement))


def server(dialect: str) -> Server:
    """A running server; skips the test where there is none, or fails it in CI."""
    variable, default, *_ = _SERVERS[dialect]
    given = os.environ.get(variable, default)
    found = re.fullmatch(r"([^:@]+):([^@]*)@([^:@]+):(\d+)", given)
    assert found, f"${variable} must look like {default}"
    user, password, host, port = found.groups()
    made = Server(dialect, user, password, host, int(port))
    try:
        with made.engine().connect():
            return made
    except sa.exc.OperationalError as error:
        reason = f"no {dialect} answers at {host}:{port} as {user} (${variable} says where it is): {error.orig!r:.200}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


@contextmanager
def databases(dialect: str, count: int = 1) -> Iterator[tuple[Server, list[str]]]:
    """New databases on a running server, dropped afterwards."""
    there = server(dialect)
    names = [f"crmq_test_{secrets.token_hex(4)}_{number}" for number in range(count)]
    there.run(*(f"CREATE DATABASE {name}" for name in names))
    try:
        yield there, names
    finally:
        force = " WITH (FORCE)" if dialect == "postgresql" else ""
        there.run(*(f"DROP DATABASE IF EXISTS {name}{force}" for name in names))
