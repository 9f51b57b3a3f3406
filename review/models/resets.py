"""Rules that an admin had start anew."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from crmquality.models import Source


class RuleReset(models.Model):
    """A detector's rule in a source starts anew: answers given before no longer count for or against it.

    fields: the fields that its proposals set, joined by commas; "" for a rule of claims that set none.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="rule_resets")
    detector = models.CharField(max_length=60)
    rule = models.CharField(max_length=120, blank=True)
    fields = models.TextField(blank=True)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["source", "detector"], name="reset_by_detector")]

    def __str__(self) -> str:
        return f"{self.detector} {self.rule} anew"
