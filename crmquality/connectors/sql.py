"""Any SQL database as a system: what a person fills in to connect it.

Many databases of a server (a branch each, say) are one table here: the column "database" says where a row is from, and
its key is "database/key". A database that does not answer stops no other; it is named, and its rows are missing, not
gone. A table is read by its key, page after page, so memory stays flat and a stopped pull goes on where it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from crmquality.connectors import sql_engines as engines
from crmquality.connectors.contract import Line, System, SystemConnector
from crmquality.connectors.faults import Invalid
from crmquality.connectors.settings import Setting, SettingKind
from crmquality.connectors.sql_system import SqlSystem

_NO_LINE = Line()


class SqlConnector(SystemConnector):
    """PostgreSQL, MySQL and MariaDB, SQL Server, SQLite."""

    name: ClassVar[str] = "sql"
    title: ClassVar[str] = "SQL database"
    settings: ClassVar[tuple[Setting, ...]] = (
        Setting(
            "dialect", "Kind", SettingKind.CHOICE, required=True, address=True,
            choices=(
                (engines.POSTGRESQL, "PostgreSQL"), (engines.MYSQL, "MySQL or MariaDB"), (engines.MSSQL, "SQL Server"),
                (engines.SQLITE, "SQLite file"),
            ),
        ),
        Setting("host", "Server", SettingKind.HOST, address=True, help="Not for SQLite."),
        Setting("port", "Port", SettingKind.NUMBER, least=1, most=65_535, address=True, help="Blank: the usual one."),
        Setting("user", "User", help="A login that may read; and write, if corrections are to be written back."),
        Setting("password", "Password", secret=True),
        Setting(
            "encryption", "Encryption", SettingKind.CHOICE, default="require", address=True,
            choices=(("require", "required"), ("verify", "required, certificate checked"), ("off", "none")),
        ),
        Setting(
            "databases", "Databases", SettingKind.LINES, required=True,
            help="One a line. Several, or a pattern such as crm_*, are read as one: rows say which they are from.",
        ),
        Setting("schema", "Schema", help="Blank: the usual one."),
        Setting("changed", "Column with the time of the last change", help="Blank: found by its usual names."),
        Setting(
            "inactive", "Rows out of use", SettingKind.LINES,
            help="Such as contacts.deleted=1, one a line: needed to merge rows of that table.",
        ),
        Setting(
            "query", "Query", SettingKind.LONG,
            help="A SELECT, read as one more table, from each database. It is not written back.",
        ),
        Setting("query_key", "Key of the query", help="The column that identifies its rows."),
    )  # fmt: skip

    def connect(self, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line = _NO_LINE) -> System:
        """A server; its databases are connected as they are needed."""
        if settings["dialect"] != engines.SQLITE and not (settings["host"] and settings["user"]):
            raise Invalid("Server and user are needed.")
        if bool(settings["query"]) != bool(settings["query_key"]):
            raise Invalid("A query needs the name of its key, and the key a query.")
        engines.require_driver(settings["dialect"])
        return SqlSystem(settings, secrets.get("password", ""), line)
