"""The first page: how good the data is, what waits, and what became of it."""

from __future__ import annotations

from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from crmquality.models import Run, Source
from crmquality.services import access
from crmquality.services.access import UserRole
from review.selectors import dashboard as selecting
from review.selectors import jobs, overview, people
from review.views.common import EVERYONE, for_roles, number


@for_roles(*EVERYONE)
def dashboard(request: HttpRequest) -> HttpResponse:
    """Every source with its score, and the pictures of one; sales people are led to their own records."""
    if not access.sees_everything(request.user):
        return redirect("own")
    cards = overview.source_cards()
    wanted = number(request.GET.get("source"))
    chosen: Source | None = next((card.source for card in cards if card.source.pk == wanted), None)
    if chosen is None and cards:
        chosen = max(cards, key=lambda card: card.open_items).source
    context = {
        "cards": cards,
        "picture": selecting.picture(chosen) if chosen else None,
        "jobs": jobs.active(),
        "runs": Run.objects.select_related("source", "requested_by")[:6],
        "models": selecting.serving_models(),
        "people": people.people()[:8] if access.has_role(request.user, UserRole.ADMIN) else None,
    }
    return render(request, "dashboard/page.html", context)
