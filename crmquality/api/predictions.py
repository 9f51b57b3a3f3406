"""Predictions: aims, their trainings with reports, scorings, cut-offs, and the scores of records."""

from __future__ import annotations

from functools import cached_property
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, EVERYONE, STAFF, STEWARDS, Endpoint, Form, IdField, asked, person, sent
from crmquality.api.jobs import JobEndpoint
from crmquality.api.serializers import JOB, JobQuery
from crmquality.models import CutOffs, ModelVersion, Prediction, PredictionTraining, Score, Scoring, Source
from crmquality.services import access, masking, predicting, scoring
from crmquality.services.scoring import Cut
from detectors.prediction.aims import Aim


class AimForm(Form):
    """What to predict, and what from; see docs/predictions.md."""

    target = serializers.CharField(max_length=1_000)
    positive = serializers.ListField(child=serializers.CharField(max_length=10_000), default=list)
    negative = serializers.ListField(child=serializers.CharField(max_length=10_000), default=list)
    incumbent = serializers.CharField(default="", allow_blank=True, max_length=1_000)
    groups = serializers.ListField(child=serializers.CharField(max_length=1_000), default=list)
    left_out = serializers.ListField(child=serializers.CharField(max_length=1_000), default=list)
    kept = serializers.ListField(child=serializers.CharField(max_length=1_000), default=list)

    def to_internal_value(self, data: Any) -> Any:
        """As an `Aim`."""
        return Aim.from_json(super().to_internal_value(data))


class PredictionSerializer(serializers.ModelSerializer[Prediction]):
    """An aim on a source. serving: the number of the version that serves; null for none."""

    created_by = person("created_by")
    serving = serializers.SerializerMethodField()

    class Meta:
        model = Prediction
        fields = [
            "id", "source", "name", "aim", "history_column", "history_values", "seconds", "retrain_after", "serving",
            "created_at", "created_by",
        ]  # fmt: skip

    @extend_schema_field(serializers.IntegerField(allow_null=True))
    def get_serving(self, prediction: Prediction) -> int | None:
        """The number of the version that serves."""
        version = prediction.versions.filter(state=ModelVersion.State.ACTIVE).first()
        return version.number if version else None


class NewPrediction(Form):
    """Predict something of a source. history_column, history_values: learn only from records that hold one there."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    name = serializers.CharField(max_length=60)
    aim = AimForm()
    history_column = serializers.CharField(default="", allow_blank=True, max_length=1_000)
    history_values = serializers.ListField(child=serializers.CharField(max_length=10_000), default=list)
    seconds = serializers.IntegerField(default=240, min_value=predicting.LEAST, max_value=predicting.MOST)
    retrain_after = serializers.IntegerField(default=200, min_value=0, max_value=1_000_000)


class RevisedPrediction(Form):
    """What the next training learns from, how long it takes, and after how many corrected values it comes."""

    left_out = serializers.ListField(child=serializers.CharField(max_length=1_000))
    kept = serializers.ListField(child=serializers.CharField(max_length=1_000))
    seconds = serializers.IntegerField(min_value=predicting.LEAST, max_value=predicting.MOST)
    retrain_after = serializers.IntegerField(min_value=0, max_value=1_000_000)


class PredictionQuery(Form):
    """Which predictions to list."""

    source = IdField()


class OfPredictionQuery(JobQuery):
    """Which jobs to list."""

    prediction = IdField()


class OfPrediction(Form):
    """The prediction that is meant."""

    prediction = serializers.PrimaryKeyRelatedField(queryset=Prediction.objects.all())


class PredictionTrainingSerializer(serializers.ModelSerializer[PredictionTraining]):
    """A training with its progress. result: the model version it made."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = PredictionTraining
        fields = [*JOB, "prediction", "seconds", "result"]


