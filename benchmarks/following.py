"""A run of duplicates that goes on from the latest one, beside runs over everything, by how many records changed.

The sample's contacts on a server of its own. Each step imports a file of records, half of them new (copies of others
with another name or telephone), half of them changed likewise, and then does the run of duplicates as the import asked
for it. All in one process, as in a worker that has been at work; the first run over everything is not counted.
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._processes import apart, descendants, home_of, seconds_of

TITLE = "Duplicates after an import: going on from the latest run, and everything anew"
PEERS: list[str] = []
TIMES = 3


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--contacts N, --changed N (repeatable)."""
    parser.add_argument("--contacts", type=int, default=100_000)
    parser.add_argument("--changed", type=int, action="append", help="per import (default: 10, 100 and 1,000)")
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for runs over everything, one for each number of changed records: medians of three."""
    rows: list[dict[str, Any]] = []
    with home_of() as home:
        os.environ["CRMQUALITY_HOME"] = str(home)
        from crmquality.embedded import Servers

        servers = Servers(home)
        servers.start()
        try:
            rows = apart(_measured, home, options.contacts, options.changed or [10, 100, 1_000], options.seed)
        finally:
            servers.stop()
    return rows


def _measured(home: Path, contacts: int, changed: list[int], seed: int) -> list[dict[str, Any]]:
    os.environ |= {"CRMQUALITY_HOME": str(home), "DJANGO_SETTINGS_MODULE": "crmquality.settings"}
    import django

    django.setup()
    from django.core.management import call_command

    from crmquality import sample
    from crmquality.services import importing, running

    call_command("migrate", verbosity=0)
    sample.generate(home / "sample", contacts=contacts, seed=seed, kinds=["contacts"])
    file = home / "sample" / "contacts.csv"
    source = importing.get_source(name="contacts", kind="contacts")
    _import(source, file)  # the other detectors' runs wait in the queue, and so does measuring the source's quality
    runs = [_timed(running.request_run(source=source, detector="duplicates"), home) for _ in range(TIMES + 1)]
    whole = _median(runs[1:])
    rows = [{"contacts": contacts, "changed": "everything anew", **whole}]
    rng = np.random.default_rng(seed)
    for number in changed:
        steps = []
        for _ in range(TIMES):
            _import(source, _changes(file, number, rng))
            steps.append(_timed(source.runs.get(detector="duplicates", state="queued"), home))
            if steps[-1]["records changed"] is None:
                raise RuntimeError("the run did everything anew")
        found = _median(steps)
        shares = {
            f"share of {name}": round(found[name] / whole[name], 3) for name in ("CPU s", "database CPU s", "seconds")
        }
        rows.append({"contacts": contacts, "changed": number, **found, **shares})
    return rows


def _import(source: Any, file: Path) -> None:
    from crmquality.services import importing

    importing.execute_import(importing.request_import(source=source, file=file, run_after_import=True).pk)
    source.refresh_from_db()


def _changes(file: Path, number: int, rng: np.random.Generator) -> Path:
    """A file of so many records of another, half of them changed, half of them new."""
    table = pd.read_csv(file, dtype=str, keep_default_na=False)
    names = [name for name in table.columns if "name" in name.lower() or "phone" in name.lower()]
    part = table.iloc[rng.choice(len(table), number, replace=False)].copy()
    column = rng.choice(names)
    part[column] = table[column].to_numpy()[rng.choice(len(table), number)]
    part.iloc[::2, 0] = [f"new-{one:x}" for one in rng.integers(1 << 60, size=len(part.iloc[::2]))]
    path = file.with_name("changes.csv")
    part.to_csv(path, index=False)
    return path


def _timed(job: Any, home: Path) -> dict[str, Any]:
    from crmquality.models import JobState
    from crmquality.services import running

    started, own, database = time.perf_counter(), time.process_time(), _database_cpu(home)
    running.execute_run(job.pk)
    spent = {"seconds": time.perf_counter() - started, "CPU s": time.process_time() - own}
    spent["database CPU s"] = _database_cpu(home) - database
    job.refresh_from_db()
    if job.state != JobState.SUCCEEDED:
        raise RuntimeError(job.error)
    return spent | {
        "records changed": job.changed,
        "found": job.found,
        "new": job.found_new,
        "withdrawn": job.withdrawn,
    }


def _median(runs: list[dict[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, last in runs[-1].items():
        found[name] = None if last is None else round(statistics.median(one[name] for one in runs), 2)
    return found


def _database_cpu(home: Path) -> float:
    main = int((home / "postgres" / "postmaster.pid").read_text().split()[0])
    return sum(map(seconds_of, descendants(main)))
