"""The model that serves with every later decision taken in, kept in this process and read beside its requests."""

from __future__ import annotations

import logging
import threading
from collections import defaultdict
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from hashlib import blake2b

from django.db import connections
from django.utils import timezone

from crmquality.giving_way import thread_gives_way
from crmquality.models import ModelVersion, Source
from crmquality.services import learning
from detectors import registry
from detectors.contract import ModelFileError, TrainableDetector
from detectors.registry import UnknownDetector
from review.models import Decision
from review.services import checks, labelling

logger = logging.getLogger(__name__)
REMEMBERED = 20
"""So many states of a reweighted model are kept, the older the wider apart: an undo replays as many decisions as it
goes back, and where several people decide at once it reaches behind the latest of everybody."""
SHORT, LONG = 0.05, 2.0
"""Seconds that a request waits for a model to be read: while the one before it stands in, or another request waited
already; and the first where there is none."""
MARGIN, COUNTED_FOR = timedelta(seconds=10), timedelta(minutes=1)
"""A decision is seen by whoever asks MARGIN after it was written down, however its transaction went on; all are
counted anew after COUNTED_FOR, for one that took longer."""

_Key = tuple[int, str]


class StillLoading(Exception):
    """The model is being read, and none stands in for it."""


@dataclass(frozen=True)
class Reweighted:
    """A version with the decisions taken in that were made since it was fitted.

    stamp: stands for those decisions in every process, 63 bits. asked, counted: when it was last looked for new
    decisions, and when all of them were counted.
    """

    version: int
    since: datetime
    decisions: frozenset[int]
    detector: TrainableDetector
    stamp: int = 0
    asked: datetime | None = None
    counted: datetime | None = None


@dataclass(frozen=True)
class _Reading:
    version: int
    result: Future[TrainableDetector]


_states: dict[tuple[_Key, int], list[Reweighted]] = {}
"""States of a version, oldest first: an undo goes back to the latest one before its decision."""
_locks: defaultdict[tuple[_Key, int], threading.Lock] = defaultdict(threading.Lock)
_serving: dict[_Key, Reweighted] = {}
"""What answered last in this process."""
_reader = ThreadPoolExecutor(max_workers=1, thread_name_prefix="models", initializer=thread_gives_way)
_readings: dict[_Key, _Reading] = {}
_readings_lock = threading.Lock()


def up_to_date(source_id: int, name: str, *, waits: bool = True) -> Reweighted | None:
    """The serving version with all later decisions taken in; None for a detector that is not reweighted at once.

    waits: until the version is read, however long that takes. Else one of a million rows is waited for no longer than a
    person notices: the version that served before goes on meanwhile. Raises StillLoading if there is none.
    """
    if name not in registry.available() or not getattr(registry.load(name), "reweights_at_once", False):
        return None
    version = ModelVersion.objects.filter(source=source_id, detector=name, state=ModelVersion.State.ACTIVE).first()
    if version is None:
        return None
    key = (source_id, name)
    before = _serving.get(key)
    patience = None if waits else SHORT if before or _is_being_read(key, version) else LONG
    try:
        base = _read(key, version, patience)
    except TimeoutError:
        if before is None:
            raise StillLoading from None
        return _taken_in(key, before)
    except ModelFileError:  # the last good one stands in for it, and the note on this one says why
        found, stand_in = learning.load_serving(Source.objects.get(pk=source_id), name)
        if stand_in is None or not isinstance(found, TrainableDetector):
            return None
        base, version = found, stand_in
    except UnknownDetector as error:
        logger.error("model version %s cannot be loaded: %s", version.pk, error)
        return None
    found_now = _taken_in(key, Reweighted(version.pk, version.knows_until, frozenset(), base))
    _serving[key] = found_now
    for old in [one for one in _states if one[0] == key and one[1] != version.pk]:
        _states.pop(old, None)
    return found_now


