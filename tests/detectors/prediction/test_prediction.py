"""Predicting a named column: the search, the model file, and an honest report."""

from __future__ import annotations

from argparse import ArgumentParser

import numpy as np
import pytest
import skops.io

from detectors.contract import ModelFileError
from detectors.evaluation import DoesNotFit
from detectors.prediction import aims, evaluation
from detectors.prediction.engine import model
from detectors.prediction.engine.estimators import Task, families
from detectors.prediction.engine.features import Features
from detectors.prediction.engine.model import Predictor, learn
from detectors.prediction.engine.search import Scaling, search


@pytest.fixture(scope="module")
def churners(make_customers):
    return make_customers().iloc[:400]


@pytest.fixture(scope="module")
def predictor(churners) -> Predictor:
    answers = (churners["Churn"] == "yes").to_numpy().astype(int)
    features = Features.learn(churners, "Churn")
    return learn(features, churners, answers, ["no", "yes"], "Churn", seconds=2)[0]


def test_a_model_predicts_explains_and_survives_its_file(predictor, churners, tmp_path):
    predictor.save(tmp_path)
    loaded = Predictor.load(tmp_path)
    np.testing.assert_allclose(loaded.output(churners), predictor.output(churners))
    assert {*loaded.predict(churners)} == {"no", "yes"}
    reasons = loaded.explain(churners.iloc[:5])
    assert {row[0].field for row in reasons} & {"Tenure", "Plan", "Spend"}


def test_a_model_reads_rows_with_blanks_strange_values_and_extra_columns(predictor, churners):
    odd = churners.iloc[:4].assign(Extra="x", Plan=[None, "never seen", "?", "plus"], Tenure=["", "many", None, "3"])
    shares = predictor.output(odd)
    assert np.isfinite(shares).all()
    np.testing.assert_allclose(shares.sum(axis=1), 1)


def test_a_damaged_model_file_is_refused(predictor, tmp_path):
    predictor.save(tmp_path)
    member = next(tmp_path.glob("*.skops"))
    member.write_bytes(member.read_bytes()[:-9])
    with pytest.raises(ModelFileError):
        Predictor.load(tmp_path)
    (tmp_path / model.STATE).write_text("{}")
    with pytest.raises(ModelFileError):
        Predictor.load(tmp_path)


@pytest.mark.parametrize("family", families(), ids=lambda family: family.name)
@pytest.mark.parametrize("numeric", [False, True])
def test_every_family_learns_and_saves_only_trusted_types(family, numeric):
    rng = np.random.default_rng(0)
    matrix = np.column_stack([rng.normal(size=120), rng.integers(0, 9, 120)])
    matrix[::7] = np.nan
    task = Task(numeric=numeric, n_features=2, categories=[1], seed=0, threads=1)
    answers = rng.normal(size=120) if numeric else rng.integers(0, 3, 120)
    fitted = family.build(task, family.default).fit(matrix, answers)
    unknown = set(skops.io.get_untrusted_types(data=skops.io.dumps(fitted)))
    assert unknown <= set(model.TRUSTED)


def test_identifiers_counters_and_constants_are_no_features(churners):
    frame = churners.assign(Row=[str(row) for row in range(len(churners))], Same="x", Empty=None)
    features = Features.learn(frame, "Churn")
    assert features.left_out == {
        "Code": "identifier", "Row": "identifier", "Same": "the same everywhere", "Empty": "empty",
    }  # fmt: skip
    assert Features.from_json(features.to_json()) == features


def test_a_search_stops_in_time_and_always_answers():
    rng = np.random.default_rng(1)
    matrix = rng.normal(size=(200, 3))
    answers = (matrix[:, 0] + rng.normal(size=200) > 0).astype(int)
    found = search(matrix, answers, Task(False, 3, [], 0, 1), seconds=0.01)
    assert len(found.trials) == 1
    assert sum(weight for _, weight in found.blend) == pytest.approx(1)


def test_scaling_mends_probabilities_that_claim_too_much():
    rng = np.random.default_rng(2)
    share = rng.uniform(0.2, 0.8, 4000)
    truth = (rng.random(4000) < share).astype(int)
    logit = 3 * np.log(share / (1 - share))
    claimed = 1 / (1 + np.exp(-logit))
    scaled = Scaling.fit(np.column_stack([1 - claimed, claimed]), truth)
    mended = scaled(np.column_stack([1 - claimed, claimed]))[:, 1]
    assert np.abs(mended - share).mean() < 0.03


@pytest.fixture(autouse=True)
def _three_outer_folds(monkeypatch):
    monkeypatch.setattr(aims, "OUTER", 3)


def evaluate(tmp_path, frame, *options):
    path = tmp_path / "table.csv"
    frame.to_csv(path, index=False)
    parser = ArgumentParser()
    evaluation.add_arguments(parser)
    return evaluation.evaluate(parser.parse_args([str(path), *options]))


def test_a_report_beats_the_prior_and_names_what_matters(tmp_path, churners):
    report = evaluate(tmp_path, churners, "--target", "Churn", "--budget", "1")
    assert report["auc"] > 0.75
    assert report["log_loss"] < report["prior_log_loss"]
    assert 0.75 < report["baseline_auc"] <= 1
    assert next(iter(report["importance"])) in {"Tenure", "Spend"}
    assert report["leaderboard"]
    assert report["left_out"] == {"Code": "identifier"}
    assert report["warnings"] == []


def test_a_number_gets_errors_instead_of_an_auc(tmp_path, churners):
    report = evaluate(tmp_path, churners, "--target", "Spend", "--budget", "1")
    assert report["auc"] is None
    assert report["r2"] > 0.8
    assert report["mae"] <= report["rmse"]


def test_a_column_that_gives_the_answer_away_is_named(tmp_path, churners):
    report = evaluate(tmp_path, churners.assign(Left=churners["Churn"] + "!"), "--target", "Churn", "--budget", "1")
    assert any(warning.startswith("Left alone tells") for warning in report["warnings"])


def test_columns_that_cannot_be_predicted_are_named_in_one_line(tmp_path, churners):
    for target in ("Nope", "Code", "Same"):
        with pytest.raises(DoesNotFit):
            evaluate(tmp_path, churners.assign(Same="x"), "--target", target)
