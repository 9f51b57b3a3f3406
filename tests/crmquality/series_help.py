"""Series with readings, for tests."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

import numpy as np

START = datetime(2026, 1, 5, tzinfo=UTC)
HOUR, DAY = timedelta(hours=1), timedelta(days=1)


def make(key: str = "deals", *, interval: timedelta = DAY, **fields: Any) -> Any:
    from crmquality.services import series

    return series.create_series(name=key.capitalize(), key=key, interval=interval, unit="deals", **fields)


def feed(series: Any, values: Any, *, start: datetime = START) -> Any:
    """Store values one interval apart, from `start` on; not a number = missing."""
    from crmquality.services import observing
    from crmquality.services.observing import Reading

    return observing.store(
        Reading(series.pk, start + place * series.interval, None if np.isnan(value) else float(value))
        for place, value in enumerate(values)
    )


def rows(series: Any, *names: str) -> list[Any]:
    """The stored readings in order: one column, or tuples of several."""
    from crmquality.models import Observation

    found = Observation.objects.filter(series=series).order_by("at")
    return list(found.values_list(*names, flat=len(names) == 1))


def noise(count: int, seed: int = 1, middle: float = 50.0) -> Any:
    return np.random.default_rng(seed).normal(middle, 3, count)


def watched() -> Any:
    """150 days of readings, every tenth odd by more and more, watched by the seasonal method and judged."""
    from crmquality.services import judging, series

    made = make()
    values = noise(150)
    values[60::10] += range(20, 110, 10)
    feed(made, values)
    series.set_rule(series=made, method="seasonal", k=4.0, learn=40, refractory=0)
    judging.judge_waiting()
    made.refresh_from_db()
    return made
