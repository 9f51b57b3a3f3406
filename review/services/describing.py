"""What an item is about, noted on it so that the queue can be filtered and sorted: owners, segments, impact."""

from __future__ import annotations

from django.db import connection

from crmquality.models import Source
from detectors.roles import Role

SEGMENT_ROLES = (
    Role.COUNTRY,
    Role.REGION,
    Role.COUNTY,
    Role.CITY,
    Role.INDUSTRY,
    Role.STAGE,
    Role.STATUS,
    Role.CURRENCY,
    Role.SOURCE_SYSTEM,
    Role.CATEGORY,
)
"""Columns of these roles can be filtered by in the queue."""

# One pass over the records of all open items; records that refer to them are counted by the index on references.
_DESCRIBE = """
    WITH subject AS (
        SELECT i.id AS item, r.fields, r.external_id
        FROM review_reviewitem i
        JOIN crmquality_finding f ON f.id = i.finding_id
        CROSS JOIN LATERAL unnest(f.subjects) AS s(id)
        JOIN crmquality_record r ON r.id = s.id
        WHERE i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
    ), owned AS (
        SELECT item, array_agg(DISTINCT fields->>c ORDER BY fields->>c) AS names
        FROM subject, unnest(%(owner_columns)s::text[]) c WHERE fields->>c <> '' GROUP BY item
    ), segmented AS (
        SELECT item, array_agg(DISTINCT c || '=' || (fields->>c) ORDER BY c || '=' || (fields->>c)) AS names
        FROM subject, unnest(%(segment_columns)s::text[]) c WHERE fields->>c <> '' GROUP BY item
    ), referred AS (
        SELECT item, count(*) AS children
        FROM subject JOIN crmquality_record child ON child.refs @> ARRAY[%(kind)s || ':' || subject.external_id]
        WHERE child.source_id = ANY(%(referring)s) GROUP BY item
    ), described AS (
        SELECT i.id, coalesce(owned.names, '{}') AS owners, coalesce(segmented.names, '{}') AS segments,
            i.score * (coalesce(referred.children, 0) + greatest(cardinality(f.subjects),
                (SELECT count(*) FROM jsonb_object_keys(coalesce(f.proposal->'changes', '{}'::jsonb))))) AS impact
        FROM review_reviewitem i
        JOIN crmquality_finding f ON f.id = i.finding_id
        LEFT JOIN owned ON owned.item = i.id
        LEFT JOIN segmented ON segmented.item = i.id
        LEFT JOIN referred ON referred.item = i.id
        WHERE i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
    )
    UPDATE review_reviewitem i SET impact = d.impact, owners = d.owners, segments = d.segments
    FROM described d
    WHERE i.id = d.id AND (i.impact, i.owners, i.segments) IS DISTINCT FROM (d.impact, d.owners, d.segments)
"""


def describe(*, source: Source, detector: str) -> int:
    """Bring the notes on the open items of a source and detector up to date; returns how many changed."""
    with connection.cursor() as cursor:
        cursor.execute(
            _DESCRIBE,
            {
                "source": source.pk,
                "detector": detector,
                "kind": source.kind,
                "owner_columns": source.columns_of(Role.OWNER),
                "segment_columns": source.columns_of(*SEGMENT_ROLES),
                "referring": list(Source.objects.filter(system=source.system).values_list("id", flat=True)),
            },
        )
        return int(cursor.rowcount)
