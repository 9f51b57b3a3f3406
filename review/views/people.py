"""People: what one did and how known cards came out; for admins everyone, and how many checks there are."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import redirect, render

from crmquality.services.access import UserRole
from review.charts_lines import lines
from review.models import KnownAnswer
from review.selectors import people as selecting
from review.services import checks
from review.views.common import DECIDERS, for_roles


@for_roles(*DECIDERS)
def mine(request: HttpRequest) -> HttpResponse:
    """A person's own figures, and the checks they were given with the agreed answers."""
    days = selecting.by_day(request.user)  # type: ignore[arg-type] # somebody is logged in
    context = {
        "person": selecting.person(request.user),  # type: ignore[arg-type]
        "checks": selecting.recent_checks(request.user),  # type: ignore[arg-type]
        "alert": checks.alert(request.user),
        "days": lines([day[5:] for day, _ in days], [("Decisions", [float(count) for _, count in days])], low=0.0),
    }
    return render(request, "people/mine.html", context)


@for_roles(UserRole.ADMIN)
def index(request: HttpRequest) -> HttpResponse:
    """Everyone's throughput and known-answer accuracy; an admin posts how many cards are checks."""
    if request.method == "POST":
        return _set_shares(request)
    context = {
        "people": selecting.people(),
        "shares": checks.shares(),
        "material": KnownAnswer.objects.filter(retired_at=None).count(),
        "anchoring": selecting.anchoring(),
    }
    return render(request, "people/index.html", context)


def _set_shares(request: HttpRequest) -> HttpResponse:
    try:
        known, hidden = (float(request.POST.get(name, "")) / 100 for name in ("known", "hidden"))
        checks.set_shares(known=known, hidden=hidden, user=request.user)
        messages.success(request, "Saved; the next card follows it.")
    except ValueError as error:
        messages.error(request, f"Not saved: {error}.")
    return redirect("people")
