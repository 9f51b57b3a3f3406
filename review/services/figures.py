"""Figures of reviewing, computed in a worker after runs and decisions, so that the dashboard only reads them."""

from __future__ import annotations

import time
from datetime import timedelta

from django.db.models import Q
from django.utils import timezone

from crmquality.models import Source
from crmquality.services.publishing import publish
from review.models import Decision, SourceFigures
from review.selectors import figures
from review.services import policies
from review.services.resting import is_resting

QUICK = 1.0
"""Seconds: what is counted as quickly is counted whenever something changed."""


def publish_refresh(source_id: int) -> None:
    """Ask a worker for new figures once this transaction has committed."""
    publish("review.tasks.refresh_figures", source_id)


def refresh(*, source: Source) -> SourceFigures:
    """Count anew and keep the result."""
    now, begun = timezone.now(), time.monotonic()
    upto = Decision.objects.order_by("-id").values_list("id", flat=True).first() or 0
    found = {"figures": figures.compute(source), "upto": upto, "at": now, "seconds": time.monotonic() - begun}
    kept, _ = SourceFigures.objects.update_or_create(source=source, defaults=found)
    return kept


def refresh_changed() -> int:
    """New figures and checked gates for every source decided on, or with a verdict undone; returns how many.

    Counting a million items takes seconds: such a source rests (`resting`) before it is counted again, so that people
    who decide there share the database with little else. A run checks its gates by itself.
    """
    count = 0
    known = {
        kept.source_id: kept for kept in SourceFigures.objects.filter(figures__version=figures.VERSION).defer("figures")
    }
    for source in Source.objects.all():
        kept = known.get(source.pk)
        if kept is not None:
            took = timedelta(seconds=kept.seconds)
            if kept.seconds > QUICK and is_resting(kept.at + took, took):
                continue
            since = Q(pk__gt=kept.upto) | Q(undone_at__gte=kept.at)
            if not Decision.objects.filter(since, item__source=source).exists():
                continue
        refresh(source=source)
        policies.check_gates(source=source)
        count += 1
    return count
