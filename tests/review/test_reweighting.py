"""A large model is read beside the requests: nobody who decides waits for it."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import timedelta
from typing import Self

import pytest
from django.db import connections, transaction
from django.utils import timezone
from hypothesis import given
from hypothesis import strategies as st

from crmquality.models import ModelVersion, Source
from crmquality.services import learning
from detectors import registry
from detectors.contract import Finding, Label, ModelFileError
from review.models import Decision, ReviewItem
from review.services import deciding, feedback, reweighting
from tests.scripted import ScriptedDetector, claim, install, scan

Verdict = Decision.Verdict
State = ModelVersion.State


class Learner(ScriptedDetector):
    """Ranks every claim by the version it was read from; notes the labels."""

    reweights_at_once = True
    learned: tuple[Label, ...] = ()
    number = 0.0

    def reweight(self, labels: Sequence[Label]) -> Self:
        other = type(self)()
        other.number, other.learned = self.number, (*self.learned, *labels)
        return other

    def rescore(self, findings: Sequence[Finding]) -> list[float]:
        return [self.number] * len(findings)

    def worth(self, findings: Sequence[Finding]) -> list[float | None]:
        return [None] * len(findings)

    def varied(self, findings: Sequence[Finding], many: int) -> list[int]:
        return list(range(min(many, len(findings))))


class Files:
    """Stands for the files of versions: each is read when it is let."""

    def __init__(self) -> None:
        self.read: list[int] = []
        self.open: dict[int, threading.Event] = {}
        self.damaged: set[int] = set()

    def load(self, version: ModelVersion) -> Learner:
        self.read.append(version.number)
        assert self.open[version.number].wait(20)
        if version.number in self.damaged:
            raise ModelFileError("damaged")
        found = Learner()
        found.number = version.number / 10
        return found


@pytest.fixture
def files(monkeypatch: pytest.MonkeyPatch) -> Iterator[Files]:
    made = Files()
    monkeypatch.setattr(learning, "load_version", made.load)
    monkeypatch.setattr(reweighting, "SHORT", 0.02)
    monkeypatch.setattr(reweighting, "LONG", 0.1)
    for kept in (reweighting._states, reweighting._serving, reweighting._readings, feedback._told):
        kept.clear()
    yield made
    for event in made.open.values():
        event.set()


@pytest.fixture
def items(source: Source, monkeypatch: pytest.MonkeyPatch) -> list[ReviewItem]:
    records = list(source.records.order_by("id")[:3])
    install(monkeypatch, lambda batch: [claim(record, City=f"Town {record.pk}") for record in records])
    scan(source)
    monkeypatch.setattr(registry, "load", lambda name: Learner)
    return list(ReviewItem.objects.order_by("id"))


def serve(source: Source, files: Files, number: int, *, at_once: bool) -> ModelVersion:
    """Let a version of this number serve; its files are read at once, or when they are opened."""
    ModelVersion.objects.filter(state=State.ACTIVE).update(state=State.RETIRED)
    files.open[number] = threading.Event()
    if at_once:
        files.open[number].set()
    return ModelVersion.objects.create(
        source=source, detector="scripted", number=number, state=State.ACTIVE, sha256=str(number)
    )


def test_while_a_new_version_is_read_the_one_before_takes_the_decision_in(source, items, files, steward):
    first = serve(source, files, 1, at_once=True)
    assert reweighting.up_to_date(source.pk, "scripted").version == first.pk
    second = serve(source, files, 2, at_once=False)
    deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=steward)
    standing_in = reweighting.up_to_date(source.pk, "scripted", waits=False)
    assert standing_in.version == first.pk
    assert len(standing_in.detector.learned) == 1
    files.open[2].set()
    assert reweighting.up_to_date(source.pk, "scripted").version == second.pk


def test_where_none_stands_in_a_decision_goes_on_and_a_worker_is_told_once(source, items, files, steward, monkeypatch):
    told = []
    monkeypatch.setattr(feedback, "publish", lambda task, pk, **more: told.append((task, pk, more["after"])))
    monkeypatch.setattr(feedback.transaction, "on_commit", lambda do: do())
    serve(source, files, 1, at_once=False)
    for item in items[:2]:
        deciding.decide(item=item, verdict=Verdict.ACCEPT, user=steward)
    assert Decision.objects.count() == 2
    assert told == [("review.tasks.rerank", source.pk, feedback.REST)]


def test_where_none_stands_in_only_the_first_waits_long(source, items, files, monkeypatch):
    serve(source, files, 1, at_once=False)
    asked, read = [], reweighting._read

    def impatient(key, version, patience):
        asked.append(patience)
        return read(key, version, 0.01)

    monkeypatch.setattr(reweighting, "_read", impatient)
    for _ in range(3):
        with pytest.raises(reweighting.StillLoading):
            reweighting.up_to_date(source.pk, "scripted", waits=False)
    assert asked == [reweighting.LONG, reweighting.SHORT, reweighting.SHORT]


def test_however_many_ask_a_version_is_read_once(files, monkeypatch):
    monkeypatch.setattr(reweighting, "_taken_in", lambda key, start: start)
    version = ModelVersion(pk=7, number=1)
    files.open[1] = threading.Event()
    with ThreadPoolExecutor(8) as people:
        asked = [people.submit(reweighting._read, (1, "scripted"), version, None) for _ in range(8)]
        time.sleep(0.1)
        files.open[1].set()
        assert len({id(one.result()) for one in asked}) == 1
    assert files.read == [1]


def test_files_that_could_not_be_read_are_tried_anew(files, monkeypatch):
    monkeypatch.setattr(reweighting, "_taken_in", lambda key, start: start)
    version = ModelVersion(pk=7, number=1)
    files.open[1] = threading.Event()
    files.open[1].set()
    files.damaged = {1}
    with pytest.raises(ModelFileError):
        reweighting._read((1, "scripted"), version, None)
    files.damaged = set()
    assert reweighting._read((1, "scripted"), version, None).number == 0.1


def test_ranking_leaves_an_item_alone_that_somebody_holds_and_waits_for_nobody(items, files, transactional_db):
    source = items[0].source
    serve(source, files, 8, at_once=True)
    held, done = threading.Event(), threading.Event()

    def hold() -> None:
        try:
            with transaction.atomic():
                ReviewItem.objects.select_for_update().get(pk=items[0].pk)
                held.set()
                assert done.wait(20)
        finally:
            connections.close_all()

    person = threading.Thread(target=hold)
    person.start()
    assert held.wait(20)
    try:
        assert feedback.rerank(source_id=source.pk, detector="scripted") == len(items) - 1
    finally:
        done.set()
        person.join()
    assert set(ReviewItem.objects.exclude(pk=items[0].pk).values_list("rank", flat=True)) == {0.8}
    assert ReviewItem.objects.get(pk=items[0].pk).rank == 0.9


def test_a_worker_waits_for_the_version_and_ranks_by_it(source, items, files):
    serve(source, files, 9, at_once=False)
    threading.Timer(0.3, files.open[9].set).start()
    assert feedback.rerank(source_id=source.pk, detector="scripted", everything=True) == len(items)
    assert set(ReviewItem.objects.values_list("rank", flat=True)) == {0.9}


def test_a_worker_leaves_the_first_items_to_a_verdict_that_ranked_them_meanwhile(source, items, files, monkeypatch):
    serve(source, files, 9, at_once=True)
    monkeypatch.setattr(feedback, "AT_ONCE", 1)
    write = feedback._write

    def as_a_verdict_comes_in(*given_rows):
        ModelVersion.objects.update(ranked_by=77)
        return write(*given_rows)

    monkeypatch.setattr(feedback, "_write", as_a_verdict_comes_in)
    first, before = ReviewItem.objects.order_by("skips", "-rank", "id").values_list("pk", "rank")[0]
    assert feedback.rerank(source_id=source.pk, detector="scripted", everything=True) == len(items) - 1
    assert ReviewItem.objects.get(pk=first).rank == before
    assert ModelVersion.objects.get().ranked_by == 77


@given(st.lists(st.tuples(st.floats(0, 0.999999), st.booleans()), min_size=1, max_size=300))
def test_the_next_cards_are_written_however_little_they_moved_and_the_front_finely(standing):
    now = timezone.now()
    leases = [now + timedelta(minutes=5 if held else -5) for _, held in standing]
    rows = [(at, 0.9, rank, None, None, leases[at]) for at, (rank, _) in enumerate(standing)]
    steps = feedback._steps(rows, [(rank, None, rank) for rank, _ in standing])
    free = [place for place, (_, held) in enumerate(standing) if not held]
    exact = [place for place, step in enumerate(steps) if step == 0]
    assert set(exact) <= set(free)
    assert len(exact) == min(len(free), feedback.NEXT)
    assert sum(step <= feedback.FINE for step in steps) >= min(len(rows), feedback.FRONT)
    others = (standing[place][0] for place in free if place not in exact)
    assert not exact or min(standing[place][0] for place in exact) >= max(others, default=0)


@pytest.mark.parametrize(
    ("old", "new", "step", "written"),
    [
        (0.9990, 0.99901, 0.02, False),  # 1 in 1,000 and 1 in 1,010
        (0.9990, 0.99905, 0.02, True),  # 1 in 1,053
        (0.9990, 0.99901, 0.0, True),
        (0.5, 0.505, 0.02, False),
        (0.5, 0.55, 0.02, True),
        (1.0, 0.9999, 0.02, True),
        (2.5, 2.5, 0.02, False),
    ],
)
def test_behind_the_front_small_moves_are_not_written(old, new, step, written):
    assert feedback._apart(old, new, step) is written


def test_an_undone_decision_is_given_back_and_one_decided_anew_is_taken_in(source, items, files, steward):
    serve(source, files, 1, at_once=True)
    first = deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=steward)
    alone = reweighting.up_to_date(source.pk, "scripted")
    second = deciding.decide(item=items[1], verdict=Verdict.ACCEPT, user=steward)
    both = reweighting.up_to_date(source.pk, "scripted")
    assert both.decisions == {first.pk, second.pk}
    deciding.undo_decision(decision=second, user=steward)
    undone = reweighting.up_to_date(source.pk, "scripted")
    assert (undone.decisions, undone.stamp, undone.detector) == (alone.decisions, alone.stamp, alone.detector)
    items[1].refresh_from_db()
    third = deciding.decide(item=items[1], verdict=Verdict.REJECT, user=steward)
    again = reweighting.up_to_date(source.pk, "scripted")
    assert again.decisions == {first.pk, third.pk}
    assert [label.is_defect for label in again.detector.learned] == [True, False]


@given(st.lists(st.integers(1, 5), min_size=30, max_size=300))
def test_an_undo_replays_no_more_than_twice_what_it_goes_back(taken_in_at_once):
    states: list[reweighting.Reweighted] = []
    count = 0
    for more in taken_in_at_once:
        count += more
        known = frozenset(range(count))
        states = reweighting._thinned([*states, reweighting.Reweighted(1, timezone.now(), known, ScriptedDetector())])
    kept = [len(one.decisions) for one in states]
    assert len(kept) <= reweighting.REMEMBERED
    assert kept[-1] == count
    for back in range(1, count - kept[0] + 1):
        latest = max(one for one in kept if one <= count - back)
        assert count - latest <= 2 * (back + max(taken_in_at_once))


def test_a_decision_that_was_long_in_coming_is_found_when_all_are_counted(source, items, files, steward, monkeypatch):
    serve(source, files, 1, at_once=True)
    deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=steward)
    reweighting.up_to_date(source.pk, "scripted")
    late = deciding.decide(item=items[1], verdict=Verdict.ACCEPT, user=steward)
    reweighting._states.clear()
    monkeypatch.setattr(reweighting, "MARGIN", reweighting.MARGIN * -1)  # as if it were written down long before
    Decision.objects.filter(pk=late.pk).update(looked_at=False)
    assert late.pk not in reweighting.up_to_date(source.pk, "scripted").decisions
    Decision.objects.filter(pk=late.pk).update(looked_at=True)
    assert late.pk not in reweighting.up_to_date(source.pk, "scripted").decisions
    monkeypatch.setattr(reweighting, "COUNTED_FOR", reweighting.MARGIN)
    assert late.pk in reweighting.up_to_date(source.pk, "scripted").decisions


def test_who_waited_does_not_rank_again_what_another_ranked(source, items, files, steward, monkeypatch):
    serve(source, files, 1, at_once=True)
    reweighting.up_to_date(source.pk, "scripted")  # however long the reading takes, which a decision does not wait for
    deciding.decide(item=items[0], verdict=Verdict.ACCEPT, user=steward)
    monkeypatch.setattr(feedback, "_ranked", lambda *_: pytest.fail("ranked twice"))
    assert feedback.rerank(source_id=source.pk, detector="scripted") == 0
