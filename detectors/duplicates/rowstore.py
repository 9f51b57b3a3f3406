"""What a resident index keeps of its rows beside the compared columns: ids, texts, and how rare values are."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa

from detectors.compiling import compiled
from detectors.contract import Batch, RecordId
from detectors.duplicates import scoring
from detectors.duplicates.plan import Plan
from detectors.duplicates.scoring import Bits
from detectors.duplicates.slots import Cells
from detectors.duplicates.text import Hashes, Ints, intern


class Counts:
    """How rare the values of each comparison are, as they were when the index was built."""

    def __init__(self, plan: Plan) -> None:
        tables, bits, once = [], [], []
        for comparison in plan.comparisons:
            exact = comparison.hashes
            codes, sample = intern(exact)
            counts = np.bincount(codes[codes >= 0], minlength=1)
            several = np.flatnonzero(counts > 1) if len(sample) else np.zeros(0, np.int64)
            rare = scoring.rarity(comparison)
            order = np.argsort(exact[sample[several]])
            tables.append(exact[sample[several]][order])
            bits.append(rare[sample[several]][order])
            single = np.flatnonzero(counts == 1) if len(sample) else several
            once.append(float(rare[sample[single[0]]]) if len(single) else float(rare.max(initial=0.0)))
        self._hashes, self._bits = np.concatenate(tables), np.concatenate(bits)
        self._offsets = np.concatenate([[0], np.cumsum([len(table) for table in tables])]).astype(np.int64)
        self._once = np.array(once, np.float32)

    def bits(self, exact: Hashes) -> Bits:
        """(comparisons,) bits of one record's values; those never seen count as those seen once."""
        return _looked_up(self._hashes, self._bits, self._offsets, self._once, exact)


@compiled
def _looked_up(hashes: Hashes, bits: Bits, offsets: Ints, once: Bits, exact: Hashes) -> Bits:
    out = np.zeros(len(exact), np.float32)
    for row in range(len(exact)):
        if exact[row] == 0:
            continue
        first, last = offsets[row], offsets[row + 1]
        while first < last:
            middle = (first + last) // 2
            if hashes[middle] < exact[row]:
                first = middle + 1
            else:
                last = middle
        found = first < offsets[row + 1] and hashes[first] == exact[row]
        out[row] = bits[first] if found else once[row]
    return out


class Rows:
    """Record id -> row position."""

    def __init__(self, ids: Ints) -> None:
        self._ids = ids.copy()
        self._later: dict[int, int] = {}
        self._gone: set[int] = set()

    def __len__(self) -> int:
        return len(self._ids) - len(self._gone) + len(self._later)

    def get(self, record: RecordId) -> int | None:
        """The row of a record; None if it has none."""
        if record in self._later:
            return self._later[record]
        if record in self._gone:
            return None
        place = int(np.searchsorted(self._ids, record))
        return place if place < len(self._ids) and self._ids[place] == record else None

    def row(self, record: RecordId) -> int:
        """The row of a record. Raises KeyError if it has none."""
        row = self.get(record)
        if row is None:
            raise KeyError(record)
        return row

    def add(self, record: RecordId, row: int) -> None:
        """Note the row of a record that has none."""
        self._later[record] = row

    def pop(self, record: RecordId) -> int | None:
        """The row of a record, which has none from now on."""
        row = self.get(record)
        if row is not None and self._later.pop(record, None) is None:
            self._gone.add(record)
        return row

    def records(self) -> list[RecordId]:
        """All records, ascending."""
        return sorted([*(int(one) for one in self._ids.tolist() if one not in self._gone), *self._later])


class CellStore:
    """The text of every record in the columns that are compared."""

    def __init__(self, batch: Batch, columns: Sequence[str]) -> None:
        self.columns = tuple(columns)
        self._base = {
            name: pa.array(batch.frame[name], type=pa.large_string(), from_pandas=True) for name in self.columns
        }
        self._size = len(batch)
        self._later: list[tuple[str | None, ...]] = []

    def add(self, values: Cells) -> None:
        """Keep the texts of the next row."""
        self._later.append(tuple(text_of(values.get(name)) for name in self.columns))

    def cell(self, name: str, row: int) -> str | None:
        """The text of a cell."""
        if row < self._size:
            text: str | None = self._base[name][row].as_py()
            return text
        return self._later[row - self._size][self.columns.index(name)]

    def row(self, row: int) -> dict[str, str | None]:
        """The texts of a row."""
        return {name: self.cell(name, row) for name in self.columns}


def text_of(cell: object) -> str | None:
    return cell if isinstance(cell, str) and cell else None


class View(Mapping[str, Sequence[str | None]]):
    """The cells of all rows, and of the record asked about in the row behind them."""

    def __init__(self, cells: CellStore, row: int, values: Cells) -> None:
        self.cells, self.asked, self.values_asked = cells, row, values

    def __getitem__(self, name: str) -> Any:
        return ColumnView(self, name)

    def __iter__(self) -> Any:
        return iter(self.cells.columns)

    def __len__(self) -> int:
        return len(self.cells.columns)


@dataclass(frozen=True)
class ColumnView:
    view: View
    name: str

    def __getitem__(self, row: int) -> str | None:
        if row == self.view.asked:
            return text_of(self.view.values_asked.get(self.name))
        return self.view.cells.cell(self.name, row)
