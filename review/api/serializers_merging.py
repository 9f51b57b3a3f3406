"""How merges, survivorship rules and undoings look in the API, and what may be sent."""

from __future__ import annotations

from rest_framework import serializers

from crmquality.api.base import LARGEST_ID, Form, IdField, person
from crmquality.api.serializers import JOB
from crmquality.models import Source, SurvivorshipRules, Undoing, UndoPeriod
from crmquality.services.undoing import Take
from detectors.duplicates.survivorship import Rule

CHOICES = ("changes", "picks", "survivor", "members", "split", "allow_collisions", "seen")
"""The fields of `MergeChoices`."""


class MergeOption(Form):
    """One value that a field may take, by the record that holds it."""

    record = serializers.IntegerField()
    text = serializers.CharField(allow_null=True)
    holders = serializers.ListField(child=serializers.CharField())


class MergeField(Form):
    """One field that differs: what survives, by which rule and why. ask: choose a value before accepting."""

    name = serializers.CharField(source="row.name")
    after = serializers.CharField(source="row.after", allow_null=True)
    rule = serializers.CharField(source="row.rule", allow_blank=True)
    why = serializers.CharField(source="row.reason", allow_blank=True)
    ask = serializers.BooleanField(source="row.ask")
    options = MergeOption(many=True)


class MergeMember(Form):
    """A record of the claim. children: how many records refer to it."""

    record = serializers.IntegerField(source="record.pk")
    external_id = serializers.CharField(source="record.external_id")
    title = serializers.CharField()
    stays = serializers.BooleanField()
    is_in = serializers.BooleanField()
    children = serializers.IntegerField()


class MergeCollision(Form):
    """A value that two records would hold. is_new: the merge brings it about, and must be confirmed."""

    column = serializers.CharField()
    value = serializers.CharField()
    others = serializers.SerializerMethodField()
    is_new = serializers.BooleanField()
    of_children = serializers.CharField(source="children_of", allow_blank=True)

    def get_others(self, collision: object) -> list[int]:
        """The records that hold it."""
        return [record.pk for record in getattr(collision, "others", [])]


class WeakestLinkSerializer(Form):
    """The pair that holds the cluster together."""

    one = serializers.CharField()
    two = serializers.CharField()
    score = serializers.FloatField()


class MergeSerializer(Form):
    """A merge as it would be done now. digest: send it back as `seen`, so that nothing else is done."""

    digest = serializers.CharField()
    members = MergeMember(many=True)
    fields = MergeField(many=True, source="differing")  # type: ignore[assignment] # the fields of the records
    collisions = MergeCollision(many=True)
    weakest_link = WeakestLinkSerializer(source="weakest", allow_null=True)
    writes = serializers.ListField(child=serializers.CharField())


class MergeChoices(Form):
    """A person's choices, each in place of what is proposed.

    changes: field -> text. picks: field -> id of the record whose value it takes. survivor, members: who is the same.
    split: those left out become a merge of their own. allow_collisions: merge although values would collide.
    """

    changes = serializers.DictField(
        child=serializers.CharField(allow_null=True, allow_blank=True, trim_whitespace=False), required=False
    )
    picks = serializers.DictField(child=serializers.IntegerField(min_value=1, max_value=LARGEST_ID), required=False)
    survivor = IdField()
    members = serializers.ListField(child=IdField(), required=False, max_length=1_000)
    split = serializers.BooleanField(required=False)
    allow_collisions = serializers.BooleanField(required=False)
    seen = serializers.CharField(required=False, max_length=32)


class SurvivorshipSerializer(serializers.ModelSerializer[SurvivorshipRules]):
    """Which value survives a merge in a source, as an admin said at a time."""

    by = person("by")

    class Meta:
        model = SurvivorshipRules
        fields = ["id", "source", "number", "rules", "unique", "trusted", "reason", "at", "by"]


class SurvivorshipQuery(Form):
    """Which versions to list; the newest of a source is in force."""

    source = IdField()


class ColumnsQuery(Form):
    """The source whose columns are asked for."""

    source = IdField(required=True)


class NewSurvivorship(Form):
    """A new version: column -> rule; a column that is absent goes by its role."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    rules = serializers.DictField(child=serializers.ChoiceField(choices=[*Rule]), default=dict)
    unique = serializers.ListField(child=serializers.CharField(), default=list)
    trusted = serializers.ListField(child=serializers.CharField(max_length=200), default=list, max_length=100)
    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class AgreementSerializer(Form):
    """How often a rule gives what stood after people's merges; low and high: 95 % Wilson interval."""

    rule = serializers.CharField()
    agreed = serializers.IntegerField()
    choices = serializers.IntegerField()
    low = serializers.FloatField()
    high = serializers.FloatField()


class ColumnRuleSerializer(Form):
    """A column with the rule in force, how it agrees with people's choices, and what these suggest."""

    name = serializers.CharField()
    role = serializers.CharField()
    rule = serializers.CharField()
    default = serializers.CharField()
    unique = serializers.BooleanField()
    current = AgreementSerializer(allow_null=True)
    suggestion = AgreementSerializer(allow_null=True)


class UndoingSerializer(serializers.ModelSerializer[Undoing]):
    """Many change sets being undone, with progress and what could not be undone."""

    percent = serializers.IntegerField(read_only=True)
    requested_by = person("requested_by")

    class Meta:
        model = Undoing
        fields = [*(name for name in JOB if name != "source"), "title", "change_sets", "undone", "kept", "refused"]


class NewUndoing(Form):
    """What to undo: everything that came of a run, or these change sets."""

    run = IdField()
    change_sets = serializers.ListField(child=IdField(), required=False, max_length=10_000)

    def validate(self, attrs: dict[str, object]) -> dict[str, object]:
        """One of both."""
        if ("run" in attrs) == ("change_sets" in attrs):
            raise serializers.ValidationError("Name a run, or change sets.")
        return attrs


class UndoQuery(Form):
    """Which undoings to list."""

    state = serializers.CharField(required=False, max_length=10)


class UndoPeriodSerializer(serializers.ModelSerializer[UndoPeriod]):
    """For how many days changes can be undone, as an admin said at a time; the newest holds."""

    by = person("by")

    class Meta:
        model = UndoPeriod
        fields = ["id", "days", "at", "by"]


class NewUndoPeriod(Form):
    """1 to 365 days."""

    days = serializers.IntegerField(min_value=1, max_value=UndoPeriod.LONGEST)


class Taken(Form):
    """Which value a change is to leave: that before it, after it, or as it is now."""

    change = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    take = serializers.ChoiceField(choices=[*Take])


class UndoChoices(Form):
    """For values that were edited since; those not named stay as they are now."""

    take = serializers.ListField(child=Taken(), required=False, max_length=10_000)


class PreviewValue(Form):
    """A value before the change, after it, and now."""

    change = serializers.IntegerField(source="change.pk")
    record = serializers.IntegerField(source="change.record_id")
    field = serializers.CharField(source="change.field")
    before = serializers.CharField(source="change.before", allow_null=True)
    after = serializers.CharField(source="change.after", allow_null=True)
    now = serializers.CharField(allow_null=True)


class UndoPreview(Form):
    """What undoing would do. refusal: why it cannot be done. edited: values to choose among. restored: put back."""

    refusal = serializers.CharField(allow_blank=True)
    edited = PreviewValue(many=True)
    restored = PreviewValue(many=True)
