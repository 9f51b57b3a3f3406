"""What the missing-value detector proposes, and what it never does."""

from __future__ import annotations

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, Finding, Flag, Label, RunContext, SetFields
from detectors.prediction.detector import MissingValueDetector
from detectors.prediction.sensitive import is_sensitive
from detectors.roles import Role

ROLES = {
    "Code": Role.ID,
    "ZIP": Role.POSTCODE,
    "Town": Role.CITY,
    "State": Role.REGION,
    "Stage": Role.STAGE,
    "Tenure": Role.NUMBER,
    "Plan": Role.CATEGORY,
    "Spend": Role.AMOUNT,
    "Churn": Role.CATEGORY,
}


def holed(frame: pd.DataFrame, *names: str, every: int = 10) -> Batch:
    """The frame with every tenth cell of these columns blank."""
    frame = frame.copy()
    for offset, name in enumerate(names):
        frame.iloc[offset::every, frame.columns.get_loc(name)] = None
    return Batch(frame, ROLES, "contacts")


def found(batch: Batch, detector: MissingValueDetector | None = None) -> list[Finding]:
    return list((detector or MissingValueDetector()).detect(batch, RunContext(seed=1)))


def proposals(findings: list[Finding], field: str) -> dict[int, str | None]:
    return {
        finding.subjects[0]: finding.proposal.changes[field]
        for finding in findings
        if isinstance(finding.proposal, SetFields) and field in finding.proposal.changes
    }


def test_a_town_that_its_postcode_tells_is_proposed_with_the_look_up_as_its_rule(customers):
    findings = found(holed(customers, "Town"))
    filled = proposals(findings, "Town")
    assert len(filled) == 60
    assert all(value == customers["Town"][record] for record, value in filled.items())
    assert all(finding.score > 0.95 for finding in findings)
    assert {finding.rule for finding in findings} <= {"lookup:postcode", "lookup:region", "lookup:postcode+region"}
    assert "records with the same" in findings[0].evidence[0].detail


def test_the_weights_of_the_evidence_add_up_to_the_log_odds_of_the_score(customers):
    for finding in found(holed(customers, "Town"))[:10]:
        odds = sum(reason.weight for reason in finding.evidence)
        assert odds == pytest.approx(np.log2(finding.score / (1 - finding.score)), abs=1e-6)


def test_a_random_column_is_left_blank_rather_than_filled_with_its_mode(customers):
    assert proposals(found(holed(customers, "Stage")), "Stage") == {}


def test_a_nearly_constant_column_is_not_filled_with_its_constant(customers):
    customers["Stage"] = "new"
    customers.loc[customers.index % 40 == 7, "Stage"] = "won"
    assert proposals(found(holed(customers, "Stage")), "Stage") == {}


def test_names_keys_consent_and_sensitive_columns_are_never_filled(customers):
    roles = {**ROLES, "Plan": Role.GIVEN_NAME, "Town": Role.CONSENT, "State": Role.GENDER, "ZIP": Role.ACCOUNT_REF}
    batch = Batch(holed(customers, "Code", "Plan", "Town", "State", "ZIP").frame, roles, "contacts")
    assert found(batch) == []


def test_a_sensitive_column_is_filled_once_an_admin_allows_it(customers):
    batch = Batch(holed(customers, "State").frame, {**ROLES, "State": Role.GENDER}, "contacts")
    assert len(proposals(found(batch, MissingValueDetector(sensitive=True)), "State")) == 60
    allowed = MissingValueDetector().detect(batch, RunContext(sensitive=frozenset({"State"})))
    assert len(proposals(list(allowed), "State")) == 60
    assert not list(MissingValueDetector().detect(batch, RunContext(sensitive=frozenset({"Plan"}))))


@pytest.mark.parametrize(
    "name", ["Gender", "marital_status", "dateOfBirth", "Ethnic group", "Religion", "Familienstand"]
)
def test_a_sensitive_attribute_is_known_by_its_name(name):
    assert is_sensitive(name, Role.CATEGORY)


@pytest.mark.parametrize("name", ["Message", "Essex office", "Racecourse", "Package"])
def test_a_harmless_column_is_not_taken_for_a_sensitive_one(name):
    assert not is_sensitive(name, Role.CATEGORY)


def test_a_number_is_proposed_where_its_interval_is_narrow_and_left_blank_where_it_is_wide(customers):
    rng = np.random.default_rng(4)
    many = pd.concat([customers] * 3, ignore_index=True)
    paid = many["Tenure"].astype(float) * 10 + rng.normal(0, 3, len(many))
    near = proposals(found(holed(many.assign(Spend=paid.map("{:.2f}".format)), "Spend")), "Spend")
    assert len(near) == 180
    errors = [abs(float(value) - paid[record]) for record, value in near.items()]
    assert np.median(errors) < 10
    noise = pd.Series(rng.normal(0, 100, len(many))).map("{:.2f}".format)
    assert proposals(found(holed(many.assign(Spend=noise), "Spend")), "Spend") == {}


def test_placeholders_are_filled_like_blanks(customers):
    batch = holed(customers, "Town")
    frame = batch.frame.copy()
    frame.loc[frame["Town"].isna(), "Town"] = "N/A"
    assert len(proposals(found(Batch(frame, ROLES)), "Town")) == 60


def test_a_rule_that_stewards_keep_rejecting_stops_and_says_so(customers):
    batch = holed(customers, "Town")
    findings = found(batch)
    rule = findings[0].rule
    labels = [Label(finding, is_defect=False) for finding in findings if finding.rule == rule][:8]
    taught = MissingValueDetector().fit(batch, labels, RunContext())
    assert not [finding for finding in found(batch, taught) if finding.rule == rule]
    assert taught.metrics()[f"stopped: {rule}|Town"] == 1.0
    assert taught.rescore(findings[:1]) == [0.0]


def test_rejections_lower_and_acceptances_keep_the_score(customers):
    findings = found(holed(customers, "Town"))
    rejected = MissingValueDetector().reweight([Label(findings[0], is_defect=False)])
    accepted = MissingValueDetector().reweight([Label(findings[0], is_defect=True)])
    assert rejected.rescore(findings[:1])[0] < findings[0].score <= accepted.rescore(findings[:1])[0]


def test_labels_of_other_detectors_are_passed_over():
    flagged = Finding((1,), Flag(), 0.5)
    taught = MissingValueDetector().reweight([Label(flagged, is_defect=False)])
    assert taught.metrics() == {"labels": 0.0}
    assert taught.rescore([flagged]) == [0.5]
