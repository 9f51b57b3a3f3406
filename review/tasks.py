"""What a worker is told to do for the queue: each forwards to a service."""

from __future__ import annotations

from celery import shared_task

from review.services import feedback


@shared_task
def rerank(source_id: int, detector: str = "anomalies") -> None:
    """Rank all open items of a source anew."""
    feedback.rerank(source_id=source_id, detector=detector, everything=True)
