"""The rule library: rules with their failing records, every version kept, and those that the data suggests."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, Form, IdField, asked, person, sent
from crmquality.models import QualityRule, RuleVersion, Source
from crmquality.services import masking, profiling, rule_failures, validating
from crmquality.services.rule_failures import Failure
from detectors.rules.kinds import Severity


class RuleVersionSerializer(serializers.ModelSerializer[RuleVersion]):
    """What a rule says from a time on."""

    by = person("by")
    words = serializers.SerializerMethodField()

    class Meta:
        model = RuleVersion
        fields = ["number", "config", "words", "is_on", "origin", "reason", "at", "by"]

    def get_words(self, version: RuleVersion) -> str:
        """What must hold, as a person reads it; "" if this version of the product cannot read it."""
        rule = validating.rule_in(version)
        return rule.words() if rule else ""


class RuleResultSerializer(serializers.Serializer[Any]):
    """What a rule found when it was last checked: numerator of denominator records keep it."""

    numerator = serializers.IntegerField()
    denominator = serializers.IntegerField()
    share = serializers.FloatField(allow_null=True)
    at = serializers.DateTimeField()
    version = serializers.IntegerField(source="version.number")


class RuleSerializer(serializers.ModelSerializer[QualityRule]):
    """A rule with its newest version, and its newest result, null before it was checked."""

    newest = serializers.SerializerMethodField()
    result = serializers.SerializerMethodField()

    class Meta:
        model = QualityRule
        fields = ["id", "source", "name", "created_at", "newest", "result"]

    @extend_schema_field(RuleVersionSerializer)
    def get_newest(self, rule: QualityRule) -> Any:
        """The version that holds."""
        version = rule.versions.select_related("quality_rule", "by")[0]
        return RuleVersionSerializer(version).data

    @extend_schema_field(RuleResultSerializer(allow_null=True))
    def get_result(self, rule: QualityRule) -> Any:
        """The newest result."""
        found = rule_failures.newest_result(rule)
        return RuleResultSerializer(found).data if found else None


class RuleConfig(Form):
    """A rule: its kind, name and settings as one object, and why it is set.

    {"kind": "range", "name": "not negative", "field": "Amount", "low": 0, "severity": "blocking",
    "when": [{"field": "Stage", "relation": "=", "value": "won"}]}
    """

    config = serializers.DictField()
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class NewRule(Form):
    """A rule for a source; config as in `RuleConfig`."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    config = serializers.DictField()
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class TriedRule(Form):
    """A rule to be tried on a source; nothing is kept."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    config = serializers.DictField()


class RuleSwitch(Form):
    """On or off."""

    is_on = serializers.BooleanField()
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class RuleQuery(Form):
    """Which rules to list."""

    source = IdField()


class FailingQuery(Form):
    """Where in the list of failing records to begin."""

    start = serializers.IntegerField(default=0, min_value=0, max_value=2**31 - 1)
    limit = serializers.IntegerField(default=50, min_value=1, max_value=500)


class FailureSerializer(serializers.Serializer[Failure]):
    """A record that broke the rule. why: as it is now; "" where it keeps the rule by now."""

    record = serializers.IntegerField(source="record.pk")
    external_id = serializers.CharField(source="record.external_id")
    values = serializers.DictField(child=serializers.CharField(allow_null=True))
    why = serializers.CharField()

    def to_representation(self, instance: Failure) -> Any:
        """Masked for whoever asks."""
        return super().to_representation(rule_failures.masked_for(masking.current(), instance))


class FailingSerializer(serializers.Serializer[Any]):
    """A page of failing records. next: where the next page begins; null on the last."""

    count = serializers.IntegerField()
    next = serializers.IntegerField(allow_null=True)
    results = FailureSerializer(many=True)


class TrialSerializer(serializers.Serializer[Any]):
    """What a rule would find; some of the records that break it."""

    looked_at = serializers.IntegerField()
    is_sample = serializers.BooleanField()
    applies = serializers.IntegerField()
    broken = serializers.IntegerField()
    failures = FailureSerializer(many=True)


class SuggestionSerializer(serializers.Serializer[Any]):
    """A rule that `kept` of `applies` records keep; low: the least share that does, with 99 % confidence."""

    config = serializers.DictField()
    kept = serializers.IntegerField()
    applies = serializers.IntegerField()
    low = serializers.FloatField()


class SourceQuery(Form):
    """The source."""

    source = IdField(required=True)


class TakenSuggestion(Form):
    """A suggested rule, by its name."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    name = serializers.CharField(max_length=100)
    severity = serializers.ChoiceField(choices=[severity.value for severity in Severity], required=False)


class RuleEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[QualityRule]):
    """A rule of a source."""

    queryset = QualityRule.objects.select_related("source")
    serializer_class = RuleSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "create": ADMINS,
        "update": ADMINS,
        "switch": ADMINS,
        "versions": STAFF,
        "failing": STAFF,
        "suggestions": STAFF,
        "take": ADMINS,
        "try_out": STAFF,
    }

    def narrowed(self, queryset: QuerySet[QualityRule]) -> QuerySet[QualityRule]:
        """By the query."""
        return queryset.filter(**asked(RuleQuery, self.request))

    @extend_schema(parameters=[RuleQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The rules, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewRule, responses={201: RuleSerializer})
    def create(self, request: Request) -> Response:
        """Add a rule; it holds from the next run and import on."""
        made = validating.make_rule(**sent(NewRule, request), user=request.user)
        return Response(RuleSerializer(made.quality_rule).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=RuleConfig, responses=RuleSerializer)
    def update(self, request: Request, pk: int) -> Response:
        """Add a version with other settings; the name stays."""
        rule = self.get_object()
        given = sent(RuleConfig, request)
        validating.change_rule(quality_rule=rule, **given, user=request.user)
        return Response(RuleSerializer(rule).data)

    @extend_schema(request=RuleSwitch, responses=RuleSerializer)
    @action(detail=True, methods=["post"])
    def switch(self, request: Request, pk: int) -> Response:
        """Switch the rule on or off, by a new version."""
        rule = self.get_object()
        validating.change_rule(quality_rule=rule, **sent(RuleSwitch, request), user=request.user)
        return Response(RuleSerializer(rule).data)

    @extend_schema(responses=RuleVersionSerializer(many=True))
    @action(detail=True, pagination_class=None)
    def versions(self, request: Request, pk: int) -> Response:
        """Every version, newest first."""
        versions = self.get_object().versions.select_related("quality_rule", "by")
        return Response(RuleVersionSerializer(versions, many=True).data)

    @extend_schema(parameters=[FailingQuery], responses=FailingSerializer)
    @action(detail=True, pagination_class=None)
    def failing(self, request: Request, pk: int) -> Response:
        """The records that broke the rule when it was last checked, with their keys, in the order of their ids."""
        rule = self.get_object()
        query = asked(FailingQuery, request)
        result = rule_failures.newest_result(rule)
        count = result.broken if result else 0
        found = rule_failures.failures(rule, result, start=query["start"], most=query["limit"]) if result else []
        end = query["start"] + query["limit"]
        page = {"count": count, "next": end if end < count else None, "results": found}
        return Response(FailingSerializer(page).data)

    @extend_schema(parameters=[SourceQuery], responses=SuggestionSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def suggestions(self, request: Request) -> Response:
        """The rules that the newest profile of a source suggests, those that some records break first."""
        source = get_object_or_404(Source, pk=asked(SourceQuery, request)["source"])
        found = profiling.open_suggestions(source, profiling.latest_profile(source))
        return Response(SuggestionSerializer(found, many=True).data)

    @extend_schema(request=TakenSuggestion, responses={201: RuleSerializer})
    @action(detail=False, methods=["post"], pagination_class=None)
    def take(self, request: Request) -> Response:
        """Keep a suggested rule."""
        made = profiling.take_suggestion(**sent(TakenSuggestion, request), user=request.user)
        return Response(RuleSerializer(made.quality_rule).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=TriedRule, responses=TrialSerializer)
    @action(detail=False, methods=["post"], url_path="try", url_name="try", pagination_class=None)
    def try_out(self, request: Request) -> Response:
        """What a rule would find in the records as they are, or a sample of them; nothing is kept."""
        given = sent(TriedRule, request)
        rule = validating.checked_rule(given["source"], given["config"])
        return Response(TrialSerializer(rule_failures.try_rule(given["source"], rule)).data)
