"""Decisions become labels: the queue is ranked anew at once, models are refitted after enough of them."""

from __future__ import annotations

import logging
import threading
from dataclasses import dataclass
from datetime import datetime, timedelta

from django.conf import settings
from django.db import connection, transaction
from django.db.models import QuerySet

from crmquality.models import ModelVersion, Source, Training
from crmquality.services import learning
from crmquality.services.proposals import finding_from_row
from crmquality.services.publishing import publish
from detectors import registry
from detectors.contract import Finding, Flag, Label, ModelFileError, SetFields, TrainableDetector
from detectors.registry import UnknownDetector, available
from review.models import Decision, ReviewItem
from review.models.items import Minus
from review.services import checks, resetting
from review.services.resting import is_resting

logger = logging.getLogger(__name__)
REMEMBERED = 20
"""So many states of a reweighted model are kept: as many as decisions can be undone by key."""
AT_ONCE = 2_000
"""So many open items are ranked anew before the next card; the rest follow in a worker."""

LONGEST_REST = timedelta(hours=1)

PAGE, WIDER = 20, 5
"""In the varied order so many claims, picked from so many times as many, are unlike each other."""

WORTH_STEP = 0.01
"""What a verdict would teach is written anew when it moved by more than this."""

_RANK = """
    UPDATE review_reviewitem i SET rank = v.rank, worth = v.worth, variety = v.variety
    FROM unnest(%s::bigint[], %s::float8[], %s::float8[], %s::float8[]) AS v(id, rank, worth, variety)
    WHERE i.id = v.id AND i.state = 'open'
"""
_Places = tuple[float, float | None, float]
"""Rank, worth and variety of an item."""

LOOKED_THROUGH = 20_000
"""The sources and detectors of so many of the latest decisions are looked at for new labels."""

OWN_CORRECTION = "corrected-row"
"""The rule of what a person wrote instead of a proposal; detectors learn of the row from it."""

TEACHES = {Decision.Verdict.ACCEPT: True, Decision.Verdict.EDIT: True, Decision.Verdict.REJECT: False}
"""Verdict -> was the claim right. "Expected" and "unsure" teach nothing about the claim."""


@dataclass(frozen=True)
class _Reweighted:
    """A version with the decisions taken in since, in order."""

    version: int
    decisions: tuple[int, ...]
    detector: TrainableDetector


_cache: dict[tuple[int, str], list[_Reweighted]] = {}
"""The latest states, oldest first: an undo goes back to the one before its decision, and learns nothing again."""
_lock = threading.Lock()


def labels(source: Source, detector: str, since: datetime | None = None) -> list[Label]:
    """The labels people gave on this detector's findings in this source, oldest first; only later ones if given."""
    weights, resets = checks.trusts(), resetting.resets_of(source, detector)
    return [
        label
        for decision in _teaching(source.pk, detector, since)
        if not resets or resetting.counts(decision, resets)
        for label in labels_of(decision, weights.get(decision.by_id or 0, 1.0))
    ]


def labels_of(decision: Decision, weight: float = 1.0) -> list[Label]:
    """What one decision teaches: one label, or for an edited merge one a part of the cluster.

    weight: how far the person is trusted, from the answers they gave to cards whose answer is known.
    """
    seen = decision.seen
    finding = finding_from_row(
        subjects=seen["subjects"],
        proposal=seen["proposal"],
        score=seen["score"],
        evidence=seen["evidence"],
        rule=seen["rule"],
    )
    right = TEACHES[Decision.Verdict(decision.verdict)]
    if decision.verdict == Decision.Verdict.EDIT and decision.changes.get("action") == "merge":
        return _labels_of_split(finding, decision, weight)
    if decision.verdict == Decision.Verdict.EDIT and isinstance(finding.proposal, SetFields):
        return _labels_of_edit(finding, decision, weight)
    return [Label(finding, right, weight)]


def count_verdicts(source: Source) -> tuple[int, int]:
    """Values found right, and values verified.

    A rejected claim confirms the value that stood, an accepted or edited one refutes it. Only claims that propose
    values count; a flag or a merge verifies no value.
    """
    standing = Decision.objects.looked_at().filter(item__source=source, item__action="set", verdict__in=TEACHES)
    right = standing.filter(verdict=Decision.Verdict.REJECT).count()
    return right, standing.count()


