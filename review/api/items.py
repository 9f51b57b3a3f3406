"""The queue: items listed, handed out one at a time, given back, put behind the others."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import DECIDERS, EVERYONE, STEWARDS, Endpoint, asked, sent
from crmquality.api.serializers_privacy import Why
from crmquality.models import Record
from crmquality.services import disclosing
from crmquality.services.errors import Conflict
from review.api.serializers import (
    Assignment,
    CommentSerializer,
    ItemDetail,
    ItemQuery,
    ItemSerializer,
    NewComment,
    NextItem,
    SkipReason,
)
from review.api.serializers_merging import MergeChoices, MergeSerializer
from review.models import ReviewItem
from review.models.items import ReviewItemQuerySet
from review.selectors import cards
from review.selectors.merge_cards import merge_view
from review.services import desks, queue


class ItemEndpoint(ListModelMixin, Endpoint[ReviewItem]):
    """A claim that a person should decide."""

    queryset = ReviewItem.objects.all()
    serializer_class = ItemSerializer
    roles = {
        "list": EVERYONE,
        "retrieve": EVERYONE,
        "next": DECIDERS,
        "claim": DECIDERS,
        "release": DECIDERS,
        "skip": DECIDERS,
        "merge": DECIDERS,
        "reveal": DECIDERS,
        "assign": STEWARDS,
        "comments": EVERYONE,
        "comment": DECIDERS,
    }

    def get_queryset(self) -> QuerySet[ReviewItem]:
        """All items, or those about a sales person's own records."""
        return queue.visible_items(self.request.user).select_related("finding", "assigned_to", "leased_by")

    def narrowed(self, queryset: QuerySet[ReviewItem]) -> QuerySet[ReviewItem]:
        """By the query."""
        query = asked(ItemQuery, self.request)
        state = query.pop("state", None)
        fitting = queue.Filters(**query).apply(cast(ReviewItemQuerySet, queryset), self.request.user)
        return fitting.filter(state=state) if state else fitting

    @extend_schema(parameters=[ItemQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The items, newest first; `next` hands them out in the order of the queue."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=ItemDetail)
    def retrieve(self, request: Request, pk: int) -> Response:
        """One item with its card. Reading it reserves nothing."""
        return _answer(self.get_object())

    @extend_schema(request=NextItem, responses={200: ItemDetail, 204: None})
    @action(detail=False, methods=["post"])
    def next(self, request: Request) -> Response:
        """The next item, reserved for you for five minutes; 204 if nothing is left."""
        item = queue.claim_next(user=request.user, filters=queue.Filters(**sent(NextItem, request)))
        return _answer(self.get_queryset().get(pk=item.pk)) if item else Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=ItemDetail)
    @action(detail=True, methods=["post"])
    def claim(self, request: Request, pk: int) -> Response:
        """Reserve this very item; 409 if it is closed, stale, or on another desk, or one that asks the same is."""
        item = queue.claim(user=request.user, item_id=self.get_object().pk)
        if item is None:
            raise Conflict("This item is closed, or another steward has it, or the same question, on their desk.")
        return _answer(self.get_queryset().get(pk=item.pk))

    @extend_schema(request=None, responses={204: None})
    @action(detail=False, methods=["post"])
    def release(self, request: Request) -> Response:
        """Give back what you have reserved."""
        queue.release(user=request.user)
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=SkipReason, responses={204: None})
    @action(detail=True, methods=["post"])
    def skip(self, request: Request, pk: int) -> Response:
        """Put it, and what asks the same, behind the others; it stays open. A reason is shown when it comes back."""
        queue.skip(item=self.get_object(), user=request.user, reason=sent(SkipReason, request)["reason"])
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=Why, responses=ItemDetail)
    @action(detail=True, methods=["post"])
    def reveal(self, request: Request, pk: int) -> Response:
        """See the values of its records that are masked for you, for five minutes; noted in the disclosure log."""
        item = self.get_object()
        records = list(Record.objects.filter(pk__in=item.finding.subjects).select_related("source"))
        disclosing.reveal(records=records, user=request.user, why=sent(Why, request)["why"])
        return _answer(item)

    @extend_schema(request=Assignment, responses=ItemSerializer)
    @action(detail=True, methods=["post"])
    def assign(self, request: Request, pk: int) -> Response:
        """Give it to one person, who alone is handed it; 422 if they may not decide it."""
        item = self.get_object()
        name = sent(Assignment, request)["to"]
        queue.assign(items=[item.pk], to=get_object_or_404(User, username=name) if name else None, by=request.user)
        return Response(ItemSerializer(self.get_queryset().get(pk=item.pk)).data)

    @extend_schema(request=None, responses=CommentSerializer(many=True))
    @action(detail=True, methods=["get"], pagination_class=None)
    def comments(self, request: Request, pk: int) -> Response:
        """What was noted about the claim, oldest first."""
        return Response(CommentSerializer(desks.comments_on(self.get_object()), many=True).data)

    @extend_schema(request=NewComment, responses={201: CommentSerializer})
    @comments.mapping.post
    def comment(self, request: Request, pk: int) -> Response:
        """Note something about the claim."""
        made = desks.comment(item=self.get_object(), text=sent(NewComment, request)["text"], user=request.user)
        return Response(CommentSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=MergeChoices, responses=MergeSerializer)
    @action(detail=True, methods=["post"])
    def merge(self, request: Request, pk: int) -> Response:
        """The merge of this item with these choices, as it would be done; nothing is written. 409 if it is no merge."""
        item = self.get_object()
        records = {one.pk: one for one in Record.objects.filter(pk__in=item.finding.subjects).select_related("source")}
        if item.action != "merge" or set(item.finding.subjects) - set(records):
            raise Conflict("This is no merge, or its records are gone.")
        return Response(MergeSerializer(merge_view(item.finding, records, sent(MergeChoices, request))).data)


def _answer(item: ReviewItem) -> Response:
    item.card = _card(item)  # type: ignore[attr-defined]
    return Response(ItemDetail(item).data)


def _card(item: ReviewItem) -> dict[str, Any] | None:
    subjects = set(item.finding.subjects)
    if Record.objects.filter(pk__in=subjects).count() < len(subjects):
        return None
    card = cards.card(item)
    return {
        "question": card.question,
        "title": card.title,
        "writes": card.writes,
        "proposal": card.finding.proposal,
        "evidence": [{"fields": [], "records": [], **reason} for reason in card.finding.evidence],
        "records": card.records,
        "history": card.history,
        "merge": card.merge,
        "also_found_by": [
            {"item": one.item.pk, "detector": one.item.detector, "score": one.item.score, "why": one.why}
            for one in card.also
        ],
    }
