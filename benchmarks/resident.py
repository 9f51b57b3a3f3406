"""One record against many: the resident index in the library and as a service.

Generated people with households, namesakes and copies spoilt by a clerk; 2,000 copies are held out and asked about.
Recall at 1: the likeliest record named is one of the same person. The service is asked over its unix socket by one
process, then by four at once, as web workers do.
"""

from __future__ import annotations

import json
import multiprocessing
import resource
import socket
import tempfile
import threading
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates.resident import ResidentIndex

TITLE = "One record against many: the resident index"
SEED = 11


def add_arguments(parser: ArgumentParser) -> None:
    """--rows N, --asked N."""
    parser.add_argument("--rows", type=int, default=1_000_000, help="generated people")
    parser.add_argument("--asked", type=int, default=2000, help="records asked about")


def run(options: Namespace) -> list[dict[str, Any]]:
    """A row for the library, one for the service by number of clients, one for changes."""
    frame, truth = people(options.rows)
    copies = np.flatnonzero(pd.Series(truth).duplicated())
    asked = np.sort(np.random.default_rng(1).choice(copies, min(options.asked, len(copies)), replace=False))
    kept = np.ones(len(frame), dtype=bool)
    kept[asked] = False
    questions = frame.iloc[asked].to_dict("records")
    before = _memory()
    started, spent = time.perf_counter(), time.process_time()
    index = ResidentIndex(Batch(frame[kept], ROLES), "people", context=RunContext(device="cpu"))
    built = {"built_s": time.perf_counter() - started, "built_cpu_s": time.process_time() - spent}
    built |= {"index_gb": _memory() - before, "peak_gb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 2**20}
    rows = [{"who": "library", "records": len(index), **_library(index, questions, truth, asked), **built}]
    rows += [{"who": f"service, {clients} client(s)", **_service(index, questions, clients)} for clients in (1, 4)]
    rows.append({"who": "library: add and remove", **_changes(index, questions)})
    return rows


def people(rows: int) -> tuple[pd.DataFrame, np.ndarray]:
    """Generated people, kept between runs: making a million takes minutes."""
    kept = Path(tempfile.gettempdir()) / f"crmquality-people-clerk-{rows}-{SEED}.parquet"
    if not kept.exists():
        frame, truth = generate(rows, corruption="clerk", seed=SEED)
        frame.assign(truth=truth).to_parquet(kept)
    frame = pd.read_parquet(kept).astype(object)
    truth = frame.pop("truth").to_numpy(np.int64)
    return frame.where(frame.notna(), None), truth


def _library(index: ResidentIndex, questions: list[dict], truth: np.ndarray, asked: np.ndarray) -> dict[str, Any]:
    for question in questions[:50]:
        index.find(question)
    times, spent, first = [], [], []
    for question in questions:
        started, before = time.perf_counter(), time.thread_time()
        matches = index.find(question)
        spent.append(time.thread_time() - before)
        times.append(time.perf_counter() - started)
        first.append(matches[0].record if matches else -1)
    named = np.array(first)
    right = (named >= 0) & (truth[named] == truth[asked])
    cpu = float(np.median(spent) * 1000)
    return {**_percentiles(times), "p50_cpu_ms": cpu, "recall_at_1": float(right.mean())}


def _changes(index: ResidentIndex, questions: list[dict]) -> dict[str, Any]:
    times = []
    for number, question in enumerate(questions):
        started = time.perf_counter()
        index.add(10**9 + number, question)
        times.append(time.perf_counter() - started)
    for number in range(len(questions)):
        index.remove(10**9 + number)
    return _percentiles(times)


def _service(index: ResidentIndex, questions: list[dict], clients: int) -> dict[str, Any]:
    import os

    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "crmquality.settings")
    import django

    django.setup()
    from crmquality.services.resident_keeping import Held, Keeper
    from crmquality.services.resident_serving import listening

    keeper = Keeper()
    keeper.held[1] = Held(1, (), indexes={"people": index}, state="ready")
    keeper.looked = time.monotonic()
    stop = threading.Event()
    threading.Thread(target=_look, args=(keeper, stop), daemon=True).start()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "s"
        with listening(path, keeper), multiprocessing.get_context("spawn").Pool(clients) as pool:
            parts = [(str(path), questions[client::clients]) for client in range(clients)]
            times = [one for part in pool.map(_client, parts) for one in part]
    stop.set()
    return _percentiles(times)


def _look(keeper: Any, stop: threading.Event) -> None:
    """Stands for the thread that follows the changes: there is no database here."""
    while not stop.wait(1):
        keeper.looked = time.monotonic()


def _client(part: tuple[str, list[dict]]) -> list[float]:
    path, questions = part
    times = []
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as line:
        line.connect(path)
        stream = line.makefile("rwb")
        for question in questions:
            started = time.perf_counter()
            asked = {"do": "find", "entity": "people", "values": question, "source": 1, "limit": 5}
            stream.write(json.dumps(asked).encode() + b"\n")
            stream.flush()
            found = json.loads(stream.readline())
            times.append(time.perf_counter() - started)
            if "error" in found:
                raise RuntimeError(found["error"])
    return times


def _percentiles(seconds: list[float]) -> dict[str, float]:
    half, most = np.percentile(np.array(seconds) * 1000, [50, 99])
    return {"p50_ms": float(half), "p99_ms": float(most)}


def _memory() -> float:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) / 2**20
    return 0.0
