"""Look-ups of a source: where more is known of its records, on which terms, and what was answered."""

from __future__ import annotations

import uuid

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from crmquality.models.records import Source

USER = settings.AUTH_USER_MODEL


class Enrichment(models.Model):
    """One look-up that an admin set for a source.

    adapter: name of the installed adapter. settings: what was filled in, without secrets.
    secrets: encrypted with a key that is not in the database, bound to `uid`; never shown.
    key: the role by whose column it is asked. fills: roles that it may fill; empty: all that it knows.
    replaces: whether a value that differs is proposed too, not only one for a blank.
    provider, licence: who says so, and on which terms the values may be used; both stand with every proposal.
    keep_days: so long an answer is taken from here instead of being asked for again.
    most: so many keys are asked for in one run; the rest in the next.
    error: why the last run could not ask; "" if it could.
    """

    uid = models.UUIDField(default=uuid.uuid4, unique=True, editable=False)
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="enrichments")
    name = models.CharField(max_length=60)
    adapter = models.CharField(max_length=60)
    settings = models.JSONField(default=dict)
    secrets = models.BinaryField(default=bytes)
    key = models.CharField(max_length=30)
    fills = ArrayField(models.CharField(max_length=30), default=list, blank=True)
    replaces = models.BooleanField(default=False)
    provider = models.CharField(max_length=200)
    licence = models.CharField(max_length=200)
    keep_days = models.PositiveIntegerField(default=90)
    most = models.PositiveIntegerField(default=1_000)
    is_on = models.BooleanField(default=True)
    asked_at = models.DateTimeField(null=True)
    error = models.CharField(max_length=300, blank=True)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(USER, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="one_look_up_per_name")]

    def __str__(self) -> str:
        return self.name


class LookedUp(models.Model):
    """What a look-up answered to a key. key: SHA-256 of it. values: role -> text; null where nothing was known."""

    enrichment = models.ForeignKey(Enrichment, on_delete=models.CASCADE, related_name="answers")
    key = models.CharField(max_length=64)
    values = models.JSONField(null=True)
    title = models.CharField(max_length=500, blank=True)
    address = models.CharField(max_length=500, blank=True)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [models.UniqueConstraint(fields=["enrichment", "key"], name="one_answer_per_key")]

    def __str__(self) -> str:
        return f"answer {self.pk} of {self.enrichment_id}"
