"""Work that a worker does: the row is the truth, the broker only a hint.

A job is written in the transaction of what caused it. A worker takes it by a conditional UPDATE with a lease and
commits its result only while it still holds that lease (`attempts` is the fencing token). The sweeper publishes
again what nobody holds, so a broker that lost everything costs seconds, not jobs.
"""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now
from django.utils import timezone

LEASE = timedelta(seconds=settings.CRMQUALITY["lease_seconds"])
RENEW_EVERY = LEASE / 3


class JobState(models.TextChoices):
    """Where a job stands."""

    QUEUED = "queued"
    RUNNING = "running"
    SUCCEEDED = "succeeded"
    FAILED = "failed"
    CANCELLED = "cancelled"


ACTIVE = (JobState.QUEUED, JobState.RUNNING)


class JobQuerySet(models.QuerySet[Any]):
    """The verbs of a job; database time throughout, so that clocks of workers do not matter.

    waits: pauses before the second, third ... attempt, the last one repeated.
    """

    max_attempts: ClassVar[int] = 4
    waits: ClassVar[tuple[timedelta, ...]] = tuple(timedelta(seconds=seconds) for seconds in (5, 10, 20))

    def active(self) -> Self:
        """Queued or running."""
        return self.filter(state__in=ACTIVE)

    def claimable(self) -> Self:
        """Queued and due, or running under a lease that has expired (its worker died)."""
        due = Q(state=JobState.QUEUED, run_after__lte=Now())
        return self.filter(due | Q(state=JobState.RUNNING, lease_until__lt=Now()))

    def claim(self, job_id: int) -> Any | None:
        """Take the job for this worker; None if another worker holds it, it is over, or not yet due."""
        taken = (
            self.claimable()
            .filter(id=job_id)
            .update(
                state=JobState.RUNNING,
                lease_until=Now() + LEASE,
                attempts=F("attempts") + 1,
                started_at=Now(),
                error="",
            )
        )
        return self.get(id=job_id) if taken else None

    def held(self, job: Job) -> Self:
        """The job while this worker still holds it: empty once another worker has taken it."""
        return self.filter(id=job.pk, state=JobState.RUNNING, attempts=job.attempts)

    def renew(self, job: Job, *, done: int, total: int, stage: str) -> bool:
        """Extend the lease and store the progress; False if the job was lost or is to be cancelled."""
        kept = self.held(job).filter(cancel_requested=False)
        return bool(
            kept.update(lease_until=Now() + LEASE, progress_done=done, progress_total=total, progress_stage=stage[:80])
        )

    def finish(self, job: Job, state: JobState, *, error: str = "") -> bool:
        """End the job in this state; False if another worker has it by now."""
        return bool(self.held(job).update(state=state, finished_at=Now(), lease_until=None, error=error[:2000]))

    def retry_or_fail(self, job: Job, error: str) -> bool:
        """Queue the job again with back-off, or fail it after `max_attempts`; True if it will be tried again."""
        if job.attempts >= self.max_attempts:
            self.finish(job, JobState.FAILED, error=error)
            return False
        wait = self.waits[min(job.attempts, len(self.waits)) - 1]
        return bool(
            self.held(job).update(state=JobState.QUEUED, run_after=Now() + wait, lease_until=None, error=error[:2000])
        )


class Job(models.Model):
    """One piece of work, visible to a person: state, progress, times, who asked, why it failed."""

    state = models.CharField(max_length=10, choices=JobState.choices, default=JobState.QUEUED)
    attempts = models.PositiveIntegerField(default=0, help_text="Fencing token: how often it was claimed.")
    run_after = models.DateTimeField(db_default=Now())
    lease_until = models.DateTimeField(null=True, editable=False)
    cancel_requested = models.BooleanField(default=False)
    progress_done = models.PositiveBigIntegerField(default=0)
    progress_total = models.PositiveBigIntegerField(default=0)
    progress_stage = models.CharField(max_length=80, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    started_at = models.DateTimeField(null=True)
    finished_at = models.DateTimeField(null=True)
    requested_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    error = models.TextField(blank=True)

    objects: ClassVar[Any] = JobQuerySet.as_manager()

    class Meta:
        abstract = True

    @property
    def is_active(self) -> bool:
        """Whether it is still to be done or being done."""
        return self.state in ACTIVE

    @property
    def seconds_left(self) -> int | None:
        """How long it will still take, by its speed so far; None before that is known."""
        if not (self.is_active and self.started_at and self.progress_total and self.progress_done):
            return None
        spent = (timezone.now() - self.started_at).total_seconds()
        return round(spent * max(0, self.progress_total - self.progress_done) / self.progress_done)

    @property
    def percent(self) -> int:
        """Progress in percent; 100 once it has succeeded."""
        if self.state == JobState.SUCCEEDED:
            return 100
        return min(99, int(100 * self.progress_done / self.progress_total)) if self.progress_total else 0
