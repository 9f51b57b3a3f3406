"""What admins set: where to cut, and which model serves."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import ModelVersion, Source
from crmquality.services import learning
from crmquality.services.access import UserRole, require
from crmquality.services.errors import Refused
from detectors import registry
from review.models import PolicyVersion
from review.services import policies
from review.views.common import STAFF, for_roles, number


@for_roles(*STAFF)
def thresholds(request: HttpRequest) -> HttpResponse:
    """The policy of every detector and source; an admin posts new bounds."""
    if request.method == "POST":
        require(request.user, UserRole.ADMIN)
        return _set(request)
    rows = [
        (source, [(name, policies.policy_in_force(source, name)) for name in registry.available()])
        for source in Source.objects.all()
    ]
    context = {"rows": rows, "versions": PolicyVersion.objects.select_related("source", "by")[:20]}
    return render(request, "admin_pages/thresholds.html", context)


@for_roles(*STAFF)
def models(request: HttpRequest) -> HttpResponse:
    """Every model version with its metrics and why it serves or does not."""
    versions = ModelVersion.objects.select_related("source", "activated_by")[:100]
    return render(request, "admin_pages/models.html", {"versions": versions})


@for_roles(UserRole.ADMIN)
@require_POST
def activate(request: HttpRequest, version_id: int) -> HttpResponse:
    """Let a version serve."""
    version = get_object_or_404(ModelVersion, pk=version_id)
    try:
        learning.activate(version=version, user=request.user, note=f"Activated by {request.user}.")
        messages.success(request, f"Version {version.number} of {version.detector} serves the next run.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("models")


def _set(request: HttpRequest) -> HttpResponse:
    source = get_object_or_404(Source, pk=number(request.POST.get("source")))
    detector = request.POST.get("detector", "")
    try:
        if detector not in registry.available():
            raise ValueError(f"no detector named {detector!r}")
        accept_at = request.POST.get("accept_at", "").strip()
        policies.set_policy(
            source=source,
            detector=detector,
            review_at=float(request.POST.get("review_at", "")),
            accept_at=float(accept_at) if accept_at else None,
            user=request.user,
            reason=request.POST.get("reason", "")[:300],
        )
        messages.success(request, f"New thresholds for {detector} on {source.name}; the next run uses them.")
    except ValueError as error:
        messages.error(request, f"Not saved: {error}")
    return redirect("thresholds")
