"""How many of a lot to judge before the rest may be accepted."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import hypergeom

from review import sampling

lots = st.integers(20, 20_000)
shares = st.sampled_from([0.01, 0.02, 0.05, 0.1, 0.2])


@given(lots, st.data())
def test_the_distribution_is_the_hypergeometric_one(lot: int, data: st.DataObject) -> None:
    wrong, sample = data.draw(st.integers(0, lot)), data.draw(st.integers(1, min(lot, 400)))
    count = data.draw(st.integers(0, 12))
    expected = hypergeom(lot, wrong, sample).cdf(count)
    assert sampling.at_most(count, lot=lot, wrong=wrong, sample=sample) == pytest.approx(expected, abs=1e-8)


@given(lots, shares, st.sampled_from([0.05, 0.1]), st.floats(0, 0.2))
def test_a_lot_with_too_many_wrong_ones_passes_with_at_most_the_risk(lot, limit, risk, expected) -> None:
    plan = sampling.plan(size=lot, limit=limit, risk=risk, expected=expected)
    if plan is None:
        return
    too_many = hypergeom(lot, plan.too_many, plan.sample)
    assert plan.too_many - 1 <= limit * lot + 1e-6 < plan.too_many
    assert too_many.cdf(plan.allowed) <= risk + 1e-9
    one_less = hypergeom(lot, plan.too_many, plan.sample - 1).cdf(plan.allowed)
    assert one_less > risk - 1e-9, "a smaller sample would have done"


@pytest.mark.parametrize(
    ("limit", "samples"),
    [
        (0.05, [45, 77, 105, 132, 158, 184]),  # as printed for LTPD 5 at a consumer's risk of 10 %, c = 0, 1, 2 ...
        (0.10, [22, 38, 52, 65, 78, 91]),
        (0.02, [115, 195]),  # by the Poisson approximation: Birolini, Reliability Engineering, 5th ed., section 7.1
    ],
)
def test_for_a_large_lot_the_samples_are_those_of_the_published_table(limit: float, samples: list[int]) -> None:
    found = [
        sampling.smallest_sample(size=10_000_000, allowed=allowed, limit=limit, risk=0.1)
        for allowed in range(len(samples))
    ]
    assert found == pytest.approx(samples, abs=1)


def test_a_worse_expectation_asks_for_a_larger_sample_that_tolerates_more() -> None:
    plans = [sampling.plan(size=5_000, limit=0.05, risk=0.1, expected=share) for share in (0.0, 0.005, 0.015)]
    assert [plan.allowed for plan in plans] == sorted({plan.allowed for plan in plans})
    assert plans[0].allowed == 0
    assert plans[-1].passes_as_expected > 0.8


def test_a_lot_that_is_too_small_is_judged_one_by_one() -> None:
    assert sampling.plan(size=5, limit=0.02, risk=0.1, expected=0.0) is None


@given(st.integers(30, 3_000), st.data())
def test_the_interval_holds_what_exact_tests_do_not_refuse(lot: int, data: st.DataObject) -> None:
    sample = data.draw(st.integers(1, min(lot, 200)))
    found = data.draw(st.integers(0, min(sample, 15)))
    low, high = sampling.interval(found, lot=lot, sample=sample)
    assert found <= low <= high <= lot - (sample - found)
    assert low == found or hypergeom(lot, low - 1, sample).sf(found - 1) <= 0.05 + 1e-9
    assert hypergeom(lot, low, sample).sf(found - 1) > 0.05 - 1e-9
    assert hypergeom(lot, high, sample).cdf(found) > 0.05 - 1e-9
    assert high == lot - (sample - found) or hypergeom(lot, high + 1, sample).cdf(found) <= 0.05 + 1e-9


@pytest.mark.parametrize("wrong", [{"limit": 0.0}, {"limit": 1.0}, {"risk": 0.0}, {"expected": -0.1}])
def test_shares_that_make_no_sense_are_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(ValueError, match="must lie"):
        sampling.plan(**{"size": 100, "limit": 0.05, "risk": 0.1, "expected": 0.0} | wrong)