def learn_from(decision: Decision) -> None:
    """Rank the open items anew, before the next card: with the label of a decision, or after its undo without it.

    What nobody waits for follows in a worker: trainings (`refit_due`) and gates (`policies.check_gates`).
    """
    if decision.by_id is not None and Decision.Verdict(decision.verdict) in TEACHES:
        rerank(source_id=decision.item.source_id, detector=decision.item.detector)


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
        new = _teaching(source, detector, version.created_at if version else None)
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

    Ranks the first AT_ONCE items; a worker does the rest unless `everything`.
    """
    current = _reweighted(source_id, detector)
    if current is None:
        return 0
    open_items = ReviewItem.objects.open().filter(source_id=source_id, detector=detector)
    ordered = open_items.order_by("skips", Minus("rank"), "id").values_list(
        "id", "finding__subjects", "score", "finding__rule", "rank", "worth", "variety"
    )
    rows = list(ordered if everything else ordered[: AT_ONCE + 1])
    if len(rows) > AT_ONCE and not everything:
        rows.pop()
        transaction.on_commit(lambda: publish("review.tasks.rerank", source_id, detector=detector))
    known = [Finding(tuple(subjects), Flag(), score, (), rule) for _, subjects, score, rule, *_ in rows]
    ranked = _ranked(current.detector, known)
    moved = [(row[0], *new) for row, new in zip(rows, ranked, strict=True) if _differs(new, *row[4:])]
    if moved:
        with connection.cursor() as cursor:
            cursor.execute(_RANK, [list(column) for column in zip(*moved, strict=True)])
    return len(moved)


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


def _differs(new: _Places, rank: float, worth: float | None, variety: float | None) -> bool:
    """Whether a claim moved enough for its row to be written."""
    if abs(rank - new[0]) > 1e-9 or variety is None or abs(variety - new[2]) > 1e-9:
        return True
    return (worth is None) != (new[1] is None) or abs((worth or 0.0) - (new[1] or 0.0)) > WORTH_STEP


def current(version: ModelVersion) -> TrainableDetector:
    """The detector of a version: with all later decisions taken in if it serves, else as it was fitted.

    Raises ModelFileError if its files are damaged, UnknownDetector if nothing of its name is installed.
    """
    if version.state == ModelVersion.State.ACTIVE:
        kept = _reweighted(version.source_id, version.detector)
        if kept is not None and kept.version == version.pk:
            return kept.detector
    return learning.load_version(version)


def _reweighted(source_id: int, name: str) -> _Reweighted | None:
    """The serving version with all later decisions taken in; None for a detector that is not reweighted at once."""
    if name not in available() or not getattr(registry.load(name), "reweights_at_once", False):
        return None
    version = ModelVersion.objects.filter(source=source_id, detector=name, state=ModelVersion.State.ACTIVE).first()
    if version is None:
        return None
    try:
        base = learning.load_version(version)
    except ModelFileError:  # the last good one stands in for it, and the note on this one says why
        found, stand_in = learning.load_serving(Source.objects.get(pk=source_id), name)
        if stand_in is None or not isinstance(found, TrainableDetector):
            return None
        base, version = found, stand_in
    except UnknownDetector as error:
        logger.error("model version %s cannot be loaded: %s", version.pk, error)
        return None
    later = _teaching(source_id, name, version.created_at)
    ids = tuple(later.values_list("pk", flat=True))
    with _lock:
        states = [one for one in _cache.get((source_id, name), []) if one.version == version.pk]
        while states and states[-1].decisions != ids[: len(states[-1].decisions)]:
            states.pop()  # it took in a decision that was undone
        kept = states[-1] if states else _Reweighted(version.pk, (), base)
        new = list(later.filter(pk__in=ids[len(kept.decisions) :])) if len(ids) > len(kept.decisions) else []
        weights = checks.trusts() if new else {}
        fresh = [label for decision in new for label in labels_of(decision, weights.get(decision.by_id or 0, 1.0))]
        detector = kept.detector.reweight(fresh) if fresh else kept.detector
        kept = _Reweighted(version.pk, ids, detector)
        _cache[source_id, name] = [*(one for one in states if one.decisions != ids), kept][-REMEMBERED:]
    if fresh:
        ModelVersion.objects.filter(pk=version.pk).update(feedback_count=len(ids))
    return kept


def _teaching(source_id: int, detector: str, since: datetime | None = None) -> QuerySet[Decision]:
    decisions = (
        Decision.objects.looked_at()
        .filter(item__source=source_id, item__detector=detector, verdict__in=TEACHES)
        .order_by("id")
    )
    return decisions.filter(at__gt=since) if since else decisions


def _labels_of_edit(finding: Finding, decision: Decision, weight: float) -> list[Label]:
    """What was proposed was wrong; what the person wrote instead is right."""
    changes = decision.changes.get("changes", {})
    assert isinstance(finding.proposal, SetFields)
    if not changes or changes == dict(finding.proposal.changes):
        return [Label(finding, True, weight)]
    written = Finding(finding.subjects, SetFields(changes), finding.score, (), OWN_CORRECTION)
    return [Label(finding, False, weight), Label(written, True, weight)]


def _labels_of_split(finding: Finding, decision: Decision, weight: float) -> list[Label]:
    """The records kept together are one; each left out is not the same as the survivor."""
    edited = decision.changes
    together = finding_from_row(
        subjects=[edited["survivor"], *edited["members"]],
        proposal=edited,
        score=finding.score,
        evidence=[],
        rule=finding.rule,
    )
    apart = set(finding.subjects) - set(together.subjects)
    return [Label(together, True, weight)] + [
        Label(
            finding_from_row(
                subjects=[edited["survivor"], one],
                proposal={"action": "merge", "survivor": edited["survivor"], "members": [one], "changes": {}},
                score=finding.score,
                evidence=[],
                rule=finding.rule,
            ),
            False,
            weight,
        )
        for one in sorted(apart)
    ]
