"""Rest after work in the background that nobody waits for, so that people who decide keep the machine."""

from __future__ import annotations

from datetime import datetime, timedelta

from django.utils import timezone

RESTS = 9
"""Such work takes a tenth of the time at most: a million records take minutes."""


def is_resting(ended: datetime, took: timedelta, *, longest: timedelta = timedelta.max) -> bool:
    """Whether it is too early to do something again: it rests RESTS times as long as it took, `longest` at most."""
    return timezone.now() < ended + min(RESTS * took, longest)
