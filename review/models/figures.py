"""Figures of a source's reviewing, computed in a worker so that no page counts a large table."""

from __future__ import annotations

from django.db import models

from crmquality.models import Source


class SourceFigures(models.Model):
    """What the dashboard shows of one source; computed after runs and decisions.

    figures: see `review.selectors.figures.compute`. upto: the newest decision that they count. at: when counting
    began; seconds: how long it took.
    """

    source = models.OneToOneField(Source, on_delete=models.CASCADE, related_name="figures")
    figures = models.JSONField(default=dict)
    upto = models.BigIntegerField(default=0)
    at = models.DateTimeField()
    seconds = models.FloatField(default=0)

    class Meta:
        verbose_name_plural = "source figures"

    def __str__(self) -> str:
        return f"figures of {self.source_id}"
