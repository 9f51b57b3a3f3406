"""Look-ups of a source: what is asked, on which terms, and whether it answers."""

from __future__ import annotations

from typing import Any

from django.db.models import QuerySet
from drf_spectacular.utils import extend_schema, extend_schema_field
from rest_framework import serializers, status
from rest_framework.decorators import action
from rest_framework.mixins import ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, STAFF, Endpoint, Form, IdField, asked, person, sent
from crmquality.api.serializers_connections import Answered, SettingSerializer
from crmquality.enrichment import registry
from crmquality.models import Enrichment, Source
from crmquality.services import enriching
from detectors.roles import Role

TERMS = ("key", "fills", "replaces", "provider", "licence", "keep_days", "most", "is_on")


class AdapterSerializer(Form):
    """An installed kind of look-up."""

    name = serializers.CharField()
    title = serializers.CharField()
    settings = SettingSerializer(many=True)


class EnrichmentSerializer(serializers.ModelSerializer[Enrichment]):
    """A look-up; of its secrets only which are kept."""

    created_by = person("created_by")
    secrets_kept = serializers.SerializerMethodField()

    class Meta:
        model = Enrichment
        fields = [
            "id", "source", "name", "adapter", "settings", "secrets_kept", *TERMS, "asked_at", "error", "created_at",
            "created_by",
        ]  # fmt: skip

    @extend_schema_field(serializers.ListField(child=serializers.CharField()))
    def get_secrets_kept(self, enrichment: Enrichment) -> list[str]:
        """Names of secrets."""
        return sorted(enriching.held_secrets(enrichment))


class Terms(Form):
    """For what it is asked, and on which terms its values may be used; both stand with every proposal.

    key: the meaning of the column by which it is asked. fills: meanings that it may fill; empty for all.
    replaces: whether a value that differs is proposed too. keep_days: so long an answer is not asked for again.
    most: so many keys are asked for in a run.
    """

    key = serializers.ChoiceField(choices=[role.value for role in Role])
    fills = serializers.ListField(child=serializers.CharField(max_length=30), default=list)
    replaces = serializers.BooleanField(default=False)
    provider = serializers.CharField(max_length=200)
    licence = serializers.CharField(max_length=200)
    keep_days = serializers.IntegerField(default=90, min_value=1, max_value=enriching.LONGEST_KEPT)
    most = serializers.IntegerField(default=1_000, min_value=1, max_value=enriching.MOST_A_RUN)
    is_on = serializers.BooleanField(default=True)


class NewEnrichment(Terms):
    """A look-up to be kept. settings: as the adapter's form asks, secrets among them."""

    source = serializers.PrimaryKeyRelatedField(queryset=Source.objects.all())  # type: ignore[assignment]
    name = serializers.CharField(max_length=60)
    adapter = serializers.CharField(max_length=60)
    settings = serializers.DictField(child=serializers.JSONField(allow_null=True))


class EnrichmentEdit(Terms):
    """How it is asked from now on; a secret that is left out stays as it is."""

    settings = serializers.DictField(child=serializers.JSONField(allow_null=True))


class EnrichmentQuery(Form):
    """Which look-ups to list."""

    source = IdField()


class EnrichmentEndpoint(ListModelMixin, RetrieveModelMixin, Endpoint[Enrichment]):
    """A look-up of a source: a file or a service that knows more of its records."""

    queryset = Enrichment.objects.select_related("source", "created_by")
    serializer_class = EnrichmentSerializer
    roles = {
        "list": STAFF,
        "retrieve": STAFF,
        "adapters": ADMINS,
        "create": ADMINS,
        "partial_update": ADMINS,
        "destroy": ADMINS,
        "test": ADMINS,
    }

    def narrowed(self, queryset: QuerySet[Enrichment]) -> QuerySet[Enrichment]:
        """By the query."""
        return queryset.filter(**asked(EnrichmentQuery, self.request))

    @extend_schema(parameters=[EnrichmentQuery])
    def list(self, request: Request, *args: Any, **kwargs: Any) -> Response:
        """The look-ups, newest first."""
        return super().list(request, *args, **kwargs)

    @extend_schema(responses=AdapterSerializer(many=True))
    @action(detail=False, pagination_class=None)
    def adapters(self, request: Request) -> Response:
        """The kinds of look-ups, and what each asks for."""
        return Response(AdapterSerializer(registry.adapters(), many=True).data)

    @extend_schema(request=NewEnrichment, responses={201: EnrichmentSerializer})
    def create(self, request: Request) -> Response:
        """Keep a new look-up; it is not asked. A file has to lie in the folder of look-ups."""
        given = sent(NewEnrichment, request)
        terms = {name: given.pop(name) for name in TERMS}
        made = enriching.make(given=given.pop("settings"), terms=terms, user=request.user, **given)
        return Response(EnrichmentSerializer(made).data, status=status.HTTP_201_CREATED)

    @extend_schema(request=EnrichmentEdit, responses=EnrichmentSerializer)
    def partial_update(self, request: Request, pk: int) -> Response:
        """Change how and for what it is asked. At another address its secrets are to be given anew."""
        enrichment, given = self.get_object(), sent(EnrichmentEdit, request)
        changed = enriching.change(enrichment=enrichment, given=given.pop("settings"), terms=given)
        return Response(EnrichmentSerializer(changed).data)

    @extend_schema(responses={204: None})
    def destroy(self, request: Request, pk: int) -> Response:
        """Forget it and what it answered; what was accepted stays."""
        enriching.remove(enrichment=self.get_object())
        return Response(status=status.HTTP_204_NO_CONTENT)

    @extend_schema(request=None, responses=Answered)
    @action(detail=True, methods=["post"])
    def test(self, request: Request, pk: int) -> Response:
        """Ask whether it answers; 400 with the reason if it does not."""
        return Response({"said": enriching.try_out(self.get_object())})
