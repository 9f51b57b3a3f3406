"""Series: made, fed, watched; their readings, rules, and what is expected of them."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.pagination import CursorPagination
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.api.errors import words
from crmquality.api.serializers_series import (
    AlarmRuleSerializer,
    ExpectationSerializer,
    NewAlarmRule,
    NewExpectation,
    NewObservations,
    NewSeries,
    ObservationQuery,
    ObservationSerializer,
    OutlookStep,
    SeriesQuery,
    SeriesSerializer,
    StoredSerializer,
)
from crmquality.models import ExpectedPeriod, Observation, Series
from crmquality.services import observing
from crmquality.services import series as services


class ByTime(CursorPagination):
    """Readings, the latest first; ?page_size= up to 5,000."""

    ordering = "-at"
    page_size = 500
    page_size_query_param = "page_size"
    max_page_size = 5_000


class SeriesEndpoint(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, Endpoint[Series]):
    """Quantities over time."""

    queryset = Series.objects.select_related("source")
    serializer_class = SeriesSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "create": STEWARDS,
        "destroy": ADMINS,
        "observations": STAFF,
        "rules": STAFF,
        "rule": ADMINS,
        "outlook": STAFF,
        "expectations": STAFF,
        "expect": STEWARDS,
    }

    def narrowed(self, queryset: QuerySet[Series]) -> QuerySet[Series]:
        """By the query."""
        return queryset.filter(**asked(SeriesQuery, self.request))

    @extend_schema(parameters=[SeriesQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The series."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewSeries, responses={201: SeriesSerializer})
    def create(self, request: Request) -> Response:
        """Make a series; one that is computed is computed soon."""
        made = services.create_series(**sent(NewSeries, request), user=request.user)
        return Response(SeriesSerializer(made).data, status=status.HTTP_201_CREATED)

    def perform_destroy(self, instance: Series) -> None:
        """Remove it with its readings and alarms; 409 while another series is held against it."""
        services.remove_series(instance)

    @extend_schema(parameters=[ObservationQuery], responses=ObservationSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=ByTime)
    def observations(self, request: Request, pk: int) -> Response:
        """The readings with what each was held against, the latest first."""
        given = asked(ObservationQuery, request)
        rows = Observation.objects.filter(series=self.get_object())
        columns = {"since": "at__gte", "until": "at__lte", "alarms": "is_alarm"}
        found: Any = rows.filter(**{columns[name]: value for name, value in given.items()})
        page: Any = self.paginate_queryset(found)
        return self.get_paginated_response(ObservationSerializer(page, many=True).data)

    @extend_schema(responses=AlarmRuleSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def rules(self, request: Request, pk: int) -> Response:
        """How it is watched, every version, the newest first: that one is in force."""
        found = self.get_object().rules.select_related("by").order_by("-number")
        return Response(AlarmRuleSerializer(found, many=True).data)

    @extend_schema(request=NewAlarmRule, responses={201: AlarmRuleSerializer})
    @action(detail=True, methods=["post"])
    def rule(self, request: Request, pk: int) -> Response:
        """Say how it is watched, as a new version; the history is judged by it, alarms are raised about what comes."""
        series = self.get_object()
        made = services.set_rule(series=series, **sent(NewAlarmRule, request), user=request.user)
        return Response(AlarmRuleSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=OutlookStep(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def outlook(self, request: Request, pk: int) -> Response:
        """What each threshold would have meant on the history, by the method in force."""
        steps = self.get_object().outlook
        return Response([{"k": k, "alarms": int(count), "excess": excess} for k, count, excess in steps])

    @extend_schema(responses=ExpectationSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def expectations(self, request: Request, pk: int) -> Response:
        """When it is expected to be odd."""
        found = self.get_object().expected_periods.select_related("by")
        return Response(ExpectationSerializer(found, many=True).data)

    @extend_schema(request=NewExpectation, responses={201: ExpectationSerializer})
    @action(detail=True, methods=["post"])
    def expect(self, request: Request, pk: int) -> Response:
        """Say that it will be odd: its readings then raise nothing and teach nothing."""
        series = self.get_object()
        made = services.expect(series=series, **sent(NewExpectation, request), user=request.user)
        return Response(ExpectationSerializer(made).data, status=status.HTTP_201_CREATED)


class ExpectationEndpoint(RetrieveModelMixin, DestroyModelMixin, Endpoint[ExpectedPeriod]):
    """Expected periods, read and taken back."""

    queryset = ExpectedPeriod.objects.select_related("series")
    serializer_class = ExpectationSerializer
    roles = {"retrieve": STAFF, "destroy": STEWARDS}

    def perform_destroy(self, instance: ExpectedPeriod) -> None:
        """Expect it no longer; its readings are judged again."""
        services.forget_expectation(instance)


class ObservationEndpoint(Endpoint[Observation]):
    """Readings of any series, sent many at once."""

    queryset = Observation.objects.all()
    serializer_class = ObservationSerializer
    roles = {"create": STEWARDS}

    @extend_schema(request=NewObservations, responses=StoredSerializer)
    def create(self, request: Request) -> Response:
        """Store readings. One sent before counts once; another value for its time corrects it, and is judged anew."""
        rows = sent(NewObservations, request)["observations"]
        stored = observing.ingest([words(row) if isinstance(row, ValidationError) else row for row in rows])
        return Response(StoredSerializer(stored).data)
