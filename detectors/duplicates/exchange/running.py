"""An export on disk, and Splink run on it: prepared records, term frequencies and settings in one directory."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from detectors.contract import Batch
from detectors.duplicates.exchange import settings as making
from detectors.duplicates.exchange.dialects import NAMES, Dialect
from detectors.duplicates.exchange.prepared import KEY, prepare
from detectors.duplicates.scoring import Model

RECORDS, MANIFEST = "records.parquet", "manifest.json"
FORMAT = 1


class CannotRun(Exception):
    """An engine, a file or a setting is missing; the message says which and what to do."""


@dataclass(frozen=True)
class Exported:
    """What an export wrote."""

    directory: Path
    rows: int
    comparisons: tuple[str, ...]
    keys: tuple[str, ...]


def export(batch: Batch, entity: str, model: Model, directory: Path) -> Exported:
    """Write the model and the batch's records (ordered by id) for Splink, for every dialect.

    settings_<dialect>.json: the model. records.parquet: the prepared records. tf_<column>.parquet: the term frequencies
    of a column. manifest.json: what is in it. Raises ValueError if the model does not fit the batch.
    """
    directory.mkdir(parents=True, exist_ok=True)
    prepared = prepare(batch, entity)
    for name in NAMES:
        text = json.dumps(making.settings(prepared, model, Dialect(name)), indent=1)
        (directory / f"settings_{name}.json").write_text(text, encoding="utf-8")
    pq.write_table(prepared.records, directory / RECORDS)
    for row, (column, table) in enumerate(prepared.frequencies.items()):
        rare = table["rarity"].to_numpy()
        top = prepared.compared[row].comparison.top
        shares = making.term_frequency(model, row, top, rare)
        pq.write_table(pa.table({column: table[column], f"tf_{column}": shares}), directory / f"tf_{column}.parquet")
    keys = tuple(key.name for key in prepared.keys if key.used)
    comparisons = tuple(one.column for one in prepared.compared)
    manifest = {
        "format": FORMAT,
        "entity": entity,
        "rows": prepared.plan.rows,
        "comparisons": {one.column: [one.comparison.key, list(one.comparison.fields)] for one in prepared.compared},
        "blocking": [
            {"key": key.name, "pairs": key.pairs, "oversized": key.oversized, "used": key.used} for key in prepared.keys
        ],
        "tolerance_bits": making.TOLERANCE,
    }
    (directory / MANIFEST).write_text(json.dumps(manifest, indent=1), encoding="utf-8")
    return Exported(directory, prepared.plan.rows, comparisons, keys)


def run(
    directory: Path, engine: str, *, threshold: float | None = None, options: Mapping[str, str] | None = None
) -> pa.Table:
    """Splink's pairs of an export: record_id_l, record_id_r, match_weight (bits), match_probability.

    engine: "duckdb" or "spark" (a local session unless spark.master in `options` says otherwise). threshold: the least
    weight kept. Raises CannotRun.
    """
    try:
        dialect = Dialect(engine)
    except ValueError as error:
        raise CannotRun(str(error)) from error
    path = directory / f"settings_{engine}.json"
    if not path.is_file() or not (directory / RECORDS).is_file():
        raise CannotRun(f"{directory} holds no export: {path.name} or {RECORDS} is not there")
    try:
        import splink
    except ImportError as error:
        raise CannotRun("Splink is not installed: pip install 'crmquality[splink]'") from error
    if dialect.duckdb:
        return _predicted(_duckdb(splink, directory), path, directory, threshold)
    session = _spark(options or {})
    try:
        return _predicted(_on_spark(session, directory), path, directory, threshold)
    finally:
        session.stop()


def _predicted(database: tuple[Any, Any, Any], path: Path, directory: Path, threshold: float | None) -> pa.Table:
    import splink

    api, records, read = database
    linker = splink.Linker(api.register(records), json.loads(path.read_text(encoding="utf-8")), log_level=40)
    for file in sorted(directory.glob("tf_*.parquet")):
        linker.table_management.register_term_frequency_lookup(api.register(read(file)), file.stem.removeprefix("tf_"))
    predicted = linker.inference.predict(threshold_match_weight=threshold)
    frame = predicted.as_pandas_dataframe()[[f"{KEY}_l", f"{KEY}_r", "match_weight", "match_probability"]]
    frame["match_weight"] = frame["match_weight"].astype(np.float64)
    return pa.Table.from_pandas(frame, preserve_index=False).sort_by(
        [(f"{KEY}_l", "ascending"), (f"{KEY}_r", "ascending")]
    )


def _duckdb(splink: Any, directory: Path) -> tuple[Any, Any, Any]:
    return splink.DuckDBAPI(), pq.read_table(directory / RECORDS), pq.read_table


def _spark(options: Mapping[str, str]) -> Any:
    """A Spark session with Splink's jar. Raises CannotRun without pyspark or Java."""
    try:
        from pyspark.sql import SparkSession
    except ImportError as error:
        raise CannotRun("Spark is not installed: pip install 'crmquality[spark]'") from error
    from splink.backends.spark import similarity_jar_location

    wanted = {
        "spark.master": "local[*]",
        "spark.ui.enabled": "false",
        "spark.sql.shuffle.partitions": "8",
        "spark.jars": similarity_jar_location(),
        **options,
    }
    builder = SparkSession.builder.appName("crmquality")
    for name, value in wanted.items():
        builder = builder.config(name, value)
    try:
        session = builder.getOrCreate()
    except Exception as error:  # pyspark wraps a missing Java in errors of its own, which differ by version
        raise CannotRun(
            f"Spark did not start; Java 17 must be installed: {' '.join(str(error).split())[:200]}"
        ) from error
    session.sparkContext.setLogLevel("ERROR")
    return session


def _on_spark(session: Any, directory: Path) -> tuple[Any, Any, Any]:
    from splink.backends.spark import SparkAPI

    api = SparkAPI(spark_session=session, break_lineage_method="persist")
    return api, session.read.parquet(str(directory / RECORDS)), lambda file: session.read.parquet(str(file))
