"""Policies: where to cut, an admin's choice, every version kept."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, asked, sent
from crmquality.services.errors import Refused
from detectors import registry
from review.api.serializers import NewPolicy, PolicyQuery, PolicySerializer
from review.models import PolicyVersion
from review.services import policies


class PolicyEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[PolicyVersion]):
    """Score bounds of one detector for a source."""

    queryset = PolicyVersion.objects.select_related("by")
    serializer_class = PolicySerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS}

    def narrowed(self, queryset: QuerySet[PolicyVersion]) -> QuerySet[PolicyVersion]:
        """By the query."""
        return queryset.filter(**asked(PolicyQuery, self.request))

    @extend_schema(parameters=[PolicyQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewPolicy, responses={201: PolicySerializer})
    def create(self, request: Request) -> Response:
        """Set new bounds; the next run uses them, open items keep the version they came by."""
        given = sent(NewPolicy, request)
        if given["detector"] not in registry.available():
            raise Refused(f"No such detector is installed: choose one of {', '.join(registry.available())}.")
        version = policies.set_policy(**given, user=request.user)
        return Response(PolicySerializer(version).data, status=status.HTTP_201_CREATED)
