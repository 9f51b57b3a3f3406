"""Undoing: for how long, and many change sets at once."""

from __future__ import annotations

from typing import ClassVar

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job


class UndoPeriod(models.Model):
    """For how many days a change can be undone, as an admin said; a new version for every change, none edited."""

    LONGEST: ClassVar[int] = 365

    days = models.PositiveSmallIntegerField()
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [models.CheckConstraint(condition=Q(days__gte=1, days__lte=365), name="undo_period_of_days")]

    def __str__(self) -> str:
        return f"{self.days} days"

    @classmethod
    def in_force(cls) -> UndoPeriod:
        """The newest version; where there is none, the default, not stored."""
        return cls.objects.order_by("-id").first() or cls(days=settings.CRMQUALITY["undo_days"])


class Undoing(Job):
    """Many change sets to be undone by a worker: a batch, or all that came of a run.

    change_sets: their ids. refused: those that could not be undone, each with the reason.
    undone, kept: how many were undone in all, and how many values were left because they were edited later.
    """

    title = models.CharField(max_length=200)
    change_sets = ArrayField(models.BigIntegerField())
    undone = models.PositiveIntegerField(default=0)
    kept = models.PositiveIntegerField(default=0)
    refused = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]

    def __str__(self) -> str:
        return self.title
