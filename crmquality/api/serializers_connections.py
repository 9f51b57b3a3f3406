"""How connections, their objects and the outbox look in the API, and what may be sent. Secrets only go in."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crmquality.api.base import Form, IdField, person
from crmquality.models import Connection, Feed, Kind, OutboxEntry
from crmquality.selectors import outbox as selecting
from crmquality.services import connections


class SettingSerializer(Form):
    """One field of the form of a connector."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    required = serializers.BooleanField()  # type: ignore[assignment]
    secret = serializers.BooleanField()
    address = serializers.BooleanField(help_text="Says where secrets are sent: whoever changes it gives them anew.")
    default = serializers.JSONField(allow_null=True)
    choices = serializers.ListField(child=serializers.ListField(child=serializers.CharField()))
    help = serializers.CharField()


class ConnectorSerializer(Form):
    """An installed connector to a system."""

    name = serializers.CharField()
    title = serializers.CharField()
    settings = SettingSerializer(many=True)


class FeedSerializer(serializers.ModelSerializer[Feed]):
    """An object of a system that feeds a source."""

    class Meta:
        model = Feed
        fields = ["id", "connection", "name", "source", "fields", "writable", "write_back", "pulled_at", "full_at"]


class ConnectionSerializer(serializers.ModelSerializer[Connection]):
    """A connected system; of its secrets only which are kept."""

    created_by = person("created_by")
    secrets_kept = serializers.SerializerMethodField()
    calls_today = serializers.SerializerMethodField()
    outbox = serializers.SerializerMethodField()
    hook = serializers.SerializerMethodField()

    class Meta:
        model = Connection
        fields = [
            "id", "name", "connector", "settings", "secrets_kept", "grace", "daily_calls", "calls_today", "quota",
            "pull_every", "full_every", "held_until", "held_because", "paused_because", "outbox", "hook", "created_at",
            "created_by",
        ]  # fmt: skip

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_secrets_kept(self, connection: Connection) -> list[str]:
        """Names of secrets."""
        return sorted(connections.held_secrets(connection))

    def get_hook(self, connection: Connection) -> str:
        """The path that its webhooks go to; "" if it sends none that its connector understands."""
        return connections.hook_path(connection)

    def get_calls_today(self, connection: Connection) -> int:
        """Requests made today (UTC)."""
        return connections.calls_today(connection)

    @extend_schema_field(serializers.DictField(child=serializers.IntegerField()))
    def get_outbox(self, connection: Connection) -> dict[str, int]:
        """State -> number of entries."""
        return selecting.counts(connection)


class NewConnection(Form):
    """A connection to be made. settings: as the connector's form asks, secrets among them."""

    name = serializers.CharField(max_length=100)
    connector = serializers.CharField(max_length=60)
    settings = serializers.DictField(child=serializers.JSONField(allow_null=True))
    grace = serializers.DurationField(default=timedelta(minutes=1))
    daily_calls = serializers.IntegerField(default=None, allow_null=True, min_value=1, max_value=2**31 - 1)


class ConnectionEdit(Form):
    """How a system is reached from now on; a secret that is left out stays as it is."""

    settings = serializers.DictField(child=serializers.JSONField(allow_null=True))
    grace = serializers.DurationField(default=timedelta(minutes=1))
    daily_calls = serializers.IntegerField(default=None, allow_null=True, min_value=1, max_value=2**31 - 1)


class PullSchedule(Form):
    """How often it is pulled by itself; null for by hand only."""

    pull_every = serializers.DurationField(allow_null=True)
    full_every = serializers.DurationField(allow_null=True)


class Pause(Form):
    """Why it is paused."""

    why = serializers.CharField(default="", allow_blank=True, max_length=300)


class SystemObject(Form):
    """An object that a system has."""

    name = serializers.CharField()
    label = serializers.CharField()  # type: ignore[assignment]
    kind = serializers.CharField()
    incremental = serializers.BooleanField()
    writable = serializers.BooleanField()
    merging = serializers.CharField()
    unmerge = serializers.BooleanField()
    field_names = serializers.ListField(child=serializers.CharField(), source="names")


class Answered(Form):
    """What a system said of itself."""

    said = serializers.CharField()


class NewFeed(Form):
    """An object to become a source; its rows are pulled later."""

    connection = serializers.PrimaryKeyRelatedField(queryset=Connection.objects.all())
    name = serializers.CharField(max_length=200)
    source_name = serializers.CharField(default="", allow_blank=True, max_length=120)
    kind = serializers.ChoiceField(choices=[("", "guessed"), *Kind.choices], default="", allow_blank=True)


class WriteBack(Form):
    """Whether corrections are written to the system."""

    write_back = serializers.BooleanField()


class PullRequest(Form):
    """full: everything, not only what changed since the last pull."""

    full = serializers.BooleanField(default=False)
    run_after = serializers.BooleanField(default=False)


class FeedQuery(Form):
    """Which feeds to list."""

    connection = IdField()
    source = IdField()


class OutboxValue(Form):
    """A field of a write. now: what it was found to hold there, where `differs`."""

    name = serializers.CharField()
    before = serializers.CharField(allow_null=True)
    after = serializers.CharField(allow_null=True)
    now = serializers.CharField(allow_null=True)
    differs = serializers.BooleanField()


class OutboxSerializer(serializers.ModelSerializer[OutboxEntry]):
    """One write to a connected system, masked for whoever asks."""

    object = serializers.CharField(source="feed.name", read_only=True)
    source = serializers.IntegerField(source="feed.source_id", read_only=True)  # type: ignore[assignment]
    external_id = serializers.CharField(source="record.external_id", read_only=True)
    settled_by = person("settled_by")
    values = serializers.SerializerMethodField()
    losers = serializers.SerializerMethodField()
    error = serializers.SerializerMethodField()

    class Meta:
        model = OutboxEntry
        fields = [
            "id", "connection", "object", "source", "record", "external_id", "change_set", "kind", "state", "values",
            "losers", "due_at", "attempts", "failures", "error", "note", "needs_person", "created_at", "settled_at",
            "settled_by",
        ]  # fmt: skip

    @extend_schema_field(OutboxValue(many=True))
    def get_values(self, entry: OutboxEntry) -> Any:
        """What is written."""
        return OutboxValue(selecting.view(entry).values, many=True).data

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_losers(self, entry: OutboxEntry) -> list[str]:
        """Keys of rows merged into this one, or let go."""
        return selecting.view(entry).losers

    def get_error(self, entry: OutboxEntry) -> str:
        """Why it is not done."""
        return selecting.view(entry).error


class OutboxQuery(Form):
    """Which entries to list."""

    connection = IdField()
    record = IdField()
    change_set = IdField()
    state = serializers.ChoiceField(choices=OutboxEntry.State.choices, required=False)


class OutboxCall(Form):
    """A request as it would be sent."""

    method = serializers.CharField()
    address = serializers.CharField()
    body = serializers.JSONField(allow_null=True)


class Settling(Form):
    """What to do about a write that got stuck."""

    action = serializers.ChoiceField(
        choices=[
            ("retry", "send it again"),
            ("overwrite", "write ours over what stands there"),
            ("take_theirs", "take what stands there"),
            ("dismiss", "leave it as it is on both sides"),
        ]
    )
