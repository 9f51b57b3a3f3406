"""How good claims above a score are, estimated from what people decided."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from crmquality.metrics import wilson
from review import estimation
from review.estimation import Bin, gate, precision, recall, simulate, stopped_rules, strata
from review.policy import Policy, Route, audited


@st.composite
def some_bins(draw: st.DrawFn) -> list[Bin]:
    places = draw(st.lists(st.integers(0, 1000), min_size=1, max_size=30, unique=True))
    bins = []
    for place in places:
        decided = draw(st.integers(0, 40))
        right = draw(st.integers(0, decided))
        bins.append(Bin(place / 1000, decided + draw(st.integers(0, 300)), decided, right))
    return bins


scores = st.integers(0, 1000).map(lambda place: place / 1000)


@given(some_bins(), scores)
def test_an_estimate_lies_in_its_interval_and_the_interval_in_zero_to_one(bins, at):
    for one in (precision(bins, at), recall(bins, at)):
        assert 0 <= one.low <= one.high <= 1
        if one.share is not None:
            assert one.low - 1e-9 <= one.share <= one.high + 1e-9


@given(some_bins())
def test_taking_bins_together_loses_no_claim_and_no_decision(bins):
    parts = strata(bins)
    for name in ("claims", "decided", "right"):
        assert sum(getattr(one, name) for one in parts) == sum(getattr(one, name) for one in bins)


@given(some_bins(), scores, scores)
def test_a_lower_bound_never_finds_fewer_claims(bins, one, other):
    low, high = sorted((one, other))
    assert precision(bins, low).claims >= precision(bins, high).claims


@given(st.integers(1, 200), st.integers(0, 200))
def test_one_stratum_gives_the_plain_wilson_interval(decided, right):
    right = min(right, decided)
    found = precision([Bin(0.9, decided * 3, decided, right)], 0.5)
    assert (found.low, found.high) == pytest.approx(wilson(right, decided))


def test_a_group_counts_by_its_claims_not_by_its_decisions():
    bins = [Bin(0.95, 100, 50, 50), Bin(0.6, 900, 50, 0)]
    assert precision(bins, 0.5).share == pytest.approx(0.1)


def test_scores_that_nobody_was_shown_may_hold_anything():
    bins = [Bin(0.9, 100, 100, 100), Bin(0.5, 100, 0, 0)]
    found = precision(bins, 0.4)
    assert found.low < 0.5
    assert found.high > 0.99


def test_the_interval_holds_the_truth_nine_times_of_ten_at_least():
    chance = random.Random(7)
    held = too_high = 0
    for _ in range(400):
        bins, right_claims, claims = [], 0, 0
        for place, truth in enumerate((0.5, 0.7, 0.85, 0.95, 0.99)):
            answers = [chance.random() < truth for _ in range(400)]
            shown = answers[: 15 + 10 * place]
            bins.append(Bin(0.5 + place / 10, 400, len(shown), sum(shown)))
            right_claims, claims = right_claims + sum(answers), claims + 400
        found = precision(bins, 0.0)
        held += found.low <= right_claims / claims <= found.high
        too_high += found.low > right_claims / claims
    assert held / 400 > 0.93
    assert too_high / 400 < 0.03


def test_the_gate_opens_only_once_the_lower_end_reaches_the_target():
    assert not gate([Bin(0.99, 1000, 40, 40)], 0.95, 0.95).passes
    assert gate([Bin(0.99, 1000, 80, 80)], 0.95, 0.95).passes
    assert not gate([Bin(0.99, 1000, 80, 70)], 0.95, 0.95).passes
    assert "No claim" in gate([Bin(0.5, 1000, 80, 80)], 0.95, 0.95).why


def test_a_rule_below_the_target_stops_once_it_was_judged_often_enough():
    assert list(stopped_rules({"good": (30, 30), "bad": (8, 10), "new": (0, 2)}, 0.95)) == ["bad"]


def test_a_simulation_counts_what_people_rejected_and_missed():
    bins = [Bin(0.99, 50, 10, 9), Bin(0.7, 50, 10, 5), Bin(0.3, 50, 10, 2)]
    assert simulate(bins, review_at=0.5, accept_at=0.9) == estimation.Simulation(10, 1, 10, 2)


@given(scores, scores, scores, st.booleans())
def test_the_bounds_that_statements_use_are_those_that_route_one_score(one, other, score, correctable):
    review_at, accept_at = sorted((one, other))
    policy = Policy(review_at, accept_at)
    certain = policy.lowest(Route.AUTO_ACCEPT, correctable=correctable)
    route = policy.route(score, correctable=correctable)
    assert (route is Route.AUTO_ACCEPT) == (certain is not None and score >= certain)
    assert (route is Route.DISCARD) == (score < policy.lowest(Route.REVIEW))


def test_the_share_left_to_people_is_kept():
    chance = random.Random(1)
    digests = [f"{chance.getrandbits(256):064x}" for _ in range(4000)]
    assert 0.04 < sum(audited(one, 0.05) for one in digests) / 4000 < 0.06
    assert [audited(one, 0.05) for one in digests] == [audited(one, 0.05) for one in digests]
