"""Clusters kept current are those of one run, and keep their ids."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np
import pandas as pd
import pytest

from benchmarks._people import ROLES, generate
from detectors.contract import Batch, RunContext
from detectors.duplicates import evaluation, linking
from detectors.duplicates.incremental import Clusters
from detectors.duplicates.links import Links
from detectors.duplicates.resident import ResidentIndex

CONTEXT = RunContext(seed=1, device="cpu")


@pytest.fixture(scope="module")
def people() -> tuple[pd.DataFrame, np.ndarray]:
    return generate(2400, corruption="clerk", share=0.3, seed=12)


@pytest.fixture(scope="module")
def model(people):
    return ResidentIndex(Batch(people[0], ROLES), "people", context=CONTEXT).model


def index(frame: pd.DataFrame, model) -> ResidentIndex:
    return ResidentIndex(Batch(frame, ROLES), "people", model=model, context=CONTEXT, paired=True)


def partition(clusters: Clusters) -> set[tuple[int, ...]]:
    return {tuple(sorted(members)) for members in clusters.members.values()}


def cells(frame: pd.DataFrame, records: Iterable[int]) -> dict[int, dict]:
    return {record: frame.loc[record].to_dict() for record in records}


@pytest.mark.parametrize("seed", [1, 2])
def test_after_50_random_batches_clusters_are_those_of_one_run(people, model, seed):
    frame, _ = people
    rng = np.random.default_rng(seed)
    start = frame.iloc[:1500]
    clusters = Clusters(index(start, model))
    here = {int(record): frame.loc[record].to_dict() for record in start.index}
    waiting = [int(record) for record in frame.index[1500:]]
    for _ in range(50):
        deleted = set(rng.choice(sorted(here), rng.integers(0, 12), replace=False).tolist())
        left = sorted(set(here) - deleted)
        changed = {}
        for record in rng.choice(left, rng.integers(0, 12), replace=False).tolist():
            other = frame.loc[int(rng.choice(frame.index))]
            changed[record] = here[record] | {name: other[name] for name in rng.choice(list(ROLES), 3)}
        added = {}
        for _ in range(int(rng.integers(0, 20))):
            if waiting:
                record = waiting.pop()
                added[record] = frame.loc[record].to_dict()
        for record in sorted(deleted)[:3]:
            if rng.random() < 0.5:  # comes back later
                waiting.insert(0, record)
        before = {record: clusters.cluster_of(record) for record in here}
        members = dict(clusters.members)
        touched = clusters.apply(added=added, changed=changed, deleted=deleted)
        here = {record: values for record, values in here.items() if record not in deleted} | changed | added
        assert all(clusters.cluster_of(record) == before[record] for record in (here.keys() & before.keys()) - touched)
        for cluster, records in clusters.members.items():  # an id stays with records it had before
            assert cluster not in members or set(records) & set(members[cluster])
    once = index(start, model)  # the same model: what was decided with these records stands
    whole = Clusters(once)
    whole.apply(deleted=[int(record) for record in start.index])
    assert not whole.members
    order = rng.permutation(sorted(here)).tolist()
    whole.apply(added={record: here[record] for record in order})
    assert partition(clusters) == partition(whole)
    assert len(partition(clusters)) > 100


def test_clusters_are_about_as_good_as_those_of_a_run(people, model):
    frame, truth = people
    clusters = Clusters(index(frame, model))
    labels = np.arange(len(frame))
    for members in clusters.members.values():
        labels[list(members)] = min(members)
    ours = evaluation.agreement(labels, truth).f1
    run = evaluation.agreement(linking.link(Batch(frame, ROLES), "people", CONTEXT, model=model).labels, truth).f1
    assert ours > run - 0.01


def test_large_blocks_are_split_alike_by_both_ways():
    base = dict.fromkeys(ROLES)
    rows = [
        base | {"first": "Ann", "last": f"Smith{chr(97 + n % 26)}", "born": f"19{n % 90 + 10}-01-02"}
        for n in range(400)
    ]
    frame = pd.DataFrame(rows, columns=list(ROLES), dtype=object)
    first = index(frame, None)
    apart = index(frame, first.model)
    whole = Clusters(apart)
    assert any(len(split) for split in apart._paired.split)
    again = Clusters(index(frame, first.model))
    again.apply(changed=cells(frame, range(0, 400, 3)))
    assert partition(again) == partition(whole)


def test_decisions_hold_through_changes(people, model):
    frame, _ = people
    part = frame.iloc[:1500]
    free = Clusters(index(part, model))
    pair = next(members for members in free.members.values() if len(members) == 2)
    alone = sorted(record for record in part.index if free.cluster_of(record) is None)[:2]
    links = Links(frozenset({(alone[0], alone[1])}), frozenset({(min(pair), max(pair))}))
    clusters = Clusters(index(part, model), links=links)
    for _ in range(2):
        assert clusters.cluster_of(pair[0]) is None
        assert clusters.cluster_of(alone[0]) == clusters.cluster_of(alone[1]) is not None
        clusters.apply(changed=cells(part, [*pair, *alone]))


def test_a_deduplicated_source_has_one_record_a_cluster(people, model):
    frame, _ = people
    part = frame.iloc[:1500]
    origin = {int(record): "crm" for record in part.index}
    assert Clusters(index(part, model), deduplicated=frozenset({"crm"}), origin=origin).members == {}


def test_a_cluster_keeps_its_id_when_a_record_joins_and_leaves(people, model):
    frame, _ = people
    part = frame.iloc[:1500]
    clusters = Clusters(index(part, model))
    number, members = next((number, members) for number, members in clusters.members.items() if len(members) == 2)
    clusters.apply(added={99_999: part.loc[members[0]].to_dict()})
    assert clusters.cluster_of(99_999) == number
    clusters.apply(deleted=[members[1]])
    assert clusters.members[number] == (members[0], 99_999)
    clusters.apply(deleted=[99_999])
    assert number not in clusters.members
    assert clusters.cluster_of(members[0]) is None
