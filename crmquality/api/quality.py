"""Metrics with their history, and the models that serve."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, asked
from crmquality.api.serializers import (
    LatestQuery,
    MetricQuery,
    MetricSerializer,
    ModelQuery,
    ModelVersionSerializer,
)
from crmquality.models import ModelVersion, QualityMetric, Source
from crmquality.services import learning, measuring


class MetricEndpoint(ListModelMixin, Endpoint[QualityMetric]):
    """How good the data of a source is."""

    queryset = QualityMetric.objects.all()
    serializer_class = MetricSerializer
    roles = {"list": STAFF, "latest": STAFF}

    def narrowed(self, queryset: QuerySet[QualityMetric]) -> QuerySet[QualityMetric]:
        """By the query."""
        return queryset.filter(**asked(MetricQuery, self.request))

    @extend_schema(parameters=[MetricQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The history, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(parameters=[LatestQuery], responses=MetricSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def latest(self, request: Request) -> Response:
        """The newest metrics of a source as a whole."""
        source = get_object_or_404(Source, pk=asked(LatestQuery, request)["source"])
        return Response(MetricSerializer(list(measuring.latest(source).values()), many=True).data)


class ModelVersionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[ModelVersion]):
    """What a detector learned from a source's decisions."""

    queryset = ModelVersion.objects.select_related("activated_by")
    serializer_class = ModelVersionSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "activate": ADMINS}

    def narrowed(self, queryset: QuerySet[ModelVersion]) -> QuerySet[ModelVersion]:
        """By the query."""
        return queryset.filter(**asked(ModelQuery, self.request))

    @extend_schema(parameters=[ModelQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def activate(self, request: Request, pk: int) -> Response:
        """Let this version serve the next run; the one before it is retired."""
        version = learning.activate(
            version=self.get_object(), user=request.user, note=f"Activated by {request.user.get_username()}."
        )
        return Response(ModelVersionSerializer(version).data)
