"""Connected systems: how they are reached, which of their objects feed a source, and what is to be written back."""

from __future__ import annotations

import uuid
from datetime import timedelta
from typing import Any, ClassVar, Self

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Exists, OuterRef, Q
from django.db.models.functions import Now
from django.utils import timezone

from crmquality.models.records import ChangeSet, Record, Source

USER = settings.AUTH_USER_MODEL


class Connection(models.Model):
    """One system that people work in, and our login to it.

    connector: name of the installed connector. settings: what was filled in, without secrets.
    secrets: encrypted with a key that is not in the database, bound to `uid`; never shown.
    grace: so long a write waits before it leaves, so that an undo catches it here.
    daily_calls: how many requests a day may be made; null for no limit of ours. quota: what the system last said of its
        own: {limit, used, resets_at}.
    held_until: no request before this time, since the system asked for a pause or the day's calls are spent.
    paused_because: why nothing is sent or pulled until a person mends it; "" while it is in use.
    pull_every, full_every: intervals of pulls of what changed, and of everything, which alone shows what was deleted
        where the system does not tell.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    name = models.CharField(max_length=100, unique=True)
    connector = models.CharField(max_length=60)
    settings = models.JSONField(default=dict)
    secrets = models.BinaryField(default=bytes)
    grace = models.DurationField(default=timedelta(minutes=1))
    daily_calls = models.PositiveIntegerField(null=True, blank=True)
    quota = models.JSONField(default=dict, blank=True)
    pull_every = models.DurationField(null=True, blank=True)
    full_every = models.DurationField(null=True, blank=True)
    held_until = models.DateTimeField(null=True)
    held_because = models.CharField(max_length=300, blank=True)
    paused_because = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(USER, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name

    @property
    def is_paused(self) -> bool:
        """Whether a person has to mend it, or stopped it."""
        return bool(self.paused_because)

    @property
    def is_held(self) -> bool:
        """Whether it waits, for a while, by itself."""
        return self.held_until is not None and self.held_until > timezone.now()


class Usage(models.Model):
    """How many requests were made to a system on one day (UTC)."""

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="usage")
    day = models.DateField()
    calls = models.PositiveIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["connection", "day"], name="one_usage_per_day")]

    def __str__(self) -> str:
        return f"{self.calls} on {self.day}"


class Feed(models.Model):
    """An object of a connected system that feeds a source.

    fields: the fields pulled, the key first; each is a column of the source. writable: those that may be written back.
    description: the object as the system described it.
    cursor: where the next pull of what changed goes on; "" before the first.
    hinted: a webhook said that something changed while a pull was under way.
    write_back: whether accepted corrections are written to the system.
    """

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="feeds")
    name = models.CharField(max_length=200)
    source = models.OneToOneField(Source, on_delete=models.CASCADE, related_name="feed")
    fields = models.JSONField(default=list)
    writable = models.JSONField(default=list)
    description = models.JSONField(default=dict)
    cursor = models.TextField(blank=True)
    hinted = models.BooleanField(default=False)
    write_back = models.BooleanField(default=False)
    pulled_at = models.DateTimeField(null=True)
    full_at = models.DateTimeField(null=True)

    class Meta:
        ordering = ["connection", "name"]
        constraints = [models.UniqueConstraint(fields=["connection", "name"], name="one_feed_per_object")]

    def __str__(self) -> str:
        return f"{self.name} of {self.connection_id}"


class OutboxQuerySet(models.QuerySet["OutboxEntry"]):
    """The verbs of the outbox; database time throughout."""

    def pending(self) -> Self:
        """Still to be sent, or being sent."""
        return self.filter(state__in=OutboxEntry.PENDING)

    def unsettled(self) -> Self:
        """Pending, or waiting for a person."""
        return self.filter(state__in=[*OutboxEntry.PENDING, *OutboxEntry.STUCK])

    def claimable(self) -> Self:
        """Due, or left by a worker that died; of entries that touch the same record only the earliest."""
        earlier = OutboxEntry.objects.pending().filter(
            connection=OuterRef("connection"), id__lt=OuterRef("id"), records__overlap=OuterRef("records")
        )
        due = Q(state=OutboxEntry.State.WAITING, due_at__lte=Now())
        left = Q(state=OutboxEntry.State.SENDING, lease_until__lt=Now())
        return self.filter(due | left).filter(~Exists(earlier))

    def held(self, entry: OutboxEntry) -> Self:
        """The entry while this worker holds it."""
        return self.filter(pk=entry.pk, state=OutboxEntry.State.SENDING, attempts=entry.attempts)


class OutboxEntry(models.Model):
    """One write to a connected system, made in the transaction of the change that it carries there.

    records: every record it touches; no two entries that share one are sent at the same time.
    step: the write (or merge) as plain JSON. plan: how it is carried out and taken back, kept before the first request.
    key: the same for every try, so that the system can tell a repeated request.
    attempts: the fencing token, counted up by every claim. failures: tries that failed and count against the limit.
    begun: a request of it may have been made, so it may have been done in part.
    now: fields that hold something else there than they should -> what they hold.
    note: what a person should know of an entry that is done (parts left out).
    """

    class Kind(models.TextChoices):
        """What is written."""

        SET = "set", "values"
        MERGE = "merge", "merge"
        UNMERGE = "unmerge", "merge undone"

    class State(models.TextChoices):
        """Where it stands. Conflict: changed there meanwhile. Dead: given up until a person retries."""

        WAITING = "waiting"
        SENDING = "sending"
        DONE = "done"
        ANNULLED = "annulled", "not needed"
        CONFLICT = "conflict"
        DEAD = "dead", "not delivered"

    PENDING: ClassVar[tuple[str, ...]] = ("waiting", "sending")
    STUCK: ClassVar[tuple[str, ...]] = ("conflict", "dead")

    connection = models.ForeignKey(Connection, on_delete=models.CASCADE, related_name="outbox")
    feed = models.ForeignKey(Feed, on_delete=models.CASCADE, related_name="outbox")
    change_set = models.ForeignKey(ChangeSet, on_delete=models.CASCADE, related_name="outbox")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="outbox")
    records = ArrayField(models.BigIntegerField())
    kind = models.CharField(max_length=10, choices=Kind.choices, default=Kind.SET)
    state = models.CharField(max_length=10, choices=State.choices, default=State.WAITING)
    step = models.JSONField()
    plan = models.JSONField(null=True)
    key = models.UUIDField(default=uuid.uuid4, editable=False)
    due_at = models.DateTimeField()
    attempts = models.PositiveIntegerField(default=0)
    failures = models.PositiveIntegerField(default=0)
    begun = models.BooleanField(default=False)
    lease_until = models.DateTimeField(null=True)
    error = models.TextField(blank=True)
    now = models.JSONField(default=dict, blank=True)
    note = models.CharField(max_length=500, blank=True)
    needs_person = models.BooleanField(default=False, help_text="The system warned: written only if a person insists.")
    created_at = models.DateTimeField(db_default=Now())
    settled_at = models.DateTimeField(null=True)
    settled_by = models.ForeignKey(USER, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    objects: ClassVar[Any] = OutboxQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        indexes = [
            models.Index(
                fields=["connection", "id"], name="outbox_pending", condition=Q(state__in=["waiting", "sending"])
            ),
            models.Index(fields=["connection", "state", "-id"], name="outbox_by_state"),
            models.Index(fields=["record", "-id"], name="outbox_by_record"),
            models.Index(fields=["change_set"], name="outbox_by_change_set"),
        ]
        constraints = [
            models.CheckConstraint(condition=~Q(records=[]), name="outbox_entry_touches_a_record"),
        ]

    def __str__(self) -> str:
        return f"{self.kind} of record {self.record_id}"

    @property
    def is_pending(self) -> bool:
        """Whether it is still to be sent, or being sent."""
        return self.state in self.PENDING

    @property
    def is_stuck(self) -> bool:
        """Whether it waits for a person."""
        return self.state in self.STUCK
