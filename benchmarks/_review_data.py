"""A large installation for the load test, written in SQL: records, claims about them, a queue, earlier decisions."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

COLUMNS = {
    "Contact ID": "id",
    "Name": "name",
    "Email": "email",
    "Phone": "phone",
    "City": "city",
    "Country": "country",
    "Owner": "owner",
}
DEAL_COLUMNS = {"Deal": "id", "Contact": "contact_ref", "Amount": "amount", "Stage": "stage", "Owner": "owner"}
CONTACTS, LEADS, DEALS = "contacts", "leads", "opportunities"

# Of ten claims: seven correct a cell (three detectors), two merge a pair, one flags a record.
_DETECTOR = """(ARRAY['formats', 'formats', 'formats', 'addresses', 'addresses', 'missing', 'missing',
                    'duplicates', 'duplicates', 'anomalies'])"""

_CONTACTS = """
    INSERT INTO crmquality_record (source_id, external_id, line, raw, fields, digest)
    SELECT %(source)s, 'C' || n, n + 1,
        format('C%%s,Ann %%s Lee,ann%%s@example.com,+1 202 555 %%s,Bostn %%s,US,seller%%s',
               n, n, n, n %% 10000, n %% 997, n %% 50),
        jsonb_build_object('Contact ID', 'C' || n, 'Name', 'Ann ' || n || ' Lee', 'Email', 'ann' || n || '@example.com',
            'Phone', '+1 202 555 ' || (n %% 10000), 'City', 'Bostn ' || (n %% 997),
            'Country', (ARRAY['US','DE','FR','PL','NO'])[1 + n %% 5], 'Owner', 'seller' || (n %% 50)),
        md5(n::text)
    FROM generate_series(1, %(count)s) n
"""
_DEALS = """
    INSERT INTO crmquality_record (source_id, external_id, line, raw, fields, digest, refs)
    SELECT %(source)s, 'D' || n, n + 1, format('D%%s,C%%s,%%s,Open,seller%%s', n, 1 + n %% %(contacts)s, n, n %% 50),
        jsonb_build_object('Deal', 'D' || n, 'Contact', 'C' || (1 + n %% %(contacts)s), 'Amount', n::text,
            'Stage', 'Open', 'Owner', 'seller' || (n %% 50)),
        md5(n::text), ARRAY['contacts:C' || (1 + n %% %(contacts)s)]
    FROM generate_series(1, %(count)s) n
"""
# One claim a number n, about a record of its own while there are as many: no correction makes another claim stale.
# The digest is that of `batches.values_digest` over the fields that the claim rests on: see `services.findings`.
_FINDINGS = f"""
    WITH numbered AS (
        SELECT id, source_id, fields, row_number() OVER (ORDER BY id) - 1 AS place FROM crmquality_record
        WHERE source_id = ANY(%(sources)s)
    ), made AS (
        SELECT n, {_DETECTOR}[1 + (n %% 10)::int] AS detector, a.source_id, a.id AS first, b.id AS second,
            a.fields AS one, b.fields AS two, 0.5 + 0.5 * ((n * 7919) %% 10007) / 10007.0 AS score
        FROM generate_series(0::bigint, %(count)s - 1) n
        JOIN numbered a ON a.place = (n * %(stride)s) %% %(records)s
        JOIN numbered b ON b.place = (n * %(stride)s + 1) %% %(records)s
    )
    INSERT INTO crmquality_finding
        (source_id, detector, fingerprint, values_digest, subjects, proposal, score, rule, evidence, state)
    SELECT source_id, detector, md5('claim ' || n),
        CASE detector
            WHEN 'duplicates' THEN md5(least(x, y) || E'\\n' || greatest(x, y))
            WHEN 'anomalies' THEN md5(format('{{"Phone": "%%s"}}', one->>'Phone'))
            ELSE md5(format('{{"City": "%%s"}}', one->>'City')) END,
        CASE detector WHEN 'duplicates' THEN ARRAY[first, second] ELSE ARRAY[first] END,
        CASE detector
            WHEN 'duplicates' THEN jsonb_build_object('action', 'merge', 'survivor', first, 'members', ARRAY[second],
                'changes', jsonb_build_object('Phone', two->>'Phone'))
            WHEN 'anomalies' THEN '{{"action": "flag"}}'::jsonb
            ELSE jsonb_build_object('action', 'set', 'changes', jsonb_build_object('City', 'Boston ' || n)) END,
        score, detector || ' rule ' || (n %% 7), %(evidence)s::jsonb -> detector,
        CASE WHEN n < %(open)s THEN 'open' ELSE 'settled' END
    FROM made,
        LATERAL (SELECT format('{{"City": "%%s", "Country": "%%s", "Email": "%%s", "Name": "%%s", "Phone": "%%s"}}',
            one->>'City', one->>'Country', one->>'Email', one->>'Name', one->>'Phone') AS x,
                        format('{{"City": "%%s", "Country": "%%s", "Email": "%%s", "Name": "%%s", "Phone": "%%s"}}',
            two->>'City', two->>'Country', two->>'Email', two->>'Name', two->>'Phone') AS y) AS texts
