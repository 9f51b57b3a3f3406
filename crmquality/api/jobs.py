"""Jobs: imports, runs and trainings, each asked for, watched and cancelled."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.parsers import MultiPartParser
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, M, asked, sent
from crmquality.api.serializers import (
    ImportSerializer,
    JobQuery,
    NewImport,
    NewRun,
    NewTraining,
    RunQuery,
    RunSerializer,
    TrainingSerializer,
)
from crmquality.models import Import, Run, Training
from crmquality.services import importing, learning, running
from crmquality.services.errors import Conflict, Refused
from detectors import registry


class JobEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[M]):
    """A job: its state, progress in percent, times, who asked, and why it failed."""

    query: type[JobQuery] = JobQuery

    def narrowed(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """By the query."""
        return queryset.filter(**asked(self.query, self.request))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Ask the job to stop; 409 if it is over."""
        job: Any = self.get_object()
        if not running.cancel(job):
            raise Conflict("It is over already.")
        job.refresh_from_db()
        return Response(self.get_serializer(job).data)


class ImportEndpoint(JobEndpoint[Import]):
    """One file read into a source."""

    queryset = Import.objects.select_related("requested_by")
    serializer_class = ImportSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    def get_parsers(self) -> Any:
        """A new import is a form with a file; all else is JSON."""
        is_new = self.request is not None and self.request.method == "POST" and not self.kwargs
        return [MultiPartParser()] if is_new or self.request is None else super().get_parsers()

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The imports, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request={"multipart/form-data": NewImport}, responses={202: ImportSerializer})
    def create(self, request: Request) -> Response:
        """Store a file and queue its import; watch it at /imports/{id}/."""
        job = importing.request_import(**sent(NewImport, request), user=request.user)
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class RunEndpoint(JobEndpoint[Run]):
    """One detector looking at one source."""

    queryset = Run.objects.select_related("requested_by")
    serializer_class = RunSerializer
    query = RunQuery
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    @extend_schema(parameters=[RunQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The runs, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewRun, responses={202: RunSerializer(many=True)})
    def create(self, request: Request) -> Response:
        """Queue one detector, or all; one that is under way already is given back."""
        given = sent(NewRun, request)
        detector = given.pop("detector")
        asked_for = given | {"user": request.user, "cause": Run.Cause.API}
        one = detector and running.request_run(detector=detector, **asked_for)
        runs = [one] if one else running.request_all(**asked_for)
        return Response(RunSerializer(runs, many=True).data, status=status.HTTP_202_ACCEPTED)


class TrainingEndpoint(JobEndpoint[Training]):
    """Fitting a detector anew on all decisions."""

    queryset = Training.objects.select_related("requested_by")
    serializer_class = TrainingSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS, "cancel": ADMINS}

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The trainings, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewTraining, responses={202: TrainingSerializer})
    def create(self, request: Request) -> Response:
        """Queue a training; its result is a model version that the gate lets serve, or an admin."""
        given = sent(NewTraining, request)
        if given["detector"] not in registry.available():
            raise Refused(f"No such detector is installed: choose one of {', '.join(registry.available())}.")
        job = learning.request_training(**given, user=request.user)
        return Response(TrainingSerializer(job).data, status=status.HTTP_202_ACCEPTED)
