"""How good were the findings? Claims about a sample held against its truth."""

from __future__ import annotations

import re
import unicodedata
from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

UNKNOWABLE = frozenset(["placeholder", "phone-placeholder"])
"""Classes whose clean value nobody can know: to empty the cell is right."""

CLEAN_CELL = "(clean cell)"
"""The class of claims about cells in which nothing was planted."""


@dataclass(frozen=True, slots=True)
class TruthCell:
    """One dirty cell: its class, both values."""

    defect: str
    dirty: str
    clean: str

    @property
    def is_variant(self) -> bool:
        """Whether it is not wrong, but only differs from the first record of its entity."""
        return self.defect.startswith("variant")


@dataclass(frozen=True, slots=True)
class Truth:
    """All that was planted. cells: (external id, field) -> what; entities: external id -> entity."""

    cells: Mapping[tuple[str, str], TruthCell]
    entities: Mapping[str, str]

    def wrong_cells(self) -> dict[tuple[str, str], TruthCell]:
        """The cells that are wrong; a variant (a nickname in a duplicate) only differs."""
        return {place: cell for place, cell in self.cells.items() if not cell.is_variant}


@dataclass(frozen=True, slots=True)
class Tally:
    """claimed: claims made; right: those that are true; planted: what there was to find."""

    claimed: int
    right: int
    planted: int

    @property
    def precision(self) -> float:
        """Right of the claimed; 1 if nothing was claimed."""
        return self.right / self.claimed if self.claimed else 1.0

    @property
    def recall(self) -> float:
        """Found of the planted; 1 if nothing was planted."""
        return self.right / self.planted if self.planted else 1.0

    @property
    def f1(self) -> float:
        """Harmonic mean of both."""
        total = self.precision + self.recall
        return 2 * self.precision * self.recall / total if total else 0.0


@dataclass(frozen=True, slots=True)
class Scores:
    """corrections, flags: over all; the same by class of defect; duplicates: pairs of records of one entity."""

    corrections: Tally
    corrections_by_defect: Mapping[str, Tally]
    flags: Tally
    flags_by_defect: Mapping[str, Tally]
    duplicates: Tally


def read_truth(path: Path, *, kinds: Collection[str] | None = None) -> Truth:
    """The truth file that `generate` wrote, and `entities` beside it; CSV or Parquet.

    kinds: only the truth about these kinds, such as those that a detector was shown; all if None.
    """
    cells, entities = _read(path), _read(path.with_name(f"entities{path.suffix}"))
    if kinds is not None:
        cells, entities = cells[cells["kind"].isin(kinds)], entities[entities["kind"].isin(kinds)]
    columns = (cells[name] for name in ("external_id", "field", "defect", "dirty", "clean"))
    return Truth(
        cells={(key, field): TruthCell(*rest) for key, field, *rest in zip(*columns, strict=True)},
        entities=dict(zip(entities["external_id"], entities["entity"], strict=True)),
    )


def _read(path: Path) -> pd.DataFrame:
    if path.suffix == ".parquet":
        return pd.read_parquet(path).fillna("")
    return pd.read_csv(path, dtype=str, keep_default_na=False)


def score(
    truth: Truth,
    *,
    corrections: Iterable[tuple[str, str, str | None]] = (),
    flags: Iterable[tuple[str, str]] = (),
    clusters: Iterable[Collection[str]] = (),
) -> Scores:
    """Precision and recall of what was claimed.

    corrections: (external id, field, proposed value); right if the cell is wrong and the value is its clean one, but
        for case of e-mails, blanks at the ends, and the way a phone number is written; None or "" empties the
        cell, which is right for a placeholder ("test", 0000000000) only. A variant written as the first record has it
        (a short street in full) counts neither way: it was not wrong, and is no worse now.
    flags: (external id, field) of cells said to be wrong without a proposal; field "" for "somewhere in this record".
    clusters: external ids said to be one entity.

    The recall of corrections counts every wrong cell, also those that nobody could correct (a blank job title).
    A class's precision is over the claims about its cells; claims about clean cells stand under CLEAN_CELL.
    """
    wrong = truth.wrong_cells()
    overall, by_defect = _score_corrections(wrong, _without_restored(truth, dict.fromkeys(corrections)))
    flagged, flagged_by_defect = _score_flags(wrong, dict.fromkeys(flags))
    return Scores(overall, by_defect, flagged, flagged_by_defect, _score_clusters(truth.entities, clusters))


