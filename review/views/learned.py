"""A model version's own page, and a rule of it kept as a standing check."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST, require_safe

from crmquality.models import ModelVersion
from crmquality.services import validating
from crmquality.services.access import UserRole, has_role
from crmquality.services.errors import Refused
from detectors.contract import ModelFileError
from detectors.registry import UnknownDetector
from review.selectors import learned as selecting
from review.services.filtering import visible_items
from review.views.common import STAFF, for_roles


@for_roles(*STAFF)
def model(request: HttpRequest, version_id: int) -> HttpResponse:
    """How the version orders the queue, what it learned of its members, and what was confirmed, as rules."""
    version = get_object_or_404(ModelVersion.objects.select_related("source", "activated_by"), pk=version_id)
    if version.prediction_id:
        return redirect(f"{reverse('prediction', args=[version.prediction_id])}?version={version.number}")
    context = {
        "version": version,
        "learned": selecting.learned(version),
        "is_admin": has_role(request.user, UserRole.ADMIN),
    }
    return render(request, "admin_pages/model.html", context)


@for_roles(UserRole.STEWARD, UserRole.SALES)
@require_safe
def shapley(request: HttpRequest, item_id: int) -> HttpResponse:
    """How much each feature makes up of an anomaly's score; worked out now, for whoever asks."""
    item = get_object_or_404(visible_items(request.user).select_related("finding", "source"), pk=item_id)
    return render(request, "queue/shapley.html", {"item": item, "found": selecting.contributions(item)})


@for_roles(UserRole.ADMIN)
@require_POST
def keep_check(request: HttpRequest, version_id: int) -> HttpResponse:
    """Keep a rule of the page as a standing check of the source."""
    version = get_object_or_404(ModelVersion.objects.select_related("source"), pk=version_id)
    words = request.POST.get("rule", "")
    try:
        made = validating.standing_check(
            source=version.source,
            bounds=selecting.bounds(version, words),
            user=request.user,
            reason=f"Confirmed anomalies, {version.detector} version {version.number}.",
        )
        messages.success(request, f"“{made.quality_rule.name}” is checked on every record from the next run on.")
    except LookupError:
        messages.error(request, "That rule has changed since the page was shown: further verdicts came in. Look again.")
    except (Refused, ModelFileError, UnknownDetector) as refusal:
        messages.error(request, f"Not kept: {refusal}")
    return redirect("model", version_id=version.pk)
