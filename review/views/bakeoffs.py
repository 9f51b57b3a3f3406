"""Bake-offs: every method on the user's own series or rows, with a plain verdict."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render

from crmquality.models import BakeOff, Series, Source
from crmquality.services import access, comparing
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.selectors import bakeoffs as selecting
from review.selectors import jobs
from review.views.common import for_roles, number


@for_roles(UserRole.AUDITOR)
def index(request: HttpRequest) -> HttpResponse:
    """Past bake-offs, and a form to start one; an admin starts it."""
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
        return _start(request)
    context = {
        "rows": selecting.rows(),
        "series": selecting.long_enough(),
        "sources": Source.objects.all(),
        "most": comparing.MOST_SEEDS,
    }
    return render(request, "bakeoffs/index.html", context)


@for_roles(UserRole.AUDITOR)
def detail(request: HttpRequest, job_id: int) -> HttpResponse:
    """One bake-off: its progress, then who wins and by how much."""
    job = get_object_or_404(BakeOff.objects.select_related("source", "requested_by"), pk=job_id)
    context: dict[str, Any] = {"job": job, "row": jobs.row(job), "subjects": selecting.about(job)}
    context["parts"] = selecting.parts(job)
    template = "bakeoffs/result.html" if request.headers.get("HX-Request") else "bakeoffs/detail.html"
    return render(request, template, context)


def _start(request: HttpRequest) -> HttpResponse:
    given = request.POST
    ids = [found for text in given.getlist("series") if (found := number(text))]
    wanted = number(given.get("source"))
    try:
        job = comparing.request_bake_off(
            series=list(Series.objects.filter(pk__in=ids)),
            source=get_object_or_404(Source, pk=wanted) if wanted else None,
            seeds=number(given.get("seeds")) or 0,
            networks=bool(given.get("networks")),
            user=request.user,
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("bake-offs")
    return redirect("bake-off", job_id=job.pk)
