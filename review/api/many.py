"""Many at once: a group settled by one verdict, a lot accepted after its sample, both undone as a whole."""

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

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.services import running
from crmquality.services.errors import Conflict
from review.api.serializers_many import (
    AcceptanceRuleSerializer,
    BatchQuery,
    BatchSerializer,
    LotChoice,
    LotQuery,
    LotSerializer,
    MemberSerializer,
    NewAcceptanceRule,
    NewBatch,
    PlanSerializer,
    SampleCard,
)
from review.models import AcceptanceRule, Decision, DecisionBatch, Lot
from review.services import batching, lots, queue


class BatchEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[DecisionBatch]):
    """A step that decided many items, or took many decisions back."""

    queryset = DecisionBatch.objects.select_related("requested_by", "source")
    serializer_class = BatchSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "members": STAFF,
        "create": STEWARDS,
        "undo": STEWARDS,
        "cancel": STEWARDS,
    }

    def narrowed(self, queryset: QuerySet[DecisionBatch]) -> QuerySet[DecisionBatch]:
        """By the query."""
        return queryset.filter(**asked(BatchQuery, self.request))

    @extend_schema(parameters=[BatchQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The batches, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewBatch, responses={201: BatchSerializer, 202: BatchSerializer})
    def create(self, request: Request) -> Response:
        """Settle all open items of an item's pattern by one verdict: 201 if done, 202 if a worker does it."""
        given = sent(NewBatch, request)
        item = get_object_or_404(queue.visible_items(request.user), pk=given["item"])
        batch = batching.decide_group(
            item=item,
            verdict=Decision.Verdict(given["verdict"]),
            user=request.user,
            without=given["without"],
            newest=given.get("newest"),
            reason=given["reason"],
        )
        return _started(batch)

    @extend_schema(responses=MemberSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"])
    def members(self, request: Request, pk: int) -> Response:
        """The items of a batch and what became of each."""
        members: Any = self.get_object().members.order_by("-id")
        page: Any = self.paginate_queryset(members)
        return self.get_paginated_response(MemberSerializer(page, many=True).data)

    @extend_schema(request=None, responses={201: BatchSerializer, 202: BatchSerializer})
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: int) -> Response:
        """Take all its decisions back, as a batch of its own, which lists what could not be undone and why."""
        return _started(batching.request_undo(batch=self.get_object(), user=request.user))

    @extend_schema(request=None)
    @action(detail=True, methods=["post"])
    def cancel(self, request: Request, pk: int) -> Response:
        """Ask the batch to stop; 409 if it is over. What it has done stays, and can be undone."""
        batch = self.get_object()
        if not running.cancel(batch):
            raise Conflict("It is over already.")
        batch.refresh_from_db()
        return Response(BatchSerializer(batch).data)


class LotEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Lot]):
    """Items that may be accepted in one step after a sample of them was judged."""

    queryset = Lot.objects.select_related("by", "source")
    serializer_class = LotSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "sample": STAFF,
        "plan": STEWARDS,
        "create": STEWARDS,
        "replace": STEWARDS,
        "accept": STEWARDS,
    }

    def narrowed(self, queryset: QuerySet[Lot]) -> QuerySet[Lot]:
        """By the query."""
        return queryset.filter(**asked(LotQuery, self.request))

    @extend_schema(parameters=[LotQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The lots, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=LotChoice, responses=PlanSerializer)
    @action(detail=False, methods=["post"])
    def plan(self, request: Request) -> Response:
        """What would be drawn for this choice. Nothing is stored."""
        found = lots.propose(sent(LotChoice, request)["choice"], request.user)
        names = ("sample", "allowed", "limit", "risk", "expected")
        said = {name: getattr(found.plan, name, None) for name in names}
        return Response(PlanSerializer(said | {"size": found.size, "assumed": found.assumed}).data)

    @extend_schema(request=LotChoice, responses={201: LotSerializer})
    def create(self, request: Request) -> Response:
        """Fix the lot and draw its sample, once. Judge the cards of /lots/{id}/sample/ by ordinary decisions."""
        lot = lots.draw(choice=sent(LotChoice, request)["choice"], user=request.user)
        return Response(LotSerializer(lot).data, status=status.HTTP_201_CREATED)

    @extend_schema(responses=SampleCard(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def sample(self, request: Request, pk: int) -> Response:
        """The cards of the sample with their verdicts as they stand, in the order drawn."""
        return Response(SampleCard(lots.with_verdicts(self.get_object()), many=True).data)

    @extend_schema(request=None, responses=LotSerializer)
    @action(detail=True, methods=["post"])
    def replace(self, request: Request, pk: int) -> Response:
        """Let the next in the order take the place of cards that can no longer be judged."""
        lot = self.get_object()
        lots.top_up(lot)
        return Response(LotSerializer(lot).data)

    @extend_schema(request=None, responses={201: BatchSerializer, 202: BatchSerializer})
    @action(detail=True, methods=["post"])
    def accept(self, request: Request, pk: int) -> Response:
        """Accept the rest if the sample passed; refused with the interval if too many of it were wrong."""
        return _started(lots.accept_rest(lot=self.get_object(), user=request.user))


class AcceptanceRuleEndpoint(ListModelMixin, Endpoint[AcceptanceRule]):
    """The limits of acceptance sampling; the newest is in force."""

    queryset = AcceptanceRule.objects.select_related("by")
    serializer_class = AcceptanceRuleSerializer
    roles = {"list": STAFF, "create": ADMINS}

    @extend_schema(request=NewAcceptanceRule, responses={201: AcceptanceRuleSerializer})
    def create(self, request: Request) -> Response:
        """Set new limits; lots drawn from now on follow them."""
        made = lots.set_rule(**sent(NewAcceptanceRule, request), user=request.user)
        return Response(AcceptanceRuleSerializer(made).data, status=status.HTTP_201_CREATED)


def _started(batch: DecisionBatch) -> Response:
    code = status.HTTP_202_ACCEPTED if batch.is_active else status.HTTP_201_CREATED
    return Response(BatchSerializer(batch).data, status=code)