class PredictionTrainingDetail(PredictionTrainingSerializer):
    """A training with its report: figures with intervals, baselines, cut-offs, calibration, reasons, groups."""

    report = serializers.DictField(read_only=True)

    class Meta(PredictionTrainingSerializer.Meta):
        fields = [*PredictionTrainingSerializer.Meta.fields, "report"]

    def to_representation(self, instance: PredictionTraining) -> Any:
        """Without the groups of columns that are masked for whoever asks."""
        shown = super().to_representation(instance)
        shown["report"] = scoring.without_groups(instance.report, masking.current().hidden(instance.source))
        return shown


class ScoringSerializer(serializers.ModelSerializer[Scoring]):
    """A scoring with its progress."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Scoring
        fields = [*JOB, "prediction", "version", "scored"]


class Band(Form):
    """Scores of at least `at` are in the band, unless they reach a higher one."""

    name = serializers.CharField(max_length=30)
    at = serializers.FloatField()


class CutOffsSerializer(serializers.ModelSerializer[CutOffs]):
    """A version of a prediction's cut-offs."""

    by = person("by")
    bands = Band(many=True, read_only=True)

    class Meta:
        model = CutOffs
        fields = ["id", "prediction", "number", "bands", "rest", "reason", "at", "by"]


class NewCutOffs(OfPrediction):
    """Cut a prediction's scores anew."""

    bands = Band(many=True)
    rest = serializers.CharField(max_length=30)
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)

    def validate_bands(self, value: Any) -> list[tuple[str, float]]:
        """As pairs."""
        return [(band["name"], band["at"]) for band in value]


class ScoreSerializer(serializers.ModelSerializer[Score]):
    """A record's score. is_old: the record changed since. reasons: in words, masked as the record is."""

    external_id = serializers.CharField(source="record.external_id", read_only=True)
    version = serializers.IntegerField(source="version.number", read_only=True)
    band = serializers.CharField(read_only=True)
    reasons = serializers.ListField(child=serializers.CharField(), read_only=True)
    is_old = serializers.BooleanField(read_only=True)

    class Meta:
        model = Score
        fields = [
            "id", "prediction", "record", "external_id", "version", "value", "probability", "low", "high", "band",
            "reasons", "is_old", "at",
        ]  # fmt: skip

    @cached_property
    def cuts(self) -> dict[int, Cut]:
        """Prediction -> its cut-offs, read once a list."""
        return {}

    def to_representation(self, instance: Score) -> Any:
        """With its band and reasons."""
        if instance.prediction_id not in self.cuts:
            self.cuts[instance.prediction_id] = scoring.cut_of(instance.prediction)
        found = scoring.shown(instance, instance.record, self.cuts[instance.prediction_id])
        plain: Any = {
            **{name: getattr(instance, name) for name in ("id", "value", "probability", "low", "high")},
            "prediction": instance.prediction_id,
            "record": instance.record_id,
            "external_id": instance.record.external_id,
            "version": instance.version.number,
            "band": found.band,
            "reasons": list(found.reasons),
            "is_old": found.is_old,
            "at": instance.at,
        }
        return plain


class ScoreQuery(Form):
    """Which scores to list."""

    source = IdField()
    prediction = IdField()
    record = IdField()
    min_score = serializers.FloatField(required=False)


