"""A run that may hold little in memory finds what one that may hold all finds."""

from __future__ import annotations

import gc
from dataclasses import replace

import numpy as np
import pytest

from benchmarks._people import ROLES, generate, generate_parts
from detectors.contract import Batch, RunContext
from detectors.duplicates import blocking, comparisons, linking
from detectors.duplicates.spilling import Spill, usual_budget
from detectors.duplicates.spread import Features, Ordered, Spread, combine, counted

CONTEXT = RunContext(seed=1, device="cpu")


@pytest.fixture(scope="module")
def people() -> Batch:
    return Batch(generate(3000, corruption="keyboard", seed=5)[0], ROLES)


def test_a_run_on_disk_finds_what_one_in_memory_finds(people):
    whole = linking.link(people, "people", CONTEXT)
    spilled = linking.link(people, "people", replace(CONTEXT, memory=50_000))
    assert isinstance(spilled.levels, np.memmap)
    assert not isinstance(whole.levels, np.memmap)
    for name in ("left", "right", "levels", "bits", "labels", "rare"):
        assert np.array_equal(getattr(whole, name), getattr(spilled, name)), name


def test_repeated_pairs_go_whether_removed_at_once_or_range_by_range(people, monkeypatch):
    plan = comparisons.plan(people, "people")
    whole = blocking.block(plan).pairs
    monkeypatch.setattr(blocking, "RANGE", 1000)
    assert np.array_equal(blocking.block(plan).pairs, whole)
    assert (whole[1:] > whole[:-1]).all()


def test_keys_estimated_first_are_those_that_counting_all_would_take(people, monkeypatch):
    plan = comparisons.plan(people, "people")
    counted_all = blocking.choose(plan, 20_000)[1]
    monkeypatch.setattr(blocking, "FROM", 0)
    estimated = blocking.choose(plan, 20_000)[1]
    assert [key.used for key in estimated] == [key.used for key in counted_all]
    assert [key for key in estimated if key.used] == [key for key in counted_all if key.used]


def test_memory_is_given_back_with_the_array():
    spill = Spill(1000)
    first = spill.keep(np.zeros(100))
    second = spill.keep(np.arange(100.0))
    assert isinstance(second, np.memmap)
    assert second.tolist() == list(range(100))
    del first
    gc.collect()
    assert spill.held == 0
    assert not isinstance(spill.empty(100, np.float64), np.memmap)


def test_the_usual_budget_is_a_part_of_the_memory_there_is():
    assert 0 < usual_budget() < 1 << 50


def test_keys_in_another_order_are_those_of_the_rows():
    codes = np.array([2, -1, 0, 1, 0], np.int32)
    order = np.array([4, 2, 0, 1, 3])
    features = Features()
    features["one"] = Spread.of(codes, np.array([5, 0, 9], np.uint64))
    features["two"] = np.array([1, 2, 3, 4, 0], np.uint64)
    made = Ordered(features, ["one", "two"], order).combined(["one", "two"])
    assert np.array_equal(made, combine(features["one"], features["two"])[order])
    assert (made == 0).tolist() == [True, False, False, True, True]


def test_values_are_counted_alike_by_place_and_by_hash():
    spread = Spread.of(np.array([0, 1, 0, -1], np.int32), np.array([7, 8], np.uint64))
    for codes, counts in (counted(spread), counted(spread.rows())):
        assert codes.tolist() == [0, 1, 0, -1]
        assert counts.tolist() == [2, 1]


def test_people_made_in_parts_are_nobody_twice():
    parts = list(generate_parts(3000, 1000, corruption="keyboard", seed=3))
    owners = [set(truth.tolist()) for _, truth in parts]
    assert len(parts) > 2
    assert not owners[0] & owners[1]
    assert abs(sum(len(frame) for frame, _ in parts) - 3000) < 200
