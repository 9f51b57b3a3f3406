"""The whole way from a batch to clusters: block, compare, fit, score, complete, cluster."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from detectors.contract import Batch, RunContext
from detectors.duplicates import blocking, clustering, comparisons, namesakes, scoring, sizes
from detectors.duplicates.blocking import Key
from detectors.duplicates.competing import Rivals
from detectors.duplicates.cores import ahead
from detectors.duplicates.learning import REPLACED, Learned, vectors
from detectors.duplicates.links import DIFFERENT, SAME, Links, rows_of
from detectors.duplicates.plan import CHUNK, Levels, Plan, Rows
from detectors.duplicates.scoring import Bits, Floats, Model
from detectors.duplicates.spilling import Array, Spill, rest
from detectors.duplicates.text import Codes, Ints

SAMPLE = 300_000
COMPLETED = 64
"""Components of up to so many records have all their pairs compared before they are clustered."""


@dataclass
class Linkage:
    """What was found in one batch of one kind of entity.

    left, right, levels, bits: the compared pairs (row positions), their levels and log2 odds.
    labels: (rows,) smallest row position of each row's cluster at the default threshold.
    shared: (pairs,) the part of bits that comes of other pairs: of how many records a thing has (`sizes`), or of a
        record matching once at most (`competing`).
    once: whether it is the latter.
    """

    plan: Plan
    model: Model
    rare: Bits
    keys: tuple[Key, ...]
    left: Rows
    right: Rows
    levels: Levels
    bits: Bits
    labels: Ints
    shared: Bits
    once: bool = False

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
    spill = Spill(context.memory)
    report(25, 100, "blocking")
    found = blocking.block(plan, spill=spill)
    pairs = Pairs.of(found.pairs, len(plan.comparisons), spill)
    keys = found.keys
    del found
    report(40, 100, "comparing")
    pairs.compare(plan, lambda share: report(40 + int(share * 30), 100, "comparing"))
    rare = spill.empty((len(plan.comparisons), plan.rows), np.float32)
    for row, one in enumerate(plan.comparisons):
        rare[row] = scoring.rarity(one)
    if model is None or model.keys != tuple(one.key for one in plan.comparisons):
        report(70, 100, "fitting")
        first, second, total = namesakes.draw(plan, context.seed)
        alike = namesakes.gathered(plan, compare(plan, first, second), total)
        model = scoring.fit(plan, pairs.levels, compare(plan, *random_pairs(plan.rows, context.seed)), alike)
    report(85, 100, "scoring")
    judge = Judge(plan, model, rare, learned)
    pairs.score(judge)
    rivals = None
    if deduplicated and batch.origin:
        rivals = Rivals.of(batch.frame.index.to_numpy(np.int64), batch.origin, deduplicated, float(model.priors[0]))
        rivals.count(pairs.bits, pairs.left, pairs.right)
    likely = (rivals.lifted(pairs.bits, pairs.left, pairs.right) if rivals else pairs.bits) > 0
    pairs.complete(judge, clustering.linked(plan.rows, pairs.left, pairs.right, likely))
    if links:
        pairs.decide(links, batch, judge)
    if rivals:
        settled = rivals.settled(pairs.bits, pairs.left, pairs.right)
    else:
        lifts = lifts_of(model, plan.rows, pairs.left, pairs.right, pairs.bits)
        model = replace(model, lifts=lifts)
        settled = pairs.settled(judge, lifts)
    shared = np.subtract(settled, pairs.bits, out=pairs.bits)
    pairs.bits = settled
    report(92, 100, "clustering")
    labels = clustering.cluster(plan.rows, pairs.left, pairs.right, pairs.bits)
    rest(pairs.left, pairs.right, pairs.levels, pairs.bits, rare)
    compared = pairs.left, pairs.right, pairs.levels, pairs.bits
    return Linkage(plan, model, rare, keys, *compared, labels, shared, rivals is not None)


def lifts_of(model: Model, rows: int, left: Rows, right: Rows, bits: Bits) -> Floats:
    """What the model knows of how many records a thing has; what these scored pairs say, if it does not know."""
    if model.lifts is not None:
        return model.lifts
    return sizes.fit(rows, left, right, bits, float(model.priors[0]))


@dataclass(frozen=True)
class Judge:
    """What scores a pair of one batch. learned: what decisions taught, if it is better than the model's score."""

    plan: Plan
    model: Model
    rare: Bits
    learned: Learned | None = None

    def score(self, left: Rows, right: Rows, levels: Levels, out: Bits) -> None:
        """Fill (pairs,) log2 odds."""
        score(self.model, self.plan, left, right, levels, self.rare, out=out)
        if self.learned is not None:
            out[:] = relearned(self.learned, self.model, self.plan, self.rare, left, right, levels, out)


