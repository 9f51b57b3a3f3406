"""Destinations with what became of their messages."""

from __future__ import annotations

from dataclasses import dataclass

from django.db.models import Count, Q

from crmquality.models import Delivery, Destination, JobState

AT_MOST = 50


@dataclass(frozen=True)
class DestinationRow:
    """One destination. waiting: messages still being tried; dead: given up."""

    destination: Destination
    sent: int
    waiting: int
    dead: int


def rows() -> list[DestinationRow]:
    """Every destination with the number of its messages by how they fared."""
    failed = Q(deliveries__state=JobState.FAILED, deliveries__replayed_by__isnull=True)
    counted = Destination.objects.annotate(
        sent=Count("deliveries", filter=Q(deliveries__state=JobState.SUCCEEDED), distinct=True),
        waiting=Count("deliveries", filter=Q(deliveries__state__in=["queued", "running"]), distinct=True),
        dead=Count("deliveries", filter=failed, distinct=True),
    )
    return [DestinationRow(one, one.sent, one.waiting, one.dead) for one in counted]


def dead_letters() -> list[Delivery]:
    """Messages that were given up and not sent again, the latest first."""
    found = Delivery.objects.filter(state=JobState.FAILED, replayed_by__isnull=True)
    return list(found.select_related("destination").order_by("-id")[:AT_MOST])


def latest(destination: Destination) -> list[Delivery]:
    """Its latest messages."""
    return list(destination.deliveries.order_by("-id")[:AT_MOST])
