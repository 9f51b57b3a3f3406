"""Rules of a source: versions that are never edited, checked in runs, their findings in the queue."""

import numpy as np
import pytest

from crmquality.models import Kind, Record, RuleResult, RuleVersion
from crmquality.services import running, validating
from crmquality.services.errors import Conflict, Refused
from detectors.roles import Role
from detectors.rules.boxes import Bound
from detectors.rules.kinds import Severity

pytestmark = pytest.mark.django_db
FILLED = {"kind": "required", "name": "e-mail is there", "field": "Email"}


def run(source):
    running.execute_run(running.request_run(source=source, detector=validating.DETECTOR).pk)


def test_a_rule_is_made_with_its_first_version(source, admin):
    made = validating.make_rule(source=source, config=FILLED, user=admin, reason="mailings")
    assert (made.number, made.by, made.reason, made.is_on) == (1, admin, "mailings", True)
    assert made.rule.words() == "Email is filled"


def test_a_change_is_a_new_version_and_the_old_one_stays_as_it_was(source, admin, steward):
    made = validating.make_rule(source=source, config=FILLED, user=steward)
    changed = validating.change_rule(
        quality_rule=made.quality_rule, user=admin, config={**FILLED, "severity": "blocking"}, reason="too many"
    )
    made.refresh_from_db()
    assert (made.number, made.config["severity"], made.by) == (1, "warning", steward)
    assert (changed.number, changed.config["severity"], changed.by) == (2, "blocking", admin)
    assert [version.pk for version in validating.rules_in_force(source)] == [changed.pk]


def test_a_rule_switched_off_is_kept_and_not_checked(source, admin):
    made = validating.make_rule(source=source, config=FILLED, user=admin)
    validating.change_rule(quality_rule=made.quality_rule, user=admin, is_on=False)
    assert validating.rules_in_force(source) == []
    assert [version.number for version in validating.newest_versions(source)] == [2]


@pytest.mark.parametrize(
    ("config", "says"),
    [
        ({"kind": "magic"}, "No rule of kind 'magic'"),
        ({"field": "Shoe size"}, "no mapped column 'Shoe size'"),
        ({"kind": "reference", "to": "planets"}, "Nothing refers to 'planets'"),
        ({"name": "x" * 101}, "at most 100 characters"),
    ],
)
def test_a_rule_that_makes_no_sense_is_refused_in_words(source, admin, config, says):
    with pytest.raises(Refused, match=says):
        validating.make_rule(source=source, config=FILLED | config, user=admin)
    assert not RuleVersion.objects.exists()


def test_two_rules_of_a_source_cannot_share_a_name(source, make_source, admin):
    validating.make_rule(source=source, config=FILLED, user=admin)
    with pytest.raises(Conflict, match="choose another name"):
        validating.make_rule(source=source, config=FILLED, user=admin)
    validating.make_rule(source=make_source("others"), config=FILLED, user=admin)


def test_a_run_flags_the_records_that_break_a_rule_and_keeps_the_counts(source, admin):
    made = validating.make_rule(source=source, config=FILLED, user=admin)
    run(source)
    broken = Record.objects.get(external_id="C4")
    result = RuleResult.objects.get()
    assert (result.numerator, result.denominator, result.failing) == (3, 4, [broken.pk])
    assert validating.latest_results(source)[made.quality_rule_id].broken == 1
    finding = source.findings.get()
    assert (finding.detector, finding.rule, finding.subjects) == ("rules", "e-mail is there", [broken.pk])


def test_a_mended_record_leaves_the_queue_and_only_the_newest_result_names_records(source, admin):
    from review.models import ReviewItem

    validating.make_rule(source=source, config=FILLED, user=admin)
    run(source)
    assert ReviewItem.objects.open().filter(detector="rules").count() == 1
    Record.objects.filter(external_id="C4").update(fields={"Email": "cy@example.com"})
    run(source)
    assert not ReviewItem.objects.open().filter(detector="rules").exists()
    assert [result.failing for result in RuleResult.objects.order_by("id")] == [[], []]
    assert RuleResult.objects.order_by("id").last().numerator == 4


def test_a_reference_that_finds_nothing_is_found_and_none_is_judged_before_there_are_records(make_source, admin):
    deals = make_source(
        "deals",
        {"Id": Role.ID, "Account": Role.ACCOUNT_REF},
        [["D1", "A1"], ["D2", "A9"], ["D3", None]],
        kind=Kind.OPPORTUNITIES,
    )
    config = {"kind": "reference", "name": "account exists", "field": "Account", "to": "accounts"}
    validating.make_rule(source=deals, config=config, user=admin)
    run(deals)
    assert RuleResult.objects.get().denominator == 0
    make_source("accounts", {"Id": Role.ID}, [["A1"]], kind=Kind.ACCOUNTS)
    run(deals)
    result = RuleResult.objects.first()
    assert (result.numerator, result.denominator) == (1, 2)
    assert result.failing == [Record.objects.get(external_id="D2").pk]


def test_confirmed_anomalies_become_a_standing_check_named_by_what_they_say(make_source, admin):
    deals = make_source(
        "deals",
        {"Id": Role.ID, "Amount": Role.AMOUNT, "Created": Role.CREATED_AT, "Closed": Role.CLOSED_AT},
        [["D1", "60000", "2024-01-01", "2024-01-02"], ["D2", "60000", "2024-01-01", "2024-02-01"]],
    )
    bounds = [
        Bound("Amount", "number", ("Amount",), low=50_000),
        Bound("days from Created to Closed", "days", ("Created", "Closed"), high=1),
    ]
    made = validating.standing_check(source=deals, bounds=bounds, user=admin, severity=Severity.BLOCKING)
    assert made.quality_rule.name == "Never Amount > 50,000 and days from Created to Closed <= 1"
    assert (made.origin, made.config["severity"]) == (RuleVersion.Origin.ANOMALIES, "blocking")
    run(deals)
    assert RuleResult.objects.get().failing == [Record.objects.get(external_id="D1").pk]


def test_what_no_record_alone_tells_is_refused_as_a_standing_check(source, admin):
    with pytest.raises(Refused, match="told by the records around it"):
        validating.standing_check(
            source=source, bounds=[Bound("City for its Owner", "group", ("City", "Owner"), low=3)], user=admin
        )


def test_a_rule_of_other_code_is_passed_over(source, admin):
    made = validating.make_rule(source=source, config=FILLED, user=admin)
    RuleVersion.objects.filter(pk=made.pk).update(config={"kind": "of tomorrow"})
    run(source)
    assert not RuleResult.objects.exists()
    assert np.all([job.state == "succeeded" for job in source.runs.all()])
