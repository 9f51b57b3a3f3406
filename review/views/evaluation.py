"""How good the duplicates found are, for stewards, auditors and admins."""

from __future__ import annotations

from urllib.parse import urlencode

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from crmquality.models import Source
from crmquality.services.access import UserRole, has_role
from crmquality.services.errors import Refused
from review.selectors import evaluation as selecting
from review.services import sampling_below
from review.views.common import STAFF, for_roles


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Every source with the quality of its duplicates at the bound in force."""
    return render(request, "evaluation/index.html", {"rows": selecting.overview()})


@for_roles(*STAFF)
def detail(request: HttpRequest, source_id: int) -> HttpResponse:
    """One source: precision, recall and F1 over all, by segment, and at other bounds."""
    source = get_object_or_404(Source, pk=source_id)
    at, error = None, ""
    if given := request.GET.get("at", "").strip():
        try:
            at = float(given)
            if not 0 <= at <= 1:
                raise ValueError(given)
        except ValueError:
            at, error = None, "A bound is a number from 0 to 1."
    found = selecting.evaluation(source, at=at)
    below = {"source": source.pk, "detector": found.detector, "max_score": f"{found.in_force - 0.001:.3f}"}
    context = {
        "one": found,
        "error": error,
        "queue": f"{reverse('queue')}?{urlencode(below)}",
        "may_ask": has_role(request.user, UserRole.STEWARD),
    }
    return render(request, "evaluation/detail.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def sample(request: HttpRequest, source_id: int) -> HttpResponse:
    """Ask a sample of the pairs below the bound."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        count = int(request.POST.get("count", ""))
        drawn = sampling_below.ask_below(source=source, detector=selecting.DETECTOR, count=count)
        if drawn:
            messages.success(request, f"{drawn} pairs from below the bound wait in the queue.")
        else:
            messages.info(request, "There are no pairs below the bound that nobody was asked about.")
    except (ValueError, Refused) as refusal:
        words = str(refusal) if isinstance(refusal, Refused) else "Say how many, as a whole number."
        messages.error(request, words)
    return redirect("evaluation", source_id=source.pk)
