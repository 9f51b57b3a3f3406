"""Which value survives a merge, column by column: an admin's rules, and what people's choices suggest."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from crmquality.models import Source, SurvivorshipRules
from crmquality.services import access, survivorship
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from detectors.duplicates.survivorship import Rule
from review.selectors import survivorship as selecting
from review.views.common import STAFF, for_roles


@for_roles(*STAFF)
def rules(request: HttpRequest, source_id: int) -> HttpResponse:
    """The rules of a source; an admin posts a new version."""
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
    source = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        return _set(request, source)
    context = {
        "source": source,
        "columns": selecting.column_rules(source),
        "rules": list(Rule),
        "version": SurvivorshipRules.in_force(source),
        "versions": SurvivorshipRules.objects.filter(source=source).select_related("by")[:10],
        "systems": selecting.systems(source),
        "is_admin": access.has_role(request.user, UserRole.ADMIN),
    }
    return render(request, "admin_pages/survivorship.html", context)


def _set(request: HttpRequest, source: Source) -> HttpResponse:
    given = {name.removeprefix("rule:"): value for name, value in request.POST.items() if name.startswith("rule:")}
    chosen = {name: value for name, value in given.items() if isinstance(value, str)}
    column, _, rule = request.POST.get("adopt", "").partition("\n")
    if column:
        chosen[column] = rule
    try:
        version = survivorship.set_rules(
            source=source,
            rules=chosen,
            unique=request.POST.getlist("unique"),
            trusted=request.POST.get("trusted", "").splitlines(),
            user=request.user,
            reason=request.POST.get("reason", ""),
        )
        messages.success(request, f"Version {version.number} holds for open cards now, and for the next run.")
    except Refused as refusal:
        messages.error(request, f"Not saved: {refusal}")
    return redirect("survivorship", source_id=source.pk)
