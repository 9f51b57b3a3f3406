"""Files that grow block by block: CSV or Parquet, all columns text, as a CRM exports them."""

from __future__ import annotations

from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.csv
import pyarrow.parquet

from crmquality.sample.places import Table

FORMATS = ("csv", "parquet")


class TableWriter:
    """Writes tables of the same columns one after the other into one file."""

    def __init__(self, path: Path) -> None:
        """path: ends with .csv or .parquet; what was there is overwritten."""
        self.path = path
        self.rows = 0
        self._writer: Any = None

    def write(self, table: Table) -> None:
        """Append; the first table sets the columns. Empty cells are empty in CSV and null in Parquet."""
        columns = {name: pa.array(column, type=pa.string()) for name, column in table.items()}
        batch = pa.table(columns)
        if self._writer is None:
            self._writer = self._open(batch.schema)
        self._writer.write_table(_with_nulls(batch) if self.path.suffix == ".parquet" else batch)
        self.rows += batch.num_rows

    def _open(self, schema: Any) -> Any:
        if self.path.suffix == ".parquet":
            return pyarrow.parquet.ParquetWriter(self.path, schema, compression="zstd")
        options = pyarrow.csv.WriteOptions(quoting_style="needed")
        return pyarrow.csv.CSVWriter(self.path, schema, write_options=options)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()


def _with_nulls(batch: Any) -> Any:
    null = pa.scalar(None, type=pa.string())
    columns = [pa.compute.if_else(pa.compute.equal(column, ""), null, column) for column in batch.columns]
    return pa.table(columns, names=batch.column_names)
