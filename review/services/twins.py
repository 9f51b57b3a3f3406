"""Twins: open items that ask the same question, since several checks propose the same values for the same record.

A person is shown one of them, and their answer settles all (`deciding`). They are found by the fingerprint of the
claim, which names records and values and no detector; nothing about them is stored before somebody answers.

Whoever holds an item never waits for its twin: two people who answer twins at once would wait for each other. So a
twin is locked if it is free at this moment, and `is_locked` says whether it was.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db import connection

from review.models import ReviewItem

_FIND = """
    WITH twin AS (
        SELECT f.id AS claim, t.id, t.leased_by_id AS holder, t.lease_until > statement_timestamp() AS is_leased
        FROM crmquality_finding g
        JOIN crmquality_finding f ON f.fingerprint = g.fingerprint AND f.subjects = g.subjects AND f.id <> g.id
        JOIN review_reviewitem t ON t.finding_id = g.id AND t.state = 'open' AND t.action = 'set'
        WHERE g.subjects && %(records)s::bigint[] AND f.id = ANY(%(claims)s::bigint[])
    ), locked AS (
        SELECT id FROM review_reviewitem WHERE id IN (SELECT id FROM twin) AND state = 'open' FOR UPDATE SKIP LOCKED
    )
    SELECT claim, twin.id, holder, coalesce(is_leased, false), locked.id IS NOT NULL
    FROM twin LEFT JOIN locked ON locked.id = twin.id ORDER BY claim, twin.id
"""


@dataclass(frozen=True, slots=True)
class Twin:
    """An open item that asks what another asks. holder: on whose desk it lies, None if on nobody's."""

    item: int
    holder: int | None
    is_locked: bool


def locked_twins(items: Sequence[ReviewItem]) -> dict[int, list[Twin]]:
    """Item -> its open twins, for those that have any; one query, none where no item proposes values.

    Those that nobody else holds at this moment are locked until the transaction ends; call it within one.
    """
    asked = {item.finding_id: item for item in items if item.action == "set" and item.state == ReviewItem.State.OPEN}
    if not asked:
        return {}
    records = sorted({subject for item in asked.values() for subject in item.finding.subjects})
    found = defaultdict(list)
    with connection.cursor() as cursor:
        cursor.execute(_FIND, {"claims": list(asked), "records": records})
        for claim, twin, holder, is_leased, is_locked in cursor.fetchall():
            found[asked[claim].pk].append(Twin(twin, holder if is_leased else None, is_locked))
    return dict(found)


def elsewhere(twins: Sequence[Twin], user: Any) -> int | None:
    """Who has one of them on their desk and is not this person; None if nobody."""
    return next((twin.holder for twin in twins if twin.holder not in (None, user.pk)), None)


def one_each(items: Sequence[ReviewItem], user: Any, *, lying: Collection[int]) -> list[ReviewItem]:
    """Of locked items, in their order, those that may be laid on this person's desk: one a question.

    Left out is what has a twin among `lying` or before it, on another's desk, or being handed out at this moment.
    """
    twins: Mapping[int, list[Twin]] = locked_twins(items)
    taken, chosen = set(lying), []
    for item in items:
        own = twins.get(item.pk, [])
        if elsewhere(own, user) is None and all(twin.is_locked and twin.item not in taken for twin in own):
            taken.add(item.pk)
            chosen.append(item)
    return chosen
