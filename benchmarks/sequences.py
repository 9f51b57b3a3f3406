"""Sequence models: how fast they train against the naive loop, and whether they beat no model at all."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Iterator
from typing import Any

import numpy as np

from benchmarks._sequence_training import memory, training
from detectors.anomalies.sequence_features import Encoding, process_of
from detectors.anomalies.sequence_judging import fit_alone
from detectors.anomalies.sequence_members import MEMBERS
from detectors.anomalies.sequence_models import NETWORKS
from detectors.anomalies.sequence_scoring import area_under_curve, average_precision, likelihood
from detectors.anomalies.sequence_synthetic import KINDS, process_stream
from detectors.contract import Batch
from detectors.roles import Role

TITLE = "Sequence models: training against the naive loop, and each model against the control"
PEERS: list[str] = []

PUBLISHED_RATE = 1e-5
ROLES = {
    "Account": Role.ACCOUNT_REF,
    "Created": Role.CREATED_AT,
    "Stage": Role.STAGE,
    "Amount": Role.AMOUNT,
    "Probability": Role.PROBABILITY,
    "Currency": Role.CURRENCY,
    "Reason": Role.REASON,
    "Quantity": Role.QUANTITY,
}


def add_arguments(parser: ArgumentParser) -> None:
    """Sizes: the defaults are the figure's; fewer rows for a quick look."""
    parser.add_argument("--part", choices=["training", "memory", "quality", "all"], default="all")
    parser.add_argument("--network", choices=list(NETWORKS), action="append", help="for training; both by default")
    parser.add_argument("--rows", type=int, default=170_000, help="rows of 7 features to train on")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--naive-rate", type=float, default=PUBLISHED_RATE, help="the published library's is 1e-5")
    parser.add_argument("--naive-batches", type=int, default=500, help="timed and multiplied up; 0 for all")
    parser.add_argument("--unrecorded", action="store_true", help="start a GPU's kernels one by one from Python")
    parser.add_argument("--quality-rows", type=int, default=40_000)
    parser.add_argument("--seeds", type=int, default=5)
    parser.add_argument("--device", default="auto", choices=["auto", "cpu", "cuda"])


def run(options: Namespace) -> list[dict[str, Any]]:
    """Rows of the parts; columns that a part lacks are left out."""
    rows: list[dict[str, Any]] = []
    for network in options.network or list(NETWORKS):
        if options.part in {"training", "all"}:
            rows += training(network, options)
        if options.part in {"training", "memory", "all"}:
            rows += memory(network, options)
    if options.part in {"quality", "all"}:
        rows += quality(options)
    return rows


def quality(options: Namespace) -> list[dict[str, Any]]:
    """Each member on streams it was not made for: mean over the seeds, on the last fifth of the rows."""
    found: dict[str, list[dict[str, float]]] = {name: [] for name in MEMBERS}
    for seed in range(options.seeds):
        for name, figures in _quality_of(seed, options):
            found[name].append(figures)
    rows = []
    for name, seeds in found.items():
        means = {key: round(float(np.mean([one[key] for one in seeds])), 3) for key in seeds[0]}
        spread = round(float(np.std([one["AP"] for one in seeds])), 3)
        rows.append({"model": name, "rows": options.quality_rows, "seeds": options.seeds} | means | {"AP sd": spread})
    return rows


def _quality_of(seed: int, options: Namespace) -> Iterator[tuple[str, dict[str, float]]]:
    stream = process_stream(options.quality_rows, seed=100 + seed)
    process = process_of(Batch(stream.frame(), ROLES, "orders"))
    if process is None:
        raise RuntimeError("the stream has no dates")
    kind = stream.kind[process.ids]
    encoding = Encoding.of(process)
    rows = encoding.encode(process)
    last = slice(int(len(rows) * 0.8), len(rows))
    for name in MEMBERS:
        model = fit_alone(encoding, rows, process.starts, name, seed=seed, device=options.device)
        judged = model.judge(rows, process.starts)
        odd = kind[last] >= 0
        creep = np.isin(kind[last], [-1, KINDS.index("price creep")])
        figures = {
            "AP": average_precision(judged.rarity[last], odd & (kind[last] != KINDS.index("price creep"))),
            "AUROC": area_under_curve(judged.rarity[last], odd),
            "AUROC, plain L2": area_under_curve(judged.error[last], odd),
        }
        for number, what in enumerate(KINDS):
            chosen = np.isin(kind[last], [-1, number])
            figures[what] = area_under_curve(judged.rarity[last][chosen], odd[chosen])
        alone = {
            "price creep by the model alone": judged.local,
            "by its anomaly likelihood": likelihood(judged.local),
        }
        yield name, figures | {what: area_under_curve(by[last][creep], odd[creep]) for what, by in alone.items()}
