"""Bake-offs as pages show them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from django.db.models import Count

from crmquality.models import BakeOff, Series
from review.charts_bars import ShareBars, share_bars

LEAST = 200


@dataclass(frozen=True)
class BakedPart:
    """One comparison: its words, bars of the scores with their intervals, and the rows of the table."""

    about: str
    verdict: str
    bars: ShareBars
    standings: list[Mapping[str, Any]]


@dataclass(frozen=True)
class BakedRow:
    """One bake-off of the list, with its verdicts so far."""

    job: BakeOff
    about: str
    verdicts: list[str]


def rows(limit: int = 30) -> list[BakedRow]:
    """The latest bake-offs."""
    found = BakeOff.objects.select_related("source", "requested_by")[:limit]
    return [BakedRow(job, about(job), [part["verdict"] for part in job.result.get("parts", [])]) for job in found]


def about(job: BakeOff) -> str:
    """What it compares on, in words."""
    if job.source:
        return f"rows of {job.source.name}"
    names = list(Series.objects.filter(pk__in=job.subjects).values_list("name", flat=True))
    return ", ".join(names[:3]) + (f" and {len(names) - 3} more" if len(names) > 3 else "") if names else "series"


def parts(job: BakeOff) -> list[BakedPart]:
    """What came out, one part for each way of knowing what is odd."""
    return [
        BakedPart(part["about"], part["verdict"], _bars(part["standings"]), part["standings"])
        for part in job.result.get("parts", [])
    ]


def long_enough() -> list[Series]:
    """The series with readings enough to compare on."""
    counted = Series.objects.annotate(readings=Count("observations")).filter(readings__gte=LEAST)
    return list(counted.order_by("name"))


def _bars(standings: list[Mapping[str, Any]]) -> ShareBars:
    """Scores of 0 to 100 as bars; one below 0 has none."""

    def share(value: float) -> float:
        return min(1.0, max(0.0, value / 100))

    bars = [
        (
            one["name"],
            share(one["score"]),
            share(one["low"]),
            share(one["high"]),
            f"{one['low']:.1f} to {one['high']:.1f}",
        )
        for one in standings
    ]
    return share_bars(bars, said=[f"{one['score']:.1f}" for one in standings], left=240, width=760)
