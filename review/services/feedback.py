"""Decisions become labels: the queue is ranked anew at once, models are refitted after enough of them."""

from __future__ import annotations

import math
import time
from collections.abc import Sequence
from datetime import datetime, timedelta
from itertools import islice

from django.conf import settings
from django.db import connection, transaction
from django.utils import timezone

from crmquality.models import ModelVersion, Source, Training
from crmquality.services import learning
from crmquality.services.publishing import publish
from detectors.contract import Finding, Flag, TrainableDetector
from review.models import Decision, ReviewItem
from review.models.items import Minus
from review.services import reweighting
from review.services.labelling import TEACHES, teaching
from review.services.resting import is_resting

AT_ONCE = 500
"""So many open items are ranked anew before the next card; the rest follow in a worker."""

LONGEST_REST = timedelta(hours=1)

PAGE, WIDER = 20, 5
"""In the varied order so many claims, picked from so many times as many, are unlike each other."""

NEXT, FRONT = 20, PAGE * WIDER
"""Of the items on nobody's desk, so many at the front of the order, before or after, are written however little they
moved: the next cards come from them. The first FRONT are kept FINE."""
COARSE, FINE = 0.25, 0.02
"""An item is written anew when its "1 in 2,000" moved by more than this share: FINE at the front, and everywhere by a
worker; COARSE behind it. Each write costs a tenth of a millisecond, and who comes to the front is written then."""
WRITTEN_AT_ONCE = 500
WORTH_STEP = 0.01
"""What a verdict would teach is written anew when it moved by more than this."""
REST, TOLD_WITHIN = 10.0, 9.0
"""A worker ranks what is behind AT_ONCE so many seconds after it is told, and is told once in a shorter time."""

_RANK = """
    WITH v AS (
        SELECT * FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::float8[]) AS v(id, rank, worth, variety)
    ), free AS (
        SELECT i.id FROM review_reviewitem i WHERE i.id IN (SELECT id FROM v) AND i.state = 'open'
        FOR NO KEY UPDATE SKIP LOCKED
    )
    UPDATE review_reviewitem i SET rank = v.rank, worth = v.worth, variety = v.variety
    FROM v JOIN free USING (id) WHERE i.id = v.id
"""
_ABOUT = """
    SELECT i.id, f.subjects, f.rule FROM review_reviewitem i JOIN crmquality_finding f ON f.id = i.finding_id
    WHERE i.id = ANY(%s)
"""
_ONE_AT_A_TIME = "SELECT pg_advisory_xact_lock(%s, hashtext('rerank ' || %s))"
_Places = tuple[float, float | None, float]
"""Rank, worth and variety of an item."""
_Row = tuple[int, float, float, float | None, float | None, datetime | None]
"""Of an item: id, score of its claim, rank, worth and variety as they stand, end of its lease."""

_claimed: dict[int, Finding] = {}
"""Item -> its claim, as far as a model asks: records, rule and score."""
REMEMBERED = 20_000
"""So many of them are kept in a process: looking 500 up costs as much as ranking them."""

LOOKED_THROUGH = 20_000
"""The sources and detectors of so many of the latest decisions are looked at for new labels."""


def learn_from(decision: Decision) -> None:
    """Rank the open items anew, before the next card: with the label of a decision, or after its undo without it.

    What nobody waits for follows in a worker: trainings (`refit_due`) and gates (`policies.check_gates`).
    """
    if _teaches(decision):
        rerank(source_id=decision.item.source_id, detector=decision.item.detector)


def learn_later(decision: Decision) -> None:
    """As `learn_from`, by a worker: for one of many decisions."""
    if _teaches(decision):
        _tell_a_worker(decision.item.source_id, decision.item.detector)


def _teaches(decision: Decision) -> bool:
    return decision.by_id is not None and Decision.Verdict(decision.verdict) in TEACHES


