"""What is kept around the queue: saved views and daily budgets."""

from __future__ import annotations

from typing import Any

from django.contrib.auth.models import User
from django.db.models import QuerySet
from django.shortcuts import get_object_or_404
from drf_spectacular.utils import extend_schema
from rest_framework import status
from rest_framework.mixins import DestroyModelMixin, ListModelMixin, RetrieveModelMixin
from rest_framework.request import Request
from rest_framework.response import Response

from crmquality.api.base import ADMINS, DECIDERS, EVERYONE, Endpoint, sent
from crmquality.services import access
from crmquality.services.access import UserRole
from review.api.serializers import BudgetSerializer, NewBudget, NewView, ViewSerializer
from review.models import DailyBudget, SavedView
from review.selectors import listing
from review.services import desks
from review.services.queue import Filters


class ViewEndpoint(ListModelMixin, RetrieveModelMixin, DestroyModelMixin, Endpoint[SavedView]):
    """Filters and a sort under a name."""

    queryset = SavedView.objects.select_related("owner")
    serializer_class = ViewSerializer
    roles = {"list": EVERYONE, "retrieve": EVERYONE, "create": DECIDERS, "destroy": DECIDERS}

    def get_queryset(self) -> QuerySet[SavedView]:
        """To read: one's own and those for everyone; to delete: one's own, for an admin all."""
        if self.action == "destroy":
            return desks.own_or_shared(self.request.user)
        return desks.views_for(self.request.user)

    @extend_schema(request=NewView, responses={201: ViewSerializer})
    def create(self, request: Request) -> Response:
        """Keep filters under a name; the same name takes the new ones."""
        given = sent(NewView, request)
        query = Filters(**given["query"]).as_query()
        query = {name: value for name, value in query.items() if name in desks.FILTER_NAMES}
        view = desks.save_view(user=request.user, name=given["name"], query=query, shared=given["shared"])
        return Response(ViewSerializer(view).data, status=status.HTTP_201_CREATED)


class BudgetEndpoint(Endpoint[DailyBudget]):
    """Cards a day asked of a person."""

    queryset = DailyBudget.objects.all()
    serializer_class = BudgetSerializer
    pagination_class = None
    roles = {"list": DECIDERS, "create": ADMINS}

    @extend_schema(responses=BudgetSerializer(many=True))
    def list(self, request: Request) -> Response:
        """Your own budget, or for an admin everybody's."""
        everybody = access.has_role(request.user, UserRole.ADMIN)
        people: list[Any] = listing.deciders() if everybody else [request.user]
        return Response(BudgetSerializer([_budget(person) for person in people], many=True).data)

    @extend_schema(request=NewBudget, responses=BudgetSerializer)
    def create(self, request: Request) -> Response:
        """Ask so many cards a day of a person, from now on."""
        given = sent(NewBudget, request)
        person = get_object_or_404(User, username=given["user"])
        desks.set_budget(user=person, cards=given["cards"], by=request.user)
        return Response(BudgetSerializer(_budget(person)).data)


def _budget(person: Any) -> dict[str, Any]:
    budget = desks.budget_of(person)
    return {
        "user": person.username,
        "cards": budget.cards if budget else None,
        "used": budget.used if budget else desks.decided_today(person),
    }
