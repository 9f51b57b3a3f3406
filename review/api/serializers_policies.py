"""How policies, gates and what bounds would do look in the API."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from crmquality.api.base import Form, IdField, person
from crmquality.models import Source
from review.models import Gate, PolicyVersion
from review.policy import DEFAULT_AUDIT, DEFAULT_TARGET


class PolicySerializer(serializers.ModelSerializer[PolicyVersion]):
    """Score bounds of one detector for a source, as they stood at a time."""

    by = person("by")

    class Meta:
        model = PolicyVersion
        fields = [
            "id", "source", "detector", "number", "review_at", "accept_at", "target", "audit_share", "reason", "at",
            "by",
        ]  # fmt: skip


class PolicyQuery(Form):
    """Which to list; the newest version of a source and detector is in force."""

    source = IdField()
    detector = serializers.CharField(required=False, max_length=60)


class PolicyBounds(Form):
    """Bounds: below review_at nothing is asked, from accept_at on corrections may be applied by themselves.

    target: the precision whose lower 95 % end decisions must reach before that.
    audit_share: of what could be applied by itself, the share left to people all the same.
    """

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    detector = serializers.CharField(max_length=60)
    review_at = serializers.FloatField(min_value=0, max_value=1)
    accept_at = serializers.FloatField(min_value=0, max_value=1, allow_null=True, default=None)
    target = serializers.FloatField(min_value=0.5, max_value=0.999, default=DEFAULT_TARGET)
    audit_share = serializers.FloatField(min_value=0.001, max_value=1, default=DEFAULT_AUDIT)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """The bounds stand in order."""
        if attrs["accept_at"] is not None and attrs["accept_at"] < attrs["review_at"]:
            raise serializers.ValidationError({"accept_at": "This must not be below review_at."})
        return attrs


class NewPolicy(PolicyBounds):
    """New bounds, and why."""

    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class EstimateSerializer(Form):
    """A share with its 95 % interval, null before any decision; the decisions behind it and the claims it is about."""

    share = serializers.FloatField(allow_null=True)
    low = serializers.FloatField()
    high = serializers.FloatField()
    decided = serializers.IntegerField()
    claims = serializers.IntegerField()


class VerdictSerializer(Form):
    """Whether claims at or above accept_at may be accepted by themselves, and why (not)."""

    passes = serializers.BooleanField()
    why = serializers.CharField()


class EffectSerializer(Form):
    """What the bounds would add to the queue and drop from it, what would wait, and what is certain enough."""

    added = serializers.IntegerField()
    dropped = serializers.IntegerField()
    shown = serializers.IntegerField()
    automatic = serializers.IntegerField()


class SimulationSerializer(Form):
    """Past decisions: accepted by themselves, of these wrong; not shown, of these missed."""

    accepted = serializers.IntegerField()
    wrong = serializers.IntegerField()
    hidden = serializers.IntegerField()
    missed = serializers.IntegerField()


class OutlookSerializer(Form):
    """What bounds would do: precision of what is shown and accepted, recall of what is shown, the queue, the past."""

    shown = EstimateSerializer()
    found = EstimateSerializer()
    accepted = EstimateSerializer(allow_null=True)
    verdict = VerdictSerializer(allow_null=True)
    effect = EffectSerializer()
    simulation = SimulationSerializer()
    stopped = serializers.DictField(child=serializers.CharField())


class GateSerializer(serializers.ModelSerializer[Gate]):
    """Whether corrections may be accepted by themselves; stopped: rule -> why it stays with people."""

    stopped = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = Gate
        fields = [
            "id", "source", "detector", "policy", "passes", "why", "precision", "low", "high", "decided", "stopped",
            "since", "at",
        ]  # fmt: skip