def refit_due() -> int:
    """Queue a training wherever enough labels came in since the last one; returns how many.

    Trainings take turns with rest: after one, none is queued for a while (`resting`), so that people who
    decide fast at a large source do not keep the machine fitting. Counted no further than is asked, for there may be
    a million decisions.
    """
    if _is_resting():
        return 0
    latest = Decision.objects.order_by("-id").values_list("id", flat=True).first() or 0
    lately = Decision.objects.looked_at().filter(pk__gt=latest - LOOKED_THROUGH, verdict__in=TEACHES)
    enough, count = int(settings.CRMQUALITY["refit_after_labels"]), 0
    for source, detector in lately.values_list("item__source", "item__detector").distinct().order_by():
        if not learning.is_idle(source_id=source, detector=detector):
            continue
        version = ModelVersion.objects.filter(source=source, detector=detector).order_by("-id").first()
        new = teaching(source, detector, version.knows_until if version else None)
        if len(new.order_by().values_list("id", flat=True)[:enough]) == enough:
            learning.request_training(source=Source.objects.get(pk=source), detector=detector)
            count += 1
    return count


def _is_resting() -> bool:
    """Whether the trainings of late took their share of the machine."""
    last = Training.objects.filter(finished_at__isnull=False, started_at__isnull=False).order_by("-finished_at").first()
    if last is None:
        return False
    return is_resting(last.finished_at, last.finished_at - last.started_at, longest=LONGEST_REST)


def rerank(*, source_id: int, detector: str, everything: bool = False) -> int:
    """Score the open items by what the model knows now; returns how many took a new rank.

    Ranks the first AT_ONCE items; a worker does the rest, with `everything`, and the first only where nobody else did
    meanwhile: it gives way to the page, and would let whoever waits for it do the same. One at a time ranks the first
    items of a source and detector, and whoever waited for that knows what was decided meanwhile. Rows that somebody
    holds are being decided: they are left alone, so that ranking waits for nobody and cannot lock up with a decision.
    """
    current = None
    if everything or not reweighting.is_read(source_id, detector):
        try:
            current = reweighting.up_to_date(source_id, detector, waits=everything)
        except reweighting.StillLoading:
            _tell_a_worker(source_id, detector)
            return 0
        if current is None:
            return 0
    open_items = ReviewItem.objects.open().filter(source_id=source_id, detector=detector)
    ordered = open_items.order_by("skips", Minus("rank"), "id").values_list(
        "id", "score", "rank", "worth", "variety", "lease_until"
    )
    behind = 0
    if everything and current is not None:
        ranked_before = _ranked_by(current.version)
        rows = list(ordered[AT_ONCE:])
        claims = _claims(rows)
        scores, worth = current.detector.rescore(claims), current.detector.worth(claims)
        behind = _write(rows, list(zip(scores, worth, scores, strict=True)), [FINE] * len(rows))
        if _ranked_by(current.version) != ranked_before:
            return behind
    with transaction.atomic(), connection.cursor() as cursor:
        cursor.execute(_ONE_AT_A_TIME, [source_id, detector])
        current = reweighting.up_to_date(source_id, detector, waits=everything)
        if current is None:
            return behind
        version = ModelVersion.objects.filter(pk=current.version)
        new = version if everything else version.exclude(ranked_by=current.stamp)
        if not new.update(ranked_by=current.stamp, feedback_count=len(current.decisions)):
            return 0  # ranked by whom this one waited for
        rows = list(ordered[: AT_ONCE + 1])
        if len(rows) > AT_ONCE:
            rows.pop()
            if not everything:
                _tell_a_worker(source_id, detector)
        ranked = _ranked(current.detector, _claims(rows))
        return behind + _write(rows, ranked, _steps(rows, ranked))


def _ranked_by(version: int) -> int | None:
    return ModelVersion.objects.filter(pk=version).values_list("ranked_by", flat=True).first()


