"""Patterns of open claims, worked out in one pass and left in a temporary table for triage to join."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from django.db import connection

from review.patterns import pattern_of

CHUNK = 5_000

_TABLE = "CREATE TEMPORARY TABLE patterned (finding_id bigint PRIMARY KEY, pattern text NOT NULL) ON COMMIT DROP"
_COPY = "COPY patterned (finding_id, pattern) FROM STDIN"

# Of each record only the fields that matter: those a correction writes, or those a flag's evidence names.
_CLAIMS = """
    SELECT f.id, f.rule, f.proposal->>'action', f.proposal->'changes',
        (SELECT jsonb_object_agg(name, r.fields->name) FROM (
            SELECT jsonb_object_keys(f.proposal->'changes') AS name WHERE f.proposal->>'action' = 'set'
            UNION
            SELECT jsonb_path_query(f.evidence, '$[*].fields[*]') #>> '{}' WHERE f.proposal->>'action' = 'flag'
        ) AS names)
    FROM crmquality_finding f JOIN crmquality_record r ON r.id = f.subjects[1]
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state = 'open'
      AND f.score >= %(shown_from)s AND f.proposal->>'action' NOT IN ('merge', 'link')
      AND (%(anew)s OR NOT EXISTS (SELECT FROM review_reviewitem i WHERE i.finding_id = f.id AND i.state = 'open'))
"""


def stage_patterns(values: Mapping[str, Any]) -> None:
    """Fill the temporary table `patterned` with the patterns of a detector's open claims; call it within a transaction.

    values: source, detector, shown_from (the lowest score), and anew: also of claims that are in the queue already.
    Claims without a pattern are left out.
    """
    found = list(_patterned(values))  # read to the end first: a COPY leaves no room for a second cursor
    with connection.cursor() as cursor:
        cursor.execute("DROP TABLE IF EXISTS patterned")
        cursor.execute(_TABLE)
        with cursor.copy(_COPY) as copy:
            copy.set_types(["int8", "text"])
            for row in found:
                copy.write_row(row)
        cursor.execute("ANALYZE patterned")


def _patterned(values: Mapping[str, Any]) -> Iterator[tuple[int, str]]:
    with connection.chunked_cursor() as cursor:
        cursor.execute(_CLAIMS, values)
        while rows := cursor.fetchmany(CHUNK):
            for finding, rule, action, changes, before in rows:
                pattern = pattern_of(
                    detector=str(values["detector"]),
                    rule=rule,
                    action=action,
                    before=json.loads(before) if before else {},
                    after=json.loads(changes) if changes else {},
                )
                if pattern:
                    yield finding, pattern
