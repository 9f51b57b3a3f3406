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

# Row by row through primary keys: right after a first run nothing is known of the table yet, and a join of groups is
# then planned so badly that 30,000 items take minutes. For the same reason the sources of the children are asked for
# by a FILTER, which no index can serve: by the source's index each item would read the whole source.
_DESCRIBE = """
    UPDATE review_reviewitem i SET impact = about.impact, owners = about.owners, segments = about.segments
    FROM crmquality_finding f, LATERAL (
        SELECT
            ARRAY(SELECT DISTINCT r.fields->>c FROM crmquality_record r, unnest(%(owner_columns)s::text[]) c
                  WHERE r.id = ANY(f.subjects) AND r.fields->>c <> '' ORDER BY 1) AS owners,
            ARRAY(SELECT DISTINCT c || '=' || (r.fields->>c)
                  FROM crmquality_record r, unnest(%(segment_columns)s::text[]) c
                  WHERE r.id = ANY(f.subjects) AND r.fields->>c <> '' ORDER BY 1) AS segments,
            f.score * (
                greatest(cardinality(f.subjects),
                    (SELECT count(*) FROM jsonb_object_keys(coalesce(f.proposal->'changes', '{}'::jsonb))))
                + (SELECT count(*) FILTER (WHERE child.source_id = ANY(%(referring)s)) FROM crmquality_record r
                   JOIN crmquality_record child ON child.refs @> ARRAY[%(kind)s || ':' || r.external_id]
                   WHERE r.id = ANY(f.subjects))
            ) AS impact
    ) AS about
    WHERE f.id = i.finding_id AND i.state = 'open' AND i.source_id = %(source)s AND i.detector = %(detector)s
      AND (i.impact, i.owners, i.segments) IS DISTINCT FROM (about.impact, about.owners, about.segments)
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
