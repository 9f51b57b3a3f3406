"""What every `manage.py evaluate KIND` shares: reading a file as text, mapping columns, measuring.

Each kind's `evaluation.py` defines `add_arguments(parser)` and `evaluate(options) -> dict`; the command adds
`seconds` and `peak_mb`. No server and no database is needed.
"""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any

import pandas as pd

from detectors.roles import Role

ROOMS = {
    "duplicates": "detectors.duplicates.evaluation",
    "anomalies": "detectors.anomalies.evaluation",
    "series": "detectors.anomalies.series_evaluation",
    "fields": "detectors.conflicts.evaluation",
    "missing": "detectors.prediction.missing_evaluation",
    "addresses": "detectors.addresses.evaluation",
    "prediction": "detectors.prediction.evaluation",
}


class DoesNotFit(Exception):
    """The file cannot be evaluated; the message says what, where and how to mend it, in one line."""


@dataclass(frozen=True)
class Evaluation:
    """One kind of evaluation: its arguments and what it measures."""

    add_arguments: Callable[[ArgumentParser], None]
    evaluate: Callable[[Namespace], dict[str, Any]]


def of_kind(kind: str) -> Evaluation:
    """The evaluation of this kind (a key of ROOMS); imports only what it needs."""
    module = import_module(ROOMS[kind])
    return Evaluation(module.add_arguments, module.evaluate)


def read_table(path: str | Path) -> pd.DataFrame:
    """A CSV or Parquet file with every cell as text; a blank cell is None.

    Raises DoesNotFit if the file is missing, empty or not a table.
    """
    path = Path(path)
    if not path.is_file():
        raise DoesNotFit(f"{path}: no such file")
    try:
        if path.suffix.lower() in {".parquet", ".pq"}:
            frame = pd.read_parquet(path)
            frame = frame.astype(object).map(lambda value: None if pd.isna(value) else str(value))
        else:
            guess: dict[str, Any] = {"sep": None, "engine": "python"} if _odd(path) else {}
            frame = pd.read_csv(path, dtype=str, keep_default_na=False, encoding="utf-8-sig", **guess)
    except (ValueError, OSError, pd.errors.ParserError) as error:
        raise DoesNotFit(f"{path}: cannot be read as a table: {error}") from error
    if frame.columns.empty:
        raise DoesNotFit(f"{path}: has no columns")
    frame = frame.astype(object)
    return frame.where(frame.notna() & (frame != ""), None)


def _odd(path: Path) -> bool:
    """Whether the header's delimiter is not a comma."""
    with path.open(encoding="utf-8-sig", errors="replace") as lines:
        header = lines.readline()
    return header.count(",") < max(header.count(";"), header.count("\t"), header.count("|"))


def require(frame: pd.DataFrame, columns: Iterable[str], path: str | Path) -> None:
    """Raises DoesNotFit, naming the columns there are, if one of `columns` is not in the frame."""
    absent = [name for name in columns if name not in frame.columns]
    if absent:
        there = ", ".join(map(str, frame.columns))
        raise DoesNotFit(f"{path}: no column {', '.join(map(repr, absent))}; columns there: {there}")


def add_map_argument(parser: ArgumentParser) -> None:
    """The option --map role=column, repeatable."""
    parser.add_argument("--map", action="append", default=[], metavar="ROLE=COLUMN", help="say what a column means")


def parse_map(pairs: Iterable[str], frame: pd.DataFrame) -> dict[str, Role]:
    """Column -> role from ["email=Mail", ...]. Raises DoesNotFit for an unknown role or column."""
    mapped: dict[str, Role] = {}
    for pair in pairs:
        name, _, column = pair.partition("=")
        if name not in Role._value2member_map_:
            raise DoesNotFit(f"--map {pair}: no role {name!r}; roles: {', '.join(Role)}")
        if column not in frame.columns:
            raise DoesNotFit(f"--map {pair}: no column {column!r}; columns there: {', '.join(map(str, frame.columns))}")
        mapped[column] = Role(name)
    return mapped
