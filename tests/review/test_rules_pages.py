"""The rule library on its pages and by API: made, tried, changed, switched, taken from the data, who breaks a rule."""

import csv
import io
import json

import pytest
from django.test import Client

from crmquality.models import QualityRule, Record, RuleResult, RuleVersion
from crmquality.services import profiling, running, validating
from review.models import Decision, ReviewItem
from review.services import deciding, figures

pytestmark = pytest.mark.django_db
RANGE = {"kind": "pattern", "name": "postcodes of Boston", "field": "Postcode", "pattern": "021[0-9]{2}"}


def signed_in(person):
    client = Client()
    client.force_login(person)
    return client


@pytest.fixture
def boss(admin):
    return signed_in(admin)


@pytest.fixture
def rule(source, admin):
    return validating.make_rule(source=source, config=RANGE, user=admin).quality_rule


def check_all(source):
    running.execute_run(running.request_run(source=source, detector="rules").pk)
    figures.refresh(source=source)


def text(answer):
    return b"".join(answer).decode()


@pytest.mark.parametrize(
    ("sent", "words"),
    [
        ({"kind": "required", "field": "Email"}, "Email is filled"),
        ({"kind": "type", "field": "Phone", "role": "phone"}, "Phone is a valid phone"),
        ({"kind": "range", "field": "Postcode", "low": "1,000", "high": ""}, "Postcode is a number of at least 1,000"),
        ({"kind": "set", "field": "City", "values": "Boston\r\n Austin \r\n\r\n"}, "City is “Boston” or “Austin”"),
        ({"kind": "pattern", "field": "Postcode", "pattern": r"\d{5}"}, r"Postcode matches \d{5}"),
        (
            {"kind": "cross-field", "field": "Email", "relation": "!=", "other": "Name", "read_as": "text"},
            "Email is other than Name",
        ),
        ({"kind": "unique", "fields": ["Email", "Phone"]}, "Email and Phone are unique"),
        ({"kind": "freshness", "field": "Name", "days": "30"}, "Name is at most 30 days ago"),
        ({"kind": "reference", "field": "Owner", "to": "accounts"}, "Owner is the id of one of the accounts"),
        (
            {
                "kind": "never",
                "conditions-0-field": "City",
                "conditions-0-relation": "=",
                "conditions-0-value": "Rome | Oslo",
                "conditions-2-field": "Postcode",
                "conditions-2-measure": "length",
                "conditions-2-relation": ">",
                "conditions-2-value": "5",
            },
            "Never City is “Rome” or “Oslo” and length of Postcode > 5",
        ),
        (
            {"kind": "required", "field": "Phone", "when-1-field": "City", "when-1-relation": "filled"},
            "Phone is filled, where City is filled",
        ),
    ],
    ids=lambda value: value["kind"] if isinstance(value, dict) else "",
)
def test_every_kind_of_rule_is_made_by_its_form(source, boss, sent, words):
    assert boss.get(f"/sources/{source.pk}/rules/new/?kind={sent['kind']}").status_code == 200
    answer = boss.post(f"/sources/{source.pk}/rules/new/", {"name": "r", "severity": "blocking", **sent})
    made = RuleVersion.objects.get()
    assert answer.url == f"/rules/{made.quality_rule_id}/"
    assert (made.rule.words(), made.rule.severity) == (words, "blocking")
    assert boss.get(answer.url).status_code == 200


@pytest.mark.parametrize(
    ("sent", "says"),
    [
        ({"kind": "range", "field": "Postcode", "low": "many"}, "Low is a number"),
        ({"kind": "pattern", "field": "City", "pattern": "("}, "no regular expression"),
        ({"kind": "required", "field": ""}, "Choose a field"),
        ({"kind": "freshness", "field": "City", "days": "soon"}, "Days is a number"),
        ({"kind": "freshness", "field": "City", "days": "1.5"}, "Days is a whole number"),
        ({"kind": "unique"}, "Name at least one field"),
    ],
)
def test_what_makes_no_sense_is_said_and_what_was_typed_stays(source, boss, sent, says):
    page = boss.post(f"/sources/{source.pk}/rules/new/", {"name": "my <rule>", **sent}).content.decode()
    assert says in page
    assert "my &lt;rule&gt;" in page
    assert not QualityRule.objects.exists()


