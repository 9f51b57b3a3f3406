"""Answers of the API that are kept for repetitions."""

from __future__ import annotations

from datetime import timedelta

from django.utils import timezone

from crmquality.models import KeptAnswer

KEPT = timedelta(days=1)
"""Longer than anyone repeats a request, and short, since an answer may hold personal values."""


def sweep() -> None:
    """Forget answers older than that."""
    KeptAnswer.objects.filter(at__lt=timezone.now() - KEPT).delete()
