"""Personal values shown on purpose: who asked, for which fields of which record, when, why; and the policy."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date
from typing import Any

from django.core.exceptions import PermissionDenied
from django.db import transaction
from django.db.models import Max, QuerySet

from crmquality.models import AccessPolicy, Disclosure, Record, Source
from crmquality.services import masking
from crmquality.services.access import UserRole, roles_of
from crmquality.services.errors import Refused
from crmquality.services.exporting import FORMULA
from crmquality.services.masking import PERSONAL, Mask

ACTIONS = ("set", "merge", "link", "flag")
COLUMNS = ("Number", "When", "Who", "Source", "Record", "Fields", "Why")
_KNOWN = {role.value for roles in PERSONAL.values() for role in roles}


@dataclass(frozen=True)
class Asked:
    """Which disclosures a person wants to see; empty means all."""

    by: str = ""
    source: int | None = None
    record: str = ""
    since: date | None = None
    until: date | None = None

    def apply(self, rows: QuerySet[Disclosure]) -> QuerySet[Disclosure]:
        """The rows that fit."""
        if self.by:
            rows = rows.filter(by__username=self.by)
        if self.source:
            rows = rows.filter(source_id=self.source)
        if self.record:
            rows = rows.filter(external_id=self.record)
        if self.since:
            rows = rows.filter(at__date__gte=self.since)
        if self.until:
            rows = rows.filter(at__date__lte=self.until)
        return rows


def policy_in_force(source: Source) -> AccessPolicy:
    """The newest policy of a source; where there is none, the default, not stored: all is shown, sales decide all."""
    newest = AccessPolicy.objects.filter(source=source).order_by("-number").first()
    return newest or AccessPolicy(source=source, number=0, sales_decide=list(ACTIONS))


@transaction.atomic
def set_policy(
    *,
    source: Source,
    masked_for: Iterable[str],
    columns: Iterable[str],
    reason_required: bool,
    sales_decide: Iterable[str],
    by: Any,
) -> AccessPolicy:
    """Add a version. Raises Refused for an unknown role of a person or column, or an unknown kind of item."""
    chosen = {
        "masked_for": sorted(set(masked_for)),
        "columns": sorted(set(columns)),
        "sales_decide": sorted(set(sales_decide)),
    }
    known = {"masked_for": {role.value for role in UserRole}, "columns": _KNOWN, "sales_decide": set(ACTIONS)}
    for name, values in chosen.items():
        unknown = [value for value in values if value not in known[name]]
        if unknown:
            raise Refused(f"{unknown[0]!r} is none of {', '.join(sorted(known[name]))}.")
    if bool(chosen["masked_for"]) != bool(chosen["columns"]):
        raise Refused("Choose both what is masked and for whom, or neither.")
    Source.objects.select_for_update().get(pk=source.pk)
    number = AccessPolicy.objects.filter(source=source).aggregate(number=Max("number"))["number"] or 0
    return AccessPolicy.objects.create(
        source=source, number=number + 1, reason_required=reason_required, by=by, **chosen
    )


def reveal(*, records: Sequence[Record], user: Any, why: str = "") -> list[Disclosure]:
    """Show a person the masked values of these records for some minutes, and note that they were shown.

    records: with their source. What is not masked for the person is not disclosed and not noted.
    Raises Refused if the source's policy asks for a reason and none is given.
    """
    mask = Mask(user)
    why = why.strip()[:300]
    hidden = {record.pk: sorted(mask.hides(record)) for record in records}
    concerned = [record for record in records if hidden[record.pk]]
    if not why and any(policy_in_force(source).reason_required for source in {record.source for record in concerned}):
        raise Refused("Say why you need to see the values: it stands in the log.")
    masking.forget()
    return Disclosure.objects.bulk_create(
        Disclosure(
            record=record,
            source=record.source,
            source_name=record.source.name,
            external_id=record.external_id,
            fields=hidden[record.pk],
            why=why,
            by=user,
        )
        for record in concerned
    )


def may_decide(user: Any, source: Source, action: str) -> bool:
    """Whether the person may decide this kind of item: a steward always, a sales person where policy says so."""
    if roles_of(user) & {UserRole.STEWARD, UserRole.ADMIN}:
        return True
    return action in policy_in_force(source).sales_decide


def require_may_decide(user: Any, source: Source, action: str) -> None:
    """Raises PermissionDenied if policy leaves this kind of item to stewards, and the person is none."""
    if not may_decide(user, source, action):
        raise PermissionDenied("Stewards decide this kind of item; ask one.")


def log(asked: Asked) -> QuerySet[Disclosure]:
    """The disclosures, the latest first."""
    return asked.apply(Disclosure.objects.select_related("by"))


def log_csv(rows: QuerySet[Disclosure]) -> Iterator[bytes]:
    """Disclosures as CSV in UTF-8, piece by piece; cells that a spreadsheet would run are neutralised."""
    yield _line(COLUMNS)
    for row in rows.iterator(chunk_size=2_000):
        cells = (str(row.pk), row.at.isoformat(timespec="seconds"), row.by.username, row.source_name, row.external_id)
        yield _line((*cells, ", ".join(row.fields), row.why))


def _line(cells: Sequence[str]) -> bytes:
    buffer = io.StringIO()
    csv.writer(buffer, lineterminator="\n").writerow(f"'{cell}" if FORMULA.match(cell) else cell for cell in cells)
    return buffer.getvalue().encode()
