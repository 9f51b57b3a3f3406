"""An open connection to the databases of a server."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import datetime, timedelta
from fnmatch import fnmatchcase
from functools import cached_property
from typing import Any

import polars as pl
import sqlalchemy as sa
from xxhash import xxh3_128_hexdigest

from crmquality.connectors import sql_engines as engines
from crmquality.connectors.contract import Call, Line, ObjectType, Page, Row, Step, System, Write
from crmquality.connectors.faults import Denied, Gone, Invalid, Stale, SystemFault, Unreachable
from crmquality.connectors.sql_tables import DATABASE, QUERY, Table, object_type, query, query_type, reflected
from crmquality.connectors.sql_values import frame, native, text

PAGE_ROWS = 20_000
OVERLAP = timedelta(minutes=2)
"""Rows this much older than the last change seen are read again: their transaction may have been slow to end."""

_AT_ONCE = 500


@dataclass
class _State:
    """How far the pull of one database is. since, high: from where on, and up to what, in times of the last change."""

    since: str | None = None
    high: str | None = None
    after: str | None = None
    done: bool = False


class SqlSystem(System):
    """One server."""

    def __init__(self, settings: Mapping[str, Any], password: str, line: Line) -> None:
        self.settings = settings
        self.password = password
        self.line = line
        self._tables: dict[tuple[str, str], Table] = {}
        self._engines: dict[tuple[str, bool], sa.Engine] = {}

    @cached_property
    def many(self) -> bool:
        """Whether rows say which database they are from."""
        asked = self.settings["databases"]
        return len(asked) > 1 or any(set(name) & set("*?[") for name in asked)

    @cached_property
    def databases(self) -> list[str]:
        """The names asked for, patterns replaced by what there is. Raises Invalid if that is nothing."""
        asked: list[str] = self.settings["databases"]
        patterns = [name for name in asked if set(name) & set("*?[")]
        found = [name for name in asked if name not in patterns]
        if patterns:
            self.line.spend()
            there = engines.databases(self.settings, self.password, self.line)
            found += [name for name in there if any(fnmatchcase(name, pattern) for pattern in patterns)]
        if not found:
            raise Invalid(f"No database is called {', '.join(patterns)}.")
        return list(dict.fromkeys(found))

    def check(self) -> str:
        """Connect to every database; says which did not answer. Raises the first fault if none did."""
        good, wrong, first = [], [], None
        for name in self.databases:
            try:
                with self._connection(name) as connection:
                    version = ".".join(map(str, connection.dialect.server_version_info or ()))
                    good.append(name)
            except SystemFault as fault:
                first = first or fault
                wrong.append(f"{name} ({fault})")
        if first and not good:
            raise first
        said = f"{self.settings['dialect']} {version} answers, with {_some(good)}."
        return said + (f" Not reached: {_some(wrong)}" if wrong else "")

    def describe(self) -> Sequence[ObjectType]:
        """Every table with a key of one column, and the query; as the first database that answers has them."""
        database = self._first()
        with self._connection(database) as connection:
            names = sorted(sa.inspect(connection).get_table_names(schema=self.settings["schema"]))
            tables = {name: self._reflected(database, name, connection) for name in names}
            found = [object_type(name, one, many=self.many) for name, one in tables.items() if one is not None]
            if self.settings["query"]:
                asked, _ = query(self.settings)
                columns = list(connection.execute(sa.select(sa.literal_column("*")).select_from(asked).limit(0)).keys())
                found.append(query_type(columns, self.settings["query_key"], many=self.many))
        return found

    def pull(self, name: str, fields: Sequence[str], since: str | None) -> Iterator[Page]:
        """Rows by key, database after database; a query's as the server gives them."""
        states = {one: _State(**kept) for one, kept in json.loads(since or "{}").items()}
        if all(state.done for state in states.values()):  # a cursor of a pull that came to its end
            states = {one: _State(since=state.high) for one, state in states.items()}
        skipped: dict[str, str] = {}
        for database in self.databases:
            state = states.setdefault(database, _State())
            if state.done:
                continue
            try:
                for rows in self._pull_one(database, name, fields, state):
                    yield self._page(database, name, rows, fields, states, skipped)
            except (Unreachable, Denied, Invalid) as fault:
                if not self.many:
                    raise
                skipped[database] = str(fault)
                state.high = state.since
            state.after, state.done = None, True
        yield self._page("", name, [], fields, states, skipped)

    def get(self, name: str, ids: Sequence[str]) -> dict[str, Row]:
        """Rows by key."""
        found: dict[str, Row] = {}
        for database, keys in self._by_database(ids).items():
            with self._connection(database) as connection:
                one = self._table(database, name, connection)
                for start in range(0, len(keys), _AT_ONCE):
                    wanted = [
                        value for key in keys[start : start + _AT_ONCE] if (value := one.key_value(key)) is not None
                    ]
                    for cells in connection.execute(sa.select(one.table).where(one.key.in_(wanted))):
                        row = self._row(database, one, cells)
                        found[row.id] = row
        return found

    def calls(self, step: Step, row: Row) -> Sequence[Call]:
        """One UPDATE."""
        if not isinstance(step, Write):
            raise Invalid(f"There is no act {step.name!r}.")
        (database, (key,)) = next(iter(self._by_database([step.id]).items()))
        one = self._known(database, step.object)
        values = {}
        for name, (_, after) in step.values.items():
            if name not in one.table.c or name == one.key.name:
                raise Invalid(f"{step.object}: {name!r} cannot be written.")
            native(one.table.c[name], self._local(one, name, database, after))
            values[name] = after
        body = {"database": database, "set": values, "where": {one.key.name: key}, "version": row.version}
        return [Call("UPDATE", step.object, body)]

    def send(self, call: Call, *, key: str) -> None:
        """Lock the row, compare its version, write; in one transaction."""
        body = call.body
        database, ((key_name, key_text),) = body["database"], body["where"].items()
        with self._connection(database, writes=True) as connection:
            one = self._table(database, call.address, connection)
            if connection.dialect.name == engines.SQLITE:
                connection.exec_driver_sql("BEGIN IMMEDIATE")
            where = one.table.c[key_name] == one.key_value(key_text)
            cells = connection.execute(sa.select(one.table).where(where).with_for_update()).first()
            if cells is None:
                raise Gone(f"{call.address} {key_text} is there no more.")
            if self._row(database, one, cells).version != body["version"]:
                raise Stale(f"{call.address} {key_text} changed meanwhile.")
            values = {
                name: native(one.table.c[name], self._local(one, name, database, value))
                for name, value in body["set"].items()
            }
            connection.execute(sa.update(one.table).where(where).values(values))
            connection.exec_driver_sql("COMMIT") if connection.dialect.name == engines.SQLITE else connection.commit()

    def referring(self, name: str, field: str, ids: Sequence[str]) -> Mapping[str, str]:
        """Rows whose foreign key holds one of these keys."""
        found: dict[str, str] = {}
        for database, keys in self._by_database(ids).items():
            with self._connection(database) as connection:
                one = self._table(database, name, connection)
                column = one.table.c[field]
                query = sa.select(one.key, column).where(column.in_([native(column, key) for key in keys]))
                for key, value in connection.execute(query):
                    found[self._global(database, text(key))] = self._global(database, text(value))
        return found

    # One database

    @contextmanager
    def _connection(self, database: str, *, writes: bool = False) -> Iterator[sa.Connection]:
        """A connection, counted as one request; what goes wrong is raised as a fault."""
        self.line.spend()
        with engines.faults(self.settings):
            if (database, writes) not in self._engines:
                made = engines.engine(self.settings, self.password, database, self.line, writes=writes)
                self._engines[database, writes] = made
            with self._engines[database, writes].connect() as connection:
                yield connection

    def close(self) -> None:
        """End all connections."""
        for engine in self._engines.values():
            engine.dispose()
        self._engines.clear()

    def _first(self) -> str:
        """The first database that answers. Raises what the first one raised if none does."""
        first: SystemFault | None = None
        for name in self.databases:
            try:
                with self._connection(name):
                    return name
            except SystemFault as fault:
                first = first or fault
        raise first or Invalid("No database is named.")

    def _table(self, database: str, name: str, connection: sa.Connection) -> Table:
        found = self._reflected(database, name, connection)
        if found is None:
            raise Invalid(f"{name!r} has no key of one column.")
        return found

    def _known(self, database: str, name: str) -> Table:
        if (database, name) not in self._tables:
            with self._connection(database) as connection:
                self._table(database, name, connection)
        return self._tables[database, name]

    def _reflected(self, database: str, name: str, connection: sa.Connection) -> Table | None:
        if (database, name) not in self._tables:
            found = reflected(connection, name, self.settings)
            if found is None:
                return None
            self._tables[database, name] = found
        return self._tables[database, name]

    # Pulling

    def _pull_one(self, database: str, name: str, fields: Sequence[str], state: _State) -> Iterator[Sequence[Any]]:
        columns = [column for column in fields if column != DATABASE or not self.many]
        if name == QUERY and self.settings["query"]:
            yield from self._pull_query(database, columns)
        else:
            yield from self._pull_table(database, name, columns, state)

    def _pull_query(self, database: str, columns: Sequence[str]) -> Iterator[Sequence[Any]]:
        """In one go, since running a query anew for every page could take the server hours."""
        asked, _ = query(self.settings)
        names: list[sa.ColumnElement[Any]] = [sa.column(name) for name in columns]
        with self._connection(database) as connection:
            streamed = connection.execution_options(stream_results=True, max_row_buffer=PAGE_ROWS)
            yield from streamed.execute(sa.select(*names).select_from(asked)).partitions(PAGE_ROWS)

    def _pull_table(self, database: str, name: str, columns: Sequence[str], state: _State) -> Iterator[Sequence[Any]]:
        """Page after page by key, each in a transaction of its own: none is held open on the server meanwhile."""
        with self._connection(database) as connection:
            one = self._table(database, name, connection)
            if one.changed is not None and state.after is None:
                state.high = text(connection.execute(sa.select(sa.func.max(one.changed))).scalar())
        wanted = sa.select(*map(one.column, columns)).order_by(one.key).limit(PAGE_ROWS)
        if one.changed is not None and state.since is not None:
            wanted = wanted.where(one.changed >= _earlier(one.changed, state.since))
        while True:
            later = wanted if state.after is None else wanted.where(one.key > native(one.key, state.after))
            with self._connection(database) as connection:
                rows = connection.execute(later).all()
            if rows:
                state.after = text(rows[-1][0])
                yield rows
            if len(rows) < PAGE_ROWS:
                return

    def _page(
        self,
        database: str,
        name: str,
        rows: Sequence[Any],
        fields: Sequence[str],
        states: Mapping[str, _State],
        skipped: Mapping[str, str],
    ) -> Page:
        names = [one for one in fields if one != DATABASE or not self.many]
        cells = frame(rows, names)
        one = self._tables.get((database, name))
        inactive: list[str] = []
        if self.many:
            prefixed = [names[0], *(one.refers_to if one else ())]
            cells = cells.with_columns(
                (pl.lit(f"{database}/") + pl.col(column)).alias(column) for column in prefixed if column in names
            )
            if DATABASE in fields:
                cells = cells.with_columns(pl.lit(database, pl.String).alias(DATABASE)).select(list(fields))
        if one and one.inactive and one.inactive[0] in names:
            column, value = one.inactive
            inactive = cells.filter(pl.col(column) == value)[names[0]].to_list()
        cursor = json.dumps({key: asdict(state) for key, state in states.items()})
        return Page(cells, cursor, inactive=inactive, skipped=dict(skipped))

    # Rows

    def _row(self, database: str, one: Table, cells: Any) -> Row:
        values = {name: text(value) for name, value in cells._mapping.items()}
        version = xxh3_128_hexdigest(json.dumps(values, sort_keys=True).encode())
        key = self._global(database, values[one.key.name])
        inactive = one.inactive is not None and values.get(one.inactive[0]) == one.inactive[1]
        for name in one.refers_to:
            if values[name] is not None:
                values[name] = self._global(database, values[name])
        values[one.key.name] = key
        return Row(key, version, values | ({DATABASE: database} if self.many else {}), inactive)

    def _by_database(self, ids: Sequence[str]) -> dict[str, list[str]]:
        """The keys as the databases have them."""
        if not self.many:
            return {self.databases[0]: list(ids)}
        found: dict[str, list[str]] = {}
        for one in ids:
            database = next((name for name in self.databases if one.startswith(f"{name}/")), None)
            if database is not None:
                found.setdefault(database, []).append(one[len(database) + 1 :])
        return found

    def _global(self, database: str, key: str | None) -> str:
        return f"{database}/{key}" if self.many else str(key)

    def _local(self, one: Table, name: str, database: str, value: str | None) -> str | None:
        """A value as the database has it: a reference without the database's name."""
        if not self.many or name not in one.refers_to or value is None:
            return value
        if not value.startswith(f"{database}/"):
            raise Invalid(f"{name}: a row of {database!r} cannot refer to one of another database.")
        return value[len(database) + 1 :]


def _earlier(column: sa.Column[Any], since: str) -> Any:
    value = native(column, since)
    return value - OVERLAP if isinstance(value, datetime) else value


def _some(names: Sequence[str], most: int = 12) -> str:
    shown = ", ".join(names[:most])
    return f"{shown} and {len(names) - most} more" if len(names) > most else shown