"""
_POLICIES = """
    INSERT INTO review_policyversion (source_id, detector, number, review_at, reason)
    SELECT DISTINCT source_id, detector, 1, 0.5, 'load test' FROM crmquality_finding
"""
_DECISIONS = """
    INSERT INTO review_decision
        (item_id, verdict, seconds, seen, changes, reason, policy_id, idempotency_key, by_id, at)
    SELECT i.id, CASE i.id %% 3 WHEN 0 THEN 'reject' ELSE 'accept' END, 2 + i.id %% 5,
        jsonb_build_object('score', i.score, 'rank', i.rank, 'proposal', f.proposal, 'evidence', f.evidence,
            'rule', f.rule, 'subjects', f.subjects, 'values_digest', f.values_digest, 'values', '{}'::jsonb),
        '{}', '', i.policy_id, '', (%(people)s::int[])[1 + i.id %% cardinality(%(people)s::int[])],
        now() - interval '1 day' - i.id * interval '1 second'
    FROM review_reviewitem i JOIN crmquality_finding f ON f.id = i.finding_id WHERE i.state = 'decided'
"""
_MEASURED = """
    INSERT INTO crmquality_qualitymetric (source_id, name, field, numerator, denominator, value, rule_version, at)
    SELECT id, 'completeness', '', 1, 1, 1, 1, now() + interval '1 minute' FROM crmquality_source
"""


@dataclass(frozen=True)
class Size:
    """records: of all sources. items: of the queue, of which `open` wait for a verdict."""

    records: int
    items: int
    open: int


def fill(size: Size, people: list[int]) -> None:
    """Write it all. people: ids of those who decided what is decided."""
    from django.db import connection, transaction

    from crmquality.models import Finding, Source
    from review.services import describing

    def source(name: str, kind: str, roles: dict[str, str]) -> int:
        return int(
            Source.objects.create(
                name=name, system="crm", kind=kind, columns=list(roles), roles=roles, roles_confirmed=True
            ).pk
        )

    contacts, leads, deals = size.records * 5 // 10, size.records * 3 // 10, size.records * 2 // 10
    with transaction.atomic(), connection.cursor() as cursor:
        first, second = source(CONTACTS, "contacts", COLUMNS), source(LEADS, "leads", COLUMNS)
        cursor.execute(_CONTACTS, {"source": first, "count": contacts})
        cursor.execute(_CONTACTS, {"source": second, "count": leads})
        cursor.execute(_DEALS, {"source": source(DEALS, DEALS, DEAL_COLUMNS), "count": deals, "contacts": contacts})
        cursor.execute(
            _FINDINGS,
            {
                "sources": [first, second],
                "count": size.items,
                "open": size.open,
                "records": contacts + leads,
                "stride": _stride(contacts + leads),
                "evidence": json.dumps(_evidence()),
            },
        )
        cursor.execute(_POLICIES)
        cursor.execute(_items())
        cursor.execute(_DECISIONS, {"people": people})
        cursor.execute(_MEASURED)
    tidy()
    for found, detector in Finding.objects.values_list("source", "detector").distinct():
        describing.describe(source=Source.objects.get(pk=found), detector=detector)
    tidy()


def open_all() -> None:
    """Every item of the queue waits for a verdict."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("UPDATE review_decision SET undone_at = now() WHERE undone_at IS NULL")
        cursor.execute("UPDATE crmquality_finding SET state = 'open' WHERE state <> 'open'")
        cursor.execute("UPDATE review_reviewitem SET state = 'open', closed_at = NULL WHERE state <> 'open'")
    tidy()


def tidy() -> None:
    """What the server does by itself some minutes after a bulk load."""
    from django.db import connection

    with connection.cursor() as cursor:
        cursor.execute("VACUUM ANALYZE")
        cursor.execute("CHECKPOINT")


def _items() -> str:
    return """
        INSERT INTO review_reviewitem
            (finding_id, source_id, detector, action, state, score, rank, policy_id, skips, created_at)
        SELECT f.id, f.source_id, f.detector, f.proposal->>'action',
            CASE f.state WHEN 'open' THEN 'open' ELSE 'decided' END, f.score, f.score, p.id, 0,
            now() - (f.id % 100000) * interval '10 seconds'
        FROM crmquality_finding f
        JOIN review_policyversion p ON p.source_id = f.source_id AND p.detector = f.detector
    """


def _stride(records: int) -> int:
    """A step through the records that comes by each once, leaving the next one free for a pair."""
    return 3 if records % 3 else 7 if records % 7 else 11


def _evidence() -> dict[str, list[dict[str, Any]]]:
    def reason(feature: str, detail: str, *fields: str) -> dict[str, Any]:
        return {"feature": feature, "weight": 1.5, "detail": detail, "fields": list(fields)}

    correction = [
        reason("spelling", "a known city differs by one letter", "City"),
        reason("postcode", "the postcode lies in that city", "City"),
        reason("frequency", "the proposed value is 400 times as frequent", "City"),
    ]
    return {
        "formats": correction,
        "addresses": correction,
        "missing": correction,
        "duplicates": [
            reason("name", "the names agree", "Name"),
            reason("e-mail", "the addresses differ by two digits", "Email"),
        ],
        "anomalies": [reason("phone", "no other record has such a number", "Phone")],
    }
