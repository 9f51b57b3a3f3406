"""From decisions to answered pairs, and from answered pairs to a learned score."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from detectors.contract import Batch, Label, LinkRecords, MergeRecords
from detectors.duplicates import linking
from detectors.duplicates.learning import Learned, learn, vectors
from detectors.duplicates.linking import Linkage
from detectors.duplicates.links import Pair, rows_of


@dataclass(frozen=True)
class Answers:
    """Pairs of record ids that a person called one entity or not, with how far the person is trusted."""

    pairs: dict[Pair, tuple[bool, float]]

    @classmethod
    def of(cls, labels: Sequence[Label]) -> Answers:
        """Every pair of an accepted merge, and the pair of a rejected one of two; the last answer counts.

        A rejected merge of more records does not say which of them is wrong, and teaches nothing here.
        """
        pairs: dict[Pair, tuple[bool, float]] = {}
        for label in labels:
            subjects = sorted(label.finding.subjects)
            if _is_claim(label) and (label.is_defect or len(subjects) == 2):
                pairs |= dict.fromkeys(combinations(subjects, 2), (label.is_defect, label.weight))
        return cls(pairs)


def _is_claim(label: Label) -> bool:
    return isinstance(label.finding.proposal, MergeRecords | LinkRecords)


def learn_from(linkage: Linkage, batch: Batch, answers: Answers, seed: int) -> Learned | None:
    """What the answers about records of this batch teach beyond the unsupervised score; None if nothing reliable."""
    ids = batch.frame.index.to_numpy(dtype=np.int64)
    known = np.array(sorted(answers.pairs), dtype=np.int64).reshape(-1, 2)
    left, right = rows_of(answers.pairs, ids)
    if not len(known) or not len(left):
        return None
    given = [answers.pairs[(int(ids[one]), int(ids[two]))] for one, two in zip(left, right, strict=True)]
    levels = linking.compare(linkage.plan, left, right)
    bits = linking.score(linkage.model, linkage.plan, left, right, levels, linkage.rare)
    features = vectors(linkage.model, linkage.plan, left, right, levels, linkage.rare, bits)
    same = np.array([answer for answer, _ in given], dtype=bool)
    trust = np.array([weight for _, weight in given], dtype=np.float64)
    return learn(features, bits, same, trust, seed)
