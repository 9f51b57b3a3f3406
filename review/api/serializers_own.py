"""How one's own records, their faults and questions look in the API, and what may be sent."""

from __future__ import annotations

from rest_framework import serializers

from crmquality.api.base import LARGEST_ID, Form, IdField, person
from crmquality.api.serializers import RecordSerializer
from review.models import Question


class FaultSerializer(Form):
    """One thing that is wrong. field: "" where it is about several. item: the claim behind it, if there is one."""

    words = serializers.CharField()
    weight = serializers.FloatField()
    field = serializers.CharField()
    suggestion = serializers.CharField(allow_null=True)
    item = serializers.IntegerField(source="item.pk", allow_null=True, default=None)
    decidable = serializers.BooleanField(help_text="You may decide the claim.")


class OwnRecordSerializer(Form):
    """A record with its faults, the heaviest first."""

    record = RecordSerializer()
    title = serializers.CharField()
    weight = serializers.FloatField()
    faults = FaultSerializer(many=True)


class OwnSerializer(Form):
    """A page of one's own records. total: all you own. faulty: those of the looked at that have a fault."""

    total = serializers.IntegerField()
    faulty = serializers.IntegerField()
    page = serializers.IntegerField()
    pages = serializers.IntegerField()
    records = OwnRecordSerializer(many=True)


class OwnQuery(Form):
    """q finds text in your records, faultless ones too."""

    q = serializers.CharField(required=False, max_length=200)
    page = serializers.IntegerField(default=1, min_value=1, max_value=10_000)


class ValueToCheck(Form):
    """A value for a field, not written yet."""

    field = serializers.CharField(max_length=1_000)
    value = serializers.CharField(allow_blank=True, allow_null=True, trim_whitespace=False)


class ValueToWrite(ValueToCheck):
    """A value to write; null or "" blanks the field."""


class ValueVerdict(Form):
    """What the rules say of a value. suggestion: how it is better written, null if the rules propose nothing."""

    valid = serializers.BooleanField(source="is_valid")
    words = serializers.CharField()
    suggestion = serializers.CharField(allow_null=True)


class FixedSerializer(Form):
    """What was written. decisions: those that the correction is, on claims that were open."""

    change_set = serializers.IntegerField()
    decisions = serializers.ListField(child=serializers.IntegerField())


class UndoOwn(Form):
    """Which of your corrections to take back."""

    change_set = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)


class QuestionSerializer(serializers.ModelSerializer[Question]):
    """A question and its answer; answered_at is null while there is none."""

    by = person("by")
    answered_by = person("answered_by")

    class Meta:
        model = Question
        fields = ["id", "record", "item", "text", "by", "at", "answer", "answered_by", "answered_at"]


class QuestionQuery(Form):
    """Which questions to list."""

    record = IdField()
    answered = serializers.BooleanField(required=False)


class NewQuestion(Form):
    """A question about a record of yours. item: the claim it is about."""

    record = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    item = IdField()
    text = serializers.CharField(max_length=2_000)


class Answer(Form):
    """The answer to a question."""

    text = serializers.CharField(max_length=2_000)
