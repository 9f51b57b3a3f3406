"""What admins set: where to cut, and which model serves."""

from __future__ import annotations

from collections.abc import Mapping

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from crmquality.models import ModelVersion, Source
from crmquality.services import learning
from crmquality.services.access import UserRole, has_role, require
from crmquality.services.errors import Refused
from detectors import registry
from review.models import Gate, PolicyVersion
from review.policy import Policy
from review.selectors import thresholds as selecting
from review.services import policies
from review.views.common import STAFF, for_roles


@for_roles(*STAFF)
def thresholds(request: HttpRequest) -> HttpResponse:
    """The policy of every detector and source, and whether its gate is open."""
    context = {
        "rows": selecting.rows(list(registry.available())),
        "versions": PolicyVersion.objects.select_related("source", "by")[:20],
    }
    return render(request, "admin_pages/thresholds.html", context)


@for_roles(*STAFF)
def threshold(request: HttpRequest, source_id: int) -> HttpResponse:
    """One detector's bounds on the histogram of its scores, with what other bounds would do; an admin saves them."""
    if request.method == "POST":
        require(request.user, UserRole.ADMIN)
    source = get_object_or_404(Source, pk=source_id)
    given = request.POST if request.method == "POST" else request.GET
    names = list(registry.available())
    detector = given.get("detector") or next(iter(names), "")
    if request.method == "POST":
        return _save(request, source, detector)
    if detector not in names:
        messages.error(request, "No such detector is installed.")
        return redirect("thresholds")
    version = policies.policy_in_force(source, detector)
    error = ""
    try:
        wanted = _bounds(request.GET, version.bounds)
    except ValueError as refusal:
        wanted, error = version.bounds, str(refusal)
    context = {
        "source": source,
        "detector": detector,
        "outlook": selecting.outlook(source, detector, wanted),
        "error": error,
        "is_live": bool(request.headers.get("HX-Request")),
    }
    if context["is_live"]:
        return render(request, "admin_pages/outlook.html", context)
    context |= {
        "detectors": names,
        "version": version,
        "gate": Gate.objects.filter(source=source, detector=detector).first(),
        "is_admin": has_role(request.user, UserRole.ADMIN),
        "versions": PolicyVersion.objects.filter(source=source, detector=detector).select_related("by")[:50],
    }
    return render(request, "admin_pages/threshold.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def roll_back(request: HttpRequest, policy_id: int) -> HttpResponse:
    """Put an earlier version in force again."""
    version = get_object_or_404(PolicyVersion.objects.select_related("source"), pk=policy_id)
    made = policies.roll_back(version=version, user=request.user)
    messages.success(request, f"The bounds of version {version.number} are in force again, as version {made.number}.")
    return _to_threshold(made.source_id, made.detector)


@for_roles(*STAFF)
def models(request: HttpRequest) -> HttpResponse:
    """Every model version with its metrics and why it serves or does not."""
    versions = ModelVersion.objects.select_related("source", "activated_by", "prediction")[:100]
    return render(request, "admin_pages/models.html", {"versions": versions})


@for_roles(UserRole.ADMIN)
@require_POST
def activate(request: HttpRequest, version_id: int) -> HttpResponse:
    """Let a version serve."""
    version = get_object_or_404(ModelVersion, pk=version_id)
    try:
        learning.activate(version=version, user=request.user, note=f"Activated by {request.user}.")
        messages.success(
            request, f"Version {version.number} of {version.prediction or version.detector} serves from now on."
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("prediction", version.prediction_id) if version.prediction_id else redirect("models")


def _save(request: HttpRequest, source: Source, detector: str) -> HttpResponse:
    try:
        if detector not in registry.available():
            raise ValueError(f"no detector named {detector!r}")
        wanted = _bounds(request.POST, None)
        version = policies.set_policy(
            source=source,
            detector=detector,
            review_at=wanted.review_at,
            accept_at=wanted.accept_at,
            target=wanted.target,
            audit_share=wanted.audit_share,
            user=request.user,
            reason=request.POST.get("reason", "")[:300],
        )
        messages.success(
            request, f"Saved as version {version.number}. The queue follows now, corrections at the next run."
        )
    except ValueError as error:
        messages.error(request, f"Not saved: {error}.")
    return _to_threshold(source.pk, detector)


def _bounds(given: Mapping[str, str], otherwise: Policy | None) -> Policy:
    """The bounds of a form; those in force where it is empty. Raises ValueError if they make no sense."""
    if "review_at" not in given and otherwise is not None:
        return otherwise
    try:
        return Policy(
            review_at=float(given.get("review_at", "")),
            accept_at=float(given.get("accept_at", "")) if given.get("automatic") else None,
            target=float(given.get("target", "")) / 100,
            audit_share=float(given.get("audit", "")) / 100,
        )
    except ValueError as error:
        if "could not convert" in str(error):
            raise ValueError("every bound must be a number") from error
        raise


def _to_threshold(source_id: int, detector: str) -> HttpResponse:
    return redirect(f"{reverse('threshold', args=[source_id])}?detector={detector}")
