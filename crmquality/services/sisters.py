"""Sister sources: tables of one system that may hold the same people or companies, linked but never merged.

A merge says that one record goes and the other stays, and each connector can carry that out within one table. Between
two tables (a lead and a contact) it cannot: converting a lead, say, is an act of the CRM with consequences of its own.
So what a steward accepts between two sources is a link: nothing is written, the decision is what is kept, and undoing
the decision takes the link back.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping

import pandas as pd

from crmquality.models import Source
from crmquality.models.records import Kind
from crmquality.services.batches import read_columns, source_batch
from detectors.contract import Batch, Detector
from detectors.roles import Role

SISTERS = (frozenset({Kind.CONTACTS, Kind.LEADS}), frozenset({Kind.ACCOUNTS}))
"""Kinds whose sources of one system are about the same people, or the same companies."""


def sisters(source: Source) -> list[Source]:
    """The other sources of the same system that may hold the same people or companies, and have mapped columns."""
    kinds = next((kinds for kinds in SISTERS if source.kind in kinds), frozenset())
    others = Source.objects.filter(system=source.system, kind__in=kinds).exclude(pk=source.pk).order_by("pk")
    return [one for one in others if aligned(one.column_roles, source.column_roles)]


def aligned(roles: Mapping[str, Role], target: Mapping[str, Role]) -> dict[str, str]:
    """Column -> the target's column of the same meaning: the first of a role to the first, the second to the second."""
    waiting: dict[Role, list[str]] = defaultdict(list)
    for name, role in target.items():
        waiting[role].append(name)
    found = {}
    for name, role in roles.items():
        if role is not Role.ID and waiting[role]:
            found[name] = waiting[role].pop(0)
    return found


def united_batch(source: Source) -> Batch:
    """The live records of a source and of its sisters, in the columns of the source; `origin` names each one's source.

    A sister's columns that mean nothing the source has are left out. Without sisters, as `source_batch`.
    """
    own, others = source_batch(source), sisters(source)
    if not others:
        return own
    frames = [own.frame]
    origin = dict.fromkeys(own.frame.index.tolist(), source.name)
    for sister in others:
        names = aligned(sister.column_roles, own.roles)
        frame = read_columns(sister, list(names)).rename(columns=names)
        frames.append(frame.reindex(columns=own.frame.columns).astype(object).where(lambda cells: cells.notna(), None))
        origin |= dict.fromkeys(frame.index.tolist(), sister.name)
    return Batch(pd.concat(frames).sort_index(), own.roles, kind=source.kind, origin=origin)


def batch_for(source: Source, detector: Detector) -> Batch:
    """The records that a detector is given of a source: with those of its sisters, if it looks across sources."""
    return united_batch(source) if detector.across_sources else source_batch(source)


def declare_deduplicated(*, source: Source, deduplicated: bool) -> Source:
    """Say that a source holds nobody twice, or take that back; it counts from the next run on."""
    source.deduplicated = deduplicated
    source.save(update_fields=["deduplicated"])
    return source
