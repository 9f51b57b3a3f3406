"""Jobs of every kind as rows: what is done, how far it is, where it is watched and stopped."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from django.urls import reverse

from crmquality.models import (
    BakeOff,
    Export,
    Import,
    Job,
    Measurement,
    PredictionTraining,
    Profile,
    Run,
    Scoring,
    SeriesUpdate,
    Training,
    Undoing,
)
from review.models import DecisionBatch

KINDS: dict[type[Job], tuple[str, str, str]] = {
    Import: ("import", "import", "cancel-import"),
    Run: ("run", "run", "cancel-run"),
    Training: ("training", "training", "cancel-training"),
    Measurement: ("measurement", "measurement", "cancel-measurement"),
    Export: ("export", "export-job", "cancel-export"),
    Profile: ("profile", "profile-job", "cancel-profile"),
    PredictionTraining: ("search", "prediction-training", "cancel-prediction-training"),
    Scoring: ("scoring", "scoring", "cancel-scoring"),
    Undoing: ("undoing", "undoing", "cancel-undoing"),
    BakeOff: ("bake-off", "bake-off", "cancel-bake-off"),
    SeriesUpdate: ("series update", "series-update", "cancel-series-update"),
    DecisionBatch: ("batch", "batch", "cancel-batch"),
}
"""Kind of job -> the word for it, the page that shows it, the address that stops it."""

AT_MOST = 25


@dataclass(frozen=True)
class JobRow:
    """One job as a list shows it."""

    job: Job
    kind: str
    about: str
    page: str
    cancel: str


def active() -> list[JobRow]:
    """Every job under way, of any kind, the latest asked first."""
    return _rows(job for kind in KINDS for job in _with_names(kind).active())


def others(limit: int = AT_MOST) -> list[JobRow]:
    """The latest jobs, over or not, of the kinds that have no list of their own."""
    kinds = [kind for kind in KINDS if kind not in (Run, DecisionBatch)]
    found = (job for kind in kinds for job in _with_names(kind).order_by("-id")[:limit])
    return _rows(found)[:limit]


def row(job: Job) -> JobRow:
    """One job as a row."""
    kind, page, cancel = KINDS[type(job)]
    name = next(
        (str(getattr(job, part)) for part in ("title", "file_name", "detector", "kind", "about") if hasattr(job, part)),
        "",
    )
    source = getattr(job, "source", None)
    about = name if not source or isinstance(job, Export) else f"{name} on {source}" if name else str(source)
    return JobRow(job, kind, about, reverse(page, args=[job.pk]), reverse(cancel, args=[job.pk]))


def _with_names(kind: type[Job]) -> Any:
    names = {field.name for field in kind._meta.get_fields()} & {"source", "requested_by", "prediction"}
    return kind.objects.select_related(*sorted(names))


def _rows(jobs: Iterable[Job]) -> list[JobRow]:
    return [row(job) for job in sorted(jobs, key=lambda job: job.created_at, reverse=True)]
