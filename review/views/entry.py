"""Check at entry, shown working: a form of a source's columns with the very script that any form can include."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.http import HttpRequest, HttpResponse
from django.shortcuts import render

from crmquality.models import Source
from crmquality.models.records import REFERENCES, Kind
from crmquality.services.access import UserRole
from detectors.roles import Role
from review.views.common import for_roles, number

SHOWN = 14
ENTERED = (Kind.CONTACTS, Kind.LEADS, Kind.ACCOUNTS)
_NOT_TYPED = {Role.ID, Role.OWNER, Role.CREATED_AT, Role.UPDATED_AT, Role.SOURCE_SYSTEM, *REFERENCES}
_KEYBOARDS = {Role.EMAIL: "email", Role.PHONE: "tel", Role.FAX: "tel", Role.WEBSITE: "url", Role.POSTCODE: "text"}


@dataclass(frozen=True)
class Typed:
    """One input of the form."""

    column: str
    keyboard: str


@for_roles(UserRole.STEWARD, UserRole.SALES)
def page(request: HttpRequest) -> HttpResponse:
    """The form. It is sent to this page, which keeps nothing: it shows that the script never stands in the way."""
    sources = list(Source.objects.filter(kind__in=ENTERED))
    asked = number(request.GET.get("source"))
    source = next((one for one in sources if one.pk == asked), sources[0] if sources else None)
    context: dict[str, Any] = {"sources": sources, "source": source, "sent": request.method == "POST"}
    if source is not None:
        roles = [(name, role) for name, role in source.column_roles.items() if role not in _NOT_TYPED]
        context["typed"] = [Typed(name, _KEYBOARDS.get(role, "text")) for name, role in roles[:SHOWN]]
    return render(request, "entry/page.html", context)