def test_a_rule_is_tried_before_it_is_kept(source, boss):
    sent = {"name": "r", "try": "1", "kind": "pattern", "field": "Postcode", "pattern": "021.."}
    page = boss.post(f"/sources/{source.pk}/rules/new/", sent).content.decode()
    assert "Of 4 records it applies to 4, and <strong>1</strong> break it" in page
    assert "C4" in page
    assert not QualityRule.objects.exists()


def test_a_trial_of_a_large_source_says_that_it_is_a_sample(source, boss, monkeypatch):
    from crmquality.services import rule_failures

    monkeypatch.setattr(rule_failures, "TRIED", 2)
    trial = rule_failures.try_rule(source, validating.checked_rule(source, RANGE))
    assert trial.is_sample
    assert trial.looked_at <= 2


def test_a_page_names_the_records_that_break_a_rule_and_leaves_out_those_mended_since(source, boss, rule):
    check_all(source)
    page = boss.get(f"/rules/{rule.pk}/").content.decode()
    assert "1 record breaks it" in page
    assert "Postcode “78701” does not look like" in page
    Record.objects.filter(external_id="C4").update(fields={"Postcode": "02110"})
    assert "It was mended since." in boss.get(f"/rules/{rule.pk}/").content.decode()


def test_failing_records_come_in_pages(source, boss, rule, monkeypatch):
    from crmquality.services import rule_failures

    validating.change_rule(quality_rule=rule, user=None, config=RANGE | {"pattern": "x"})
    check_all(source)
    monkeypatch.setattr(rule_failures, "PAGE", 3)
    found = rule_failures.failures(rule, rule_failures.newest_result(rule), start=3, most=3)
    assert [one.record.external_id for one in found] == ["C4"]
    first = boss.get(f"/rules/{rule.pk}/").content.decode()
    assert "?from=3#failing" in first
    assert "4 to 4 of 4" in boss.get(f"/rules/{rule.pk}/?from=3").content.decode()


def test_the_failing_records_are_taken_as_a_file_without_formulas(source, boss, rule):
    Record.objects.filter(external_id="C4").update(fields={"Postcode": "=1+1"})
    check_all(source)
    rows = list(csv.reader(io.StringIO(text(boss.get(f"/rules/{rule.pk}/failing.csv")))))
    assert rows == [["Key", "Postcode", "Why"], ["C4", "'=1+1", "Postcode “=1+1” does not look like 021[0-9]{2}."]]


def test_a_change_is_a_new_version_with_who_and_why(source, boss, admin, rule):
    boss.post(f"/rules/{rule.pk}/", {"field": "Postcode", "pattern": r"\d{5}", "severity": "note", "reason": "wider"})
    newest = rule.versions.first()
    assert (newest.number, newest.by, newest.reason) == (2, admin, "wider")
    assert (newest.rule.name, newest.config["severity"]) == (rule.name, "note")
    page = boss.get(f"/rules/{rule.pk}/").content.decode()
    assert "wider" in page
    assert "021[0-9]{2}" in page


def test_a_rule_is_switched_off_and_on_again(source, boss, rule):
    boss.post(f"/rules/{rule.pk}/switch/", {"on": "0"})
    check_all(source)
    assert not RuleResult.objects.exists()
    assert ">off</span>" in boss.get(f"/sources/{source.pk}/rules/").content.decode()
    boss.post(f"/rules/{rule.pk}/switch/", {"on": "1"})
    check_all(source)
    assert RuleResult.objects.count() == 1


def test_the_list_shows_what_people_said_of_its_claims(source, boss, steward, rule):
    check_all(source)
    item = ReviewItem.objects.open().get(detector="rules")
    deciding.decide(item=item, verdict=Decision.Verdict.REJECT, user=steward)
    figures.refresh(source=source)
    page = boss.get(f"/sources/{source.pk}/rules/").content.decode()
    assert "0 %" in page
    assert "of 1, 0 % to" in page


