"""Records and the claims about them; a person sees those that their role may see."""

from __future__ import annotations

from typing import Any

from django.db.models import Q, QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import DECIDERS, EVERYONE, Endpoint, asked, sent
from crmquality.api.serializers import (
    FindingQuery,
    FindingSerializer,
    RecordDetail,
    RecordEdit,
    RecordQuery,
    RecordSerializer,
)
from crmquality.api.serializers_privacy import Why
from crmquality.models import Change, ChangeSet, Finding, Record
from crmquality.selectors.attributions import attributions
from crmquality.services import access, correcting, disclosing, masking

SHOWN = 50


class RecordEndpoint(ListModelMixin, Endpoint[Record]):
    """One row of a source, as it stands after corrections."""

    queryset = Record.objects.all()
    serializer_class = RecordSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE, "partial_update": DECIDERS, "reveal": DECIDERS}

    def get_queryset(self) -> QuerySet[Record]:
        """All records, or a sales person's own."""
        return access.visible_records(self.request.user)

    def current_etag(self) -> str:
        """The record's version."""
        return etag(self.get_object())

    @extend_schema(parameters=[RecordQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The records, newest first."""
        return super().list(request, *args, **kwargs)

    def narrowed(self, queryset: QuerySet[Record]) -> QuerySet[Record]:
        """By the query."""
        query = asked(RecordQuery, self.request)
        if query.get("live"):
            queryset = queryset.filter(golden__isnull=True, gone_at__isnull=True)
        if "q" in query:
            text = masking.current().searchable(queryset)
            queryset = text.filter(Q(external_id=query["q"]) | Q(text__icontains=query["q"]))
        return queryset.filter(**{name: query[name] for name in ("source", "external_id") if name in query})

    @extend_schema(responses=RecordDetail)
    def retrieve(self, request: Request, pk: int) -> Response:
        """One record with its history and the open claims about it; its version is the ETag."""
        return _answer(self.get_object(), request.user)

    @extend_schema(request=RecordEdit, responses=RecordDetail)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Write values into fields: noted as a change, undoable. 428 without If-Match, 412 if the record changed."""
        record, given = self.get_object(), sent(RecordEdit, request)
        masking.current().refuse_masked(record.source, given["fields"])
        correcting.set_fields(
            record_id=record.pk,
            changes=given["fields"],
            cause="API edit",
            by=request.user,
            reasons=dict.fromkeys(given["fields"], given["reason"]),
            action=ChangeSet.Action.EDIT,
        )
        return _answer(Record.objects.get(pk=record.pk), request.user)

    @extend_schema(request=Why, responses=RecordDetail)
    @action(detail=True, methods=["post"])
    def reveal(self, request: Request, pk: int) -> Response:
        """See the values that are masked for you, for five minutes; noted in the disclosure log."""
        record = self.get_object()
        disclosing.reveal(records=[record], user=request.user, why=sent(Why, request)["why"])
        return _answer(record, request.user)


class FindingEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Finding]):
    """A claim that a detector made about records."""

    queryset = Finding.objects.all()
    serializer_class = FindingSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE}

    def get_queryset(self) -> QuerySet[Finding]:
        """All claims, or those about a sales person's own records."""
        return visible_findings(self.request.user)

    @extend_schema(parameters=[FindingQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The claims, newest first."""
        return super().list(request, *args, **kwargs)

    def narrowed(self, queryset: QuerySet[Finding]) -> QuerySet[Finding]:
        """By the query."""
        columns = {
            "source": "source",
            "detector": "detector",
            "state": "state",
            "rule": "rule",
            "action": "proposal__action",
            "min_score": "score__gte",
        }
        query = asked(FindingQuery, self.request)
        if "record" in query:
            queryset = queryset.filter(subjects__contains=[query["record"]])
        return queryset.filter(**{columns[name]: value for name, value in query.items() if name in columns})


def etag(record: Record) -> str:
    """A strong ETag: every change of a record counts its version up."""
    return f'"{record.version}"'


def visible_findings(user: Any) -> QuerySet[Finding]:
    """The claims this person may see: all, or those about their own records and nobody else's."""
    if access.sees_everything(user):
        return Finding.objects.all()
    own = list(access.visible_records(user).values_list("id", flat=True)[:50_000])
    return Finding.objects.filter(subjects__overlap=own, subjects__contained_by=own)


def _answer(record: Record, user: Any) -> Response:
    history = Change.objects.filter(record=record).select_related("change_set__by", "record__source").order_by("-id")
    claims = visible_findings(user).filter(subjects__contains=[record.pk], state=Finding.State.OPEN)
    claims = claims.order_by("-score", "id")
    record.history, record.findings = history[:SHOWN], claims[:SHOWN]  # type: ignore[attr-defined]
    record.attributions = attributions(record)  # type: ignore[attr-defined]
    return Response(RecordDetail(record).data, headers={"ETag": etag(record)})
