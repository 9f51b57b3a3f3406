"""Who is told of alarms and other events, and every message with how it fared."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Delivery, Destination
from crmquality.services import access, delivering
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.selectors import destinations as selecting
from review.views.common import for_roles


@for_roles(UserRole.AUDITOR)
def index(request: HttpRequest) -> HttpResponse:
    """All destinations, the dead letters, and a form for an admin."""
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
        return _save(request, None)
    context = {
        "rows": selecting.rows(),
        "dead": selecting.dead_letters(),
        "form": _empty(),
        "events": delivering.EVENTS,
    }
    return render(request, "destinations/index.html", context)


@for_roles(UserRole.AUDITOR)
def detail(request: HttpRequest, destination_id: int) -> HttpResponse:
    """One destination with its latest messages; an admin changes it."""
    if request.method == "POST":
        access.require(request.user, UserRole.ADMIN)
    found = get_object_or_404(Destination.objects.select_related("created_by"), pk=destination_id)
    if request.method == "POST":
        return _save(request, found)
    context = {
        "destination": found,
        "form": found,
        "events": delivering.EVENTS,
        "deliveries": selecting.latest(found),
        "key": delivering.shown_key(found) if access.has_role(request.user, UserRole.ADMIN) else "",
    }
    if request.headers.get("HX-Request"):
        return render(request, "destinations/deliveries.html", context)
    return render(request, "destinations/detail.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def act(request: HttpRequest, destination_id: int) -> HttpResponse:
    """Send a test, change the key, or remove it with its messages, as the form's button says."""
    found = get_object_or_404(Destination, pk=destination_id)
    wanted = request.POST.get("act")
    if wanted == "test":
        delivering.send_test(found)
        messages.success(request, "A test is on its way; the list below says how it fares.")
    elif wanted == "key":
        delivering.change_key(found)
        messages.success(request, "A new key signs from now on; the old one signs beside it for a day.")
    elif wanted == "remove":
        found.delete()
        messages.success(request, f"{found.name} is told nothing any more.")
        return redirect("destinations")
    return redirect("destination", destination_id=destination_id)


@for_roles(UserRole.ADMIN)
@require_POST
def replay(request: HttpRequest, delivery_id: int) -> HttpResponse:
    """Send a message again."""
    delivery = get_object_or_404(Delivery, pk=delivery_id)
    try:
        delivering.replay(delivery)
        messages.success(request, "It is on its way again.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("destination", destination_id=delivery.destination_id)


def _save(request: HttpRequest, destination: Destination | None) -> HttpResponse:
    given = request.POST
    try:
        saved = delivering.save_destination(
            name=given.get("name", ""),
            kind=given.get("kind", ""),
            target=given.get("target", "")[:500],
            events=given.getlist("events"),
            enabled=bool(given.get("enabled")) or destination is None,
            allow_private=bool(given.get("allow_private")),
            user=request.user,
            destination=destination,
        )
    except Refused as refusal:
        context: dict[str, Any] = {"events": delivering.EVENTS, "refused": str(refusal), "destination": destination}
        context["form"] = {name: given.get(name, "") for name in ("name", "kind", "target", "enabled", "allow_private")}
        context["form"]["events"] = given.getlist("events")
        return render(request, "destinations/again.html", context, status=400)
    messages.success(request, "Saved." if destination else "Added. Send a test to see whether it is reached.")
    return redirect("destination", destination_id=saved.pk)


def _empty() -> Destination:
    return Destination(kind=Destination.Kind.WEBHOOK, events=[name for name in delivering.EVENTS if name != "test"])
