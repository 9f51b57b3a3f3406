"""What is predicted of a source's records: aims, their trainings and scorings, cut-offs, and the scores."""

from __future__ import annotations

from typing import Any, ClassVar

from django.conf import settings
from django.db import models
from django.db.models import Q
from django.db.models.functions import Now

from crmquality.models.jobs import Job, JobState
from crmquality.models.records import Record, Source
from crmquality.models.runs import ModelVersion

ACTIVE_JOB = Q(state__in=[JobState.QUEUED, JobState.RUNNING])


class Prediction(models.Model):
    """One aim on a source, by the name its scores go by: "Churn", "Lead score".

    aim: see `detectors.prediction.aims.Aim.to_json`.
    history_column, history_values: learned from are only the records that hold one of these values there; "" for all
        whose outcome is known.
    seconds: wall-clock time of one training.
    retrain_after: values changed in the source since the last training after which it is trained again; 0: never.
    """

    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="predictions")
    name = models.CharField(max_length=60)
    aim = models.JSONField()
    history_column = models.TextField(blank=True, default="")
    history_values = models.JSONField(default=list)
    seconds = models.PositiveIntegerField(default=240)
    retrain_after = models.PositiveIntegerField(default=200)
    created_at = models.DateTimeField(db_default=Now())
    created_by = models.ForeignKey(
        settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+"
    )

    class Meta:
        ordering = ["name"]
        constraints = [models.UniqueConstraint(fields=["source", "name"], name="one_prediction_per_name")]

    def __str__(self) -> str:
        return self.name

    @property
    def model_name(self) -> str:
        """What its versions go by among the models of the source."""
        return f"prediction {self.pk}"


class PredictionTraining(Job):
    """One search for a predictor, with its report; result: the version it made.

    report: see `detectors.prediction.assessing.assess`; empty until it has succeeded.
    """

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="trainings")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    seconds = models.PositiveIntegerField(default=240)
    report = models.JSONField(default=dict)
    result = models.OneToOneField(
        ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="predicted_by"
    )

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"], condition=ACTIVE_JOB, name="one_active_training_per_prediction"
            )
        ]

    def __str__(self) -> str:
        return f"training of prediction {self.prediction_id}"

    @property
    def title(self) -> str:
        """What is trained."""
        return self.prediction.name


class Scoring(Job):
    """Scores of a source's records by the version that serves; version: that one, once it has begun."""

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="scorings")
    source = models.ForeignKey(Source, on_delete=models.CASCADE, related_name="+")
    version = models.ForeignKey(ModelVersion, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")
    scored = models.PositiveBigIntegerField(default=0)

    class Meta:
        ordering = ["-id"]
        constraints = [
            models.UniqueConstraint(
                fields=["prediction"], condition=ACTIVE_JOB, name="one_active_scoring_per_prediction"
            )
        ]

    def __str__(self) -> str:
        return f"scoring of prediction {self.prediction_id}"

    @property
    def title(self) -> str:
        """What is scored."""
        return self.prediction.name


class CutOffs(models.Model):
    """Where scores of a prediction are cut into bands; a new version for every change, none edited.

    bands: [{"name", "at"}], the highest first: a score of at least `at` is in the band. rest: the band of all others.
    """

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="cut_offs")
    number = models.PositiveIntegerField()
    bands = models.JSONField(default=list)
    rest = models.CharField(max_length=30, default="low")
    reason = models.CharField(max_length=300, blank=True)
    at = models.DateTimeField(db_default=Now())
    by = models.ForeignKey(settings.AUTH_USER_MODEL, null=True, blank=True, on_delete=models.SET_NULL, related_name="+")

    class Meta:
        ordering = ["-number"]
        constraints = [models.UniqueConstraint(fields=["prediction", "number"], name="one_cut_offs_per_number")]

    def __str__(self) -> str:
        return f"cut-offs {self.number} of prediction {self.prediction_id}"


class Score(models.Model):
    """What is predicted of one record now.

    value: the likeliest class, or the number as text. probability: of the outcome, or of `value`; null for a number.
    low, high: for a number, the ends of the interval that holds the truth nine times in ten.
    reasons: [{"field", "value", "typical", "weight"}], the strongest first.
    seen: the record's version that it was made from.
    """

    prediction = models.ForeignKey(Prediction, on_delete=models.CASCADE, related_name="scores")
    record = models.ForeignKey(Record, on_delete=models.CASCADE, related_name="scores")
    version = models.ForeignKey(ModelVersion, on_delete=models.CASCADE, related_name="scores")
    value = models.TextField()
    probability = models.FloatField(null=True)
    low = models.FloatField(null=True)
    high = models.FloatField(null=True)
    number = models.FloatField(help_text="What it is ordered and cut by: the probability, or the number.")
    reasons = models.JSONField(default=list)
    seen = models.PositiveIntegerField(default=1)
    at = models.DateTimeField(db_default=Now())

    objects: ClassVar[Any] = models.Manager()

    class Meta:
        constraints = [models.UniqueConstraint(fields=["prediction", "record"], name="one_score_per_record")]
        indexes = [models.Index(fields=["prediction", "-number"], name="score_by_number")]

    def __str__(self) -> str:
        return f"score of record {self.record_id}"
