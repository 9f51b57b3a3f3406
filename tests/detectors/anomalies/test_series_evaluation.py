import json
from argparse import ArgumentParser
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from detectors.anomalies.series_evaluation import add_arguments, evaluate, read_corpus
from detectors.anomalies.series_methods import DEFAULT_METHOD, METHODS
from detectors.evaluation import DoesNotFit, of_kind

SHARED = Path(__file__).resolve().parents[4] / "shared" / "data" / "series"


def options(*words):
    parser = ArgumentParser()
    add_arguments(parser)
    return parser.parse_args([str(word) for word in words])


@pytest.fixture
def folder(tmp_path):
    """Two weeks of a noisy day-night metric; the second file drops to zero for two hours."""
    stamps = pd.date_range("2024-01-01", periods=2000, freq="10min")
    rng = np.random.default_rng(3)
    usual = 50 + 20 * np.sin(np.arange(2000) / 144 * 2 * np.pi) + rng.normal(0, 1, 2000)
    labels = {"calm/a.csv": [], "odd/b.csv": [[str(stamps[1495]), str(stamps[1560])]]}
    for name in labels:
        values = usual.copy()
        if name == "odd/b.csv":
            values[1500:1512] = 0
        path = tmp_path / "data" / name
        path.parent.mkdir(parents=True)
        pd.DataFrame({"timestamp": stamps, "value": values}).to_csv(path, index=False)
    (tmp_path / "labels").mkdir()
    (tmp_path / "labels" / "combined_windows.json").write_text(json.dumps(labels))
    return tmp_path


def test_every_method_is_scored_and_the_score_is_the_default_methods(folder):
    result = evaluate(options(folder))
    assert set(result["by_method"]) == set(METHODS)
    assert result["score"] == result["by_method"][DEFAULT_METHOD]
    assert result["score"] > 90
    assert (result["files"], result["rows"], result["windows"]) == (2, 4000, 1)
    json.dumps(result)


def test_the_command_finds_it_by_kind_and_one_method_can_be_asked_for(folder):
    result = of_kind("series").evaluate(options(folder, "--method", "step"))
    assert result["method"] == "step"
    assert list(result["by_method"]) == ["step"]


def test_no_method_reads_ahead(folder):
    series = read_corpus(folder)[1]
    cut = 1505
    for name, method in METHODS.items():
        whole = method(series.times, series.values, 300)
        start = method(series.times[:cut], series.values[:cut], 300)
        np.testing.assert_array_equal(whole[:cut], start, err_msg=name)


@pytest.mark.parametrize("values", [np.zeros(300), np.full(300, np.nan), np.array([5.0]), np.zeros(0)])
def test_no_method_fails_on_a_constant_missing_or_short_series(values):
    for method in METHODS.values():
        scores = method(np.arange(len(values)) * 60.0, values, min(45, len(values)))
        assert scores.shape == values.shape
        assert np.isfinite(scores).all()


def test_a_folder_of_another_layout_is_named_in_one_line(folder):
    with pytest.raises(DoesNotFit, match=r"combined_windows\.json: no such file"):
        evaluate(options(folder / "data"))
    (folder / "data" / "odd" / "b.csv").write_text("timestamp,reading\n2024-01-01,1\n")
    with pytest.raises(DoesNotFit, match="no column 'value'; columns there: timestamp, reading"):
        evaluate(options(folder))
    (folder / "data" / "odd" / "b.csv").write_text("timestamp,value\n2024-01-01,many\n")
    with pytest.raises(DoesNotFit, match="not a time and a number"):
        evaluate(options(folder))
    (folder / "labels" / "combined_windows.json").write_text("{")
    with pytest.raises(DoesNotFit, match="not JSON"):
        evaluate(options(folder))


def test_the_default_reaches_55_on_the_labelled_series_with_one_setting():
    assert evaluate(options(SHARED, "--method", DEFAULT_METHOD))["score"] >= 55
