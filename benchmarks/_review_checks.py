"""What must hold after any load, asked of the database: nothing assigned twice, applied twice, or lost."""

from __future__ import annotations

DECIDED_TWICE = """
    SELECT count(*) FROM (
        SELECT item_id FROM review_decision WHERE undone_at IS NULL GROUP BY item_id HAVING count(*) > 1
    ) AS twice
"""
APPLIED_TWICE = """
    SELECT count(*) FROM (
        SELECT c.cause FROM crmquality_changeset c LEFT JOIN crmquality_changeset u ON u.undoes_id = c.id
        WHERE c.action IN ('set', 'merge') AND u.id IS NULL GROUP BY c.cause HAVING count(*) > 1
    ) AS twice
"""
UNMATCHED = """
    SELECT
        (SELECT count(*) FROM review_decision d JOIN review_reviewitem i ON i.id = d.item_id
         WHERE d.verdict = 'accept' AND i.action <> 'flag' AND d.change_set_id IS NULL AND d.at >= %(since)s
           AND NOT d.seen ? 'settled_by')
      + (SELECT count(*) FROM crmquality_changeset c LEFT JOIN review_decision d ON d.change_set_id = c.id
         WHERE c.action IN ('set', 'merge') AND d.id IS NULL AND c.at >= %(since)s)
      + (SELECT count(*) FROM review_decision d
         LEFT JOIN crmquality_changeset u ON u.undoes_id = d.change_set_id
         WHERE d.change_set_id IS NOT NULL AND (d.undone_at IS NOT NULL) <> (u.id IS NOT NULL))
"""
# Every value written must start from what the one before it left, and the record must hold what the last one left.
LOST = """
    WITH chain AS (
        SELECT c.record_id, c.field, c.is_pointer, c.before, c.after,
            lag(c.after) OVER w AS left_by_the_one_before, row_number() OVER w AS place,
            row_number() OVER (PARTITION BY c.record_id, c.field, c.is_pointer ORDER BY c.id DESC) AS from_the_end
        FROM crmquality_change c
        WINDOW w AS (PARTITION BY c.record_id, c.field, c.is_pointer ORDER BY c.id)
    )
    SELECT
        count(*) FILTER (WHERE place > 1 AND before IS DISTINCT FROM left_by_the_one_before)
      + count(*) FILTER (WHERE from_the_end = 1 AND after IS DISTINCT FROM
            CASE WHEN is_pointer THEN r.golden_id::text ELSE r.fields->>field END)
    FROM chain JOIN crmquality_record r ON r.id = chain.record_id
"""
VERSIONS = """
    SELECT count(*) FROM (
        SELECT r.id FROM crmquality_record r JOIN crmquality_change c ON c.record_id = r.id
        GROUP BY r.id, r.version HAVING r.version <> 1 + count(DISTINCT c.change_set_id)
    ) AS wrong
"""
STATES = """
    SELECT count(*) FROM review_reviewitem i
    LEFT JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    WHERE (i.state = 'decided') <> (d.id IS NOT NULL)
"""


def found_wrong(since: object) -> dict[str, int]:
    """Name of the check -> how many rows break it. since: when the load began."""
    from django.db import connection

    checks = {
        "decided twice": DECIDED_TWICE,
        "applied twice": APPLIED_TWICE,
        "decisions and changes that do not match": UNMATCHED,
        "lost updates": LOST,
        "record versions that skipped": VERSIONS,
        "items whose state and decision disagree": STATES,
    }
    wrong = {}
    with connection.cursor() as cursor:
        for name, sql in checks.items():
            cursor.execute(sql, {"since": since} if "%(since)s" in sql else None)
            wrong[name] = int(cursor.fetchone()[0])
    return wrong
