"""Sources: bringing a file in, saying what its columns mean, looking, taking the corrected records out."""

from __future__ import annotations

import shutil
import tempfile
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.contrib import messages
from django.core.exceptions import PermissionDenied
from django.http import FileResponse, Http404, HttpRequest, HttpResponse
from django.http.response import HttpResponseBase
from django.shortcuts import get_object_or_404, redirect, render
from django.views.decorators.http import require_POST

from crmquality.models import Export, Import, Kind, Record, Run, Source
from crmquality.selectors.naming import title
from crmquality.services import (
    exporting,
    exporting_jobs,
    importing,
    importing_quarantine,
    masking,
    measuring,
    running,
    sensitive,
    sisters,
    validating,
)
from crmquality.services.access import UserRole, has_role
from crmquality.services.errors import Refused
from crmquality.services.importing_uploads import keep_upload, uploads
from crmquality.services.mapping_columns import confirm_roles
from detectors import registry
from detectors.roles import Role
from detectors.rules.kinds import Rule, Severity
from review.selectors import figures, overview
from review.views.common import STAFF, attachment, for_roles, number

PENDING = "pending_upload"
INTERVALS = {0: "by hand only", 1: "every hour", 24: "every day", 168: "every week"}


@for_roles(*STAFF)
def index(request: HttpRequest) -> HttpResponse:
    """Every source."""
    return render(request, "sources/index.html", {"cards": overview.source_cards()})


@for_roles(UserRole.STEWARD)
def upload(request: HttpRequest) -> HttpResponse:
    """Step one of an import: the file. It is kept, looked at, and shown before anything is stored."""
    context: dict[str, Any] = {"sources": Source.objects.all()}
    if request.method == "POST":
        file = request.FILES.get("file")
        try:
            if file is None:
                raise Refused("Choose a file first.")
            kept = keep_upload(file)
            named = request.POST.get("source", "").strip()[:120] or Path(kept.name).stem[:120]
            request.session[PENDING] = {"path": str(kept.path), "name": kept.name, "source": named}
            importing.preview(kept.path)
            return redirect("map-columns")
        except Refused as refusal:
            context["error"] = str(refusal)
    return render(request, "sources/upload.html", context)


@for_roles(UserRole.STEWARD)
def map_columns(request: HttpRequest) -> HttpResponse:
    """Step two: what was detected, what each column seems to mean; a person confirms, and the import starts."""
    pending = request.session.get(PENDING)
    if not pending or not Path(pending["path"]).is_file():
        messages.error(request, "Choose the file again: it is no longer kept.")
        return redirect("upload")
    known = Source.objects.filter(name=pending["source"]).first()
    error = ""
    if request.method == "POST":
        try:
            job = _import(request, pending)
            del request.session[PENDING]
            return redirect("import", import_id=job.pk)
        except Refused as refusal:
            error = str(refusal)
    try:
        seen = importing.preview(pending["path"], kind=known.kind if known else "")
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("upload")
    context = {
        "pending": pending,
        "preview": seen,
        "columns": _column_rows(seen, known),
        "roles": sorted(Role, key=lambda role: role.label),
        "kinds": Kind.choices,
        "known": known,
        "blocking": _blocking(known) if known else [],
        "error": error,
    }
    return render(request, "sources/map.html", context)


