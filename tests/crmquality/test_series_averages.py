"""EMA/EMV over stored readings, in PostgreSQL: flags and bands as Python gives them, however readings arrive."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from django.db import connection

from crmquality import series_functions
from detectors.anomalies.series_watching import Watch, judge
from tests.crmquality.series_help import HOUR, START, feed, make, noise, rows

pytestmark = pytest.mark.django_db
SETTINGS = [
    Watch("moving average", k=3.0, refractory=4, learn=20, alpha=0.1),
    Watch("moving average", k=1.0, refractory=0, learn=1, alpha=0.3, side=1),
    Watch("moving average", k=2.0, refractory=2, learn=5, alpha=0.05, side=-1),
]


def watched(key: str, watch: Watch) -> Any:
    from crmquality.services import series

    made = make(key, interval=HOUR)
    series.set_rule(
        series=made, method=watch.method, k=watch.k, side=watch.side, refractory=watch.refractory, learn=watch.learn,
        alpha=watch.alpha,
    )  # fmt: skip
    return made


def hard(seed: int) -> Any:
    rng = np.random.default_rng(seed)
    values = np.where(rng.random(300) < 0.1, np.nan, rng.standard_t(2, 300) * 10)
    values[100:140] = 7.0
    return values


def assert_as_in_python(series: Any, watch: Watch, values: Any) -> None:
    theirs = np.array(
        [[np.nan if x is None else x for x in row] for row in rows(series, "expected", "lower", "upper", "score")]
    )
    ours = judge(watch, np.arange(len(values)) * 3600.0, values)
    assert rows(series, "is_alarm") == ours.flags.tolist()
    np.testing.assert_array_equal(theirs[:, 0], ours.band.expected)
    np.testing.assert_array_equal(theirs[:, 1], ours.band.lower)
    np.testing.assert_array_equal(theirs[:, 2], ours.band.upper)
    assert ours.flags.any()


@pytest.mark.parametrize("watch", SETTINGS, ids=str)
@pytest.mark.parametrize("sizes", [[300], [1] * 60 + [240], [40, 33, 32, 31, 164], [5] * 60])
def test_every_flag_is_pythons_in_whatever_pieces_readings_arrive(watch: Watch, sizes: list[int]) -> None:
    values = hard(3)
    series, begun = watched("kpi", watch), 0
    for size in sizes:
        feed(series, values[begun : begun + size], start=START + begun * HOUR)
        begun += size
    assert_as_in_python(series, watch, values)


def test_the_scores_of_the_slider_are_pythons_where_nothing_is_missing() -> None:
    watch = SETTINGS[0]
    series, values = watched("kpi", watch), noise(200)
    feed(series, values[:120])
    feed(series, values[120:], start=START + 120 * HOUR)
    ours = judge(watch, np.arange(200) * 3600.0, values)
    np.testing.assert_allclose(rows(series, "score"), ours.scores, rtol=1e-12)


def test_one_statement_judges_a_reading_of_each_of_many_series() -> None:
    from crmquality.services import observing
    from crmquality.services.observing import Reading

    made = [watched(f"kpi-{number}", SETTINGS[number % 3]) for number in range(9)]
    values = {series.pk: hard(number) for number, series in enumerate(made)}
    for place in range(300):
        observing.store(
            Reading(pk, START + place * HOUR, None if np.isnan(one[place]) else float(one[place]))
            for pk, one in values.items()
        )
    for number, series in enumerate(made):
        assert_as_in_python(series, SETTINGS[number % 3], values[series.pk])


def test_a_reading_that_comes_late_or_is_corrected_is_judged_in_its_place() -> None:
    watch = SETTINGS[0]
    series, values = watched("kpi", watch), noise(150)
    wrong = values.copy()
    wrong[60] = 500.0
    feed(series, np.delete(wrong, 40))  # everything is an hour early after the gap
    from crmquality.models import Observation

    Observation.objects.filter(series=series).delete()
    gap = np.concatenate([wrong[:40], wrong[41:]])
    times = [*range(40), *range(41, 150)]
    from crmquality.services import observing
    from crmquality.services.observing import Reading

    observing.store(
        Reading(series.pk, START + place * HOUR, float(value)) for place, value in zip(times, gap, strict=True)
    )
    feed(series, [wrong[40]], start=START + 40 * HOUR)
    feed(series, [values[60]], start=START + 60 * HOUR)
    ours = judge(watch, np.arange(150) * 3600.0, values)
    assert rows(series, "is_alarm") == ours.flags.tolist()
    assert rows(series, "expected") == ours.band.expected.tolist()


def test_what_people_expect_is_missing_to_the_average() -> None:
    from crmquality.services import series as services

    watch = SETTINGS[0]
    series, values = watched("kpi", watch), noise(120)
    values[80] = 900.0
    feed(series, values)
    assert rows(series, "is_alarm")[80]
    at = START + 80 * HOUR
    services.expect(series=series, first=at, last=at, repeats="never", reason="campaign", user=None)
    values[80] = np.nan
    ours = judge(watch, np.arange(120) * 3600.0, values)
    assert rows(series, "is_alarm") == ours.flags.tolist()
    assert rows(series, "expected") == ours.band.expected.tolist()
    assert rows(series, "is_expected")[80]


def test_the_database_holds_the_text_of_the_library() -> None:
    with connection.cursor() as cursor:
        cursor.execute(
            "SELECT proname, prosrc FROM pg_proc WHERE proname IN ('series_ema_judge', 'series_ema_backfill')"
        )
        installed = dict(cursor.fetchall())
    for name, text in zip(("series_ema_backfill", "series_ema_judge"), series_functions.INSTALL, strict=True):
        assert installed[name].strip() in text


def test_values_at_the_edge_of_numbers_are_judged_without_an_error() -> None:
    watch = Watch("moving average", k=2.0, refractory=0, learn=2, alpha=0.5)
    series = watched("kpi", watch)
    values = np.array([1e100, -1e100, 0.0, 5e-324, 1e-300, 1e100, 0.0, 0.0, 1e-200, 3.0] * 8)
    feed(series, values[:7])
    feed(series, values[7:], start=START + 7 * HOUR)
    ours = judge(watch, np.arange(len(values)) * 3600.0, values)
    assert rows(series, "is_alarm") == ours.flags.tolist()


def test_two_requests_at_once_judge_every_reading_once(transactional_db: Any) -> None:
    import threading

    from django.db import connections

    watch = SETTINGS[0]
    made = [watched(f"kpi-{number}", watch) for number in range(3)]
    values = noise(90)

    def send(offset: int) -> None:
        for place in range(offset, 90, 3):
            for one in made:
                feed(one, [values[place]], start=START + place * HOUR)
        connections.close_all()

    threads = [threading.Thread(target=send, args=[offset]) for offset in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    ours = judge(watch, np.arange(90) * 3600.0, values)
    for one in made:
        assert rows(one, "is_alarm") == ours.flags.tolist()
        assert rows(one, "expected") == ours.band.expected.tolist()
