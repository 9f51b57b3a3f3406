"""Predictions by API: put, trained, cut and read, each by whom it may, masked as records are."""

import json

import pytest
from django.test import Client

from crmquality.models import ModelVersion, Prediction, PredictionTraining, Record, Score, Scoring
from crmquality.services import disclosing

pytestmark = pytest.mark.django_db
AIM = {"target": "City", "positive": ["Boston"], "left_out": ["Phone"]}


@pytest.fixture
def call():
    """call(person, method, path, **body) gives the status and the JSON."""

    def answer(person, method, path, **body):
        client = Client()
        client.force_login(person)
        got = client.generic(method, f"/api/v1/{path}", data=json.dumps(body), content_type="application/json")
        return got.status_code, got.json() if got.content else {}

    return answer


@pytest.fixture
def scored(source):
    """A prediction with a version, a report and two scores."""
    prediction = Prediction.objects.create(source=source, name="Where", aim={"target": "City", "positive": ["Boston"]})
    version = ModelVersion.objects.create(
        source=source, prediction=prediction, detector=prediction.model_name, number=1, detector_version="1",
        directory="none", sha256="", state="active", activated_at="2026-01-01T00:00Z",
    )  # fmt: skip
    report = {
        "auc": 0.8,
        "subgroups": [{"column": "Email", "value": "ann@example.com"}, {"column": "City", "value": "x"}],
    }
    PredictionTraining.objects.create(
        prediction=prediction, source=source, state="succeeded", report=report, result=version
    )
    for name, number in (("C1", 0.9), ("C3", 0.2)):
        record = Record.objects.get(external_id=name)
        reasons = [{"field": "Email", "value": record.fields["Email"], "typical": "missing", "weight": 1.0}]
        Score.objects.create(
            prediction=prediction, record=record, version=version, value=str(number), probability=number, number=number,
            reasons=reasons, seen=record.version,
        )  # fmt: skip
    return prediction


def test_an_aim_is_put_trained_revised_and_removed(source, steward, admin, call):
    status, made = call(steward, "POST", "predictions/", source=source.pk, name="Where", aim=AIM)
    assert status == 201, made
    assert made["aim"]["positive"] == ["Boston"]
    assert made["serving"] is None
    assert call(steward, "POST", "predictions/", source=source.pk, name="Where", aim=AIM)[0] == 409
    status, why = call(steward, "POST", "predictions/", source=source.pk, name="Odd", aim={"target": "Planet"})
    assert status in (400, 409, 422), why
    assert "No mapped column" in str(why)
    status, job = call(steward, "POST", "prediction-trainings/", prediction=made["id"])
    assert (status, job["state"], job["seconds"]) == (202, "queued", 240)
    path = f"predictions/{made['id']}/"
    revised = {"left_out": [], "kept": ["Email"], "seconds": 60, "retrain_after": 0}
    assert call(steward, "PUT", path, **revised)[1]["aim"]["kept"] == ["Email"]
    assert call(steward, "DELETE", path)[0] == 403
    assert call(admin, "DELETE", path)[0] == 409
    assert call(steward, "POST", f"prediction-trainings/{job['id']}/cancel/")[1]["state"] == "cancelled"
    assert call(admin, "DELETE", path)[0] == 204


def test_nothing_is_scored_before_a_version_serves(source, scored, steward, call):
    other = Prediction.objects.create(source=source, name="Other", aim={"target": "City"})
    assert call(steward, "POST", "scorings/", prediction=other.pk)[0] >= 400
    assert call(steward, "POST", "scorings/", prediction=scored.pk)[0] == 202
    assert Scoring.objects.get().prediction == scored


def test_scores_come_with_bands_and_reasons_and_sales_people_see_their_own(scored, steward, sales, admin, call):
    body = {"prediction": scored.pk, "bands": [{"name": "hot", "at": 0.5}], "rest": "cold"}
    assert call(steward, "POST", "cut-offs/", **body)[0] == 403
    status, cut = call(admin, "POST", "cut-offs/", **body)
    assert (status, cut["number"]) == (201, 1)
    assert call(admin, "POST", f"cut-offs/{cut['id']}/roll-back/")[1]["number"] == 2
    assert call(admin, "POST", "cut-offs/", **body | {"bands": [{"name": "hot", "at": 5}]})[0] >= 400
    found = call(steward, "GET", f"scores/?prediction={scored.pk}")[1]["results"]
    assert {(one["external_id"], one["band"]) for one in found} == {("C1", "hot"), ("C3", "cold")}
    assert [one["external_id"] for one in call(steward, "GET", "scores/?min_score=0.5")[1]["results"]] == ["C1"]
    own = call(sales, "GET", "scores/")[1]["results"]
    assert [one["external_id"] for one in own] == ["C1"]
    theirs = Score.objects.get(record__external_id="C3")
    assert call(sales, "GET", f"scores/{theirs.pk}/")[0] == 404


def test_reasons_and_groups_quote_nothing_that_is_masked(source, scored, steward, call):
    training = PredictionTraining.objects.get()
    path = f"prediction-trainings/{training.pk}/"
    assert "ann@example.com" in str(call(steward, "GET", "scores/")[1])
    assert "ann@example.com" in str(call(steward, "GET", path)[1])
    disclosing.set_policy(
        source=source, masked_for=["steward"], columns=["email"], reason_required=False, sales_decide=[], by=None
    )
    assert "ann@example.com" not in str(call(steward, "GET", "scores/")[1])
    shown = call(steward, "GET", path)[1]
    assert "ann@example.com" not in str(shown)
    assert [one["column"] for one in shown["report"]["subgroups"]] == ["City"]


def test_an_admin_allows_sensitive_columns_by_api(make_source, admin, steward, call):
    from detectors.roles import Role

    people = make_source("people", {"Key": Role.ID, "Gender": Role.GENDER}, [["K1", "f"]])
    path = f"sources/{people.pk}/sensitive/"
    assert call(steward, "PUT", path, columns=["Gender"])[0] == 403
    assert call(admin, "PUT", path, columns=["Gender"])[1]["sensitive_allowed"] == ["Gender"]
    assert call(admin, "PUT", path, columns=["Key"])[0] >= 400
