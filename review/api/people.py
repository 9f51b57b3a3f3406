"""People: throughput and known answers; a person sees their own, admins everyone, and set how many checks there are."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers
from rest_framework.decorators import action
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, DECIDERS, Endpoint, Form, person, sent
from review.models import CheckAnswer, CheckShares
from review.selectors import people
from review.services import checks


class PersonSerializer(Form):
    """One person's last 30 days, and their answers to known cards ever.

    error: Beta-smoothed share of wrong answers; weight: what their labels weigh in learning.
    """

    username = serializers.CharField(source="user.username")
    today = serializers.IntegerField()
    week = serializers.IntegerField()
    month = serializers.IntegerField()
    seconds = serializers.FloatField(allow_null=True)
    acceptance = serializers.FloatField(allow_null=True)
    checked = serializers.IntegerField()
    accuracy = serializers.FloatField(allow_null=True)
    low = serializers.FloatField(allow_null=True)
    high = serializers.FloatField(allow_null=True)
    error = serializers.FloatField()
    weight = serializers.FloatField()


class SharesSerializer(serializers.ModelSerializer[CheckShares]):
    """Shares of cards: with a known answer, with the score hidden; 0 is off."""

    by = person("by")
    at = serializers.DateTimeField(read_only=True, allow_null=True)

    class Meta:
        model = CheckShares
        fields = ["known", "hidden", "at", "by"]


class NewShares(Form):
    """Both shares, 0 to 0.5."""

    known = serializers.FloatField(min_value=0, max_value=checks.MOST)
    hidden = serializers.FloatField(min_value=0, max_value=checks.MOST)


class PersonEndpoint(Endpoint[CheckAnswer]):
    """What people did."""

    queryset = CheckAnswer.objects.none()
    serializer_class = PersonSerializer
    pagination_class = None
    roles = {"list": ADMINS, "me": DECIDERS, "checks": ADMINS, "set_checks": ADMINS}

    @extend_schema(responses=PersonSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Everyone who decided lately or was ever checked, the busiest first."""
        return Response(PersonSerializer(people.people(), many=True).data)

    @extend_schema(responses=PersonSerializer)
    @action(detail=False)
    def me(self, request: Request) -> Response:
        """Your own figures."""
        found: Any = people.person(request.user)  # type: ignore[arg-type] # somebody is logged in
        return Response(PersonSerializer(found).data)

    @extend_schema(responses=SharesSerializer)
    @action(detail=False)
    def checks(self, request: Request) -> Response:
        """How many cards are checks."""
        return Response(SharesSerializer(checks.shares()).data)

    @extend_schema(request=NewShares, responses=SharesSerializer)
    @checks.mapping.post
    def set_checks(self, request: Request) -> Response:
        """Set how many cards are checks."""
        return Response(SharesSerializer(checks.set_shares(**sent(NewShares, request), user=request.user)).data)
