"""The pages of predictions: an aim is put, its report read, scores cut and seen, each by whom it may."""

import pytest
from django.test import Client
from django.urls import reverse

from crmquality.models import CutOffs, ModelVersion, Prediction, PredictionTraining, Record, Score
from crmquality.services import disclosing, scoring
from detectors.roles import Role

pytestmark = pytest.mark.django_db
COLUMNS = {"Key": Role.ID, "Company": Role.COMPANY, "Stage": Role.STAGE, "Amount": Role.AMOUNT, "Mail": Role.EMAIL}
LONG = "Ärzte & Söhne Donaudampfschifffahrtsgesellschaftskapitänswitwenpensionskasse " * 2
REPORT = {
    "rows": 900,
    "target": "Stage",
    "classes": ["lost", "won"],
    "auc": 0.81,
    "log_loss": 0.42,
    "interval": {"auc": [0.78, 0.84], "log_loss": [0.4, 0.45]},
    "baseline_auc": 0.79,
    "baseline_log_loss": 0.44,
    "prior_log_loss": 0.6,
    "calibration_error": 0.021,
    "accuracy": 0.8, "precision": 0.7, "recall": 0.5, "f1": 0.58,
    "confusion": [[600, 50], [120, 130]],
    "incumbent": {
        "column": "Old score", "auc": 0.66, "log_loss": 0.55, "gain": 0.15, "gain_interval": [0.1, 0.2], "beaten": True,
    },
    "reliability": [{"claimed": at / 10, "observed": at / 10 + 0.02, "rows": 90} for at in range(1, 9)],
    "roc": [[0.0, 0.0], [0.2, 0.6], [1.0, 1.0]],
    "cut_offs": [
        {"cut_off": at / 20, "tp": 100, "fp": 40, "fn": 150 - at, "tn": 600, "flagged": 0.15, "precision": 0.71,
         "recall": 0.4, "f1": 0.4 + (0.2 if at == 8 else 0)}
        for at in range(1, 20)
    ],
    "importance": {"Amount": 0.08, LONG: 0.02, "Mail": -0.001},
    "leaderboard": [
        {"model": "boosting", "settings": {"rate": 0.1}, "loss": 0.42, "standard_error": 0.01, "seconds": 3.2,
         "weight": 1.0, "finished": True}
    ],
    "search_stopped": "the time is over",
    "subgroups": [
        {"column": "Mail", "value": "secret@example.com", "rows": 40, "observed": 0.2, "predicted": 0.4, "off": True,
         "auc": 0.7, "precision": 0.5, "recall": 0.5, "flagged": 0.2}
    ],
    "left_out": {"Closed at": "tells the answer alone", "Gender": "sensitive"},
    "warnings": ["Closed at alone tells the target: was it filled in afterwards?"],
}  # fmt: skip


@pytest.fixture
def deals(make_source):
    stages = ["won", "lost", "open", "open"]
    rows = [
        [f"K{at}", LONG if at == 2 else f"Firm {at}", stages[at % 4], str(at), f"p{at}@example.com"] for at in range(40)
    ]
    return make_source("deals", COLUMNS, rows)


@pytest.fixture
def prediction(deals):
    return Prediction.objects.create(
        source=deals, name="Lead score", aim={"target": "Stage", "positive": ["won"], "negative": ["lost"]}
    )


@pytest.fixture
def version(prediction, deals):
    """A version that serves, its report, and scores of the open records."""
    made = ModelVersion.objects.create(
        source=deals, prediction=prediction, detector=prediction.model_name, number=1, detector_version="1",
        directory="none", sha256="", state="active", metrics={"held_out_auc": 0.81}, labels=900,
        activated_at="2026-01-01T00:00Z",
    )  # fmt: skip
    PredictionTraining.objects.create(
        prediction=prediction, source=deals, state="succeeded", report=REPORT, result=made
    )
    for place, record in enumerate(Record.objects.filter(source=deals, fields__Stage="open").order_by("pk")):
        reasons = [{"field": "Mail", "value": record.fields["Mail"], "typical": "missing", "weight": 0.7}]
        Score.objects.create(
            prediction=prediction, record=record, version=made, value=f"{place / 20:.3f}", probability=place / 20,
            number=place / 20, reasons=reasons, seen=record.version,
        )  # fmt: skip
    return made


