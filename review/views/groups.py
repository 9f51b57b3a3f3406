"""Many at once: the group of a card, one verdict for all of it, and taking that back."""

from __future__ import annotations

from django.contrib import messages
from django.http import HttpRequest, HttpResponse, HttpResponseBadRequest
from django.shortcuts import get_object_or_404, redirect, render
from django.urls import reverse
from django.views.decorators.http import require_POST

from crmquality.services import running
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from review.models import Decision, DecisionBatch
from review.selectors import groups
from review.services import batching, queue
from review.views.common import STAFF, for_roles, number

SAID = {Decision.Verdict.ACCEPT: "accepted", Decision.Verdict.REJECT: "rejected"}


@for_roles(UserRole.STEWARD)
def group(request: HttpRequest, item_id: int) -> HttpResponse:
    """All open items of the item's pattern, a random sample first."""
    item = get_object_or_404(queue.visible_items(request.user).select_related("finding", "source"), pk=item_id)
    return render(request, "groups/group.html", {"group": groups.group(item, request.user), "item": item})


@for_roles(UserRole.STEWARD)
@require_POST
def decide(request: HttpRequest, item_id: int) -> HttpResponse:
    """One verdict for the ticked items; back to the queue, or to the progress of a large group."""
    item = get_object_or_404(queue.visible_items(request.user).select_related("finding", "source"), pk=item_id)
    verdict = request.POST.get("verdict", "")
    if verdict not in SAID:
        return HttpResponseBadRequest("No such verdict.")
    # every row that was shown and is not ticked any more stays open
    shown = {found for one in request.POST.get("shown", "").split(",") if (found := number(one))}
    ticked = {found for one in request.POST.getlist("item") if (found := number(one))}
    try:
        batch = batching.decide_group(
            item=item,
            verdict=Decision.Verdict(verdict),
            user=request.user,
            without=shown - ticked,
            newest=number(request.POST.get("newest")),
            reason=request.POST.get("reason", "")[:2000],
        )
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("queue")
    if batch.is_active:
        return redirect("batch", batch_id=batch.pk)
    done = batching.outcomes(batch)
    rest = batch.size - done["decided"]
    messages.success(
        request,
        f"{done['decided']} items {SAID[Decision.Verdict(verdict)]} together."
        + (f" {rest} were not: see batch {batch.pk}." if rest else "")
        + " Undo takes all of them back.",
    )
    return redirect(f"{reverse('queue')}?source={batch.source_id}")


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """What was decided in one step, the latest first."""
    rows = DecisionBatch.objects.select_related("source", "requested_by", "undoes")
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    return render(request, "groups/batches.html", {"batches": rows[:50]})


@for_roles(*STAFF)
def detail(request: HttpRequest, batch_id: int) -> HttpResponse:
    """One batch with its progress and outcomes; polls itself while it is active."""
    found = DecisionBatch.objects.select_related("source", "requested_by", "undoes")
    batch = get_object_or_404(found, pk=batch_id)
    context = {
        "job": batch,
        "batch": batch,
        "outcomes": batching.outcomes(batch),
        "standing": batching.standing(batch),
        "troubles": groups.troubles(batch),
        "undos": batch.undone_by.all(),
    }
    template = "groups/batch_progress.html" if request.headers.get("HX-Request") else "groups/batch.html"
    return render(request, template, context)


@for_roles(UserRole.STEWARD)
@require_POST
def undo(request: HttpRequest, batch_id: int) -> HttpResponse:
    """Take a batch back as a whole."""
    batch = get_object_or_404(DecisionBatch.objects.select_related("source"), pk=batch_id)
    try:
        undone = batching.request_undo(batch=batch, user=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("batch", batch_id=batch.pk)
    return redirect("batch", batch_id=undone.pk)


@for_roles(UserRole.STEWARD)
@require_POST
def cancel(request: HttpRequest, batch_id: int) -> HttpResponse:
    """Ask a batch to stop; what it has done stays, and can be undone."""
    running.cancel(get_object_or_404(DecisionBatch, pk=batch_id))
    return redirect("batch", batch_id=batch_id)
