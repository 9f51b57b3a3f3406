"""How series, readings, rules and expected periods look in the API, and what may be sent."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crmquality.api.base import Each, Form, IdField, person
from crmquality.models import AlarmRule, ExpectedPeriod, Observation, Series, Source
from crmquality.services import alarms, observing
from detectors.anomalies.series_watching import UNITS


class AlarmRuleSerializer(serializers.ModelSerializer[AlarmRule]):
    """How a series is watched. k: in force; chosen_k: what a person chose; by: null for a version that was learned."""

    by = person("by")

    class Meta:
        model = AlarmRule
        fields = [
            "id", "series", "number", "method", "k", "chosen_k", "side", "refractory", "learn", "alpha", "load",
            "reference_from", "reference_to", "learns", "alerts_from", "reason", "at", "by",
        ]  # fmt: skip


class SeriesSerializer(serializers.ModelSerializer[Series]):
    """A series; `rule` is the one in force, null while it is not watched. interval: in seconds."""

    interval = serializers.SerializerMethodField()
    rule = serializers.SerializerMethodField()

    class Meta:
        model = Series
        fields = [
            "id", "key", "name", "unit", "interval", "origin", "source", "definition", "enabled", "problem",
            "created_at", "rule",
        ]  # fmt: skip

    def get_interval(self, series: Series) -> float:
        """Seconds from one reading to the next."""
        return series.interval.total_seconds()

    @extend_schema_field(AlarmRuleSerializer(allow_null=True))
    def get_rule(self, series: Series) -> Any:
        """The rule in force."""
        rule = alarms.rule_in_force(series)
        return AlarmRuleSerializer(rule).data if rule else None


class SeriesQuery(Form):
    """Which series to list."""

    source = IdField()
    origin = serializers.ChoiceField(choices=Series.Origin.choices, required=False)
    key = serializers.CharField(required=False, max_length=120)


class NewSeries(Form):
    """A series to be made. interval: in seconds. definition: what is computed, for another origin than "sent"."""

    name = serializers.CharField(max_length=120)
    key = serializers.CharField(max_length=120, default="", allow_blank=True)
    unit = serializers.CharField(max_length=40, default="", allow_blank=True)
    interval = serializers.FloatField(min_value=1, max_value=366 * 86_400)
    origin = serializers.ChoiceField(choices=Series.Origin.choices, default=Series.Origin.SENT)
    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all(), default=None, allow_null=True)
    definition = serializers.DictField(child=serializers.CharField(max_length=1_000, allow_blank=True), default=dict)

    def validate_interval(self, seconds: float) -> timedelta:
        """As a duration."""
        return timedelta(seconds=seconds)


class ObservationSerializer(serializers.ModelSerializer[Observation]):
    """A reading and what it was held against. is_alarm: null until it is judged."""

    class Meta:
        model = Observation
        fields = ["at", "value", "expected", "lower", "upper", "score", "is_alarm", "is_expected"]


class ObservationQuery(Form):
    """Which readings to list: from `since` on, up to `until`."""

    since = serializers.DateTimeField(required=False)
    until = serializers.DateTimeField(required=False)
    alarms = serializers.BooleanField(required=False)


class NewObservation(serializers.Serializer[Any]):
    """One reading. value: null where it is known that there is none."""

    series = serializers.CharField(max_length=120, help_text="The series' key.")
    at = serializers.DateTimeField()
    value = serializers.FloatField(allow_null=True)


class NewObservations(Form):
    """Readings of any series, at most 10,000."""

    observations = serializers.ListField(child=Each(NewObservation()), allow_empty=False, max_length=observing.AT_ONCE)


class RefusedReading(serializers.Serializer[Any]):
    """A reading that was not stored, and why. place: in the request, from 0."""

    place = serializers.IntegerField()
    detail = serializers.CharField()


class StoredSerializer(serializers.Serializer[Any]):
    """What became of them. errors: the readings that could not be stored, by their place in the request.

    results: a word a reading, in their order; "replaced": a later one of the request is of the same series and time.
    """

    new = serializers.IntegerField()
    changed = serializers.IntegerField()
    same = serializers.IntegerField()
    errors = RefusedReading(many=True)  # type: ignore[assignment]
    results = serializers.ListField(
        child=serializers.ChoiceField(choices=["new", "changed", "same", "replaced", "error"])
    )


class NewAlarmRule(Form):
    """How a series is to be watched; what is left out takes what suits the method and the interval."""

    method = serializers.ChoiceField(choices=list(UNITS))
    k = serializers.FloatField(required=False, min_value=0.01, max_value=1e6)
    side = serializers.ChoiceField(choices=[-1, 0, 1], default=0)
    refractory = serializers.IntegerField(required=False, min_value=0, max_value=100_000)
    learn = serializers.IntegerField(required=False, min_value=1, max_value=100_000)
    alpha = serializers.FloatField(default=0.02, min_value=1e-6, max_value=1 - 1e-6)
    load = serializers.PrimaryKeyRelatedField(queryset=Series.objects.all(), required=False)
    reference_from = serializers.DateTimeField(required=False)
    reference_to = serializers.DateTimeField(required=False)
    learns = serializers.BooleanField(default=True)
    reason = serializers.CharField(default="", allow_blank=True, max_length=400)

    def validate(self, given: dict[str, Any]) -> dict[str, Any]:
        """A reference period has both ends."""
        ends = [given.pop(name, None) for name in ("reference_from", "reference_to")]
        if (ends[0] is None) != (ends[1] is None):
            raise serializers.ValidationError("Give both ends of the reference period, or none.")
        return given | ({"reference": tuple(ends)} if ends[0] else {})


class OutlookStep(serializers.Serializer[Any]):
    """What one threshold would have meant on the series' own history."""

    k = serializers.FloatField()
    alarms = serializers.IntegerField()
    excess = serializers.FloatField(help_text="By how much the readings above it exceed it, summed.")


class ExpectationSerializer(serializers.ModelSerializer[ExpectedPeriod]):
    """When a series is expected to be odd."""

    by = person("by")

    class Meta:
        model = ExpectedPeriod
        fields = ["id", "series", "first", "last", "repeats", "reason", "is_learned", "alarm", "at", "by"]


class NewExpectation(Form):
    """A period in which a series will be odd. first, last: the first occasion."""

    first = serializers.DateTimeField()
    last = serializers.DateTimeField()
    repeats = serializers.ChoiceField(choices=ExpectedPeriod.REPEATS, default="never")
    reason = serializers.CharField(max_length=300)
