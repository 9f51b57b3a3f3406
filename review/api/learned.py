"""What was learned from decisions on a source, rule by rule."""

from __future__ import annotations

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, Endpoint, Form
from crmquality.models import Source
from review.selectors import acceptance


class LearnedRule(Form):
    """One rule of a detector on one set of fields. acceptance: accepted / answers; stopped: it suggests no more."""

    detector = serializers.CharField()
    rule = serializers.CharField()
    fields = serializers.CharField(help_text="Names, separated by commas.")  # type: ignore[assignment]
    open = serializers.IntegerField()
    accepted = serializers.IntegerField()
    edited = serializers.IntegerField()
    rejected = serializers.IntegerField()
    acceptance = serializers.FloatField(allow_null=True)
    stopped = serializers.BooleanField()
    reset_at = serializers.DateTimeField(allow_null=True)


class LearnedEndpoint(Endpoint[Source]):
    """How each rule of a source fares with the people who decide."""

    queryset = Source.objects.all()
    serializer_class = LearnedRule
    roles = {"learned": STAFF}

    @extend_schema(responses=LearnedRule(many=True))
    @action(detail=True, pagination_class=None)
    def learned(self, request: Request, pk: int) -> Response:
        """Every rule that ever asked something: stopped ones first, then those accepted least."""
        return Response(LearnedRule(acceptance.rules(self.get_object()), many=True).data)