def test_what_the_data_suggests_is_taken_with_one_click(make_source, boss):
    from detectors.roles import Role

    rows = [[f"K{at:03d}", "won" if at % 2 else "lost"] for at in range(400)]
    source = make_source("deals", {"Key": Role.ID, "Stage": Role.STAGE}, rows)
    profiling.execute_profile(profiling.request_profile(source=source).pk)
    page = boss.get(f"/sources/{source.pk}/rules/").content.decode()
    assert "Stage is known" in page
    boss.post(f"/sources/{source.pk}/rules/take/", {"name": "Stage is known", "severity": "blocking"})
    made = RuleVersion.objects.get()
    assert (made.rule.words(), made.origin) == ("Stage is “lost” or “won”", RuleVersion.Origin.DATA)
    assert made.reason == "400 of 400 records keep it"
    again = boss.post(f"/sources/{source.pk}/rules/take/", {"name": "Stage is known"}, follow=True)
    assert "There is a rule named" in again.content.decode()
    page = boss.get(f"/sources/{source.pk}/rules/").content.decode()
    assert 'name="name" value="Stage is known"' not in page


def test_the_empty_pages_say_what_to_do(source, boss):
    assert "No rules yet" in boss.get(f"/sources/{source.pk}/rules/").content.decode()
    assert "Not looked at yet" in boss.get(f"/sources/{source.pk}/profile/").content.decode()


class TestApi:
    def send(self, client, method, path, body=None):
        return client.generic(method, f"/api/v1{path}", json.dumps(body or {}), content_type="application/json")

    def test_a_rule_is_made_changed_switched_and_its_versions_listed(self, source, boss):
        made = self.send(boss, "POST", "/rules/", {"source": source.pk, "config": RANGE}).json()
        assert (made["name"], made["newest"]["words"]) == (RANGE["name"], "Postcode matches 021[0-9]{2}")
        path = f"/rules/{made['id']}"
        changed = self.send(boss, "PUT", f"{path}/", {"config": RANGE | {"severity": "blocking"}, "reason": "x"}).json()
        assert (changed["newest"]["number"], changed["newest"]["config"]["severity"]) == (2, "blocking")
        self.send(boss, "POST", f"{path}/switch/", {"is_on": False})
        versions = boss.get(f"/api/v1{path}/versions/").json()
        assert [(one["number"], one["is_on"]) for one in versions] == [(3, False), (2, True), (1, True)]

    def test_a_rule_that_makes_no_sense_is_a_problem_in_words(self, source, boss):
        answer = self.send(boss, "POST", "/rules/", {"source": source.pk, "config": {"kind": "magic"}})
        assert answer.status_code == 400
        assert "No rule of kind 'magic'" in answer.json()["detail"]

    def test_failing_records_are_paged_with_their_keys(self, source, boss, rule):
        check_all(source)
        page = boss.get(f"/api/v1/rules/{rule.pk}/failing/?limit=1").json()
        assert (page["count"], page["next"]) == (1, None)
        assert page["results"][0]["external_id"] == "C4"
        assert page["results"][0]["values"] == {"Postcode": "78701"}
        listed = boss.get(f"/api/v1/rules/?source={source.pk}").json()["results"]
        assert listed[0]["result"]["numerator"] == 3

    def test_a_rule_is_tried_and_nothing_kept(self, source, boss):
        found = self.send(boss, "POST", "/rules/try/", {"source": source.pk, "config": RANGE}).json()
        assert (found["looked_at"], found["applies"], found["broken"]) == (4, 4, 1)
        assert not QualityRule.objects.exists()

    def test_a_profile_is_asked_for_and_read(self, source, boss):
        job = self.send(boss, "POST", "/profiles/", {"source": source.pk})
        assert job.status_code == 202
        profiling.execute_profile(job.json()["id"])
        found = boss.get(f"/api/v1/profiles/{job.json()['id']}/").json()
        assert (found["state"], found["result"]["rows"]) == ("succeeded", 4)
        assert boss.get(f"/api/v1/rules/suggestions/?source={source.pk}").json() == []
