"""Look-ups of a source: what is asked for more of its records, by what, and on which terms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.contrib import messages
from django.core.exceptions import SuspiciousFileOperation
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.enrichment import registry
from crmquality.enrichment.contract import Adapter
from crmquality.models import Enrichment, Source
from crmquality.services import enriching, running
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from detectors.enrichment.detector import EnrichmentDetector
from detectors.roles import Role
from review.selectors.setting_rows import given_settings, setting_rows
from review.views.common import STAFF, for_roles, number


@for_roles(*STAFF)
def index(request: HttpRequest, source_id: int) -> HttpResponse:
    """The look-ups of a source; an admin adds one."""
    source = get_object_or_404(Source, pk=source_id)
    context = {
        "source": source,
        "rows": source.enrichments.all(),
        "adapters": registry.adapters(),
        "keys": enriching.key_roles(source),
    }
    return render(request, "enrichments/index.html", context)


@for_roles(UserRole.ADMIN)
def new(request: HttpRequest, source_id: int, adapter: str) -> HttpResponse:
    """The form of an adapter; what is kept is not asked."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        kind = enriching.adapter_of(adapter)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("enrichments", source_id=source.pk)
    error = ""
    if request.method == "POST":
        try:
            made = enriching.make(
                source=source,
                name=request.POST.get("name", ""),
                adapter=adapter,
                given=_given(request, kind),
                terms=_terms(request),
                user=request.user,
            )
            messages.success(request, "Kept. Try it, then ask it for what is missing.")
            return redirect("enrichment", enrichment_id=made.pk)
        except Refused as refusal:
            error = str(refusal)
    return _form(request, source, kind, None, error)


@for_roles(UserRole.ADMIN)
def detail(request: HttpRequest, enrichment_id: int) -> HttpResponse:
    """How and for what it is asked; secrets are never shown, and stay where they are left blank."""
    found = get_object_or_404(Enrichment.objects.select_related("source"), pk=enrichment_id)
    try:
        kind = enriching.adapter_of(found.adapter)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("enrichments", source_id=found.source_id)
    error = ""
    if request.method == "POST":
        try:
            enriching.change(enrichment=found, given=_given(request, kind), terms=_terms(request))
            messages.success(request, "Saved.")
            return redirect("enrichment", enrichment_id=found.pk)
        except Refused as refusal:
            error = str(refusal)
    return _form(request, found.source, kind, found, error)


@for_roles(UserRole.ADMIN)
@require_POST
def act(request: HttpRequest, enrichment_id: int) -> HttpResponse:
    """Try it, ask all look-ups of its source in a run, or forget it: as the form's button says."""
    found = get_object_or_404(Enrichment.objects.select_related("source"), pk=enrichment_id)
    try:
        match request.POST.get("act"):
            case "test":
                messages.success(request, enriching.try_out(found))
            case "run":
                name = EnrichmentDetector.name
                return redirect(
                    "run", run_id=running.request_run(source=found.source, detector=name, user=request.user).pk
                )
            case "remove":
                enriching.remove(enrichment=found)
                messages.success(request, f"{found.name} is forgotten; what was accepted stays, with its licence.")
                return redirect("enrichments", source_id=found.source_id)
            case _:
                messages.error(request, "Choose what to do.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("enrichment", enrichment_id=found.pk)


def _given(request: HttpRequest, kind: Adapter) -> dict[str, Any]:
    """What was filled in; a file that was handed in lies in the folder then, and is the one that is asked."""
    found = given_settings(kind.settings, request.POST)
    upload = request.FILES.get("upload")
    if upload is not None and "file" in found:
        try:
            found["file"] = enriching.keep_file(name=upload.name or "", pieces=upload.chunks())
        except (SuspiciousFileOperation, OSError):
            raise Refused("The file cannot be kept under this name.") from None
    return found


def _terms(request: HttpRequest) -> dict[str, Any]:
    posted = request.POST
    return {
        "key": posted.get("key", ""),
        "fills": posted.getlist("fills"),
        "replaces": posted.get("replaces") == "1",
        "provider": posted.get("provider", ""),
        "licence": posted.get("licence", ""),
        "keep_days": number(posted.get("keep_days")) or 0,
        "most": number(posted.get("most")) or 0,
        "is_on": posted.get("is_on") == "1",
    }


def _form(request: HttpRequest, source: Source, kind: Adapter, found: Enrichment | None, error: str) -> HttpResponse:
    posted = request.method == "POST"
    shown = Enrichment(source=source) if found is None else found
    terms: Mapping[str, Any] = _terms(request) if posted else {name: getattr(shown, name) for name in _terms(request)}
    known = found.settings if found else {}
    kept = enriching.held_secrets(found) if found else set()
    roles = [role for role in dict.fromkeys(source.column_roles.values()) if role not in (Role.ID, Role.IGNORE)]
    context = {
        "source": source,
        "kind": kind,
        "enrichment": found,
        "name": request.POST.get("name", ""),
        "terms": terms,
        "keys": enriching.key_roles(source),
        "roles": roles,
        "form": setting_rows(kind.settings, known, kept, given_settings(kind.settings, request.POST) if posted else {}),
        "takes_file": any(one.name == "file" for one in kind.settings),
        "error": error,
    }
    return render(request, "enrichments/form.html", context)
