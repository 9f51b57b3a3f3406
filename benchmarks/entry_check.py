"""Check at entry: what `POST /api/v1/check/` takes, over HTTP, on the server that `manage.py serve` starts."""

from __future__ import annotations

import argparse
import http.client
import json
import random
import threading
import time
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from benchmarks._processes import home_of
from benchmarks._review_data import CONTACTS, Size
from benchmarks.review import cpu, prepare, served, spent_between, times_row, wait_for_the_index

TITLE = "Check at entry: a record being typed, against all records"
PEERS: list[str] = []
WARM_UP = 40


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The published table has the defaults; those who type pause between two questions, as people do."""
    parser.add_argument("--records", type=int, default=1_000_000)
    parser.add_argument("--asked", type=int, default=1000, help="questions a row")
    parser.add_argument("--typing", type=int, default=8, help="people who type at once in the second row")
    parser.add_argument("--home", type=Path, help="keep the data here, and use what is here already")


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row for one person who asks without a pause, one for several who type, one for several without a pause."""
    with home_of(options.home) as home:
        return _run(home, options)


def _run(home: Path, options: argparse.Namespace) -> list[dict[str, Any]]:
    with served(home) as (address, process):
        (name, word) = next(iter(prepare(home, Size(options.records, 1_000, 500), 1).items()))
        wait_for_the_index()
        token = _post(address, "/api/v1/token/", {"username": name, "password": word}, "")["token"]
        _asking(address, token, options.records, WARM_UP, 4, 0.0)
        rows = []
        for people, pace in ((1, 0.0), (options.typing, 0.5), (options.typing, 0.0)):
            before, started = cpu(process.pid), time.monotonic()
            times, answered = _asking(address, token, options.records, options.asked, people, pace)
            spent = spent_between(before, cpu(process.pid))
            what = f"{options.records:,} records, {people} typing, {f'{pace:g} s between' if pace else 'no pause'}"
            row = times_row(what, times, time.monotonic() - started, spent)
            rows.append(row | {"duplicates looked for": f"{100 * answered:.0f} %"})
    return rows


def _asking(address: str, token: str, records: int, asked: int, people: int, pace: float) -> tuple[list[float], float]:
    """Seconds of each answer, and the share in which both duplicates and addresses were looked up."""
    times: list[float] = []
    found: list[bool] = []

    def ask(seed: int) -> None:
        chance = random.Random(seed)
        line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
        for _ in range(asked // people):
            number = 1 + chance.randrange(records // 2)
            started = time.perf_counter()
            body = _typed(number, chance)
            try:
                said = _sent(line, "/api/v1/check/", body, f"Token {token}")
            except ConnectionError:  # the server closes a line that was silent for two seconds; a browser asks anew too
                line.close()
                said = _sent(line, "/api/v1/check/", body, f"Token {token}")
            times.append(time.perf_counter() - started)
            found.append(not said["no_duplicates"] and not said["no_addresses"])
            if pace:
                time.sleep(chance.expovariate(1 / pace))
        line.close()

    threads = [threading.Thread(target=ask, args=(seed,)) for seed in range(people)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return times, sum(found) / len(found)


def _typed(number: int, chance: random.Random) -> dict[str, Any]:
    """Someone who is there already, with an error or two of typing."""
    values = {
        "Name": f"Ann {number} Lee",
        "Email": f"ann{number}@example.com",
        "Phone": f"202 555 {number % 10000}",
        "City": f"Bostn {number % 997}",
        "Country": "US",
    }
    wrong = chance.choice(list(values))
    values[wrong] = values[wrong][:-1]
    return {"source": CONTACTS, "values": values}


def _post(address: str, path: str, body: dict[str, Any], who: str) -> dict[str, Any]:
    line = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    try:
        return _sent(line, path, body, who)
    finally:
        line.close()


def _sent(line: http.client.HTTPConnection, path: str, body: dict[str, Any], who: str) -> dict[str, Any]:
    headers = {"Content-Type": "application/json"} | ({"Authorization": who} if who else {})
    line.request("POST", path, json.dumps(body), headers)
    answer = line.getresponse()
    text = answer.read()
    if answer.status not in {200, 201}:
        raise RuntimeError(f"{path}: {answer.status} {text[:300]!r}")
    said: dict[str, Any] = json.loads(text)
    return said
