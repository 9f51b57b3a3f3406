"""Reading columns of dates from two sources with strays, beside pandas, dateutil and dateparser."""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any

import numpy as np
import pandas as pd

from detectors.formats.date_columns import read_dates

TITLE = "Dates: read rightly, wrongly, or left to a person; microseconds a row"
PEERS = ["python-dateutil==2.9.0.post0", "dateparser==1.5.0"]

_STYLES = {
    "erp": ("%d/%m/%Y", "%d/%m/%y", "%d.%m.%Y"),
    "shop": ("%m/%d/%Y", "%m-%d-%Y", "%m/%d/%y"),
}
_STRAYS = ("%Y-%m-%d", "%d %B %Y", "%b %d, %Y", "%Y%m%d", "%Y-%m-%dT%H:%M:%S")
_SLOW = 5_000


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """How much is generated."""
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--columns", type=int, default=5)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a tool: shares of right, wrong and unread values over the columns; `ratio`: time, ours = 1.

    Ours is called once before: its machine code is made at the first call and kept between runs.
    """
    _ours(pd.Series(["1/2/2020"], dtype=object), None)
    columns = [generated(options.rows, options.seed + at) for at in range(options.columns)]
    few = [(texts.head(_SLOW), origin.head(_SLOW), truth.head(_SLOW)) for texts, origin, truth in columns[:1]]
    tools: list[tuple[str, Callable[[pd.Series, pd.Series], pd.Series], list[Any]]] = [
        ("ours, by column and source", _ours, columns),
        ("ours, source not told", lambda texts, _: _ours(texts, None), columns),
        ("pandas, mixed", _pandas, few),
        ("dateutil", _dateutil, few),
        ("dateparser", _dateparser, few),
    ]
    rows = [_row(name, read, data) for name, read, data in tools]
    return [
        row | {"ratio": round(row["us_per_row"] / rows[0]["us_per_row"], 2)} if "rows" in row else row for row in rows
    ]


def generated(rows: int, seed: int) -> tuple[pd.Series, pd.Series, pd.Series]:
    """Texts, sources and true dates: two sources, one style each, and one stray in fifty in another style."""
    rng = np.random.default_rng(seed)
    start = date(1950, 1, 1)
    truth = [start + timedelta(days=int(days)) for days in rng.integers(0, 27_000, rows)]
    origin = rng.choice(["erp", "shop"], rows, p=[0.6, 0.4])
    style = {name: styles[seed % len(styles)] for name, styles in _STYLES.items()}
    strays = rng.random(rows) < 0.02
    texts = [
        day.strftime(_STRAYS[int(rng.integers(len(_STRAYS)))] if stray else style[source])
        for day, source, stray in zip(truth, origin, strays, strict=True)
    ]
    return pd.Series(texts, dtype=object), pd.Series(origin, dtype=object), pd.Series(pd.to_datetime(truth))


def _ours(texts: pd.Series, origin: pd.Series | None) -> pd.Series:
    found = read_dates(texts, origin, past=True)
    return found["date"].mask(found["ambiguous"])


def _pandas(texts: pd.Series, _: pd.Series) -> pd.Series:
    return pd.to_datetime(texts, format="mixed", errors="coerce")


def _dateutil(texts: pd.Series, _: pd.Series) -> pd.Series:
    from dateutil import parser

    return texts.map(parser.parse)


def _dateparser(texts: pd.Series, _: pd.Series) -> pd.Series:
    if importlib.util.find_spec("dateparser") is None:
        raise ImportError("dateparser")
    import dateparser

    return texts.map(dateparser.parse)


def _row(name: str, read: Callable[[pd.Series, pd.Series], pd.Series], data: list[Any]) -> dict[str, Any]:
    right = wrong = rows = 0
    seconds = 0.0
    for texts, origin, truth in data:
        started = time.process_time()
        try:
            found = read(texts, origin)
        except ImportError:
            return {"tool": name, "note": "not installed"}
        seconds += time.process_time() - started
        days = pd.to_datetime(found).dt.normalize().astype("datetime64[s]")
        known = days.notna()
        right += int((days[known] == truth[known].astype("datetime64[s]")).sum())
        wrong += int((days[known] != truth[known].astype("datetime64[s]")).sum())
        rows += len(texts)
    return {
        "tool": name,
        "rows": rows,
        "right": round(right / rows, 5),
        "wrong": round(wrong / rows, 5),
        "left_to_a_person": round(1 - (right + wrong) / rows, 5),
        "us_per_row": round(1e6 * seconds / rows, 2),
    }
