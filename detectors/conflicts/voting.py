"""What the rest of the table says a cell should be: a vote of every column that tells it."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.dependencies import Dependency, Groups, group
from detectors.conflicts.table import Bools, Field, Table

_MAJORITY = 0.5
_UNSEEN = 0.4
"""Share of its vote by which a determinant that knows nothing of the row doubts the others."""

_MOST_ROWS = 300_000
"""Disagreeing cells of one column looked at; more of them say that the dependency does not hold."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A cell that the vote would write otherwise.

    row: position. current: meaning of the cell, -1 if blank. proposed: meaning voted for.
    share: weighted share of the votes for it, the cell's own left out, one doubt added to every voter.
    support: most rows that one determinant counts for it.
    voter: the determinant that counts them. against: rows of that group that say otherwise, this one left out.
    agreement: how well the best voter agrees with the column. beyond: the same beyond chance, 1 = always.
    """

    row: int
    current: int
    proposed: int
    share: float
    support: int
    voter: str
    against: int
    agreement: float
    beyond: float


@dataclass(frozen=True)
class Vote:
    """The vote on one column.

    homes: (meanings,) whether a value is the settled majority somewhere: a value without a home is suspicious.
    agreeing: rows whose value at least one determinant confirms and none denies.
    """

    field: Field
    disagreements: tuple[Disagreement, ...]
    homes: Bools
    agreeing: Bools


def vote(table: Table, field: Field, determinants: list[Dependency]) -> Vote:
    """Every cell of the column that the majority of its determinants would write otherwise."""
    ys, size = field.keys, len(field.usual)
    homes = np.zeros(size + 1, dtype=np.bool_)
    denied, confirmed = np.zeros(table.rows, dtype=np.bool_), np.zeros(table.rows, dtype=np.bool_)
    grouped: list[tuple[Dependency, Field, Groups]] = []
    for dependency in determinants:
        other = table.field(dependency.determinant)
        groups = group(other.keys, ys, len(other.usual), size)
        homes[groups.top[groups.settled]] = True
        xs = other.keys
        tops, firsts = np.append(groups.top, -1)[xs], np.append(groups.first, 0)[xs]
        denied |= (tops >= 0) & (tops != ys)
        confirmed |= (tops == ys) & (firsts >= 2)
        grouped.append((dependency, other, groups))
    rows = np.flatnonzero(denied)
    found = [] if len(rows) > _MOST_ROWS else [_count(int(row), int(ys[row]), grouped) for row in rows]
    return Vote(field, tuple(one for one in found if one is not None), homes[:size], confirmed & ~denied)


def _count(row: int, current: int, grouped: list[tuple[Dependency, Field, Groups]]) -> Disagreement | None:
    shares: dict[int, float] = defaultdict(float)
    best: dict[int, tuple[int, float, Dependency, int]] = {}
    total = 0.0
    for dependency, other, groups in grouped:
        x = int(other.keys[row])
        if x < 0:
            continue
        values, counts = groups.votes(x)
        others = int(counts.sum()) - (current >= 0)
        if others <= 0:
            # A strong determinant that never saw this row's value: perhaps the row is of another kind.
            total += _UNSEEN * dependency.weight
            continue
        total += dependency.weight
        for value, count in zip(values.tolist(), counts.tolist(), strict=True):
            held = count - (value == current)
            shares[value] += dependency.weight * held / (others + 1)
            if (held, dependency.agreement) > best.get(value, (0, 0.0))[:2]:
                best[value] = (held, dependency.agreement, dependency, others - held)
    if not total:
        return None
    proposed = max(shares, key=lambda value: (shares[value], -value))
    share = shares[proposed] / total
    if proposed == current or share < _MAJORITY or proposed not in best:
        return None
    support, agreement, voter, against = best[proposed]
    return Disagreement(
        row, current, proposed, share, support, voter.determinant, against, agreement, voter.beyond_chance
    )
