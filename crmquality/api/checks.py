"""Check at entry: a record while it is typed."""

from __future__ import annotations

from typing import Any

from django.shortcuts import get_object_or_404
from drf_spectacular.types import OpenApiTypes
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import DECIDERS, LARGEST_ID, Endpoint, Form, IdField, sent
from crmquality.models import Record, Source
from crmquality.services import access
from crmquality.services.entry_checking import check_entry

MOST_VALUES = 500


@extend_schema_field(OpenApiTypes.STR)
class SourceField(serializers.Field[Source, Any, Any, Any]):
    """A source by its id or its name."""

    default_error_messages = {"unknown": "There is no such source: give its id or its name."}

    def to_internal_value(self, data: Any) -> Source:
        """The source."""
        if isinstance(data, bool) or not isinstance(data, int | str):
            self.fail("unknown")
        text = str(data).strip().replace("\0", "")
        found = Source.objects.filter(name=text).first()
        if found is None and text.isascii() and text.isdigit() and int(text[:20]) <= LARGEST_ID:
            found = Source.objects.filter(pk=int(text)).first()
        if found is None:
            self.fail("unknown")
        return found

    def to_representation(self, value: Source) -> str:
        """Its name."""
        return value.name


class EntryToCheck(Form):
    """A record being typed. source: its id or name. values: column -> text. record: the one being edited."""

    source = SourceField()
    values = serializers.DictField(
        child=serializers.CharField(allow_blank=True, allow_null=True, trim_whitespace=False), allow_empty=False
    )
    record = IdField(allow_null=True)

    def validate_values(self, values: dict[str, Any]) -> dict[str, Any]:
        """Not more than a form has."""
        if len(values) > MOST_VALUES:
            raise serializers.ValidationError(f"At most {MOST_VALUES} values.")
        return values


class FieldSaid(Form):
    """What the rules say of one value. words: for a person, "" where there is nothing to say."""

    column = serializers.CharField()
    valid = serializers.BooleanField(source="is_valid")
    words = serializers.CharField()


class BetterValueSerializer(Form):
    """A value that a column should rather hold. by: "formats", "addresses" or "records".

    completes: the column is blank, or holds the beginning of the value.
    """

    column = serializers.CharField()
    value = serializers.CharField()
    words = serializers.CharField()
    by = serializers.CharField()
    probability = serializers.FloatField(allow_null=True)
    completes = serializers.BooleanField()


class BrokenSerializer(Form):
    """A rule that the record breaks as a whole."""

    rule = serializers.CharField()
    words = serializers.CharField()
    columns = serializers.ListField(child=serializers.CharField())


class LikenessSerializer(Form):
    """Why it may be the same. weight: bits of log2 odds; words are "" for a record you may not see."""

    feature = serializers.CharField()
    weight = serializers.FloatField()
    words = serializers.CharField()


class PossibleSerializer(Form):
    """A record that may be the same; record and source are null where you may not see it."""

    record = serializers.IntegerField(source="record.pk", allow_null=True, default=None)
    external_id = serializers.CharField(source="record.external_id", allow_null=True, default=None)
    source = serializers.CharField(source="record.source.name", allow_null=True, default=None)
    title = serializers.CharField()
    probability = serializers.FloatField()
    reasons = LikenessSerializer(many=True)


class EntrySaid(Form):
    """What is said of a record being typed. no_duplicates, no_addresses: why nobody looked, "" if somebody did."""

    fields = FieldSaid(many=True)  # type: ignore[assignment]
    broken = BrokenSerializer(many=True)
    suggestions = BetterValueSerializer(many=True)
    duplicates = PossibleSerializer(many=True)
    no_duplicates = serializers.CharField()
    no_addresses = serializers.CharField()


class CheckEndpoint(Endpoint[Record]):
    """Is a record right, and is it there already?"""

    queryset = Record.objects.all()
    serializer_class = EntrySaid
    roles = {"create": DECIDERS}

    @extend_schema(request=EntryToCheck, responses=EntrySaid)
    def create(self, request: Request) -> Response:
        """Check a record while it is typed: errors, better values, completions, possible duplicates. Writes nothing."""
        given = sent(EntryToCheck, request)
        record = None
        if given.get("record"):
            records = access.visible_records(request.user, Record.objects.filter(source=given["source"]))
            record = get_object_or_404(records.select_related("source"), pk=given["record"])
        found = check_entry(source=given["source"], values=given["values"], user=request.user, record=record)
        return Response(EntrySaid(found).data, headers={"Cache-Control": "no-store"})
