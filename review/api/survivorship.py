"""Which value survives a merge: an admin's rules, every version kept, and what people's choices suggest."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, asked, sent
from crmquality.models import Source, SurvivorshipRules
from crmquality.services import survivorship
from review.api.serializers_merging import (
    ColumnRuleSerializer,
    ColumnsQuery,
    NewSurvivorship,
    SurvivorshipQuery,
    SurvivorshipSerializer,
)
from review.selectors.survivorship import column_rules


class SurvivorshipEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[SurvivorshipRules]):
    """The rules of a source, by column."""

    queryset = SurvivorshipRules.objects.select_related("by")
    serializer_class = SurvivorshipSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS, "columns": STAFF}

    def narrowed(self, queryset: QuerySet[SurvivorshipRules]) -> QuerySet[SurvivorshipRules]:
        """By the query."""
        return queryset.filter(**asked(SurvivorshipQuery, self.request))

    @extend_schema(parameters=[SurvivorshipQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewSurvivorship, responses={201: SurvivorshipSerializer})
    def create(self, request: Request) -> Response:
        """Add a version: open cards and the next run go by it."""
        version = survivorship.set_rules(**sent(NewSurvivorship, request), user=request.user)
        version.refresh_from_db()
        return Response(SurvivorshipSerializer(version).data, status=status.HTTP_201_CREATED)

    @extend_schema(parameters=[ColumnsQuery], responses=ColumnRuleSerializer(many=True))
    @action(detail=False, methods=["get"], pagination_class=None)
    def columns(self, request: Request) -> Response:
        """Each mapped column with its rule in force, how often it agrees with people's choices, and a suggestion."""
        source = get_object_or_404(Source, pk=asked(ColumnsQuery, request)["source"])
        return Response(ColumnRuleSerializer(column_rules(source), many=True).data)
