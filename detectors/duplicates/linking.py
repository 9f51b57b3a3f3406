"""The whole way from a batch to clusters: block, compare, fit, score, complete, cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from detectors.contract import Batch, RunContext
from detectors.duplicates import blocking, clustering, comparisons, namesakes, scoring
from detectors.duplicates.blocking import Key
from detectors.duplicates.competing import Rivals
from detectors.duplicates.cores import ahead
from detectors.duplicates.learning import REPLACED, Learned, vectors
from detectors.duplicates.links import DIFFERENT, SAME, Links, rows_of
from detectors.duplicates.plan import Plan
from detectors.duplicates.scoring import Bits, Model
from detectors.duplicates.text import Ints

Levels = npt.NDArray[np.uint8]

CHUNK = 1 << 18
SAMPLE = 300_000
COMPLETED = 64
"""Components of up to so many records have all their pairs compared before they are clustered."""


@dataclass
class Linkage:
    """What was found in one batch of one kind of entity.

    left, right, levels, bits: the compared pairs (row positions), their levels and log2 odds.
    labels: (rows,) smallest row position of each row's cluster at the default threshold.
    shared: (pairs,) the part of bits that comes of one record matching once at most (`competing`); None: nothing does.
    """

    plan: Plan
    model: Model
    rare: Bits
    keys: tuple[Key, ...]
    left: Ints
    right: Ints
    levels: Levels
    bits: Bits
    labels: Ints
    shared: Bits | None = None

    def clusters(self, threshold: float = 0.0) -> Ints:
        """Labels at another threshold, in bits."""
        return clustering.cluster(self.plan.rows, self.left, self.right, self.bits, threshold=threshold)


def link(
    batch: Batch,
    entity: str,
    context: RunContext,
    *,
    model: Model | None = None,
    links: Links | None = None,
    learned: Learned | None = None,
    deduplicated: frozenset[str] = frozenset(),
) -> Linkage:
    """Link the records of a batch. Rows must be in a canonical order (by id).

    model: a fitted model to use instead of fitting one here; ignored if it is of another list of comparisons.
    links: decided pairs, which outweigh any evidence. learned: what decisions taught, if it is better.
    deduplicated: sources without duplicates of their own (`Batch.origin`): one record of each at most in a cluster.
    """
    report = context.report
    report(0, 100, "reading columns")
    plan = comparisons.plan(batch, entity)
    report(25, 100, "blocking")
    found = blocking.block(plan)
    report(40, 100, "comparing")
    left, right = blocking.unpack(found.pairs)
    levels = compare(plan, left, right, lambda share: report(40 + int(share * 30), 100, "comparing"))
    rare = (
        np.stack([scoring.rarity(one) for one in plan.comparisons])
        if plan.comparisons
        else np.zeros((0, plan.rows), np.float32)
    )
    if model is None or model.keys != tuple(one.key for one in plan.comparisons):
        report(70, 100, "fitting")
        one, other, total = namesakes.draw(plan, context.seed)
        alike = namesakes.gathered(plan, compare(plan, one, other), total)
        model = scoring.fit(plan, levels, compare(plan, *random_pairs(plan.rows, context.seed)), alike)
    report(85, 100, "scoring")
    bits = score(model, plan, left, right, levels, rare)
    rivals = None
    if deduplicated and batch.origin:
        rivals = Rivals.of(batch.frame.index.to_numpy(np.int64), batch.origin, deduplicated, float(model.priors[0]))
        rivals.count(bits, left, right)
    left, right, levels, bits = _completed(model, plan, rare, left, right, levels, bits, rivals)
    if learned is not None:
        bits = relearned(learned, model, plan, rare, left, right, levels, bits)
    if links:
        left, right, levels, bits = _decided(links, batch, plan, left, right, levels, bits)
    shared = None
    if rivals:
        settled = rivals.settled(bits, left, right)
        shared, bits = settled - bits, settled
    report(92, 100, "clustering")
    labels = clustering.cluster(plan.rows, left, right, bits)
    return Linkage(plan, model, rare, found.keys, left, right, levels, bits, labels, shared)


def random_pairs(rows: int, seed: int, size: int = SAMPLE) -> tuple[Ints, Ints]:
    """Random pairs of different rows; all pairs where there are fewer than `size`."""
    if rows * (rows - 1) // 2 <= size:
        left, right = np.triu_indices(rows, 1)
        return left.astype(np.int64), right.astype(np.int64)
    rng = np.random.default_rng(seed)
    left = rng.integers(0, rows, size)
    right = (left + rng.integers(1, rows, size)) % rows
    return left, right


def compare(plan: Plan, left: Ints, right: Ints, done: Callable[[float], None] = lambda share: None) -> Levels:
    """(comparisons, pairs) levels, chunk by chunk on all cores."""
    levels = np.zeros((len(plan.comparisons), len(left)), np.uint8)

    def one(start: int) -> None:
        part = slice(start, start + CHUNK)
        levels[:, part] = plan.compare(left[part], right[part])

    _each_chunk(one, len(left), done)
    return levels


def score(model: Model, plan: Plan, left: Ints, right: Ints, levels: Levels, rare: Bits) -> Bits:
    """(pairs,) log2 odds, chunk by chunk on all cores."""
    bits = np.empty(len(left), np.float32)

    def one(start: int) -> None:
        part = slice(start, start + CHUNK)
        bits[part] = scoring.score(model, plan, left[part], right[part], levels[:, part], rare)

    _each_chunk(one, len(left), lambda share: None)
    return bits


def relearned(
    learned: Learned, model: Model, plan: Plan, rare: Bits, left: Ints, right: Ints, levels: Levels, bits: Bits
) -> Bits:
    """(pairs,) log2 odds after what decisions taught."""
    out = bits.copy()

    def one(start: int) -> None:
        part = np.arange(start, min(start + CHUNK, len(left)))
        part = part[(bits[part] > REPLACED[0]) & (bits[part] < REPLACED[1])]
        if len(part):
            features = vectors(model, plan, left[part], right[part], levels[:, part], rare, bits[part])
            out[part] = learned.bits(features, bits[part])

    _each_chunk(one, len(left), lambda share: None)
    return out


def _each_chunk(one: Callable[[int], None], size: int, done: Callable[[float], None]) -> None:
    starts = range(0, size, CHUNK)
    for count, _ in enumerate(ahead(one, starts), start=1):
        done(count / len(starts))


def _completed(
    model: Model, plan: Plan, rare: Bits, left: Ints, right: Ints, levels: Levels, bits: Bits, rivals: Rivals | None
) -> tuple[Ints, Ints, Levels, Bits]:
    """The same pairs and every missing pair inside a component of likely pairs, compared and scored too."""
    likely = (rivals.lifted(bits, left, right) if rivals else bits) > 0
    parents = clustering.components(plan.rows, left[likely], right[likely])
    sizes = np.bincount(parents, minlength=plan.rows)
    rows = np.flatnonzero((sizes[parents] > 2) & (sizes[parents] <= COMPLETED))
    rows = rows[np.argsort(parents[rows], kind="stable")]
    if not len(rows):
        return left, right, levels, bits
    bounds = np.concatenate([[0], np.flatnonzero(np.diff(parents[rows])) + 1, [len(rows)]])
    every = blocking.all_pairs(rows, bounds)
    extra = every[~blocking.among(every, blocking.pack(left, right))]
    more_left, more_right = blocking.unpack(extra)
    more_levels = compare(plan, more_left, more_right)
    more_bits = score(model, plan, more_left, more_right, more_levels, rare)
    return (
        np.concatenate([left, more_left]),
        np.concatenate([right, more_right]),
        np.concatenate([levels, more_levels], axis=1),
        np.concatenate([bits, more_bits]),
    )


def _decided(
    links: Links, batch: Batch, plan: Plan, left: Ints, right: Ints, levels: Levels, bits: Bits
) -> tuple[Ints, Ints, Levels, Bits]:
    """The same pairs with decided ones among them, their bits set; a rejected cluster loses its weakest pair."""
    ids = batch.frame.index.to_numpy(dtype=np.int64)
    same, different = rows_of(links.same, ids), rows_of(links.different, ids)
    known = blocking.pack(left, right)
    wanted = blocking.distinct([blocking.pack(*same), blocking.pack(*different)])
    extra = wanted[~blocking.among(wanted, known)]
    more_left, more_right = blocking.unpack(extra)
    levels = np.concatenate([levels, compare(plan, more_left, more_right)], axis=1)
    left, right = np.concatenate([left, more_left]), np.concatenate([right, more_right])
    bits = np.concatenate([bits, np.zeros(len(extra), np.float32)])
    packed = np.concatenate([known, extra])
    bits[blocking.among(packed, blocking.pack(*same))] = SAME
    for members in links.rejected:
        rows = np.searchsorted(ids, members)
        if (rows < len(ids)).all() and (ids[np.minimum(rows, len(ids) - 1)] == members).all():
            inside = np.flatnonzero(np.isin(left, rows) & np.isin(right, rows))
            if len(inside):
                bits[inside[np.argmin(bits[inside])]] = DIFFERENT
    bits[blocking.among(packed, blocking.pack(*different))] = DIFFERENT
    return left, right, levels, bits
