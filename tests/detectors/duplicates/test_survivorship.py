"""The surviving value of every field is chosen by a named rule, with its reason."""

from __future__ import annotations

import pandas as pd
import pytest

from detectors.contract import Batch
from detectors.duplicates.golden import Merger
from detectors.duplicates.survivorship import RULES, Candidate, Rule, choose, survivor
from detectors.roles import Role

OLD = Candidate(1, "Rob", updated=20200101, filled=9, trust=1, when=20200101)
NEW = Candidate(2, "Robert", updated=20240101, filled=5, trust=0, when=20240101)


@pytest.mark.parametrize(
    ("rule", "value"),
    [
        (Rule.MOST_RECENT, "Robert"),
        (Rule.MOST_COMPLETE, "Rob"),
        (Rule.LONGEST, "Robert"),
        (Rule.MOST_FREQUENT, "Robert"),
        (Rule.MOST_TRUSTED, "Robert"),
        (Rule.EARLIEST, "Rob"),
        (Rule.UNION, "Rob; Robert"),
        (Rule.KEEP_MASTER, "Rob"),
        (Rule.ASK, "Rob"),
    ],
)
def test_each_rule_chooses_its_value_and_says_why(rule, value):
    choice = RULES[rule]([OLD, NEW], 1)
    assert choice.value == value
    assert choice.rule is rule
    assert choice.reason


def test_every_rule_has_a_function():
    assert set(RULES) == set(Rule)


def test_a_conflict_is_left_to_a_person_unless_a_majority_settles_it():
    one, two, three = (
        Candidate(record, day) for record, day in ((1, "1960-01-02"), (2, "1961-01-02"), (3, "1961-01-02"))
    )
    assert choose(Role.DATE_OF_BIRTH, [one, two], 1).conflict
    settled = choose(Role.DATE_OF_BIRTH, [one, two, three], 1)
    assert (settled.value, settled.conflict) == ("1961-01-02", False)


def test_the_furthest_stage_and_the_most_careful_consent_survive():
    assert choose(Role.STAGE, [Candidate(1, "Negotiation"), Candidate(2, "New")], 2).value == "Negotiation"
    assert choose(Role.CONSENT, [Candidate(1, "yes"), Candidate(2, "No", refuses=True)], 1).value == "No"


@pytest.mark.parametrize(
    ("column", "refusal", "leave"),
    [
        ("Newsletter", "No", "yes"),
        ("GDPR Consent", "withdrawn", "given"),
        ("Email Opt Out", "true", "false"),
        ("HasOptedOutOfEmail", "1", "0"),
        ("Do Not Call", "Ja", "nein"),
        ("unsubscribed_at", "2024-05-01", "no"),
        ("Werbesperre", "x", "nein"),
    ],
)
def test_a_refusal_in_any_record_survives_whichever_way_the_column_asks(column, refusal, leave):
    frame = pd.DataFrame({"name": ["Ann", "Ann"], column: [leave, refusal]}, dtype=object)
    roles = {"name": Role.NAME, column: Role.CONSENT}
    for rows in ([0, 1], [1, 0]):
        golden = Merger(Batch(frame.iloc[rows].reset_index(drop=True), roles)).golden([0, 1], master=rows.index(0))
        assert golden.changes == {column: refusal}


def test_an_admins_rule_overrules_the_roles():
    assert choose(Role.GIVEN_NAME, [OLD, NEW], 1, Rule.MOST_COMPLETE).value == "Rob"


def test_the_most_complete_record_survives():
    assert survivor([OLD, NEW]) == 1


def test_an_address_comes_from_one_record_whole():
    roles = {"street": Role.STREET, "town": Role.CITY, "seen": Role.UPDATED_AT}
    rows = [["1 Old Rd", "Boston", "2020-01-01"], ["2 New St", "Austin", "2024-01-01"]]
    golden = Merger(Batch(pd.DataFrame(rows, columns=list(roles), dtype=object), roles)).golden([0, 1])
    values = {"street": rows[golden.survivor][0], "town": rows[golden.survivor][1]} | golden.changes
    assert (values["street"], values["town"]) == ("2 New St", "Austin")
