"""Policies: where to cut, an admin's choice, every version kept; what other bounds would do; the gates."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, asked, sent
from crmquality.services.errors import Refused
from detectors import registry
from review.api.serializers_policies import (
    GateSerializer,
    NewPolicy,
    OutlookSerializer,
    PolicyBounds,
    PolicyQuery,
    PolicySerializer,
)
from review.models import Gate, PolicyVersion
from review.policy import Policy
from review.selectors import thresholds
from review.services import policies


class PolicyEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[PolicyVersion]):
    """Score bounds of one detector for a source."""

    queryset = PolicyVersion.objects.select_related("by")
    serializer_class = PolicySerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS, "preview": STAFF, "roll_back": ADMINS}

    def narrowed(self, queryset: QuerySet[PolicyVersion]) -> QuerySet[PolicyVersion]:
        """By the query."""
        return queryset.filter(**asked(PolicyQuery, self.request))

    @extend_schema(parameters=[PolicyQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewPolicy, responses={201: PolicySerializer})
    def create(self, request: Request) -> Response:
        """Set new bounds: the queue follows at once, accepting by itself at the next run, if its gate is open."""
        given = _known(sent(NewPolicy, request))
        version = policies.set_policy(**given, user=request.user)
        return Response(PolicySerializer(version).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=PolicyBounds, responses=OutlookSerializer)
    @action(detail=False, methods=["post"], pagination_class=None)
    def preview(self, request: Request) -> Response:
        """What these bounds would do, by the claims and decisions there are; nothing is saved."""
        given = _known(sent(PolicyBounds, request))
        wanted = Policy(given["review_at"], given["accept_at"], given["target"], given["audit_share"])
        return Response(OutlookSerializer(thresholds.outlook(given["source"], given["detector"], wanted)).data)

    @extend_schema(request=None, responses={201: PolicySerializer})
    @action(detail=True, methods=["post"], url_path="roll-back", url_name="roll-back")
    def roll_back(self, request: Request, pk: int) -> Response:
        """Put this version's bounds in force again, as a new version."""
        version = policies.roll_back(version=self.get_object(), user=request.user)
        return Response(PolicySerializer(version).data, status=status.HTTP_201_CREATED)


class GateEndpoint(ListModelMixin, Endpoint[Gate]):
    """Whether corrections of a detector may be accepted by themselves at this moment, and why (not)."""

    queryset = Gate.objects.all()
    serializer_class = GateSerializer
    roles = {"list": STAFF}

    def narrowed(self, queryset: QuerySet[Gate]) -> QuerySet[Gate]:
        """By the query."""
        return queryset.filter(**asked(PolicyQuery, self.request))

    @extend_schema(parameters=[PolicyQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One a source and detector that was ever checked."""
        return super().list(request, *args, **kwargs)


def _known(given: dict[str, Any]) -> dict[str, Any]:
    if given["detector"] not in registry.available():
        raise Refused(f"No such detector is installed: choose one of {', '.join(registry.available())}.")
    return given
