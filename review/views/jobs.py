"""Jobs as people see them: progress, time left, a way to stop them; and the health of the installation."""

from __future__ import annotations

import shutil

from django.conf import settings
from django.contrib import messages
from django.contrib.auth.decorators import login_not_required
from django.db import connection
from django.db.migrations.executor import MigrationExecutor
from django.http import FileResponse, HttpRequest, HttpResponse, JsonResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST, require_safe

from crmquality.models import Export, Import, Job, Run
from crmquality.services import exporting_jobs, importing_quarantine, masking, running
from crmquality.services.access import UserRole
from review.selectors import jobs as selecting
from review.views.common import STAFF, View, for_roles, number

ENOUGH_DISK = 200 * 2**20
HELD = 20
"""Rows of an import that went to quarantine, shown on its page."""


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """All runs, the latest first, and the other jobs."""
    rows = Run.objects.select_related("source", "requested_by", "model_version")
    before = number(request.GET.get("before"))
    if before:
        rows = rows.filter(pk__lt=before)
    found = list(rows[:50])
    context = {"runs": found, "active": any(run.is_active for run in found)}
    if request.headers.get("HX-Request"):
        return render(request, "jobs/table.html", context)
    return render(request, "jobs/index.html", context | {"others": selecting.others()})


@for_roles(*STAFF)
@require_safe
def active(request: HttpRequest) -> HttpResponse:
    """Every job under way; the list polls itself while there is one."""
    if not request.headers.get("HX-Request"):
        return redirect("runs")
    return render(request, "jobs/active.html", {"jobs": selecting.active()})


@for_roles(*STAFF)
def detail(request: HttpRequest, run_id: int) -> HttpResponse:
    """One run with its progress; polls itself while it is active."""
    run = get_object_or_404(Run.objects.select_related("source", "model_version", "requested_by"), pk=run_id)
    template = "jobs/progress.html" if request.headers.get("HX-Request") else "jobs/detail.html"
    return render(request, template, {"job": run, "run": run})


@for_roles(*STAFF)
def import_detail(request: HttpRequest, import_id: int) -> HttpResponse:
    """One import with its progress and counts."""
    job = get_object_or_404(Import.objects.select_related("source", "requested_by"), pk=import_id)
    template = "jobs/import_progress.html" if request.headers.get("HX-Request") else "jobs/import.html"
    mask = masking.current()
    held = [
        (row.line, mask.row(job.source, row.reason), mask.row(job.source, importing_quarantine.row_text(row)[:300]))
        for row in job.quarantined.select_related("job")[:HELD]
    ]
    return render(request, template, {"job": job, "held": held})


@for_roles(UserRole.STEWARD)
@require_POST
def cancel(request: HttpRequest, run_id: int) -> HttpResponse:
    """Ask a run to stop."""
    running.cancel(get_object_or_404(Run, pk=run_id))
    return redirect("run", run_id=run_id)


@for_roles(UserRole.STEWARD)
@require_POST
def cancel_import(request: HttpRequest, import_id: int) -> HttpResponse:
    """Ask an import to stop."""
    running.cancel(get_object_or_404(Import, pk=import_id))
    return redirect("import", import_id=import_id)


def watcher(kind: type[Job]) -> View:
    """The page of one job of a kind that has none of its own: polls itself while the job is active."""

    @for_roles(*STAFF)
    def watch(request: HttpRequest, job_id: int) -> HttpResponse:
        found = selecting.row(get_object_or_404(kind, pk=job_id))
        template = "jobs/other_progress.html" if request.headers.get("HX-Request") else "jobs/other.html"
        file = exporting_jobs.file_of(found.job) if isinstance(found.job, Export) else None
        return render(request, template, {"row": found, "job": found.job, "has_file": file is not None})

    return watch


def canceller(kind: type[Job], *roles: UserRole) -> View:
    """Asks a job of this kind to stop."""

    @for_roles(*roles)
    @require_POST
    def stop(request: HttpRequest, job_id: int) -> HttpResponse:
        job = get_object_or_404(kind, pk=job_id)
        running.cancel(job)
        return redirect(selecting.row(job).page)

    return stop


@for_roles(UserRole.STEWARD)
def export_file(request: HttpRequest, job_id: int) -> HttpResponseBase:
    """The file that an export wrote; kept for a day."""
    job = get_object_or_404(Export.objects.select_related("source"), pk=job_id)
    path = exporting_jobs.file_of(job)
    if path is None:
        messages.error(request, "This file is not written yet, or was removed after a day: export again.")
        return redirect("export-job", job_id=job.pk)
    return FileResponse(path.open("rb"), as_attachment=True, filename=job.file_name)


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
