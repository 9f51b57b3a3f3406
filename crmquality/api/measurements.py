"""Measurements and exports: jobs asked for, watched and cancelled; an export's file is taken once it is written."""

from __future__ import annotations

from typing import Any

from django.http import FileResponse
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, STEWARDS, Form, person, sent
from crmquality.api.jobs import JobEndpoint
from crmquality.api.serializers import JOB, JobQuery
from crmquality.models import Export, Measurement, Source
from crmquality.services import exporting_jobs, measuring
from crmquality.services.errors import Conflict


class MeasurementSerializer(serializers.ModelSerializer[Measurement]):
    """A measurement with its progress."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Measurement
        fields = JOB


class ExportSerializer(serializers.ModelSerializer[Export]):
    """An export with its progress; its file is at file/ once it has succeeded, for a day."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Export
        fields = [*JOB, "form", "scores", "fill", "rows"]


class NewMeasurement(Form):
    """Measure a source now."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())


class NewExport(NewMeasurement):
    """Write the corrected records of a source, or the log of its changes, to a file."""

    form = serializers.ChoiceField(choices=Export.Form.choices)
    scores = serializers.BooleanField(default=False, help_text="With what is predicted of each record.")
    fill = serializers.BooleanField(
        default=False, help_text="For analysis: blanks filled with mean or most frequent value, each filled cell named."
    )


class AnyFile(BaseContentNegotiation):
    """A file comes as it is, whatever the Accept header says."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """The first."""
        return renderers[0], renderers[0].media_type


class MeasurementEndpoint(JobEndpoint[Measurement]):
    """Measuring how good a source is, as a whole, by field and by segment."""

    queryset = Measurement.objects.select_related("requested_by")
    serializer_class = MeasurementSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The measurements, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewMeasurement, responses={202: MeasurementSerializer})
    def create(self, request: Request) -> Response:
        """Queue a measurement; one that is under way already is given back."""
        job = measuring.request_measurement(**sent(NewMeasurement, request), user=request.user)
        return Response(MeasurementSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class ExportEndpoint(JobEndpoint[Export]):
    """A file of a source's records, written in the background."""

    queryset = Export.objects.select_related("requested_by", "source")
    serializer_class = ExportSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS, "file": STEWARDS}

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The exports, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewExport, responses={202: ExportSerializer})
    def create(self, request: Request) -> Response:
        """Queue an export; watch it at /exports/{id}/."""
        job = exporting_jobs.request_export(**sent(NewExport, request), user=request.user)
        return Response(ExportSerializer(job).data, status=status.HTTP_202_ACCEPTED)

    @extend_schema(responses={(200, "application/octet-stream"): OpenApiTypes.BINARY})
    @action(detail=True, content_negotiation_class=AnyFile)
    def file(self, request: Request, pk: int) -> FileResponse:
        """The written file; 409 before it is written and after it was removed."""
        job = self.get_object()
        path = exporting_jobs.file_of(job)
        if path is None:
            raise Conflict("There is no file: it is not written yet, or was removed after a day.")
        return FileResponse(path.open("rb"), as_attachment=True, filename=job.file_name)
