"""The first page: how good the data is, and what waits."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from crmquality.models import Run
from crmquality.services import access
from review.models import Decision
from review.selectors import overview
from review.views.common import EVERYONE, for_roles


@for_roles(*EVERYONE)
def dashboard(request: HttpRequest) -> HttpResponse:
    """Every source with its score; sales people are led to their own items."""
    if not access.sees_everything(request.user):
        return redirect("queue")
    context = {
        "cards": overview.source_cards(),
        "runs": Run.objects.select_related("source")[:6],
        "decided": Decision.objects.filter(by__isnull=False, undone_at__isnull=True).count(),
    }
    return render(request, "dashboard/page.html", context)
