"""Six checks over a table, and one record at a time, beside pandera and Great Expectations."""

from __future__ import annotations

import argparse
import importlib.util
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pandas as pd

from detectors.rules.checking import check, check_record
from detectors.rules.kinds import InRange, Matches, OneOf, Required, Rule
from detectors.rules.relations import Unique

TITLE = "Validation: six checks over a table, rows per core second"
PEERS = ["pandera==0.35.0", "great_expectations==1.24.1"]

_EMAIL = r"[\w.+-]+@[\w-]+(?:\.[\w-]+)+"
_POSTCODE = r"\d{5}"
_STAGES = ("new", "qualified", "proposal", "won", "lost")
RULES: tuple[Rule, ...] = (
    Unique(name="key is unique", fields=("key",)),
    Required(name="name is there", field="name"),
    Matches(name="e-mail looks like one", field="email", pattern=_EMAIL),
    Matches(name="postcode has five digits", field="postcode", pattern=_POSTCODE),
    OneOf(name="stage is known", field="stage", values=_STAGES),
    InRange(name="amount is believable", field="amount", low=0, high=1_000_000),
)


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """The size of the table."""
    parser.add_argument("--rows", type=int, default=200_000)
    parser.add_argument("--seed", type=int, default=0)


def run(options: argparse.Namespace) -> list[dict[str, Any]]:
    """One row a tool."""
    frame = contacts(options.rows, options.seed)
    ours = [
        _measured("ours, compiled columns", frame, lambda: sum(len(one.failing) for one in check(frame, RULES))),
        _measured("pandas masks by hand", frame, lambda: _by_hand(frame)),
        _peer("pandera", frame, _with_pandera),
        _peer("great_expectations", frame, _with_great_expectations),
    ]
    return [*ours, _single(frame)]


def contacts(rows: int, seed: int) -> pd.DataFrame:
    """A table of text cells of which about one in a hundred fails each check."""
    rng = np.random.default_rng(seed)
    bad = rng.random((rows, 6)) < 0.01
    key = np.char.add("K", np.arange(rows).astype(str)).astype(object)
    key[bad[:, 0]] = "K0"
    name = np.char.add("Person ", rng.integers(0, rows // 4 + 1, rows).astype(str)).astype(object)
    name[bad[:, 1]] = None
    email = np.char.add(np.char.add("p", np.arange(rows).astype(str)), "@example.com").astype(object)
    email[bad[:, 2]] = "nobody at example"
    postcode = rng.integers(10_000, 99_999, rows).astype(str).astype(object)
    postcode[bad[:, 3]] = "1234"
    stage = np.array(_STAGES, dtype=object)[rng.integers(0, len(_STAGES), rows)]
    stage[bad[:, 4]] = "unclear"
    amount = rng.integers(0, 50_000, rows).astype(str).astype(object)
    amount[bad[:, 5]] = "-1"
    return pd.DataFrame(
        {"key": key, "name": name, "email": email, "postcode": postcode, "stage": stage, "amount": amount}
    ).astype(object)


def _measured(tool: str, frame: pd.DataFrame, work: Callable[[], int]) -> dict[str, Any]:
    best, failures = float("inf"), 0
    for _ in range(3):
        started = time.process_time()
        failures = work()
        best = min(best, time.process_time() - started)
    return {"tool": tool, "rows": len(frame), "failures": failures, "rows_per_core_second": round(len(frame) / best)}


def _peer(name: str, frame: pd.DataFrame, work: Callable[[pd.DataFrame], int]) -> dict[str, Any]:
    if importlib.util.find_spec(name) is None:
        return {"tool": name, "rows": len(frame), "note": "not installed"}
    return _measured(name, frame, lambda: work(frame))


def _single(frame: pd.DataFrame) -> dict[str, Any]:
    first = frame.head(1_000)
    records = first.where(first.notna(), None).to_dict("records")
    times, failures = [], 0
    for record in records:
        started = time.process_time()
        failures += len(check_record(record, RULES))
        times.append(1_000 * (time.process_time() - started))
    p50, p99 = np.percentile(times, [50, 99])
    return {
        "tool": "one record, all checks",
        "rows": len(records),
        "failures": failures,
        "p50_ms": round(float(p50), 2),
        "p99_ms": round(float(p99), 2),
    }


def _by_hand(frame: pd.DataFrame) -> int:
    failed = [
        frame["key"].duplicated(keep=False),
        frame["name"].isna(),
        ~frame["email"].str.fullmatch(_EMAIL),
        ~frame["postcode"].str.fullmatch(_POSTCODE),
        ~frame["stage"].isin(_STAGES),
        ~pd.to_numeric(frame["amount"], errors="coerce").between(0, 1_000_000),
    ]
    return int(sum(int(mask.sum()) for mask in failed))


def _with_pandera(frame: pd.DataFrame) -> int:
    import pandera.pandas as pa

    schema = pa.DataFrameSchema(
        {
            "key": pa.Column(str, unique=True),
            "name": pa.Column(str, nullable=False),
            "email": pa.Column(str, pa.Check.str_matches(f"^{_EMAIL}$")),
            "postcode": pa.Column(str, pa.Check.str_matches(f"^{_POSTCODE}$")),
            "stage": pa.Column(str, pa.Check.isin(_STAGES)),
            "amount": pa.Column(float, pa.Check.in_range(0, 1_000_000), coerce=True),
        }
    )
    try:
        schema.validate(frame, lazy=True)
    except pa.errors.SchemaErrors as errors:
        return len(errors.failure_cases)
    return 0


def _with_great_expectations(frame: pd.DataFrame) -> int:
    import great_expectations as gx

    context = gx.get_context(mode="ephemeral")
    source = context.data_sources.add_pandas("table")
    batch = source.add_dataframe_asset("rows").add_batch_definition_whole_dataframe("all")
    whole = batch.get_batch({"dataframe": frame.assign(amount=pd.to_numeric(frame["amount"]))})
    expected = gx.expectations
    results = [
        whole.validate(expectation)
        for expectation in (
            expected.ExpectColumnValuesToBeUnique(column="key"),
            expected.ExpectColumnValuesToNotBeNull(column="name"),
            expected.ExpectColumnValuesToMatchRegex(column="email", regex=f"^{_EMAIL}$"),
            expected.ExpectColumnValuesToMatchRegex(column="postcode", regex=f"^{_POSTCODE}$"),
            expected.ExpectColumnValuesToBeInSet(column="stage", value_set=list(_STAGES)),
            expected.ExpectColumnValuesToBeBetween(column="amount", min_value=0, max_value=1_000_000),
        )
    ]
    return sum(int(result.result.get("unexpected_count", 0)) for result in results)
