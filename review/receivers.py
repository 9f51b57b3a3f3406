"""Receives the one signal and calls a service."""

from __future__ import annotations

from typing import Any

from django.dispatch import receiver

from crmquality.models import Run
from crmquality.signals import run_succeeded
from review.services import triaging


@receiver(run_succeeded)
def triage_run(*, run: Run, **_: Any) -> None:
    """Turn the run's findings into review items."""
    triaging.triage(run=run)
