"""EMA/EMV over stored readings, inside PostgreSQL: what a migration installs.

`series_ema_judge()` judges every reading that is not judged yet, of every series that has a profile. A series that
fell far behind (a history just loaded) is done by the back-fill loop, all others together, one reading of each
series a statement. The arithmetic is the library's text (`detectors.anomalies.series_sql`), which gives the flags of
the Python reference to the last bit; here it only gets tables.

One session judges at a time (an advisory lock held to the end of its transaction): two would start from the same
state and count a reading twice. A reading that comes late must not be judged after later ones: who stores it sets the
profile back to its start and the readings to unjudged, in the same transaction (`services.observing`).
"""

from __future__ import annotations

from functools import reduce

from detectors.anomalies.series_sql import BACKFILL_FUNCTION, DROP_BACKFILL_FUNCTION, TICK_UPDATE

LOCK = 7_316_045_101
BEHIND = 32
"""A series with more unjudged readings than this is back-filled."""

_JUDGE = """
CREATE OR REPLACE FUNCTION series_ema_judge() RETURNS bigint LANGUAGE plpgsql AS $body$
DECLARE
    behind record;
    found record;
    judged bigint := 0;
    step bigint;
BEGIN
    PERFORM pg_advisory_xact_lock(<lock>);

    FOR behind IN
        SELECT profile.*, waiting.ids, waiting.readings
        FROM crmquality_emaprofile AS profile
        CROSS JOIN LATERAL (
            SELECT count(*) AS rows FROM (
                SELECT 1 FROM crmquality_observation AS one
                WHERE one.series_id = profile.series_id AND one.is_alarm IS NULL
                LIMIT <behind> + 1
            ) AS few
        ) AS many
        CROSS JOIN LATERAL (
            SELECT array_agg(one.id ORDER BY one.at) AS ids,
                   array_agg(CASE WHEN one.is_expected THEN NULL ELSE one.value END ORDER BY one.at) AS readings
            FROM crmquality_observation AS one
            WHERE one.series_id = profile.series_id AND one.is_alarm IS NULL
        ) AS waiting
        WHERE many.rows > <behind>
    LOOP
        SELECT * INTO found FROM series_ema_backfill(
            behind.readings, behind.alpha, behind.k, behind.refractory, behind.warmup, behind.side,
            behind.mean, behind.variance, behind.seen, behind.quiet
        );
        UPDATE crmquality_observation AS one
        SET is_alarm = new.alarm,
            expected = new.mean,
            lower = new.mean - behind.k * new.deviation,
            upper = new.mean + behind.k * new.deviation,
            score = CASE
                WHEN new.reading IS NULL OR behind.seen + new.place <= behind.warmup THEN 0
                WHEN abs(new.reading - new.mean) < 1e-150 OR (new.reading - new.mean) * behind.side < 0 THEN 0
                WHEN new.deviation > 0 THEN least(abs(new.reading - new.mean) / new.deviation, 1e6)
                ELSE 1e6
            END
        FROM unnest(behind.ids, behind.readings, found.flags, found.means, found.deviations)
            WITH ORDINALITY AS new(id, reading, alarm, mean, deviation, place)
        WHERE one.id = new.id;
        UPDATE crmquality_emaprofile AS profile
        SET mean = found.mean, variance = found.variance, seen = found.seen, quiet = found.quiet,
            alarm = found.flags[array_length(found.flags, 1)]
        WHERE profile.series_id = behind.series_id;
        judged := judged + array_length(behind.ids, 1);
    END LOOP;

    LOOP
        WITH tick AS MATERIALIZED (
            SELECT profile.series_id, next.id, next.at, next.reading, profile.k, profile.side,
                   profile.seen, profile.warmup, profile.mean, sqrt(profile.variance) AS deviation
            FROM crmquality_emaprofile AS profile
            CROSS JOIN LATERAL (
                SELECT one.id, one.at, CASE WHEN one.is_expected THEN NULL ELSE one.value END AS reading
                FROM crmquality_observation AS one
                WHERE one.series_id = profile.series_id AND one.is_alarm IS NULL
                ORDER BY one.at
                LIMIT 1
            ) AS next
        ), stepped AS (
            <tick>
        )
        UPDATE crmquality_observation AS one
        SET is_alarm = coalesce(stepped.alarm, false),
            expected = coalesce(stepped.mean, tick.mean),
            lower = coalesce(stepped.mean - tick.k * stepped.deviation, tick.mean - tick.k * tick.deviation),
            upper = coalesce(stepped.mean + tick.k * stepped.deviation, tick.mean + tick.k * tick.deviation),
            score = CASE
                WHEN stepped.mean IS NULL OR tick.seen < tick.warmup THEN 0
                WHEN abs(tick.reading - stepped.mean) < 1e-150
                    OR (tick.reading - stepped.mean) * tick.side < 0 THEN 0
                WHEN stepped.deviation > 0 THEN least(abs(tick.reading - stepped.mean) / stepped.deviation, 1e6)
                ELSE 1e6
            END
        FROM tick
        LEFT JOIN stepped ON stepped.series_id = tick.series_id
        WHERE one.id = tick.id;
        GET DIAGNOSTICS step = ROW_COUNT;
        EXIT WHEN step = 0;
        judged := judged + step;
    END LOOP;
    RETURN judged;
END
$body$
"""

_TICK = TICK_UPDATE.format(profile="crmquality_emaprofile", tick="tick").strip()
_FILLED = {"<lock>": str(LOCK), "<behind>": str(BEHIND), "<tick>": _TICK}
JUDGE_FUNCTION = reduce(lambda text, name: text.replace(name, _FILLED[name]), _FILLED, _JUDGE)

INSTALL = [BACKFILL_FUNCTION, JUDGE_FUNCTION]
REMOVE = ["DROP FUNCTION IF EXISTS series_ema_judge()", DROP_BACKFILL_FUNCTION]
