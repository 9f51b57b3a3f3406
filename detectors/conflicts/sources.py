"""Several sources tell of the same thing and disagree: whom to believe?

Where one column names the thing (a flight, a company) and another who says so, every thing whose truth a person has
told grades all sources that spoke of it. Votes are then weighted by what each source is worth for this column.

Sources copy from each other, so a plain majority believes the most copied one (Dong, Berti-Equille, Srivastava,
"Integrating conflicting data: the role of source dependence", VLDB 2009). How much the weights are sharpened,
from a plain majority to "only the best source counts", is chosen by leaving one thing out.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from detectors.conflicts.lessons import Lesson
from detectors.conflicts.table import Field, Table

_SHARPNESS = (0.0, 1.0, 2.0, 4.0, 8.0)
_DOUBT = 2.0
"""Answers at the column's average with which every source starts."""

_LEAST_THINGS = 5
_UNIQUE = 0.97
_WORTH_BELIEVING = 0.5
_BEYOND_CHANCE = 0.2
_MOST_PANELS = 4


@dataclass(frozen=True, slots=True)
class Belief:
    """What one thing's column should hold.

    score: how often such a belief was right for things whose truth is known, left out one at a time.
    share: share of the weighted votes. told: whether a person said so.
    """

    thing: int
    key: int
    score: float
    share: float
    told: bool


def panels(table: Table) -> list[tuple[Field, Field]]:
    """Pairs (thing, source) such that each source tells of a thing once, and several sources tell of it.

    The few pairs with the most rows a thing: columns that name the same thing make the same pair again and again.
    """
    found: list[tuple[float, Field, Field]] = []
    for thing in table.fields:
        if not (2 <= len(thing.usual) <= table.rows / 3):
            continue
        for source in table.fields:
            if source.name == thing.name or not (3 <= len(source.usual) <= table.rows / 5):
                continue
            both = (thing.codes >= 0) & (source.codes >= 0)
            if both.sum() < 0.9 * table.rows:
                continue
            pairs = thing.keys[both] * len(source.usual) + source.keys[both]
            if len(np.unique(pairs)) >= _UNIQUE * len(pairs):
                found.append((len(pairs) / len(thing.usual), thing, source))
    found.sort(key=lambda one: (-one[0], one[1].name, one[2].name))
    return [(thing, source) for _, thing, source in found[:_MOST_PANELS]]


def believe(
    table: Table, field: Field, thing: Field, source: Field, lessons: Sequence[Lesson]
) -> tuple[float, list[Belief]]:
    """How often the beliefs about a column are right, and the belief about every thing; none if it is not known."""
    truths = _truths(field, thing, lessons)
    if len(truths) < _LEAST_THINGS:
        return 0.0, []
    votes = _votes(field, thing, source)
    graded = [name for name in sorted(truths) if votes.get(name)]
    if len(graded) < _LEAST_THINGS or not _one_truth(field, votes, truths, graded):
        return 0.0, []
    grades = Grades.of(votes, truths, graded)
    best, right = max(
        ((sharp, _left_out(votes, truths, grades, graded, sharp)) for sharp in _SHARPNESS),
        key=lambda pair: (pair[1], -pair[0]),
    )
    score = (right + 1) / (len(graded) + 2)
    if score < _WORTH_BELIEVING:
        return score, []
    right, judged = _deviating(field, thing, truths, lessons, votes, grades, best)
    score = (score + right) / (1 + judged)
    beliefs = []
    for name in sorted(votes):
        seconded = name in truths and sum(said == truths[name] for _, said in votes[name]) >= 2
        if seconded:
            beliefs.append(Belief(name, truths[name], 0.97, 1.0, True))
        elif name not in truths:
            key, share = _decide(votes[name], grades, best)
            beliefs.append(Belief(name, key, score, share, False))
    return score, beliefs


Votes = Mapping[int, Sequence[tuple[int, int]]]
"""Thing -> (source, what it says) of every row that says something."""


def _votes(field: Field, thing: Field, source: Field) -> Votes:
    rows = np.flatnonzero((thing.codes >= 0) & (source.codes >= 0) & (field.codes >= 0))
    votes: dict[int, list[tuple[int, int]]] = defaultdict(list)
    for name, who, said in zip(
        thing.keys[rows].tolist(), source.keys[rows].tolist(), field.keys[rows].tolist(), strict=True
    ):
        votes[name].append((who, said))
    return votes


