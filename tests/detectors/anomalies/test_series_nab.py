import numpy as np
import pytest

from detectors.anomalies.series_nab import FALSE_POSITIVE_WEIGHT, Labelled, nab_score, probation, row_rewards


def corpus(*windows, rows=400):
    times = np.arange(rows) * 300.0
    return [Labelled("one.csv", times, np.zeros(rows), windows)]


def alarms(*places, rows=400):
    scores = np.zeros(rows)
    scores[list(places)] = 1.0
    return {"one.csv": scores}


def test_silence_scores_0_and_an_alarm_at_every_first_row_100():
    labelled = corpus((100, 139), (200, 239))
    assert nab_score(labelled, alarms()).score == 0
    perfect = nab_score(labelled, alarms(100, 200))
    assert perfect.score == pytest.approx(100)
    assert (perfect.hits, perfect.false_alarms) == (2, 0)


def test_later_in_the_window_earns_less():
    labelled = corpus((100, 139))
    found = [nab_score(labelled, alarms(place)).score for place in (100, 115, 130, 139)]
    assert found == sorted(found, reverse=True)
    assert found[-1] > 50


def test_only_the_best_row_of_a_window_counts():
    labelled = corpus((100, 139))
    assert nab_score(labelled, alarms(*range(100, 140))).score == pytest.approx(100)


def test_a_false_alarm_just_after_a_window_costs_less_than_one_far_away():
    worth, window = row_rewards(400, [(100, 139)])
    assert worth[50] == -FALSE_POSITIVE_WEIGHT
    assert -0.01 < worth[140] < 0
    assert worth[399] == pytest.approx(-FALSE_POSITIVE_WEIGHT, abs=1e-6)
    assert (window >= 0).sum() == 40


def test_rows_of_the_learning_span_are_not_scored():
    assert probation(400) == 60
    assert probation(1_000_000) == 750
    assert nab_score(corpus((100, 139)), alarms(3, 100)).score == pytest.approx(100)


def test_one_threshold_serves_the_whole_corpus_and_is_the_best():
    times = np.arange(400) * 300.0
    quiet = Labelled("quiet.csv", times, np.zeros(400), ())
    busy = Labelled("busy.csv", times, np.zeros(400), ((200, 239),))
    scores = {"quiet.csv": np.zeros(400), "busy.csv": np.zeros(400)}
    scores["busy.csv"][200] = 0.9
    scores["quiet.csv"][300] = 0.5
    best = nab_score([quiet, busy], scores)
    assert (best.threshold, best.false_alarms) == (0.9, 0)
    scores["quiet.csv"][300] = 0.9
    assert nab_score([quiet, busy], scores).false_alarms == 1


def test_a_corpus_without_windows_or_a_score_of_another_length_is_refused():
    with pytest.raises(ValueError, match="no labelled window"):
        nab_score(corpus(), alarms())
    with pytest.raises(ValueError, match="scores for 400 rows"):
        nab_score(corpus((100, 139)), {"one.csv": np.zeros(7)})
