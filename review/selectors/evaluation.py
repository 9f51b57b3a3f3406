"""How good the duplicates found are, by decisions: over all, by segment, at any bound, and what is missed below."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from django.db import connection

from crmquality.models import Source
from detectors.roles import Role
from review import estimation
from review.charts_bars import Histogram, ShareBars, score_histogram, share_bars
from review.estimation import BINS, Bin, Estimate
from review.models import ReviewItem
from review.selectors import scores
from review.services import policies

DETECTOR = "duplicates"
BOUNDS = (0.05, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99)
MOST_SEGMENTS = 12
SIZES = "size of the cluster"

_SEGMENT = {
    "size": "CASE WHEN cardinality(f.subjects) > 4 THEN '5 and more' ELSE cardinality(f.subjects)::text END",
    "column": "coalesce(nullif(btrim(r.fields->>%(column)s), ''), '(blank)')",
}
_CLAIMS = """
    SELECT {segment}, floor(f.score * %(bins)s + 1e-9)::int, count(*)
    FROM crmquality_finding f JOIN crmquality_record r ON r.id = f.subjects[1]
    WHERE f.source_id = %(source)s AND f.detector = %(detector)s AND f.state IN ('open', 'settled')
    GROUP BY 1, 2
"""
_SAID = """
    SELECT {segment}, floor(i.score * %(bins)s + 1e-9)::int, count(*),
           count(*) FILTER (WHERE d.verdict IN ('accept', 'expected'))
    FROM review_reviewitem i JOIN review_decision d ON d.item_id = i.id AND d.undone_at IS NULL
    JOIN crmquality_finding f ON f.id = i.finding_id JOIN crmquality_record r ON r.id = f.subjects[1]
    WHERE i.source_id = %(source)s AND i.detector = %(detector)s AND i.state = 'decided'
      AND d.by_id IS NOT NULL AND d.looked_at AND d.verdict <> 'unsure'
    GROUP BY 1, 2
"""


@dataclass(frozen=True)
class Quality:
    """Claims at or above a bound. wrong: the share of them that is wrong (false match rate).

    f1_low, f1_high: from the lower and the upper ends of precision and recall together, so wider than 95 % needs.
    """

    label: str
    at: float
    precision: Estimate
    recall: Estimate
    wrong: Estimate
    f1: float | None
    f1_low: float
    f1_high: float


@dataclass(frozen=True)
class Segments:
    """One way of parting the claims. picture: precision of each part; None without any."""

    name: str
    parts: list[Quality]
    picture: ShareBars | None


@dataclass(frozen=True)
class Evaluation:
    """All that the page of a source shows.

    in_force: the bound of the policy; at: the bound asked about. below: claims between nothing and that bound; decided
    below, found below: of these, what people decided and found to be duplicates. waiting: sampled and not yet answered.
    """

    source: Source
    detector: str
    in_force: float
    at: float
    whole: Quality
    bounds: list[Quality]
    segments: list[Segments]
    histogram: Histogram
    below: int
    decided_below: int
    found_below: int
    waiting: int

    @property
    def decided(self) -> int:
        """Decisions behind it all."""
        return self.whole.recall.decided


def quality(label: str, bins: list[Bin], at: float) -> Quality:
    """Precision, recall and the rest at a bound, from claims by score and what people said of them."""
    right, found = estimation.precision(bins, at), estimation.recall(bins, at)
    share = None if right.share is None else 1 - right.share
    wrong = Estimate(share, 1 - right.high, 1 - right.low, right.decided, right.claims)
    f1 = None if right.share is None or found.share is None else _f1(right.share, found.share)
    return Quality(label, at, right, found, wrong, f1, _f1(right.low, found.low), _f1(right.high, found.high))


def evaluation(source: Source, *, detector: str = "", at: float | None = None) -> Evaluation:
    """The evaluation of a source at a bound; at the policy's where none is given."""
    detector = detector or DETECTOR
    in_force = policies.policy_in_force(source, detector).review_at
    bound = in_force if at is None else at
    bins = scores.bins(source.pk, detector)
    below = [one for one in bins if one.score < bound - 1e-9]
    low = scores.lowest_score(bins, bound)
    waiting = ReviewItem.objects.open().filter(source=source, detector=detector, sampled=True).count()
    return Evaluation(
        source=source,
        detector=detector,
        in_force=in_force,
        at=bound,
        whole=quality("all", bins, bound),
        bounds=[quality(f"{one:g}", bins, one) for one in BOUNDS],
        segments=[_segments(source, detector, bound, name, column) for name, column in _ways(source)],
        histogram=score_histogram(bins, low=low, marks=[("bound", bound)]),
        below=sum(one.claims for one in below),
        decided_below=sum(one.decided for one in below),
        found_below=sum(one.right for one in below),
        waiting=waiting,
    )


def overview() -> list[tuple[Source, Quality]]:
    """Every source with its quality at the bound in force."""
    found = []
    for source in Source.objects.order_by("name"):
        at = policies.policy_in_force(source, DETECTOR).review_at
        found.append((source, quality(source.name, scores.bins(source.pk, DETECTOR), at)))
    return found


def _f1(precision: float, recall: float) -> float:
    return 2 * precision * recall / (precision + recall) if precision + recall else 0.0


def _ways(source: Source) -> list[tuple[str, str | None]]:
    """(name, column) of every way to part the claims: by size, by country or region, by the source's own segment."""
    roles = source.column_roles
    columns = [name for name, role in roles.items() if role in (Role.COUNTRY, Role.REGION)][:2]
    if source.segment_column and source.segment_column not in columns:
        columns.append(source.segment_column)
    return [(SIZES, None), *((name, name) for name in columns)]


def _segments(source: Source, detector: str, at: float, name: str, column: str | None) -> Segments:
    parts = [quality(label, bins, at) for label, bins in _bins_by(source.pk, detector, column).items()]
    if column is None:
        parts.sort(key=lambda part: part.label)
    else:
        parts.sort(key=lambda part: (-part.recall.claims, part.label))
    parts = parts[:MOST_SEGMENTS]
    shown = [part for part in parts if part.precision.share is not None]
    bars = [
        (
            part.label,
            part.precision.share,
            part.precision.low,
            part.precision.high,
            f"{part.precision.decided:,} decided of {part.precision.claims:,}",
        )
        for part in shown
    ]
    return Segments(name, parts, share_bars(bars) if bars else None)


def _bins_by(source_id: int, detector: str, column: str | None) -> dict[str, list[Bin]]:
    """Segment -> claims by score with what people said; a claim is of the segment of its first record."""
    segment = _SEGMENT["size" if column is None else "column"]
    values: dict[str, Any] = {"source": source_id, "detector": detector, "bins": BINS, "column": column}
    counts: dict[str, dict[int, tuple[int, int, int]]] = {}
    with connection.cursor() as cursor:
        cursor.execute(_CLAIMS.format(segment=segment), values)
        for label, place, claims in cursor.fetchall():
            counts.setdefault(label, {})[place] = (claims, 0, 0)
        cursor.execute(_SAID.format(segment=segment), values)
        for label, place, decided, right in cursor.fetchall():
            known = counts.setdefault(label, {})
            known[place] = (known.get(place, (0, 0, 0))[0], decided, right)
    return {label: [Bin(place / BINS, *one) for place, one in sorted(known.items())] for label, known in counts.items()}
