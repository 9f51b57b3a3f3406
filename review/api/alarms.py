"""Alarms: listed, answered, commented."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.exceptions import NotFound
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, STEWARDS, Each, Endpoint, Form, IdField, asked, person, sent
from crmquality.api.errors import problem
from crmquality.models import Alarm, ExpectedPeriod
from crmquality.services import alarms as raising
from review.api.serializers import NewComment
from review.models import AlarmNote
from review.services import alarms


class AlarmSerializer(serializers.ModelSerializer[Alarm]):
    """A disturbance: what was read and what was expected, how far off in the method's unit, what people said last."""

    key = serializers.CharField(source="series.key", read_only=True)
    method = serializers.CharField(source="rule.method", read_only=True)

    class Meta:
        model = Alarm
        fields = [
            "id", "series", "key", "rule", "method", "at", "last_at", "readings", "value", "expected", "lower",
            "upper", "score", "state", "is_withdrawn", "raised_at", "answered_at",
        ]  # fmt: skip


class AlarmNoteSerializer(serializers.ModelSerializer[AlarmNote]):
    """A word on an alarm; before and after differ where it changed the state."""

    by = person("by")

    class Meta:
        model = AlarmNote
        fields = ["id", "alarm", "by", "at", "before", "after", "text"]


class AlarmQuery(Form):
    """Which alarms to list. active: open or acknowledged."""

    series = IdField()
    state = serializers.ChoiceField(choices=Alarm.State.choices, required=False)
    active = serializers.BooleanField(required=False)


class NewAnswer(Form):
    """What an alarm is. seen: the state you saw; 409 if it changed since. repeats: of something expected."""

    state = serializers.ChoiceField(choices=Alarm.State.choices)
    seen = serializers.ChoiceField(choices=Alarm.State.choices, required=False)
    text = serializers.CharField(default="", allow_blank=True, max_length=2_000)
    repeats = serializers.ChoiceField(choices=ExpectedPeriod.REPEATS, default="never")


class ManyAnswers(Form):
    """The same answer for up to 500 alarms."""

    alarms = serializers.ListField(child=Each(IdField(required=True)), allow_empty=False, max_length=500)
    state = serializers.ChoiceField(choices=Alarm.State.choices)
    text = serializers.CharField(default="", allow_blank=True, max_length=2_000)


class AnsweredAlarm(serializers.Serializer[Any]):
    """The alarm as it is now, and what the series learned, in words."""

    alarm = AlarmSerializer()
    learned = serializers.CharField(allow_blank=True)


class AnswerResult(serializers.Serializer[Any]):
    """What became of one: 200, or the problem. alarm: null where what was sent is no id."""

    alarm = serializers.IntegerField(allow_null=True)
    status = serializers.IntegerField()
    problem = serializers.JSONField(required=False)


class ManyAnswered(serializers.Serializer[Any]):
    """How many were answered, and one result an alarm, in the order they were sent."""

    answered = serializers.IntegerField()
    results = AnswerResult(many=True)


class AlarmEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Alarm]):
    """What left the interval that was to be expected."""

    queryset = Alarm.objects.select_related("series", "rule")
    serializer_class = AlarmSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "answer": STEWARDS,
        "answer_many": STEWARDS,
        "notes": STAFF,
        "comment": STEWARDS,
    }

    def narrowed(self, queryset: QuerySet[Alarm]) -> QuerySet[Alarm]:
        """By the query."""
        given = asked(AlarmQuery, self.request)
        if "active" in given:
            standing = {"state__in": raising.ACTIVE}
            queryset = queryset.filter(**standing) if given.pop("active") else queryset.exclude(**standing)
        return queryset.filter(**given)

    @extend_schema(parameters=[AlarmQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The alarms, the latest raised first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(request=NewAnswer, responses=AnsweredAlarm)
    @action(detail=True, methods=["post"])
    def answer(self, request: Request, pk: int) -> Response:
        """Say what it is: false ones may raise the threshold, expected ones teach the dates they come on."""
        done = alarms.answer(alarm=self.get_object(), user=request.user, **sent(NewAnswer, request))
        return Response(AnsweredAlarm({"alarm": done.alarm, "learned": done.words()}).data)

    @extend_schema(request=ManyAnswers, responses={207: ManyAnswered})
    @action(detail=False, methods=["post"], url_path="answers")
    def answer_many(self, request: Request) -> Response:
        """Say the same of up to 500, each by itself: one that fails stops no other."""
        given = sent(ManyAnswers, request)
        ids = [one for one in given["alarms"] if isinstance(one, int)]
        outcomes = alarms.answer_many(ids=ids, state=given["state"], text=given["text"], user=request.user)
        results = [_result(one, outcomes) for one in given["alarms"]]
        answered = sum(refusal is None for refusal in outcomes.values())
        return Response({"answered": answered, "results": results}, status=status.HTTP_207_MULTI_STATUS)

    @extend_schema(responses=AlarmNoteSerializer(many=True), filters=False)
    @action(detail=True, methods=["get"], pagination_class=None)
    def notes(self, request: Request, pk: int) -> Response:
        """What was said of it, in order."""
        return Response(
            AlarmNoteSerializer(AlarmNote.objects.filter(alarm=self.get_object()).select_related("by"), many=True).data
        )

    @extend_schema(request=NewComment, responses={201: AlarmNoteSerializer})
    @action(detail=True, methods=["post"])
    def comment(self, request: Request, pk: int) -> Response:
        """Note something."""
        note = alarms.comment(alarm=self.get_object(), text=sent(NewComment, request)["text"], user=request.user)
        return Response(AlarmNoteSerializer(note).data, status=status.HTTP_201_CREATED)


def _result(one: Any, outcomes: Mapping[int, Exception | None]) -> dict[str, Any]:
    """What became of an alarm, by its id; of what is no id, the error that stands in its place."""
    number = one if isinstance(one, int) else None
    error = outcomes[number] if number is not None else one
    if isinstance(error, alarms.Missing):
        error = NotFound(str(error))
    answer = problem(error, {}) if error is not None else None
    if answer is None:
        return {"alarm": number, "status": status.HTTP_200_OK}
    return {"alarm": number, "status": answer.status_code, "problem": answer.data}
