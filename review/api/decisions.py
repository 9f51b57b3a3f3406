"""Verdicts: given once however often they are sent, listed, taken back; and the change sets behind them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db import IntegrityError
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import ValidationError
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import DECIDERS, EVERYONE, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.api.errors import KeyReused, problem
from crmquality.models import ChangeSet
from crmquality.services import access, masking, undoing
from crmquality.services.errors import Conflict
from crmquality.services.undoing import Take
from review.api.serializers import (
    ChangeSetQuery,
    ChangeSetSerializer,
    DecisionQuery,
    DecisionResults,
    DecisionSerializer,
    ManyDecisions,
    NewDecision,
    UndoneSerializer,
)
from review.api.serializers_merging import CHOICES, UndoChoices, UndoPreview
from review.models import Decision, ReviewItem
from review.selectors.changing import change_sets, shown_preview
from review.services import checks, deciding, queue


class DecisionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Decision]):
    """A person's word on an item."""

    queryset = Decision.objects.select_related("by", "item__source")
    serializer_class = DecisionSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE, "create": DECIDERS, "bulk": DECIDERS, "undo": DECIDERS}

    def get_queryset(self) -> QuerySet[Decision]:
        """All decisions, or a sales person's own."""
        rows = super().get_queryset()
        return rows if access.sees_everything(self.request.user) else rows.filter(by_id=self.request.user.pk)

    def narrowed(self, queryset: QuerySet[Decision]) -> QuerySet[Decision]:
        """By the query."""
        columns = {
            "source": "item__source",
            "item": "item",
            "detector": "item__detector",
            "verdict": "verdict",
            "automatic": "by__isnull",
        }
        return queryset.filter(**{columns[name]: value for name, value in asked(DecisionQuery, self.request).items()})

    @extend_schema(parameters=[DecisionQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The decisions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewDecision, responses={200: DecisionSerializer, 201: DecisionSerializer})
    def create(self, request: Request) -> Response:
        """Record a verdict and, on accept or edit, apply the correction. 409 if someone was faster or it is stale."""
        decision, code = _decide_once(
            request.user, sent(NewDecision, request), key=request.headers.get("Idempotency-Key", "")
        )
        return Response(DecisionSerializer(decision).data, status=code)

    @extend_schema(request=ManyDecisions, responses={207: DecisionResults})
    @action(detail=False, methods=["post"])
    def bulk(self, request: Request) -> Response:
        """Record up to 100 verdicts, each by itself: one that fails stops no other."""
        given = sent(ManyDecisions, request)["decisions"]
        results = [_result(request.user, one) for one in given]
        return Response({"results": results}, status=status.HTTP_207_MULTI_STATUS)

    @extend_schema(request=None, responses=UndoneSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: int) -> Response:
        """Take a decision back: a sales person their own, a steward anyone's. The item is open again."""
        return undone_answer(deciding.undo_decision(decision=self.get_object(), user=request.user))


class ChangeSetEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[ChangeSet]):
    """Changes made together, for one reason."""

    queryset = ChangeSet.objects.select_related("by", "undone_by").prefetch_related(
        "changes__change_set__by", "changes__record__source"
    )
    serializer_class = ChangeSetSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "undo": STEWARDS, "preview": STEWARDS}

    def narrowed(self, queryset: QuerySet[ChangeSet]) -> QuerySet[ChangeSet]:
        """By the query."""
        query = asked(ChangeSetQuery, self.request)
        if "record" in query:
            touching = ChangeSet.objects.filter(changes__record=query["record"]).values("id")
            queryset = queryset.filter(id__in=touching)
        if query.pop("automatic", False):
            queryset = queryset.filter(pk__in=change_sets(automatic=True).values("pk"))
        columns = {"source": "source", "run": "run"}
        return queryset.filter(**{columns[name]: value for name, value in query.items() if name in columns})

    @extend_schema(parameters=[ChangeSetQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The change sets, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=UndoPreview)
    @action(detail=True, methods=["get"])
    def preview(self, request: Request, pk: int) -> Response:
        """What undoing would do: the values that were edited since, to choose among, and those that are put back."""
        return Response(UndoPreview(shown_preview(undoing.preview(self.get_object()))).data)

    @extend_schema(request=UndoChoices, responses=UndoneSerializer)
    @action(detail=True, methods=["post"])
    def undo(self, request: Request, pk: int) -> Response:
        """Put every value back. What was edited later stays and is listed, unless `take` says otherwise.

        A decision's change is undone with it.
        """
        take = {one["change"]: Take(one["take"]) for one in sent(UndoChoices, request).get("take", [])}
        return undone_answer(undoing.undo_with_cause(change_set=self.get_object(), by=request.user, take=take))


def _decide_once(user: Any, given: Mapping[str, Any], *, key: str) -> tuple[Decision, int]:
    """The decision, and 201 if it was made just now, 200 if it was made before under this key.

    Raises KeyReused if the key came with another verdict, and what `decide` raises.
    """
    earlier = _earlier(user, given, key)
    if earlier:
        return earlier, status.HTTP_200_OK
    item = get_object_or_404(queue.visible_items(user), pk=given["item"])
    if checks.is_check(item):
        return _check(user, item, given), status.HTTP_200_OK
    try:
        decision = deciding.decide(
            item=item,
            verdict=Decision.Verdict(given["verdict"]),
            user=user,
            edited=_edited(given),
            seconds=given.get("seconds"),
            reason=given["reason"],
            idempotency_key=key,
        )
    except (Conflict, IntegrityError):  # the same request may have come in twice at once
        earlier = _earlier(user, given, key)
        if earlier is None:
            raise
        return earlier, status.HTTP_200_OK
    return decision, status.HTTP_201_CREATED


def _check(user: Any, item: ReviewItem, given: Mapping[str, Any]) -> Decision:
    """The answer to a planted card, in the shape of a decision that is stored nowhere."""
    verdict = Decision.Verdict(given["verdict"])
    answer = checks.answer(item=item, verdict=verdict, user=user, seconds=given.get("seconds"))
    decision = Decision(item=item, verdict=answer.verdict, by=user, at=answer.at, seconds=answer.seconds)
    decision.check_result = {  # type: ignore[attr-defined]
        "answer": "accept" if answer.known_answer.right else "reject",
        "right": answer.right,
    }
    return decision


def _earlier(user: Any, given: Mapping[str, Any], key: str) -> Decision | None:
    decision = Decision.objects.filter(by=user, idempotency_key=key).first() if key else None
    if decision is None:
        return None
    same = (decision.item_id, decision.verdict, decision.reason) == (given["item"], given["verdict"], given["reason"])
    if not same or (decision.verdict == Decision.Verdict.EDIT and not _is_what_was_done(decision.changes, given)):
        raise KeyReused
    return decision


def _is_what_was_done(done: Mapping[str, Any], given: Mapping[str, Any]) -> bool:
    """Whether a decision did what these choices ask for."""
    chosen = done.get("chosen", done.get("changes", {}))
    survivor = given.get("survivor", done.get("survivor"))
    members = set(given.get("members", done.get("members", []))) - {survivor}
    return (
        all(name in chosen and chosen[name] == (value or None) for name, value in given.get("changes", {}).items())
        and survivor == done.get("survivor")
        and members == set(done.get("members", []))
    )


def _edited(given: Mapping[str, Any]) -> dict[str, Any]:
    return {name: given[name] for name in CHOICES if name in given}


def _result(user: Any, given: Mapping[str, Any] | ValidationError) -> dict[str, Any]:
    item = None if isinstance(given, ValidationError) else given["item"]
    try:
        if isinstance(given, ValidationError):
            raise given
        decision, code = _decide_once(user, given, key=given["key"])
    except Exception as error:
        answer = problem(error, {})
        if answer is None:
            raise
        return {"item": item, "status": answer.status_code, "problem": answer.data}
    return {"item": item, "status": code, "decision": DecisionSerializer(decision).data}


def undone_answer(undone: undoing.Undone | None) -> Response:
    """What an undo did, as it may be shown."""
    kept = [
        {"record": change.record_id, "field": change.field, "value": masking.current().kept(change, value)}
        for change, value in (undone.kept if undone else [])
    ]
    said = {
        "change_set": undone.change_set.pk if undone else None,
        "restored": undone.restored if undone else 0,
        "kept": kept,
    }
    return Response(UndoneSerializer(said).data)
