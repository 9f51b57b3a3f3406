"""What ten minutes of a steward's time (200 answers) do to the F1 of duplicates, by how the pairs are chosen.

The answers are the truth. "informative": `detectors.duplicates.active` (half near the boundary, half over all scores);
"nearest one half": by score alone, as the queue's order "most informative" does; "likeliest": the queue's own order.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from typing import Any

import numpy as np

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, Label, RunContext
from detectors.duplicates import evaluation
from detectors.duplicates.active import as_question, worth_asking
from detectors.duplicates.detector import DuplicateDetector, ordered
from detectors.duplicates.linking import Linkage

TITLE = "Duplicates: F1 after 200 answers of a steward"
CONTEXT = RunContext(device="cpu")


def add_arguments(parser: ArgumentParser) -> None:
    """--rows N (generated people), --answers N."""
    parser.add_argument("--rows", type=int, default=10_000, help="generated people")
    parser.add_argument("--answers", type=int, default=200)


def run(options: Namespace) -> list[dict[str, Any]]:
    """F1 without answers, and with those of each way to choose, for two kinds of errors."""
    rows = []
    for corruption in ("keyboard", "clerk"):
        frame, truth = generate(options.rows, corruption=corruption, seed=23)
        batch = ordered(Batch(frame, ROLES))
        ((linkage, _),) = DuplicateDetector().link(batch, CONTEXT)
        before = _measure(DuplicateDetector(), batch, truth)
        rows.append({"data": corruption, "chosen": "no answers", "answers": 0, **before})
        for name, pairs in _choices(linkage, options.answers).items():
            ids = [int(one) for one in batch.frame.index]
            same = truth[linkage.left[pairs]] == truth[linkage.right[pairs]]
            labels = [
                Label(as_question(linkage, ids, int(pair)), bool(answer))
                for pair, answer in zip(pairs, same, strict=True)
            ]
            fitted = DuplicateDetector().fit(batch, labels, CONTEXT)
            after = _measure(fitted, batch, truth)
            rows.append(
                {"data": corruption, "chosen": name, "answers": len(pairs), **after, "learned": bool(fitted.learned)}
            )
    return rows


def _choices(linkage: Linkage, count: int) -> dict[str, np.ndarray[Any, Any]]:
    bits = linkage.bits
    return {
        "informative": worth_asking(linkage, count, known=frozenset(), seed=0),
        "nearest one half": np.argsort(np.abs(bits), kind="stable")[:count],
        "likeliest": np.argsort(-bits, kind="stable")[:count],
    }


def _measure(detector: DuplicateDetector, batch: Batch, truth: np.ndarray[Any, Any]) -> dict[str, Any]:
    measured = evaluation.measure(list(detector.link(batch, CONTEXT)), batch, truth)
    return {name: measured[name] for name in ("precision", "recall", "f1")}
