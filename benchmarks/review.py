"""Twenty stewards at one queue: what a decision and the next card take, and that nothing is done twice or lost."""

from __future__ import annotations

import argparse
import os
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from benchmarks._processes import TICKS, descendants, home_of, seconds_of
from benchmarks._review_checks import found_wrong
from benchmarks._review_data import Size, fill, open_all
from benchmarks._review_stewards import Steward, held_twice, work_together

TITLE = "Reviewing under load: stewards at one queue, over HTTP, on the server that `manage.py serve` starts"
PEERS: list[str] = []
ROOT = Path(__file__).parent.parent
WARM_UP = 60.0
"""Seconds of deciding before anything counts: in them each process reads the models of a million rows once."""
STARTED_WITHIN = 600.0


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The published table has the defaults."""
    parser.add_argument("--stewards", type=int, default=20)
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--items", type=int, default=1_000_000)
    parser.add_argument("--open", type=int, default=100_000)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument(
        "--pace", type=float, nargs="+", default=[2.0, 0.7], help="mean seconds that a steward looks at a card"
    )
    parser.add_argument("--all-open", action="store_true", help="also the list with every item open (takes minutes)")
    parser.add_argument("--home", type=Path, help="keep the data here, and use what is here already")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a phase: stewards at their own pace, as fast as the server answers, the list; then the checks."""
    with home_of(options.home) as home:
        return _run(home, options)


def _run(home: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    with served(home) as (address, process):
        people = prepare(home, Size(options.records, options.items, options.open), options.stewards)
        rows, since = [], _now()
        stewards = [Steward(address, name, word, seed) for seed, (name, word) in enumerate(people.items())]
        for one in stewards:
            one.sign_in()
        wait_for_the_index()
        work_together(stewards, seconds=WARM_UP, pace=max(options.pace))
        for pace in (*options.pace, 0.0):
            for one in stewards:
                one.answers.clear()
            before = cpu(process.pid)
            took = work_together(stewards, seconds=options.seconds, pace=pace)
            spent = spent_between(before, cpu(process.pid))
            what = f"decide + next card, {len(stewards)} stewards, "
            what += f"{pace:g} s a card" if pace else "as fast as it answers"
            times = [said.seconds for one in stewards for said in one.answers]
            rows.append(times_row(what, times, took, spent))
        for one in stewards:
            one.leave()
        rows += _checked(stewards, since)
        rows += _lists(stewards[0], process.pid, options)
        return rows


def wait_for_the_index() -> None:
    """Until what a start does once is done: the resident index of a million records takes a minute or two."""
    from crmquality.services import resident

    deadline = time.monotonic() + STARTED_WITHIN
    while time.monotonic() < deadline:
        with suppress(resident.NotReady):
            found = resident.status()["sources"]
            if found and all(one["state"] != "building" for one in found):
                return
        time.sleep(1)
    raise RuntimeError(f"The resident index was not built within {STARTED_WITHIN:g} s.")


@contextmanager
def served(home: Path) -> Iterator[tuple[str, subprocess.Popen[bytes]]]:
    """`manage.py serve` in processes of its own: its address, and the process that all others descend from."""
    os.environ["CRMQUALITY_HOME"] = str(home)
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmquality.settings")
    home.mkdir(parents=True, exist_ok=True)
    log = home / "serve.log"
    with log.open("w") as out:
        process = subprocess.Popen(
            [sys.executable, "-W", "ignore", "manage.py", "serve", "--port", "0"],
            cwd=ROOT,
            stdout=out,
            stderr=subprocess.STDOUT,
        )
    try:
        deadline = time.monotonic() + STARTED_WITHIN
        while not (found := re.search(r"Open (http://[\d.:]+)/", log.read_text())):
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"serve did not start: {log.read_text()[-500:]}")
            time.sleep(0.2)
        import django

        django.setup()
        yield found[1], process
    finally:
        process.terminate()
        process.wait(60)


def prepare(home: Path, size: Size, stewards: int) -> dict[str, str]:
    """Fill an empty installation; name -> password of its stewards."""
    from django.contrib.auth.models import Group, User

    from crmquality.models import Record

    people = {f"steward{number}": f"word-{number}-of-the-load" for number in range(stewards)}
    group = Group.objects.get(name="steward")
    for name, word in people.items():
        user, _ = User.objects.get_or_create(username=name)
        user.set_password(word)
        user.save()
        user.groups.set([group])
    if not Record.objects.exists():
        fill(size, list(User.objects.filter(username__in=people).values_list("id", flat=True)))
        _train()
    return people


