"""Small made-up tables whose right answers are known."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pandas as pd
import pytest

PLACES = [
    ("62701", "Springfield", "IL"),
    ("02108", "Boston", "MA"),
    ("78701", "Austin", "TX"),
    ("80202", "Denver", "CO"),
]
STAGES = ["new", "won", "lost"]


@pytest.fixture(scope="session")
def make_customers() -> Callable[[], pd.DataFrame]:
    """A function that makes the table anew."""
    return _customers


@pytest.fixture
def customers() -> pd.DataFrame:
    """A table of one's own."""
    return _customers()


def _customers() -> pd.DataFrame:
    """600 customers: ZIP tells city and state; stage is random; churn follows tenure and plan; spend is a sum."""
    rng = np.random.default_rng(3)
    rows = 600
    place = rng.integers(0, len(PLACES), rows)
    tenure = rng.integers(1, 60, rows)
    plan = rng.choice(["basic", "plus"], rows)
    odds = 1.5 - tenure / 12 + (plan == "basic") * 1.5
    return pd.DataFrame(
        {
            "Code": [f"C{number:05d}" for number in rng.permutation(rows)],
            "ZIP": [PLACES[each][0] for each in place],
            "Town": [PLACES[each][1] for each in place],
            "State": [PLACES[each][2] for each in place],
            "Stage": rng.choice(STAGES, rows),
            "Tenure": tenure.astype(str),
            "Plan": plan,
            "Spend": [
                f"{months * (10 if which == 'basic' else 25)}" for months, which in zip(tenure, plan, strict=True)
            ],
            "Churn": np.where(rng.random(rows) < 1 / (1 + np.exp(-odds)), "yes", "no"),
        },
        dtype=object,
    )
