"""Who may see personal values, and who did."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, AUDITORS, Endpoint, asked, sent
from crmquality.api.serializers_privacy import (
    AccessPolicyQuery,
    AccessPolicySerializer,
    DisclosureQuery,
    DisclosureSerializer,
    NewAccessPolicy,
)
from crmquality.models import AccessPolicy, Disclosure
from crmquality.services import disclosing


class AccessPolicyEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[AccessPolicy]):
    """What is masked for whom in a source, and what sales people decide there."""

    queryset = AccessPolicy.objects.select_related("by")
    serializer_class = AccessPolicySerializer
    roles = {"list": AUDITORS, "retrieve": AUDITORS, "create": ADMINS}

    def narrowed(self, queryset: QuerySet[AccessPolicy]) -> QuerySet[AccessPolicy]:
        """By the query."""
        return queryset.filter(**asked(AccessPolicyQuery, self.request))

    @extend_schema(parameters=[AccessPolicyQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The versions, newest first; the newest of a source is in force."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewAccessPolicy, responses={201: AccessPolicySerializer})
    def create(self, request: Request) -> Response:
        """Add a version; it holds at once."""
        policy = disclosing.set_policy(**sent(NewAccessPolicy, request), by=request.user)
        return Response(AccessPolicySerializer(policy).data, status=status.HTTP_201_CREATED)


class DisclosureEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Disclosure]):
    """Masked values that were shown to a person; never changed or deleted."""

    queryset = Disclosure.objects.select_related("by")
    serializer_class = DisclosureSerializer
    roles = {"list": AUDITORS, "retrieve": AUDITORS}

    def narrowed(self, queryset: QuerySet[Disclosure]) -> QuerySet[Disclosure]:
        """By the query."""
        return disclosing.Asked(**asked(DisclosureQuery, self.request)).apply(queryset)

    @extend_schema(parameters=[DisclosureQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The disclosures, newest first."""
        return super().list(request, *args, **kwargs)
