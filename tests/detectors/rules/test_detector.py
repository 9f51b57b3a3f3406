"""The records that break an admin's rules are flagged with the reason."""

import pandas as pd
import pytest

from detectors.contract import Batch, Flag, RunContext
from detectors.roles import Role
from detectors.rules import detector
from detectors.rules.checking import check
from detectors.rules.detector import StandingRuleDetector
from detectors.rules.kinds import InRange, Required, Severity

BATCH = Batch(
    pd.DataFrame({"Amount": ["5", "-1", None, "-7"]}, index=[4, 9, 2, 1], dtype=object), {"Amount": Role.AMOUNT}
)
RULES = [
    InRange(name="amount", field="Amount", low=0),
    Required(name="there", field="Amount", severity=Severity.BLOCKING.value),
    InRange(name="counted only", field="Amount", low=100, severity=Severity.NOTE.value),
]
CONTEXT = RunContext(check=lambda batch: check(batch.frame, RULES))


def found():
    return {(one.subjects[0], one.rule): one for one in StandingRuleDetector().detect(BATCH, CONTEXT)}


def test_each_record_that_breaks_a_rule_is_flagged_with_the_value_and_the_field():
    flags = found()
    assert set(flags) == {(9, "amount"), (1, "amount"), (2, "there")}
    flag = flags[9, "amount"]
    assert flag.proposal == Flag()
    assert flag.evidence[0].detail == "Amount “-1” is not a number of at least 0."
    assert flag.evidence[0].fields == ("Amount",)


def test_a_blocking_rule_weighs_more_than_a_warning_and_a_note_asks_nobody():
    flags = found()
    assert flags[2, "there"].score > flags[9, "amount"].score
    assert all(rule != "counted only" for _, rule in flags)


def test_a_rule_that_a_whole_table_breaks_floods_nobody(monkeypatch):
    monkeypatch.setattr(detector, "MOST", 1)
    assert [one.subjects[0] for one in StandingRuleDetector().detect(BATCH, CONTEXT) if one.rule == "amount"] == [9]


def test_without_rules_nothing_is_found():
    assert list(StandingRuleDetector().detect(BATCH, RunContext())) == []


@pytest.mark.parametrize("severity", [severity for severity in Severity if severity in detector.SCORES])
def test_the_reason_adds_up_to_the_score(severity):
    bits, score = detector._BITS[severity], detector.SCORES[severity]
    assert 1 / (1 + 2**-bits) == pytest.approx(score, abs=1e-3)
