"""The gate of an import: rows that break a blocking rule of the source go to quarantine instead of becoming records."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import polars as pl
from django.db import connection
from django.utils import timezone

from crmquality.models import Source
from crmquality.services import validating
from crmquality.services.importing_keys import Hashes, SeenKeys
from detectors.rules.columns import Bools, Table
from detectors.rules.conditions import all_hold
from detectors.rules.kinds import Rule, Severity
from detectors.rules.relations import Unique

_HELD = """
    SELECT external_id, {cells} FROM crmquality_record
    WHERE source_id = %s AND golden_id IS NULL AND gone_at IS NULL
"""


class Gate:
    """Holds the blocks of one file against a source's blocking rules, in order. counts: rule -> rows that broke it.

    A rule that reads a column which the file lacks is left to the next run. What must be unique is so among the rows
    before it in the file and the records there are; the row of a record that holds the value already is no second one.
    """

    def __init__(self, source: Source, columns: Iterable[str]) -> None:
        there = set(columns)
        blocking = [rule for rule in validating.readable_rules(source) if rule.severity == Severity.BLOCKING]
        self.rules = [rule for rule in blocking if there >= set(rule.columns)]
        self.counts: Counter[str] = Counter()
        self._known = validating.known_ids(source, self.rules)
        self._today = timezone.now().date()
        self._taken = {rule.name: _Taken(source, rule) for rule in self.rules if isinstance(rule, Unique)}

    def reasons(self, rows: pl.DataFrame, keys: pl.Series) -> pl.Series:
        """(n,) why each row may not become a record, in words; null where it may. keys: the rows' external ids."""
        table = Table(rows, self._today, self._known)
        broken = [(rule, self._broken(rule, table, rows, keys)) for rule in self.rules]
        why: dict[int, list[str]] = {}
        for rule, bad in broken:
            places = np.flatnonzero(bad)
            self.counts[rule.name] += len(places)
            for place, held in zip(
                places.tolist(), rows[places].select(rule.columns).iter_rows(named=True), strict=True
            ):
                why.setdefault(place, []).append(f"breaks the rule “{rule.name}”: {rule.why(held)}")
        reasons: list[str | None] = [None] * rows.height
        for place, found in why.items():
            reasons[place] = " ".join(found)
        return pl.Series(reasons, dtype=pl.String)

    def _broken(self, rule: Rule, table: Table, rows: pl.DataFrame, keys: pl.Series) -> Bools:
        if isinstance(rule, Unique):
            return self._taken[rule.name].again(table, keys)
        applies, kept = rule.judge(table)
        return applies & ~kept


class _Taken:
    """The values of a unique rule that records and earlier rows hold, as hashes (see `SeenKeys`)."""

    def __init__(self, source: Source, rule: Unique) -> None:
        self.rule = rule
        self.values = SeenKeys()
        held: list[Hashes] = []
        statement = _HELD.format(cells=", ".join(["fields->>%s"] * len(rule.columns)))
        with connection.chunked_cursor() as cursor:
            cursor.execute(statement, [*rule.columns, source.pk])
            while rows := cursor.fetchmany(50_000):
                held.append(self._take(rows))
        self.holders = np.sort(np.concatenate(held)) if held else np.zeros(0, dtype=np.uint64)

    def again(self, table: Table, keys: pl.Series) -> Bools:
        """(n,) which rows hold a value that another record or an earlier row holds."""
        applies = self._applies(table)
        places = np.flatnonzero(applies)
        values = self._cells(table)[places]
        own = _hashes(values.with_columns(keys.gather(places).alias("key")))
        others = np.flatnonzero(~np.isin(own, self.holders))
        answer = np.zeros(len(applies), dtype=np.bool_)
        answer[places[others]] = self.values.add(_hashes(values[others]))
        return answer

    def _take(self, rows: Sequence[tuple[Any, ...]]) -> Hashes:
        """Note what some records hold; returns the hashes of value and holder together."""
        columns = [pl.Series(name, cells, dtype=pl.String) for name, cells in _named(rows, ("key", *self.rule.columns))]
        frame = pl.DataFrame(columns[1:])
        table = Table(frame, timezone.now().date())
        places = np.flatnonzero(self._applies(table))
        values = self._cells(table)[places]
        self.values.add(_hashes(values))
        return _hashes(values.with_columns(columns[0].gather(places).alias("key")))

    def _applies(self, table: Table) -> Bools:
        applies = all_hold(self.rule.when, table)
        for name in self.rule.fields:
            applies &= table.cells(name).filled
        return applies

    def _cells(self, table: Table) -> pl.DataFrame:
        return pl.DataFrame({str(at): table.cells(name).stripped for at, name in enumerate(self.rule.fields)})


def _named(rows: Sequence[tuple[Any, ...]], names: Sequence[str]) -> Iterable[tuple[str, list[Any]]]:
    return zip(names, map(list, zip(*rows, strict=True)), strict=True)


def _hashes(frame: pl.DataFrame) -> Hashes:
    found: Hashes = frame.hash_rows().to_numpy()
    return found
