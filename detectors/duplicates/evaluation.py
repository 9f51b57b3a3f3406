"""How well duplicates are found in a file with truth: `manage.py evaluate duplicates FILE --truth COLUMN`."""

from __future__ import annotations

from argparse import ArgumentParser, Namespace
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import pandas as pd

from detectors.contract import Batch, Label, RunContext
from detectors.duplicates import recall
from detectors.duplicates.active import as_question, worth_asking
from detectors.duplicates.detector import DuplicateDetector, ordered
from detectors.duplicates.linking import Linkage
from detectors.duplicates.text import Ints
from detectors.evaluation import DoesNotFit, add_map_argument, parse_map, read_table, require
from detectors.mapping import guess_roles
from detectors.roles import Role

THRESHOLDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.98, 0.99, 0.995, 0.999, 0.9999)
"""Probabilities at which clusters are made again to find the best threshold."""


ROUNDS = 4
"""Rounds in which simulated answers are asked for; the detector is fitted after each."""


@dataclass(frozen=True)
class Agreement:
    """How well one partition of records agrees with another, by pairs of records."""

    precision: float
    recall: float

    @property
    def f1(self) -> float:
        """The harmonic mean of precision and recall."""
        both = self.precision + self.recall
        return 2 * self.precision * self.recall / both if both else 0.0


def add_arguments(parser: ArgumentParser) -> None:
    """FILE --truth COLUMN [--labels N --seed S] [--deduplicated COLUMN] [--map role=column]."""
    parser.add_argument("file", help="CSV or Parquet, one record a row")
    parser.add_argument(
        "--truth", required=True, metavar="COLUMN", help="equal values = one entity; blank = an entity of its own"
    )
    parser.add_argument(
        "--labels", type=int, default=0, metavar="N", help="answers of a steward, simulated from the truth"
    )
    parser.add_argument("--seed", type=int, default=0, metavar="S")
    parser.add_argument(
        "--deduplicated", metavar="COLUMN", help="the source of each record, where no source holds anything twice"
    )
    add_map_argument(parser)


def evaluate(options: Namespace) -> dict[str, Any]:
    """Link the file without its truth column, and measure against it.

    precision, recall, f1: over all pairs of records that stand in one proposed cluster (at the default threshold,
        more likely than not), against all pairs of equal truth; pairs that blocking missed count as misses.
    best_f1, best_threshold: the same f1 at the best of `THRESHOLDS`, and that probability.
    cluster_f1: equal to f1, because what is proposed are clusters; `pair_f1` is what scores alone would give before
        clustering, `exact_f1` counts only clusters of two or more that are one entity's records exactly.
    blocking_recall: share of true pairs that were compared at all; blocking_recall_estimate: what is said of it without
        truth, blocking_recall_how: and how (`recall`). rows: records in the file.
    roles: column -> role the file was read with. calibration: of the pairs scored .85 to .95, the share that is
        true (null without such pairs).

    Raises DoesNotFit where the file or its columns cannot be used.
    """
    frame = read_table(options.file)
    named = [options.truth, *([options.deduplicated] if options.deduplicated else [])]
    require(frame, named, options.file)
    truth = entities_of(frame[options.truth])
    origin = {}
    if options.deduplicated:
        sources = frame[options.deduplicated].dropna()
        origin = {int(row): str(source) for row, source in sources.items() if str(source).strip()}
    frame = frame.drop(columns=named)
    roles = roles_of(frame, options.map)
    if not roles:
        raise DoesNotFit(f"{options.file}: no column with a known meaning; name some with --map role=column")
    batch = ordered(Batch(frame, roles, origin=origin))
    context = RunContext(seed=options.seed, device="cpu")
    detector = DuplicateDetector(deduplicated=frozenset(origin.values()))
    if options.labels:
        detector = taught(detector, batch, truth, options.labels, context)
    found = list(detector.link(batch, context))
    return measure(found, batch, truth) | {
        "rows": len(frame),
        "roles": {name: str(role) for name, role in roles.items()},
    }


def taught(
    detector: DuplicateDetector, batch: Batch, truth: Ints, count: int, context: RunContext
) -> DuplicateDetector:
    """The detector after a steward answered `count` chosen pairs truthfully, in rounds with a fit after each."""
    labels: list[Label] = []
    for turn in range(ROUNDS):
        wanted = count * (turn + 1) // ROUNDS - count * turn // ROUNDS
        found = list(detector.link(batch, context))
        for linkage, part in found:
            rows = batch.frame.index.get_indexer(part.frame.index)
            ids = [int(record) for record in part.frame.index]
            place = {record: row for row, record in enumerate(ids)}
            asked = (label.finding.subjects for label in labels)
            known = frozenset((place[one], place[two]) for one, two in asked if one in place and two in place)
            share = max(round(wanted * len(part) / len(batch)), 1)
            for pair in worth_asking(linkage, share, known=known, seed=context.seed + turn).tolist():
                one, two = rows[linkage.left[pair]], rows[linkage.right[pair]]
                labels.append(Label(as_question(linkage, ids, pair), bool(truth[one] == truth[two])))
        detector = detector.fit(batch, labels[:count], context)
    return detector


