"""What the rest of the table says a cell should be: a vote of every column that tells it."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from detectors.conflicts.dependencies import Dependency, Groups, group
from detectors.conflicts.table import Bools, Field, Ints, Table

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


@dataclass(frozen=True, slots=True)
class _Voter:
    """One determinant: its dependency, its meaning in every row, the groups it makes, the weight of its vote."""

    dependency: Dependency
    keys: Ints
    groups: Groups
    weight: float


def vote(table: Table, field: Field, determinants: list[Dependency]) -> Vote:
    """Every cell of the column that the majority of its determinants would write otherwise."""
    ys, size = field.keys, len(field.usual)
    homes = np.zeros(size + 1, dtype=np.bool_)
    denied, confirmed = np.zeros(table.rows, dtype=np.bool_), np.zeros(table.rows, dtype=np.bool_)
    voters = []
    for dependency in determinants:
        other = table.field(dependency.determinant)
        groups = group(other.keys, ys, len(other.usual), size)
        homes[groups.top[groups.settled]] = True
        tops, firsts = np.append(groups.top, -1)[other.keys], np.append(groups.first, 0)[other.keys]
        denied |= (tops >= 0) & (tops != ys)
        confirmed |= (tops == ys) & (firsts >= 2)
        voters.append(_Voter(dependency, other.keys, groups, dependency.weight))
    rows = np.flatnonzero(denied)
    found = [] if len(rows) > _MOST_ROWS else [_count(int(row), int(ys[row]), voters) for row in rows]
    return Vote(field, tuple(one for one in found if one is not None), homes[:size], confirmed & ~denied)


def _count(row: int, current: int, voters: list[_Voter]) -> Disagreement | None:
    """The vote on one cell, among what is commonest for some voter; nothing else can have the majority."""
    heard, doubt = [], 0.0
    for voter in voters:
        x = int(voter.keys[row])
        if x < 0:
            continue
        own = current >= 0
        others = int(voter.groups.sizes[x]) - own
        if others > 0:
            heard.append((voter, x, others))
        else:
            # A strong determinant that never saw this row's value: perhaps the row is of another kind.
            doubt += _UNSEEN * voter.weight
    total = doubt + sum(voter.weight for voter, _, _ in heard)
    best: tuple[float, int, int, int, Dependency] | None = None
    for value in sorted({int(voter.groups.top[x]) for voter, x, _ in heard} - {current}):
        share, leading = 0.0, (0, 0.0, -1)
        for at, (voter, x, others) in enumerate(heard):
            held = voter.groups.count(x, value)
            share += voter.weight * held / (others + 1)
            leading = max(leading, (held, voter.dependency.agreement, -at))
        held, at = leading[0], -leading[2]
        if held and (best is None or share > best[0]):
            best = share, value, held, heard[at][2] - held, heard[at][0].dependency
    if best is None or best[0] < _MAJORITY * total:
        return None
    share, proposed, support, against, by = best
    return Disagreement(
        row, current, proposed, share / total, support, by.determinant, against, by.agreement, by.beyond_chance
    )
