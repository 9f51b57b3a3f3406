"""One pass over a table in blocks: exact counts where they are cheap, a uniform sample of rows for all else.

Memory does not grow with the rows: a sketch of distinct values a column, the counts of its commonest values, a count a
pattern of blanks, and the sample.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from detectors.missing_values import missing_texts

Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

SAMPLE = 50_000
"""Rows of the sample; a share of it is right within half a percent, 95 times in a hundred."""

MOST_COUNTED = 20_000
"""Distinct values of a column that are counted; of more, the rarest are forgotten from time to time."""

MOST_PATTERNS = 5_000
_REGISTERS = 12
"""2 ** 12 registers of a sketch: its count is right within 1.6 % (one standard error)."""


class Distinct:
    """How many different values were seen, by HyperLogLog.

    Source: Flajolet et al., "HyperLogLog: the analysis of a near-optimal cardinality estimation algorithm", 2007, with
    linear counting for few values.
    """

    def __init__(self) -> None:
        self._registers = np.zeros(1 << _REGISTERS, dtype=np.uint8)

    def add(self, hashes: npt.NDArray[np.uint64]) -> None:
        """Note values by their 64-bit hashes."""
        place = (hashes >> np.uint64(64 - _REGISTERS)).astype(np.int64)
        rest = (hashes << np.uint64(_REGISTERS)) | np.uint64(1 << (_REGISTERS - 1))
        zeros = 63 - np.floor(np.log2(rest.astype(np.float64))).astype(np.int64)
        np.maximum.at(self._registers, place, np.clip(zeros + 1, 1, 64).astype(np.uint8))

    def count(self) -> int:
        """The estimate."""
        size = len(self._registers)
        estimate = 0.7213 / (1 + 1.079 / size) * size**2 / np.sum(2.0 ** -self._registers.astype(np.float64))
        empty = int((self._registers == 0).sum())
        return round(size * np.log(size / empty)) if estimate <= 2.5 * size and empty else round(float(estimate))


class ColumnCounts:
    """What one column holds: exact but for `counts` once more than MOST_COUNTED values were seen (then at least).

    Source of the bounded counts: Misra and Gries, "Finding repeated elements", 1982.
    """

    def __init__(self) -> None:
        self.filled = 0
        self.blank = 0
        self.placeholders = 0
        self.forgotten = 0
        self.counts: Counter[str] = Counter()
        self._distinct = Distinct()

    def add(self, texts: pl.Series) -> Bools:
        """Take a block in; returns which of its cells hold nothing."""
        missing = missing_texts(texts)
        stripped = texts.str.strip_chars()
        nothing = (stripped.is_null() | (stripped == "")).fill_null(True).to_numpy()
        self.filled += int((~missing).sum())
        self.blank += int((missing & nothing).sum())
        self.placeholders += int((missing & ~nothing).sum())
        held = stripped.filter(pl.Series(~missing))
        if len(held):
            self._distinct.add(held.hash().to_numpy())
            for value, count in held.value_counts().iter_rows():
                self.counts[value] += count
            self._forget()
        return missing

    @property
    def distinct(self) -> int:
        """Different values; exact while all are counted."""
        return len(self.counts) if not self.forgotten else max(len(self.counts), self._distinct.count())

    def top(self, most: int) -> list[tuple[str, int]]:
        """The commonest values, each at least as often as it says."""
        return sorted(self.counts.items(), key=lambda item: (-item[1], item[0]))[:most]

    def _forget(self) -> None:
        if len(self.counts) <= 2 * MOST_COUNTED:
            return
        kept = self.counts.most_common(MOST_COUNTED + 1)
        least = kept.pop()[1]
        self.forgotten += least
        self.counts = Counter({value: count - least for value, count in kept if count > least})


class Gatherer:
    """Takes a table in, block by block.

    columns: the columns of text. segment: the column by whose values records are grouped; "" for none.
    """

    def __init__(self, columns: Sequence[str], *, segment: str = "", sample: int = SAMPLE, seed: int = 0) -> None:
        self.columns = list(columns)
        self.segment = segment
        self.rows = 0
        self.of = {name: ColumnCounts() for name in self.columns}
        self.patterns: Counter[bytes] = Counter()
        self.segments: dict[str, list[int]] = {}
        self._size = sample
        self._random = np.random.default_rng(seed)
        self._kept: list[pl.DataFrame] = []
        self._waiting = 0
        self._bar = 1.0

    def add(self, ids: Ints, block: pl.DataFrame) -> None:
        """ids: (n,) record ids; block: the same rows' texts."""
        self.rows += len(ids)
        missing = np.column_stack([self.of[name].add(block[name]) for name in self.columns]) if self.columns else None
        if missing is not None and len(ids):
            self._count_patterns(missing)
            self._count_segments(block, missing)
        self._draw(ids, block)

    def sample(self) -> tuple[Ints, pl.DataFrame]:
        """The ids of the rows drawn, ascending, and their cells; all rows if the sample holds as many."""
        self._settle()
        if not self._kept:
            return np.zeros(0, np.int64), pl.DataFrame(
                {name: [] for name in self.columns}, dict.fromkeys(self.columns, pl.String)
            )
        whole = self._kept[0].sort("\0id")
        return whole["\0id"].to_numpy(), whole.select(self.columns)

    def _count_patterns(self, missing: Bools) -> None:
        packed = np.packbits(missing, axis=1)
        distinct, counts = np.unique(packed, axis=0, return_counts=True)
        for pattern, count in zip(distinct, counts, strict=True):
            key = pattern.tobytes()
            if key in self.patterns or len(self.patterns) < MOST_PATTERNS:
                self.patterns[key] += int(count)

    def _count_segments(self, block: pl.DataFrame, missing: Bools) -> None:
        """Records and filled cells a value of the segment column; the first MOST_PATTERNS values, blank as ""."""
        if not self.segment:
            return
        place = self.columns.index(self.segment)
        value = block[self.segment].str.strip_chars().fill_null("")
        value = pl.select(pl.when(pl.Series(missing[:, place])).then(pl.lit("")).otherwise(value)).to_series()
        grouped = (
            pl.DataFrame({"value": value, "filled": (~missing).sum(axis=1)})
            .group_by("value")
            .agg(pl.len().alias("rows"), pl.col("filled").sum())
        )
        for name, rows, filled in grouped.iter_rows():
            if name in self.segments or len(self.segments) < MOST_PATTERNS:
                known = self.segments.setdefault(name, [0, 0])
                known[0] += rows
                known[1] += filled

    def _draw(self, ids: Ints, block: pl.DataFrame) -> None:
        """Keep the rows that drew the smallest numbers: a uniform sample, whatever the order of the rows."""
        drawn = self._random.random(len(ids))
        chosen = np.flatnonzero(drawn < self._bar)
        if not len(chosen):
            return
        rows = block.select(self.columns)[chosen]
        self._kept.append(rows.with_columns(pl.Series("\0id", ids[chosen]), pl.Series("\0drawn", drawn[chosen])))
        self._waiting += len(chosen)
        if self._waiting > 3 * self._size:
            self._settle()

    def _settle(self) -> None:
        if len(self._kept) > 1 or self._waiting > self._size:
            whole = pl.concat(self._kept).sort("\0drawn").head(self._size)
            self._kept = [whole]
            self._waiting = whole.height
            if whole.height == self._size:
                self._bar = float(whole["\0drawn"][-1])
