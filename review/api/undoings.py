"""Undoing many changes at once, and for how long changes can be undone."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.api.jobs import JobEndpoint
from crmquality.models import ChangeSet, Run, Undoing, UndoPeriod
from crmquality.services import undoing
from review.api.serializers_merging import (
    NewUndoing,
    NewUndoPeriod,
    UndoingSerializer,
    UndoPeriodSerializer,
    UndoQuery,
)


class UndoingEndpoint(JobEndpoint[Undoing]):
    """Many change sets undone by a worker, the newest first."""

    queryset = Undoing.objects.select_related("requested_by")
    serializer_class = UndoingSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    def narrowed(self, queryset: QuerySet[Undoing]) -> QuerySet[Undoing]:
        """By the query."""
        return queryset.filter(**asked(UndoQuery, self.request))

    @extend_schema(parameters=[UndoQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The undoings, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewUndoing, responses={202: UndoingSerializer})
    def create(self, request: Request) -> Response:
        """Queue the undoing of all that came of a run, or of these change sets; decisions are taken back with them."""
        given = sent(NewUndoing, request)
        if "run" in given:
            run = get_object_or_404(Run, pk=given["run"])
            rows, title = ChangeSet.objects.filter(run=run), f"run {run.pk}: {run.detector} on {run.source.name}"
        else:
            rows = ChangeSet.objects.filter(pk__in=given["change_sets"])
            title = f"{len(given['change_sets'])} changes"
        ids = list(undoing.standing(rows).values_list("pk", flat=True))
        job = undoing.request_undoing(change_sets=ids, title=title, by=request.user)
        return Response(UndoingSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class UndoPeriodEndpoint(ListModelMixin, Endpoint[UndoPeriod]):
    """For how many days changes can be undone."""

    queryset = UndoPeriod.objects.select_related("by")
    serializer_class = UndoPeriodSerializer
    roles = {"list": STAFF, "create": ADMINS}

    @extend_schema()
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The periods set so far, newest first; none: 30 days."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewUndoPeriod, responses={201: UndoPeriodSerializer})
    def create(self, request: Request) -> Response:
        """Set the period; it holds at once, for changes made before too."""
        period = undoing.set_undo_days(days=sent(NewUndoPeriod, request)["days"], user=request.user)
        period.refresh_from_db()
        return Response(UndoPeriodSerializer(period).data, status=status.HTTP_201_CREATED)
