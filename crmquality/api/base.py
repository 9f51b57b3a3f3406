"""What the endpoints share: roles an action, filters from the query, the words of the schema."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar, TypeVar

from django.db.models import Model, QuerySet
from drf_spectacular.extensions import OpenApiSerializerFieldExtension
from rest_framework import serializers
from rest_framework.permissions import SAFE_METHODS, BasePermission
from rest_framework.request import Request
from rest_framework.viewsets import GenericViewSet

from crmquality.api import promises
from crmquality.services import access
from crmquality.services.access import UserRole, has_role

EVERYONE, STAFF, DECIDERS = access.EVERYONE, access.STAFF, access.DECIDERS
SALES = (UserRole.SALES,)
STEWARDS = (UserRole.STEWARD,)
AUDITORS = (UserRole.AUDITOR,)
ADMINS = (UserRole.ADMIN,)
LARGEST_ID = 2**63 - 1

M = TypeVar("M", bound=Model)


class RolePermission(BasePermission):
    """Lets in whom the endpoint's `roles` name for the action; an action that it does not name, nobody."""

    message = "Your role does not allow this."

    def has_permission(self, request: Request, view: Any) -> bool:
        """Whether the person has a role for this action; the objects are narrowed by each endpoint's queryset."""
        if view.action is None:  # no such method here: let it be answered with 405
            return bool(request.user.is_authenticated)
        return has_role(request.user, *view.roles[view.action]) if view.action in view.roles else False


class Endpoint(GenericViewSet[M]):
    """One resource. roles: action -> who may do it, besides admins. What it keeps to is in `promises`."""

    permission_classes = [RolePermission]
    lookup_value_converter = "int"
    roles: ClassVar[Mapping[str, tuple[UserRole, ...]]] = {}

    def initial(self, request: Request, *args: Any, **kwargs: Any) -> None:
        """Who may come in; then what writes is held to its key and to If-Match."""
        super().initial(request, *args, **kwargs)
        method = str(request.method).lower()
        if self.action and request.method not in SAFE_METHODS:
            setattr(self, method, promises.promised(self, getattr(self, method)))

    def finalize_response(self, request: Request, response: Any, *args: Any, **kwargs: Any) -> Any:
        """The answer, with an ETag if it shows one thing."""
        if promises.is_read_alone(self, request, response):
            response.headers.setdefault("ETag", promises.tag(response))
        return super().finalize_response(request, response, *args, **kwargs)

    def current_etag(self) -> str:
        """The ETag that reading this object would bring now, for whoever asks."""
        asked_for, self.action = self.action, "retrieve"
        try:
            return promises.tag(self.retrieve(self.request, **self.kwargs))  # type: ignore[attr-defined]
        finally:
            self.action = asked_for

    def filter_queryset(self, queryset: Any) -> Any:
        """The rows as DRF asks for them: a list is narrowed by the query, an object is found by its id alone."""
        return self.narrowed(queryset) if self.action == "list" else queryset

    def narrowed(self, queryset: QuerySet[M]) -> QuerySet[M]:
        """The rows that fit the query's filters."""
        return queryset


class Form(serializers.Serializer[Any]):
    """What may be sent or asked for."""

    source: Any  # a source's id in many of them; the name means something else in a field of DRF


class IdField(serializers.IntegerField):
    """An id in a filter."""

    def __init__(self, **options: Any) -> None:
        super().__init__(min_value=1, max_value=LARGEST_ID, **{"required": False} | options)


class Each(serializers.Field[Any, Any, Any, Any]):
    """An item of a bulk: checked by `child` alone, so that a bad one fails no other. Its error stands in its place."""

    def __init__(self, child: serializers.Field[Any, Any, Any, Any], **options: Any) -> None:
        super().__init__(**options)
        self.child = child

    def run_validation(self, data: Any = serializers.empty) -> Any:
        """The value, or the ValidationError that says what is wrong with it."""
        try:
            return self.child.run_validation(data)
        except serializers.ValidationError as error:
            return error

    def to_representation(self, value: Any) -> Any:
        """As the item's own kind shows it."""
        return self.child.to_representation(value)


class EachSchema(OpenApiSerializerFieldExtension):  # type: ignore[no-untyped-call]
    """How the OpenAPI file describes it: as the item itself."""

    target_class = Each

    def map_serializer_field(self, auto_schema: Any, direction: Any) -> Any:
        """The child's."""
        return auto_schema._map_serializer_field(self.target.child, direction)


def asked(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The query's filters, checked; those not given are absent. Raises ValidationError."""
    found = kind(data=request.query_params.dict())
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def sent(kind: type[serializers.Serializer[Any]], request: Request) -> dict[str, Any]:
    """The request's body, checked. Raises ValidationError."""
    found = kind(data=request.data)
    found.is_valid(raise_exception=True)
    return dict(found.validated_data)


def person(source: str) -> serializers.CharField:
    """A user's name, null for nobody."""
    return serializers.CharField(source=f"{source}.username", read_only=True, allow_null=True)
