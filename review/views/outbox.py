"""The outbox: what waits to be written to connected systems, what arrived, and what waits for a person."""

from __future__ import annotations

from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Connection, OutboxEntry
from crmquality.selectors import outbox as selecting
from crmquality.services import outbox_delivering, outbox_settling
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.views.common import STAFF, for_roles, number

PAGE = 50
STATES = {
    "stuck": ("Waiting for a person", OutboxEntry.STUCK),
    "pending": ("On their way", OutboxEntry.PENDING),
    "done": ("Written", ("done",)),
    "annulled": ("Not needed", ("annulled",)),
}
SETTLE = {
    "retry": (outbox_settling.retry, "It is sent again."),
    "overwrite": (outbox_settling.overwrite, "Ours is written over what stands there."),
    "take_theirs": (outbox_settling.take_theirs, "Their value was taken; ours is not written."),
    "dismiss": (outbox_settling.dismiss, "Left as it is, on both sides."),
}


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Entries by state, the latest first."""
    state = request.GET.get("state", "")
    entries = selecting.with_names()
    asked = number(request.GET.get("connection"))
    connection = Connection.objects.filter(pk=asked).first() if asked else None
    if connection:
        entries = entries.filter(connection=connection)
    counted = selecting.counts(connection)
    counts = {name: sum(counted[one] for one in states) for name, (_, states) in STATES.items()}
    if state not in STATES:
        state = next((name for name in ("stuck", "pending") if counts[name]), "done")
    entries = entries.filter(state__in=STATES[state][1])
    before = number(request.GET.get("before"))
    if before:
        entries = entries.filter(pk__lt=before)
    found = list(entries[:PAGE])
    context = {
        "entries": selecting.views(found),
        "state": state,
        "states": [(name, label, counts[name]) for name, (label, _) in STATES.items()],
        "connection": connection,
        "connections": Connection.objects.all(),
        "before": found[-1].pk if len(found) == PAGE else None,
    }
    return render(request, "connections/outbox.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, entry_id: int) -> HttpResponse:
    """One write: what it changes, why it is not done, and what can be done about it."""
    entry = get_object_or_404(selecting.with_names(), pk=entry_id)
    return render(request, "connections/entry.html", {"view": selecting.view(entry), "entry": entry})


@for_roles(UserRole.STEWARD)
@require_POST
def calls(request: HttpRequest, entry_id: int) -> HttpResponse:
    """A dry run: the exact requests, of which none is sent. It reads the system, which counts as requests."""
    entry = get_object_or_404(selecting.with_names(), pk=entry_id)
    if not selecting.may_see_calls(entry):
        raise PermissionDenied("The requests hold values that are masked for you.")
    context = {"view": selecting.view(entry), "entry": entry}
    try:
        context["calls"] = selecting.call_lines(outbox_delivering.preview(entry))
    except Refused as refusal:
        context["refusal"] = str(refusal)
    return render(request, "connections/entry.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def settle(request: HttpRequest, entry_id: int) -> HttpResponse:
    """Settle a conflict, or a write that was not delivered."""
    entry = get_object_or_404(OutboxEntry, pk=entry_id)
    chosen = SETTLE.get(request.POST.get("action", ""))
    try:
        if chosen is None:
            raise Refused("Choose what to do.")
        settling, said = chosen
        settling(entry=entry, by=request.user)
        messages.success(request, said)
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("outbox-entry", entry_id=entry.pk)
