"""Import against a bare COPY of the same file, in the same process, into the same database.

"Bare COPY" is measured in both ways in which people use it: the file's bytes passed on as they are
(`copy.write(chunk)`), and parsed by `csv.reader` with one `write_row` a row; each into a plain logged table of text
columns without any key, and into one with the keys of our record table (an identity and a unique source + external id).

The import does more with every row: it detects the encoding, checks the row, keeps its text, its cells by name as jsonb
and a digest, and holds two unique keys. Wall-clock time on a busy machine says little, so the ratio of processor time
(this process and the server's backend together) stands beside it.
"""

from __future__ import annotations

import argparse
import csv
import os
import random
import resource
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

Way = Callable[[Path], Callable[[], None]]
"""Makes ready to load a file, and gives the function that does it."""

TITLE = "Importing a CSV file, against a bare psycopg COPY of the same file"
PEERS: list[str] = []
COLUMNS = [
    "Id", "First name", "Last name", "E-mail", "Phone", "Street", "City", "Postcode", "Country", "Company", "Created",
    "Note",
]  # fmt: skip
_GIVEN = ("Anna", "Bob", "Carla", "Dmitri", "Émile", "Fatima", "George", "Hannah", "Ivan", "Jürgen", "Kofi", "Noah")
_FAMILY = ("Smith", "Müller", "García", "Rossi", "Novák", "Dubois", "Jansen", "Kowalski", "Brown", "Lee", "Tanaka")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How large, how often."""
    parser.add_argument("--rows", type=int, default=300_000)
    parser.add_argument("--repeats", type=int, default=3, help="each way so often, in turns; the quickest counts")
    parser.add_argument("--broken", type=float, default=0.0, help="share of rows with a cell too many")


def run(options: Any) -> list[dict[str, Any]]:
    """One row a way of loading: its rate, and the import's rate as a share of it."""
    with tempfile.TemporaryDirectory(prefix="crmq-bench-") as folder, _database(Path(folder)):
        path = Path(folder) / "contacts.csv"
        write_contacts(path, options.rows, broken=options.broken)
        ways: dict[str, Way] = {"crmquality import": _import, "crmquality import again": _again}
        if not options.broken:
            ways |= {
                "COPY, file's bytes, plain table": lambda path: _copy_bytes(path, keyed=False),
                "COPY, file's bytes, keyed table": lambda path: _copy_bytes(path, keyed=True),
                "COPY, csv.reader + write_row, plain table": lambda path: _copy_rows(path, keyed=False),
                "COPY, csv.reader + write_row, keyed table": lambda path: _copy_rows(path, keyed=True),
            }
        spent: dict[str, list[tuple[float, float]]] = {way: [] for way in ways}
        small = Path(folder) / "small.csv"
        write_contacts(small, 1_000)
        _import(small)()  # libraries loaded, allocators warm
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(options.repeats):
            for way, load in ways.items():
                spent[way].append(_timed(load, path))
        peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) // 1024
    wall, cpu = (min(one[kind] for one in spent["crmquality import"]) for kind in (0, 1))
    return [
        {
            "way": way,
            "rows": options.rows,
            "rows_per_second": round(options.rows / min(one[0] for one in times)),
            "cpu_us_per_row": round(1e6 * min(one[1] for one in times) / options.rows, 2),
            "import_as_share_of_it_wall": round(min(one[0] for one in times) / wall, 2),
            "import_as_share_of_it_cpu": round(min(one[1] for one in times) / cpu, 2),
            "peak_mb_above_start": peak,
        }
        for way, times in spent.items()
    ]


