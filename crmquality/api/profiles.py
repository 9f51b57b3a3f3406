"""Profiles: what a source holds, made in the background."""

from __future__ import annotations

from typing import Any

from drf_spectacular.utils import extend_schema
from rest_framework import serializers, status
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import STAFF, STEWARDS, Form, person, sent
from crmquality.api.jobs import JobEndpoint
from crmquality.api.serializers import JOB, JobQuery
from crmquality.models import Profile, Source
from crmquality.services import masking, profiling


class ProfileSerializer(serializers.ModelSerializer[Profile]):
    """A profile with its progress."""

    percent = serializers.IntegerField(read_only=True)
    seconds_left = serializers.IntegerField(read_only=True, allow_null=True)
    requested_by = person("requested_by")

    class Meta:
        model = Profile
        fields = JOB


class ProfileDetail(ProfileSerializer):
    """A profile with what was found: columns with counts, types, distributions; blanks, relations, segments, funnel."""

    result = serializers.DictField(read_only=True)

    class Meta(ProfileSerializer.Meta):
        fields = [*JOB, "result"]

    def to_representation(self, instance: Profile) -> Any:
        """Without the values of columns that are masked for whoever asks."""
        shown = super().to_representation(instance)
        shown["result"] = profiling.without_values(instance.result, masking.current().hidden(instance.source))
        return shown


class NewProfile(Form):
    """Profile a source now."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())


class ProfileEndpoint(JobEndpoint[Profile]):
    """What a source holds, looked at as a whole."""

    queryset = Profile.objects.select_related("requested_by", "source")
    serializer_class = ProfileSerializer
    roles = {"list": STAFF, "retrieve": STAFF, "create": STEWARDS, "cancel": STEWARDS}

    @extend_schema(parameters=[JobQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The profiles, newest first, without their results."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=ProfileDetail)
    def retrieve(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """One profile with its result."""
        return Response(ProfileDetail(self.get_object()).data)

    @extend_schema(request=NewProfile, responses={202: ProfileSerializer})
    def create(self, request: Request) -> Response:
        """Queue a profile; one that is under way already is given back."""
        job = profiling.request_profile(**sent(NewProfile, request), user=request.user)
        return Response(ProfileSerializer(job).data, status=status.HTTP_202_ACCEPTED)
