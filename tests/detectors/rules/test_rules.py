"""The rule library: what each rule counts, and which rows it names."""

import json
import re
from datetime import date

import pandas as pd
import polars as pl
import pytest

from detectors.rules.checking import KINDS, check, check_record, rule_of
from detectors.rules.columns import Table
from detectors.rules.conditions import Condition
from detectors.rules.kinds import Fresh, InRange, Matches, OfType, OneOf, Refers, Required
from detectors.rules.relations import Compares, Never, Unique

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

KNOWN = {"stages": pl.Series(["won", "lost"])}
CASES = [
    (Required(name="r", field="name"), 2, 4, [12, 13]),
    (Required(name="r", field="email", when=(Condition("stage", "=", "won"),)), 2, 2, []),
    (Required(name="r", field="email", when=(Condition("stage", "!=", ("won", "lost")),)), 0, 1, [13]),
    (Required(name="r", field="closed", when=(Condition("amount", ">", "100", "number"),)), 0, 1, [13]),
    (OfType(name="r", field="email", role="email"), 2, 3, [12]),
    (InRange(name="r", field="amount", low=0), 2, 4, [12, 14]),
    (OneOf(name="r", field="stage", values=("won", "lost")), 3, 4, [13]),
    (Matches(name="r", field="key", pattern=r"A\d+"), 3, 3, []),
    (Matches(name="r", field="key", pattern=r"A(?!2)\d+"), 1, 3, [12, 13]),
    (Compares(name="r", field="closed", relation=">=", other="opened", read_as="date"), 2, 3, [12]),
    (Unique(name="r", fields=("key",)), 1, 3, [12, 13]),
    (Unique(name="r", fields=("key",), when=(Condition("name", "filled"),)), 1, 1, []),
    (Never(name="r", conditions=(Condition("amount", ">", "5", "number"), Condition("stage", "=", "won"))), 3, 4, [11]),
    (Never(name="r", conditions=(Condition("opened", "<=", "30", "days", "closed"),)), 0, 3, [11, 12, 14]),
    (Never(name="r", conditions=(Condition("opened", "<", "2021-01-01", "date"),)), 3, 4, [13]),
    (Never(name="r", conditions=(Condition("email", "blank"), Condition("stage", "=", "perhaps"))), 3, 4, [13]),
    (Never(name="r", conditions=(Condition("stage", ">", "4", "length"),)), 3, 4, [13]),
    (Never(name="r", conditions=(Condition("amount", ">", "1", "ratio", "amount"),)), 4, 4, []),
    (Fresh(name="r", field="opened", days=90), 2, 4, [13, 14]),
    (Refers(name="r", field="stage", to="stages"), 3, 4, [13]),
    (Refers(name="r", field="stage", to="unheard of"), 0, 0, []),
    (Required(name="r", field="not there"), 0, 4, [11, 12, 13, 14]),
]