@for_roles(*STAFF)
def detail(request: HttpRequest, source_id: int) -> HttpResponse:
    """One source: its metrics, what each detector found, its imports and runs, and the ways out."""
    source = get_object_or_404(Source, pk=source_id)
    counted, _ = figures.of_source(source)
    records = Record.objects.select_related("source").in_bulk([record for record, _ in counted["worst"]])
    records_count = overview.records(source)
    context = {
        "source": source,
        "intervals": INTERVALS.items(),
        "hours": int(source.run_every.total_seconds() // 3600) if source.run_every else 0,
        "is_admin": has_role(request.user, UserRole.ADMIN),
        "metrics": overview.metric_rows(source),
        "score": measuring.latest(source).get("quality score"),
        "trend": overview.history(source, "quality score"),
        "detectors": overview.detector_rows(source, list(registry.available()), counted),
        "imports": Import.objects.filter(source=source)[:5],
        "runs": Run.objects.filter(source=source).select_related("source", "requested_by")[:8],
        "active": Run.objects.active().filter(source=source).exists(),
        "quarantined": importing_quarantine.quarantined(source).count(),
        "records": records_count,
        "is_large": records_count > measuring.LARGE,
        "forms": Export.Form.choices,
        "segment_columns": measuring.segment_columns(source),
        "sisters": sisters.sisters(source),
        "sensitive": sensitive.sensitive_columns(source),
        "worst": [
            {"record": records[record], "title": title(records[record]), "claims": claims}
            for record, claims in counted["worst"]
            if record in records
        ],
    }
    return render(request, "sources/detail.html", context)


@for_roles(UserRole.STEWARD)
def columns(request: HttpRequest, source_id: int) -> HttpResponse:
    """What each column of a source means; a person's word counts from now on."""
    source = get_object_or_404(Source, pk=source_id)
    if request.method == "POST":
        try:
            confirm_roles(source, _roles(request), request.user)
            messages.success(request, "Saved; the next run uses it.")
            return redirect("source", source_id=source.pk)
        except Refused as refusal:
            messages.error(request, str(refusal))
    rows = [
        (name, source.roles.get(name, Role.IGNORE.value), source.role_guesses.get(name, {})) for name in source.columns
    ]
    context = {"source": source, "columns": rows, "roles": sorted(Role, key=lambda role: role.label)}
    return render(request, "sources/columns.html", context)


@for_roles(UserRole.STEWARD)
@require_POST
def run(request: HttpRequest, source_id: int) -> HttpResponse:
    """Start one detector, or all; for what changed, if asked, where a detector can go on from its latest run."""
    source = get_object_or_404(Source, pk=source_id)
    named = request.POST.get("detector", "")
    asked: dict[str, Any] = {
        "source": source,
        "user": request.user,
        "only_changes": request.POST.get("only_changes") == "1",
    }
    try:
        if named:
            running.request_run(detector=named, **asked)
        else:
            running.request_all(**asked)
        messages.success(request, "Queued. Progress shows below; you can go on working.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("runs")


@for_roles(UserRole.ADMIN)
@require_POST
def schedule(request: HttpRequest, source_id: int) -> HttpResponse:
    """How often all detectors run by themselves."""
    source = get_object_or_404(Source, pk=source_id)
    hours = number(request.POST.get("hours"))
    if hours is None or hours not in INTERVALS:
        messages.error(request, "Choose one of the intervals.")
    else:
        source.run_every = timedelta(hours=hours) if hours else None
        source.save(update_fields=["run_every"])
        messages.success(request, f"All detectors run {INTERVALS[hours]}.")
    return redirect("source", source_id=source.pk)


@for_roles(UserRole.STEWARD)
@require_POST
def request_export(request: HttpRequest, source_id: int) -> HttpResponse:
    """Have a file written by a worker; its page says when it can be taken."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        job = exporting_jobs.request_export(
            source=source,
            form=request.POST.get("form", ""),
            user=request.user,
            scores="scores" in request.POST,
            fill="fill" in request.POST,
        )
        return redirect("export-job", job_id=job.pk)
    except Refused as refusal:
        messages.error(request, str(refusal))
        return redirect("source", source_id=source.pk)


@for_roles(UserRole.STEWARD)
@require_POST
def measure(request: HttpRequest, source_id: int) -> HttpResponse:
    """Measure a source anew."""
    source = get_object_or_404(Source, pk=source_id)
    return redirect("measurement", job_id=measuring.request_measurement(source=source, user=request.user).pk)


@for_roles(UserRole.ADMIN)
@require_POST
def segment_column(request: HttpRequest, source_id: int) -> HttpResponse:
    """By which column's values the metrics are kept too."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        column = request.POST.get("column", "")
        job = measuring.set_segment_column(source=source, column=column, user=request.user)
        messages.success(request, f"Segments by {column}; measured at once." if job else "No segments from now on.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("source", source_id=source.pk)


@for_roles(UserRole.ADMIN)
@require_POST
def declare_deduplicated(request: HttpRequest, source_id: int) -> HttpResponse:
    """Whether a source holds nobody twice."""
    source = get_object_or_404(Source, pk=source_id)
    sisters.declare_deduplicated(source=source, deduplicated=request.POST.get("deduplicated") == "1")
    said = "No duplicates are looked for within it" if source.deduplicated else "Duplicates are looked for within it"
    messages.success(request, f"{said} from the next run on.")
    return redirect("source", source_id=source.pk)


@for_roles(UserRole.STEWARD)
def quarantine(request: HttpRequest, source_id: int) -> HttpResponse:
    """The rows that could not become records; mended ones can be handed in again."""
    source = get_object_or_404(Source, pk=source_id)
    rows = importing_quarantine.quarantined(source)
    if request.method == "POST":
        try:
            return redirect("import", import_id=_reimport(request, source).pk)
        except Refused as refusal:
            messages.error(request, str(refusal))
    mask = masking.current()
    shown = [
        (mask.row(source, row.reason), row, mask.row(source, importing_quarantine.row_text(row)[:300]))
        for row in rows[:200]
    ]
    return render(request, "sources/quarantine.html", {"source": source, "rows": shown, "count": rows.count()})


@for_roles(UserRole.STEWARD)
def quarantine_file(request: HttpRequest, source_id: int) -> HttpResponseBase:
    """The quarantined rows as CSV: number, line, reason and the row as it stood; not for whom values are masked."""
    source = get_object_or_404(Source, pk=source_id)
    if masking.current().hidden(source):
        raise PermissionDenied("The rows hold values that are masked for you.")
    rows = importing_quarantine.quarantined(source)
    return attachment(importing_quarantine.quarantine_csv(rows), f"quarantine of {source.name}.csv")


@for_roles(UserRole.STEWARD)
def export(request: HttpRequest, source_id: int, form: str) -> HttpResponseBase:
    """The corrected records in the columns of the source, or the log of all changes."""
    source = get_object_or_404(Source, pk=source_id)
    hide = masking.current().hidden(source)
    if form == "changes":
        return attachment(exporting.export_changes(source, hide=hide), f"changes of {source.name}.csv")
    if form == "csv":
        return attachment(exporting.export_csv(source, hide=hide), f"{source.name}.csv")
    if form not in exporting.FORMATS:
        raise Http404
    file = tempfile.TemporaryFile(dir=settings.FILE_UPLOAD_TEMP_DIR)  # noqa: SIM115 - the response closes it
    with tempfile.TemporaryDirectory(dir=settings.FILE_UPLOAD_TEMP_DIR) as folder:
        path = Path(folder) / f"records.{form}"
        exporting.export_file(source, path, kind=form, hide=hide)
        with path.open("rb") as written:
            shutil.copyfileobj(written, file)
    file.seek(0)
    return FileResponse(file, as_attachment=True, filename=f"{source.name}.{form}")


@for_roles(UserRole.ADMIN)
@require_POST
def allow_sensitive(request: HttpRequest, source_id: int) -> HttpResponse:
    """Which sensitive columns detectors may fill blanks of."""
    source = get_object_or_404(Source, pk=source_id)
    try:
        sensitive.allow(source=source, columns=request.POST.getlist("column"))
        messages.success(request, "Saved: it holds from the next run and export on.")
    except Refused as refusal:
        messages.error(request, str(refusal))
    return redirect("source", source_id=source.pk)


def _reimport(request: HttpRequest, source: Source) -> Import:
    file = request.FILES.get("file")
    if file is None:
        raise Refused("Choose the file of mended rows first.")
    kept = keep_upload(file)
    try:
        return importing_quarantine.reimport_quarantined(source=source, file=kept.path, user=request.user)
    finally:
        kept.path.unlink(missing_ok=True)


def _import(request: HttpRequest, pending: dict[str, str]) -> Import:
    source = importing.get_source(
        name=pending["source"],
        kind=request.POST.get("kind", ""),
        system=request.POST.get("system", "").strip()[:120],
        file=pending["path"],
        user=request.user,
    )
    job = importing.request_import(
        source=source,
        file=pending["path"],
        file_name=pending["name"],
        user=request.user,
        roles=_roles(request),
        dry_run=request.POST.get("dry_run") == "1",
        complete=request.POST.get("complete") == "1",
        run_after_import=request.POST.get("run") == "1",
        gated=request.POST.get("ungated") != "1",
    )
    kept = Path(pending["path"])
    if kept.parent == uploads():
        kept.unlink(missing_ok=True)  # the job keeps a copy of its own
    return job


def _roles(request: HttpRequest) -> dict[str, str]:
    names = (name for name in request.POST if name.startswith("role:"))
    return {name.removeprefix("role:"): str(request.POST[name]) for name in names}


def _blocking(source: Source) -> list[Rule]:
    return [rule for rule in validating.readable_rules(source) if rule.severity == Severity.BLOCKING]


def _column_rows(seen: importing.Preview, known: Source | None) -> list[dict[str, Any]]:
    rows = []
    for position, name in enumerate(seen.description.columns):
        guess = seen.guesses[name]
        confirmed = known.roles.get(name) if known and known.roles_confirmed else None
        values = [row[position] for row in seen.rows if row[position]][:3]
        rows.append({"name": name, "guess": guess, "role": confirmed or guess.role.value, "values": values})
    return rows