def write_contacts(path: Path, rows: int, *, broken: float = 0.0) -> None:
    """Contacts of 12 columns, about 140 bytes a row, some cells quoted, with a share of rows one cell too long."""
    draw = random.Random(1)
    with path.open("w", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(COLUMNS)
        for number in range(rows):
            given, family = draw.choice(_GIVEN), draw.choice(_FAMILY)
            row = [
                f"C{number:08}", given, family, f"{given}.{family}{number}@example.com".lower(),
                f"+49 30 {draw.randrange(10**7)}", f"{draw.choice(_FAMILY)}straße {draw.randrange(200)}",
                draw.choice(["Berlin", "Paris", "Roma", "New York, NY"]), f"{draw.randrange(10**5):05}",
                draw.choice(["DE", "FR", "IT", "US"]), f"{family} {draw.choice(['GmbH', 'Inc.', 'Ltd'])}",
                f"20{draw.randrange(10, 26)}-0{draw.randrange(1, 10)}-1{draw.randrange(10)}",
                "" if draw.random() < 0.5 else 'said "call later", twice',
            ]  # fmt: skip
            writer.writerow([*row, "too many"] if draw.random() < broken else row)


@contextmanager
def _database(folder: Path) -> Iterator[None]:
    """An embedded PostgreSQL of its own, migrated."""
    os.environ["CRMQUALITY_HOME"] = str(folder / "home")
    os.environ["DJANGO_SETTINGS_MODULE"] = "crmquality.settings"
    import django

    from crmquality.embedded import Servers

    servers = Servers(folder / "home")
    servers.start()
    try:
        django.setup()
        from django.core.management import call_command
        from django.db import connection

        call_command("migrate", verbosity=0)
        yield
        connection.close()
    finally:
        servers.stop()


def _timed(way: Way, path: Path) -> tuple[float, float]:
    """Seconds by the clock, and of processor time here and in the server's backend, from file to stored rows.

    What comes before is not counted: tables made, the upload stored, the columns' roles guessed.
    """
    from django.db import connection

    load = way(path)
    with connection.cursor() as cursor:
        cursor.execute("CHECKPOINT")
        cursor.execute("SELECT pg_backend_pid()")
        backend = cursor.fetchone()[0]
    started, used, served = time.perf_counter(), time.process_time(), _cpu(backend)
    load()
    return time.perf_counter() - started, time.process_time() - used + _cpu(backend) - served


def _cpu(pid: int) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rsplit(")", 1)[1].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def _import(path: Path) -> Callable[[], None]:
    from crmquality.models import Source

    Source.objects.filter(name="bench").update(name=f"done {time.monotonic_ns()}")
    return _again(path)


def _again(path: Path) -> Callable[[], None]:
    from crmquality.services.importing import execute_import, get_source, request_import

    job = request_import(source=get_source(name="bench", kind="contacts"), file=path)

    def load() -> None:
        execute_import(job.pk)
        job.refresh_from_db()
        if job.state != "succeeded":
            raise RuntimeError(job.error)

    return load


def _table(*, keyed: bool) -> None:
    from django.db import connection

    cells = ", ".join(f'"{name}" text' for name in COLUMNS)
    keys = ', number bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, source bigint DEFAULT 1, UNIQUE (source, "Id")'
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS bare")
        cursor.execute(f"CREATE TABLE bare ({cells}{keys if keyed else ''})")


def _names() -> str:
    return ", ".join(f'"{name}"' for name in COLUMNS)


def _copy_bytes(path: Path, *, keyed: bool) -> Callable[[], None]:
    from django.db import connection

    _table(keyed=keyed)
    statement = f"COPY bare ({_names()}) FROM STDIN (FORMAT csv, HEADER)"

    def load() -> None:
        with connection.cursor() as cursor, cursor.copy(statement) as copy, path.open("rb") as file:
            while piece := file.read(2**18):
                copy.write(piece)

    return load


def _copy_rows(path: Path, *, keyed: bool) -> Callable[[], None]:
    from django.db import connection

    _table(keyed=keyed)
    statement = f"COPY bare ({_names()}) FROM STDIN"

    def load() -> None:
        with connection.cursor() as cursor, cursor.copy(statement) as copy, path.open(newline="") as file:
            reader = csv.reader(file)
            next(reader)
            for row in reader:
                copy.write_row(row)

    return load
