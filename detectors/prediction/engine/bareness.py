"""Rows that lack more than known rows do: whoever leaves out the state often leaves out the town and the postcode too.

A model learns from rows whose value is known, and those mostly hold the other fields as well. Judged by it, a row
without them gets the certainty of rows that have them. So such rows are guessed by a second model, which learns from,
and is calibrated on, known rows that are made as bare as they are.

The idea is to train under the missingness met in use (Saar-Tsechansky and Provost, "Handling Missing Values when
Applying Classification Models", JMLR 2007: reduced-feature models), here by borrowed patterns, not a model a pattern.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.prediction.engine.encoding import Bools, Column
from detectors.prediction.engine.lookups import Target

FEWEST = 50
"""Known rows that lack at least the same fields, from which on the usual model has met a row's kind."""

MARGIN, ERRORS = 0.02, 3.0
"""A field is lacking more often than usual from so far above its share among known rows on: a share, and standard
errors."""


@dataclass(frozen=True)
class Bare:
    """rows: (n_rows,) those to be guessed by the second model; none if no field is lacking more often than usual.

    hidden: column -> (n_rows,) which sampled rows lend it as blank, in patterns borrowed from the bare rows.
    """

    rows: Bools
    hidden: Mapping[str, Bools]

    @classmethod
    def find(cls, others: Sequence[Column], target: Target, rng: np.random.Generator) -> Bare:
        """others: the columns that the target is guessed from."""
        blank = np.flatnonzero(target.codes < 0)
        rows = np.zeros(len(target.codes), dtype=np.bool_)
        lacking = [column for column in others if len(target.sample) and _lacks_more(column, target, blank)]
        if not lacking:
            return cls(rows, {})
        lacks = np.column_stack([column.codes < 0 for column in lacking])
        patterns, of_row = np.unique(lacks[blank], axis=0, return_inverse=True)
        known = lacks[target.sample]
        met = np.array([np.all(known[:, pattern], axis=1).sum() for pattern in patterns])
        rows[blank] = (met < FEWEST)[of_row.reshape(-1)]
        if not rows.any():
            return cls(rows, {})
        lenders = rng.choice(np.flatnonzero(rows), size=len(target.sample))
        hidden = {}
        for place, column in enumerate(lacking):
            gone = np.zeros(len(rows), dtype=np.bool_)
            gone[target.sample] = lacks[lenders, place]
            hidden[column.name] = gone
        return cls(rows, hidden)


def _lacks_more(column: Column, target: Target, blank: np.ndarray) -> bool:
    """Whether this column is blank more often where the target is than where it is known."""
    if not len(blank):
        return False
    usual, here = (float(np.mean(column.codes[rows] < 0)) for rows in (target.sample, blank))
    floor = max(usual, 1 / len(target.sample))
    return here - usual > MARGIN + ERRORS * float(np.sqrt(floor * (1 - min(floor, 1)) / len(blank)))
