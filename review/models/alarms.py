"""What people said about alarms."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from crmquality.models import Alarm


class AlarmNote(models.Model):
    """A person's word on an alarm; never edited. before, after: its state; equal ones make it a mere comment."""

    alarm = models.ForeignKey(Alarm, on_delete=models.CASCADE, related_name="notes")
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, on_delete=models.SET_NULL, related_name="+")
    at = models.DateTimeField(db_default=Now())
    before = models.CharField(max_length=14, choices=Alarm.State.choices)
    after = models.CharField(max_length=14, choices=Alarm.State.choices)
    text = models.TextField(max_length=2_000, blank=True)

    class Meta:
        ordering = ["id"]

    def __str__(self) -> str:
        return f"note on alarm {self.alarm_id}"

    @property
    def is_comment(self) -> bool:
        """Whether it changed nothing."""
        return self.before == self.after
