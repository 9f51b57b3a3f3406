"""Storing what a run found: new claims are added, known ones refreshed, those no longer made withdrawn."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import islice
from typing import Any

import pandas as pd
from django.db import connection
from psycopg.types.json import Jsonb

from crmquality import models
from crmquality.models import Record, Run
from crmquality.services.batches import values_digest
from crmquality.services.proposals import evidence_to_json, finding_from_row, proposal_to_json
from crmquality.services.sisters import aligned
from detectors.contract import Batch, Finding, Flag, LinkRecords, MergeRecords, SetFields
from detectors.roles import IDENTIFYING, Role

CHUNK = 2_000

_STAGE = """
    CREATE TEMPORARY TABLE found (
        fingerprint text, values_digest text, subjects bigint[], proposal jsonb, score float8, rule text, evidence jsonb
    ) ON COMMIT DROP
"""
_COPY = "COPY found (fingerprint, values_digest, subjects, proposal, score, rule, evidence) FROM STDIN"

# A settled claim stays settled unless the values it was made from have changed; then it is open, to be asked again.
_UPSERT = """
    WITH stored AS (
        INSERT INTO crmquality_finding AS f
            (source_id, detector, fingerprint, values_digest, subjects, proposal, score, rule, evidence, state,
             first_run_id, last_run_id)
        SELECT DISTINCT ON (fingerprint)
            %(source)s, %(detector)s, fingerprint, values_digest, subjects, proposal, score, rule, evidence, 'open',
            %(run)s, %(run)s
        FROM found ORDER BY fingerprint, score DESC
        ON CONFLICT (source_id, detector, fingerprint) DO UPDATE SET
            state = CASE
                WHEN f.state = 'settled' AND f.values_digest = excluded.values_digest THEN 'settled'
                ELSE 'open' END,
            values_digest = excluded.values_digest, proposal = excluded.proposal, score = excluded.score,
            rule = excluded.rule, evidence = excluded.evidence, last_run_id = excluded.last_run_id
        RETURNING (xmax = 0) AS is_new
    )
    SELECT count(*), count(*) FILTER (WHERE is_new) FROM stored
"""
# A link is one claim, though both its sources make it: it stays with the one that asked or settled it first.
_ASKED_BY_A_SISTER = """
    DELETE FROM found USING crmquality_finding f
    WHERE found.proposal->>'action' = 'link' AND f.fingerprint = found.fingerprint AND f.detector = %(detector)s
      AND f.source_id <> %(source)s AND f.state <> 'withdrawn'
"""
_WITHDRAW = """
    UPDATE crmquality_finding f SET state = 'withdrawn'
    WHERE source_id = %(source)s AND detector = %(detector)s AND state = 'open'
      AND last_run_id IS DISTINCT FROM %(run)s
      AND NOT EXISTS (SELECT FROM standing WHERE standing.fingerprint = f.fingerprint)
"""
_STAND = "CREATE TEMPORARY TABLE standing (fingerprint text) ON COMMIT DROP"
_STANDING = """
    SELECT count(*) FROM crmquality_finding JOIN standing USING (fingerprint)
    WHERE source_id = %(source)s AND detector = %(detector)s
"""


@dataclass(frozen=True)
class Stored:
    """How many claims a run made, how many of them are new, and how many earlier ones it no longer makes."""

    found: int
    new: int
    withdrawn: int


def store_findings(run: Run, batch: Batch, findings: Iterable[Finding], standing: Iterable[str] = ()) -> Stored:
    """Write a run's findings; call it inside the transaction that ends the run.

    standing: fingerprints of further claims that it makes, which are stored as they are.
    """
    who: dict[str, Any] = {"source": run.source_id, "detector": run.detector, "run": run.pk}
    with connection.cursor() as cursor:
        cursor.execute(_STAGE)
        with cursor.copy(_COPY) as copy:
            copy.set_types(["text", "text", "int8[]", "jsonb", "float8", "text", "jsonb"])
            for row in _rows(batch, findings):
                copy.write_row(row)
        cursor.execute(_ASKED_BY_A_SISTER, who)
        cursor.execute(_UPSERT, who)
        found, new = cursor.fetchone()
        cursor.execute("DROP TABLE found")
        cursor.execute(_STAND)
        with cursor.copy("COPY standing (fingerprint) FROM STDIN") as copy:
            for fingerprint in standing:
                copy.write_row((fingerprint,))
        cursor.execute(_STANDING, who)
        found += cursor.fetchone()[0]
        cursor.execute(_WITHDRAW, who)
        withdrawn = cursor.rowcount
        cursor.execute("DROP TABLE standing")
        return Stored(found, new, withdrawn)


def _rows(batch: Batch, findings: Iterable[Finding]) -> Iterator[tuple[object, ...]]:
    stream = iter(findings)
    columns = list(batch.frame.columns)
    while chunk := list(islice(stream, CHUNK)):
        ids = sorted({subject for finding in chunk for subject in finding.subjects})
        cells = batch.frame.loc[ids]
        rows = {
            record: {name: None if pd.isna(value) else value for name, value in zip(columns, values, strict=True)}
            for record, values in zip(ids, cells.itertuples(index=False, name=None), strict=True)
        }
        for finding in chunk:
            digest = values_digest([rows[subject] for subject in finding.subjects], _basis(finding, batch.roles))
            yield (
                finding.fingerprint,
                digest,
                list(finding.subjects),
                Jsonb(proposal_to_json(finding.proposal)),
                float(finding.score),
                finding.rule[:120],
                Jsonb(evidence_to_json(finding.evidence)),
            )


def _basis(finding: Finding, roles: Mapping[str, Role]) -> set[str] | None:
    """The fields a claim rests on; None for all of them.

    For a value, what it changes and what its evidence names. For a merge or link, all that records are compared by:
    its evidence tells of the cluster's weakest pair and of the rules in force, and either may change while no value
    does.
    """
    named = {field for reason in finding.evidence for field in reason.fields}
    match finding.proposal:
        case SetFields(changes):
            return named | set(changes)
        case MergeRecords() | LinkRecords():
            return {name for name, role in roles.items() if role in IDENTIFYING} or None
        case Flag():
            return named or None


def current_digest(finding: models.Finding, records: Sequence[Record]) -> str:
    """The digest of the values the claim rests on, as the records hold them now."""
    claim = finding_from_row(
        subjects=finding.subjects,
        proposal=finding.proposal,
        score=finding.score,
        evidence=finding.evidence,
        rule=finding.rule,
    )
    own = next((one.source for one in records if one.source_id == finding.source_id), None)
    roles = own.column_roles if own else {}
    rows = []
    for record in records:
        values = record.fields
        if record.source_id != finding.source_id:
            values = {to: values.get(name) for name, to in aligned(record.source.column_roles, roles).items()}
        rows.append({name: values.get(name) for name in roles})
    return values_digest(rows, _basis(claim, roles))
