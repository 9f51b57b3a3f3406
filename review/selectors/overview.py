"""What the dashboard and a source's page show."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from django.db.models import Max

from crmquality.metrics import wilson
from crmquality.models import QualityMetric, Run, Source
from crmquality.services import measuring
from review.charts import Trend, trend
from review.models import ReviewItem, SourceFigures
from review.selectors.figures import VERSION

ORDER = [
    "completeness",
    "validity",
    "consistency",
    "uniqueness",
    "timeliness",
    "accuracy",
    "accuracy against reference",
    "error detection rate",
    "error correction rate",
    "error rate",
    "faultless records",
]
POINTS = 60


@dataclass(frozen=True)
class SourceCard:
    """One source on the dashboard."""

    source: Source
    records: int
    open_items: int
    score: QualityMetric | None
    trend: Trend | None


@dataclass(frozen=True)
class MetricRow:
    """One metric with its history and the fields that make it up, the worst first."""

    metric: QualityMetric
    trend: Trend | None
    fields: list[QualityMetric]


@dataclass(frozen=True)
class DetectorRow:
    """What a detector found in a source and what people said of it."""

    name: str
    open_items: int
    accepted: int
    decided: int
    low: float | None
    high: float | None
    last_run: Run | None

    @property
    def acceptance(self) -> float | None:
        """Accepted / decided."""
        return self.accepted / self.decided if self.decided else None


def source_cards() -> list[SourceCard]:
    """Every source with its size and backlog as last counted, score and trend."""
    counted = dict(SourceFigures.objects.filter(figures__version=VERSION).values_list("source", "figures"))
    return [_card(source, counted.get(source.pk)) for source in Source.objects.all()]


def records(source: Source) -> int:
    """How many records stand for themselves, as last measured; counted where nothing was measured yet."""
    measured = measuring.latest(source).get("uniqueness")
    return int(measured.denominator) if measured else measuring.live_records(source)


def _card(source: Source, counted: dict[str, Any] | None) -> SourceCard:
    newest = measuring.latest(source)
    measured = newest.get("uniqueness")
    return SourceCard(
        source,
        int(measured.denominator) if measured else measuring.live_records(source),
        sum(one["open"] for one in counted["detectors"].values())
        if counted
        else ReviewItem.objects.open().filter(source=source).count(),
        newest.get("quality score"),
        history(source, "quality score"),
    )


def history(source: Source, name: str) -> Trend | None:
    """The trend of a metric of the source as a whole."""
    rows = QualityMetric.objects.filter(source=source, name=name, field="", segment="", value__isnull=False).order_by(
        "-at", "-id"
    )
    values = list(rows.values_list("value", flat=True)[:POINTS])
    return trend([float(value) for value in reversed(values) if value is not None])


def metric_rows(source: Source) -> list[MetricRow]:
    """The metrics of a source in their order, with the fields behind each."""
    newest = measuring.latest(source)
    at = QualityMetric.objects.filter(source=source).aggregate(at=Max("at"))["at"]
    by_field = QualityMetric.objects.filter(source=source, at=at).exclude(field="")
    rows = []
    for name in ORDER:
        if name in newest:
            parts = sorted(
                (one for one in by_field if one.name == name and one.value is not None), key=lambda one: one.value or 0
            )
            rows.append(MetricRow(newest[name], history(source, name), parts))
    return rows


def detector_rows(source: Source, names: Sequence[str], counted: Mapping[str, Any]) -> list[DetectorRow]:
    """Each detector's backlog and acceptance, with its 95 % interval. counted: see `figures.compute`."""
    rows = []
    for name in names:
        one = counted["detectors"].get(name, {})
        accepted, decided = one.get("accepted", 0) + one.get("edited", 0), one.get("decided", 0)
        low, high = wilson(accepted, decided)
        last = Run.objects.filter(source=source, detector=name).order_by("-id").first()
        rows.append(DetectorRow(name, one.get("open", 0), accepted, decided, low, high, last))
    return rows
