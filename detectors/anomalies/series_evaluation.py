"""`manage.py evaluate series DIR`: the NAB score of every online method on a folder in NAB's layout.

DIR holds data/**/*.csv (columns timestamp, value) and labels/combined_windows.json (file -> windows). Files
without labels are left out; a labelled file that is absent is an error.
"""

from __future__ import annotations

import json
from argparse import ArgumentParser, Namespace
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd

from detectors.anomalies.series_methods import DEFAULT_METHOD, METHODS
from detectors.anomalies.series_nab import Floats, Labelled, NabScore, nab_score, probation
from detectors.evaluation import DoesNotFit, read_table, require


def add_arguments(parser: ArgumentParser) -> None:
    """The folder, and which methods to run."""
    parser.add_argument("directory", metavar="DIR", help="folder with data/ and labels/combined_windows.json")
    parser.add_argument(
        "--method",
        action="append",
        choices=list(METHODS),
        help="run only this method (repeatable); without it all, and the score is the default's",
    )


def evaluate(options: Namespace) -> dict[str, Any]:
    """The standard-profile score of the product's default method, and of every method.

    Raises DoesNotFit if the folder has not NAB's layout.
    """
    corpus = read_corpus(Path(options.directory))
    chosen: Sequence[str] = getattr(options, "method", None) or list(METHODS)
    reached = {name: score_method(name, corpus) for name in chosen}
    first = DEFAULT_METHOD if DEFAULT_METHOD in reached else chosen[0]
    return {
        "score": round(reached[first].score, 2),
        "method": first,
        "by_method": {name: round(result.score, 2) for name, result in reached.items()},
        "windows": reached[first].windows,
        "windows_hit": reached[first].hits,
        "false_alarms": reached[first].false_alarms,
        "files": len(corpus),
        "rows": sum(len(series.values) for series in corpus),
    }


def score_method(name: str, corpus: Sequence[Labelled]) -> NabScore:
    """One method's NAB score, with the same settings for every file."""
    method = METHODS[name]
    scores: dict[str, Floats] = {
        series.name: method(series.times, series.values, probation(len(series.values))) for series in corpus
    }
    return nab_score(corpus, scores)


def read_corpus(directory: Path) -> list[Labelled]:
    """Every labelled series of a folder in NAB's layout.

    Raises DoesNotFit, naming the file, for a missing or malformed label file, series or window.
    """
    labels = _read_labels(directory / "labels" / "combined_windows.json")
    corpus = [_read_series(directory, name, windows) for name, windows in sorted(labels.items())]
    if not any(series.windows for series in corpus):
        raise DoesNotFit(f"{directory}: no file has a labelled window, so there is nothing to score")
    return corpus


def _read_labels(path: Path) -> dict[str, list[list[str]]]:
    if not path.is_file():
        raise DoesNotFit(f"{path}: no such file; expected NAB's layout, data/ beside labels/")
    try:
        labels = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise DoesNotFit(f"{path}: not JSON: {error}") from error
    if not isinstance(labels, dict) or not all(isinstance(windows, list) for windows in labels.values()):
        raise DoesNotFit(f"{path}: expected an object of file -> list of [start, end]")
    return labels


def _read_series(directory: Path, name: str, windows: list[list[str]]) -> Labelled:
    path = directory / "data" / name
    frame = read_table(path)
    require(frame, ["timestamp", "value"], path)
    try:
        times = _seconds(frame["timestamp"])
        values = pd.to_numeric(frame["value"]).to_numpy(dtype=np.float64)
        bounds = sorted(tuple(_seconds(pd.Series(window, dtype=object))) for window in windows)
    except (ValueError, TypeError) as error:
        raise DoesNotFit(f"{path}: not a time and a number in every row: {error}") from error
    order = np.argsort(times, kind="stable")
    return Labelled(name, times[order], values[order], tuple(_rows(times[order], bounds, path)))


def _seconds(stamps: pd.Series) -> Floats:
    moments = pd.to_datetime(stamps, utc=True, format="ISO8601")
    seconds = (moments - pd.Timestamp(0, tz="UTC")) / pd.Timedelta(seconds=1)
    return np.asarray(seconds, dtype=np.float64)


def _rows(times: Floats, bounds: Sequence[tuple[float, ...]], path: Path) -> list[tuple[int, int]]:
    """First and last row of each window."""
    windows = []
    for start, end in bounds:
        first = int(np.searchsorted(times, start, side="left"))
        last = int(np.searchsorted(times, end, side="right")) - 1
        if first > last:
            raise DoesNotFit(f"{path}: a labelled window holds no row of the series")
        windows.append((first, last))
    return windows
