"""Jobs as people see them: runs and imports with progress, and the health of the installation."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import HttpRequest, HttpResponse, JsonResponse
from django.shortcuts import get_object_or_404, redirect, render
from django.utils import timezone
from django.views.decorators.http import require_POST

from crmquality.models import Import, Job, Run
from crmquality.services import running
from crmquality.services.access import UserRole
from review.views.common import STAFF, for_roles, number

ENOUGH_DISK = 200 * 2**20


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """All runs, the latest first."""
    rows = Run.objects.select_related("source", "requested_by", "model_version")
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows[:50])
    context = {"runs": found, "active": any(run.is_active for run in found)}
    template = "jobs/table.html" if request.headers.get("HX-Request") else "jobs/index.html"
    return render(request, template, context)


@for_roles(*STAFF)
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run with its progress; polls itself while it is active."""
    run = get_object_or_404(Run.objects.select_related("source", "model_version", "requested_by"), pk=run_id)
    template = "jobs/progress.html" if request.headers.get("HX-Request") else "jobs/detail.html"
    return render(request, template, {"job": run, "run": run, "left": seconds_left(run)})


@for_roles(*STAFF)
def import_detail(request: HttpRequest, import_id: int) -> HttpResponse:
    """One import with its progress and counts."""
    job = get_object_or_404(Import.objects.select_related("source", "requested_by"), pk=import_id)
    template = "jobs/import_progress.html" if request.headers.get("HX-Request") else "jobs/import.html"
    return render(request, template, {"job": job, "left": seconds_left(job)})


@for_roles(UserRole.STEWARD)
@require_POST
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask a run to stop."""
    running.cancel(get_object_or_404(Run, pk=run_id))
    return redirect("run", run_id=run_id)


def seconds_left(job: Job) -> int | None:
    """How long a job will still take, by its speed so far; None before it is known."""
    if not (job.is_active and job.started_at and job.progress_total and job.progress_done):
        return None
    spent = (timezone.now() - job.started_at).total_seconds()
    return round(spent * (job.progress_total - job.progress_done) / job.progress_done)


@login_not_required
def healthz(request: HttpRequest) -> HttpResponse:
    """The process answers."""
    return HttpResponse("ok", content_type="text/plain")


@login_not_required
def readyz(request: HttpRequest) -> HttpResponse:
    """The database answers, is migrated, and there is disk; 503 with what is not."""
    checks = {"database": True, "migrations": True, "disk": shutil.disk_usage(settings.HOME).free > ENOUGH_DISK}
    try:
        executor = MigrationExecutor(connection)
        checks["migrations"] = not executor.migration_plan(executor.loader.graph.leaf_nodes())
    except Exception:
        checks["database"] = checks["migrations"] = False
    return JsonResponse(checks, status=200 if all(checks.values()) else 503)