def current(version: ModelVersion) -> TrainableDetector:
    """The detector of a version: with all later decisions taken in if it serves, else as it was fitted.

    Raises ModelFileError if its files are damaged, UnknownDetector if nothing of its name is installed.
    """
    if version.state == ModelVersion.State.ACTIVE:
        kept = up_to_date(version.source_id, version.detector)
        if kept is not None and kept.version == version.pk:
            return kept.detector
    return learning.load_version(version)


def _is_being_read(key: _Key, version: ModelVersion) -> bool:
    reading = _readings.get(key)
    return reading is not None and reading.version == version.pk


def _read(key: _Key, version: ModelVersion, patience: float | None) -> TrainableDetector:
    """What a version holds, read once however many ask. Raises TimeoutError, ModelFileError, UnknownDetector."""
    with _readings_lock:
        reading = _readings.get(key)
        if reading is None or reading.version != version.pk:
            reading = _readings[key] = _Reading(version.pk, _reader.submit(_prepared, key, version))
    try:
        return reading.result.result(timeout=patience)
    except (ModelFileError, UnknownDetector):
        with _readings_lock:
            if _readings.get(key) is reading:
                del _readings[key]  # the files may be mended
        raise


def _prepared(key: _Key, version: ModelVersion) -> TrainableDetector:
    """What a version holds, with the decisions since taken in: hundreds were made while a large one was fitted."""
    try:
        base = learning.load_version(version)
        _taken_in(key, Reweighted(version.pk, version.knows_until, frozenset(), base))
        return base
    finally:
        connections.close_all()  # of this thread


def _taken_in(key: _Key, start: Reweighted) -> Reweighted:
    """A version with all decisions since taken in, from the latest state that still holds."""
    place = (key, start.version)
    with _locks[place]:
        states = list(_states.get(place, []))
        now = timezone.now()
        standing, counted = _standing(key, states[-1] if states else start, now)
        while states and not states[-1].decisions <= standing:
            states.pop()  # it took in a decision that was undone
        kept = states[-1] if states else start
        if not kept.decisions <= standing:
            return start
        fresh = sorted(standing - kept.decisions)
        new = list(labelling.teaching(*key, start.since).filter(pk__in=fresh)) if fresh else []
        weights = checks.trusts() if new else {}
        labels = [label for one in new for label in labelling.labels_of(one, weights.get(one.by_id or 0, 1.0))]
        detector = kept.detector.reweight(labels) if labels else kept.detector
        stamp = kept.stamp
        for one in fresh:
            stamp ^= _stamp_of(one)
        found = Reweighted(start.version, start.since, standing, detector, stamp, now, counted)
        _states[place] = _thinned([*(one for one in states if one.decisions != standing), found])
    return found


def _thinned(states: list[Reweighted]) -> list[Reweighted]:
    """These without the one whose neighbours lie closest together for how long ago they were, if they are too many."""
    if len(states) <= REMEMBERED:
        return states
    taken_in = [len(one.decisions) for one in states]

    def gap(place: int) -> float:
        return (taken_in[place + 1] - taken_in[place - 1]) / (1 + taken_in[-1] - taken_in[place])

    least = min(range(1, len(states) - 1), key=gap)
    return states[:least] + states[least + 1 :]


def _standing(key: _Key, latest: Reweighted, now: datetime) -> tuple[frozenset[int], datetime]:
    """The decisions that stand since the version was fitted, and when all of them were counted last.

    Between two counts: those known to the latest state, and what changed since that one asked.
    """
    made = labelling.teaching(*key, latest.since).order_by()
    if latest.asked is None or latest.counted is None or now - latest.counted > COUNTED_FOR:
        return frozenset(made.values_list("pk", flat=True)), now
    lately = latest.asked - MARGIN
    fresh = made.filter(at__gt=lately).values_list("pk", flat=True)
    undone = Decision.objects.filter(undone_at__gt=lately).values_list("pk", flat=True)
    return latest.decisions.union(fresh).difference(undone), latest.counted


def _stamp_of(decision: int) -> int:
    return int.from_bytes(blake2b(decision.to_bytes(8), digest_size=8).digest()) >> 1


def is_read(source_id: int, name: str) -> bool:
    """Whether a model stands ready in this process, be it the one before the latest."""
    return (source_id, name) in _serving
