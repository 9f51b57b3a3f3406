"""An admin's rules in the quality metrics: each where it belongs, and nothing changed without one."""

from datetime import UTC, date, datetime

import pandas as pd
import pytest

from crmquality import metrics, metrics_records
from crmquality.metrics_rules import with_rules
from detectors.contract import Batch
from detectors.roles import Role
from detectors.rules.conditions import Condition
from detectors.rules.kinds import Fresh, InRange, OneOf, Required
from detectors.rules.relations import Never, Unique

NOW = datetime(2026, 6, 1, tzinfo=UTC)
BATCH = Batch(
    pd.DataFrame(
        {
            "Name": ["Ann", "Bob", "Cy", None],
            "Stage": ["won", "lost", "won", "maybe"],
            "Amount": ["10", "-5", "7", None],
            "Fax": [None, "1", None, None],
            "Updated": ["2026-05-01", "2024-01-01", "2026-05-20", None],
        },
        index=[5, 6, 7, 8],
        dtype=object,
    ),
    {"Name": Role.NAME, "Stage": Role.STAGE, "Amount": Role.AMOUNT, "Fax": Role.FAX, "Updated": Role.UPDATED_AT},
)


def seen(*rules):
    return with_rules(BATCH, metrics.masks(BATCH), rules, today=date(2026, 6, 1))


def of(measures, field):
    return next(((one.numerator, one.denominator) for one in measures if one.field == field), None)


def test_without_rules_nothing_changes():
    plain = metrics.masks(BATCH)
    assert with_rules(BATCH, plain, [], today=date(2026, 6, 1)) is plain


def test_a_rule_of_a_field_counts_in_validity_beside_that_of_its_role():
    rules = [InRange(name="r", field="Amount", low=0), OneOf(name="s", field="Stage", values=("won", "lost"))]
    assert of(metrics.validity(BATCH, seen()), "Amount") == (3, 3)
    assert of(metrics.validity(BATCH, seen(*rules)), "Amount") == (2, 3)
    assert of(metrics.validity(BATCH, seen(*rules)), "Stage") == (3, 4)


def test_a_field_that_validity_did_not_count_does_so_once_it_has_a_rule():
    assert of(metrics.validity(BATCH, seen()), "Name") is None
    assert of(metrics.validity(BATCH, seen(OneOf(name="r", field="Name", values=("Ann",)))), "Name") == (1, 3)


def test_a_field_is_required_where_a_rule_says_so():
    when = (Condition("Stage", "=", "lost"),)
    assert of(metrics.completeness(BATCH, seen()), "Fax") is None
    assert of(metrics.completeness(BATCH, seen(Required(name="r", field="Fax", when=when))), "Fax") == (1, 1)
    assert of(metrics.completeness(BATCH, seen(Required(name="r", field="Fax"))), "Fax") == (1, 4)


def test_a_rule_about_several_fields_or_records_counts_in_consistency_under_its_name():
    never = Never(
        name="won for nothing", conditions=(Condition("Amount", "<", "9", "number"), Condition("Stage", "=", "won"))
    )
    rows = metrics.consistency(BATCH, seen(never, Unique(name="alone", fields=("Stage",))))
    assert of(rows, "won for nothing") == (2, 3)
    assert of(rows, "alone") == (2, 4)


def test_an_own_rule_of_freshness_stands_in_place_of_ours():
    strict = seen(Fresh(name="r", field="Updated", days=20))
    fresh = metrics.timeliness(BATCH, strict, now=NOW)
    assert (fresh.numerator, fresh.denominator) == (1, 3)


def test_the_parts_of_records_sum_up_to_the_metrics():
    rules = [
        InRange(name="r", field="Amount", low=0),
        Required(name="q", field="Fax", when=(Condition("Stage", "=", "won"),)),
        Unique(name="alone", fields=("Stage",)),
        Fresh(name="f", field="Updated", days=20),
    ]
    masks = seen(*rules)
    parts = metrics_records.parts(BATCH, masks, surplus=[], now=NOW)
    for name, measure in {
        "completeness": metrics.completeness(BATCH, masks)[0],
        "validity": metrics.validity(BATCH, masks)[0],
        "consistency": metrics.consistency(BATCH, masks)[0],
        "timeliness": metrics.timeliness(BATCH, masks, now=NOW),
    }.items():
        assert parts[name].numerator.sum() == pytest.approx(measure.numerator), name
        assert parts[name].denominator.sum() == pytest.approx(measure.denominator), name


def test_a_record_that_breaks_a_rule_scores_lower():
    rule = InRange(name="r", field="Amount", low=0)
    before, after = (metrics.record_scores(BATCH, masks) for masks in (seen(), seen(rule)))
    assert after.loc[6] < before.loc[6]
    assert after.loc[5] == before.loc[5]
