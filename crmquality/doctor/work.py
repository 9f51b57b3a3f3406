"""What lies in the database and should not: jobs nobody holds, letters nobody got, models nobody can read."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta

from django.contrib.auth.models import User
from django.db.models import Q
from django.db.models.functions import Now
from django.utils import timezone

from crmquality.doctor.checking import Check, Finding, fail, ok, warn
from crmquality.models import Connection, Delivery, Destination, JobState, ModelVersion, OutboxEntry
from crmquality.services import model_files, running
from crmquality.services.access import UserRole
from detectors.contract import ModelFileError

LEFT_FOR = timedelta(minutes=1)
"""After its lease a job is picked up within seconds; one that is left for so long is stuck."""

WAITED_FOR = timedelta(minutes=10)
NAMED = 3
_NEEDS = ("database", "migrations")


def checks() -> Iterator[Check]:
    """All of them, in order."""
    yield Check("people", people, needs=_NEEDS)
    yield Check("jobs", jobs, needs=_NEEDS)
    yield Check("outbox", outbox, needs=_NEEDS)
    yield Check("connections", connections, needs=_NEEDS)
    yield Check("webhooks", webhooks, needs=_NEEDS)
    yield Check("model files", models, needs=_NEEDS)


def people() -> Finding:
    """Whether an admin can sign in."""
    may = Q(groups__name=UserRole.ADMIN.value) | Q(is_superuser=True)
    able = [user for user in User.objects.filter(may, is_active=True).distinct() if user.has_usable_password()]
    if not able:
        return warn("No admin can sign in to the pages.", "manage.py adduser NAME --role admin")
    return ok(f"{len(able)} admin{'s' if len(able) != 1 else ''} can sign in")


def jobs() -> Finding:
    """Jobs whose worker died and that nobody took up, and jobs that wait for a worker."""
    left, waiting = [], []
    for kind in running.kinds_of_jobs():
        name = kind._meta.verbose_name
        held = kind.objects.filter(state=JobState.RUNNING)
        left += [
            f"{name} {pk}" for pk in held.filter(lease_until__lt=Now() - LEFT_FOR).values_list("pk", flat=True)[:20]
        ]
        queued = kind.objects.filter(state=JobState.QUEUED, run_after__lt=Now() - WAITED_FOR)
        waiting += [f"{name} {pk}" for pk in queued.values_list("pk", flat=True)[:20]]
    if left:
        return fail(
            f"{_some(left)}: the worker died, the lease has expired, and no other worker took it up.",
            "crmquality serve",
        )
    if waiting:
        return warn(f"{_some(waiting)} waited for more than ten minutes.", "crmquality serve   (--workers 4 for more)")
    return ok("none is stuck")


def outbox() -> Finding:
    """Corrections that did not reach a connected system."""
    stuck = OutboxEntry.objects.filter(state__in=OutboxEntry.STUCK)
    dead = stuck.filter(state=OutboxEntry.State.DEAD).count()
    conflicts = stuck.count() - dead
    if not (dead or conflicts):
        return ok("nothing is stuck")
    return warn(
        f"{dead} corrections were not delivered, {conflicts} conflict with a change made there.",
        "Settle them on the page /outbox/?state=stuck",
    )


def connections() -> Finding:
    """Connected systems that we stopped asking."""
    paused = [f"{one.name} ({one.paused_because})" for one in Connection.objects.exclude(paused_because="")]
    if paused:
        return warn(f"Paused: {_some(paused)}.", "Mend the login on the page /connections/")
    return ok(f"{Connection.objects.count()} in use")


def webhooks() -> Finding:
    """Messages given up, and destinations that are left alone for a while."""
    dead = Delivery.objects.filter(state=JobState.FAILED, replayed_by=None).count()
    paused = [one.name for one in Destination.objects.filter(paused_until__gt=timezone.now())]
    if not dead and not paused:
        return ok("nothing was given up")
    said = [f"{dead} messages were given up"] if dead else []
    said += [f"{_some(paused)} failed so often that it is left alone for now"] if paused else []
    return warn(f"{'; '.join(said)}.", "Send them again on the page /destinations/")


def models() -> Finding:
    """Whether the files of every version that serves are there, and those that were written."""
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).select_related("source")
    damaged = []
    for version in active:
        try:
            model_files.verified(version.directory, version.sha256)
        except ModelFileError:
            damaged.append(version)
    if not damaged:
        return ok(f"{len(active)} serve, and are whole")
    first = damaged[0]
    names = _some([f"{one.source.name}: {one.detector} v{one.number}" for one in damaged])
    return fail(
        f"{names}: files are absent or were changed since they were written.",
        f"crmquality models rollback {first.source.name!r} {first.detector}",
    )


def _some(names: list[str]) -> str:
    more = len(names) - NAMED
    return ", ".join(names[:NAMED]) + (f" and {more} more" if more > 0 else "")
