"""Connected systems: made, tried, paused; their objects; the outbox; and webhooks that come in."""

from __future__ import annotations

from typing import Any
from uuid import UUID

from django.conf import settings
from django.core.exceptions import PermissionDenied
from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.permissions import AllowAny
from rest_framework.request import Request
from rest_framework.response import Response
from rest_framework.throttling import AnonRateThrottle
from rest_framework.views import APIView

from crmquality.api.base import ADMINS, STAFF, STEWARDS, Endpoint, asked, sent
from crmquality.api.serializers import ImportSerializer
from crmquality.api.serializers_connections import (
    Answered,
    ConnectionEdit,
    ConnectionSerializer,
    ConnectorSerializer,
    FeedQuery,
    FeedSerializer,
    NewConnection,
    NewFeed,
    OutboxCall,
    OutboxQuery,
    OutboxSerializer,
    Pause,
    PullRequest,
    PullSchedule,
    Settling,
    SystemObject,
    WriteBack,
)
from crmquality.connectors import registry
from crmquality.models import Connection, Feed, OutboxEntry
from crmquality.selectors import outbox as selecting
from crmquality.services import connections, outbox_delivering, outbox_settling, pulling

SETTLE = {
    "retry": outbox_settling.retry,
    "overwrite": outbox_settling.overwrite,
    "take_theirs": outbox_settling.take_theirs,
    "dismiss": outbox_settling.dismiss,
}
LARGEST_HOOK = 256 * 1024


class ConnectionEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Connection]):
    """A system that people work in, and our login to it."""

    queryset = Connection.objects.select_related("created_by")
    serializer_class = ConnectionSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "connectors": ADMINS,
        "create": ADMINS,
        "partial_update": ADMINS,
        "destroy": ADMINS,
        "test": ADMINS,
        "pause": ADMINS,
        "resume": ADMINS,
        "schedule": ADMINS,
        "objects": ADMINS,
    }

    @extend_schema(responses=ConnectorSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def connectors(self, request: Request) -> Response:
        """The kinds of systems that can be connected, and what each asks for."""
        return Response(ConnectorSerializer(registry.systems(), many=True).data)

    @extend_schema(request=NewConnection, responses={201: ConnectionSerializer})
    def create(self, request: Request) -> Response:
        """Keep a new connection; it is not tried."""
        given = sent(NewConnection, request)
        made = connections.make(given=given.pop("settings"), user=request.user, **given)
        return Response(ConnectionSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=ConnectionEdit, responses=ConnectionSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change how it is reached. Secrets left out stay; at another address they are to be given anew."""
        connection, given = self.get_object(), sent(ConnectionEdit, request)
        changed = connections.change(connection=connection, given=given.pop("settings"), **given)
        return Response(ConnectionSerializer(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Forget it; its sources and records stay. 400 while writes are pending."""
        connections.remove(connection=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=Answered)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int) -> Response:
        """Connect and say who answers; 400 with the reason if nobody does."""
        return Response({"said": connections.try_out(self.get_object())})

    @extend_schema(request=Pause, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def pause(self, request: Request, pk: int) -> Response:
        """Send and pull nothing from now on."""
        connections.pause(connection=self.get_object(), why=sent(Pause, request)["why"])
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=ConnectionSerializer)
    @action(detail=True, methods=["post"])
    def resume(self, request: Request, pk: int) -> Response:
        """Send and pull again."""
        connections.resume(connection=self.get_object())
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=PullSchedule, responses=ConnectionSerializer)
    @action(detail=True, methods=["put"])
    def schedule(self, request: Request, pk: int) -> Response:
        """How often it is pulled by itself."""
        connections.schedule(connection=self.get_object(), **sent(PullSchedule, request))
        return Response(self.get_serializer(self.get_object()).data)

    @extend_schema(request=None, responses=SystemObject(many=True))
    @action(detail=True, methods=["post"], pagination_class=None)
    def objects(self, request: Request, pk: int) -> Response:
        """What the system holds, asked of it now, which counts as requests."""
        return Response(SystemObject(connections.describe(self.get_object()), many=True).data)


class FeedEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Feed]):
    """An object of a connected system that feeds a source."""

    queryset = Feed.objects.select_related("connection", "source")
    serializer_class = FeedSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": ADMINS, "write_back": ADMINS, "pull": STEWARDS}

    def narrowed(self, queryset: QuerySet[Feed]) -> QuerySet[Feed]:
        """By the query."""
        return queryset.filter(**asked(FeedQuery, self.request))

    @extend_schema(parameters=[FeedQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The feeds, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewFeed, responses={201: FeedSerializer})
    def create(self, request: Request) -> Response:
        """Make a source of an object; its columns are guessed from a first page, to be confirmed."""
        feed = pulling.add_feed(**sent(NewFeed, request), user=request.user)
        return Response(FeedSerializer(feed).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=WriteBack, responses=FeedSerializer)
    @action(detail=True, methods=["put"], url_path="write-back")
    def write_back(self, request: Request, pk: int) -> Response:
        """Whether corrections are written to the system."""
        pulling.set_write_back(feed=self.get_object(), **sent(WriteBack, request))
        return Response(FeedSerializer(self.get_object()).data)

    @extend_schema(request=PullRequest, responses={202: ImportSerializer})
    @action(detail=True, methods=["post"])
    def pull(self, request: Request, pk: int) -> Response:
        """Queue a pull; watch it at /imports/{id}/."""
        job = pulling.request_pull(feed=self.get_object(), user=request.user, **sent(PullRequest, request))
        return Response(ImportSerializer(job).data, status=status.HTTP_202_ACCEPTED)


class OutboxEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[OutboxEntry]):
    """Writes to connected systems: waiting, done, in conflict, not delivered."""

    queryset = OutboxEntry.objects.all()
    serializer_class = OutboxSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "calls": STEWARDS, "settle": STEWARDS}

    def get_queryset(self) -> QuerySet[OutboxEntry]:
        """All entries."""
        found: QuerySet[OutboxEntry] = selecting.with_names()
        return found

    def narrowed(self, queryset: QuerySet[OutboxEntry]) -> QuerySet[OutboxEntry]:
        """By the query."""
        return queryset.filter(**asked(OutboxQuery, self.request))

    @extend_schema(parameters=[OutboxQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The entries, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=None, responses=OutboxCall(many=True))
    @action(detail=True, methods=["post"], pagination_class=None)
    def calls(self, request: Request, pk: int) -> Response:
        """A dry run: the exact requests that it would send now, of which none is sent. It reads, and that counts."""
        entry = self.get_object()
        if not selecting.may_see_calls(entry):
            raise PermissionDenied("The requests hold values that are masked for you.")
        return Response(selecting.call_lines(outbox_delivering.preview(entry)))

    @extend_schema(request=Settling, responses=OutboxSerializer)
    @action(detail=True, methods=["post"])
    def settle(self, request: Request, pk: int) -> Response:
        """Settle a conflict or a write that was not delivered; 409 if somebody did already."""
        entry = self.get_object()  # before what was sent is looked at: what is not there is 404
        SETTLE[sent(Settling, request)["action"]](entry=entry, by=request.user)
        return Response(self.get_serializer(self.get_object()).data)


class HookEndpoint(APIView):
    """Where a connected system says that something changed. It is verified, never believed, and read again."""

    authentication_classes = ()
    permission_classes = (AllowAny,)
    throttle_classes = (AnonRateThrottle,)

    @extend_schema(request={"application/json": {}}, responses={202: None}, auth=[])
    def post(self, request: Request, uid: UUID) -> Response:
        """Take a webhook: the objects that it names are pulled again. 404 for an unknown address, 400 if unverified."""
        connection = Connection.objects.filter(uid=uid).first()
        if connection is None or int(request.META.get("CONTENT_LENGTH") or 0) > LARGEST_HOOK:
            raise NotFound
        path = request.get_full_path()
        address = f"{settings.SITE_ADDRESS}{path}" if settings.SITE_ADDRESS else request.build_absolute_uri(path)
        named = connections.hear(connection, dict(request.headers), request._request.body, address=address)
        pulling.pull_again(connection, named)
        return Response(status=status.HTTP_202_ACCEPTED)
