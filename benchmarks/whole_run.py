"""A whole run: the sample's contacts imported and looked at by every detector, on a server of its own."""

from __future__ import annotations

import argparse
import json
import os
import resource
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

from benchmarks._processes import descendants, home_of, seconds_of

TITLE = "A whole run of all detectors over sample contacts: rows a second, peak memory, growth"
PEERS: list[str] = []


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """--contacts may be given several times; the published table has 10,000, 100,000 and 1,000,000."""
    parser.add_argument("--contacts", type=int, action="append", help="size (default: 10,000 and 100,000)")
    parser.add_argument("--seed", type=int, default=1)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a size and job; every job runs in a process of its own, as in a worker that was just started."""
    rows: list[dict[str, Any]] = []
    for contacts in options.contacts or [10_000, 100_000]:
        with home_of() as home:
            rows += _one_size(home, contacts, options.seed)
    return rows


def _one_size(home: Path, contacts: int, seed: int) -> list[dict[str, Any]]:
    os.environ["CRMQUALITY_HOME"] = str(home)
    from crmquality.embedded import Servers

    servers = Servers(home)
    servers.start()
    try:
        _child("migrate", home)
        rows = [_child(f"import:{contacts}:{seed}", home)]
        names = _child("request", home)["names"]
        rows += [_child(f"run:{name}", home) for name in names]
        rows[-1]["job"] += ", then measuring"  # the last run of a source measures its quality
    finally:
        servers.stop()
    rows.append(
        {
            "job": "all",
            **{name: round(sum(row[name] for row in rows), 1) for name in ("seconds", "CPU s", "database CPU s")},
            "peak MB": max(row["peak MB"] for row in rows),
            "found": sum(row.get("found") or 0 for row in rows),
        }
    )
    return [{"contacts": contacts, **row, "rows/s": round(contacts / max(row["seconds"], 1e-3))} for row in rows]


def _child(what: str, home: Path) -> dict[str, Any]:
    words = [sys.executable, "-W", "ignore", "-m", "benchmarks.whole_run", what]
    environment = os.environ | {"CRMQUALITY_HOME": str(home), "DJANGO_SETTINGS_MODULE": "crmquality.settings"}
    done = subprocess.run(words, env=environment, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{what} failed: {done.stderr.strip().splitlines()[-1:]}")
    result: dict[str, Any] = json.loads(done.stdout.strip().splitlines()[-1])
    return result


def _work(what: str) -> dict[str, Any]:
    import django

    django.setup()
    from django.core.management import call_command

    from crmquality.models import JobState, Run, Source
    from crmquality.services import importing, running

    started, own, database = time.perf_counter(), time.process_time(), _database_cpu()
    found = None
    name, _, rest = what.partition(":")
    match name:
        case "migrate":
            call_command("migrate", verbosity=0)
        case "request":
            return {"names": [run.detector for run in running.request_all(source=Source.objects.get())]}
        case "import":
            _write_sample(*map(int, rest.split(":")))
            started, own, database = time.perf_counter(), time.process_time(), _database_cpu()
            source = importing.get_source(name="contacts", kind="contacts")
            file = Path(os.environ["CRMQUALITY_HOME"]) / "sample" / "contacts.csv"
            importing.execute_import(importing.request_import(source=source, file=file).pk)
        case "run":
            job = Run.objects.get(detector=rest)
            running.execute_run(job.pk)
            job.refresh_from_db()
            if job.state != JobState.SUCCEEDED:
                raise RuntimeError(job.error)
            found = job.found
    return {
        "job": rest if name == "run" else name,
        "seconds": round(time.perf_counter() - started, 2),
        "CPU s": round(time.process_time() - own, 2),
        "database CPU s": round(_database_cpu() - database, 2),
        "peak MB": round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024),
        "found": found,
    }


def _database_cpu() -> float:
    """CPU seconds of the database server so far: its main process, those it waited for, and those that still run."""
    main = int((Path(os.environ["CRMQUALITY_HOME"]) / "postgres" / "postmaster.pid").read_text().split()[0])
    return sum(map(seconds_of, descendants(main)))


def _write_sample(contacts: int, seed: int) -> None:
    from crmquality import sample

    where = Path(os.environ["CRMQUALITY_HOME"]) / "sample"
    sample.generate(where, contacts=contacts, seed=seed, kinds=["contacts"])


if __name__ == "__main__":
    print(json.dumps(_work(sys.argv[1])))
