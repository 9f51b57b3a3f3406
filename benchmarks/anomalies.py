"""Rows: anomalies found with feedback, time from a verdict to the new order, members without labels, memory.

python -m benchmarks anomalies [--part discovery|speed|members|memory|sample] [--data FOLDER] [--seeds 5] [--json]
"""

from __future__ import annotations

import resource
import sys
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from importlib import import_module
from multiprocessing import get_context
from pathlib import Path
from statistics import mean, median
from typing import Any

import numpy as np
from threadpoolctl import threadpool_limits

from benchmarks import _anomalies_sample
from detectors.anomalies import members
from detectors.anomalies.active import LeafWeights
from detectors.anomalies.discovery import Answer, Discovery, Unlabelled, unlabelled
from detectors.anomalies.evaluation import Truth, area, discovery_curve, read, simulate
from detectors.anomalies.features import Feature, Features
from detectors.anomalies.forest import Floats, grow
from detectors.anomalies.strategies import Strategy

TITLE = "Anomalous rows: discovery with feedback, time to re-rank, members without labels"
PEERS = ["pyod==3.6.7"]
PARTS = ("discovery", "speed", "members", "memory", "sample")
SHARED = Path(__file__).resolve().parents[2] / "shared" / "data" / "anomaly"
BUDGET, PAGE, NOISE = 200, 20, 0.2
SIZES = ((11_000, 6), (170_000, 7))
ANSWERS = 200
LENGTHS = (100_000, 1_000_000)
COLUMNS = 7


def add_arguments(parser: ArgumentParser) -> None:
    """What to run, on which folder of labelled tables, and over how many seeds."""
    parser.add_argument("--part", choices=PARTS, action="append", help="repeatable; all by default")
    parser.add_argument("--data", type=Path, default=SHARED, help="folder of CSV files whose first column is the truth")
    parser.add_argument("--seeds", type=int, default=5)


def run(options: Namespace) -> list[dict[str, Any]]:
    """The rows of the parts asked for."""
    makers = {
        "discovery": _discovery_rows,
        "speed": _speed_rows,
        "members": _member_rows,
        "memory": _memory_rows,
        "sample": lambda options: list(_anomalies_sample.rows(options.seeds)),
    }
    return [row for part in options.part or PARTS for row in makers[part](options)]


def _tables(folder: Path) -> Iterator[tuple[str, Features, Truth]]:
    for path in sorted(folder.glob("*.csv")):
        truth = path.read_text().split(",", 1)[0]
        yield path.stem, *read(str(path), truth)


def _discovery_rows(options: Namespace) -> list[dict[str, Any]]:
    rows: list[dict[str, Any]] = []
    for name, made, truth in _tables(options.data):
        print(f"{name} ...", file=sys.stderr, flush=True)
        budget = min(BUDGET, len(truth))
        by_seed = [_by_method(unlabelled(made, seed), truth, budget, seed) for seed in range(options.seeds)]
        rows.append(
            {"part": "area", "set": name} | {key: round(mean(r[key] for r in by_seed), 3) for key in by_seed[0]}
        )
    if rows:
        shared = [key for key in rows[0] if key not in {"part", "set"}]
        rows.append({"part": "area", "set": "mean"} | {key: round(mean(row[key] for row in rows), 3) for key in shared})
    return rows


def _by_method(table: Unlabelled, truth: Truth, budget: int, seed: int) -> dict[str, float]:
    """The area of each way to use the answers."""

    def ours(**given: Any) -> float:
        return area(simulate(table, truth, budget, seed=seed, **given)[0], truth)

    return {
        "forest": area(discovery_curve(np.argsort(-table.isolation, kind="stable")[:budget], truth), truth),
        "aad": _leaf_weights(table, truth, budget, bayes=False),
        "aad_bayes": _leaf_weights(table, truth, budget, bayes=True),
        "ours": ours(),
        "ours_noise_20": ours(noise=NOISE),
        "ours_page_20": ours(page=PAGE),
        "ours_varied": ours(strategy=Strategy.DIVERSE),
    }


def _leaf_weights(table: Unlabelled, truth: Truth, budget: int, *, bayes: bool) -> float:
    """AAD as the papers state it, alone or with its ranks mixed with those of leaf naive Bayes."""
    weights = LeafWeights(table.leaves, table.forest.depth)
    shown: list[int] = []
    for _ in range(budget):
        order = members.ranks(weights.scores)
        found = int(truth[shown].sum())
        if bayes and found:
            share = found / (found + 10)
            order = (1 - share) * order + share * members.ranks(weights.bayes(np.arange(len(order))))
        order[shown] = -np.inf
        shown.append(int(order.argmax()))
        weights.count(shown[-1], bool(truth[shown[-1]]))
        weights.solve(np.array(shown), truth[shown], np.ones(len(shown)))
    return area(discovery_curve(np.array(shown), truth), truth)


def _speed_rows(_: Namespace) -> list[dict[str, Any]]:
    with threadpool_limits(1):  # one core; a second BLAS thread would also count while it only waits
        return [_speed(rows, columns) for rows, columns in SIZES]


