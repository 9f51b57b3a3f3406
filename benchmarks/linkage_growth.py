"""How duplicates grow with rows: accuracy, CPU time and memory from a hundred thousand people to ten million.

People of one world (`_people`), keyboard errors, unlabelled, in random order. Each size is linked in a process of its
own, after a small batch to warm up; time is from cleaning to clusters, memory is the process's peak, the table that is
linked included. read_mb: what the process held with that table and before it was linked.
"""

from __future__ import annotations

import tempfile
import time
from argparse import ArgumentParser, Namespace
from pathlib import Path
from resource import RUSAGE_SELF, getrusage
from typing import Any

import numpy as np
import pandas as pd
import pyarrow as pa
import pyarrow.parquet as pq

from benchmarks._people import ROLES, generate, generate_parts
from benchmarks._processes import apart
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation
from detectors.duplicates.detector import DuplicateDetector

TITLE = "Duplicates: growth with rows"

PART = 500_000


def add_arguments(parser: ArgumentParser) -> None:
    """--rows N [N ...], --folder DIR (files are made there once and kept), --seed S."""
    parser.add_argument("--rows", type=int, nargs="+", default=[100_000, 300_000, 1_000_000])
    parser.add_argument("--folder", type=Path, help="where the people are kept for another time")
    parser.add_argument("--seed", type=int, default=11)


def run(options: Namespace) -> list[dict[str, Any]]:
    """One row for every size."""
    rows = []
    with tempfile.TemporaryDirectory(prefix="crmq-growth-") as temporary:
        folder = options.folder or Path(temporary)
        for size in options.rows:
            file = folder / f"people_{size}_{options.seed}.parquet"
            if not file.exists():
                apart(written, size, options.seed, file)
            rows.append(apart(measured, file))
    return rows


def written(rows: int, seed: int, file: Path) -> None:
    """Write generated people in random order, the person each record is about in the column `who`."""
    parts = []
    for frame, truth in generate_parts(rows, PART, corruption="keyboard", seed=seed):
        parts.append(pa.Table.from_pandas(frame.assign(who=truth), preserve_index=False))
    table = pa.concat_tables(parts)
    table = table.take(np.random.default_rng(seed).permutation(len(table)))
    partial = file.with_suffix(".part")
    pq.write_table(table, partial)
    partial.rename(file)


def measured(file: Path) -> dict[str, Any]:
    """The figures of one file, in this process."""
    small, _ = generate(1500, corruption="keyboard", seed=1)
    list(DuplicateDetector().link(Batch(small, ROLES), RunContext(device="cpu")))
    frame = pd.read_parquet(file)
    truth = frame.pop("who").to_numpy(np.int64)
    batch = Batch(frame, ROLES)
    read = _held()
    wall, cpu = time.perf_counter(), time.process_time()
    found = list(DuplicateDetector().link(batch, RunContext(device="cpu")))
    costs = {"seconds": time.perf_counter() - wall, "cpu_seconds": time.process_time() - cpu}
    peak = float(getrusage(RUSAGE_SELF).ru_maxrss // 1024)
    own = evaluation.agreement(evaluation.labels_of(found, batch), truth)
    pairs = sum(len(linkage.left) for linkage, _ in found)
    true_pairs = sum(int((truth[linkage.left] == truth[linkage.right]).sum()) for linkage, _ in found)
    return {
        "rows": len(frame),
        "f1": own.f1,
        "precision": own.precision,
        "recall": own.recall,
        "blocking_recall": true_pairs / max(evaluation.pairs_in(truth), 1),
        "pairs_a_row": pairs / len(frame),
        **costs,
        "peak_mb": peak,
        "read_mb": read,
    }


def _held() -> float:
    """Megabytes that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return float(pages * 4096 // 2**20)