class PredictionEndpoint(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, Endpoint[Prediction]):
    """An aim on a source: churn, lead score, lifetime value, any column."""

    queryset = Prediction.objects.select_related("source", "created_by").order_by("-id")
    serializer_class = PredictionSerializer
    roles = {
        "list": STAFF, "retrieve": STAFF, "create": STEWARDS, "update": STEWARDS, "destroy": ADMINS,
    }  # fmt: skip

    def narrowed(self, queryset: QuerySet[Prediction]) -> QuerySet[Prediction]:
        """By the query."""
        return queryset.filter(**asked(PredictionQuery, self.request))

    @extend_schema(parameters=[PredictionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The predictions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewPrediction, responses={201: PredictionSerializer})
    def create(self, request: Request) -> Response:
        """Name an aim; train it at /prediction-trainings/. 409 if the source has one of the name."""
        made = predicting.define(**sent(NewPrediction, request), user=request.user)
        return Response(PredictionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RevisedPrediction, responses=PredictionSerializer)
    def update(self, request: Request, pk: int) -> Response:
        """Revise what the next training learns from."""
        made = predicting.revise(prediction=self.get_object(), **sent(RevisedPrediction, request))
        return Response(PredictionSerializer(made).data)

    def perform_destroy(self, instance: Prediction) -> None:
        """With its versions and scores; 409 while a job of it runs."""
        predicting.remove(prediction=instance)


class PredictionTrainingEndpoint(JobEndpoint[PredictionTraining]):
    """Searching for the best predictor within a time; its result is a model version that the gate lets serve."""

    queryset = PredictionTraining.objects.select_related("requested_by", "source")
    serializer_class = PredictionTrainingSerializer
    query = OfPredictionQuery
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    @extend_schema(parameters=[OfPredictionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The trainings, newest first, without their reports."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=PredictionTrainingDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One training with its report."""
        return Response(PredictionTrainingDetail(self.get_object()).data)

    @extend_schema(request=OfPrediction, responses={202: PredictionTrainingSerializer})
    def create(self, request: Request) -> Response:
        """Queue a training; one that is under way already is given back."""
        job = predicting.request_training(**sent(OfPrediction, request), user=request.user)
        return Response(PredictionTrainingSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ScoringEndpoint(JobEndpoint[Scoring]):
    """Scoring the open records of a source by the version that serves."""

    queryset = Scoring.objects.select_related("requested_by")
    serializer_class = ScoringSerializer
    query = OfPredictionQuery
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    @extend_schema(parameters=[OfPredictionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The scorings, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=OfPrediction, responses={202: ScoringSerializer})
    def create(self, request: Request) -> Response:
        """Queue a scoring; one that is under way already is given back."""
        job = scoring.request_scoring(**sent(OfPrediction, request), user=request.user)
        return Response(ScoringSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class CutOffsEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[CutOffs]):
    """Where a prediction's scores are cut into bands; the newest version is in force."""

    queryset = CutOffs.objects.select_related("by", "prediction__source").order_by("-id")
    serializer_class = CutOffsSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS, "roll_back": ADMINS}

    def narrowed(self, queryset: QuerySet[CutOffs]) -> QuerySet[CutOffs]:
        """By the query."""
        given = asked(OfPredictionQuery, self.request)
        return queryset.filter(prediction=given["prediction"]) if "prediction" in given else queryset

    @extend_schema(parameters=[OfPredictionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewCutOffs, responses={201: CutOffsSerializer})
    def create(self, request: Request) -> Response:
        """Cut scores anew, at once."""
        made = scoring.set_cut_offs(**sent(NewCutOffs, request), user=request.user)
        return Response(CutOffsSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"], url_path="roll-back")
    def roll_back(self, request: Request, pk: int) -> Response:
        """Put this version in force again, as a new one."""
        made = scoring.roll_back_cut_offs(version=self.get_object(), user=request.user)
        return Response(CutOffsSerializer(made).data)


class ScoreEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Score]):
    """What is predicted of each open record; sales people see their own."""

    serializer_class = ScoreSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE}

    def get_queryset(self) -> QuerySet[Score]:
        """Of the records that the person may see."""
        rows: QuerySet[Score] = Score.objects.select_related("record__source", "prediction", "version").order_by("-id")
        if access.sees_everything(self.request.user):
            return rows
        return rows.filter(record__in=access.visible_records(self.request.user))

    def narrowed(self, queryset: QuerySet[Score]) -> QuerySet[Score]:
        """By the query."""
        given = asked(ScoreQuery, self.request)
        names = {"source": "prediction__source", "min_score": "number__gte"}
        return queryset.filter(**{names.get(name, name): value for name, value in given.items()})

    @extend_schema(parameters=[ScoreQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The scores, the latest made first."""
        return super().list(request, *args, **kwargs)
