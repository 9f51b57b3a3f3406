import numpy as np
import pytest

from detectors.anomalies.series_bands import Band, comfort
from detectors.anomalies.series_novelty import fill_forward, hold_back, nearest_earlier, rarity
from detectors.anomalies.series_regression import fit_reference
from detectors.anomalies.series_seasonal import HOUR, WEEK, choose_calendar, fit_seasonal

RNG = np.random.default_rng(11)


def weeks(count, *, weekend=0.0, growth=0.0):
    """Hourly readings: busy from 9 to 17, lower on weekends, some noise."""
    times = np.arange(count * 168) * HOUR + 4 * 86_400.0
    hours, days = np.arange(count * 168) % 24, np.arange(count * 168) // 24 % 7
    usual = 10 + 30 * ((hours >= 9) & (hours < 17)) * np.where(days >= 5, weekend, 1.0)
    return times, usual + growth * np.arange(count * 168) + RNG.normal(0, 1, count * 168)


def test_a_weekly_habit_is_learned_and_a_busy_sunday_stands_out():
    times, values = weeks(8)
    profile = fit_seasonal(times, values)
    assert profile.calendar == "hour of week"
    sunday, monday = times[:1] + WEEK * 9 + 6 * 86_400 + 12 * HOUR, times[:1] + WEEK * 9 + 12 * HOUR
    busy = np.array([40.0])
    assert profile.score(sunday, busy)[0] > 10
    assert profile.score(monday, busy)[0] < 4
    assert profile.band(sunday, k=5).flags(busy)[0]


def test_the_calendar_is_no_finer_than_the_history_bears_out():
    assert choose_calendar(*weeks(8, weekend=1.0)) == "hour of day"
    assert choose_calendar(np.arange(400) * HOUR, RNG.normal(0, 1, 400)) == "none"
    assert choose_calendar(np.arange(20) * HOUR, np.arange(20.0)) == "none"


def test_growth_is_carried_on():
    times, values = weeks(10, growth=0.05)
    later = times[-168:] + 2 * WEEK
    expected = values[-168:] + 0.05 * 2 * 168
    assert np.abs(fit_seasonal(times, values).expected(later) - expected).mean() < 3


def test_a_history_of_one_reading_is_enough_and_none_is_refused():
    profile = fit_seasonal(np.array([0.0]), np.array([5.0]))
    assert profile.score(np.array([HOUR]), np.array([5.0]))[0] == 0
    assert profile.score(np.array([HOUR]), np.array([np.nan]))[0] == 0
    with pytest.raises(ValueError, match="no reading"):
        fit_seasonal(np.array([0.0]), np.array([np.nan]))


def test_a_metric_is_held_against_its_load_not_its_height():
    counts = RNG.uniform(10, 100, 200)
    line = fit_reference(counts, 3 + 2 * counts + RNG.normal(0, 1, 200))
    assert line.slope == pytest.approx(2, abs=0.05)
    z = line.z(np.array([90.0, 20.0, 20.0]), np.array([183.0, 43.0, 60.0]))
    assert abs(z[0]) < 3
    assert abs(z[1]) < 3
    assert z[2] > 10
    assert line.uncertainty(np.array([1000.0]))[0] > line.uncertainty(np.array([50.0]))[0]
    assert line.band(np.array([20.0]), k=3).flags(np.array([60.0]))[0]


def test_a_constant_reference_neither_divides_by_zero_nor_hides_a_change():
    line = fit_reference(np.full(5, 7.0), np.full(5, 2.0))
    assert line.z(np.array([7.0]), np.array([2.0]))[0] == 0
    assert line.z(np.array([7.0]), np.array([3.0]))[0] > 100
    with pytest.raises(ValueError, match="at least 3"):
        fit_reference(np.array([1.0, 2.0]), np.array([1.0, 2.0]))


def test_a_higher_threshold_gives_fewer_alarms_and_less_excess():
    scores = np.array([0, 5, 6, 0, 0, 3, 0, np.nan, 9.0])
    rows = comfort(scores, [2, 4, 8], refractory=1)
    assert [row.alarms for row in rows] == [3, 2, 1]
    assert [row.excess for row in rows] == pytest.approx([15, 8, 1])
    assert comfort(scores, [2])[0].alarms == 4


def test_a_missing_reading_is_inside_every_band():
    band = Band(np.zeros(2), np.full(2, -1.0), np.full(2, 1.0))
    assert band.flags(np.array([np.nan, 2.0])).tolist() == [False, True]


def test_compiled_loops_equal_their_plain_python():
    values = RNG.normal(0, 1, 120)
    for loop, arguments in [
        (nearest_earlier, (values, 4, 50)),
        (rarity, (np.abs(values), 70)),
        (hold_back, (np.abs(values), 5)),
    ]:
        np.testing.assert_allclose(loop(*arguments), loop.__wrapped__(*arguments), rtol=1e-9, atol=1e-9)


def test_the_nearest_earlier_stretch_is_found_by_brute_force_too():
    values, length, apart = RNG.normal(0, 1, 90), 3, 12
    found = nearest_earlier(values, length, 1000)
    for row in range(length - 1 + apart, 90):
        here = values[row - length + 1 : row + 1]
        earlier = [values[end - length + 1 : end + 1] for end in range(length - 1, row - apart + 1)]
        assert found[row] == pytest.approx(min(np.sqrt(((here - one) ** 2).mean()) for one in earlier))


def test_the_rarity_counts_only_the_history_asked_for():
    scores = np.concatenate([np.full(100, 9.0), RNG.uniform(0, 1, 300), [5.0]])
    assert rarity(scores, 1000)[-1] < 1
    assert rarity(scores, 200)[-1] > 3


def test_missing_readings_take_the_one_before():
    assert fill_forward(np.array([np.nan, 1.0, np.nan, 3.0])).tolist() == [1, 1, 1, 3]
