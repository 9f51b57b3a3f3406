"""A person's own records with what is wrong with them, mending a field, and questions to the stewards."""

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

from crmquality.api.base import EVERYONE, SALES, STEWARDS, Endpoint, asked, sent
from crmquality.api.records import etag
from crmquality.models import ChangeSet, Record
from crmquality.services import access
from crmquality.services.checking import check_value
from crmquality.services.undoing import undo_with_cause
from review.api.decisions import undone_answer
from review.api.serializers import UndoneSerializer
from review.api.serializers_own import (
    Answer,
    FixedSerializer,
    NewQuestion,
    OwnQuery,
    OwnSerializer,
    QuestionQuery,
    QuestionSerializer,
    UndoOwn,
    ValueToCheck,
    ValueToWrite,
    ValueVerdict,
)
from review.models import Question
from review.selectors import own
from review.services import asking, fixing
from review.services.queue import visible_items


class OwnEndpoint(Endpoint[Record]):
    """The records whose owner you are."""

    queryset = Record.objects.all()
    serializer_class = OwnSerializer
    pagination_class = None
    roles = {"list": SALES, "check": SALES, "fix": SALES, "undo": SALES}

    def get_queryset(self) -> QuerySet[Record]:
        """Those that the person may see."""
        return access.visible_records(self.request.user).select_related("source")

    def current_etag(self) -> str:
        """The record's."""
        return etag(self.get_object())

    @extend_schema(parameters=[OwnQuery], responses=OwnSerializer)
    def list(self, request: Request) -> Response:
        """Your records with what is wrong with each, the worst first, a page at a time."""
        query = asked(OwnQuery, request)
        found = own.own(request.user, asked=query.get("q", ""), page=query["page"])
        return Response(OwnSerializer(found).data)

    @extend_schema(request=ValueToCheck, responses=ValueVerdict)
    @action(detail=True, methods=["post"])
    def check(self, request: Request, pk: int) -> Response:
        """Whether a value is valid for a field of this record, and how it is better written. Writes nothing."""
        record, given = self.get_object(), sent(ValueToCheck, request)
        return Response(ValueVerdict(check_value(record, given["field"], given["value"])).data)

    @extend_schema(request=ValueToWrite, responses=FixedSerializer)
    @action(detail=True, methods=["post"])
    def fix(self, request: Request, pk: int) -> Response:
        """Write one field; it settles the open claims about it. 428 without If-Match, 412 if the record changed."""
        record, given = self.get_object(), sent(ValueToWrite, request)
        name = given["field"]
        done = fixing.fix(
            record=record,
            name=name,
            value=given["value"],
            seen=fixing.mark_of(record.fields.get(name)),
            user=request.user,
        )
        said = {"change_set": done.change_set.pk, "decisions": [one.pk for one in done.settled]}
        return Response(FixedSerializer(said).data)

    @extend_schema(request=UndoOwn, responses=UndoneSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: int) -> Response:
        """Take back a correction of yours on this record."""
        mine = ChangeSet.objects.filter(by_id=request.user.pk, changes__record=self.get_object()).distinct()
        change_set = get_object_or_404(mine, pk=sent(UndoOwn, request)["change_set"])
        return undone_answer(undo_with_cause(change_set=change_set, by=request.user))


class QuestionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Question]):
    """What people ask the stewards about their records."""

    queryset = Question.objects.all()
    serializer_class = QuestionSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE, "create": SALES, "answer": STEWARDS}

    def get_queryset(self) -> QuerySet[Question]:
        """All questions, or a sales person's own."""
        return asking.visible_questions(self.request.user)

    def narrowed(self, queryset: QuerySet[Question]) -> QuerySet[Question]:
        """By the query."""
        query = asked(QuestionQuery, self.request)
        if "answered" in query:
            queryset = queryset.filter(answered_at__isnull=not query["answered"])
        return queryset.filter(record=query["record"]) if "record" in query else queryset

    @extend_schema(parameters=[QuestionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The questions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewQuestion, responses={201: QuestionSerializer})
    def create(self, request: Request) -> Response:
        """Ask about a record of yours, or a claim about it."""
        given = sent(NewQuestion, request)
        record = get_object_or_404(access.visible_records(request.user), pk=given["record"])
        items = visible_items(request.user).filter(finding__subjects__contains=[record.pk])
        item = get_object_or_404(items, pk=given["item"]) if "item" in given else None
        question = asking.ask(record=record, item=item, text=given["text"], user=request.user)
        return Response(QuestionSerializer(question).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=Answer, responses=QuestionSerializer)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: int) -> Response:
        """Answer it; 409 if somebody was faster."""
        question = asking.answer(question=self.get_object(), text=sent(Answer, request)["text"], user=request.user)
        return Response(QuestionSerializer(question).data)
