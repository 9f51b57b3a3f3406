"""Runs that go on from the latest one: what changed since, which claims stand, and what the next one needs.

The records that changed are told by their versions: those that the latest run read are kept with its findings. They are
read before the records are, so one that changes meanwhile counts as changed once more, and none is missed, however
long its transaction took.

Tried and rejected: `updated_at` (an import that began before the latest run read, and ended after it, would be missed);
clusters kept by `detectors.duplicates.incremental` (with blocks split for good they are not those of a run where blocks
are large, and somebody has to keep them in memory).
"""

from __future__ import annotations

import hashlib
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from django.db import connection

from crmquality.models import ModelVersion, Run, RunBasis, Source, SurvivorshipRules
from crmquality.services.sisters import sisters
from detectors.contract import Detector, IncrementalDetector, Since

MOST = 0.1
"""Share of the records that may have changed since all was done anew; beyond, what was fitted then is out of date."""

_VERSIONS = """
    SELECT string_agg(int8send(id) || int4send(version), '') FROM crmquality_record
    WHERE source_id = ANY(%s) AND golden_id IS NULL AND gone_at IS NULL
"""
# A link that a sister source asks about stands too: it is one claim, and with the source that asked first.
_STANDING = """
    SELECT fingerprint, score, rule FROM crmquality_finding
    WHERE detector = %(detector)s AND state <> 'withdrawn'
      AND (source_id = %(source)s OR source_id = ANY(%(sisters)s) AND proposal->>'action' = 'link')
    ORDER BY source_id = %(source)s
"""
_ROW = np.dtype([("id", ">i8"), ("version", ">i4")])

Ints = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Versions:
    """Records, ascending, and the version of each."""

    ids: Ints
    versions: Ints

    @classmethod
    def read(cls, sources: Sequence[Source]) -> Versions:
        """Those of the live records of these sources."""
        with connection.cursor() as cursor:
            cursor.execute(_VERSIONS, [[one.pk for one in sources]])
            table = np.frombuffer(cursor.fetchone()[0] or b"", _ROW)
        table = table[np.argsort(table["id"], kind="stable")]
        return cls(table["id"].astype(np.int64), table["version"].astype(np.int64))

    def packed(self) -> bytes:
        """A few bytes a thousand records: ids as steps, which are mostly 1, as versions are."""
        return zlib.compress(np.concatenate([np.diff(self.ids, prepend=0), self.versions]).astype("<i8").tobytes(), 1)

    @classmethod
    def unpacked(cls, packed: bytes) -> Versions:
        """What `packed` wrote."""
        steps, versions = np.split(np.frombuffer(zlib.decompress(packed), "<i8").astype(np.int64), 2)
        return cls(np.cumsum(steps), versions)

    def changed_since(self, before: Versions) -> tuple[Ints, int]:
        """The records that are new or of another version, and how many of those before are gone."""
        known = np.isin(self.ids, before.ids, assume_unique=True)
        same = np.zeros(len(self.ids), dtype=bool)
        same[known] = before.versions[np.searchsorted(before.ids, self.ids[known])] == self.versions[known]
        return self.ids[~same], len(before.ids) - int(known.sum())


@dataclass(frozen=True)
class Footing:
    """What a run stands on.

    since: what it goes on from; None where everything is done anew. why: the reason, if what changed was asked for.
    changed: records that changed since the latest run. all_changed: since all was done anew.
    """

    signature: str
    versions: Versions
    since: Since | None = None
    why: str = ""
    changed: int = 0
    all_changed: int = 0


def look(run: Run, detector: Detector, version: ModelVersion | None) -> Footing | None:
    """What a run can go on from, looked at before its records are read; None for a detector that never goes on."""
    if not isinstance(detector, IncrementalDetector):
        return None
    others = sisters(run.source)
    signature = _signature(run, detector, version, others)
    versions = Versions.read([run.source, *others] if detector.across_sources else [run.source])
    if not run.only_changes:
        return Footing(signature, versions)
    basis = RunBasis.objects.filter(source=run.source_id, detector=run.detector).first()
    if basis is None:
        return Footing(signature, versions, why="it is the first run")
    if basis.signature != signature:
        return Footing(signature, versions, why="the model, the columns' roles or the settings are others by now")
    changed, gone = versions.changed_since(Versions.unpacked(bytes(basis.versions)))
    every = basis.changed + len(changed) + gone
    if every > MOST * len(versions.ids):
        return Footing(signature, versions, why=f"{every:,} records changed since everything was looked at")
    since = Since(frozenset(changed.tolist()), _standing(run, others), basis.kept)
    return Footing(signature, versions, since, "", len(changed) + gone, every)


def keep(run: Run, footing: Footing, fitted: Mapping[str, Any]) -> None:
    """Let the next run go on from this one; call it inside the transaction that stores its findings."""
    RunBasis.objects.update_or_create(
        source=run.source,
        detector=run.detector,
        defaults={
            "run": run,
            "signature": footing.signature,
            "kept": dict(fitted),
            "versions": footing.versions.packed(),
            "changed": footing.all_changed,
        },
    )


def _standing(run: Run, others: Sequence[Source]) -> dict[str, tuple[float, str]]:
    who: dict[str, Any] = {"source": run.source_id, "detector": run.detector, "sisters": [one.pk for one in others]}
    with connection.cursor() as cursor:
        cursor.execute(_STANDING, who)
        return {fingerprint: (score, rule) for fingerprint, score, rule in cursor.fetchall()}


def _signature(run: Run, detector: Detector, version: ModelVersion | None, others: Sequence[Source]) -> str:
    parts = [
        [detector.version, version.pk if version else None, run.config_id, SurvivorshipRules.in_force(run.source).pk],
        [
            [one.pk, one.name, one.kind, one.deduplicated, list(one.column_roles.items())]
            for one in [run.source, *others]
        ],
    ]
    return hashlib.sha256(json.dumps(parts).encode()).hexdigest()
