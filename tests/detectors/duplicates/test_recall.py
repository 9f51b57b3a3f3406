"""The recall of blocking is estimated without knowing the truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation, linking, recall
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.spread import combine

CONTEXT = RunContext(seed=1, device="cpu")


def linked(rows: int, corruption: str, keep: str = "") -> tuple[linking.Linkage, float]:
    """A linkage of generated people, with the true recall of its blocking; keep: only keys with this feature."""
    frame, truth = generate(rows, corruption=corruption, seed=4)
    batch = Batch(frame, ROLES)
    ((found, _),) = DuplicateDetector().link(batch, CONTEXT)
    if keep:
        plan = found.plan
        names = [key.name for key in found.keys if key.used and keep in key.name]
        there = np.zeros(len(found.left), dtype=bool)
        for name in names:
            value = combine(*(plan.features[part] for part in name.split(" + ")))
            there |= (value[found.left] == value[found.right]) & (value[found.left] != 0)
        keys = tuple(replace(key, used=key.used and key.name in names) for key in found.keys)
        found = replace(found, left=found.left[there], right=found.right[there], bits=found.bits[there], keys=keys)
    return found, float((truth[found.left] == truth[found.right]).sum() / evaluation.pairs_in(truth))


@pytest.mark.parametrize("corruption", ["keyboard", "clerk"])
def test_the_estimate_is_near_the_truth(corruption):
    found, true = linked(5000, corruption)
    assert abs(recall.estimate(found, 0).recall - true) < 0.005


def test_where_every_key_needs_one_group_of_features_nothing_is_said():
    found, _ = linked(3000, "clerk", keep="birth")
    assert recall.estimate(found, 0).recall is None


def test_where_every_pair_is_compared_nothing_is_missed():
    found, true = linked(600, "keyboard")
    assert recall.estimate(found, 0).recall == 1.0 == true
    assert "Every pair was compared" in recall.estimate(found, 0).words(found)


def test_it_is_said_in_words_and_in_the_run():
    frame, _ = generate(3000, corruption="keyboard", seed=4)
    said: list[str] = []
    list(DuplicateDetector().detect(Batch(frame, ROLES), replace(CONTEXT, remark=said.append)))
    (sentence,) = said
    assert "were compared. Capture and recapture over" in sentence


def test_too_few_matches_say_nothing():
    found, _ = linked(3000, "keyboard")
    few = replace(found, bits=np.where(np.arange(len(found.bits)) < 40, found.bits, -9.0).astype(np.float32))
    assert recall.estimate(few, 0).recall is None
    assert "not known" in recall.estimate(few, 0).words(few)
