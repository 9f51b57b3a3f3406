"""Measuring against verified values: how accurate a source is, which of its errors were found, and which corrected."""

from __future__ import annotations

from collections.abc import Callable

import pandas as pd
from django.db import connection

from crmquality import metrics
from crmquality.metrics import Measure
from crmquality.models import QualityMetric, Source
from crmquality.services import measuring
from crmquality.services.batches import source_batch
from crmquality.services.errors import Refused
from detectors.missing_values import is_missing
from detectors.roles import Role

ReferenceListener = Callable[[Source, pd.DataFrame], None]
_listener: ReferenceListener | None = None

_FOUND = """
    SELECT DISTINCT record.external_id, field FROM crmquality_finding finding
    JOIN crmquality_record record ON record.id = finding.subjects[1]
    CROSS JOIN LATERAL jsonb_object_keys(finding.proposal->'changes') AS field
    WHERE finding.source_id = %s AND finding.proposal->>'action' = 'set' AND finding.state IN ('open', 'settled')
"""
_FIRST_VALUES = """
    SELECT DISTINCT ON (change.record_id, change.field) record.external_id, change.field, change.before
    FROM crmquality_change change
    JOIN crmquality_changeset change_set ON change_set.id = change.change_set_id
    JOIN crmquality_record record ON record.id = change.record_id
    WHERE change_set.source_id = %s AND change_set.action <> 'import' AND NOT change.is_pointer
    ORDER BY change.record_id, change.field, change.id
"""


def register_listener(listener: ReferenceListener) -> None:
    """Say who else learns from verified values (text cells, indexed by external id); `review` calls it at start."""
    global _listener
    _listener = listener


def measure_against_reference(*, source: Source, reference: pd.DataFrame) -> list[QualityMetric]:
    """Hold a source's records against verified values, and keep the result.

    reference: text cells; one column is the source's ID column, the others are named as the source's.
    Raises Refused if the ID column is not there, is not unique, or nothing can be compared.
    """
    key = next(iter(source.columns_of(Role.ID)), None)
    if key is None or key not in reference.columns:
        raise Refused(f"The reference needs the ID column of {source.name!r}: {key or 'it has none; name one first'}.")
    verified = reference.set_index(key)
    if not verified.index.is_unique:
        raise Refused(f"The reference names an id twice in column {key!r}: give each record once.")
    frame = source_batch(source).frame.set_index(key)
    measures = metrics.accuracy_against(frame, verified)
    if not measures[0].denominator:
        raise Refused("The reference shares no filled cell with the source: check its ids and column names.")
    measures += _found_and_corrected(source, frame, verified)
    if _listener:
        _listener(source, verified)
    return measuring.store(source, None, measures)


def _found_and_corrected(source: Source, frame: pd.DataFrame, verified: pd.DataFrame) -> list[Measure]:
    """Error detection rate = errors claimed / errors; error correction rate = errors mended / errors claimed.

    An error is a cell that, before anything was corrected here, was not the verified value; it is claimed if a
    standing claim proposes to change it, mended if it holds the verified value now. Case and blanks at the ends are
    folded.
    """
    with connection.cursor() as cursor:
        cursor.execute(_FOUND, [source.pk])
        claimed = set(cursor.fetchall())
        cursor.execute(_FIRST_VALUES, [source.pk])
        before = {(record, field): value for record, field, value in cursor.fetchall()}
    ids = frame.index.intersection(verified.index)
    found, mended, errors = 0, 0, 0
    for name in (name for name in verified.columns if name in frame.columns):
        known = ~is_missing(verified.loc[ids, name])
        for record, held, wanted in zip(
            ids[known], frame.loc[ids, name][known], verified.loc[ids, name][known], strict=True
        ):
            if _same(before.get((record, name), held), wanted):
                continue
            errors += 1
            if (record, name) in claimed:
                found += 1
                mended += _same(held, wanted)
    low, high = metrics.wilson(found, errors)
    fixed_low, fixed_high = metrics.wilson(mended, found)
    return [
        Measure("error detection rate", found, errors, low=low, high=high),
        Measure("error correction rate", mended, found, low=fixed_low, high=fixed_high),
    ]


def _same(one: object, other: object) -> bool:
    texts = ["" if not isinstance(value, str) else value.strip().casefold() for value in (one, other)]
    return texts[0] == texts[1]