def roles_of(frame: pd.DataFrame, pairs: list[str]) -> dict[str, Role]:
    """Column -> role, guessed, overruled by `--map`; columns without a meaning are left out."""
    guessed: Mapping[str, Role] = {name: guess.role for name, guess in guess_roles(frame, kind="").items()}
    mapped = parse_map(pairs, frame)
    return {name: role for name, role in {**guessed, **mapped}.items() if role is not Role.IGNORE}


def entities_of(truth: pd.Series) -> Ints:
    """(rows,) a number for each entity; a blank truth is an entity of its own."""
    codes = np.asarray(pd.factorize(truth)[0], dtype=np.int64)
    blank = codes < 0
    codes[blank] = codes.max(initial=0) + 1 + np.arange(int(blank.sum()))
    return codes


def measure(found: list[tuple[Linkage, Batch]], batch: Batch, truth: Ints) -> dict[str, Any]:
    """The figures of `evaluate` for linkages of parts of a batch whose rows stand in the order of `truth`."""
    by_threshold = {threshold: agreement(labels_of(found, batch, threshold), truth) for threshold in THRESHOLDS}
    default = agreement(labels_of(found, batch), truth)
    best = max(by_threshold, key=lambda threshold: (by_threshold[threshold].f1, -abs(threshold - 0.5)))
    same, scores = _scored(found, batch, truth)
    true_pairs = pairs_in(truth)
    near = (scores >= 0.85) & (scores < 0.95)
    taken = scores >= 0.5
    pair = Agreement(_share(int(same[taken].sum()), int(taken.sum())), _share(int(same[taken].sum()), true_pairs))
    return {
        "precision": default.precision,
        "recall": default.recall,
        "f1": default.f1,
        "best_f1": max(by_threshold[best].f1, default.f1),
        "best_threshold": best if by_threshold[best].f1 > default.f1 else 0.5,
        "cluster_f1": default.f1,
        "pair_f1": pair.f1,
        "exact_f1": exact_f1(labels_of(found, batch), truth),
        "blocking_recall": _share(int(same.sum()), true_pairs),
        **_estimated(found),
        "calibration": float(same[near].mean()) if near.any() else None,
    }


def _estimated(found: list[tuple[Linkage, Batch]]) -> dict[str, Any]:
    """What would be said of the recall of blocking without the truth, over all kinds of entities by their matches."""
    said = [recall.estimate(linkage, 0) for linkage, _ in found]
    known = [one for one in said if one.recall is not None]
    seen = sum(one.seen for one in known)
    share = sum((one.recall or 0.0) * one.seen for one in known) / seen if seen else None
    return {"blocking_recall_estimate": share, "blocking_recall_how": " ".join(one.how for one in said)}


def agreement(labels: Ints, truth: Ints) -> Agreement:
    """Precision and recall of the pairs inside clusters; 1 where there is nothing to be right about."""
    both = pairs_in(labels * (truth.max(initial=0) + 1) + truth)
    return Agreement(_share(both, pairs_in(labels)), _share(both, pairs_in(truth)))


def exact_f1(labels: Ints, truth: Ints) -> float:
    """F1 over whole clusters of two or more records; a cluster is right only if it is one entity exactly."""
    joint = labels * (truth.max(initial=0) + 1) + truth
    sizes = [np.unique(values, return_inverse=True, return_counts=True) for values in (labels, truth, joint)]
    mine, theirs, both = (counts[inverse] for _, inverse, counts in sizes)
    right = len(np.unique(joint[(mine == both) & (theirs == both) & (both > 1)]))
    return Agreement(_share(right, _groups(labels)), _share(right, _groups(truth))).f1


def pairs_in(labels: Ints) -> int:
    """Pairs of rows with equal labels."""
    counts = np.unique(labels, return_counts=True)[1].astype(np.int64)
    return int((counts * (counts - 1) // 2).sum())


def _groups(labels: Ints) -> int:
    return int((np.unique(labels, return_counts=True)[1] > 1).sum())


def _share(part: int, whole: int) -> float:
    return part / whole if whole else 1.0


def labels_of(found: list[tuple[Linkage, Batch]], batch: Batch, threshold: float | None = None) -> Ints:
    """(rows,) cluster of each row of the batch; threshold: a probability instead of the default."""
    labels = np.arange(len(batch))
    for linkage, part in found:
        rows = batch.frame.index.get_indexer(part.frame.index)
        own = linkage.labels if threshold is None else linkage.clusters(float(np.log2(threshold / (1 - threshold))))
        labels[rows] = rows[own]
    return labels


def _scored(
    found: list[tuple[Linkage, Batch]], batch: Batch, truth: Ints
) -> tuple[npt.NDArray[np.bool_], npt.NDArray[np.float64]]:
    same, scores = [np.zeros(0, dtype=bool)], [np.zeros(0)]
    for linkage, part in found:
        own = truth[batch.frame.index.get_indexer(part.frame.index)]
        same.append(own[linkage.left] == own[linkage.right])
        scores.append(1 / (1 + 2.0 ** -np.clip(linkage.bits.astype(np.float64), -60, 60)))
    return np.concatenate(same), np.concatenate(scores)
