"""Figures of reviewing, computed in a worker after runs and decisions, so that the dashboard only reads them."""

from __future__ import annotations

from django.db.models import Q
from django.utils import timezone

from crmquality.models import Source
from crmquality.services.publishing import publish
from review.models import Decision, SourceFigures
from review.selectors import figures
from review.services import policies


def publish_refresh(source_id: int) -> None:
    """Ask a worker for new figures once this transaction has committed."""
    publish("review.tasks.refresh_figures", source_id)


def refresh(*, source: Source) -> SourceFigures:
    """Count anew and keep the result."""
    now = timezone.now()
    upto = Decision.objects.order_by("-id").values_list("id", flat=True).first() or 0
    kept, _ = SourceFigures.objects.update_or_create(
        source=source, defaults={"figures": figures.compute(source), "upto": upto, "at": now}
    )
    return kept


def refresh_changed() -> int:
    """New figures and checked gates for every source decided on, or with a verdict undone; returns how many."""
    count = 0
    known = {
        kept.source_id: kept for kept in SourceFigures.objects.filter(figures__version=figures.VERSION).defer("figures")
    }
    for source in Source.objects.all():
        kept = known.get(source.pk)
        if kept is not None:
            since = Q(pk__gt=kept.upto) | Q(undone_at__gte=kept.at)
            if not Decision.objects.filter(since, item__source=source).exists():
                continue
        refresh(source=source)
        policies.check_gates(source=source)
        count += 1
    return count
