"""How a value goes on that somebody has begun to type, from what the records of the source hold often.

A table of frequent values a column, in order, so that those with a beginning lie side by side: a question costs two
binary searches and a pass over the counts between them, whatever the number of records. Only values that several
records share are held, and only of columns that say nothing of a person: places, companies, the domains of addresses.
"""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
from django.db import connection

from crmquality.models import Source
from detectors.roles import Role

PLACES = frozenset({Role.CITY, Role.COUNTY, Role.REGION, Role.COUNTRY, Role.INDUSTRY})
"""What anybody may be offered."""
CUSTOMERS = frozenset({Role.COMPANY, Role.EMAIL, Role.WEBSITE})
"""What tells whom others deal with: for those who see all records. Of an e-mail address its domain."""
LEAST_RECORDS = 3
"""Records that must share a value: one of a single record would tell of that record."""
LEAST_TYPED = 2
MOST_HELD = 100_000
"""Values a source, the most frequent ones."""

_COUNTED = """
    SELECT place, value, count(*) FROM crmquality_record
    CROSS JOIN LATERAL unnest(%s::int[], %s::text[], %s::boolean[]) AS col(place, name, is_mail)
    CROSS JOIN LATERAL (
        SELECT btrim(CASE WHEN is_mail THEN split_part(fields->>col.name, '@', 2) ELSE fields->>col.name END)
    ) AS one(value)
    WHERE source_id = %s AND golden_id IS NULL AND gone_at IS NULL AND length(value) BETWEEN %s AND 200
    GROUP BY place, value HAVING count(*) >= %s ORDER BY count(*) DESC, value LIMIT %s
"""


@dataclass(frozen=True)
class Frequent:
    """The frequent values of one column. keys: in small letters, in order; values: as written most often; counts."""

    keys: list[str]
    values: list[str]
    counts: npt.NDArray[np.int64]

    @classmethod
    def of(cls, counted: Iterable[tuple[str, int]]) -> Frequent:
        """From (value, records), the most frequent first."""
        first: dict[str, str] = {}
        sums: dict[str, int] = {}
        for value, count in counted:
            key = value.casefold()
            first.setdefault(key, value)
            sums[key] = sums.get(key, 0) + count
        keys = sorted(first)
        return cls(keys, [first[key] for key in keys], np.array([sums[key] for key in keys], np.int64))

    def going_on(self, typed: str, most: int) -> list[str]:
        """The values that begin so, the most frequent first; none if this is one already, or hardly begun."""
        key = typed.strip().casefold()
        start = bisect_left(self.keys, key)
        if len(key) < LEAST_TYPED or (start < len(self.keys) and self.keys[start] == key):
            return []
        end = bisect_left(self.keys, key + "\U0010ffff")
        best = np.argsort(-self.counts[start:end], kind="stable")[:most]
        return [self.values[start + int(place)] for place in best]


class Completions:
    """The frequent values of a source, by column. Empty until `read`."""

    def __init__(self) -> None:
        self._held: dict[str, Frequent] = {}
        self._mails: set[str] = set()

    @classmethod
    def read(cls, source: Source) -> Completions:
        """Count the live records, in one pass over them."""
        made = cls()
        columns = [(name, role) for name, role in source.column_roles.items() if role in PLACES | CUSTOMERS]
        names = [name for name, _ in columns]
        is_mail = [role is Role.EMAIL for _, role in columns]
        with connection.cursor() as cursor:
            limits = [source.pk, LEAST_TYPED, LEAST_RECORDS, MOST_HELD]
            cursor.execute(_COUNTED, [list(range(len(names))), names, is_mail, *limits])
            rows: list[tuple[int, str, int]] = cursor.fetchall()
        made._mails = {name for name, is_one in zip(names, is_mail, strict=True) if is_one}
        for place, name in enumerate(names):
            made._held[name] = Frequent.of((value, count) for at, value, count in rows if at == place)
        return made

    def complete(self, values: Mapping[str, str | None], most: int) -> dict[str, list[str]]:
        """Column -> whole values that go on as it begins, the most frequent first; only columns that have some."""
        found = {}
        for name, value in values.items():
            if name not in self._held or not value:
                continue
            before, at, typed = value.rpartition("@") if name in self._mails else ("", "", value)
            if name in self._mails and not before.strip():
                continue
            found[name] = [f"{before}{at}{one}" for one in self._held[name].going_on(typed, most)]
        return {name: texts for name, texts in found.items() if texts}