def _without_restored(
    truth: Truth, corrections: Iterable[tuple[str, str, str | None]]
) -> Iterator[tuple[str, str, str | None]]:
    for key, field, value in corrections:
        cell = truth.cells.get((key, field))
        if not (cell and cell.is_variant and _is_right(field, value or "", cell)):
            yield key, field, value


def _score_corrections(
    wrong: Mapping[tuple[str, str], TruthCell], corrections: Iterable[tuple[str, str, str | None]]
) -> tuple[Tally, dict[str, Tally]]:
    claimed: Counter[str] = Counter()
    right: Counter[str] = Counter()
    for key, field, value in corrections:
        cell = wrong.get((key, field))
        name = cell.defect if cell else CLEAN_CELL
        claimed[name] += 1
        right[name] += cell is not None and _is_right(field, value or "", cell)
    return _tallies(claimed, right, Counter(cell.defect for cell in wrong.values()))


def _score_flags(
    wrong: Mapping[tuple[str, str], TruthCell], flags: Iterable[tuple[str, str]]
) -> tuple[Tally, dict[str, Tally]]:
    """Counted are records, once a class: one flag on an address is enough, and five are no more."""
    by_record: defaultdict[str, dict[str, str]] = defaultdict(dict)
    for (key, field), cell in wrong.items():
        by_record[key][field] = cell.defect
    claimed: set[tuple[str, str]] = set()
    for key, field in flags:
        defects = by_record.get(key, {})
        hit = set(defects.values()) if not field else {defects[field]} if field in defects else set()
        claimed.update((key, defect) for defect in hit or {CLEAN_CELL})
    planted = {(key, defect) for key, fields in by_record.items() for defect in fields.values()}
    by_class = (Counter(defect for _, defect in places) for places in (claimed, claimed & planted, planted))
    return _tallies(*by_class)


def _tallies(claimed: Counter[str], right: Counter[str], planted: Counter[str]) -> tuple[Tally, dict[str, Tally]]:
    names = sorted(claimed.keys() | planted.keys())
    by_defect = {name: Tally(claimed[name], right[name], planted[name]) for name in names}
    return Tally(claimed.total(), right.total(), planted.total()), by_defect


def _score_clusters(entities: Mapping[str, str], clusters: Iterable[Collection[str]]) -> Tally:
    """Pairs of records: claimed are all within a cluster (known records only), planted all within an entity."""
    claimed = right = 0
    for cluster in clusters:
        found = Counter(entities[key] for key in set(cluster) if key in entities)
        claimed += _pairs(found.total())
        right += sum(map(_pairs, found.values()))
    return Tally(claimed, right, sum(map(_pairs, Counter(entities.values()).values())))


def _pairs(count: int) -> int:
    return count * (count - 1) // 2


def _is_right(field: str, proposed: str, cell: TruthCell) -> bool:
    if not proposed:
        return not cell.clean or cell.defect in UNKNOWABLE
    return _same(field, proposed, cell.clean)


def _same(field: str, proposed: str, clean: str) -> bool:
    """Equal, however a phone number is punctuated and an e-mail capitalised."""
    if field in {"Phone", "Mobile"}:
        return re.sub(r"\D", "", proposed) == re.sub(r"\D", "", clean)
    proposed, clean = (unicodedata.normalize("NFC", text).strip() for text in (proposed, clean))
    return proposed.casefold() == clean.casefold() if field == "Email" else proposed == clean
