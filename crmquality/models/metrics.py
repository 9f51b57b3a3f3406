"""How good the data is, with history."""

from __future__ import annotations

from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobState
from crmquality.models.records import Source
from crmquality.models.runs import Run


class Measurement(Job):
    """Measuring a source as a whole, by field and by segment."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="measurements")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_measurement_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"measurement of {self.source_id}"


class QualityMetric(models.Model):
    """One metric of a source at one time: numerator / denominator, as ISO/IEC 25024 measures are.

    field: the column it is about; "" for the source as a whole.
    segment: the value of the source's segment column that its records share; "" for all records.
    value: null where the metric does not apply (denominator 0).
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="metrics")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="metrics")
    name = models.CharField(max_length=40)
    field = models.TextField(blank=True)
    segment = models.TextField(blank=True, default="", db_default="")
    numerator = models.FloatField()
    denominator = models.FloatField()
    value = models.FloatField(null=True)
    low = models.FloatField(null=True, help_text="Lower end of the 95 % interval, where it is an estimate.")
    high = models.FloatField(null=True)
    rule_version = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["at", "id"]
        indexes = [
            models.Index(fields=["source", "name", "-at"], name="metric_history"),
            models.Index(fields=["source", "-at"], name="metric_latest"),
        ]

    def __str__(self) -> str:
        return f"{self.name} of {self.source_id}"
