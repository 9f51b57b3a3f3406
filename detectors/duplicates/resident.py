"""A resident index: one record against millions, with the keys, comparisons and model of a run, in a millisecond.

Built from a batch and a fitted model, then kept current by `add`, `replace` and `remove`. What a whole column decides
(how dates are written, how rare a word or a value is) stays as it was when the index was built: build it anew from time
to time (`worn`). The records stay in memory: about 1.5 kB each for people.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

import numpy as np
import pyarrow as pa

from detectors.contract import Batch, Evidence, RecordId, RunContext
from detectors.duplicates import blocking, clustering, comparisons, linking, namesakes, scoring
from detectors.duplicates.asking import Pad, combined
from detectors.duplicates.detector import ordered
from detectors.duplicates.evidence import explain
from detectors.duplicates.findings import probability
from detectors.duplicates.growing import Dictionary, Stretch
from detectors.duplicates.keyindex import KeyIndex, PairKeys, Recipes
from detectors.duplicates.learning import Learned
from detectors.duplicates.linking import Judge, Linkage, Pairs
from detectors.duplicates.plan import CHUNK, Levels, Plan
from detectors.duplicates.relations import RELATED, class_probabilities
from detectors.duplicates.rowstore import CellStore, Counts, Rows, View
from detectors.duplicates.scoring import Bits, Model
from detectors.duplicates.slots import Cells, Slot, Texts
from detectors.duplicates.slots_of_plan import slots_of, swaps_of
from detectors.duplicates.spilling import Spill
from detectors.duplicates.spread import Features
from detectors.duplicates.text import Ints
from detectors.roles import Role

LEAST = 0.05
"""Probability from which a record is worth naming."""
_SORTED = ("family", "given", "name", "birth")
"""The comparisons whose columns put similar records side by side, in the planner's order."""
_NO_HASHES = np.zeros(0, np.uint64)


@dataclass(frozen=True)
class Match:
    """A record that may be the one asked about. evidence: the waterfall of bits in words, as a run gives it."""

    record: RecordId
    probability: float
    bits: float
    evidence: tuple[Evidence, ...]


