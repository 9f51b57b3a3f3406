"""How good the duplicates found are, as numbers; and a sample from below the bound."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, STEWARDS, Endpoint, Form, asked, sent
from crmquality.models import Source
from review.api.serializers_policies import EstimateSerializer
from review.selectors import evaluation
from review.services import sampling_below


class EvaluationQuery(Form):
    """The bound to evaluate at; the one in force where none is given."""

    at = serializers.FloatField(required=False, min_value=0, max_value=1)


class QualitySerializer(Form):
    """Claims at or above a bound. wrong: the share that is wrong (false match rate)."""

    label = serializers.CharField()  # type: ignore[assignment]  # a field of ours, not the caption of DRF's
    at = serializers.FloatField()
    precision = EstimateSerializer()
    recall = EstimateSerializer()
    wrong = EstimateSerializer()
    f1 = serializers.FloatField(allow_null=True)
    f1_low = serializers.FloatField()
    f1_high = serializers.FloatField()


class SegmentsSerializer(Form):
    """One way of parting the claims."""

    name = serializers.CharField()
    parts = QualitySerializer(many=True)


class EvaluationSerializer(Form):
    """The quality of a source's duplicates. below: claims under the bound; of these, decided and found right."""

    in_force = serializers.FloatField()
    at = serializers.FloatField()
    whole = QualitySerializer()
    bounds = QualitySerializer(many=True)
    segments = SegmentsSerializer(many=True)
    below = serializers.IntegerField()
    decided_below = serializers.IntegerField()
    found_below = serializers.IntegerField()
    waiting = serializers.IntegerField()


class SampleForm(Form):
    """How many pairs to ask."""

    count = serializers.IntegerField(min_value=1, max_value=sampling_below.MOST)


class SampledSerializer(Form):
    """How many pairs were put into the queue."""

    drawn = serializers.IntegerField()


class EvaluationEndpoint(Endpoint[Source]):
    """How good the duplicates of a source are, estimated from decisions."""

    queryset = Source.objects.all()
    serializer_class = EvaluationSerializer
    roles = {"retrieve": STAFF, "sample": STEWARDS}

    @extend_schema(parameters=[EvaluationQuery], responses=EvaluationSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """The evaluation of the source of this id."""
        found = evaluation.evaluation(self.get_object(), at=asked(EvaluationQuery, request).get("at"))
        return Response(EvaluationSerializer(found).data)

    @extend_schema(request=SampleForm, responses={201: SampledSerializer})
    @action(detail=True, methods=["post"])
    def sample(self, request: Request, pk: int) -> Response:
        """Put a stratified sample of the pairs below the bound into the queue."""
        source = self.get_object()
        count = sent(SampleForm, request)["count"]
        drawn = sampling_below.ask_below(source=source, detector=evaluation.DETECTOR, count=count)
        return Response(SampledSerializer({"drawn": drawn}).data, status=status.HTTP_201_CREATED)