@dataclass
class Pairs:
    """The compared pairs, as in a `Linkage`, while they are made. spill: where they are kept."""

    left: Codes
    right: Codes
    levels: Levels
    bits: Bits
    spill: Spill
    ordered: int
    """How many of them, from the first, are sorted as `blocking` gives them; later ones stand behind."""

    @classmethod
    def of(cls, packed: blocking.Pairs, comparisons: int, spill: Spill) -> Pairs:
        """packed: sorted (`blocking`). Levels and bits are yet to be filled."""
        left, right = (spill.keep(side) for side in blocking.sides(packed))
        levels = spill.empty((comparisons, len(packed)), np.uint8)
        return cls(left, right, levels, spill.empty(len(packed), np.float32), spill, len(packed))

    def compare(self, plan: Plan, done: Callable[[float], None] = lambda share: None) -> None:
        """Fill the levels."""
        compare(plan, self.left, self.right, done, out=self.levels)
        rest(self.levels)

    def score(self, judge: Judge) -> None:
        """Fill the bits."""
        judge.score(self.left, self.right, self.levels, self.bits)
        rest(self.levels)

    def settled(self, judge: Judge, lifts: Floats) -> Bits:
        """(pairs,) log2 odds among all ways to part the records, after comparing what is missing in components."""
        parents = sizes.components(judge.plan.rows, self.left, self.right, self.bits, lifts)
        if lifts[2] > 0:  # else these are the components that were completed before
            self.complete(judge, parents)
        return sizes.settled(self.left, self.right, self.bits, lifts, parents)

    def complete(self, judge: Judge, parents: Ints) -> None:
        """Add every missing pair inside a component. parents: (rows,) the component of each row."""
        members = np.bincount(parents, minlength=len(parents))[parents]
        rows = np.flatnonzero((members > 2) & (members <= COMPLETED))
        rows = rows[np.argsort(parents[rows], kind="stable")]
        if not len(rows):
            return
        bounds = np.concatenate([[0], np.flatnonzero(np.diff(parents[rows])) + 1, [len(rows)]])
        every = blocking.all_pairs(rows, bounds)
        missing = ~self._held(every)
        if missing.any():
            more = Pairs.of(every[missing], len(self.levels), self.spill)
            more.compare(judge.plan)
            more.score(judge)
            self.add(more)

    def _held(self, pairs: blocking.Pairs) -> npt.NDArray[np.bool_]:
        end = self.ordered
        later = blocking.pack(self.left[end:], self.right[end:])
        return blocking.held(self.left[:end], self.right[:end], pairs) | blocking.among(pairs, later)

    def add(self, more: Pairs) -> None:
        """Put further pairs behind these; one array after the other, so that none but one is there twice."""
        self.left = self._joined(self.left, more.left)
        self.right = self._joined(self.right, more.right)
        self.levels = self._joined(self.levels, more.levels)
        self.bits = self._joined(self.bits, more.bits)

    def _joined(self, first: Array, more: Array) -> Array:
        size = first.shape[-1]
        out = self.spill.empty((*first.shape[:-1], size + more.shape[-1]), first.dtype)
        for start in range(0, size, CHUNK):
            part = slice(start, min(start + CHUNK, size))
            out[..., part] = first[..., part]
        out[..., size:] = more
        rest(first, out)
        return out  # type: ignore[return-value]

    def decide(self, links: Links, batch: Batch, judge: Judge) -> None:
        """Set the bits of decided pairs, which are added where missing; a rejected cluster loses its weakest pair."""
        ids = batch.frame.index.to_numpy(dtype=np.int64)
        same, different = rows_of(links.same, ids), rows_of(links.different, ids)
        known = blocking.pack(self.left, self.right)
        wanted = blocking.distinct([blocking.pack(*same), blocking.pack(*different)])
        more = Pairs.of(wanted[~blocking.among(wanted, known)], len(self.levels), self.spill)
        more.compare(judge.plan)
        more.bits[:] = 0.0
        self.add(more)
        packed = blocking.pack(self.left, self.right)
        self.bits[blocking.among(packed, blocking.pack(*same))] = SAME
        for members in links.rejected:
            rows = np.searchsorted(ids, members)
            if (rows < len(ids)).all() and (ids[np.minimum(rows, len(ids) - 1)] == members).all():
                inside = np.flatnonzero(np.isin(self.left, rows) & np.isin(self.right, rows))
                if len(inside):
                    self.bits[inside[np.argmin(self.bits[inside])]] = DIFFERENT
        self.bits[blocking.among(packed, blocking.pack(*different))] = DIFFERENT


def random_pairs(rows: int, seed: int, size: int = SAMPLE) -> tuple[Ints, Ints]:
    """Random pairs of different rows; all pairs where there are fewer than `size`."""
    if rows * (rows - 1) // 2 <= size:
        left, right = np.triu_indices(rows, 1)
        return left.astype(np.int64), right.astype(np.int64)
    rng = np.random.default_rng(seed)
    left = rng.integers(0, rows, size)
    right = (left + rng.integers(1, rows, size)) % rows
    return left, right


def compare(
    plan: Plan,
    left: Rows,
    right: Rows,
    done: Callable[[float], None] = lambda share: None,
    *,
    out: Levels | None = None,
) -> Levels:
    """(comparisons, pairs) levels, chunk by chunk on all cores. out: where they go; by default a new array."""
    levels = np.zeros((len(plan.comparisons), len(left)), np.uint8) if out is None else out

    def one(start: int) -> None:
        part = slice(start, start + CHUNK)
        levels[:, part] = plan.compare(left[part].astype(np.int64), right[part].astype(np.int64))

    _each_chunk(one, len(left), done)
    return levels


def score(
    model: Model, plan: Plan, left: Rows, right: Rows, levels: Levels, rare: Bits, *, out: Bits | None = None
) -> Bits:
    """(pairs,) log2 odds, chunk by chunk on all cores. out: where they go; by default a new array."""
    bits = np.empty(len(left), np.float32) if out is None else out

    def one(start: int) -> None:
        part = slice(start, start + CHUNK)
        rows = left[part].astype(np.int64), right[part].astype(np.int64)
        bits[part] = scoring.score(model, plan, *rows, levels[:, part], rare)

    _each_chunk(one, len(left), lambda share: None)
    return bits


def relearned(
    learned: Learned, model: Model, plan: Plan, rare: Bits, left: Rows, right: Rows, levels: Levels, bits: Bits
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
