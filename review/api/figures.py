"""What the dashboard shows of a source's claims, as numbers."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, Endpoint, Form
from crmquality.models import Source
from review.selectors import figures


class DetectorFigures(Form):
    """One detector's claims. bands: [decided, accepted] by score, from 0, 0.5, 0.7, 0.9 and 0.97 on."""

    claims = serializers.IntegerField()
    open = serializers.IntegerField()
    asked = serializers.IntegerField()
    old = serializers.IntegerField(help_text="Open for over a week.")
    automatic = serializers.IntegerField()
    decided = serializers.IntegerField()
    accepted = serializers.IntegerField()
    edited = serializers.IntegerField()
    confirmed = serializers.IntegerField()
    corrected = serializers.IntegerField()
    bands = serializers.ListField(child=serializers.ListField(child=serializers.IntegerField()))


class Turnaround(Form):
    """Seconds from entering the queue to a person's verdict."""

    decided = serializers.IntegerField()
    median = serializers.FloatField(allow_null=True)
    p95 = serializers.FloatField(allow_null=True)


class FiguresSerializer(Form):
    """A source's claims and decisions, counted. at: when; null: just now. days: [day, into the queue, decided]."""

    at = serializers.DateTimeField(allow_null=True)
    detectors = serializers.DictField(child=DetectorFigures())
    turnaround = Turnaround()
    days = serializers.ListField(child=serializers.ListField(child=serializers.JSONField()))


class FiguresEndpoint(Endpoint[Source]):
    """What became of the claims of a source."""

    queryset = Source.objects.all()
    serializer_class = FiguresSerializer
    roles = {"retrieve": STAFF}

    @extend_schema(responses=FiguresSerializer)
    def retrieve(self, request: Request, pk: int) -> Response:
        """The figures of the source of this id, as last counted."""
        counted, at = figures.of_source(self.get_object())
        found: dict[str, Any] = {**counted, "at": at}
        return Response(FiguresSerializer(found).data)
