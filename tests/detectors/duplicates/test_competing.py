"""Where sources hold nothing twice, the candidates of a record compete."""

from __future__ import annotations

from argparse import ArgumentParser
from itertools import combinations

import numpy as np
import pytest

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation
from detectors.duplicates.competing import Rivals
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.findings import findings
from detectors.duplicates.golden import Merger
from detectors.duplicates.incremental import Clusters
from detectors.duplicates.links import DIFFERENT, SAME
from detectors.duplicates.resident import ResidentIndex

CONTEXT = RunContext(seed=1, device="cpu")


@pytest.fixture(scope="module")
def two_sources() -> tuple[Batch, np.ndarray]:
    """People of whom either source holds one record at most; half of them stand in both."""
    frame, truth = generate(2500, corruption="clerk", share=0.6, seed=3)
    order = np.random.default_rng(3).permutation(len(frame))
    held: dict[int, list[str]] = {}
    origin = {}
    for row in order.tolist():
        sources = held.setdefault(int(truth[row]), [])
        if len(sources) < 2:
            sources.append("crm" if row % 2 == 0 and not sources else "shop" if "shop" not in sources else "crm")
            origin[row] = sources[-1]
    kept = sorted(origin)
    return Batch(frame.loc[kept], ROLES, origin=origin), truth[kept]


def random_matching(weights: dict[tuple[int, int], float]) -> dict[tuple[int, int], float]:
    """The probability of each pair among all matchings, by listing them."""
    total, holding = 0.0, dict.fromkeys(weights, 0.0)
    for size in range(len(weights) + 1):
        for pairs in combinations(weights, size):
            rows = [row for pair in pairs for row in pair]
            if len(set(rows)) == len(rows):
                weight = float(np.prod([weights[pair] for pair in pairs]))
                total += weight
                for pair in pairs:
                    holding[pair] += weight
    return {pair: weight / total for pair, weight in holding.items()}


def rivals_of(source: list[int], names: int = 2) -> Rivals:
    origin = {row: f"s{number}" for row, number in enumerate(source) if number >= 0}
    found = Rivals.of(np.arange(len(source)), origin, [f"s{number}" for number in range(names)], 0.5)
    return found


def test_probabilities_are_those_among_all_matchings():
    rivals = rivals_of([0, 0, 1, 1])
    weights = {(0, 2): 8.0, (0, 3): 2.0, (1, 3): 4.0}  # a chain, where passing messages is exact
    left, right = (np.array(side) for side in zip(*weights, strict=True))
    bits = np.log2(np.array(list(weights.values()), np.float32))
    rivals.lifts = {(0, 1): 0.0}
    odds = np.exp2(rivals.settled(bits, left, right).astype(float))
    assert odds / (1 + odds) == pytest.approx(list(random_matching(weights).values()), rel=1e-3)


def test_a_record_of_another_source_matches_once_but_may_be_matched_twice():
    rivals = rivals_of([0, 0, -1, -1], names=1)
    rivals.lifts = {(0, -1): 0.0}
    left, right = np.array([0, 0, 1]), np.array([2, 3, 3])
    bits = rivals.settled(np.array([3, 3, 3], np.float32), left, right)
    assert bits[0] == pytest.approx(3)  # row 0 may match both 2 and 3; row 3 has two candidates
    assert bits[1] == bits[2] == pytest.approx(3 - np.log2(9), abs=1e-4)


def test_decisions_stand_and_their_rivals_yield():
    rivals = rivals_of([0, 0, 1, 1])
    rivals.lifts = {(0, 1): 5.0}
    left, right = np.array([0, 0, 1, 0]), np.array([2, 3, 3, 1])
    bits = rivals.settled(np.array([SAME, 20, DIFFERENT, SAME], np.float32), left, right)
    assert bits[[0, 2, 3]].tolist() == [SAME, DIFFERENT, SAME]
    assert bits[1] < -5


def test_linking_is_as_good_as_at_the_best_threshold_in_hindsight(two_sources):
    batch, truth = two_sources
    timid = evaluation.measure(list(DuplicateDetector().link(batch, CONTEXT)), batch, truth)
    detector = DuplicateDetector(deduplicated=frozenset({"crm", "shop"}))
    told = evaluation.measure(list(detector.link(batch, CONTEXT)), batch, truth)
    assert told["f1"] > timid["f1"] + 0.002
    assert told["f1"] > told["best_f1"] - 0.002


def test_where_one_source_of_two_is_deduplicated_no_cluster_holds_two_of_its_records(two_sources):
    batch, truth = two_sources
    ((linkage, _),) = DuplicateDetector(deduplicated=frozenset({"crm"})).link(batch, CONTEXT)
    ours = linkage.labels[[batch.origin[int(record)] == "crm" for record in batch.frame.index]]
    assert len(np.unique(ours)) == len(ours)
    assert evaluation.agreement(linkage.labels, truth).f1 > 0.98


def test_evidence_of_competing_pairs_adds_up_to_the_score(two_sources):
    batch, _ = two_sources
    detector = DuplicateDetector(deduplicated=frozenset({"crm", "shop"}))
    ((linkage, part),) = detector.link(batch, CONTEXT)
    checked = 0
    for finding in findings(linkage, Merger(part, {}, ())):
        assert len(finding.subjects) == 2
        bits = sum(reason.weight for reason in finding.evidence)
        if finding.rule == "people" and bits < 12:
            assert finding.score == pytest.approx(1 / (1 + 2**-bits), abs=0.02)
            checked += any(reason.feature == "one match a record" for reason in finding.evidence)
    assert checked > 10


def test_clusters_kept_current_compete_alike(two_sources):
    batch, _ = two_sources
    frame, names = batch.frame, frozenset({"crm", "shop"})
    model = ResidentIndex(batch, "people", context=CONTEXT).model

    def clusters() -> Clusters:
        index = ResidentIndex(batch, "people", model=model, context=CONTEXT, paired=True)
        return Clusters(index, deduplicated=names, origin=batch.origin)

    whole, kept = clusters(), clusters()
    assert all(len(members) == 2 for members in whole.members.values())
    some = np.random.default_rng(5).permutation(frame.index.to_numpy())[:300].tolist()
    kept.apply(deleted=some)
    for part in np.array_split(some, 7):
        kept.apply(added={int(record): frame.loc[record].to_dict() for record in part}, origin=batch.origin)
    assert {tuple(sorted(one)) for one in kept.members.values()} == {
        tuple(sorted(one)) for one in whole.members.values()
    }


def test_evaluating_a_file_can_be_told_which_source_each_record_is_of(two_sources, tmp_path):
    batch, truth = two_sources
    path = tmp_path / "people.csv"
    batch.frame.assign(who=truth, system=list(map(batch.origin.get, batch.frame.index))).to_csv(path, index=False)
    parser = ArgumentParser()
    evaluation.add_arguments(parser)
    maps = [part for name, role in ROLES.items() for part in ("--map", f"{role}={name}")]
    given = [str(path), "--truth", "who", *maps]
    told = evaluation.evaluate(parser.parse_args([*given, "--deduplicated", "system"]))
    assert "system" not in told["roles"]
    assert told["f1"] > evaluation.evaluate(parser.parse_args(given))["f1"]