def _train() -> None:
    """A model of anomalies for each source with such claims, as a first run keeps one: verdicts reweight it."""
    from crmquality.models import Finding, Source
    from crmquality.services import learning

    for source in Source.objects.filter(pk__in=Finding.objects.filter(detector="anomalies").values("source")):
        training = learning.request_training(source=source, detector="anomalies")
        while training.is_active:
            time.sleep(1)
            training.refresh_from_db()
        if training.state != "succeeded":
            raise RuntimeError(f"The model of {source.name} was not trained: {training.error}")


def _checked(stewards: list[Steward], since: Any) -> list[dict[str, Any]]:
    wrong = {"on two desks at once": len(held_twice(stewards)), **found_wrong(since)}
    wrong["requests that failed"] = sum(len(one.errors) for one in stewards)
    for one in stewards:
        for error in one.errors[:3]:
            print(f"{one.name}: {error}", file=sys.stderr)
    return [{"what": name, "n": count} for name, count in wrong.items()]


def _lists(steward: Steward, pid: int, options: argparse.Namespace) -> list[dict[str, Any]]:
    steward.sign_in()
    rows = _timed(steward, pid, f"{options.items:,} items, {options.open:,} open")
    if options.all_open:
        open_all()
        rows += _timed(steward, pid, f"{options.items:,} items, all open")
    return rows


def _timed(steward: Steward, pid: int, what: str) -> list[dict[str, Any]]:
    rows = []
    for name, path in LISTS.items():
        before, started, times = cpu(pid), time.monotonic(), []
        for _ in range(60):
            begun = time.perf_counter()
            status, _ = steward._ask("GET", path)
            times.append(time.perf_counter() - begun)
            if status != 200:
                raise RuntimeError(f"{path}: {status}")
        spent = spent_between(before, cpu(pid))
        rows.append(times_row(f"{name}, {what}", times, time.monotonic() - started, spent))
    return rows


LISTS = {
    "first page of the list": "/queue/list/",
    "the same, most impact first": "/queue/list/?sort=impact",
    "the same, one detector": "/queue/list/?detector=anomalies",
    "the same, one segment": "/queue/list/?segment=Country%3DDE",
}


def times_row(what: str, times: list[float], took: float, spent: dict[str, float]) -> dict[str, Any]:
    """One row of the table. times: seconds each; took: seconds in all; spent: CPU seconds, see `spent_between`."""
    cut = statistics.quantiles(times, n=1000, method="inclusive")
    count = len(times)
    return {
        "what": what,
        "n": count,
        "p50 ms": round(1000 * cut[499], 1),
        "p95 ms": round(1000 * cut[949], 1),
        "p99 ms": round(1000 * cut[989], 1),
        "requests/s": round(count / took, 1),
        "web CPU ms": round(1000 * spent["web"] / count, 1),
        "database CPU ms": round(1000 * spent["database"] / count, 1),
        "machine busy with jobs": f"{100 * spent['other'] / spent['all']:.0f} %",
        "machine busy with others": f"{100 * spent['others']:.0f} %",
    }


def cpu(pid: int) -> dict[str, float]:
    """Seconds of CPU so far: of the web processes, the database, the load itself, the workers, and all cores."""
    spent = {"web": 0.0, "database": 0.0, "own": 0.0, "other": 0.0}
    for child in descendants(pid):
        try:
            words = Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ")
            name = "web" if "gunicorn" in words else "database" if "postgres" in words else "other"
            spent[name] += seconds_of(child)
        except (FileNotFoundError, ProcessLookupError):
            continue
    spent["own"] = seconds_of(os.getpid())
    numbers = [int(word) for word in Path("/proc/stat").read_text().splitlines()[0].split()[1:9]]
    spent["busy"] = (sum(numbers) - numbers[3] - numbers[4]) / TICKS
    spent["all"] = sum(numbers) / TICKS
    return spent


def spent_between(before: dict[str, float], after: dict[str, float]) -> dict[str, float]:
    """CPU seconds a part ("other": jobs, the resident index, Redis); "others": the share of cores busy with no part."""
    spent = {name: after[name] - before[name] for name in before}
    ours = spent["web"] + spent["database"] + spent["own"] + spent["other"]
    return spent | {"others": max(0.0, spent["busy"] - ours) / spent["all"]}


def _now() -> Any:
    from django.utils import timezone

    return timezone.now()
