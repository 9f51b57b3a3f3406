"""The profile of a source: what its records hold, and the way from a picture to the records behind it."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Profile, Source
from crmquality.services import profiling
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.selectors import profiles as selecting
from review.views.common import STAFF, for_roles, number


@for_roles(*STAFF)
def detail(request: HttpRequest, source_id: int) -> HttpResponse:
    """The newest profile of a source."""
    source = get_object_or_404(Source, pk=source_id)
    profile = profiling.latest_profile(source)
    context = {
        "source": source,
        "view": selecting.view(profile) if profile else None,
        "active": Profile.objects.active().filter(source=source).first(),
        "failed": Profile.objects.filter(source=source, state="failed").order_by("-id").first()
        if not profile
        else None,
    }
    return render(request, "profiles/detail.html", context)


@for_roles(*STAFF)
def examples(request: HttpRequest, source_id: int) -> HttpResponse:
    """Some records behind a bar (?column=&bar=), an end of a box (&end=low) or a pattern of blanks (?pattern=)."""
    source = get_object_or_404(Source, pk=source_id)
    profile = profiling.latest_profile(source)
    ids: list[int] = []
    words = ""
    column = request.GET.get("column", "")
    if profile:
        ids, words = selecting.example_ids(
            profile,
            column=column,
            bar=number(request.GET.get("bar")),
            end=request.GET.get("end", ""),
            pattern=number(request.GET.get("pattern")),
        )
    context = {
        "source": source,
        "words": words,
        "records": selecting.example_records(source, ids),
        "columns": list(dict.fromkeys([*([column] if column in source.columns else []), *source.columns[:8]])),
    }
    return render(request, "profiles/examples.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def make(request: HttpRequest, source_id: int) -> HttpResponse:
    """Have a worker profile the source."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        return redirect("profile-job", job_id=profiling.request_profile(source=source, user=request.user).pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("profile", source_id=source.pk)
