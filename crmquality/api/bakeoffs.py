"""Bake-offs: asked for, watched, read."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, AUDITORS, Form, person, sent
from crmquality.api.jobs import JobEndpoint
from crmquality.api.serializers import JOB, JobQuery
from crmquality.models import BakeOff, Series, Source
from crmquality.services import comparing


class BakeOffSerializer(serializers.ModelSerializer[BakeOff]):
    """A bake-off with its progress. result: {unit, note, parts: [{about, verdict, standings}]} once it succeeded."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = BakeOff
        fields = [*JOB, "about", "subjects", "networks", "seeds", "result"]


class NewBakeOff(Form):
    """On series, or on the rows of a source. seeds: copies of each with planted anomalies."""

    series = serializers.PrimaryKeyRelatedField(queryset=Series.objects.all(), many=True, default=list)
    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all(), default=None, allow_null=True)
    seeds = serializers.IntegerField(min_value=1, max_value=comparing.MOST_SEEDS, default=3)
    networks = serializers.BooleanField(default=True)


class BakeOffEndpoint(JobEndpoint[BakeOff]):
    """Every method on one's own series or rows, by one scoring."""

    queryset = BakeOff.objects.select_related("requested_by", "source")
    serializer_class = BakeOffSerializer
    roles = {"list": AUDITORS, "retrieve": AUDITORS, "create": ADMINS, "cancel": ADMINS}

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The bake-offs, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewBakeOff, responses={202: BakeOffSerializer})
    def create(self, request: Request) -> Response:
        """Queue a bake-off; watch it at /bake-offs/{id}/."""
        job = comparing.request_bake_off(**sent(NewBakeOff, request), user=request.user)
        return Response(BakeOffSerializer(job).data, status=status.HTTP_202_ACCEPTED)
