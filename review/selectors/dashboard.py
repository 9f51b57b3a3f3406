"""How good the data of a source is and what became of its claims, as pictures: read from stored metrics and figures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from django.db.models import Max

from crmquality.metrics import wilson
from crmquality.models import ModelVersion, QualityMetric, Source
from crmquality.services import measuring
from review.charts_bars import Funnel, ShareBars, funnel, share_bars
from review.charts_lines import Lines, lines
from review.selectors import figures

HEATED = ("completeness", "validity", "accuracy against reference")
BY_SEGMENT = ("completeness", "validity", "consistency", "uniqueness", "timeliness")
SHADES = ((0.5, "h1"), (0.8, "h2"), (0.95, "h3"), (0.99, "h4"))
POINTS = 60


@dataclass(frozen=True)
class Cell:
    """One value of a heat map; shade: its class, said by the number too."""

    value: float | None
    shade: str
    count: float = 0


@dataclass(frozen=True)
class Heat:
    """Rows of cells under named columns."""

    columns: list[str]
    rows: list[tuple[str, list[Cell]]]


@dataclass(frozen=True)
class Rate:
    """A share with its 95 % interval and how it is computed."""

    name: str
    part: int
    whole: int
    formula: str

    @property
    def value(self) -> float | None:
        """The share; None of nothing."""
        return self.part / self.whole if self.whole else None

    @property
    def interval(self) -> tuple[float | None, float | None]:
        """Wilson, 95 %."""
        return wilson(self.part, self.whole)


@dataclass(frozen=True)
class Picture:
    """Everything the dashboard shows of one source. at: when the figures were counted; None: just now."""

    source: Source
    score: QualityMetric | None
    history: Lines | None
    segments: ShareBars | None
    by_segment: Heat | None
    by_field: Heat | None
    funnel: Funnel
    backlog: ShareBars | None
    acceptance: ShareBars | None
    by_band: Heat | None
    rates: list[Rate]
    median: float | None
    p95: float | None
    decided: int
    days: Lines | None
    at: datetime | None


def picture(source: Source) -> Picture:
    """The pictures of one source."""
    counted, at = figures.of_source(source)
    detectors: Mapping[str, Mapping[str, Any]] = counted["detectors"]
    newest = measuring.latest(source)
    whole = {name: sum(one[name] for one in detectors.values()) for name in figures.COUNTS}
    uniqueness = newest.get("uniqueness")
    records = int(uniqueness.denominator) if uniqueness else measuring.live_records(source)
    by_segment = _latest_of(source, segment=True)
    return Picture(
        source=source,
        score=newest.get("quality score"),
        history=_history(source),
        segments=_segment_bars(by_segment),
        by_segment=_heat(by_segment, "segment", BY_SEGMENT),
        by_field=_heat(_latest_of(source, segment=False), "field", HEATED),
        funnel=funnel(
            [
                ("records", records),
                ("claims", whole["claims"]),
                ("asked", whole["asked"]),
                ("decided", whole["decided"] + whole["automatic"]),
                ("corrected", whole["corrected"]),
            ]
        ),
        backlog=_backlog(detectors),
        acceptance=_acceptance(detectors),
        by_band=_bands(detectors),
        rates=_rates(whole, newest),
        median=counted["turnaround"]["median"],
        p95=counted["turnaround"]["p95"],
        decided=whole["decided"],
        days=lines(
            [day[5:] for day, _, _ in counted["days"]],
            [
                ("into the queue", [float(found) for _, found, _ in counted["days"]]),
                ("decided", [float(decided) for _, _, decided in counted["days"]]),
            ],
            low=0.0,
        ),
        at=at,
    )


def serving_models(limit: int = 12) -> list[ModelVersion]:
    """The models that serve, the newest first."""
    active = ModelVersion.objects.filter(state=ModelVersion.State.ACTIVE).select_related("source")
    return list(active.order_by("-activated_at")[:limit])


def _history(source: Source) -> Lines | None:
    whole = QualityMetric.objects.filter(source=source, name="quality score", field="", segment="", value__isnull=False)
    rows = list(whole.order_by("-at", "-id")[:POINTS])[::-1]
    return lines(
        [row.at.strftime("%d %b %H:%M") for row in rows],
        [("quality score", [float(row.value or 0.0) for row in rows])],
        bands=[[(row.low, row.high) for row in rows]],
    )


def _latest_of(source: Source, *, segment: bool) -> list[QualityMetric]:
    """The newest metrics by segment, or by field: each name as of its own last measurement."""
    rows = QualityMetric.objects.filter(source=source)
    rows = rows.exclude(segment="") if segment else rows.exclude(field="").filter(segment="")
    newest: dict[str, datetime] = dict(rows.values_list("name").annotate(at=Max("at")).order_by())
    return [row for row in rows.filter(at__in=set(newest.values())) if newest[row.name] == row.at]


def _segment_bars(metrics: Sequence[QualityMetric]) -> ShareBars | None:
    rows = [row for row in metrics if row.name == "quality score"]
    rows.sort(key=lambda row: row.value or 0.0)
    bars = [(row.segment, row.value, row.low, row.high, f"{row.denominator:,.0f} records") for row in rows]
    return share_bars(bars) if bars else None


def _heat(metrics: Sequence[QualityMetric], by: str, names: Sequence[str]) -> Heat | None:
    found: dict[str, dict[str, QualityMetric]] = {}
    for metric in metrics:
        if metric.name in names:
            found.setdefault(getattr(metric, by), {})[metric.name] = metric
    shown = [name for name in names if any(name in row for row in found.values())]
    if not found or not shown:
        return None
    rows = [
        (label, [_cell(row[name].value, row[name].denominator) if name in row else Cell(None, "h0") for name in shown])
        for label, row in found.items()
    ]
    rows.sort(key=lambda row: min((cell.value for cell in row[1] if cell.value is not None), default=1.0))
    return Heat(shown, rows)


def _backlog(detectors: Mapping[str, Mapping[str, Any]]) -> ShareBars | None:
    waiting = {name: one for name, one in detectors.items() if one["open"]}
    most = max((one["open"] for one in waiting.values()), default=0)
    rows = sorted(waiting.items(), key=lambda row: -row[1]["open"])
    bars = [
        (name, one["open"] / most, None, None, f"{one['open']:,} open, {one['old']:,} for over a week")
        for name, one in rows
    ]
    return share_bars(bars, said=[f"{one['open']:,}" for _, one in rows]) if bars else None


def _acceptance(detectors: Mapping[str, Mapping[str, Any]]) -> ShareBars | None:
    bars = [
        (
            name,
            one["accepted"] / one["decided"],
            *wilson(one["accepted"], one["decided"]),
            f"{one['accepted']:,} of {one['decided']:,}",
        )
        for name, one in detectors.items()
        if one["decided"]
    ]
    return share_bars(bars) if bars else None


def _bands(detectors: Mapping[str, Mapping[str, Any]]) -> Heat | None:
    ends = [*figures.BANDS[1:], 1.0]
    columns = [f"{low:g} to {high:g}" for low, high in zip(figures.BANDS, ends, strict=True)]
    rows = [
        (name, [_cell(right / decided if decided else None, decided) for decided, right in one["bands"]])
        for name, one in detectors.items()
        if one["decided"]
    ]
    return Heat(columns, rows) if rows else None


def _rates(whole: Mapping[str, int], newest: Mapping[str, QualityMetric]) -> list[Rate]:
    found = newest.get("error detection rate")
    mended = newest.get("error correction rate")
    rates = [
        Rate(
            "Acceptance",
            whole["accepted"],
            whole["decided"],
            "Accepted as proposed (or expected) / decided by people, “not sure” apart.",
        ),
        Rate(
            "Correction",
            whole["corrected"],
            whole["confirmed"],
            "Claims whose correction was written and stands / claims confirmed (accepted, edited or expected).",
        ),
        Rate(
            "Error detection",
            int(found.numerator) if found else 0,
            int(found.denominator) if found else 0,
            "Errors that a claim proposes to change / errors that a reference file shows (manage.py reference).",
        ),
    ]
    if mended:
        rates.append(
            Rate(
                "Correction, by reference",
                int(mended.numerator),
                int(mended.denominator),
                "Claimed errors that hold the verified value now / claimed errors.",
            )
        )
    return rates


def _cell(value: float | None, count: float = 0) -> Cell:
    if value is None:
        return Cell(None, "h0", count)
    return Cell(value, next((shade for end, shade in SHADES if value < end), "h5"), count)
