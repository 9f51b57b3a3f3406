"""A million rows pulled from PostgreSQL and from MariaDB, from one database and from many, with flat memory.

The pages of `System.pull` are read and thrown away, next to the quickest thing a person could write against the same
driver: a server-side cursor whose rows are fetched in thousands and thrown away. Each runs in a process of its own.
"Flat" means that a pull of all rows needs hardly more memory than one of a tenth of them. (What is kept of a pull on
its way into the records is measured by `importing`: both load the same way.)

The servers are those of the tests: $CRMQUALITY_TEST_POSTGRESQL, $CRMQUALITY_TEST_MARIADB. The tables are made for it in
databases of their own, which are dropped at the end.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from typing import Any

import sqlalchemy as sa

from crmquality.connectors.contract import Line
from crmquality.connectors.sql import SqlConnector
from tests.databases import Server, databases, server

TITLE = "Pulling rows from a database, one and many at once, with flat memory"
PEERS: list[str] = ["pymysql==1.2.4"]
COLUMNS = (
    "id", "first_name", "last_name", "email", "phone", "street", "city", "postcode", "country", "company", "revenue",
    "updated_at",
)  # fmt: skip
MANY = 4
_MB = 1024
_FILL = {
    "postgresql": """
        INSERT INTO contacts SELECT n, 'Anna' || n %% 97, 'Smith' || n %% 9973, 'anna' || n || '@example.com',
            '+49 30 ' || n, n %% 200 || ' Main Street', 'Springfield', lpad((n %% 100000)::text, 5, '0'), 'US',
            'Company ' || n %% 5000, n * 1.25, timestamp '2026-01-01' + n * interval '1 second'
        FROM generate_series(%(first)s::int, %(last)s::int) n""",
    "mysql": """
        INSERT INTO contacts SELECT seq, CONCAT('Anna', seq %% 97), CONCAT('Smith', seq %% 9973),
            CONCAT('anna', seq, '@example.com'), CONCAT('+49 30 ', seq), CONCAT(seq %% 200, ' Main Street'),
            'Springfield', LPAD(seq %% 100000, 5, '0'), 'US', CONCAT('Company ', seq %% 5000), seq * 1.25,
            TIMESTAMP '2026-01-01 00:00:00' + INTERVAL seq SECOND
        FROM {sequence} WHERE seq <= %(last)s AND seq >= %(first)s""",
}

_ANALYZE = {"postgresql": "ANALYZE contacts", "mysql": "ANALYZE TABLE contacts"}


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How many rows, of which servers."""
    parser.add_argument("--rows", type=int, default=1_000_000)
    parser.add_argument("--dialects", nargs="+", default=["postgresql", "mysql"], choices=["postgresql", "mysql"])


def run(options: Any) -> list[dict[str, Any]]:
    """One row a server and way: its rate, and the memory it needed for all rows and for a tenth of them."""
    rows = []
    for dialect in options.dialects:
        for count in (1, MANY):
            with databases(dialect, count) as (there, names):
                _fill(there, names, options.rows)
                ways = ("connector", "cursor") if count == 1 else ("connector",)
                rows += [_measured(there, names, way, options.rows) for way in ways]
    return rows


def _measured(there: Server, names: list[str], way: str, rows: int) -> dict[str, Any]:
    """A way over all rows, and over a tenth of them, each in a process of its own."""
    whole, tenth = (_apart(there.dialect, names, way, most) for most in (rows, rows // 10))
    label = {"connector": "crmquality pull", "cursor": "driver's server-side cursor alone"}[way]
    return {
        "server": f"{_version(there)}{', ' + str(len(names)) + ' databases' if len(names) > 1 else ''}",
        "way": label,
        "rows": whole["rows"],
        "rows_per_second": round(whole["rows"] / whole["seconds"]),
        "cpu_us_per_row": round(1e6 * whole["cpu"] / whole["rows"], 2),
        "peak_mb_above_start": round(whole["peak"], 1),
        "of_a_tenth": round(tenth["peak"], 1),
    }


def _version(there: Server) -> str:
    with there.engine().connect() as connection:
        said = str(connection.execute(sa.text("SELECT version()")).scalar_one())
    return " ".join(said.split()[:2]) if there.dialect == "postgresql" else f"MariaDB {said.split('-')[0]}"


def _apart(dialect: str, names: list[str], way: str, most: int) -> dict[str, float]:
    """What a process of its own measured."""
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.pulling", dialect, way, str(most), *names]
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr[-2_000:])
    found: dict[str, float] = json.loads(done.stdout.splitlines()[-1])
    return found


def _fill(there: Server, names: list[str], rows: int) -> None:
    """The rows, in equal parts over the databases, each of 12 columns and about 150 bytes."""
    text = sa.String(80)
    kinds = {"id": sa.BigInteger, "revenue": sa.Numeric(14, 2), "updated_at": sa.DateTime}
    part = rows // len(names)
    for place, name in enumerate(names):
        metadata = sa.MetaData()
        columns = [sa.Column(one, kinds.get(one, text), primary_key=one == "id") for one in COLUMNS]
        sa.Table("contacts", metadata, *columns, sa.Index("contacts_by_change", "updated_at"))
        engine = there.engine(name)
        metadata.create_all(engine)
        first, last = place * part + 1, (place + 1) * part
        with engine.begin() as connection:
            statement = _FILL[there.dialect].replace("{sequence}", f"seq_{first}_to_{last}")
            connection.exec_driver_sql(statement, {"first": first, "last": last})
        with engine.connect().execution_options(isolation_level="AUTOCOMMIT") as connection:
            connection.exec_driver_sql(
                "ANALYZE contacts" if there.dialect == "postgresql" else "ANALYZE TABLE contacts"
            )


# In a process of its own


def _pull(there: Server, names: list[str], most: int) -> int:
    """The pages of our pull, thrown away."""
    given = there.settings(*names)
    password = given.pop("password")
    from crmquality.connectors.settings import read

    settings, _ = read(SqlConnector.settings, given)
    rows = 0
    with SqlConnector().connect(settings, {"password": password}, Line()) as system:
        about = next(one for one in system.describe() if one.name == "contacts")
        for page in system.pull("contacts", about.names, None):
            rows += page.frame.height
            if rows >= most:
                break
    return rows


def _cursor(there: Server, names: list[str], most: int) -> int:
    """A server-side cursor's rows, thrown away."""
    rows = 0
    with there.engine(names[0]).connect().execution_options(stream_results=True) as connection:
        found = connection.exec_driver_sql("SELECT * FROM contacts")
        while rows < most and (part := found.fetchmany(1_000)):
            rows += len(part)
        found.close()
    return rows


def main(words: list[str]) -> None:
    """One measurement, printed as JSON."""
    dialect, way, most, *names = words
    there = server(dialect)
    ways: dict[str, Callable[[Server, list[str], int], int]] = {"connector": _pull, "cursor": _cursor}
    ways[way](there, names, 1)  # libraries loaded, a first page read
    before = resource.getrusage(resource.RUSAGE_SELF)
    started = time.perf_counter()
    rows = ways[way](there, names, int(most))
    seconds = time.perf_counter() - started
    after = resource.getrusage(resource.RUSAGE_SELF)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    peak = (after.ru_maxrss - before.ru_maxrss) / _MB
    print(json.dumps({"rows": rows, "seconds": seconds, "cpu": cpu, "peak": peak}))


if __name__ == "__main__":
    main(sys.argv[1:])
