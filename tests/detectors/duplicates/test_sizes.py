"""How many records a thing has is learned, and the candidates of a record compete accordingly."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest

from benchmarks._people import ROLES, World, _blanks, _clerk, _people, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation, modelfile, sizes
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.findings import findings
from detectors.duplicates.golden import Merger
from detectors.duplicates.incremental import Clusters
from detectors.duplicates.links import DIFFERENT, SAME
from detectors.duplicates.resident import ResidentIndex

CONTEXT = RunContext(seed=1, device="cpu")
NEUTRAL = np.zeros(sizes.LISTED + 1)


def copied(people: int, seed: int, missing: float = 0.0) -> tuple[pd.DataFrame, np.ndarray]:
    """Two lists of the same people put together; of the second some are missing."""
    rng = np.random.default_rng(seed)
    made = _people(people, World.of(people, rng), rng)
    first = [[made[name][person] for name in ROLES] for person in range(people)]
    kept = np.flatnonzero(rng.random(people) >= missing)
    second = [_clerk(list(first[person]), rng, made) for person in kept.tolist()]
    table = first + second
    _blanks(table, rng)
    order = rng.permutation(len(table))
    truth = np.append(np.arange(people), kept)
    return pd.DataFrame([table[row] for row in order], columns=list(ROLES), dtype=object), truth[order]


@pytest.fixture(scope="module")
def two_lists() -> tuple[Batch, np.ndarray]:
    frame, truth = copied(1500, 4, missing=0.1)
    return Batch(frame, ROLES), truth


def ways(records: list[int]) -> Iterator[list[list[int]]]:
    """All ways to part records."""
    if not records:
        yield []
        return
    for rest in ways(records[1:]):
        yield [[records[0]], *rest]
        for place, thing in enumerate(rest):
            yield [*rest[:place], [records[0], *thing], *rest[place + 1 :]]


def all_pairs(rows: int) -> tuple[np.ndarray, np.ndarray]:
    left, right = np.triu_indices(rows, 1)
    return left.astype(np.int64), right.astype(np.int64)


def test_odds_are_those_among_all_ways_to_part_records():
    left, right = all_pairs(5)
    bits = np.full(len(left), 1.5, np.float32)
    lifts = np.array([0, 0, 1.0, -2.0, 0.5, -3.0, 0, 0, 0])
    said = [0.0, 0.0]  # the evidence of things of equal pairs: of n more pairs at once, half say something new
    for size in range(2, 6):
        said.append(said[-1] + 1.5 * (size - 1) / (1 + (size - 2) / 2))
    together = whole = 0.0
    for things in ways(list(range(5))):
        weight = 2.0 ** sum(said[len(thing)] + lifts[len(thing)] for thing in things)
        whole += weight
        together += weight * any({0, 1} <= set(thing) for thing in things)
    found = sizes.settled(left, right, bits, lifts, np.zeros(5, np.int64))
    assert found == pytest.approx(np.log2(together / (whole - together)), abs=1e-4)


def test_a_pair_without_others_is_lifted_as_its_size_is():
    lifts = np.array([0, 0, 2.5, 0, 0, 0, 0, 0, 0])
    bits = sizes.settled(np.array([0]), np.array([1]), np.array([-1.0], np.float32), lifts, np.zeros(2, np.int64))
    assert bits == pytest.approx(1.5)


def test_where_nothing_has_three_records_candidates_compete_and_a_third_is_left_out():
    left, right = np.array([0, 0, 1]), np.array([1, 2, 2])
    lifts = np.array([0, 0, 0, -20.0, -20, -20, -20, -20, -20])
    bits = sizes.settled(left, right, np.array([6, 5, 5], np.float32), lifts, np.zeros(3, np.int64))
    assert bits[0] == pytest.approx(np.log2(64 / 65), abs=0.01)  # 0 and 1, or else 2 with one of them, or nobody
    assert bits[1] < -1


def test_couples_are_not_joined_on_the_same_evidence_four_times_over():
    left, right = all_pairs(4)
    bits = np.array([20, 2, 2, 2, 2, 20], np.float32)  # two people of one name and address, with two records each
    lifts = np.array([0, 0, 0, 0, -4.0, 0, 0, 0, 0])
    found = sizes.settled(left, right, bits, lifts, np.zeros(4, np.int64))
    assert (found[[0, 5]] > 15).all()
    assert (found[1:5] < 0).all()


def test_a_third_that_resembles_both_is_joined_where_things_have_three():
    left, right = np.array([0, 0, 1]), np.array([1, 2, 2])
    lifts = np.array([0, 0, 0, 3.0, 0, 0, 0, 0, 0])
    bits = sizes.settled(left, right, np.array([15, -1, -1], np.float32), lifts, np.zeros(3, np.int64))
    assert (bits > 0).all()


def test_decisions_stand_and_count_for_their_rivals():
    left, right = np.array([0, 0, 1]), np.array([1, 2, 2])
    lifts = np.array([0, 0, 0, -20.0, 0, 0, 0, 0, 0])
    bits = sizes.settled(left, right, np.array([SAME, 8, DIFFERENT], np.float32), lifts, np.zeros(3, np.int64))
    assert bits[[0, 2]].tolist() == [SAME, DIFFERENT]
    assert bits[1] < -10


def test_a_pair_across_components_yields_to_what_stands_inside():
    left, right = np.array([0, 2, 1]), np.array([1, 3, 2])
    lifts = np.array([0, 0, 8.0, 2.0, 4.0, 0, 0, 0, 0])
    bits = np.array([10, 10, -4], np.float32)
    parents = sizes.components(4, left, right, bits, lifts)
    assert parents.tolist() == [0, 0, 2, 2]
    assert sizes.settled(left, right, bits, lifts, parents)[2] < -10


def test_two_records_that_resemble_no_other_are_looked_at_together():
    lifts = np.array([0, 0, 8.0, 2.0, 4.0, 0, 0, 0, 0])
    assert sizes.components(2, np.array([0]), np.array([1]), np.array([-4], np.float32), lifts).tolist() == [0, 0]


def test_a_component_too_large_to_be_listed_falls_into_likelier_ones():
    rows = 3 * sizes.LISTED
    left, right = np.arange(rows - 1), np.arange(1, rows)
    bits = np.full(rows - 1, -4.0, np.float32)
    bits[::2] = -0.5
    parents = sizes.components(rows, left, right, bits, np.array([0, 0, 4.5, 0, 0, 0, 0, 0, 0]))
    assert 1 < np.bincount(parents).max() <= sizes.LISTED


def test_larger_components_keep_their_odds():
    left, right = all_pairs(sizes.LISTED + 1)
    bits = np.linspace(-3, 9, len(left)).astype(np.float32)
    assert (sizes.settled(left, right, bits, NEUTRAL, np.zeros(sizes.LISTED + 1, np.int64)) == bits).all()


def test_a_batch_without_links_says_little_of_sizes():
    nobody = np.zeros(0, np.int64)
    lifts = sizes.fit(30, nobody, nobody, np.zeros(0, np.float32), 1e-3)
    assert -3 < lifts[2] < 0  # no pair was found where one was expected


def test_two_lists_put_together_are_told_from_people_of_many_records(two_lists):
    batch, _ = two_lists
    many, _ = generate(3000, corruption="clerk", share=0.5, seed=5)
    learned = [next(iter(DuplicateDetector().link(one, CONTEXT)))[0].model.lifts for one in (batch, Batch(many, ROLES))]
    assert learned[0][2] > 4  # hardly anybody has no second record
    assert learned[0][3] < learned[0][2]  # and nobody a third
    assert abs(learned[1][2]) < 2
    assert learned[1][3] > learned[1][2]


def test_two_lists_put_together_are_linked_better_than_by_pairs_alone(two_lists):
    batch, truth = two_lists
    ((linkage, _),) = DuplicateDetector().link(batch, CONTEXT)
    plain = replace(linkage.model, lifts=NEUTRAL)
    alone = evaluation.measure(list(DuplicateDetector(models={"people": plain}).link(batch, CONTEXT)), batch, truth)
    assert evaluation.agreement(linkage.labels, truth).f1 > alone["f1"] + 0.004
    assert np.bincount(np.bincount(linkage.labels))[3:].sum() < 5


def test_people_of_many_records_are_linked_no_worse():
    frame, truth = generate(4000, corruption="clerk", share=0.5, seed=6)
    batch = Batch(frame, ROLES)
    ((linkage, _),) = DuplicateDetector().link(batch, CONTEXT)
    plain = replace(linkage.model, lifts=NEUTRAL)
    alone = evaluation.measure(list(DuplicateDetector(models={"people": plain}).link(batch, CONTEXT)), batch, truth)
    assert evaluation.agreement(linkage.labels, truth).f1 >= alone["f1"] - 0.001


def test_evidence_of_pairs_adds_up_to_the_score(two_lists):
    batch, _ = two_lists
    ((linkage, part),) = DuplicateDetector().link(batch, CONTEXT)
    checked = 0
    for finding in findings(linkage, Merger(part, {}, ())):
        bits = sum(reason.weight for reason in finding.evidence)
        if len(finding.subjects) == 2 and finding.rule == "people" and bits < 12:
            assert finding.score == pytest.approx(1 / (1 + 2**-bits), abs=0.02)
            checked += any(reason.feature == "other records" for reason in finding.evidence)
    assert checked > 10


def test_a_saved_model_keeps_what_was_learned_and_an_older_one_learns_it(two_lists, tmp_path):
    batch, _ = two_lists
    detector = DuplicateDetector().fit(batch, [], CONTEXT)
    detector.save(tmp_path)
    kept = DuplicateDetector.load(tmp_path).models["people"]
    assert kept.lifts.tolist() == detector.models["people"].lifts.tolist()
    plain = modelfile.model_to_plain(kept)
    del plain["lifts"]
    older = modelfile.model_from_plain("people", plain)
    ((linkage, _),) = DuplicateDetector(models={"people": older}).link(batch, CONTEXT)
    assert linkage.model.lifts == pytest.approx(kept.lifts, abs=0.5)
    with pytest.raises(ValueError, match="one lift a size"):
        modelfile.model_from_plain("people", plain | {"lifts": [0.0]})


@pytest.mark.parametrize("seed", [1, 2])
def test_clusters_kept_current_are_those_made_anew(two_lists, seed):
    batch, truth = two_lists
    frame = batch.frame
    model = ResidentIndex(batch, "people", context=CONTEXT).model
    assert model.lifts[2] > 4

    def clusters(part: pd.DataFrame) -> Clusters:
        return Clusters(ResidentIndex(Batch(part, ROLES), "people", model=model, context=CONTEXT, paired=True))

    start = frame.iloc[:1800]
    kept, whole = clusters(start), clusters(start)
    rng = np.random.default_rng(seed)
    here = {int(record): start.loc[record].to_dict() for record in start.index}
    waiting = frame.index[1800:].tolist()
    for _ in range(30):
        deleted = rng.choice(sorted(here), 8, replace=False).tolist()
        changed = {}
        for record in rng.choice(sorted(set(here) - set(deleted)), 8, replace=False).tolist():
            other = frame.loc[int(rng.choice(frame.index))]
            changed[record] = here[record] | {name: other[name] for name in rng.choice(list(ROLES), 3)}
        added = {record: frame.loc[record].to_dict() for record in (waiting.pop() for _ in range(20))}
        before = {record: kept.members.get(kept.cluster_of(record) or 0) for record in here}
        touched = kept.apply(added=added, changed=changed, deleted=deleted)
        here = {record: cells for record, cells in here.items() if record not in deleted} | changed | added
        untouched = (here.keys() & before.keys()) - touched
        assert all(kept.members.get(kept.cluster_of(record) or 0) == before[record] for record in untouched)
    whole.apply(deleted=start.index.tolist())
    whole.apply(added={record: here[record] for record in rng.permutation(sorted(here)).tolist()})
    parts = [{tuple(sorted(members)) for members in one.members.values()} for one in (kept, whole)]
    assert parts[0] == parts[1]
    assert len(parts[0]) > 600
    assert evaluation.agreement(*_labels(parts[0], here, truth, frame)).f1 > 0.9


def _labels(parts, here, truth, frame) -> tuple[np.ndarray, np.ndarray]:
    labels = pd.Series({record: record for record in sorted(here)})
    for members in parts:
        labels[list(members)] = min(members)
    return labels.to_numpy(), truth[frame.index.get_indexer(labels.index)]


def test_clusters_kept_current_are_about_as_good_as_those_of_a_run(two_lists):
    batch, truth = two_lists
    index = ResidentIndex(batch, "people", context=CONTEXT, paired=True)
    clusters = Clusters(index)
    labels = np.arange(len(batch))
    for members in clusters.members.values():
        labels[list(members)] = min(members)
    ((linkage, _),) = DuplicateDetector(models={"people": index.model}).link(batch, CONTEXT)
    assert evaluation.agreement(labels, truth).f1 == pytest.approx(
        evaluation.agreement(linkage.labels, truth).f1, abs=0.003
    )
