"""How review items, cards, decisions and change sets look in the API, and what may be sent."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from crmquality.api.base import LARGEST_ID, Each, Form, IdField, person
from crmquality.api.serializers import ChangeSerializer, RecordSerializer
from crmquality.models import ChangeSet
from review.api.serializers_merging import MergeChoices, MergeSerializer
from review.models import Comment, Decision, ReviewItem, SavedView
from review.selectors.decided import shown_decision
from review.services.filtering import Sort

ITEM_STATES = [choice for choice in ReviewItem.State.choices if choice[0] != ReviewItem.State.CHECK]

ACTIONS = [("set", "correction"), ("merge", "merge"), ("link", "link"), ("flag", "anomaly")]


class ItemSerializer(serializers.ModelSerializer[ReviewItem]):
    """A claim that a person should decide."""

    state = serializers.ChoiceField(choices=ITEM_STATES, source="shown_state", read_only=True)
    rule = serializers.CharField(source="finding.rule", read_only=True)
    subjects = serializers.ListField(source="finding.subjects", child=serializers.IntegerField(), read_only=True)
    assigned_to = person("assigned_to")
    leased_by = person("leased_by")

    class Meta:
        model = ReviewItem
        fields = [
            "id", "finding", "source", "detector", "action", "rule", "subjects", "state", "score", "rank", "policy",
            "pattern", "assigned_to", "leased_by", "lease_until", "skips", "created_at", "closed_at",
        ]  # fmt: skip


class EvidenceSerializer(Form):
    """One reason: its weight in the score, and the words a steward reads."""

    feature = serializers.CharField()
    weight = serializers.FloatField()
    detail = serializers.CharField()
    fields = serializers.ListField(child=serializers.CharField())  # type: ignore[assignment] # the record's fields
    records = serializers.ListField(child=serializers.IntegerField())


class AlsoSerializer(Form):
    """Another check that proposes the very same values: one answer settles its item too."""

    item = serializers.IntegerField()
    detector = serializers.CharField()
    score = serializers.FloatField()
    why = serializers.ListField(child=serializers.CharField())


class CardSerializer(Form):
    """What a person decides on: the question, the records, why, and exactly what accepting writes."""

    question = serializers.CharField()
    title = serializers.CharField()
    writes = serializers.ListField(child=serializers.CharField())
    proposal = serializers.JSONField()
    evidence = EvidenceSerializer(many=True)
    records = RecordSerializer(many=True)
    history = ChangeSerializer(many=True)
    merge = MergeSerializer(allow_null=True)
    also_found_by = AlsoSerializer(many=True)


class SkipReason(Form):
    """Why the item is put behind the others; shown when it comes back."""

    reason = serializers.CharField(default="", allow_blank=True, max_length=300)


class PastSkip(Form):
    """That someone skipped the item, and why."""

    by = serializers.CharField(source="by.username", allow_null=True, default=None)
    at = serializers.DateTimeField()
    reason = serializers.CharField()


class ItemDetail(ItemSerializer):
    """An item with its card; null once the records of the claim are gone."""

    card = CardSerializer(read_only=True, allow_null=True)
    skip_reasons = PastSkip(many=True, read_only=True)

    class Meta(ItemSerializer.Meta):
        fields = [*ItemSerializer.Meta.fields, "card", "skip_reasons"]


class QueueFilters(Form):
    """What a steward wants to see; nothing given means everything."""

    source = IdField()
    detector = serializers.CharField(required=False, max_length=60)
    action = serializers.ChoiceField(choices=ACTIONS, required=False)
    rule = serializers.CharField(required=False, max_length=120)
    min_score = serializers.FloatField(required=False, min_value=0, max_value=1)
    max_score = serializers.FloatField(required=False, min_value=0, max_value=1)
    record = IdField()
    segment = serializers.CharField(required=False, max_length=200, help_text="column=value of a record.")
    owner = serializers.CharField(required=False, max_length=200, help_text="A value of the owner column.")
    assigned = serializers.CharField(required=False, max_length=150, help_text='"me", "nobody" or a user name.')
    min_age = serializers.IntegerField(required=False, min_value=0, max_value=36_500, help_text="Days in the queue.")
    max_age = serializers.IntegerField(required=False, min_value=0, max_value=36_500)
    mine = serializers.BooleanField(default=False, help_text="Only items assigned to you.")
    pattern = serializers.CharField(required=False, max_length=32, help_text="Items that one verdict may settle.")
    like = IdField(help_text="Items like this one: the same pattern, or rule and columns at a near score.")
    lot = IdField(help_text="The sample of this lot.")


class NextItem(QueueFilters):
    """Which item to be handed, and in what order they come."""

    sort = serializers.ChoiceField(choices=Sort.choices, required=False)


class Assignment(Form):
    """Whom an item is for: a user name, or null for nobody in particular."""

    to = serializers.CharField(max_length=150, allow_null=True)


class NewComment(Form):
    """Something to be noted."""

    text = serializers.CharField(max_length=2_000)


class CommentSerializer(serializers.ModelSerializer[Comment]):
    """What a person noted about an item, or about an earlier item of the same claim."""

    by = person("by")

    class Meta:
        model = Comment
        fields = ["id", "item", "by", "at", "text"]


class ViewSerializer(serializers.ModelSerializer[SavedView]):
    """Filters and a sort under a name."""

    owner = person("owner")
    query = serializers.DictField(child=serializers.CharField())

    class Meta:
        model = SavedView
        fields = ["id", "owner", "name", "query", "shared", "created_at"]


class NewView(Form):
    """A view to keep; one of the same name takes its place. shared: an admin shows it to everyone."""

    name = serializers.CharField(max_length=60)
    query = NextItem()
    shared = serializers.BooleanField(default=False)


class BudgetSerializer(Form):
    """Cards asked of a person a day (null: none), and how many they decided today."""

    user = serializers.CharField()
    cards = serializers.IntegerField(allow_null=True)
    used = serializers.IntegerField()


class NewBudget(Form):
    """Cards a day asked of a person; null takes the budget away."""

    user = serializers.CharField(max_length=150)
    cards = serializers.IntegerField(min_value=1, max_value=100_000, allow_null=True)


class ItemQuery(QueueFilters):
    """Which items to list."""

    state = serializers.ChoiceField(choices=ITEM_STATES, required=False)


class CheckSerializer(Form):
    """What was agreed on a card that was a check, and whether the verdict was the same; null for "unsure"."""

    answer = serializers.ChoiceField(choices=["accept", "reject"])
    right = serializers.BooleanField(allow_null=True)


class DecisionSerializer(serializers.ModelSerializer[Decision]):
    """A verdict, with what the person saw. check: set, and id null, where the card was a check: nothing was written."""

    id = serializers.IntegerField(read_only=True, allow_null=True)
    check = serializers.SerializerMethodField()
    by = person("by")

    @extend_schema_field(CheckSerializer(allow_null=True))
    def get_check(self, decision: Decision) -> Any:
        """The agreed answer of a planted card."""
        return getattr(decision, "check_result", None)

    class Meta:
        model = Decision
        fields = [
            "id", "item", "verdict", "by", "at", "seconds", "seen", "changes", "reason", "model_version", "policy",
            "change_set", "undone_at", "check",
        ]  # fmt: skip

    def to_representation(self, instance: Decision) -> Any:
        """Masked for whoever asks."""
        return super().to_representation(shown_decision(instance))


class NewDecision(MergeChoices):
    """A verdict on an item. changes says what to write instead, for the verdict "edit"; all else is about merges.

    A merge is done by the rules in force; changes and picks are the values chosen over theirs.
    """

    item = serializers.IntegerField(min_value=1, max_value=LARGEST_ID)
    verdict = serializers.ChoiceField(choices=Decision.Verdict.choices)
    reason = serializers.CharField(default="", allow_blank=True, max_length=2_000)
    seconds = serializers.FloatField(required=False, min_value=0, max_value=86_400)


class KeyedDecision(NewDecision):
    """A verdict in a bulk; its key makes a repetition harmless."""

    key = serializers.CharField(default="", allow_blank=True, max_length=80)


class ManyDecisions(Form):
    """Up to 100 verdicts, each recorded by itself."""

    decisions = serializers.ListField(child=Each(KeyedDecision()), allow_empty=False, max_length=100)


class DecisionResult(Form):
    """What became of one verdict: the decision (201, or 200 where its key was known), or the problem.

    item: null where what was sent names none.
    """

    item = serializers.IntegerField(allow_null=True)
    status = serializers.IntegerField()
    decision = DecisionSerializer(required=False)
    problem = serializers.JSONField(required=False)


class DecisionResults(Form):
    """One result a verdict, in the order they were sent."""

    results = DecisionResult(many=True)


class DecisionQuery(Form):
    """Which decisions to list. automatic: those that policy made, no person."""

    source = IdField()
    item = IdField()
    detector = serializers.CharField(required=False, max_length=60)
    verdict = serializers.ChoiceField(choices=Decision.Verdict.choices, required=False)
    automatic = serializers.BooleanField(required=False)


class KeptValue(Form):
    """A value that somebody edited later: it stays."""

    record = serializers.IntegerField()
    field = serializers.CharField()
    value = serializers.CharField(allow_null=True)


class UndoneSerializer(Form):
    """What an undo did. change_set: the one that put the values back, null where nothing had been written."""

    change_set = serializers.IntegerField(allow_null=True)
    restored = serializers.IntegerField()
    kept = KeptValue(many=True)


class ChangeSetSerializer(serializers.ModelSerializer[ChangeSet]):
    """Changes made together; undone together."""

    by = person("by")
    changes = ChangeSerializer(many=True, read_only=True)
    undone_by = serializers.IntegerField(source="undone_by.id", read_only=True, allow_null=True)

    class Meta:
        model = ChangeSet
        fields = ["id", "action", "source", "cause", "by", "at", "run", "undoes", "undone_by", "changes"]


class ChangeSetQuery(Form):
    """Which change sets to list. automatic: only those that no person decided, by policy or by an import."""

    source = IdField()
    record = IdField()
    run = IdField()
    automatic = serializers.BooleanField(required=False)