def _speed(rows: int, columns: int) -> dict[str, Any]:
    """CPU milliseconds from a verdict to the next card, beside rescoring every leaf and retraining."""
    rng = np.random.default_rng(1)
    table = unlabelled(_heavy_tailed(rows, columns, rng), 0)
    asked = np.argsort(-table.isolation)[:ANSWERS]
    discovery = Discovery(table, [Answer(int(row), bool(rng.random() < 0.3)) for row in asked])
    weights = LeafWeights(table.leaves, table.forest.depth)
    answer = _cpu_ms(lambda place: _answer(discovery, place), 20)
    rescore = _cpu_ms(lambda _: weights.rescore(), 10)
    refit = _cpu_ms(lambda _: discovery.fork().refit(), 3)
    return {
        "part": "speed",
        "rows": rows,
        "answers": ANSWERS,
        "answer_ms": round(answer, 2),
        "rescore_all_leaves_ms": round(rescore, 2),
        "refit_ms": round(refit, 1),
        "answer/rescore": round(answer / rescore, 2),
        "answer/refit": round(answer / refit, 4),
    }


def _heavy_tailed(rows: int, columns: int, rng: np.random.Generator) -> Features:
    names = tuple(Feature(f"x{place}", "number", (f"x{place}",)) for place in range(columns))
    values = rng.standard_t(4, size=(rows, columns))
    return Features(names, values, np.ones(values.shape, bool))


def _answer(discovery: Discovery, place: int) -> None:
    """One verdict on the best open row, and the next one after it."""
    row = discovery.next(1)[0]
    discovery.answer(Answer(row, place % 3 == 0))


def _cpu_ms(work: Callable[[int], object], times: int) -> float:
    spent = []
    work(0)
    for place in range(times):
        started = time.process_time()
        work(place)
        spent.append(time.process_time() - started)
    return 1000 * median(spent)


def _memory_rows(_: Namespace) -> list[dict[str, Any]]:
    """Each length in a process of its own, since a process's peak never falls."""
    with ProcessPoolExecutor(1, mp_context=get_context("spawn"), max_tasks_per_child=1) as fresh:
        return list(fresh.map(_memory, LENGTHS))


def _memory(rows: int) -> dict[str, Any]:
    """Peak memory and CPU of a fit, of refits and of answers at this length."""
    unlabelled(_heavy_tailed(1000, COLUMNS, np.random.default_rng(0)), 0)
    rng = np.random.default_rng(1)
    made = _heavy_tailed(rows, COLUMNS, rng)
    before, started = _peak_mb(), time.process_time()
    table = unlabelled(made, 0)
    fitted, spent = _peak_mb(), time.process_time() - started
    discovery = Discovery(
        table, [Answer(int(row), bool(rng.random() < 0.3)) for row in table.isolation.argsort()[-ANSWERS:]]
    )
    for place in range(5):
        _answer(discovery, place)
    return {
        "part": "memory",
        "rows": rows,
        "columns": COLUMNS,
        "features_mb": round(made.values.nbytes / 2**20),
        "process_before_mb": round(before),
        "peak_after_fit_mb": round(fitted),
        "peak_after_answers_mb": round(_peak_mb()),
        "fit_cpu_s": round(spent, 1),
    }


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def _member_rows(options: Namespace) -> list[dict[str, Any]]:
    from sklearn.metrics import average_precision_score, roc_auc_score

    scored: dict[str, list[tuple[float, float, float]]] = {}
    for _, made, truth in _tables(options.data):
        for name, (scores, seconds) in _ways(made).items():
            judged = roc_auc_score(truth, scores), average_precision_score(truth, scores), seconds
            scored.setdefault(name, []).append(judged)
    rows = [
        {
            "part": "members",
            "member": name,
            "auroc": round(auroc, 3),
            "ap": round(precision, 3),
            "cpu_s": round(spent, 2),
        }
        for name, (auroc, precision, spent) in ((name, np.mean(found, axis=0)) for name, found in scored.items())
    ]
    return rows if _pyod() else [*rows, {"part": "members", "member": "PyOD", "auroc": "not installed"}]


def _ways(made: Features) -> dict[str, tuple[Floats, float]]:
    """Every way's scores and CPU seconds on one table."""
    values = made.values
    ways: dict[str, Callable[[], Floats]] = {
        "ours: all members": lambda: unlabelled(made, 0).outlyingness,
        "ours: isolation forest": lambda: _isolation(values),
        "ours: ECOD": lambda: members.ecod(values),
        "ours: quantile HBOS": lambda: members.quantile_hbos(values),
        "ours: robust z": lambda: members.robust_z(values).max(axis=1),
        "ours: IQR fences": lambda: members.iqr_fences(values).sum(axis=1),
        "ours: regression residual": lambda: members.regression_residual(values).max(axis=1),
    }
    if _pyod():
        for name in ("ECOD", "COPOD", "HBOS", "IForest"):
            model = getattr(import_module(f"pyod.models.{name.lower()}"), name)
            seeded = {"random_state": 0} if name == "IForest" else {}
            ways[f"PyOD {name}"] = lambda model=model, seeded=seeded: model(**seeded).fit(values).decision_scores_  # type: ignore[misc]
    return {name: _timed(work) for name, work in ways.items()}


def _isolation(values: Floats) -> Floats:
    forest = grow(values.astype(np.float32), 0)
    return forest.score(forest.leaves(values.astype(np.float32)))


def _pyod() -> bool:
    try:
        import_module("pyod.models.ecod")
    except ImportError:
        return False
    return True


def _timed(work: Callable[[], Floats]) -> tuple[Floats, float]:
    started = time.process_time()
    scores = work()
    return scores, time.process_time() - started
