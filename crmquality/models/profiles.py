"""What a source holds, looked at as a whole."""

from __future__ import annotations

from django.db import models
from django.db.models import Q

from crmquality.models.jobs import Job, JobState
from crmquality.models.records import Source


class Profile(Job):
    """One look at all records of a source: types, distributions, blanks, relations, and the rules they seem to keep.

    result: see `detectors.profiling.profile.summary`; empty until it has succeeded.
    suggestions: [{"config", "kept", "applies", "low"}], see `detectors.rules.suggesting`.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="profiles")
    result = models.JSONField(default=dict)
    suggestions = models.JSONField(default=list)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_profile_per_source",
            )
        ]

    def __str__(self) -> str:
        return f"profile of {self.source_id}"
