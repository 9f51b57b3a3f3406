"""Rules that the data keeps are proposed with their support; chance and what is set already are not."""

import numpy as np
import pandas as pd
import polars as pl
import pytest

from detectors.roles import Role
from detectors.rules.checking import check
from detectors.rules.kinds import OneOf, Required
from detectors.rules.suggesting import suggest

ROLES = {
    "Key": Role.ID,
    "Stage": Role.STAGE,
    "Reason": Role.REASON,
    "Net": Role.AMOUNT,
    "Gross": Role.AMOUNT,
    "Created": Role.CREATED_AT,
    "Closed": Role.CLOSED_AT,
    "Mail": Role.EMAIL,
    "Account": Role.ACCOUNT_REF,
    "Note": Role.TEXT,
}


@pytest.fixture(scope="module")
def deals() -> pd.DataFrame:
    rng = np.random.default_rng(2)
    rows = 1_500
    stage = rng.choice(["new", "won", "lost"], rows)
    net = rng.integers(10, 5_000, rows)
    created = np.datetime64("2023-01-01") + rng.integers(0, 500, rows)
    frame = pd.DataFrame(
        {
            "Key": [f"D-{at:04d}" for at in range(rows)],
            "Stage": stage,
            "Reason": np.where(stage == "lost", rng.choice(["price", "time"], rows), None),
            "Net": net.astype(str),
            "Gross": (net * 1.19).round(2).astype(str),
            "Created": created.astype(str),
            "Closed": (created + rng.integers(0, 90, rows)).astype(str),
            "Mail": [f"p{at}@example.com" for at in range(rows)],
            "Account": rng.choice([f"A{at}" for at in range(40)], rows),
            "Note": rng.choice(["ok", None, "later", "call"], rows),
        },
        index=np.arange(rows) + 10,
    ).astype(object)
    frame.loc[frame.index[:4], "Stage"] = "wonn"
    frame.loc[frame.index[10:13], "Net"] = "-77000"
    return frame


def named(found):
    return {one.rule.name: one for one in found}


@pytest.fixture(scope="module")
def found(deals):
    known = {"accounts": pl.Series([f"A{at}" for at in range(40)])}
    return named(suggest(deals, ROLES, known=known, references={Role.ACCOUNT_REF: "accounts"}))


@pytest.mark.parametrize(
    "name",
    [
        "Stage is known",
        "Net is believable",
        "Gross not below Net",
        "Closed not before Created",
        "Reason is filled where Stage is lost",
        "Key has its usual form",
        "Mail is unique",
        "Account exists",
        "Created is filled",
    ],
)
def test_a_regularity_of_the_data_is_proposed(found, name):
    assert name in found


def test_what_breaks_a_proposal_is_what_was_planted(found, deals):
    (stages,) = check(deals, [found["Stage is known"].rule])
    assert stages.failing.tolist() == deals.index[:4].tolist()
    (numbers,) = check(deals, [found["Net is believable"].rule])
    assert numbers.failing.tolist() == deals.index[10:13].tolist()
    assert found["Stage is known"].applies - found["Stage is known"].kept == 4


def test_those_that_some_records_break_come_first(deals):
    broken = [one.kept < one.applies for one in suggest(deals, ROLES)]
    assert broken == sorted(broken, reverse=True)
    assert broken[0]


def test_a_field_that_is_often_blank_is_not_proposed_as_required(found):
    assert "Note is filled" not in found
    assert "Reason is filled" not in found


def test_what_a_rule_says_already_is_not_proposed_again(deals):
    have = [Required(name="mine", field="Created"), OneOf(name="stages", field="Stage", values=("won",))]
    again = named(suggest(deals, ROLES, have=have))
    assert "Created is filled" not in again
    assert "Stage is known" not in again


def test_a_sample_tells_nothing_about_what_is_unique(deals):
    assert "Mail is unique" not in named(suggest(deals, ROLES, whole=False))


def test_random_columns_and_few_rows_propose_nothing_but_what_is_there(deals):
    rng = np.random.default_rng(1)
    noise = pd.DataFrame({"a": rng.choice(["x", None], 400), "b": rng.normal(size=400).astype(str)}).astype(object)
    assert set(named(suggest(noise, {"a": Role.TEXT, "b": Role.TEXT}))) == set()
    assert suggest(deals.head(20), ROLES) == []


def test_a_proposal_can_be_stored_and_read_again(found):
    from detectors.rules.checking import rule_of

    for one in found.values():
        assert rule_of(one.rule.config()) == one.rule