def _claims(rows: Sequence[_Row]) -> list[Finding]:
    known = {row[0]: _claimed.get(row[0]) for row in rows}
    unknown = {item: score for item, score, *_ in rows if (one := known[item]) is None or one.score != score}
    if unknown:
        with connection.cursor() as cursor:
            cursor.execute(_ABOUT, [list(unknown)])
            found = {
                item: Finding(tuple(subjects), Flag(), unknown[item], (), rule)
                for item, subjects, rule in cursor.fetchall()
            }
        known |= found
        if len(_claimed) + len(found) > REMEMBERED:
            _claimed.clear()
        _claimed.update(islice(found.items(), REMEMBERED))
    # an item that is gone meanwhile is about no record that a model knows, and is not written
    return [known[row[0]] or Finding((0,), Flag(), row[1], ()) for row in rows]


def _write(rows: Sequence[_Row], ranked: Sequence[_Places], steps: Sequence[float]) -> int:
    """Write the items that moved by more than their step; returns how many."""
    moved = [
        (row[0], *new)
        for row, new, step in zip(rows, ranked, steps, strict=True)
        if _differs(new, *row[2:5], step=step)
    ]
    written = 0
    with connection.cursor() as cursor:
        for start in range(0, len(moved), WRITTEN_AT_ONCE):
            part = moved[start : start + WRITTEN_AT_ONCE]
            cursor.execute(_RANK, [list(column) for column in zip(*part, strict=True)])
            written += int(cursor.rowcount)
    return written


def _ranked(detector: TrainableDetector, known: list[Finding]) -> list[_Places]:
    """What each of these claims is by today's model: (rank, worth, variety).

    variety: the ranks of the best claims, dealt out anew in an order in which unlike ones follow each other.
    """
    scores = detector.rescore(known)
    best = sorted(range(len(known)), key=lambda place: -scores[place])[: PAGE * WIDER]
    first = [best[place] for place in detector.varied([known[place] for place in best], PAGE)]
    chosen = set(first)
    variety = list(scores)
    for place, taken in zip([*first, *(place for place in best if place not in chosen)], best, strict=True):
        variety[place] = scores[taken]
    return list(zip(scores, detector.worth(known), variety, strict=True))


def _steps(rows: Sequence[_Row], ranked: Sequence[_Places]) -> list[float]:
    """How far each item may move before it is written, by where it stood and where it stands."""
    now = timezone.now()
    free = [row[5] is None or row[5] < now for row in rows]
    steps = [COARSE] * len(rows)
    for ranks in ([row[2] for row in rows], [rank for rank, *_ in ranked]):
        order = sorted(range(len(ranks)), key=lambda place: -ranks[place])
        for place in order[:FRONT]:
            steps[place] = min(steps[place], FINE)
        for place in [place for place in order if free[place]][:NEXT]:
            steps[place] = 0.0
    return steps


def _differs(new: _Places, rank: float, worth: float | None, variety: float | None, *, step: float) -> bool:
    """Whether a claim moved enough for its row to be written."""
    if variety is None or _apart(new[0], rank, step) or _apart(new[2], variety, step):
        return True
    return (worth is None) != (new[1] is None) or abs((worth or 0.0) - (new[1] or 0.0)) > max(WORTH_STEP, step)


def _apart(one: float, other: float, step: float) -> bool:
    """Whether two ranks, shares of less odd records in [0, 1], differ by more than a step; 0: at all."""
    if not step or not (0 <= one < 1 and 0 <= other < 1):
        return abs(one - other) > 1e-9
    return abs(math.log1p(-one) - math.log1p(-other)) > step


_told: dict[tuple[int, str], float] = {}


def _tell_a_worker(source_id: int, detector: str) -> None:
    """Have all open items ranked in a while: one task for all the decisions made until then."""
    now = time.monotonic()
    if now - _told.get((source_id, detector), -math.inf) < TOLD_WITHIN:
        return
    _told[source_id, detector] = now
    transaction.on_commit(lambda: publish("review.tasks.rerank", source_id, detector=detector, after=REST))
