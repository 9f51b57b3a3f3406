"""How access policies and disclosures look in the API, and what may be sent."""

from __future__ import annotations

from rest_framework import serializers

from crmquality.api.base import Form, IdField, person
from crmquality.models import AccessPolicy, Disclosure, Source
from crmquality.services.disclosing import ACTIONS


class AccessPolicySerializer(serializers.ModelSerializer[AccessPolicy]):
    """A version of a source's policy. columns: the column roles that are masked."""

    by = person("by")

    class Meta:
        model = AccessPolicy
        fields = ["id", "source", "number", "masked_for", "columns", "reason_required", "sales_decide", "at", "by"]


class AccessPolicyQuery(Form):
    """Which versions to list."""

    source = IdField()


class NewAccessPolicy(Form):
    """A new version; what is not given is masked for nobody, and sales people decide every kind of item.

    masked_for: roles of people. columns: column roles of personal values. sales_decide: "set", "merge", "link", "flag".
    """

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())
    masked_for = serializers.ListField(child=serializers.CharField(max_length=20), default=list)
    columns = serializers.ListField(child=serializers.CharField(max_length=40), default=list)
    reason_required = serializers.BooleanField(default=False)
    sales_decide = serializers.ListField(child=serializers.CharField(max_length=10), default=lambda: list(ACTIONS))


class DisclosureSerializer(serializers.ModelSerializer[Disclosure]):
    """Who saw which fields of which record, when and why."""

    by = person("by")
    record = serializers.IntegerField(source="record_id", read_only=True)
    source = serializers.IntegerField(source="source_id", read_only=True)  # type: ignore[assignment]

    class Meta:
        model = Disclosure
        fields = ["id", "record", "source", "source_name", "external_id", "fields", "why", "by", "at"]


class DisclosureQuery(Form):
    """Which disclosures to list. by: a user name. record: an external id."""

    by = serializers.CharField(required=False, max_length=150)
    source = IdField()
    record = serializers.CharField(required=False, max_length=1_000)
    since = serializers.DateField(required=False)
    until = serializers.DateField(required=False)


class Why(Form):
    """Why a person needs to see the values; asked for where policy says so."""

    why = serializers.CharField(default="", allow_blank=True, max_length=300)
