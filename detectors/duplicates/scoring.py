"""How likely is a pair one entity? A latent-class model fitted by EM on counts of level patterns.

Two classes (match, no match) are not enough: members of a household share name, address and telephone, namesakes
share a name, branches share a company's name. Without classes of their own they are taken for matches (F1 .62 where
four classes gave .95). So a pair belongs to one of four classes (`scales.CLASSES`), comparisons are
independent within a class, and class shares are over **all** pairs of the batch, compared or not: a pair that no
key brought together counts as unrelated. Weak prior opinions keep the classes from trading places.

Sources: Fellegi and Sunter, "A theory for record linkage", JASA 1969; Dempster, Laird, Rubin 1977 (EM);
Winkler, "Frequency-based matching", 1989 (rare values).
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from detectors.compiling import compiled
from detectors.duplicates.namesakes import CLASS as NAMESAKES
from detectors.duplicates.namesakes import Namesakes
from detectors.duplicates.plan import Comparison, Plan, count_patterns, kinds_of
from detectors.duplicates.scales import NAMESAKE
from detectors.duplicates.spread import counted
from detectors.duplicates.text import Codes, Ints

Floats = npt.NDArray[np.float64]
Bits = npt.NDArray[np.float32]
Levels = npt.NDArray[np.uint8]

STEPS = 200
TOLERANCE = 1e-4
EXPECTED = np.array([0.002, 0.0005, 0.0005])
"""Pairs a record that each class but the last is thought to hold before anything is seen."""
ANCHOR = 20.0
ANCHOR_SHARE = 0.05
RARITY = 0.5
RARITY_CLIP = 6.0
SELDOM = 0.05
SELDOM_MOST = 5.0
"""A share up to SELDOM is learned as a share only, at most SELDOM_MOST times its prior."""
HOUSEHOLDS = {"address", "phone", "unit", "name", "postcode"}
"""Without one of these comparisons nothing tells a household or a group from its namesakes: the class stays empty."""
_WIDTH = 8


@dataclass(frozen=True)
class Model:
    """A fitted model.

    chances: (comparisons, classes, 8) probability of each level in each class; level 0 (missing) is 1.
    priors: (classes,) share of each class among all pairs.
    trust: (comparisons,) weight of each comparison's evidence.
    by_chance: (comparisons, classes) 1 where agreement in that class is a coincidence, so that rare values count more.
    steps: EM steps until it converged, if it did. matches: expected pairs that match.
    lifts: how many records a thing has (`sizes`); None where that was not learned yet.
    """

    entity: str
    keys: tuple[str, ...]
    chances: Floats
    priors: Floats
    trust: Floats
    by_chance: Floats
    steps: int
    converged: bool
    matches: float
    lifts: Floats | None = None

    @cached_property
    def logs(self) -> Floats:
        """(comparisons, classes, 8) log2 probability, trust applied."""
        return np.asarray(np.log2(self.chances) * self.trust[:, None, None])


@dataclass(frozen=True)
class Coincidence:
    """What is counted once of how records agree by coincidence.

    seen: (comparisons, 8) how often each level is met in a sample of random pairs.
    agreeing: (comparisons, 2) pairs of rows that agree fully, and pairs where both rows have a value.
    """

    seen: Floats
    agreeing: Floats

    @classmethod
    def of(cls, plan: Plan, sample: Levels) -> Coincidence:
        """sample: (comparisons, pairs) levels of random pairs."""
        seen = [np.bincount(levels, minlength=_WIDTH) for levels in sample]
        agreeing = [agreeing_pairs(comparison) for comparison in plan.comparisons]
        return cls(np.array(seen, float).reshape(-1, _WIDTH), np.array(agreeing, float).reshape(-1, 2))


def strangers(plan: Plan, counted: Coincidence, copies: float) -> Floats:
    """(comparisons, 8) how often each level is met among two random records.

    Full agreement is counted over all pairs by the values' frequencies; the expected number of true copies is taken
    out of that count.
    """
    found = np.ones((len(plan.comparisons), _WIDTH))
    for row, comparison in enumerate(plan.comparisons):
        prior = np.array(comparison.scale.chance)
        seen = counted.seen[row, 1 : len(prior) + 1]
        rate = (seen + 10 * prior) / (seen.sum() + 10)
        alike, comparable = counted.agreeing[row]
        chance = max(alike - copies, 0.02 * alike)
        rate[-1] = (chance + 10 * prior[-1]) / (comparable + 10)
        found[row, 1 : len(prior) + 1] = rate / rate.sum()
    return found


def agreeing_pairs(comparison: Comparison) -> tuple[float, float]:
    """(pairs of rows that agree fully, pairs where both rows have a value)."""
    _, counts = counted(comparison.exact)
    filled = float(counts.sum())
    return float((counts.astype(np.float64) * (counts - 1)).sum() / 2), filled * (filled - 1) / 2


def rarity(comparison: Comparison) -> Bits:
    """(rows,) bits that agreement on this row's value counts more (rare) or less (common) than on average.

    Half the log of mean frequency over this frequency, clipped at 6 bits: the full log overrates rare typing errors.
    """
    codes, counts = counted(comparison.exact)
    sizes = counts.astype(np.float64)
    pairs = sizes * np.maximum(sizes - 1, 0.0)
    mean = (pairs * sizes).sum() / pairs.sum() if pairs.any() else 1.0
    bits = np.clip(RARITY * np.log2(mean / np.maximum(sizes, 1.0)), -RARITY_CLIP, RARITY_CLIP)
    return np.append(bits * comparison.trust, 0.0).astype(np.float32)[codes]


def fit(plan: Plan, levels: Levels, sample: Levels, alike: Namesakes | None = None) -> Model:
    """Fit the classes to the levels of the compared pairs.

    levels: (comparisons, pairs) of the candidate pairs. sample: the same of random pairs. alike: pairs of
        the same names, if any.
    """
    total = plan.rows * (plan.rows - 1) / 2
    patterns, counts = count_patterns(levels)
    counted = Coincidence.of(plan, sample)
    anchors, free = _anchors(plan, strangers(plan, counted, 0.0))
    chances = anchors.copy()
    trust = np.array([comparison.trust for comparison in plan.comparisons])
    expected = EXPECTED * (plan.rows + 10)
    expected[1] *= 1.0 if HOUSEHOLDS & {comparison.key.split(":")[0] for comparison in plan.comparisons} else 1e-9
    priors = np.append(np.minimum((expected * 5) / total, 0.2), 0.0)
    priors[3] = 1 - priors[:3].sum()
    step, converged, before, masses = 0, False, np.zeros(4), np.zeros(4)
    for step in range(1, STEPS + 1):
        seen, new = expectation(patterns, counts, np.log(chances) * trust[:, None, None], np.log(priors))
        converged = bool(np.abs(new[:3] - before[:3]).max() < TOLERANCE * max(new[:3].max(), 1.0))
        before, masses = new, new.copy()  # the latter with opinions
        masses[1] *= expected[1] > 1e-6
        if alike:
            masses[NAMESAKES] = max(masses[NAMESAKES], alike.mass(plan, chances))
        priors = np.append(np.minimum((masses[:3] + expected) / (total + 4 * expected[0]), 0.3), 0.0)
        priors[3] = 1 - priors[:3].sum()
        if step % 5 == 0 or step == 1:
            anchors, free = _anchors(plan, strangers(plan, counted, masses[0] * 0.9))
        chances = _maximisation(plan, anchors, free, seen, chances)
        if alike:
            chances[alike.free, NAMESAKES] = alike.learn(chances, trust)
        if converged:
            break
    return Model(
        plan.entity,
        tuple(comparison.key for comparison in plan.comparisons),
        chances,
        priors,
        trust,
        _by_chance(plan),
        step,
        converged,
        float(masses[0]),
    )


def _anchors(plan: Plan, chance: Floats) -> tuple[Floats, npt.NDArray[np.bool_]]:
    """Prior opinion on (comparisons, classes, 8), and which (comparisons, classes) are learned."""
    size = len(plan.comparisons)
    anchors = np.ones((size, 4, _WIDTH))
    free = np.zeros((size, 4), dtype=bool)
    for row, comparison in enumerate(plan.comparisons):
        top = comparison.top
        agree = np.array(comparison.scale.agree)
        anchors[row, :, 1 : top + 1] = chance[row, 1 : top + 1]
        anchors[row, 0, 1 : top + 1] = agree
        free[row, 0] = True
        for place, share in enumerate(comparison.shared, start=1):
            if share is not None:
                anchors[row, place, 1 : top + 1] = share * agree + (1 - share) * chance[row, 1 : top + 1]
                free[row, place] = True
    return anchors, free


def _maximisation(plan: Plan, anchors: Floats, free: npt.NDArray[np.bool_], seen: Floats, before: Floats) -> Floats:
    """New level probabilities: what was seen, drawn a little towards the prior opinion.

    Where a class agrees on something only now and then (twins' date of birth within a household), only that share is
    learned, up to a bound: left free, a class without pairs of its own would turn into a second class of matches.
    """
    chances = anchors.copy()
    observed = seen[:, :, 1:].sum(axis=2)
    strength = ANCHOR + ANCHOR_SHARE * observed
    valued = anchors[:, :, 1:] < 1.0
    learned = (seen[:, :, 1:] + strength[:, :, None] * anchors[:, :, 1:]) / (observed + strength)[:, :, None]
    chances[:, :, 1:] = np.where(free[:, :, None] & valued, learned, anchors[:, :, 1:])
    for row, comparison in enumerate(plan.comparisons):
        for place, share in enumerate(comparison.shared, start=1):
            if share == NAMESAKE:
                chances[row, place] = chances[row, 0]
            elif share is not None and share <= SELDOM:
                levels = slice(1, comparison.top + 1)
                agree, chance = chances[row, 0, levels], anchors[row, -1, levels]
                weight = _mixed(agree, chance, seen[row, place, levels], before[row, place, levels], share)
                chances[row, place, levels] = weight * agree + (1 - weight) * chance
    return chances


def _mixed(agree: Floats, chance: Floats, seen: Floats, before: Floats, prior: float) -> float:
    """The share of a class that agrees as copies do, one EM step on; at most `SELDOM_MOST` times its prior."""
    gap = chance[0] - agree[0]
    now = float(np.clip((chance[0] - before[0]) / gap, 0.0, 1.0)) if gap > 0.01 else prior
    part = now * agree / np.maximum(now * agree + (1 - now) * chance, 1e-300)
    learned = (float((seen * part).sum()) + ANCHOR * prior) / (float(seen.sum()) + ANCHOR)
    return min(learned, SELDOM_MOST * prior)


def _by_chance(plan: Plan) -> Floats:
    flags = np.zeros((len(plan.comparisons), 4))
    flags[:, 3] = 1.0
    for row, comparison in enumerate(plan.comparisons):
        for place, share in enumerate(comparison.shared, start=1):
            flags[row, place] = 1.0 if share is None or share == NAMESAKE or share <= SELDOM else 0.0
    return flags


@compiled
def expectation(patterns: Levels, counts: Floats, logs: Floats, priors: Floats) -> tuple[Floats, Floats]:
    """Expected pairs of each (comparison, class, level), and of each class; logs are natural."""
    size, classes = patterns.shape[1], len(priors)
    seen = np.zeros((size, classes, 8))
    masses = np.zeros(classes)
    weight = np.empty(classes)
    for pattern in range(len(patterns)):
        top = -1e300
        for one in range(classes):
            value = priors[one]
            for row in range(size):
                value += logs[row, one, patterns[pattern, row]]
            weight[one] = value
            top = max(top, value)
        whole = 0.0
        for one in range(classes):
            weight[one] = np.exp(weight[one] - top)
            whole += weight[one]
        for one in range(classes):
            share = counts[pattern] * weight[one] / whole
            masses[one] += share
            for row in range(size):
                seen[row, one, patterns[pattern, row]] += share
    return seen, masses


def score(model: Model, plan: Plan, left: Ints, right: Ints, levels: Levels, rare: Bits) -> Bits:
    """(pairs,) log2 odds that a pair is a match. rare: (comparisons, rows) of `rarity`."""
    tops = np.array([comparison.top for comparison in plan.comparisons], np.uint8)
    kinds, sample = kinds_of(levels)
    patterns = np.ascontiguousarray(levels[:, sample])
    base, agreed = _by_pattern(patterns, model.logs, np.log2(model.priors), tops)
    out = np.empty(len(left), np.float32)
    _score(left, right, kinds, base, agreed, model.by_chance, rare, out)
    return out


@compiled
def _by_pattern(patterns: Levels, logs: Floats, priors: Floats, tops: Levels) -> tuple[Floats, Levels]:
    """What pairs of one pattern share: (patterns, classes) bits, rare values apart, and what agrees fully.

    The latter: (patterns, comparisons + 1) how many comparisons, and which ones.
    """
    size, count = patterns.shape
    base = np.empty((count, len(priors)))
    agreed = np.zeros((count, size + 1), np.uint8)
    for pattern in range(count):
        for one in range(len(priors)):
            base[pattern, one] = priors[one]
        for row in range(size):
            level = patterns[row, pattern]
            if level == 0:
                continue
            for one in range(len(priors)):
                base[pattern, one] += logs[row, one, level]
            if level == tops[row]:
                agreed[pattern, 0] += 1
                agreed[pattern, agreed[pattern, 0]] = row
    return base, agreed


@compiled
def _score(
    left: Ints,
    right: Ints,
    kinds: Codes,
    base: Floats,
    agreed: Levels,
    by_chance: Floats,
    rare: Bits,
    out: Bits,
) -> None:
    classes = base.shape[1]
    value = np.empty(classes)
    for pair in range(len(left)):
        kind = kinds[pair]
        for one in range(classes):
            value[one] = base[kind, one]
        for place in range(agreed[kind, 0]):
            row = agreed[kind, place + 1]
            bonus = (rare[row, left[pair]] + rare[row, right[pair]]) / 2
            for one in range(classes):
                value[one] -= by_chance[row, one] * bonus
        top = value[1]
        for one in range(2, classes):
            top = max(top, value[one])
        others = 0.0
        for one in range(1, classes):
            if value[one] > top - 30.0:  # less is lost in rounding
                others += 1.0 if value[one] == top else np.exp2(value[one] - top)
        out[pair] = value[0] - top
        if others != 1.0:
            out[pair] -= np.log2(others)