@pytest.fixture
def ask():
    """ask(person, path, **form) gives the answer; a POST if there is a form."""

    def answer(person, path, form=None):
        client = Client()
        client.force_login(person)
        return client.post(path, form, follow=True) if form is not None else client.get(path, follow=True)

    return answer


def shown(answer):
    assert answer.status_code == 200
    return answer.content.decode()


@pytest.mark.parametrize("purpose", ["churn", "lead", "value", "other"])
def test_the_form_guesses_what_is_meant_from_roles_and_words(deals, steward, ask, purpose):
    page = shown(ask(steward, reverse("new-prediction", args=[deals.pk]) + f"?purpose={purpose}"))
    assert "Save and train" in page
    if purpose == "lead":
        assert '<option value="Stage" selected>' in page
        won = page.split('value="won"')[1][:300]
        assert '<option value="outcome" selected>' in won
    if purpose == "value":
        assert '<option value="Amount" selected>' in page
        assert "Learn only from records whose Stage is" in page


def test_a_steward_puts_an_aim_and_its_training_is_a_job(deals, steward, ask):
    form = {
        "purpose": "lead", "target": "Stage", "name": "Lead score", "value": ["won", "lost", "open"],
        "meaning": ["outcome", "not", "unknown"], "incumbent": "Amount", "seconds": "60", "history": "",
    }  # fmt: skip
    page = shown(ask(steward, reverse("new-prediction", args=[deals.pk]), form))
    assert "Lead score" in page
    made = Prediction.objects.get()
    assert made.aim["positive"] == ["won"]
    assert made.aim["negative"] == ["lost"]
    assert made.aim["incumbent"] == "Amount"
    assert made.trainings.get().seconds == 60
    assert "Lead score on deals" in shown(ask(steward, reverse("runs")))
    again = shown(ask(steward, reverse("new-prediction", args=[deals.pk]), form))
    assert "There is a prediction named" in again


def test_with_all_outcomes_known_what_is_no_outcome_counts_as_its_absence(deals, steward, ask):
    form = {"target": "Stage", "name": "Churn", "value": ["won", "lost"], "meaning": ["outcome", "not"]}
    ask(steward, reverse("new-prediction", args=[deals.pk]), form)
    assert Prediction.objects.get().aim["negative"] == []


def test_the_report_says_whether_the_present_process_is_beaten_and_by_how_much(version, prediction, steward, ask):
    page = shown(ask(steward, reverse("prediction", args=[prediction.pk])))
    for words in (
        "beats the present process", "0.78 – 0.84", "At the cut-off 40 %", "Closed at alone tells the target",
        "off by more than chance", "Calibration curve", "ROC curve", "boosting", "Not learned from: 2 columns",
    ):  # fmt: skip
        assert words in page, words


def test_pages_without_anything_say_what_to_do(prediction, deals, steward, ask):
    assert "Not trained yet" in shown(ask(steward, reverse("prediction", args=[prediction.pk])))
    assert "No scores here" in shown(ask(steward, reverse("prediction-records", args=[prediction.pk])))
    assert "No cut-offs are set" in shown(ask(steward, reverse("cut-offs", args=[prediction.pk])))
    prediction.delete()
    assert "Nothing is predicted yet" in shown(ask(steward, reverse("predictions")))


def test_a_failed_training_says_why_on_the_page(prediction, deals, steward, ask):
    PredictionTraining.objects.create(prediction=prediction, source=deals, state="failed", error="It cannot be: x")
    assert "It cannot be: x" in shown(ask(steward, reverse("prediction", args=[prediction.pk])))


def test_scores_are_listed_from_the_highest_by_band_and_never_show_what_is_masked(
    version, prediction, deals, steward, admin, ask, monkeypatch
):
    scoring.set_cut_offs(prediction=prediction, bands=[("hot", 0.5)], rest="cold")
    path = reverse("prediction-records", args=[prediction.pk])
    page = shown(ask(steward, path))
    assert page.index("95%") < page.index("50%") < page.index("45%")
    hot = shown(ask(steward, path + "?band=hot"))
    assert "50%" in hot
    assert "45%" not in hot
    assert "p2@example.com" in shown(ask(admin, path))
    disclosing.set_policy(
        source=deals, masked_for=["steward"], columns=["email"], reason_required=False, sales_decide=[], by=None
    )
    assert "p2@example.com" not in shown(ask(steward, path))
    report = reverse("prediction", args=[prediction.pk])
    assert "secret@example.com" in shown(ask(admin, report))
    assert "secret@example.com" not in shown(ask(steward, report))
    from review.selectors import predictions

    monkeypatch.setattr(predictions, "PAGE", 7)
    first = ask(admin, path)
    seen = [row[1].pk for row in first.context["rows"]]
    while first.context["after"]:
        first = ask(admin, f"{path}?after={first.context['after']}")
        seen += [row[1].pk for row in first.context["rows"]]
    assert len(seen) == len(set(seen)) == 20


