"""Engines for databases, from typed fields alone: no URL and no driver option is ever taken from a person.

(A pasted URL is code: options of MySQL's and SQLite's drivers read files and load libraries, as CVE-2023-41887 and
CVE-2024-23833 of another tool show.)
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from sqlalchemy.pool import NullPool

from crmquality import embedded
from crmquality.connectors.contract import Line
from crmquality.connectors.faults import Denied, Invalid, SystemFault, Unreachable

POSTGRESQL, MYSQL, MSSQL, SQLITE = "postgresql", "mysql", "mssql", "sqlite"
_DRIVERS = {POSTGRESQL: "psycopg", MYSQL: "pymysql", MSSQL: "pymssql"}
_EXTRAS = {MYSQL: "mysql", MSSQL: "mssql"}
_PORTS = {POSTGRESQL: 5432, MYSQL: 3306, MSSQL: 1433}
_SYSTEM = {
    POSTGRESQL: {"postgres", "template0", "template1"},
    MYSQL: {"mysql", "information_schema", "performance_schema", "sys"},
    MSSQL: {"master", "model", "msdb", "tempdb"},
}
_DENIED = {"28P01", "28000", "42501", 1044, 1045, 1142, 1698, 18456, 229}
"""Codes of the servers for a wrong login or a missing right."""
_LISTS = {
    POSTGRESQL: "SELECT datname FROM pg_database WHERE datallowconn AND NOT datistemplate",
    MYSQL: "SELECT schema_name FROM information_schema.schemata",
    MSSQL: "SELECT name FROM sys.databases WHERE state = 0",
}


def require_driver(dialect: str) -> None:
    """Raises Invalid if the driver of this kind of database is not installed, saying how to install it."""
    driver = _DRIVERS.get(dialect)
    if driver and find_spec(driver) is None:
        raise Invalid(f"The driver {driver} is not installed: pip install 'crmquality[{_EXTRAS.get(dialect, '')}]'.")


def sqlite_folder() -> Path:
    """Where SQLite files have to lie: $CRMQUALITY_DATABASES, else HOME/databases. No other file is opened."""
    given = os.environ.get("CRMQUALITY_DATABASES")
    return Path(given).resolve() if given else embedded.folder(embedded.home(), "databases")


def engine(
    settings: Mapping[str, Any], password: str, database: str | None, line: Line, *, writes: bool = False
) -> sa.Engine:
    """An engine for a database of a server; None: the server's own. Read-only unless `writes`.

    Raises Invalid. To be disposed of.
    """
    dialect = settings["dialect"]
    require_driver(dialect)
    if dialect == SQLITE:
        return _sqlite(database or "", writes=writes)
    url = sa.URL.create(
        f"{dialect}+{_DRIVERS[dialect]}",
        username=settings["user"],
        password=password,
        host=settings["host"],
        port=settings["port"] or _PORTS[dialect],
        database=database or {POSTGRESQL: "postgres", MSSQL: "master"}.get(dialect),
    )
    options: dict[str, Any] = {"pool_size": 1, "max_overflow": 4, "hide_parameters": True}
    made = sa.create_engine(url, connect_args=_arguments(settings, line), **options)
    if not writes:
        sa.event.listen(made, "connect", _read_only(dialect))
    return made


def databases(settings: Mapping[str, Any], password: str, line: Line) -> list[str]:
    """The databases of a server that a person can use, without those of the server itself."""
    dialect = settings["dialect"]
    if dialect == SQLITE:
        folder = sqlite_folder()
        return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    server = engine(settings, password, None, line)
    try:
        with faults(settings), server.connect() as connection:
            found = connection.execute(sa.text(_LISTS[dialect])).scalars()
            return sorted(set(map(str, found)) - _SYSTEM[dialect])
    finally:
        server.dispose()


@contextmanager
def faults(settings: Mapping[str, Any]) -> Iterator[None]:
    """What a database refuses, in the words of `crmquality.connectors.faults`."""
    where = settings.get("host") or "the file"
    try:
        yield
    except sa.exc.IntegrityError as error:
        raise Invalid(f"The database refuses the value: {_first_line(error)}") from None
    except sa.exc.DBAPIError as error:
        raise _fault(error, where) from None
    except sa.exc.NoSuchTableError as error:
        raise Invalid(f"There is no table {error}.") from None
    except sa.exc.SQLAlchemyError as error:
        raise Invalid(f"The database cannot be read so ({type(error).__name__}).") from None


def _fault(error: sa.exc.DBAPIError, where: str) -> SystemFault:
    origin: Any = error.orig
    code = getattr(origin, "sqlstate", None) or next(iter(getattr(origin, "args", ())), None)
    words = str(origin).lower()
    if code in _DENIED or "authentication failed" in words or "access denied" in words or "login failed" in words:
        return Denied(f"{where} refuses the login or its rights.")
    if isinstance(error, sa.exc.DataError | sa.exc.ProgrammingError | sa.exc.NotSupportedError):
        return Invalid(f"The database refuses it: {_first_line(error)}")
    if "role " in words and "does not exist" in words:
        return Denied(f"{where} refuses the login or its rights.")
    if "does not exist" in words or "unknown database" in words:
        return Invalid(f"{where} has no such database.")
    if "read-only" in words or "read only" in words or "readonly" in words:
        return Invalid("The database is read only.")
    return Unreachable(f"{where} did not answer ({type(origin).__name__}).")


def _first_line(error: sa.exc.DBAPIError) -> str:
    origin: Any = error.orig
    words = origin.args[1] if len(origin.args) > 1 and isinstance(origin.args[0], int) else str(origin)
    return str(words).splitlines()[0][:300]


def _arguments(settings: Mapping[str, Any], line: Line) -> dict[str, Any]:
    """Arguments of the driver: a time limit, encryption, and no way to a file of this machine."""
    seconds = max(1, round(line.timeout))
    tls = settings["encryption"]
    match settings["dialect"]:
        case "postgresql":
            mode = {"off": "disable", "require": "require", "verify": "verify-full"}[tls]
            more = {"sslrootcert": "system"} if tls == "verify" else {}
            return {"connect_timeout": seconds, "sslmode": mode, "application_name": "crmquality", **more}
        case "mysql":
            modes: dict[str, dict[str, Any]] = {
                "off": {"ssl_disabled": True},
                "require": {"ssl": {"verify_mode": "none"}},
                "verify": {"ssl_verify_cert": True, "ssl_verify_identity": True},
            }
            times = {"connect_timeout": seconds, "read_timeout": 10 * seconds, "write_timeout": seconds}
            return {**times, "charset": "utf8mb4", "local_infile": False, **modes[tls]}
        case _:
            mode = {"off": "off", "require": "require", "verify": "require"}[tls]
            return {"login_timeout": seconds, "timeout": 10 * seconds, "encryption": mode, "charset": "UTF-8"}


def _read_only(dialect: str) -> Any:
    """What makes a new connection refuse to write; SQL Server knows none, there the login's rights have to."""
    words = {
        POSTGRESQL: "SET default_transaction_read_only = on",
        MYSQL: "SET SESSION TRANSACTION READ ONLY",
    }.get(dialect)

    def forbid(connection: Any, _: Any) -> None:
        if words:
            with connection.cursor() as cursor:
                cursor.execute(words)
            connection.commit()

    return forbid


def _sqlite(name: str, *, writes: bool) -> sa.Engine:
    folder = sqlite_folder()
    path = (folder / name).resolve()
    if not path.is_relative_to(folder) or path == folder:
        raise Invalid(f"SQLite files are read from {folder} only.")
    if not path.is_file():
        raise Unreachable(f"There is no file {name!r} in {folder}.")
    mode = "rw" if writes else "ro"

    def connect() -> Any:
        import sqlite3

        found = sqlite3.connect(f"{path.as_uri()}?mode={mode}", uri=True, timeout=10, isolation_level=None)
        found.execute("PRAGMA trusted_schema = OFF")
        return found

    return sa.create_engine("sqlite://", creator=connect, poolclass=NullPool, hide_parameters=True)
