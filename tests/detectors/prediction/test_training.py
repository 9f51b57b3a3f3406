"""From records to a predictor: aims, what is left out, the report, scores with reasons, the file."""

from __future__ import annotations

import json

import numpy as np
import pandas as pd
import pytest

from detectors.contract import Batch, Cancelled, RunContext
from detectors.prediction import aims
from detectors.prediction.aims import Aim, CannotPredict, question_of
from detectors.prediction.engine.model import ModelDoesNotFit, Predictor
from detectors.prediction.training import train
from detectors.roles import Role

ROLES = {"Gender": Role.GENDER, "Lead": Role.ID}
AIM = Aim(target="Stage", positive=("won",), negative=("lost",), incumbent="Lead score")


@pytest.fixture(scope="module")
def leads() -> pd.DataFrame:
    """1,200 leads: seats and channel decide who is won; a third is still open; a person's own score is a weak guess."""
    rng = np.random.default_rng(5)
    rows = 1200
    seats, channel = rng.integers(1, 80, rows), rng.choice(["web", "fair", "partner"], rows)
    odds = seats / 12 - 3 + 1.5 * (channel == "partner")
    won = rng.random(rows) < 1 / (1 + np.exp(-odds))
    stage = np.where(rng.random(rows) < 1 / 3, "open", np.where(won, "won", "lost"))
    guess = np.clip(50 + 8 * odds + rng.normal(0, 60, rows), 0, 100).round().astype(int)
    return pd.DataFrame(
        {
            "Stage": stage,
            "Seats": seats.astype(str),
            "Channel": channel,
            "Gender": rng.choice(["f", "m"], rows),
            "Lead score": guess.astype(str),
            "Closed at": np.where(stage == "open", None, np.where(stage == "won", "2024-05-01", "2024-06-01")),
            "Lead": [f"L{number:05d}" for number in rng.permutation(rows)],
        },
        dtype=object,
        index=rng.permutation(rows) + 1,
    )


@pytest.fixture(autouse=True, scope="module")
def _three_outer_folds():
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(aims, "OUTER", 3)
        yield


@pytest.fixture(scope="module")
def trained(leads):
    return train(Batch(leads, ROLES), AIM, seconds=4)


def test_a_lead_score_is_learned_from_decided_leads_and_beats_the_present_one(trained, leads):
    report = trained.report
    assert report["rows"] == int((leads["Stage"] != "open").sum())
    assert report["classes"] == ["lost", "won"]
    assert report["auc"] > 0.85
    present = report["incumbent"]
    assert 0.5 < present["auc"] < report["auc"]
    assert present["beaten"]
    assert present["gain_interval"][0] <= present["gain"] <= present["gain_interval"][1]
    assert trained.predictor.metrics["held_out_auc"] == report["auc"]


def test_what_must_not_be_learned_from_is_left_out_with_its_reason(trained):
    assert trained.report["left_out"] == {
        "Lead score": "the present process's score, to be beaten",
        "Gender": "sensitive",
        "Closed at": "tells the answer alone",
        "Lead": "identifier",
    }


def test_an_admin_may_keep_what_is_left_out_by_itself(leads):
    aim = Aim(target="Stage", positive=("won",), negative=("lost",), kept=("Gender", "Closed at"))
    names = question_of(leads, aim, ROLES).features().names
    assert {"Gender", "Closed at"} <= set(names)


def test_the_report_is_plain_values_with_a_table_for_every_cut_and_group(trained):
    report = json.loads(json.dumps(trained.report))
    cut = report["cut_offs"][9]
    assert cut["tp"] + cut["fp"] + cut["fn"] + cut["tn"] == report["rows"]
    assert report["roc"][0] == [0, 0]
    assert report["roc"][-1] == [1, 1]
    assert sum(each["rows"] for each in report["reliability"]) == report["rows"]
    groups = {(each["column"], each["value"]): each for each in report["subgroups"]}
    assert report["subgroups"][0]["column"] == "Gender"
    partner, web = groups["Channel", "partner"], groups["Channel", "web"]
    assert partner["observed"] > web["observed"]
    assert not partner["off"]


def test_scores_name_the_record_the_odds_and_the_fields_that_moved_them(trained, leads, tmp_path):
    open_leads = leads[leads["Stage"] == "open"]
    trained.predictor.save(tmp_path)
    scores = list(Predictor.load(tmp_path).scores(Batch(open_leads, ROLES), reasons=2))
    assert [score.record for score in scores] == list(open_leads.index)
    large = open_leads["Seats"].astype(int).to_numpy() > 60
    chances = np.array([score.probability for score in scores])
    assert chances[large].mean() > 0.8 > chances[~large].mean()
    best = max(scores, key=lambda score: score.probability)
    assert best.value == "won"
    assert best.reasons[0].field == "Seats"
    assert "raises the odds" in best.reasons[0].says(numeric=False)


def test_a_number_comes_with_an_interval_that_holds(make_customers):
    customers = make_customers()
    trained = train(Batch(customers, {}), Aim(target="Spend", left_out=("Tenure",)), seconds=2)
    assert 0.85 <= trained.report["interval_coverage"] <= 0.97
    score = next(trained.predictor.scores(Batch(customers, {})))
    assert 0 <= score.low < float(score.value) < score.high
    assert score.probability is None


def test_the_order_of_the_rows_changes_no_score(leads):
    def scored(frame):
        predictor = train(Batch(frame, ROLES), AIM, seconds=0.01).predictor
        return {score.record: score.probability for score in predictor.scores(Batch(frame, ROLES))}

    assert scored(leads) == pytest.approx(scored(leads.sample(frac=1, random_state=1)))


def test_an_aim_survives_json_and_refuses_what_is_none():
    assert Aim.from_json(json.loads(json.dumps(AIM.to_json()))) == AIM
    for data in ({}, {"target": ""}, {"target": "x", "colour": "red"}):
        with pytest.raises(ValueError, match="no aim"):
            Aim.from_json(data)


@pytest.mark.parametrize(
    ("aim", "says"),
    [
        (Aim(target="Nope"), "no column 'Nope'"),
        (Aim(target="Stage", incumbent="Hot"), "no column 'Hot'"),
        (Aim(target="Stage", positive=("sold",)), "never holds 'sold'"),
        (Aim(target="Lead"), "values occur in 10 rows"),
    ],
)
def test_an_aim_that_does_not_fit_says_why(leads, aim, says):
    with pytest.raises(CannotPredict, match=says):
        train(Batch(leads, ROLES), aim, seconds=1)


def test_records_without_a_column_the_model_reads_are_refused_by_name(trained, leads):
    with pytest.raises(ModelDoesNotFit, match="'Seats'"):
        list(trained.predictor.scores(Batch(leads.drop(columns="Seats"), ROLES)))


def test_training_reports_its_progress_and_can_be_cancelled(leads):
    seen = []

    def report(done, total, stage=""):
        seen.append((done, total))
        if len(seen) > 2:
            raise Cancelled

    with pytest.raises(Cancelled):
        train(Batch(leads, ROLES), AIM, seconds=4, context=RunContext(report=report))
    assert all(0 <= done <= total for done, total in seen)


def test_a_rare_outcome_makes_no_column_a_leak():
    rng = np.random.default_rng(0)
    frame = pd.DataFrame(
        {
            "Lost": np.where(np.arange(3000) % 200 == 0, "yes", "no"),
            "Size": rng.integers(1, 9, 3000).astype(str),
            "Town": rng.choice(["a", "b", "c"], 3000),
        },
        dtype=object,
    )
    assert question_of(frame, Aim(target="Lost", positive=("yes",)), {}).leaks == frozenset()
