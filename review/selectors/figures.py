"""What happened to the claims of a source, counted: one pass each over claims, items and decisions."""

from __future__ import annotations

from typing import Any

from django.db import connection

from crmquality.models import Source
from review.models import SourceFigures

VERSION = 4
"""Of what is counted: figures that other code counted are counted anew."""

DAYS = 30
BANDS = (0.0, 0.5, 0.7, 0.9, 0.97)
"""Where the confidence bands begin; the last ends at 1."""

COUNTS = ("claims", "open", "asked", "old", "automatic", "decided", "accepted", "edited", "confirmed", "corrected")

_CLAIMS = """
    SELECT detector, count(*) FILTER (WHERE state IN ('open', 'settled')) FROM crmquality_finding
    WHERE source_id = %(source)s GROUP BY 1
"""
_ITEMS = """
    SELECT detector, count(*) FILTER (WHERE state = 'open'), count(*) FILTER (WHERE state IN ('open', 'decided')),
           count(*) FILTER (WHERE state = 'open' AND created_at < now() - interval '7 days')
    FROM review_reviewitem WHERE source_id = %(source)s AND state <> 'check' GROUP BY 1
"""
_DECISIONS = """
    SELECT i.detector, width_bucket(i.score, %(bands)s::float8[]) - 1,
           count(*) FILTER (WHERE d.by_id IS NULL OR NOT d.looked_at),
           count(*) FILTER (WHERE d.by_id IS NOT NULL AND d.looked_at AND d.verdict <> 'unsure'),
           count(*) FILTER (WHERE d.by_id IS NOT NULL AND d.looked_at AND d.verdict IN ('accept', 'expected')),
           count(*) FILTER (WHERE d.by_id IS NOT NULL AND d.looked_at AND d.verdict = 'edit'),
           count(*) FILTER (WHERE d.verdict IN ('accept', 'edit', 'expected')),
           count(*) FILTER (WHERE d.change_set_id IS NOT NULL
               OR d.verdict IN ('accept', 'edit') AND i.action = 'set' AND d.seen ? 'settled_by')
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    WHERE i.source_id = %(source)s AND i.state = 'decided' GROUP BY 1, 2
"""
_TURNAROUND = """
    SELECT count(*), percentile_cont(ARRAY[0.5, 0.95]) WITHIN GROUP (ORDER BY extract(epoch FROM d.at - i.created_at))
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    WHERE i.source_id = %(source)s AND i.state = 'decided' AND d.by_id IS NOT NULL AND d.looked_at
"""
_DAYS = """
    WITH days AS (
        SELECT generate_series(current_date - %(days)s + 1, current_date, interval '1 day')::date AS day
    ), found AS (
        SELECT created_at::date AS day, count(*) AS count FROM review_reviewitem
        WHERE source_id = %(source)s AND state <> 'check' AND created_at >= current_date - %(days)s + 1 GROUP BY 1
    ), decided AS (
        SELECT d.at::date AS day, count(*) AS count
        FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
        WHERE i.source_id = %(source)s AND d.at >= current_date - %(days)s + 1 GROUP BY 1
    )
    SELECT days.day::text, coalesce(found.count, 0), coalesce(decided.count, 0)
    FROM days LEFT JOIN found USING (day) LEFT JOIN decided USING (day) ORDER BY 1
"""


_RULES = """
    SELECT i.detector, f.rule, count(*) FILTER (WHERE i.state = 'open'),
           count(*) FILTER (WHERE d.by_id IS NOT NULL AND d.looked_at AND d.verdict <> 'unsure'),
           count(*) FILTER (WHERE d.by_id IS NOT NULL AND d.looked_at AND d.verdict IN ('accept', 'edit', 'expected'))
    FROM review_reviewitem i
    JOIN crmquality_finding f ON f.id = i.finding_id
    LEFT JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    WHERE i.source_id = %(source)s AND i.state IN ('open', 'decided') GROUP BY 1, 2 ORDER BY 1, 2
"""
_WORST = """
    SELECT subject, count(*) FROM crmquality_finding f, unnest(f.subjects) subject
    WHERE f.source_id = %(source)s AND f.state = 'open' GROUP BY subject ORDER BY 2 DESC, 1 LIMIT 10
"""


def of_source(source: Source) -> tuple[dict[str, Any], Any]:
    """The figures as last computed and when; counted at once (when: None) where no worker has been by yet."""
    kept = SourceFigures.objects.filter(source=source, figures__version=VERSION).first()
    return (kept.figures, kept.at) if kept else (compute(source), None)


def compute(source: Source) -> dict[str, Any]:
    """Count now.

    detectors: name -> claims, open, asked, old (open for over 7 days), automatic (by policy, or the rest of a lot
        of which people judged a sample), decided (by people who looked), accepted, edited,
        confirmed (accepted, edited or expected, automatic ones too), corrected (a change was written and stands, by it
        or by the decision it was settled along with),
        bands ([decided, accepted] for each of BANDS).
    turnaround: decided, median and p95 in seconds, from entering the queue to a person's verdict.
    rules: [detector, rule, open, decided by people who looked, accepted of these (as they stood, edited or expected)].
    days: [day, found, decided] of the last DAYS days. worst: [record, open claims about it], the most first.
    """
    values: dict[str, Any] = {"source": source.pk, "bands": list(BANDS), "days": DAYS}
    detectors: dict[str, dict[str, Any]] = {}

    def of(name: str) -> dict[str, Any]:
        names = (
            "claims",
            "open",
            "asked",
            "old",
            "automatic",
            "decided",
            "accepted",
            "edited",
            "confirmed",
            "corrected",
        )
        return detectors.setdefault(name, dict.fromkeys(names, 0) | {"bands": [[0, 0] for _ in BANDS]})

    with connection.cursor() as cursor:
        cursor.execute(_CLAIMS, values)
        for name, claims in cursor.fetchall():
            of(name)["claims"] = claims
        cursor.execute(_ITEMS, values)
        for name, open_items, asked, old in cursor.fetchall():
            of(name).update(open=open_items, asked=asked, old=old)
        cursor.execute(_DECISIONS, values)
        for name, band, *counts in cursor.fetchall():
            one = of(name)
            for what, count in zip(COUNTS[4:], counts, strict=True):
                one[what] += count
            one["bands"][max(0, band)] = [counts[1], counts[2]]
        cursor.execute(_TURNAROUND, values)
        decided, quantiles = cursor.fetchone()
        cursor.execute(_RULES, values)
        rules = [list(row) for row in cursor.fetchall()]
        cursor.execute(_DAYS, values)
        days = [list(row) for row in cursor.fetchall()]
        cursor.execute(_WORST, values)
        worst = [list(row) for row in cursor.fetchall()]
    median, p95 = quantiles or (None, None)
    return {
        "version": VERSION,
        "worst": worst,
        "rules": rules,
        "detectors": dict(sorted(detectors.items())),
        "turnaround": {"decided": decided, "median": median, "p95": p95},
        "days": days,
    }
