"""Changes and how they are put back: one with a look at what was edited since, many, or all that came of a run."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db.models import Count, Prefetch, QuerySet
from django.http import HttpRequest, HttpResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Change, ChangeSet, Run
from crmquality.services import access, masking, undoing
from crmquality.services.access import UserRole
from crmquality.services.errors import Refused
from crmquality.services.undoing import Take
from review.models import Decision
from review.selectors import changing
from review.services import deciding
from review.views.common import STAFF, for_roles, number

PAGE, SHOWN = 50, 6


@for_roles(*STAFF)
def changes(request: HttpRequest) -> HttpResponse:
    """Every change set, the latest first; ?automatic=1 shows those that no person made: by policy or by an import."""
    automatic = request.GET.get("automatic") == "1"
    rows = changing.change_sets(automatic=automatic).select_related("source", "by", "undone_by")
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    shown = Change.objects.select_related("record__source").order_by("id")[:SHOWN]
    rows = rows.annotate(size=Count("changes")).prefetch_related(Prefetch("changes", shown, to_attr="first_changes"))
    found = list(rows.order_by("-pk")[: PAGE + 1])  # said again: counting forgets the order
    mask = masking.current()
    context = {
        "change_sets": [(row, mask.changes(getattr(row, "first_changes", []))) for row in found[:PAGE]],
        "before": found[PAGE - 1].pk if len(found) > PAGE else None,
        "automatic": automatic,
        "days": undoing.undo_days(),
        "is_admin": access.has_role(request.user, UserRole.ADMIN),
    }
    return render(request, "records/changes.html", context)


@for_roles(UserRole.STEWARD)
def undo_change_set(request: HttpRequest, change_set_id: int) -> HttpResponse:
    """Undo a change set, with its decision if one made it; where values were edited since, a person chooses first."""
    change_set = get_object_or_404(ChangeSet, pk=change_set_id)
    return _undo(request, change_set, None, back="changes")


@for_roles(UserRole.STEWARD, UserRole.SALES)
def undo_decision(request: HttpRequest, decision_id: int) -> HttpResponse:
    """Take a decision back: a sales person their own, a steward anyone's."""
    rows = Decision.objects.select_related("change_set")
    if not access.has_role(request.user, UserRole.STEWARD):
        rows = rows.filter(by=request.user.pk)
    decision = rows.get(pk=get_object_or_404(rows, pk=decision_id).answer_id)
    return _undo(request, decision.change_set, decision, back="decisions")


@for_roles(UserRole.STEWARD)
@require_POST
def undo_ticked(request: HttpRequest) -> HttpResponse:
    """Undo several change sets: at once, or by a worker where they are large."""
    wanted = [one for one in map(number, request.POST.getlist("change_set")) if one]
    return _undo_many(request, ChangeSet.objects.filter(pk__in=wanted), f"{len(wanted)} ticked changes", "changes")


@for_roles(UserRole.STEWARD)
def undo_run(request: HttpRequest, run_id: int) -> HttpResponse:
    """Undo everything that came of a run's findings: asked for, then done."""
    run = get_object_or_404(Run.objects.select_related("source"), pk=run_id)
    rows = ChangeSet.objects.filter(run=run)
    if request.method == "POST":
        return _undo_many(request, rows, f"run {run.pk}: {run.detector} on {run.source.name}", "changes")
    standing = undoing.standing(rows)
    context = {
        "run": run,
        "sets": standing.count(),
        "values": Change.objects.filter(change_set__in=standing).count(),
        "records": Change.objects.filter(change_set__in=standing).values("record").distinct().count(),
        "automatic": standing.filter(by__isnull=True).count(),
    }
    return render(request, "records/undo_run.html", context)


@for_roles(UserRole.ADMIN)
@require_POST
def undo_period(request: HttpRequest) -> HttpResponse:
    """Set for how many days changes can be undone."""
    try:
        period = undoing.set_undo_days(days=number(request.POST.get("days")) or 0, user=request.user)
        messages.success(request, f"Changes can be undone for {period.days} days.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("changes")


def _undo(request: HttpRequest, change_set: ChangeSet | None, decision: Decision | None, *, back: str) -> HttpResponse:
    take = _taken(request)
    if request.method != "POST" and change_set is None:
        return redirect(back)  # nothing was written: there is nothing to look at first
    if change_set:
        preview = undoing.preview(change_set)
        waits = preview.edited and not preview.refusal
        if request.method != "POST" or (waits and not take):
            context = changing.shown_preview(preview) | {"change_set": change_set, "back": back}
            return render(request, "records/undo.html", context)
    try:
        undone = None
        if decision:
            undone = deciding.undo_decision(decision=decision, user=request.user, take=take)
        elif change_set:
            undone = undoing.undo_with_cause(change_set=change_set, by=request.user, take=take)
        kept = len(undone.kept) if undone else 0
        messages.success(request, "Undone." + (f" {_counted(kept, 'value')} stay as they are now." if kept else ""))
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect(back)


def _undo_many(request: HttpRequest, rows: QuerySet[ChangeSet], title: str, back: str) -> HttpResponse:
    standing = undoing.standing(rows)
    try:
        if Change.objects.filter(change_set__in=standing)[: undoing.AT_ONCE + 1].count() > undoing.AT_ONCE:
            job = undoing.request_undoing(
                change_sets=list(standing.values_list("pk", flat=True)), title=title, by=request.user
            )
            return redirect("undoing", job_id=job.pk)
        done = undoing.undo_many(standing, by=request.user)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect(back)
    said = f"{_counted(done.undone, 'change')} undone, {_counted(done.restored, 'value')} put back."
    if done.kept:
        said += f" {_counted(len(done.kept), 'value')} edited since stay."
    messages.success(request, said)
    for change_set, why in done.refused[:5]:
        messages.error(request, f"Change {change_set.pk} was not undone: {why}")
    return redirect(back)


def _taken(request: HttpRequest) -> dict[int, Take]:
    """Change id -> the value a person chose, from fields named "take:ID"."""
    found: dict[int, Take] = {}
    given: Any = request.POST if request.method == "POST" else {}
    for name, value in given.items():
        change = number(name.removeprefix("take:")) if name.startswith("take:") else None
        if change and value in list(Take):
            found[change] = Take(value)
    return found


def _counted(count: int, thing: str) -> str:
    return f"{count} {thing}" if count == 1 else f"{count} {thing}s"
