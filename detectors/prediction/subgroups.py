"""Is everyone predicted as well? The report's table of groups."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise
from typing import Any

import numpy as np

from detectors.prediction.aims import Question
from detectors.prediction.engine import scores
from detectors.prediction.engine.encoding import Column, Floats, Ints, Kind, read_column
from detectors.prediction.sensitive import is_sensitive

MOST_COLUMNS, MOST_GROUPS, SMALLEST = 6, 12, 30
NOISE = 3.0
"""Standard errors up to which a group's mean prediction may miss by chance."""


def subgroups(question: Question, held_out: Floats, cut: float) -> list[dict[str, Any]]:
    """One dict a group of at least 30 rows: column, value, rows, observed, predicted, off, and how well it is told.

    observed, predicted: share of the outcome and mean probability of it; for numbers their means; of more than two
        classes the share told right and the mean probability of the class told.
    off: the two differ by more than chance would explain.
    auc, precision, recall: for two classes, the last two at the cut-off. mae: for numbers.

    held_out: (n_rows, n_classes) probabilities, or (n_rows, 1) numbers, of rows the model did not see.
    """
    return [
        {"column": column.name, "value": value, **_figures(question, held_out, rows, cut)}
        for column in _columns(question)
        for value, rows in _groups(column)
    ]


def _columns(question: Question) -> list[Column]:
    """Those that the aim names; else sensitive ones first, then others of few values."""
    roles = question.roles
    names = question.aim.groups or [
        str(name) for name in question.frame.columns if name not in {question.aim.target, question.aim.incumbent}
    ]
    columns = [read_column(question.frame[name], roles.get(name)) for name in names]
    if question.aim.groups:
        return columns
    few = [column for column in columns if column.kind is Kind.CATEGORY and 2 <= len(column.values) <= MOST_GROUPS]
    return sorted(few, key=lambda column: not is_sensitive(column.name, roles.get(column.name)))[:MOST_COLUMNS]


def _groups(column: Column) -> Iterator[tuple[str, Ints]]:
    """The rows of each of the most frequent values, and of blank; numbers of many values by quarters."""
    if column.numbers is not None and len(column.values) > MOST_GROUPS:
        edges = np.unique(np.nanquantile(column.numbers, [0, 0.25, 0.5, 0.75, 1]))
        names = [f"{low:g} to {high:g}" for low, high in pairwise(edges)]
        codes = np.clip(np.searchsorted(edges, column.numbers, side="right") - 1, 0, len(names) - 1)
        codes = np.where(np.isnan(column.numbers), -1, codes)
    else:
        names, codes = column.values[:MOST_GROUPS], column.codes
    for code, name in [*enumerate(names), (-1, "blank")]:
        rows = np.flatnonzero(codes == code)
        if len(rows) >= SMALLEST:
            yield name, rows


def _figures(question: Question, held_out: Floats, rows: Ints, cut: float) -> dict[str, Any]:
    truth, output = question.answers[rows], held_out[rows]
    if question.numeric:
        extra: dict[str, Any] = {"mae": float(np.mean(np.abs(output[:, 0] - truth)))}
        return _kept(truth, output[:, 0]) | extra
    if len(question.classes) > 2:
        return _kept((output.argmax(axis=1) == truth).astype(float), output.max(axis=1))
    at_cut = scores.cut_offs(truth, output[:, 1], [cut])[0]
    told = {name: at_cut[name] for name in ("precision", "recall", "flagged")}
    return _kept(truth.astype(float), output[:, 1]) | {"auc": scores.auc(truth, output)} | told


def _kept(truth: Floats, promised: Floats) -> dict[str, Any]:
    """Whether what was promised of a group came, on the average."""
    error = float(np.std(truth - promised)) / np.sqrt(len(truth))
    gap = float(promised.mean() - truth.mean())
    return {
        "rows": len(truth),
        "observed": float(truth.mean()),
        "predicted": float(promised.mean()),
        "off": bool(abs(gap) > NOISE * max(error, 1e-12)),
    }
