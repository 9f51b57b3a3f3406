"""What people's answers make of a rule: edits and rejections count against it, it stops, it starts anew."""

import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import ModelVersion, Record, Training
from crmquality.services import learning, running
from crmquality.services.batches import source_batch
from detectors import registry
from detectors.contract import Evidence, Finding, SetFields
from detectors.formats.acceptance import RuleDetector
from review.models import Decision, ReviewItem, RuleReset
from review.selectors import acceptance
from review.services import deciding, labelling, resetting

pytestmark = pytest.mark.django_db
ROWS = [
    [f"C{at}", f"P {at}", f"p{at}@x.org", "1", "Bostn", "02108", "sales" if at % 2 else "other"] for at in range(14)
]


class Spelling(RuleDetector):
    """Proposes Boston for Bostn."""

    name = "spelling"
    version = "1"

    def suggest(self, batch, context):
        context.report(0, 1)
        for record, city in batch.frame["City"].items():
            if city == "Bostn":
                why = (Evidence("spelling", 2.0, "It is nearly Boston.", ("City",)),)
                yield Finding((int(record),), SetFields({"City": "Boston"}), 0.8, why, "spelling")


@pytest.fixture
def people(make_source, monkeypatch):
    monkeypatch.setattr(registry, "available", lambda: {"spelling": object()})
    monkeypatch.setattr(registry, "load", lambda name: Spelling)
    from tests.conftest import COLUMNS

    source = make_source("people", COLUMNS, ROWS)
    scan(source)
    return source


def scan(source):
    run = running.request_run(source=source, detector="spelling")
    running.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded", run.error
    return run


def answer(steward, verdict, count, edited=None):
    for item in list(ReviewItem.objects.open().order_by("pk")[:count]):
        deciding.decide(item=item, verdict=verdict, user=steward, edited=edited)


def test_an_edited_proposal_counts_against_its_rule_and_what_was_written_instead_teaches(people, steward):
    answer(steward, Decision.Verdict.EDIT, 1, {"changes": {"City": "Austin"}})
    wrong, right = labelling.labels(people, "spelling")
    assert (wrong.is_defect, wrong.finding.proposal.changes) == (False, {"City": "Boston"})
    assert (right.is_defect, right.finding.proposal.changes) == (True, {"City": "Austin"})
    assert right.finding.rule == labelling.OWN_CORRECTION
    (row,) = acceptance.rules(people)
    assert (row.accepted, row.edited, row.rejected, row.acceptance) == (0, 1, 0, 0.0)


def test_a_rule_below_its_target_stops_says_so_and_starts_anew_when_an_admin_says(people, steward, admin):
    answer(steward, Decision.Verdict.REJECT, 12)
    (row,) = acceptance.rules(people)
    assert (row.rule, row.fields, row.rejected, row.open, row.stopped) == ("spelling", "City", 12, 2, True)
    assert scan(people).found == 0
    client = Client()
    client.force_login(steward)
    page = client.get(reverse("learned", args=[people.pk])).content.decode()
    assert "1 rule stopped" in page
    assert "Start anew" not in page.replace("“Start anew”", "")
    client.force_login(admin)
    given = {"detector": "spelling", "rule": "spelling", "fields": "City"}
    assert "starts anew" in client.post(reverse("reset-rule", args=[people.pk]), given, follow=True).content.decode()
    assert labelling.labels(people, "spelling") == []
    assert not acceptance.rules(people)[0].stopped
    assert scan(people).found == 14
    assert Decision.objects.count() == 12


def test_a_version_that_was_trained_on_the_answers_is_replaced_whatever_the_gate_says(people, steward, admin):
    answer(steward, Decision.Verdict.REJECT, 12)
    learning.execute_training(learning.request_training(source=people, detector="spelling").pk)
    assert scan(people).found == 0
    resetting.reset_rule(source=people, detector="spelling", rule="spelling", fields="City", user=admin)
    learning.execute_training(Training.objects.active().get().pk)
    serving = ModelVersion.objects.get(state="active")
    assert serving.note == "Rule spelling starts anew."
    assert scan(people).found == 14


def test_a_reset_concerns_its_rule_and_fields_alone(people, steward, admin):
    answer(steward, Decision.Verdict.REJECT, 3)
    resetting.reset_rule(source=people, detector="spelling", rule="other", fields="City", user=admin)
    resetting.reset_rule(source=people, detector="spelling", rule="spelling", fields="Name", user=admin)
    assert len(labelling.labels(people, "spelling")) == 3


def test_what_does_not_learn_is_refused_on_the_page_and_an_empty_page_says_what_to_do(make_source, admin, people):
    client = Client()
    client.force_login(admin)
    page = client.post(reverse("reset-rule", args=[people.pk]), {"detector": "nothing"}, follow=True)
    assert "does not learn" in page.content.decode()
    assert not RuleReset.objects.exists()
    other = make_source("other")
    assert "No answers yet" in client.get(reverse("learned", args=[other.pk])).content.decode()
    assert Record.objects.filter(source=people).count() == len(source_batch(people))


def test_the_api_gives_the_same_rows(people, steward, sales, client):
    client.force_login(steward)
    rows = client.get(f"/api/v1/sources/{people.pk}/learned/").json()
    shown = acceptance.rules(people)
    assert shown
    assert [(row["rule"], row["fields"], row["open"], row["stopped"]) for row in rows] == [
        (row.rule, row.fields, row.open, row.stopped) for row in shown
    ]
    client.force_login(sales)
    assert client.get(f"/api/v1/sources/{people.pk}/learned/").status_code == 403
