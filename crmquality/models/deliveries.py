"""Telling others what happened: to whom, and each message with how it fared."""

from __future__ import annotations

from datetime import timedelta
from typing import Any, ClassVar
from uuid import uuid4

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobQuerySet


def new_message_id() -> str:
    """An id as Standard Webhooks asks for: unique, and the same whenever the message is sent again."""
    return f"msg_{uuid4().hex}"


class Destination(models.Model):
    """Who is told: a webhook or an e-mail address.

    events: the types of event that go there. key_number: rises when the signing key is changed; the key itself is
    derived from the installation's secret and is stored nowhere.
    allow_private: an admin's word that this address may lie in a private network.
    failures: attempts in a row that failed; after several, `paused_until` keeps all its messages waiting.
    """

    class Kind(models.TextChoices):
        """How it is told."""

        WEBHOOK = "webhook"
        EMAIL = "email", "e-mail"

    name = models.CharField(max_length=120, unique=True)
    kind = models.CharField(max_length=10, choices=Kind.choices)
    target = models.CharField(max_length=500, help_text="URL or e-mail address.")
    events = ArrayField(models.CharField(max_length=60))
    enabled = models.BooleanField(default=True)
    allow_private = models.BooleanField(default=False)
    key_number = models.PositiveIntegerField(default=1)
    key_changed_at = models.DateTimeField(null=True, blank=True)
    failures = models.PositiveIntegerField(default=0)
    paused_until = models.DateTimeField(null=True, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name"]

    def __str__(self) -> str:
        return self.name


class DeliveryQuerySet(JobQuerySet):
    """A receiver may be away for a night: eight attempts over some fifteen hours, then the dead letters."""

    max_attempts = 8
    waits = tuple(timedelta(minutes=minutes) for minutes in (0.1, 1, 5, 30, 120, 300, 480))


class Delivery(Job):
    """One message to one destination.

    key: what it is about; a destination is told once of each. message_id: sent along, so that a receiver can tell a
    message that comes twice. data: the message's content. answer: the HTTP status of the latest attempt.
    replays: the delivery that a person sent again by this one.
    """

    destination = models.ForeignKey(Destination, on_delete=models.CASCADE, related_name="deliveries")
    event = models.CharField(max_length=60)
    key = models.CharField(max_length=120)
    message_id = models.CharField(max_length=40, default=new_message_id)
    title = models.CharField(max_length=200)
    text = models.TextField(blank=True)
    data = models.JSONField(default=dict)
    answer = models.PositiveSmallIntegerField(null=True)
    replays = models.ForeignKey("self", null=True, blank=True, on_delete=models.SET_NULL, related_name="replayed_by")

    objects: ClassVar[Any] = DeliveryQuerySet.as_manager()

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["destination", "key"], condition=Q(replays__isnull=True), name="told_once_of_each"
            ),
        ]
        indexes = [models.Index(fields=["destination", "-id"], name="delivery_by_destination")]

    def __str__(self) -> str:
        return f"{self.event} to {self.destination_id}"