def test_an_admin_sets_cut_offs_and_a_preview_writes_nothing(version, prediction, steward, admin, ask):
    path = reverse("cut-offs", args=[prediction.pk])
    preview = shown(ask(steward, path + "?band=hot&at=50&band=&at=&rest=cold"))
    assert "What they would do" in preview
    assert not CutOffs.objects.exists()
    assert ask(steward, path, {"band": "hot", "at": "50", "rest": "cold"}).status_code == 403
    assert "Saved as version 1" in shown(ask(admin, path, {"band": "hot", "at": "50", "rest": "cold"}))
    assert "Not saved" in shown(ask(admin, path, {"band": ["a", "a"], "at": ["50", "60"], "rest": "c"}))
    ask(admin, path, {"band": "warm", "at": "30", "rest": "cold"})
    first = CutOffs.objects.get(number=1)
    assert "in force again, as version 3" in shown(ask(admin, reverse("roll-back-cut-offs", args=[first.pk]), {}))


def test_what_is_learned_from_is_revised_for_the_next_training(prediction, steward, ask):
    path = reverse("revise-prediction", args=[prediction.pk])
    form = {"column": ["Company", "Amount"], "use 0": "out", "use 1": "kept", "seconds": "600", "retrain_after": "0"}
    shown(ask(steward, path, form))
    prediction.refresh_from_db()
    assert prediction.aim["left_out"] == ["Company"]
    assert prediction.aim["kept"] == ["Amount"]
    assert (prediction.seconds, prediction.retrain_after) == (600, 0)
    assert "between 10 and" in shown(ask(steward, path, form | {"seconds": "1"}))


def test_a_version_that_cannot_be_read_does_not_come_to_serve(version, prediction, deals, admin, ask):
    other = ModelVersion.objects.create(
        source=deals, prediction=prediction, detector=prediction.model_name, number=2, detector_version="1",
        directory="gone", sha256="",
    )  # fmt: skip
    assert "cannot serve" in shown(ask(admin, reverse("activate-model", args=[other.pk]), {}))
    version.refresh_from_db()
    assert version.state == ModelVersion.State.ACTIVE
    assert "Lead score v1" in shown(ask(admin, reverse("models")))


def test_only_an_admin_removes_a_prediction(prediction, steward, admin, ask):
    path = reverse("remove-prediction", args=[prediction.pk])
    assert ask(steward, path, {}).status_code == 403
    assert "was removed" in shown(ask(admin, path, {}))


def test_a_score_stands_on_the_record_and_on_its_owners_page_with_version_and_reasons(make_source, steward, sales, ask):
    columns = {**COLUMNS, "Owner": Role.OWNER}
    theirs = make_source("theirs", columns, [["K1", "Firm", "open", "1", "p@example.com", "sales"]])
    record = Record.objects.get(source=theirs)
    made = Prediction.objects.create(source=theirs, name="Win", aim={"target": "Stage", "positive": ["won"]})
    version = ModelVersion.objects.create(
        source=theirs, prediction=made, detector=made.model_name, number=3, detector_version="1", directory="none",
        sha256="",
    )  # fmt: skip
    reasons = [{"field": "Amount", "value": "1", "typical": "50", "weight": -0.7}]
    Score.objects.create(
        prediction=made, record=record, version=version, value="0.2", probability=0.2, number=0.2, reasons=reasons,
        seen=record.version - 1,
    )  # fmt: skip
    scoring.set_cut_offs(prediction=made, bands=[("hot", 0.5)], rest="cold")
    for person, path in (
        (steward, reverse("record", args=[record.pk])),
        (sales, reverse("record", args=[record.pk])),
        (sales, reverse("own-record", args=[record.pk])),
        (sales, reverse("own") + "?q=Firm"),
    ):
        page = shown(ask(person, path))
        for words in ("Win", "20%", "cold", "version 3", "changed since", "Amount is 1, typically 50"):
            assert words in page, (path, words)
        assert (reverse("prediction", args=[made.pk]) in page) is (person == steward)
