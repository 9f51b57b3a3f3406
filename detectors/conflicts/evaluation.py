"""`manage.py evaluate fields DIRTY CLEAN [--labels N]`: how well the detector mends a table whose truth is known."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import pandas as pd

from detectors.conflicts.detector import ConflictDetector
from detectors.conflicts.labelling import rows_to_label
from detectors.conflicts.likeness import FAR, likeness, shape
from detectors.conflicts.table import encode
from detectors.contract import Batch, Finding, Label, RunContext, SetFields
from detectors.evaluation import DoesNotFit, read_table
from detectors.roles import Role

Cell = tuple[int, str]
"""Position of the row and name of the column."""


def add_arguments(parser: ArgumentParser) -> None:
    """The command's own arguments."""
    parser.add_argument("dirty", help="CSV or Parquet file as it is")
    parser.add_argument("clean", help="the same rows without errors")
    parser.add_argument("--labels", type=int, default=0, help="rows that a person corrects first; we choose which")
    parser.add_argument("--index", default="", help="column that tells which rows belong together; else by position")
    parser.add_argument("--at", type=float, default=0.5, help="score from which a proposal counts as a repair")
    parser.add_argument("--seed", type=int, default=0)


def evaluate(options: Namespace) -> dict[str, Any]:
    """precision, recall, f1 of repaired cells; clean_touched; by_class and by_column with the same figures."""
    dirty, clean = aligned(read_table(options.dirty), read_table(options.clean), options)
    found = repaired(dirty, clean, labels=options.labels, at=options.at, seed=options.seed)
    return measure(dirty, clean, found) | {"labels": options.labels, "rows": len(dirty)}


def aligned(dirty: pd.DataFrame, clean: pd.DataFrame, options: Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Both tables with the same columns and rows in the same order.

    Columns go by name where the names are the same, else by position. Raises DoesNotFit if shapes differ.
    """
    if len(dirty.columns) != len(clean.columns):
        counts = f"{len(dirty.columns)} columns, {options.clean} has {len(clean.columns)}"
        raise DoesNotFit(f"{options.dirty}: has {counts}; both must have the same columns")
    if set(dirty.columns) == set(clean.columns):
        clean = clean[list(dirty.columns)]
    else:
        clean = clean.set_axis(dirty.columns, axis=1)
    if options.index:
        dirty, clean = _by_index(dirty, clean, options)
    if len(dirty) != len(clean):
        raise DoesNotFit(
            f"{options.dirty}: has {len(dirty)} rows, {options.clean} has {len(clean)}; name the column that "
            "tells which belong together with --index"
        )
    return dirty.reset_index(drop=True), clean.reset_index(drop=True)


def _by_index(dirty: pd.DataFrame, clean: pd.DataFrame, options: Namespace) -> tuple[pd.DataFrame, pd.DataFrame]:
    if options.index not in dirty.columns:
        raise DoesNotFit(f"{options.dirty}: no column {options.index!r}; columns there: {', '.join(dirty.columns)}")
    keyed = clean.drop_duplicates(options.index).set_index(options.index, drop=False)
    absent = ~dirty[options.index].isin(keyed.index)
    if absent.any():
        raise DoesNotFit(f"{options.clean}: has no row for {int(absent.sum())} values of {options.index!r}")
    return dirty, keyed.loc[dirty[options.index]]


def repaired(
    dirty: pd.DataFrame, clean: pd.DataFrame, *, labels: int = 0, at: float = 0.5, seed: int = 0
) -> dict[Cell, str | None]:
    """What the detector writes into which cell. The truth is read for the labelled rows only."""
    batch = Batch(dirty, dict.fromkeys(dirty.columns, Role.TEXT))
    context = RunContext(seed=seed, device="cpu")
    detector = ConflictDetector()
    if labels:
        chosen = rows_to_label(encode(dirty, list(dirty.columns)), labels, seed)
        detector = detector.fit(batch, [_corrected(row, clean) for row in chosen], context)
    return _written(detector.detect(batch, context), at)


def _corrected(row: int, clean: pd.DataFrame) -> Label:
    """What a person who corrects the whole row tells: every field as it should be."""
    fields = {str(name): clean[name].iloc[row] for name in clean.columns}
    return Label(Finding((row,), SetFields(fields), 1.0, rule="corrected-row"), is_defect=True)


def _written(findings: Iterable[Finding], at: float) -> dict[Cell, str | None]:
    """The best proposal for each cell, of those that score enough."""
    best: dict[Cell, tuple[float, str | None]] = {}
    for finding in findings:
        if finding.score < at or not isinstance(finding.proposal, SetFields):
            continue
        for name, value in finding.proposal.changes.items():
            cell = finding.subjects[0], name
            if cell not in best or finding.score > best[cell][0]:
                best[cell] = finding.score, value
    return {cell: value for cell, (_, value) in best.items()}


@dataclass
class _Count:
    errors: int = 0
    changed: int = 0
    right: int = 0

    def figures(self) -> dict[str, float]:
        precision = self.right / self.changed if self.changed else 0.0
        recall = self.right / self.errors if self.errors else 0.0
        f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
        return {
            "precision": round(precision, 4),
            "recall": round(recall, 4),
            "f1": round(f1, 4),
            "errors": self.errors,
            "changed": self.changed,
            "right": self.right,
        }


def measure(dirty: pd.DataFrame, clean: pd.DataFrame, found: dict[Cell, str | None]) -> dict[str, Any]:
    """A repair is right if it equals the clean cell; a change of a cell without an error is wrong.

    by_class: errors by what happened to them; changes of clean cells are in none of the classes.
    """
    whole, classes, columns = _Count(), defaultdict[str, _Count](_Count), defaultdict[str, _Count](_Count)
    touched = cells = 0
    for name in dirty.columns:
        for row, (was, is_so) in enumerate(zip(dirty[name], clean[name], strict=True)):
            cells += was == is_so
            kinds = [whole, columns[name]]
            if was != is_so:
                kinds.append(classes[error_class(was, is_so, dirty, clean, row)])
            elif (row, name) in found:
                touched += 1
            for count in kinds:
                count.errors += was != is_so
                count.changed += (row, name) in found
                count.right += was != is_so and (row, name) in found and found[row, name] == is_so
    return {
        **whole.figures(),
        "clean_touched": round(touched / cells, 6) if cells else 0.0,
        "by_class": {name: count.figures() for name, count in sorted(classes.items())},
        "by_column": {name: count.figures() for name, count in columns.items() if count.errors or count.changed},
    }


def error_class(was: str | None, is_so: str | None, dirty: pd.DataFrame, clean: pd.DataFrame, row: int) -> str:
    """What happened to a cell: missing, filled, format, swapped, typo or conflict.

    swapped: the text belongs into another column of the row. format: the same letters and digits, or the truth
    with something around it. typo: near the truth. conflict: another value.
    """
    if was is None:
        return "missing"
    if is_so is None:
        return "filled"
    letters, truth = _letters(was), _letters(is_so)
    if letters == truth or (truth and truth in letters):
        return "format"
    if was in set(clean.iloc[row]) - {is_so} and is_so in set(dirty.iloc[row]):
        return "swapped"
    if shape(was) != shape(is_so) and _number(was) is not None and _number(was) == _number(is_so):
        return "format"
    return "typo" if likeness(was, is_so) != FAR else "conflict"


def _letters(text: str) -> str:
    return "".join(sign for sign in text.casefold() if sign.isalnum())


def _number(text: str) -> float | None:
    try:
        return round(float("".join(sign for sign in text if sign in "0123456789.-")), 9)
    except ValueError:
        return None
