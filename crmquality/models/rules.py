"""Rules that an admin sets for a source, every version kept, and what each found."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.db import models
from django.db.models.functions import Now

from crmquality.models.records import Source
from crmquality.models.runs import Run
from detectors.rules.checking import rule_of
from detectors.rules.kinds import Rule


class QualityRule(models.Model):
    """A rule of a source, by the name that its findings carry; what it says stands in its newest version."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="quality_rules")
    name = models.CharField(max_length=100)
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="one_quality_rule_per_name")]

    def __str__(self) -> str:
        return self.name


class RuleVersion(models.Model):
    """What a rule says from a time on; never edited.

    config: see `detectors.rules.checking.rule_of`; without the name, which is the rule's.
    """

    class Origin(models.TextChoices):
        """Where it came from."""

        PERSON = "person", "a person"
        DATA = "data", "suggested by the data"
        ANOMALIES = "anomalies", "confirmed anomalies"

    quality_rule = models.ForeignKey(QualityRule, on_delete=models.CASCADE, related_name="versions")
    number = models.PositiveIntegerField()
    config = models.JSONField()
    is_on = models.BooleanField(default=True)
    origin = models.CharField(max_length=10, choices=Origin.choices, default=Origin.PERSON)
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["quality_rule", "number"], name="one_rule_version_per_number")]

    def __str__(self) -> str:
        return f"{self.quality_rule.name} version {self.number}"

    @property
    def rule(self) -> Rule:
        """What is checked. Raises ValueError if this code no longer knows such a rule."""
        config: dict[str, Any] = {**self.config, "name": self.quality_rule.name}
        return rule_of(config)


class RuleResult(models.Model):
    """What a version found at a time: numerator of denominator records keep it.

    failing: ids of the records that do not, ascending; only the newest result of a rule holds them.
    """

    version = models.ForeignKey(RuleVersion, on_delete=models.CASCADE, related_name="results")
    run = models.ForeignKey(Run, null=True, blank=True, on_delete=models.SET_NULL, related_name="rule_results")
    numerator = models.PositiveBigIntegerField()
    denominator = models.PositiveBigIntegerField()
    failing = ArrayField(models.BigIntegerField(), default=list)
    at = models.DateTimeField(db_default=Now())

    class Meta:
        ordering = ["-id"]
        indexes = [models.Index(fields=["version", "-id"], name="rule_result_latest")]

    def __str__(self) -> str:
        return f"{self.numerator} of {self.denominator}"

    @property
    def share(self) -> float | None:
        """The share that keeps it; None where it applies to no record."""
        return self.numerator / self.denominator if self.denominator else None

    @property
    def broken(self) -> int:
        """How many records break it."""
        return self.denominator - self.numerator
