"""A source's live records as a batch for a detector."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import numpy as np
import pandas as pd
from django.db import connection

from crmquality.models import Source
from detectors.contract import Batch

_ROWS = """
    SELECT id, {cells} FROM crmquality_record
    WHERE source_id = %s AND golden_id IS NULL AND gone_at IS NULL {only}
    ORDER BY id
"""


def source_batch(source: Source, *, only: Iterable[int] | None = None) -> Batch:
    """The live records of a source, every cell a str or None; only these ids if given.

    Read through a server-side cursor: memory is that of the frame.
    """
    roles = source.column_roles
    columns = list(roles)
    return Batch(read_columns(source, columns, only=only), roles, kind=source.kind)


def read_columns(source: Source, columns: Sequence[str], *, only: Iterable[int] | None = None) -> pd.DataFrame:
    """Some columns of the live records, every cell a str or None, indexed by record id."""
    cells = ", ".join(["fields->>%s"] * len(columns)) or "NULL"
    sql = _ROWS.format(cells=cells, only="" if only is None else "AND id = ANY(%s)")
    params: list[Any] = [*columns, source.pk]
    if only is not None:
        params.append(list(only))
    parts = [np.empty((len(columns) + 1, 0), dtype=object)]
    with connection.chunked_cursor() as cursor:
        cursor.execute(sql, params)
        while rows := cursor.fetchmany(20_000):
            parts.append(np.array(rows, dtype=object).T[: len(columns) + 1])
    table = np.concatenate(parts, axis=1)
    return pd.DataFrame(
        {name: pd.Series(cells, dtype=object) for name, cells in zip(columns, table[1:], strict=True)},
        columns=list(columns),
        dtype=object,
    ).set_axis(pd.Index(table[0].astype(np.int64)), axis=0)


def values_digest(rows: Iterable[Mapping[str, str | None]], columns: Iterable[str] | None = None) -> str:
    """MD5 of the values a claim was made from, whatever the order of the records."""
    kept = None if columns is None else set(columns)
    parts = sorted(
        json.dumps(
            {name: value for name, value in row.items() if kept is None or name in kept},
            sort_keys=True,
            ensure_ascii=False,
        )
        for row in rows
    )
    return hashlib.md5("\n".join(parts).encode(), usedforsecurity=False).hexdigest()