class ResidentIndex:
    """All records of one kind of entity, to be asked about one record.

    model: as fitted by a run on the same columns; fitted here where there is none. learned: what decisions taught.
    paired: keep what `incremental` needs too.
    Safe to use from several threads: one question or change at a time.

    Raises ValueError if the batch has nothing to compare.
    """

    def __init__(
        self,
        batch: Batch,
        entity: str,
        *,
        model: Model | None = None,
        learned: Learned | None = None,
        context: RunContext | None = None,
        paired: bool = False,
    ) -> None:
        context = context or RunContext(device="cpu")
        context.report(0, 100, "reading columns")
        batch = ordered(batch)
        plan = comparisons.plan(batch, entity)
        if not plan.comparisons:
            raise ValueError("no column can be compared")
        context.report(30, 100, "fitting")
        if model is None or model.keys != tuple(one.key for one in plan.comparisons):
            model, learned = fitted(plan, context), None
        self.entity, self.model, self.learned = entity, model, learned
        self.columns = tuple(dict.fromkeys(name for one in plan.comparisons for name in one.fields))
        self.roles = {name: Role(batch.roles[name]) for name in self.columns}
        context.report(60, 100, "indexing")
        self._lock = threading.Lock()
        self._plan = plan
        self._recipes, ranks = Recipes(plan), blocking.ranks(plan)
        keys = self._recipes.of_plan(plan)
        self._keys = KeyIndex(keys, ranks)
        self._paired = PairKeys(keys, ranks) if paired else None
        del keys, ranks
        self._rare = Stretch(np.stack([scoring.rarity(one) for one in plan.comparisons], axis=1))
        self._counts = Counts(plan)
        sorted_by = len(plan.sort_by)
        plan.comparisons = [replace(one, exact=_NO_HASHES) for one in plan.comparisons]  # the slots keep what is needed
        plan.features, plan.sort_by = Features(), []
        self._slots = slots_of(plan, batch)
        self._swaps = swaps_of(plan, self._slots)
        plan.fills, plan.steps = [], []
        self._dictionaries = _distinct(self._slots)
        self._sorted = [slot for key in _SORTED for slot in self._slots if slot.comparison.key == key][:sorted_by]
        self._cells = CellStore(batch, self.columns)
        self._ids = Stretch(batch.frame.index.to_numpy(dtype=np.int64))
        self._rows = Rows(self._ids.used)
        context.report(100, 100, "done")

    def __len__(self) -> int:
        """How many records can be found."""
        return len(self._rows)

    def __contains__(self, record: RecordId) -> bool:
        return self._rows.get(record) is not None

    @property
    def worn(self) -> bool:
        """Whether so much was added that building the index anew would make it faster and its frequencies right."""
        return self._keys.worn

    def add(self, record: RecordId, values: Cells) -> None:
        """Let a record be found. Raises ValueError if there is one of this id."""
        with self._lock:
            self._add(record, values)

    def replace(self, record: RecordId, values: Cells) -> None:
        """Let a record be found with other values; added if it is new."""
        with self._lock:
            self._remove(record)
            self._add(record, values)

    def remove(self, record: RecordId) -> bool:
        """Let a record not be found any more; False if there was none."""
        with self._lock:
            return self._remove(record)

    def find(
        self, values: Cells, limit: int = 5, *, least: float = LEAST, without: RecordId | None = None
    ) -> list[Match]:
        """The records most likely to be the one with these values, the likeliest first.

        values: column -> text; other columns than those compared are ignored. least: probability from which a record
        is named. without: a record not to be named (the one asked about, if it is in the index).
        """
        with self._asked(values, without) as (row, found):
            return self._judged(row, found, values, limit, least) if len(found) else []

    def related(
        self, values: Cells, limit: int = 20, *, least: float = 0.5, without: RecordId | None = None
    ) -> list[tuple[RecordId, float]]:
        """The records that are not the one with these values, but of its household, office or group (`relations`).

        least: probability of that from which a record is named. Returns (record, probability), the likeliest first.
        """
        with self._asked(values, without) as (row, found):
            left = np.full(len(found), row, np.int64)
            levels, rare = self.compare(left, found), self._rare.array.T
            chances = class_probabilities(self.model, self._plan, left, found, levels, rare)[RELATED]
            best = np.argsort(-chances, kind="stable")[:limit]
            return [(int(self._ids.array[found[at]]), float(chances[at])) for at in best if chances[at] >= least]

    def table(self) -> pa.Table:
        """Every record that can be found, by id: the column "id" first, then those that are compared."""
        with self._lock:
            records = self._rows.records()
            rows = [self._rows.row(record) for record in records]
            columns = {name: [self._cells.cell(name, row) for row in rows] for name in self.columns}
        arrays = [pa.array(records, pa.int64()), *(pa.array(cells, pa.large_string()) for cells in columns.values())]
        return pa.Table.from_arrays(arrays, names=["id", *(f"column {name}" for name in columns)])

    def values(self, record: RecordId) -> dict[str, str | None] | None:
        """What a record holds in the columns that are compared; None if there is no such record."""
        row = self._rows.get(record)
        return None if row is None else self._cells.row(row)

    # -- one record -------------------------------------------------------------------------------------------------

    def _place(self, values: Cells, row: int) -> tuple[dict[str, int], int]:
        """Put a record into a row; its features, and its rank among neighbours."""
        pad = Pad()
        for slot in self._slots:
            slot.read(values, pad)
        pad.close()
        features: dict[str, int] = {}
        exact = np.empty(len(self._slots), np.uint64)
        for place, slot in enumerate(self._slots):
            slot.place(row, pad)
            slot.features(pad, features)
            exact[place] = slot.exact(pad)
        if "given" in features and "family" in features:
            first, second = features["given~"], features["family~"]
            features["names~"] = combined(min(first, second), max(first, second))
        rare = self._counts.bits(exact)
        self._rare.put(row, rare)
        for swap in self._swaps:
            swap.place(row, pad)
        return features, self._rank(pad)

    def _rank(self, pad: Pad) -> int:
        rank = 0
        for letters, slot in zip(blocking.LETTERS[min(len(self._sorted), 3)], self._sorted, strict=False):
            rank = rank << 8 * letters | int.from_bytes(slot.written(pad)[:letters].ljust(letters, b"\0"), "big")
        return rank

    @contextmanager
    def _asked(self, values: Cells, without: RecordId | None) -> Iterator[tuple[int, Ints]]:
        """A record laid behind the others for the time of a question: its row, and the rows of its candidates."""
        with self._lock:
            sizes = [len(dictionary) for dictionary in self._dictionaries]
            row = self._ids.size
            try:
                features, rank = self._place(values, row)
                found = self._keys.candidates(self._recipes.of_record(features), rank)
                yield row, found if without is None else found[self._ids.array[found] != without]
            finally:
                for dictionary, size in zip(self._dictionaries, sizes, strict=True):
                    dictionary.forget(size)

    def _judged(self, row: int, found: Ints, values: Cells, limit: int, least: float) -> list[Match]:
        left = np.full(len(found), row, np.int64)
        levels = self.compare(left, found)
        bits = self._scored(left, found, levels)
        best = np.argsort(-bits, kind="stable")[:limit]
        best = best[bits[best] >= np.log2(least / (1 - least))]
        if not len(best):
            return []
        view = View(self._cells, row, values)
        shown = Linkage(
            *(self._plan, self.model, self._rare.array.T, (), left[best], found[best]),
            *(levels[:, best], bits[best], found, np.zeros(len(best), np.float32)),
        )
        return [
            Match(
                int(self._ids.array[found[at]]),
                probability(float(bits[at])),
                float(bits[at]),
                explain(shown, view, place),
            )
            for place, at in enumerate(best.tolist())
        ]

    def compare(self, left: Ints, right: Ints) -> Levels:
        """(comparisons, pairs) levels of pairs of rows."""
        levels = np.zeros((len(self._slots), len(left)), np.uint8)
        for place, slot in enumerate(self._slots):
            slot.fill(left, right, levels[place])
        for swap in self._swaps:
            swap.fill(left, right, levels)
        return levels

    def _scored(self, left: Ints, right: Ints, levels: Levels) -> Bits:
        rare = self._rare.array.T
        bits = scoring.score(self.model, self._plan, left, right, levels, rare)
        if self.learned is not None:
            bits = linking.relearned(self.learned, self.model, self._plan, rare, left, right, levels, bits)
        return bits

    # -- pairs, for `incremental` -----------------------------------------------------------------------------------

    @property
    def ids(self) -> Ints:
        """(rows,) the record of each row; rows that were removed keep theirs."""
        return self._ids.used

    def row(self, record: RecordId) -> int:
        """The row of a record. Raises KeyError if there is none."""
        return self._rows.row(record)

    def pairs(self) -> tuple[Ints, Ints]:
        """The pairs of rows that are compared among those the index was built from, and that are still there."""
        assert self._paired is not None
        left, right = blocking.unpack(self._paired.pairs)
        there = self._keys.alive[left] & self._keys.alive[right]
        return left[there], right[there]

    def partners(self, record: RecordId) -> tuple[Ints, Ints]:
        """The pairs of rows in which a record that was added or replaced is compared, the smaller record first."""
        assert self._paired is not None
        row = self._rows.row(record)
        others = self._paired.partners(row)
        first = self._ids.array[others] < record
        return np.where(first, others, row), np.where(first, row, others)

    def score(self, left: Ints, right: Ints) -> Bits:
        """(pairs,) log2 odds of pairs of rows."""
        bits = np.empty(len(left), np.float32)
        for start in range(0, len(left), CHUNK):
            part = slice(start, start + CHUNK)
            bits[part] = self._scored(left[part], right[part], self.compare(left[part], right[part]))
        return bits

    # -- changes ------------------------------------------------------------------------------------------------------

    def _add(self, record: RecordId, values: Cells) -> None:
        if self._rows.get(record) is not None:
            raise ValueError("there is a record of this id")
        row = self._ids.size
        features, rank = self._place(values, row)
        for dictionary in self._dictionaries:
            dictionary.keep()
        self._ids.append(record)
        self._rows.add(record, row)
        self._cells.add(values)
        keys = self._recipes.of_record(features)
        self._keys.add(row, keys, rank)
        if self._paired:
            self._paired.add(row, keys, rank)

    def _remove(self, record: RecordId) -> bool:
        row = self._rows.pop(record)
        if row is None:
            return False
        self._keys.remove(row)
        if self._paired:
            self._paired.remove(row)
        return True


def fitted(plan: Plan, context: RunContext) -> Model:
    """The model that a run would fit to this plan's records."""
    pairs = Pairs.of(blocking.block(plan).pairs, len(plan.comparisons), Spill(context.memory))
    pairs.compare(plan)
    one, other, total = namesakes.draw(plan, context.seed)
    alike = namesakes.gathered(plan, linking.compare(plan, one, other), total)
    random = linking.compare(plan, *linking.random_pairs(plan.rows, context.seed))
    model = scoring.fit(plan, pairs.levels, random, alike)
    judge = Judge(plan, model, np.stack([scoring.rarity(one) for one in plan.comparisons]))
    pairs.score(judge)
    pairs.complete(judge, clustering.linked(plan.rows, pairs.left, pairs.right, pairs.bits > 0))
    return replace(model, lifts=linking.lifts_of(model, plan.rows, pairs.left, pairs.right, pairs.bits))


def _distinct(slots: list[Slot]) -> list[Dictionary | Texts]:
    return list({id(one): one for slot in slots for one in slot.dictionaries}.values())
