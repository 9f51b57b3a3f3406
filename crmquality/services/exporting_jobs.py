"""Exports as jobs: written by a worker with progress, kept for a day, taken when the person comes back."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

from django.conf import settings
from django.db import transaction
from django.utils import timezone

from crmquality.embedded import folder
from crmquality.models import Change, Export, JobState, Source
from crmquality.services import exporting, masking, measuring
from crmquality.services.errors import Refused
from crmquality.services.exporting_additions import Additions
from crmquality.services.leases import Lost, do_job
from crmquality.services.publishing import publish

KEPT = timedelta(days=1)


def request_export(*, source: Source, form: str, user: Any = None, scores: bool = False, fill: bool = False) -> Export:
    """Queue an export; files older than a day go. scores, fill: as `Additions`.

    Raises Refused for an unknown form or a source without columns.
    """
    if form not in Export.Form.values:
        raise Refused(f"There is no export as {form!r}: choose one of {', '.join(Export.Form.values)}.")
    if not source.columns:
        raise Refused(f"Source {source.name!r} has no columns: import a file first.")
    _remove_old()
    hide = sorted(masking.current().hidden(source))  # a worker looks for nobody, so what is masked is settled here
    with transaction.atomic():
        job = Export.objects.create(source=source, form=form, requested_by=user, hide=hide, scores=scores, fill=fill)
        publish("crmquality.tasks.execute_export", job.pk)
    return job


def execute_export(job_id: int) -> None:
    """Write a queued export, unless another worker has it. Never raises: how it ended stands in the row."""
    do_job(Export, job_id, _write)


def file_of(job: Export) -> Path | None:
    """The written file; None before it is written, after it was removed, and for who may not read all it shows."""
    path = exports() / job.path
    may_read = masking.current().hidden(job.source) <= set(job.hide)
    return path if may_read and job.path and path.is_file() else None


def exports() -> Path:
    """HOME/exports."""
    return folder(settings.HOME, "exports")


def _write(job: Export, report: Callable[..., None]) -> None:
    name = f"{job.pk}-{job.attempts}.{'csv' if job.form == Export.Form.CHANGES else job.form}"
    path = exports() / name
    try:
        rows = (
            _write_changes(job, path, report) if job.form == Export.Form.CHANGES else _write_records(job, path, report)
        )
        with transaction.atomic():
            if not Export.objects.finish(job, JobState.SUCCEEDED):
                raise Lost
            Export.objects.filter(pk=job.pk).update(path=name, rows=rows)
    except BaseException:
        path.unlink(missing_ok=True)
        raise


def _write_records(job: Export, path: Path, report: Callable[..., None]) -> int:
    total = measuring.live_records(job.source)
    report(0, total, "writing records")
    return exporting.export_file(
        job.source,
        path,
        kind=job.form,
        hide=job.hide,
        add=Additions(scores=job.scores, fill=job.fill),
        each=lambda done: report(done, total, "writing records", write=False),
    )


def _write_changes(job: Export, path: Path, report: Callable[..., None]) -> int:
    total = Change.objects.filter(change_set__source=job.source).count()
    with path.open("wb") as file:
        for place, piece in enumerate(exporting.export_changes(job.source, hide=job.hide)):
            file.write(piece)
            report(min(total, (place + 1) * exporting.CHUNK), total, "writing changes")
    return total


def _remove_old() -> None:
    for job in Export.objects.filter(finished_at__lt=timezone.now() - KEPT).exclude(path=""):
        (exports() / job.path).unlink(missing_ok=True)
        Export.objects.filter(pk=job.pk).update(path="")
