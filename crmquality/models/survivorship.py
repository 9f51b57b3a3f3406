"""What an admin said about merging the records of a source."""

from __future__ import annotations

from django.conf import settings
from django.db import models
from django.db.models.functions import Now

from crmquality.models.records import Source
from crmquality.prepared import Prepared, where


class SurvivorshipRules(models.Model):
    """Which value of each field survives a merge; a new version for every change, none edited.

    rules: column -> name of the rule; a column that is absent goes by the default of its role.
    unique: columns of which no two records may hold the same value, besides those whose role says so.
    trusted: source systems (values of the column of that role), the most trusted first.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="survivorship")
    number = models.PositiveIntegerField()
    rules = models.JSONField(default=dict, blank=True)
    unique = models.JSONField(default=list, blank=True)
    trusted = models.JSONField(default=list, blank=True)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "number"], name="one_survivorship_per_number"),
        ]

    def __str__(self) -> str:
        return f"survivorship {self.number} of {self.source_id}"

    @classmethod
    def in_force(cls, source: Source) -> SurvivorshipRules:
        """The newest version; where there is none yet, the defaults of the roles, as number 0, not stored."""
        return _NEWEST.first(source=source.pk) or cls(source=source, number=0)


_NEWEST = Prepared(lambda: SurvivorshipRules.objects.filter(where("source_id = %s", "source")).order_by("-number")[:1])
