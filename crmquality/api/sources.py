"""Sources: listed, made, their columns confirmed, their corrected records taken out."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from django.http import StreamingHttpResponse
from django.utils.http import content_disposition_header
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.negotiation import BaseContentNegotiation
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.api.serializers import (
    ColumnRoles,
    Deduplicated,
    ExportQuery,
    NewSource,
    SegmentColumn,
    SensitiveColumns,
    SourceSerializer,
)
from crmquality.models import Source
from crmquality.services import exporting, importing, mapping_columns, masking, measuring, sensitive, sisters
from crmquality.services.errors import Conflict, Refused

CSV = {(200, "text/csv"): OpenApiTypes.STR}


class WhateverIsAccepted(BaseContentNegotiation):
    """A download is CSV whatever the Accept header says, and its errors are JSON."""

    def select_parser(self, request: Request, parsers: Any) -> Any:
        """The first."""
        return parsers[0]

    def select_renderer(self, request: Request, renderers: Any, format_suffix: str | None = None) -> Any:
        """The first."""
        return renderers[0], renderers[0].media_type


class SourceEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Source]):
    """One table of one system."""

    queryset = Source.objects.all()
    serializer_class = SourceSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "create": STEWARDS,
        "columns": STEWARDS,
        "segments": ADMINS,
        "sensitive": ADMINS,
        "deduplicated": ADMINS,
        "export": STEWARDS,
        "changes": STEWARDS,
    }

    @extend_schema(request=NewSource, responses={201: SourceSerializer})
    def create(self, request: Request) -> Response:
        """Make a source; 409 if one has the name."""
        given = sent(NewSource, request)
        if Source.objects.filter(name=given["name"]).exists():
            raise Conflict("A source of this name exists: choose another name, or import into that one.")
        source = importing.get_source(**given, user=request.user)
        return Response(SourceSerializer(source).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ColumnRoles, responses=SourceSerializer)
    @action(detail=True, methods=["put"])
    def columns(self, request: Request, pk: int) -> Response:
        """Settle what columns mean; a person's word counts from now on."""
        source = mapping_columns.confirm_roles(self.get_object(), sent(ColumnRoles, request)["roles"], request.user)
        return Response(SourceSerializer(source).data)

    @extend_schema(request=SegmentColumn, responses=SourceSerializer)
    @action(detail=True, methods=["put"])
    def segments(self, request: Request, pk: int) -> Response:
        """Keep metrics by the values of a column too ("" for none); the source is measured anew."""
        source = self.get_object()
        measuring.set_segment_column(source=source, **sent(SegmentColumn, request), user=request.user)
        return Response(SourceSerializer(source).data)

    @extend_schema(request=Deduplicated, responses=SourceSerializer)
    @action(detail=True, methods=["put"])
    def deduplicated(self, request: Request, pk: int) -> Response:
        """Say that the source holds nobody twice, or take that back; it counts from the next run on."""
        source = sisters.declare_deduplicated(source=self.get_object(), **sent(Deduplicated, request))
        return Response(SourceSerializer(source).data)

    @extend_schema(request=SensitiveColumns, responses=SourceSerializer)
    @action(detail=True, methods=["put"])
    def sensitive(self, request: Request, pk: int) -> Response:
        """Let detectors fill blanks of these sensitive columns, and of no other."""
        source = sensitive.allow(source=self.get_object(), **sent(SensitiveColumns, request))
        return Response(SourceSerializer(source).data)

    @extend_schema(parameters=[ExportQuery], responses=CSV)
    @action(detail=True, content_negotiation_class=WhateverIsAccepted)
    def export(self, request: Request, pk: int) -> StreamingHttpResponse:
        """The corrected records as CSV, in the columns of the source; formulas are neutralised."""
        source = self.get_object()
        if not source.columns:
            raise Refused(f"Source {source.name!r} has no columns: import a file first.")
        inactive = asked(ExportQuery, request)["include_inactive"]
        pieces = exporting.export_csv(source, include_inactive=inactive, hide=masking.current().hidden(source))
        return _download(pieces, f"{source.name}.csv")

    @extend_schema(responses=CSV)
    @action(detail=True, content_negotiation_class=WhateverIsAccepted)
    def changes(self, request: Request, pk: int) -> StreamingHttpResponse:
        """Every change ever made to the source's records, as CSV, oldest first."""
        source = self.get_object()
        pieces = exporting.export_changes(source, hide=masking.current().hidden(source))
        return _download(pieces, f"changes of {source.name}.csv")


def _download(pieces: Iterable[bytes], name: str) -> StreamingHttpResponse:
    answer = StreamingHttpResponse(pieces, content_type="text/csv; charset=utf-8")
    answer["Content-Disposition"] = content_disposition_header(as_attachment=True, filename=name) or "attachment"
    return answer
