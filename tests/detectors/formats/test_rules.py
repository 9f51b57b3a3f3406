"""The rule library: what each rule counts, and which rows it names."""

import re
from datetime import date

import pandas as pd
import pytest

from detectors.formats.rules import (
    Compares,
    Fresh,
    InRange,
    Matches,
    OfType,
    OneOf,
    Required,
    Unique,
    check,
    check_record,
    rule_of,
)

TODAY = date(2024, 6, 30)
FRAME = pd.DataFrame(
    {
        "key": ["A1", "A2", "A2", None],
        "name": ["Ann", "", "N/A", "Bob"],
        "email": ["ann@example.org", "nobody", None, "bob@example.org"],
        "stage": ["won", "lost", "perhaps", "won"],
        "amount": ["10", "-5", "1,200.50", "many"],
        "opened": ["2024-06-01", "2024-06-02", "2020-01-01", "2024-07-15"],
        "closed": ["2024-06-20", "2024-05-01", None, "2024-08-01"],
    },
    index=[11, 12, 13, 14],
).astype(object)

CASES = [
    (Required(name="r", field="name"), 2, 4, [12, 13]),
    (Required(name="r", field="email", where="stage", equals=("won",)), 2, 2, []),
    (OfType(name="r", field="email", role="email"), 2, 3, [12]),
    (InRange(name="r", field="amount", low=0), 2, 4, [12, 14]),
    (OneOf(name="r", field="stage", values=("won", "lost")), 3, 4, [13]),
    (Matches(name="r", field="key", pattern=r"A\d+"), 3, 3, []),
    (Matches(name="r", field="key", pattern=r"A(?!2)\d+"), 1, 3, [12, 13]),
    (Compares(name="r", field="closed", relation=">=", other="opened", read_as="date"), 2, 3, [12]),
    (Unique(name="r", fields=("key",)), 1, 3, [12, 13]),
    (Fresh(name="r", field="opened", days=90), 2, 4, [13, 14]),
    (Required(name="r", field="not there"), 0, 4, [11, 12, 13, 14]),
]


@pytest.mark.parametrize(("rule", "numerator", "denominator", "failing"), CASES, ids=lambda case: str(case)[:60])
@pytest.mark.parametrize("times", [1, 40], ids=["few rows", "many rows"])
def test_a_rule_counts_and_names_what_fails_it(rule, numerator, denominator, failing, times):
    parts = [FRAME.set_axis(FRAME.index + 100 * at) for at in range(times)]
    frame = pd.concat([part.assign(key=_keys(part, at)) for at, part in enumerate(parts)])
    (result,) = check(frame, [rule], today=TODAY)
    assert (result.numerator, result.denominator) == (numerator * times, denominator * times)
    assert result.failing[: len(failing)].tolist() == failing


def _keys(part, at):
    """The keys, different in every copy of the table."""
    keys = [key if at == 0 or not isinstance(key, str) else f"{key}{at}" for key in part["key"]]
    return pd.Series(keys, index=part.index, dtype=object)


def test_failing_rows_are_named_by_the_key_of_the_source():
    (result,) = check(FRAME, [OneOf(name="r", field="stage", values=("won",))], key="key")
    assert result.keys == ("A2", "A2")


@pytest.mark.parametrize("rule", [case[0] for case in CASES], ids=lambda rule: rule.kind)
def test_a_rule_is_the_same_after_it_was_stored(rule):
    stored = {name: list(value) if isinstance(value, tuple) else value for name, value in rule.config().items()}
    assert rule_of(stored) == rule


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kind": "magic", "name": "r"}, "no rule of kind 'magic'"),
        ({"kind": "required", "name": "r", "colour": "red"}, "no setting colour"),
        ({"kind": "required", "name": "r"}, "field"),
        ({"kind": "pattern", "name": "r", "field": "key", "pattern": "("}, "pattern"),
        ({"kind": "cross-field", "name": "r", "field": "a", "other": "b", "relation": "~"}, "unknown relation"),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(config, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        rule_of(config)


def test_one_record_is_judged_before_it_is_saved():
    rules = [Required(name="named", field="name"), Unique(name="own key", fields=("key",))]
    assert check_record({"key": "A1", "name": ""}, rules, taken={"own key": {("A1",)}}) == ["named", "own key"]
    assert check_record({"key": "A9", "name": "Ann"}, rules, taken={"own key": {("A1",)}}) == []


def test_an_empty_table_fails_nothing():
    for result in check(FRAME.iloc[:0], [case[0] for case in CASES], today=TODAY):
        assert result.share is None
