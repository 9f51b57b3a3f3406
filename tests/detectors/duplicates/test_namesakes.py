"""Pairs of one name: how many there are, and how those that are no copies agree on the rest."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from detectors.duplicates import namesakes
from detectors.duplicates.namesakes import DRAWN
from detectors.duplicates.plan import Comparison, Plan
from detectors.duplicates.scales import NAME, NAMESAKE


def plan_of(given: list[int], family: list[int], *others: str) -> Plan:
    def comparison(key: str, hashes: list[int], share: float | None = NAMESAKE) -> Comparison:
        exact = np.array(hashes, np.uint64) * np.uint64(0x9E3779B97F4A7C15)
        return Comparison(key, key, (key,), NAME, exact, (None, share))

    more = [comparison(key, given, None) for key in others]
    return Plan("people", len(given), [comparison("given", given), comparison("family", family), *more])


@settings(deadline=None)  # the first example waits for a kernel to compile
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 3)), max_size=40))
def test_all_pairs_of_one_name_are_drawn_where_there_are_few(names: list[tuple[int, int]]):
    left, right, total = namesakes.draw(plan_of([one for one, _ in names], [two for _, two in names]), 1)
    expected = {
        (a, b) for b in range(len(names)) for a in range(b) if names[a] == names[b] and names[a][0] and names[a][1]
    }  # 0 is a missing name
    assert {(min(a, b), max(a, b)) for a, b in zip(left.tolist(), right.tolist(), strict=True)} == expected
    assert total == len(expected)


@pytest.mark.parametrize("seed", [1, 2])
def test_where_there_are_many_the_draw_is_of_pairs_of_one_name(seed: int):
    rng = np.random.default_rng(seed)
    given_names, family = rng.integers(1, 4, 3000).tolist(), rng.integers(1, 3, 3000).tolist()
    left, right, total = namesakes.draw(plan_of(given_names, family), seed)
    assert len(left) == DRAWN < total
    assert (left != right).all()
    assert all(given_names[a] == given_names[b] and family[a] == family[b] for a, b in zip(left, right, strict=True))


def test_copies_are_parted_off_and_what_goes_with_names_is_learned():
    rng = np.random.default_rng(4)
    size, top = 20_000, len(NAME.words)
    is_copy = rng.random(size) < 0.1
    place = np.where(rng.random(size) < np.where(is_copy, 0.95, 0.3), top, 1)
    phone = np.where(rng.random(size) < np.where(is_copy, 0.9, 0.001), top, 1)
    names = np.full(size, top)
    plan = plan_of([1], [1], "place", "phone")
    chances = np.ones((4, 4, 8))
    chances[:, :, 1 : top + 1] = [0.96, 0.01, 0.01, 0.01, 0.005, 0.005]  # as strangers agree
    chances[:, 0, 1 : top + 1] = [0.06, 0.01, 0.01, 0.01, 0.01, 0.9]  # as copies do
    alike = namesakes.gathered(plan, np.stack([names, names, place, phone]).astype(np.uint8), total=1e6)
    assert alike is not None
    for _ in range(50):
        learned = alike.learn(chances, np.ones(4))
    assert abs(alike.copies - 0.1) < 0.01
    assert abs(learned[0, top] - 0.3) < 0.02, "the place goes with the name"
    assert learned[1, top] == 0.005, "the telephone does not: namesakes share it as strangers do"
    assert abs(alike.mass(plan, chances) - 1e6 * 0.9 / 0.9**2) < 3e4
