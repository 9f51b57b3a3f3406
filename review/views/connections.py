"""Connected systems: how they are reached, what of them is pulled and written back, how much they may be asked."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from django.contrib import messages
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.connectors import registry
from crmquality.models import Connection, Feed, Kind
from crmquality.selectors import outbox
from crmquality.services import connections, pulling
from crmquality.services.access import UserRole, has_role
from crmquality.services.errors import Refused
from review.selectors import connections as selecting
from review.selectors.setting_rows import given_settings
from review.views.common import STAFF, for_roles, number

GRACES = {0: "at once", 1: "after a minute", 10: "after 10 minutes", 60: "after an hour", 1440: "after a day"}
INTERVALS = {0: "by hand only", 5: "every 5 minutes", 60: "every hour", 1440: "every day", 10_080: "every week"}


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Every connected system."""
    rows = [selecting.row(connection) for connection in Connection.objects.all()]
    return render(request, "connections/index.html", {"rows": rows, "connectors": registry.systems()})


@for_roles(UserRole.ADMIN)
def new(request: HttpRequest, connector: str) -> HttpResponse:
    """The form of a connector; what is kept is not tried."""
    try:
        kind = connections.connector_of(connector)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("connections")
    error, given = "", given_settings(kind.settings, request.POST) if request.method == "POST" else {}
    if request.method == "POST":
        try:
            made = connections.make(
                name=request.POST.get("name", ""),
                connector=connector,
                given=given,
                user=request.user,
                **_limits(request),
            )
            messages.success(request, "Kept. Try it, then choose what is pulled.")
            return redirect("connection", connection_id=made.pk)
        except Refused as refusal:
            error = str(refusal)
    context = {
        "connector": kind,
        "form": selecting.form(kind, None, given),
        "error": error,
        "graces": GRACES.items(),
        "grace": number(request.POST.get("grace", "1")),
        "name": request.POST.get("name", ""),
    }
    return render(request, "connections/form.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, connection_id: int) -> HttpResponse:
    """One system: whether it answers, what is pulled, what waits to be written, how much it was asked today."""
    connection = get_object_or_404(Connection, pk=connection_id)
    usage = connection.usage.order_by("-day")[:14]
    stuck = outbox.with_names().filter(connection=connection, state__in=["conflict", "dead"])[:20]
    context = {
        "row": selecting.row(connection),
        "connection": connection,
        "feeds": selecting.feeds(connection),
        "usage": list(usage),
        "stuck": outbox.views(stuck),
        "intervals": INTERVALS.items(),
        "pull_every": _minutes(connection.pull_every),
        "full_every": _minutes(connection.full_every),
        "is_admin": has_role(request.user, UserRole.ADMIN),
    }
    return render(request, "connections/detail.html", context)


@for_roles(UserRole.ADMIN)
def settings(request: HttpRequest, connection_id: int) -> HttpResponse:
    """How it is reached; secrets are never shown, and stay where they are left blank."""
    connection = get_object_or_404(Connection, pk=connection_id)
    try:
        kind = connections.connector_of(connection.connector)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("connection", connection_id=connection.pk)
    error, given = "", given_settings(kind.settings, request.POST) if request.method == "POST" else {}
    if request.method == "POST":
        try:
            connections.change(connection=connection, given=given, **_limits(request))
            messages.success(request, "Saved.")
            return redirect("connection", connection_id=connection.pk)
        except Refused as refusal:
            error = str(refusal)
    context = {
        "connection": connection,
        "connector": kind,
        "form": selecting.form(kind, connection, given),
        "error": error,
        "graces": GRACES.items(),
        "grace": int(connection.grace.total_seconds() // 60),
        "name": connection.name,
    }
    return render(request, "connections/form.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def act(request: HttpRequest, connection_id: int) -> HttpResponse:
    """Try it, pause or resume it, look what it holds, or forget it: as the form's button says."""
    connection = get_object_or_404(Connection, pk=connection_id)
    try:
        match request.POST.get("act"):
            case "test":
                messages.success(request, connections.try_out(connection))
            case "pause":
                connections.pause(connection=connection, why=f"paused by {request.user}")
            case "resume":
                connections.resume(connection=connection)
            case "remove":
                connections.remove(connection=connection)
                messages.success(request, f"{connection.name} is forgotten; its sources and records stay.")
                return redirect("connections")
            case "objects":
                known = set(connection.feeds.values_list("name", flat=True))
                objects = [one for one in connections.describe(connection) if one.name not in known]
                context = {"connection": connection, "objects": objects, "kinds": Kind.choices}
                return render(request, "connections/objects.html", context)
            case _:
                messages.error(request, "Choose what to do.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("connection", connection_id=connection.pk)


@for_roles(UserRole.ADMIN)
@require_POST
def schedule(request: HttpRequest, connection_id: int) -> HttpResponse:
    """How often it is pulled by itself."""
    connection = get_object_or_404(Connection, pk=connection_id)
    chosen = {name: number(request.POST.get(name)) for name in ("pull_every", "full_every")}
    if not set(chosen.values()) <= set(INTERVALS):
        messages.error(request, "Choose one of the intervals.")
    else:
        every = {name: timedelta(minutes=minutes) if minutes else None for name, minutes in chosen.items()}
        connections.schedule(connection=connection, **every)
        messages.success(request, "Saved.")
    return redirect("connection", connection_id=connection.pk)


@for_roles(UserRole.ADMIN)
@require_POST
def add_feed(request: HttpRequest, connection_id: int) -> HttpResponse:
    """Make a source of an object; what its columns mean is confirmed next."""
    connection = get_object_or_404(Connection, pk=connection_id)
    try:
        feed = pulling.add_feed(
            connection=connection,
            name=request.POST.get("object", ""),
            source_name=request.POST.get("source", ""),
            kind=request.POST.get("kind", ""),
            user=request.user,
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("connection", connection_id=connection.pk)
    messages.success(request, "Confirm what the columns mean; then pull.")
    return redirect("columns", source_id=feed.source_id)


@for_roles(UserRole.STEWARD)
@require_POST
def pull(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Pull what changed, or everything; the job's page shows how far it is."""
    feed = get_object_or_404(Feed.objects.select_related("connection", "source"), pk=feed_id)
    try:
        job = pulling.request_pull(
            feed=feed,
            full=request.POST.get("full") == "1",
            run_after=request.POST.get("run") == "1",
            user=request.user,
        )
        return redirect("import", import_id=job.pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("connection", connection_id=feed.connection_id)


@for_roles(UserRole.ADMIN)
@require_POST
def write_back(request: HttpRequest, feed_id: int) -> HttpResponse:
    """Whether corrections of this source are written to the system."""
    feed = get_object_or_404(Feed.objects.select_related("connection"), pk=feed_id)
    try:
        pulling.set_write_back(feed=feed, write_back=request.POST.get("write_back") == "1")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("connection", connection_id=feed.connection_id)


def _limits(request: HttpRequest) -> dict[str, Any]:
    grace, calls = number(request.POST.get("grace")), request.POST.get("daily_calls", "").strip()
    if grace not in GRACES:
        raise Refused("Choose when writes leave.")
    if calls and number(calls) is None:
        raise Refused("Requests a day: a whole number, or nothing for any number.")
    return {"grace": timedelta(minutes=grace or 0), "daily_calls": number(calls)}


def _minutes(interval: timedelta | None) -> int:
    return int(interval.total_seconds() // 60) if interval else 0
