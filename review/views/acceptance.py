"""What people's answers made of each rule; an admin has one start anew."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Source
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import RuleReset
from review.selectors import acceptance as selecting
from review.services import resetting
from review.views.common import STAFF, for_roles


@for_roles(*STAFF)
def learned(request: HttpRequest, source_id: int) -> HttpResponse:
    """Acceptance by rule and model, those that stopped suggesting first."""
    source = get_object_or_404(Source, pk=source_id)
    rows = selecting.rules(source)
    context = {
        "source": source,
        "rows": rows,
        "models": selecting.models(source, rows),
        "stopped": sum(row.stopped for row in rows),
        "resets": RuleReset.objects.filter(source=source).select_related("by")[:20],
    }
    return render(request, "sources/learned.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def reset(request: HttpRequest, source_id: int) -> HttpResponse:
    """Have a rule start anew."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        made = resetting.reset_rule(
            source=source,
            detector=request.POST.get("detector", ""),
            rule=request.POST.get("rule", "")[:120],
            fields=request.POST.get("fields", ""),
            user=request.user,
            reason=request.POST.get("reason", ""),
        )
        name = made.rule or made.detector
        messages.success(request, f"“{name}” starts anew: it suggests again from the next run on.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("learned", source_id=source.pk)