@pytest.mark.parametrize(("rule", "numerator", "denominator", "failing"), CASES, ids=lambda case: str(case)[:60])
@pytest.mark.parametrize("times", [1, 40], ids=["few rows", "many rows"])
def test_a_rule_counts_and_names_what_fails_it(rule, numerator, denominator, failing, times):
    parts = [FRAME.set_axis(FRAME.index + 100 * at) for at in range(times)]
    frame = pd.concat([part.assign(key=_keys(part, at)) for at, part in enumerate(parts)])
    (result,) = check(frame, [rule], today=TODAY, known=KNOWN)
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
    assert rule_of(json.loads(json.dumps(rule.config()))) == rule


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kind": "magic", "name": "r"}, "no rule of kind 'magic'"),
        ({"kind": "required", "name": "r", "colour": "red"}, "no setting colour"),
        ({"kind": "required", "name": "r"}, "field must be given"),
        ({"kind": "required", "name": " ", "field": "a"}, "needs a name"),
        ({"kind": "required", "name": "r", "field": "a", "severity": "deadly"}, "no severity 'deadly'"),
        ({"kind": "required", "name": "r", "field": 5}, "field is a text"),
        ({"kind": "required", "name": "r", "field": ""}, "choose a field"),
        ({"kind": "required", "name": "r", "field": "a", "when": [{"relation": "="}]}, "needs a field"),
        ({"kind": "required", "name": "r", "field": "a", "when": "always"}, "a list of conditions"),
        ({"kind": "required", "name": "r", "field": "a", "when": [{"field": "b", "relation": "~"}]}, "no relation '~'"),
        ({"kind": "pattern", "name": "r", "field": "key", "pattern": "("}, "no regular expression"),
        ({"kind": "range", "name": "r", "field": "a"}, "a lower or an upper end"),
        ({"kind": "range", "name": "r", "field": "a", "low": 9, "high": 1}, "lies above"),
        ({"kind": "range", "name": "r", "field": "a", "low": "many"}, "low is a number"),
        ({"kind": "type", "name": "r", "field": "a", "role": "shoe size"}, "no type 'shoe size'"),
        ({"kind": "set", "name": "r", "field": "a", "values": []}, "at least one value"),
        ({"kind": "set", "name": "r", "field": "a", "values": "abc"}, "a list of texts"),
        ({"kind": "freshness", "name": "r", "field": "a", "days": -1}, "days lie between"),
        ({"kind": "unique", "name": "r", "fields": []}, "at least one field"),
        ({"kind": "never", "name": "r", "conditions": []}, "at least one condition"),
        ({"kind": "reference", "name": "r", "field": "a", "to": ""}, "choose the kind of record"),
        ({"kind": "cross-field", "name": "r", "field": "a", "other": "b", "relation": "~"}, "no relation '~'"),
        ({"kind": "cross-field", "name": "r", "field": "a", "other": "a", "relation": "<"}, "two different fields"),
        (
            {"kind": "cross-field", "name": "r", "field": "a", "other": "b", "relation": "<", "read_as": "x"},
            "not as 'x'",
        ),
    ],
)
def test_a_wrong_configuration_says_what_is_wrong(config, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        rule_of(config)


def test_one_record_is_judged_before_it_is_saved():
    rules = [Required(name="named", field="name"), Unique(name="own key", fields=("key",))]
    assert check_record({"key": "A1", "name": ""}, rules, taken={"own key": {("A1",)}}) == rules
    assert check_record({"key": "A9", "name": "Ann"}, rules, taken={"own key": {("A1",)}}) == []


def test_an_empty_table_fails_nothing():
    for result in check(FRAME.iloc[:0], [case[0] for case in CASES], today=TODAY):
        assert result.share is None


@pytest.mark.parametrize(
    ("condition", "words"),
    [
        (Condition("Stage", "=", ("won", "lost")), "Stage is “won” or “lost”"),
        (Condition("Stage", "!=", "won"), "Stage is not “won”"),
        (Condition("Amount", ">", "50000", "number"), "Amount > 50,000"),
        (Condition("Created", "<=", "1.5", "days", "Closed"), "days from Created to Closed <= 1.5"),
        (Condition("Email", "blank"), "Email is blank"),
    ],
)
def test_a_condition_reads_as_a_sentence(condition, words):
    assert str(condition) == words


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (("Amount", ">", "many", "number"), "'many' is not a number"),
        (("Amount", ">", "nan", "number"), "not a finite number"),
        (("Created", "<", "yesterday", "date"), "not a date"),
        (("Stage", "<", "won"), "choose number or date"),
        (("Created", "<", "1", "days"), "two fields"),
        (("Created", "<", "1", "number", "Closed"), "one field"),
        (("Amount", ">", ("1", "2"), "number"), "several values"),
        (("Amount", ">", "1", "weight"), "no measure 'weight'"),
    ],
)
def test_a_condition_that_makes_no_sense_is_refused(given, says):
    with pytest.raises(ValueError, match=re.escape(says)):
        Condition(*given)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_every_kind_says_in_words_what_must_hold_and_why_a_row_fails(kind):
    rules = [rule for rule, _, _, failing in CASES if rule.kind == kind and failing]
    assert rules
    for rule in rules:
        (result,) = check(FRAME, [rule], today=TODAY, known=KNOWN)
        row = FRAME.loc[result.failing[0]]
        record = row.where(row.notna(), None).to_dict()
        assert rule.words()
        assert set(rule.columns) <= {*FRAME.columns, "not there"}
        why = rule.why(record)
        assert why.endswith(".")
        assert any(str(record.get(name) or "blank") in why for name in rule.columns)


def test_the_rows_of_a_polars_frame_are_judged_alike():
    cells = {name: FRAME[name].where(FRAME[name].notna(), None).tolist() for name in FRAME.columns}
    frame = pl.DataFrame(cells, schema=dict.fromkeys(cells, pl.String))
    for rule, numerator, denominator, _ in CASES:
        applies, kept = rule.judge(Table(frame, TODAY, KNOWN))
        assert (int((applies & kept).sum()), int(applies.sum())) == (numerator, denominator), rule
