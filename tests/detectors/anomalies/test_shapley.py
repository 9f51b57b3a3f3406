"""Shapley values against their definition, and the sequences' shares as exact ones."""

from itertools import combinations
from math import factorial

import numpy as np
import pytest

from detectors.anomalies.sequence_scoring import Whitening
from detectors.anomalies.shapley import shapley

RNG = np.random.default_rng(8)


def exact(payoff, width):
    """The definition: each feature's mean marginal payoff over all sets of the others."""
    values = np.zeros(width)
    for feature in range(width):
        rest = [other for other in range(width) if other != feature]
        for size in range(width):
            weight = factorial(size) * factorial(width - size - 1) / factorial(width)
            for chosen in combinations(rest, size):
                values[feature] += weight * (payoff({*chosen, feature}) - payoff(set(chosen)))
    return values


def test_the_values_are_those_of_the_definition_and_add_up():
    others, row = RNG.normal(size=(12, 4)).astype(np.float32), np.array([3, -2, 1, 5], np.float32)

    def score(rows):
        return rows[:, 0] * rows[:, 1] + np.maximum(rows[:, 2], 0) + 0.5 * rows[:, 3]

    def payoff(chosen):
        mixed = others.copy()
        mixed[:, list(chosen)] = row[list(chosen)]
        return float(score(mixed).mean())

    found = shapley(score, row, others, orders=6000)
    assert found.values == pytest.approx(exact(payoff, 4), abs=0.15)
    assert found.usual + found.values.sum() == pytest.approx(found.score, abs=1e-4)
    assert found.score == pytest.approx(float(score(row[None])[0]))
    assert (np.abs(found.values - exact(payoff, 4)) < 5 * found.error + 1e-6).all()


def test_a_column_that_changes_nothing_has_no_share():
    others, row = RNG.normal(size=(20, 3)).astype(np.float32), np.ones(3, np.float32)
    found = shapley(lambda rows: rows[:, 0] ** 2, row, others)
    assert found.values[1:].tolist() == [0, 0]


def test_a_row_alone_cannot_be_explained():
    with pytest.raises(ValueError, match="against other rows"):
        shapley(lambda rows: rows[:, 0], np.ones(2, np.float32), np.ones((0, 2), np.float32))


def test_the_shares_of_a_sequence_row_are_the_exact_shapley_values_of_its_squared_distance():
    mixing = RNG.normal(size=(4, 4))
    whitening = Whitening.of(RNG.normal(size=(3000, 4)) @ mixing)
    residuals = RNG.normal(size=(300, 4)) @ mixing * 2
    tested = 0  # a negative share is left out of the shares, so only rows without one compare
    for residual in residuals:

        def payoff(chosen, residual=residual):
            away = np.where(np.isin(np.arange(4), list(chosen)), residual, whitening.center)
            return float(whitening.distance(away[None])[0] ** 2)

        values = exact(payoff, 4)
        if (values > 0).all():
            tested += 1
            np.testing.assert_allclose(whitening.shares(residual[None])[0], values / values.sum(), rtol=1e-8)
    assert tested > 5
