"""How batches and sampled lots look in the API, and what may be sent."""

from __future__ import annotations

from typing import Any

from rest_framework import serializers

from crmquality.api.base import LARGEST_ID, Form, IdField, person
from crmquality.api.serializers import JOB
from crmquality.models import JobState, Source
from review.api.serializers import ACTIONS
from review.models import AcceptanceRule, BatchMember, Decision, DecisionBatch, Lot
from review.services import batching, lots


class BatchSerializer(serializers.ModelSerializer[DecisionBatch]):
    """One step that decided many items, or took many decisions back."""

    percent = serializers.IntegerField(read_only=True)
    requested_by = person("requested_by")
    outcomes = serializers.SerializerMethodField()

    class Meta:
        model = DecisionBatch
        fields = [
            *JOB, "kind", "verdict", "pattern", "filters", "reason", "size", "set_apart", "left_out", "undoes",
            "outcomes",
        ]  # fmt: skip

    def get_outcomes(self, batch: DecisionBatch) -> dict[str, int]:
        """Outcome -> number of items."""
        return batching.outcomes(batch)


class BatchQuery(Form):
    """Which batches to list."""

    source = IdField()
    kind = serializers.ChoiceField(choices=DecisionBatch.Kind.choices, required=False)
    state = serializers.ChoiceField(choices=JobState.choices, required=False)


class NewBatch(Form):
    """One verdict for all open items of an item's pattern. without: items that stay open."""

    item = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    verdict = serializers.ChoiceField(choices=Decision.Verdict.choices, help_text="Accept or reject.")
    without = serializers.ListField(child=IdField(), default=list, max_length=10_000)
    newest = IdField(help_text="Items of a higher id stay open: they came after you looked.")
    reason = serializers.CharField(default="", allow_blank=True, max_length=2_000)


class MemberSerializer(serializers.ModelSerializer[BatchMember]):
    """What became of one item of a batch."""

    class Meta:
        model = BatchMember
        fields = ["id", "item", "outcome", "decision", "note"]


class LotSerializer(serializers.ModelSerializer[Lot]):
    """A lot with its plan. standing: the sample as judged so far; low and high, wrong ones in the whole lot (90 %)."""

    by = person("by")
    standing = serializers.SerializerMethodField()

    class Meta:
        model = Lot
        fields = [
            "id", "source", "detector", "action", "min_score", "state", "size", "sample", "allowed", "limit", "risk",
            "expected", "seed", "judged", "wrong", "by", "at", "closed_at", "rest", "standing",
        ]  # fmt: skip

    def get_standing(self, lot: Lot) -> dict[str, int]:
        """judged, wrong, missing, low, high, undone."""
        now = lots.standing(lot)
        names = ("judged", "wrong", "missing", "low", "high", "undone")
        return {name: getattr(now, name) for name in names}


class LotQuery(Form):
    """Which lots to list."""

    source = IdField()
    state = serializers.ChoiceField(choices=Lot.State.choices, required=False)


class LotChoice(Form):
    """What a lot is made of: open items that are free and were in no lot before."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    detector = serializers.CharField(max_length=60)
    action = serializers.ChoiceField(choices=ACTIONS, required=False)
    min_score = serializers.FloatField(default=0.0, min_value=0, max_value=1)

    def validate(self, attrs: dict[str, Any]) -> dict[str, Any]:
        """As the service takes it."""
        return {"choice": lots.Choice(attrs["source"], attrs["detector"], attrs.get("action", ""), attrs["min_score"])}


class PlanSerializer(Form):
    """What would be drawn: judge `sample` of `size`, at most `allowed` wrong; null where the lot is too small."""

    size = serializers.IntegerField()
    sample = serializers.IntegerField(allow_null=True)
    allowed = serializers.IntegerField(allow_null=True)
    limit = serializers.FloatField(allow_null=True)
    risk = serializers.FloatField(allow_null=True)
    expected = serializers.FloatField(allow_null=True)
    assumed = serializers.BooleanField()


class SampleCard(Form):
    """One card of a sample, in the order drawn."""

    item = serializers.IntegerField(source="item_id")
    position = serializers.IntegerField()
    state = serializers.CharField(source="item.state")
    verdict = serializers.CharField(allow_null=True)


class AcceptanceRuleSerializer(serializers.ModelSerializer[AcceptanceRule]):
    """The tolerated share of wrong ones and the consumer's risk, as they stood at a time."""

    by = person("by")

    class Meta:
        model = AcceptanceRule
        fields = ["id", "limit", "risk", "at", "by"]


class NewAcceptanceRule(Form):
    """limit: the share of wrong ones that is tolerated. risk: the probability that a lot with more is accepted."""

    limit = serializers.FloatField(min_value=0.001, max_value=0.5)
    risk = serializers.FloatField(min_value=0.01, max_value=0.2)
