"""EMA/EMV inside PostgreSQL: the text of `series_moving_average` in PL/pgSQL, for a migration to execute.

Every statement performs the operations of `series_moving_average._scan` in its order; a test compares all
flags and the final state. NaN compares as larger than every number in PostgreSQL, so it is missing here as
there.

Two texts, because calls and statements are what costs in PostgreSQL: the loop for a back-fill, the UPDATE for
a tick of many series. A call an event costs some twenty times as much, and a trigger a row no less.
"""

from __future__ import annotations

BACKFILL_FUNCTION = """
CREATE OR REPLACE FUNCTION series_ema_backfill(
    readings double precision[],
    alpha double precision,
    k double precision,
    refractory integer,
    warmup integer,
    side integer,
    INOUT mean double precision DEFAULT 0,
    INOUT variance double precision DEFAULT 0,
    INOUT seen bigint DEFAULT 0,
    INOUT quiet bigint DEFAULT 0,
    OUT flags boolean[],
    OUT means double precision[],
    OUT deviations double precision[]
) LANGUAGE plpgsql IMMUTABLE AS $body$
DECLARE
    reading double precision;
    delta double precision;
    place integer := 0;
    size integer := coalesce(array_length(readings, 1), 0);
BEGIN
    flags := array_fill(false, ARRAY[size]);
    means := array_fill(0::double precision, ARRAY[size]);
    deviations := means;
    FOREACH reading IN ARRAY readings LOOP
        place := place + 1;
        means[place] := mean;
        deviations[place] := sqrt(variance);
        CONTINUE WHEN reading IS NULL OR abs(reading) > 1e150;
        IF seen = 0 THEN
            mean := reading;
            means[place] := reading;
            seen := 1;
            CONTINUE;
        END IF;
        delta := reading - mean;
        IF abs(delta) < 1e-150 THEN
            delta := 0;
        END IF;
        IF seen >= warmup AND quiet = 0 AND delta * side >= 0 AND abs(delta) > k * sqrt(variance) THEN
            flags[place] := true;
            quiet := refractory;
        ELSIF quiet > 0 THEN
            quiet := quiet - 1;
        END IF;
        mean := mean + alpha * delta;
        variance := variance + alpha * delta * delta;
        variance := CASE WHEN variance < 1e-300 THEN 0 ELSE (1 - alpha) * variance END;
        seen := seen + 1;
    END LOOP;
END
$body$
"""
"""Flags of an array of readings in time order (NULL = missing), the state before each and after the last.

SELECT flags, means, deviations, mean, variance, seen, quiet
FROM series_ema_backfill(readings, alpha, k, refractory, warmup, side, ...);
"""

DROP_BACKFILL_FUNCTION = """
DROP FUNCTION IF EXISTS series_ema_backfill(
    double precision[], double precision, double precision, integer, integer, integer,
    double precision, double precision, bigint, bigint
)
"""

TICK_UPDATE = """
UPDATE {profile} AS profile
SET mean = CASE WHEN before.seen = 0 THEN before.reading ELSE before.mean + profile.alpha * before.delta END,
    variance = CASE
        WHEN before.seen = 0 THEN before.variance
        WHEN before.variance + profile.alpha * before.delta * before.delta < 1e-300 THEN 0
        ELSE (1 - profile.alpha) * (before.variance + profile.alpha * before.delta * before.delta)
    END,
    seen = before.seen + 1,
    quiet = CASE
        WHEN before.alarm THEN profile.refractory
        WHEN before.seen = 0 THEN before.quiet
        ELSE greatest(before.quiet - 1, 0)
    END,
    alarm = before.alarm
FROM (
    SELECT step.*,
           step.seen > 0 AND step.seen >= step.warmup AND step.quiet = 0 AND step.delta * step.side >= 0
               AND abs(step.delta) > step.k * sqrt(step.variance) AS alarm
    FROM (
        SELECT held.series_id, held.mean, held.variance, held.seen, held.quiet, held.warmup, held.side, held.k,
               tick.reading,
               CASE
                   WHEN abs(tick.reading - held.mean) < 1e-150 THEN 0
                   ELSE tick.reading - held.mean
               END AS delta
        FROM {profile} AS held
        JOIN {tick} AS tick ON tick.series_id = held.series_id
        WHERE abs(tick.reading) <= 1e150
        FOR UPDATE OF held
    ) AS step
) AS before
WHERE profile.series_id = before.series_id
RETURNING profile.series_id, profile.alarm,
          CASE WHEN before.seen = 0 THEN before.reading ELSE before.mean END AS mean,
          sqrt(before.variance) AS deviation
"""
"""One reading for each of many series, in one statement; returned are, a series: its id, whether this reading
is an alarm, and the mean and deviation that it was held against.

{profile}: table (series_id, alpha, k, refractory, warmup, side, mean, variance, seen, quiet, alarm), one row a
series.
{tick}: table or VALUES list (series_id, reading), at most one row a series; NULL = missing.
Both are names chosen in code, never a user's text. Rows are locked before they are read, so two ticks of
one series cannot both start from the same state.
"""