def _truths(field: Field, thing: Field, lessons: Sequence[Lesson]) -> dict[int, int]:
    """Thing -> true meaning, as people told; things told of in two ways are left out."""
    spelled = {text: code for code, text in enumerate(field.texts)}
    named = {text: code for code, text in enumerate(thing.texts)}
    truths: dict[int, int] = {}
    torn: set[int] = set()
    for lesson in lessons:
        name, value = lesson.before.get(thing.name), lesson.after.get(field.name)
        if name not in named or value not in spelled:
            continue
        key, told = int(thing.meaning[named[name]]), int(field.meaning[spelled[value]])
        if truths.setdefault(key, told) != told:
            torn.add(key)
    return {key: told for key, told in truths.items() if key not in torn}


def _deviating(
    field: Field,
    thing: Field,
    truths: Mapping[int, int],
    lessons: Sequence[Lesson],
    votes: Votes,
    grades: Grades,
    sharp: float,
) -> tuple[int, int]:
    """Of the told rows that the belief would change: how often it was right, and how many there are.

    Only these say what a change is worth: a belief that is right about the thing may be wrong about the row.
    """
    meanings = dict(zip(field.texts, field.meaning.tolist(), strict=True))
    names = dict(zip(thing.texts, thing.meaning.tolist(), strict=True))
    right = judged = 0
    for lesson in lessons:
        name = names.get(lesson.before.get(thing.name) or "", -1)
        if name not in truths or not votes.get(name):
            continue
        belief, _ = _decide(votes[name], grades, sharp, truths[name])
        if meanings.get(lesson.before.get(field.name) or "", -1) != belief:
            judged += 1
            right += belief == truths[name]
    return right, judged


def _one_truth(field: Field, votes: Votes, truths: Mapping[int, int], graded: Sequence[int]) -> bool:
    """Whether the column tells of the thing and not of the row: sources must agree with the told truth.

    Agreement counts beyond how common the true value is in the whole column, and without the told row itself.
    """
    held = np.bincount(field.keys[field.codes >= 0], minlength=len(field.usual)) / max(1, field.filled)
    agreeing = total = chance = 0.0
    for name in graded:
        agreed = sum(said == truths[name] for _, said in votes[name])
        agreeing += max(0, agreed - 1)
        total += len(votes[name]) - min(1, agreed)
        chance += (len(votes[name]) - min(1, agreed)) * held[truths[name]]
    return total > 0 and agreeing - chance >= _BEYOND_CHANCE * (total - chance)


@dataclass(frozen=True)
class Grades:
    """Source -> how often it was right, and how often it spoke, about the things whose truth is known."""

    right: Mapping[int, int]
    told: Mapping[int, int]
    average: float

    @classmethod
    def of(cls, votes: Votes, truths: Mapping[int, int], graded: Sequence[int]) -> Grades:
        """Grade every source on these things."""
        right: Counter[int] = Counter()
        told: Counter[int] = Counter()
        for name in graded:
            told.update(who for who, _ in votes[name])
            right.update(who for who, said in votes[name] if said == truths[name])
        return cls(right, told, right.total() / max(1, told.total()))

    def worth(self, who: int, right: int = 0, told: int = 0) -> float:
        """How far to trust a source; right and told are answers to leave out."""
        spoken = self.told.get(who, 0) - told
        return max(0.02, (self.right.get(who, 0) - right + _DOUBT * self.average) / (spoken + _DOUBT))


def _decide(
    said: Sequence[tuple[int, int]], grades: Grades, sharp: float, known: int | None = None
) -> tuple[int, float]:
    """The value of most weight and its share. known: the truth, if this thing's own grades are to be left out."""
    weights: dict[int, float] = defaultdict(float)
    for who, key in said:
        weights[key] += grades.worth(who, int(key == known), int(known is not None)) ** sharp
    best = max(weights, key=lambda key: (weights[key], -key))
    return best, weights[best] / sum(weights.values())


def _left_out(votes: Votes, truths: Mapping[int, int], grades: Grades, graded: Sequence[int], sharp: float) -> int:
    return sum(_decide(votes[name], grades, sharp, truths[name])[0] == truths[name] for name in graded)
