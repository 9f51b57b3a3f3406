"""Looking for defects: runs, what they found, and the models that did."""

from __future__ import annotations

from typing import Any

from django.conf import settings
from django.contrib.postgres.fields import ArrayField
from django.contrib.postgres.indexes import GinIndex
from django.db import models
from django.db.models import F, Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobState
from crmquality.models.records import Source


class DetectorConfig(models.Model):
    """An admin's settings of a detector for a source; a new version for every change, none edited."""

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="detector_configs")
    detector = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    enabled = models.BooleanField(default=True)
    params = models.JSONField(default=dict, blank=True, help_text="Keyword arguments of the detector.")
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "detector", "number"], name="one_config_per_number")]

    def __str__(self) -> str:
        return f"{self.detector} config {self.number}"


class ModelVersion(models.Model):
    """What a detector learned from a source's decisions, and how good it is; or a predictor of one of its columns.

    prediction: the aim that it predicts; null for a detector's. `detector` is then its `model_name`.
    directory: folder below CRMQUALITY_HOME/models, written beside and renamed into place.
    signature: the roles it was trained on; it serves only a source that has them.
    """

    class State(models.TextChoices):
        """A candidate waits for the gate or a person; one version serves."""

        CANDIDATE = "candidate"
        ACTIVE = "active"
        RETIRED = "retired"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="model_versions")
    prediction = models.ForeignKey(
        "crmquality.Prediction", null=True, blank=True, on_delete=models.CASCADE, related_name="versions"
    )
    detector = models.CharField(max_length=60)
    number = models.PositiveIntegerField()
    detector_version = models.CharField(max_length=40)
    state = models.CharField(max_length=10, choices=State.choices, default=State.CANDIDATE)
    directory = models.CharField(max_length=255)
    sha256 = models.CharField(max_length=64, help_text="Of all files, so that damage is seen before use.")
    signature = models.JSONField(default=dict)
    metrics = models.JSONField(default=dict)
    labels = models.PositiveIntegerField(default=0)
    feedback_count = models.PositiveIntegerField(
        default=0, help_text="Decisions taken in since training by reweighting alone."
    )
    ranked_by = models.BigIntegerField(
        null=True, help_text="Stands for the decisions by which the open items were ranked last."
    )
    created_at = models.DateTimeField(db_default=Now())
    knows_until = models.DateTimeField(
        db_default=Now(), help_text="Later decisions are not in its labels, though it was not ready yet."
    )
    activated_at = models.DateTimeField(null=True)
    activated_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )
    note = models.TextField(blank=True, help_text="Why it serves, or does not.")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(fields=["source", "detector", "number"], name="one_model_per_number"),
            models.UniqueConstraint(
                fields=["source", "detector"],
                condition=Q(state="active"),
                name="one_active_model_per_detector",
            ),
        ]

    def __str__(self) -> str:
        return f"{self.detector} v{self.number}"


class Run(Job):
    """One detector looking at one source, as a person sees it."""

    class Cause(models.TextChoices):
        """What started it."""

        HAND = "hand"
        SCHEDULE = "schedule"
        API = "api"
        IMPORT = "import"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="runs")
    detector = models.CharField(max_length=60)
    detector_version = models.CharField(max_length=40, blank=True)
    cause = models.CharField(max_length=10, choices=Cause.choices, default=Cause.HAND)
    seed = models.PositiveIntegerField(default=0)
    config = models.ForeignKey(DetectorConfig, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs")
    model_version = models.ForeignKey(
        ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="runs"
    )
    records_seen = models.PositiveBigIntegerField(default=0)
    found = models.PositiveBigIntegerField(default=0)
    found_new = models.PositiveBigIntegerField(default=0)
    withdrawn = models.PositiveBigIntegerField(default=0)
    seconds = models.FloatField(null=True)
    peak_mb = models.FloatField(null=True)
    remarks = models.JSONField(default=list, db_default=[], help_text="What the detector says of how it was made.")
    only_changes = models.BooleanField(
        default=False, db_default=False, help_text="Go on from the latest run, where the detector can."
    )
    changed = models.PositiveBigIntegerField(
        null=True, help_text="Records that changed since the run that it went on from; null: everything was done anew."
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "detector"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_run_per_source_and_detector",
            )
        ]
        indexes = [models.Index(fields=["source", "-id"], name="run_by_source")]

    def __str__(self) -> str:
        return f"{self.detector} on {self.source_id}"


class RunBasis(models.Model):
    """What the next run of a detector on a source can go on from: written with the findings of the latest.

    signature: of all that the claims depend on beside records and decisions; where it changed, all is done anew.
    kept: what the detector fitted. versions: see `crmquality.services.following`. changed: records since all was done.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="run_bases")
    detector = models.CharField(max_length=60)
    run = models.ForeignKey(Run, on_delete=models.CASCADE, related_name="+")
    signature = models.CharField(max_length=64)
    kept = models.JSONField(default=dict)
    versions = models.BinaryField()
    changed = models.PositiveBigIntegerField(default=0)

    class Meta:
        constraints = [models.UniqueConstraint(fields=["source", "detector"], name="one_basis_per_detector")]

    def __str__(self) -> str:
        return f"basis of {self.detector} on {self.source_id}"


class Training(Job):
    """Fitting a detector anew on all labels of a source.

    serves_because: why its result is to serve whatever the gate says; "" to let the gate decide.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="trainings")
    detector = models.CharField(max_length=60)
    result = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    serves_because = models.CharField(max_length=300, blank=True, default="", db_default="")

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["source", "detector"],
                condition=Q(state__in=[JobState.QUEUED, JobState.RUNNING]),
                name="one_active_training_per_source_and_detector",
            )
        ]

    def __str__(self) -> str:
        return f"training {self.detector} on {self.source_id}"


class Finding(models.Model):
    """A claim a detector made about records of a source; one row a claim however often it is made.

    subjects: the record ids. proposal: see `crmquality.services.findings`.
    values_digest: MD5 of the values it was made from: a rejected claim is asked again only if this changes.
    """

    class State(models.TextChoices):
        """Open until a person or a later run settles it."""

        OPEN = "open"
        WITHDRAWN = "withdrawn"
        SETTLED = "settled"

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="findings")
    detector = models.CharField(max_length=60)
    fingerprint = models.CharField(max_length=64)
    values_digest = models.CharField(max_length=32)
    subjects = ArrayField(models.BigIntegerField())
    proposal = models.JSONField()
    score = models.FloatField()
    rule = models.CharField(max_length=120, blank=True)
    evidence = models.JSONField(default=list)
    state = models.CharField(max_length=10, choices=State.choices, default=State.OPEN)
    first_run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="first_findings")
    last_run = models.ForeignKey(Run, null=True, on_delete=models.SET_NULL, related_name="last_findings")
    created_at = models.DateTimeField(db_default=Now())

    class Meta:
        constraints = [
            models.UniqueConstraint(fields=["source", "detector", "fingerprint"], name="one_finding_per_claim"),
        ]
        indexes = [
            GinIndex(fields=["subjects"], name="finding_subjects"),
            models.Index(F("source"), F("detector"), F("score").desc(), name="finding_by_score"),
        ]

    def __str__(self) -> str:
        return f"{self.detector} finding {self.pk}"

    @property
    def action(self) -> str:
        """ "set", "merge", "link" or "flag"."""
        proposal: dict[str, Any] = self.proposal
        return str(proposal["action"])
