"""How each rule fares with the people who decide: accepted, edited, rejected, and whether it goes on suggesting."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from django.db import connection

from crmquality.models import ModelVersion, Source, Training
from crmquality.services import learning
from detectors import registry
from detectors.contract import TrainableDetector
from detectors.registry import UnknownDetector
from review.models import RuleReset

_COUNTS = """
    SELECT i.detector, f.rule, i.action, k.fields, count(*) FILTER (WHERE i.state = 'open'),
           count(*) FILTER (WHERE d.counts AND d.verdict = 'accept'),
           count(*) FILTER (WHERE d.counts AND d.verdict = 'edit'),
           count(*) FILTER (WHERE d.counts AND d.verdict = 'reject')
    FROM review_reviewitem i
    JOIN crmquality_finding f ON f.id = i.finding_id
    CROSS JOIN LATERAL (
        SELECT CASE WHEN i.action = 'set' THEN coalesce(
            (SELECT string_agg(name, ',' ORDER BY name COLLATE "C") FROM jsonb_object_keys(f.proposal->'changes') name),
            ''
        ) ELSE '' END AS fields
    ) k
    LEFT JOIN LATERAL (
        SELECT verdict, by_id IS NOT NULL AND looked_at AND at > coalesce(
            (SELECT max(r.at) FROM review_rulereset r WHERE r.source_id = i.source_id AND r.detector = i.detector
             AND r.rule = f.rule AND r.fields = k.fields), '-infinity'
        ) AS counts
        FROM review_decision WHERE item_id = i.id AND undone_at IS NULL
    ) d ON true
    WHERE i.source_id = %(source)s AND i.state IN ('open', 'decided')
    GROUP BY 1, 2, 3, 4 ORDER BY 1, 2, 4
"""


@dataclass(frozen=True)
class RuleRow:
    """One rule of a detector on one set of fields. stopped: it suggests nothing any more. reset_at: it started anew."""

    detector: str
    rule: str
    fields: str
    open: int
    accepted: int
    edited: int
    rejected: int
    stopped: bool
    may_reset: bool
    reset_at: datetime | None

    @property
    def answers(self) -> int:
        """All answers that count."""
        return self.accepted + self.edited + self.rejected

    @property
    def acceptance(self) -> float | None:
        """Share accepted as proposed; None without an answer."""
        return self.accepted / self.answers if self.answers else None


@dataclass(frozen=True)
class Model:
    """A detector's serving version, and the training of it that waits or runs."""

    detector: str
    version: ModelVersion | None
    training: Training | None
    stopped: int


def rules(source: Source) -> list[RuleRow]:
    """Every rule that ever claimed something that was asked: stopped ones first, then those accepted least."""
    with connection.cursor() as cursor:
        cursor.execute(_COUNTS, {"source": source.pk})
        rows = cursor.fetchall()
    deciding = {detector for detector, _, action, *_ in rows if action == "set"}
    states = {name: stopped_rules(source, name) for name in sorted(deciding)}
    resets = {
        (one.detector, one.rule, one.fields): one.at for one in RuleReset.objects.filter(source=source).order_by("id")
    }
    made = []
    for detector, rule, _, fields, open_items, accepted, edited, rejected in rows:
        known = states.get(detector)
        made.append(
            RuleRow(
                detector,
                rule,
                fields,
                open_items,
                accepted,
                edited,
                rejected,
                known is not None and bool({rule, f"{rule}|{fields}"} & known),
                known is not None,
                resets.get((detector, rule, fields)),
            )
        )
    return sorted(made, key=lambda row: (not row.stopped, 2 if row.acceptance is None else row.acceptance, -row.open))


def models(source: Source, rows: list[RuleRow]) -> list[Model]:
    """The detectors behind these rules with what serves."""
    active = {one.detector: one for one in ModelVersion.objects.filter(source=source, state=ModelVersion.State.ACTIVE)}
    trainings = {one.detector: one for one in Training.objects.active().filter(source=source)}
    return [
        Model(
            name,
            active.get(name),
            trainings.get(name),
            sum(row.stopped for row in rows if row.detector == name),
        )
        for name in sorted({row.detector for row in rows})
    ]


def stopped_rules(source: Source, name: str) -> frozenset[str] | None:
    """The rules, by the names the detector accounts them under, that stopped by all answers so far.

    None for a detector that is not installed or learns nothing.
    """
    try:
        if name not in registry.available() or not learning.learns(name):
            return None
    except UnknownDetector:
        return None
    detector, version = learning.load_serving(source, name)
    assert isinstance(detector, TrainableDetector)
    current = detector.reweight(learning.labels_since(version, source, name))
    return _stopped(current.metrics())


def _stopped(metrics: Mapping[str, float]) -> frozenset[str]:
    """The rules that metrics name as stopped: "stopped:RULE" or "stopped: RULE" above 0."""
    return frozenset(
        name.removeprefix("stopped:").strip()
        for name, value in metrics.items()
        if name.startswith("stopped:") and value > 0
    )
