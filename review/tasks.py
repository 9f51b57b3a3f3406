"""What a worker is told to do for the queue: each forwards to a service."""

from __future__ import annotations

from celery import shared_task

from crmquality.models import Source
from review.services import batching, feedback, figures, known_answers


@shared_task
def rerank(source_id: int, detector: str = "anomalies") -> None:
    """Rank all open items of a source anew."""
    feedback.rerank(source_id=source_id, detector=detector, everything=True)


@shared_task
def refit_due() -> None:
    """Queue a training wherever enough labels came in."""
    feedback.refit_due()


@shared_task
def refresh_figures(source_id: int) -> None:
    """Count a source's claims, items and decisions anew."""
    figures.refresh(source=Source.objects.get(pk=source_id))


@shared_task
def refresh_changed_figures() -> None:
    """Count the sources that were decided on."""
    figures.refresh_changed()


@shared_task
def gather_known_answers() -> None:
    """Look for claims whose answer is certain."""
    known_answers.gather()


@shared_task
def execute_batch(batch_id: int) -> None:
    """Decide the items of a batch, or take its decisions back."""
    batching.execute_batch(batch_id)
