"""Who is told what, and every message with how it fared."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, AUDITORS, Endpoint, Form, IdField, asked, person, sent
from crmquality.models import Delivery, Destination, JobState
from crmquality.services import delivering


class DestinationSerializer(serializers.ModelSerializer[Destination]):
    """A webhook or an e-mail address. failures: attempts in a row that failed."""

    created_by = person("created_by")

    class Meta:
        model = Destination
        fields = [
            "id", "name", "kind", "target", "events", "enabled", "allow_private", "key_changed_at", "failures",
            "paused_until", "created_at", "created_by",
        ]  # fmt: skip


class NewDestination(Form):
    """allow_private: its host may lie in a private network."""

    name = serializers.CharField(max_length=120)
    kind = serializers.ChoiceField(choices=Destination.Kind.choices)
    target = serializers.CharField(max_length=500, help_text="https://... or an e-mail address.")
    events = serializers.ListField(child=serializers.CharField(max_length=60), max_length=50)
    enabled = serializers.BooleanField(default=True)
    allow_private = serializers.BooleanField(default=False)


class SigningKey(serializers.Serializer[Any]):
    """The key that webhooks are signed with."""

    key = serializers.CharField(help_text="whsec_...")


class DeliverySerializer(serializers.ModelSerializer[Delivery]):
    """A message to one destination. answer: HTTP status of the latest attempt; failed: a dead letter."""

    class Meta:
        model = Delivery
        fields = [
            "id", "destination", "event", "message_id", "state", "attempts", "answer", "error", "data", "replays",
            "created_at", "run_after", "finished_at",
        ]  # fmt: skip


class DeliveryQuery(Form):
    """Which messages to list."""

    destination = IdField()
    state = serializers.ChoiceField(choices=JobState.choices, required=False)


class DestinationEndpoint(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, Endpoint[Destination]):
    """Who is told."""

    queryset = Destination.objects.select_related("created_by")
    serializer_class = DestinationSerializer
    roles = {
        "list": AUDITORS,
        "retrieve": AUDITORS,
        "create": ADMINS,
        "update": ADMINS,
        "destroy": ADMINS,
        "key": ADMINS,
        "test": ADMINS,
    }

    @extend_schema(request=NewDestination, responses={201: DestinationSerializer})
    def create(self, request: Request) -> Response:
        """Add a destination."""
        made = delivering.save_destination(**sent(NewDestination, request), user=request.user)
        return Response(DestinationSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=NewDestination, responses=DestinationSerializer)
    def update(self, request: Request, pk: int) -> Response:
        """Replace what it says; messages that wait go where it points to then."""
        found = self.get_object()
        delivering.save_destination(**sent(NewDestination, request), user=request.user, destination=found)
        return Response(DestinationSerializer(found).data)

    @extend_schema(methods=["GET"], responses=SigningKey)
    @extend_schema(methods=["POST"], request=None, responses=SigningKey)
    @action(detail=True, methods=["get", "post"])
    def key(self, request: Request, pk: int) -> Response:
        """GET the key; POST changes it: the old one signs beside the new one for a day."""
        found = self.get_object()
        if request.method == "POST":
            delivering.change_key(found)
        return Response({"key": delivering.shown_key(found)})

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int) -> Response:
        """Send a message that says it is a test."""
        made = delivering.send_test(self.get_object())
        return Response(DeliverySerializer(made).data, status=status.HTTP_202_ACCEPTED)


class DeliveryEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Delivery]):
    """Messages, newest first."""

    queryset = Delivery.objects.select_related("destination")
    serializer_class = DeliverySerializer
    roles = {"list": AUDITORS, "retrieve": AUDITORS, "replay": ADMINS}

    def narrowed(self, queryset: QuerySet[Delivery]) -> QuerySet[Delivery]:
        """By the query."""
        return queryset.filter(**asked(DeliveryQuery, self.request))

    @extend_schema(parameters=[DeliveryQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The messages; state=failed are the dead letters."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses={202: DeliverySerializer})
    @action(detail=True, methods=["post"])
    def replay(self, request: Request, pk: int) -> Response:
        """Send it again under the same message id; 409 while it is still being tried."""
        made = delivering.replay(self.get_object())
        return Response(DeliverySerializer(made).data, status=status.HTTP_202_ACCEPTED)
