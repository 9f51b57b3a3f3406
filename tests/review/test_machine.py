"""Whatever people, runs and imports do in whatever order: nothing is lost, and every undo restores."""

from __future__ import annotations

import csv
from collections.abc import Iterable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from django.contrib.auth.models import Group, User
from django.db import transaction
from django.db.models import Q
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from crmquality.models import Change, ChangeSet, Finding, Record, Run, Source
from crmquality.services import correcting, importing, leases, measuring, merging, undoing
from crmquality.services.errors import Refused
from detectors import registry
from detectors.contract import Evidence, MergeRecords, SetFields
from detectors.contract import Finding as Claim
from detectors.roles import Role
from review.models import Decision, DecisionBatch, ReviewItem
from review.services import batching, deciding, fixing, queue
from tests.scripted import ScriptedDetector, install, scan

ACCOUNTS = {"Account": Role.ID, "Name": Role.COMPANY, "City": Role.CITY, "Parent": Role.ACCOUNT_REF}
DEALS = {"Deal": Role.ID, "Account": Role.ACCOUNT_REF, "Payer": Role.ACCOUNT_REF}
KEYS = [f"A{number}" for number in range(1, 7)]
VALUES = st.sampled_from(["red", "blue", None])
FIELDS = st.sampled_from(["Name", "City"])
IMPORTED = st.sampled_from(["red", "Oslo", "A1"])
SOME = st.integers(0, 1_000)


class Machine(RuleBasedStateMachine):
    """Six accounts that refer to each other, five deals that refer to them, and everything that may happen to them."""

    folder: Path

    @initialize(parents=st.lists(st.sampled_from([None, *KEYS]), min_size=6, max_size=6))
    def start(self, parents: list[str | None]) -> None:
        self.beginning = transaction.savepoint()
        self.steward, self.sales = (self.person(role) for role in ("steward", "sales"))
        self.claims: list[Claim] = []
        self.latest: list[tuple[int, dict[Any, Any]]] = []
        self.decided: dict[int, Any] = {}
        self.in_file = set(KEYS)
        self.rows = {key: [key, "red", "Rome", p if p != key else None] for key, p in zip(KEYS, parents, strict=True)}
        self.accounts = self.source("accounts", ACCOUNTS, "accounts", list(self.rows.values()))
        deals = [[f"D{n}", f"A{n}", f"A{n % 6 + 1}"] for n in range(1, 6)]
        self.deals = self.source("deals", DEALS, "opportunities", deals)
        ScriptedDetector.script = staticmethod(self.script)

    def person(self, role: str) -> User:
        user = User.objects.create_user(role)
        user.groups.add(Group.objects.get_or_create(name=role)[0])
        return user

    def source(self, name: str, columns: dict[str, Role], kind: str, rows: list[list[str | None]]) -> Source:
        source = Source.objects.create(
            name=name,
            kind=kind,
            columns=list(columns),
            roles={column: role.value for column, role in columns.items()},
            roles_confirmed=True,
        )
        self.load(source, list(columns), rows, complete=True)
        return source

    def load(self, source: Source, columns: list[str], rows: list[list[str | None]], *, complete: bool) -> None:
        path = self.folder / "rows.csv"
        with path.open("w", newline="") as file:
            csv.writer(file).writerows([columns, *rows])
        job = importing.request_import(source=source, file=path, complete=complete)
        importing.execute_import(job.pk)
        job.refresh_from_db()
        assert job.state == "succeeded", job.error

    def script(self, batch: Any) -> Iterator[Claim]:
        for claim in self.claims:
            if all(one in batch.frame.index for one in claim.subjects) and not self.holds(batch, claim):
                yield claim

    def holds(self, batch: Any, claim: Claim) -> bool:
        """Whether the record holds the proposed values already: no detector claims that."""
        if not isinstance(claim.proposal, SetFields):
            return False
        row = batch.frame.loc[claim.subjects[0]]
        return all(row[name] == value for name, value in claim.proposal.changes.items())

    def teardown(self) -> None:
        transaction.set_rollback(False)
        transaction.savepoint_rollback(self.beginning)

    # What may happen

    @rule(who=SOME, name=FIELDS, value=VALUES)
    def claim_a_value(self, who: int, name: str, value: str | None) -> None:
        record = self.pick(Record.objects.filter(source=self.accounts), who)
        self.claims.append(self.claim((record.pk,), SetFields({name: value}), name))

    @rule(who=st.lists(SOME, min_size=2, max_size=5), name=FIELDS, value=VALUES)
    def claim_a_merge(self, who: list[int], name: str, value: str | None) -> None:
        records = Record.objects.filter(source=self.accounts).order_by("id")
        ids = list(dict.fromkeys(self.pick(records, one).pk for one in who))
        if len(ids) > 1:
            self.claims.append(self.claim(tuple(ids), MergeRecords(ids[0], tuple(ids[1:]), {name: value}), "Name"))

    @rule(which=SOME)
    @precondition(lambda self: self.claims)
    def claim_no_longer(self, which: int) -> None:
        self.claims.pop(which % len(self.claims))

    @rule()
    @precondition(lambda self: self.claims)
    def run(self) -> None:
        scan(self.accounts, "scripted")
        self.look_at_the_run()

    @rule()
    @precondition(lambda self: self.claims)
    def run_a_check_that_finds_the_same(self) -> None:
        scan(self.accounts, "second")
        self.look_at_the_run()

    def look_at_the_run(self) -> None:
        assert Run.objects.latest("id").state == "succeeded", Run.objects.latest("id").error
        for item in ReviewItem.objects.open().select_related("finding"):
            now = self.seen_by(item.finding)
            for decision in Decision.objects.filter(item__finding=item.finding, undone_at__isnull=True):
                assert now != self.decided[decision.pk], "a decided claim is asked again"

    @rule(which=SOME, verdict=st.sampled_from(Decision.Verdict.values), value=VALUES, out=SOME, stays=SOME)
    @precondition(lambda self: ReviewItem.objects.open().exists())
    def decide(self, which: int, verdict: str, value: str | None, out: int, stays: int) -> None:
        item = self.pick(ReviewItem.objects.open(), which)
        edited: dict[str, Any] | None = {"changes": {"Name": value}} if verdict == "edit" else None
        if edited and item.action == "merge":
            ids = list(item.finding.subjects)
            if len(ids) > 2:
                ids.pop(out % len(ids))
            survivor = ids.pop(stays % len(ids))
            edited |= {"survivor": survivor, "members": ids}
        before = self.snapshot()
        try:
            done = deciding.decide(item=item, verdict=Decision.Verdict(verdict), user=self.steward, edited=edited)
        except Refused:
            assert self.snapshot() == before, "what was refused wrote nothing"
            return
        self.note_decisions([done, *done.along])
        self.note(done.change_set, before)

    @rule(which=SOME, verdict=st.sampled_from(["accept", "accept", "reject"]), at_once=st.booleans())
    @precondition(lambda self: ReviewItem.objects.open().exclude(pattern="").exists())
    def decide_a_group(self, which: int, verdict: str, at_once: bool) -> None:
        item = self.pick(ReviewItem.objects.open().exclude(pattern=""), which)
        before, group = self.snapshot(), list(batching.alike(item, self.steward))
        batch = batching.decide_group(item=item, verdict=Decision.Verdict(verdict), user=self.steward)
        assert batch.state == "succeeded", batch.error
        members = list(batch.members.select_related("decision__change_set", "item__finding"))
        assert {member.item_id for member in members} == {one.pk for one in group}
        assert batching.outcomes(batch)["waiting"] == 0
        decided = [member for member in members if member.decision]
        made = [member.decision_id for member in decided]
        self.note_decisions(Decision.objects.filter(Q(pk__in=made) | Q(seen__settled_by__in=made)))
        if at_once and decided:
            self.take_back(batch)
            assert self.snapshot() == before, "undoing a batch at once restores everything"
            assert all(ReviewItem.objects.get(pk=member.item_id).state == "open" for member in decided)
        elif decided:
            self.latest.clear()

    @rule(which=SOME)
    @precondition(lambda self: any(map(batching.standing, self.batches())))
    def undo_a_group(self, which: int) -> None:
        self.take_back(self.pick(self.batches().filter(members__decision__undone_at=None).distinct(), which))

    @rule()
    @precondition(lambda self: ReviewItem.objects.open().exists())
    def lay_out_a_desk(self) -> None:
        desk = queue.fill(user=self.steward, want=5)
        queue.release(user=self.steward)
        assert all(item.state == "open" for item in desk.fresh)

    @rule(who=SOME, name=FIELDS, value=VALUES)
    def mend_an_own_record(self, who: int, name: str, value: str | None) -> None:
        record = self.pick(Record.objects.filter(source=self.accounts), who)
        before, seen = self.snapshot(), fixing.mark_of(record.fields.get(name))
        try:
            with transaction.atomic():
                done = fixing.fix(record=record, name=name, value=value, seen=seen, user=self.sales)
        except Refused:
            return
        record.refresh_from_db()
        assert record.fields[name] == value
        self.note_decisions(done.settled)
        self.note(done.change_set, before)

    @rule(who=st.lists(SOME, min_size=2, max_size=4))
    def merge(self, who: list[int]) -> None:
        ids = list(dict.fromkeys(self.pick(Record.objects.filter(source=self.accounts), one).pk for one in who))
        before = self.snapshot()
        try:
            with transaction.atomic():
                done = merging.merge(survivor=ids[0], members=ids[1:], changes={"City": "Oslo"}, cause="by hand")
        except Refused:
            return
        self.note(done, before)

    @rule(who=SOME, name=st.sampled_from(["Name", "City", "Parent"]), value=st.sampled_from(["red", "Oslo", *KEYS]))
    def edit(self, who: int, name: str, value: str) -> None:
        record = self.pick(Record.objects.filter(source=self.accounts), who)
        self.set(record, name, value)

    @rule(who=SOME, name=st.sampled_from(["Account", "Payer"]), key=st.sampled_from(KEYS))
    def move_a_deal(self, who: int, name: str, key: str) -> None:
        self.set(self.pick(Record.objects.filter(source=self.deals), who), name, key)

    @rule(which=SOME)
    @precondition(lambda self: Decision.objects.filter(undone_at__isnull=True).exists())
    def undo_a_decision(self, which: int) -> None:
        decision = self.pick(Decision.objects.filter(undone_at__isnull=True), which)
        along = list(Decision.objects.filter(seen__settled_by=decision.answer_id))
        self.undo_answer(Decision.objects.get(pk=decision.answer_id), decision)
        states = set(Decision.objects.filter(pk__in=[decision.pk, *(one.pk for one in along)]).values_list("undone_at"))
        assert len(states) == 1, "undone together, or refused together"

    def undo_answer(self, answer: Decision, decision: Decision) -> None:
        if answer.change_set_id:
            self.undo(answer.change_set, lambda: deciding.undo_decision(decision=decision, user=self.steward))
        else:
            deciding.undo_decision(decision=decision, user=self.steward)

    @rule(which=SOME, newest=st.booleans())
    @precondition(lambda self: undoing.standing(ChangeSet.objects).exists())
    def undo_a_change_set(self, which: int, newest: bool) -> None:
        standing = undoing.standing(ChangeSet.objects)
        change_set = standing.order_by("-id").first() if newest else self.pick(standing, which)
        self.undo(change_set, lambda: undoing.undo_with_cause(change_set=change_set, by=self.steward))

    @rule(which=st.lists(SOME, min_size=1, max_size=4))
    @precondition(lambda self: undoing.standing(ChangeSet.objects).exists())
    def undo_a_batch(self, which: list[int]) -> None:
        sets = {self.pick(undoing.standing(ChangeSet.objects), one) for one in which}
        undoing.undo_many(sets, by=self.steward)
        self.latest.clear()

    @rule()
    @precondition(lambda self: Run.objects.filter(change_sets__undone_by__isnull=True, change_sets__gt=0).exists())
    def undo_a_run(self) -> None:
        run = Run.objects.filter(change_sets__undone_by__isnull=True, change_sets__gt=0).latest("id")
        sets = list(undoing.standing(ChangeSet.objects.filter(run=run)))
        done = undoing.undo_many(sets, by=self.steward)
        assert done.undone + len(done.refused) == len(sets)
        self.latest.clear()

    @rule(
        changed=st.dictionaries(
            st.sampled_from(KEYS), st.tuples(st.integers(1, 3), st.sampled_from(["red", "Oslo", "A1"]))
        ),
        gone=st.sets(st.sampled_from(KEYS), max_size=3),
        complete=st.booleans(),
    )
    def import_again(self, changed: dict[str, tuple[int, str]], gone: set[str], complete: bool) -> None:
        for key, (column, value) in changed.items():
            self.rows[key] = [*self.rows[key]]
            self.rows[key][column] = value
        kept = [row for key, row in self.rows.items() if key not in gone]
        before, count = self.snapshot(), ChangeSet.objects.count()
        self.load(self.accounts, list(ACCOUNTS), kept, complete=complete)
        self.in_file = set(KEYS) - gone if complete else self.in_file | (set(KEYS) - gone)
        if ChangeSet.objects.count() > count:
            self.note(ChangeSet.objects.latest("id"), before)

    # What must hold, always

    @invariant()
    def no_record_and_no_child_is_lost(self) -> None:
        records = {record.pk: record for record in Record.objects.select_related("source")}
        assert len(records) == 11
        roots = {pk: self.root(record, records) for pk, record in records.items()}
        accounts = {one.external_id: one for one in records.values() if one.source_id == self.accounts.pk}
        for key in self.in_file:
            assert roots[accounts[key].pk].gone_at is None, f"{key} is in the source, but nothing live stands for it"
        for record in records.values():
            for column in ["Parent"] if record.source_id == self.accounts.pk else ["Account", "Payer"]:
                if record.fields.get(column) in accounts:
                    target = roots[accounts[record.fields[column]].pk]
                    if roots[record.pk] != target:
                        found = merging.children(target).values_list("id", flat=True)
                        assert record.pk in found, f"{record} is no child of {target}"

    @invariant()
    def golden_pointers_end_at_a_record_that_stands_for_itself(self) -> None:
        records = {record.pk: record for record in Record.objects.all()}
        for record in records.values():
            assert self.root(record, records).golden_id is None

    @invariant()
    def every_chain_of_changes_is_whole(self) -> None:
        now: dict[Any, str | None] = {}
        for change in Change.objects.order_by("id"):
            key = (change.record_id, change.field, change.is_pointer)
            assert key not in now or now[key] == change.before, f"{key}: {now.get(key)!r}, then {change.before!r}"
            now[key] = change.after
        for record in Record.objects.filter(pk__in={key[0] for key in now}):
            for (pk, field, is_pointer), value in now.items():
                if pk == record.pk:
                    pointer = str(record.golden_id) if record.golden_id else None
                    assert value == (pointer if is_pointer else record.fields.get(field))

    @invariant()
    def references_are_those_of_the_values(self) -> None:
        for record in Record.objects.select_related("source"):
            assert sorted(record.refs or []) == sorted(correcting.references(record.source, record.fields) or [])

    @invariant()
    def items_decisions_and_changes_agree(self) -> None:
        for item in ReviewItem.objects.select_related("finding"):
            standing = item.decisions.filter(undone_at__isnull=True).count()
            assert standing == (1 if item.state == "decided" else 0), f"{item} is {item.state}"
            assert item.state != "open" or item.finding.state == "open"
        for finding in Finding.objects.filter(state="settled"):
            assert Decision.objects.filter(item__finding=finding, undone_at__isnull=True).exists(), "settled by nobody"
        for decision in Decision.objects.filter(change_set__isnull=False).select_related("change_set"):
            assert decision.change_set.is_undone == (decision.undone_at is not None)
        open_claims = list(ReviewItem.objects.open().values_list("finding", flat=True))
        assert len(open_claims) == len(set(open_claims))

    # Helpers

    def batches(self) -> Any:
        return DecisionBatch.objects.filter(kind=DecisionBatch.Kind.GROUP)

    def take_back(self, batch: DecisionBatch) -> None:
        if not batching.standing(batch):
            return
        undo = batching.request_undo(batch=batch, user=self.steward)
        assert undo.state == "succeeded", undo.error
        counts = batching.outcomes(undo)
        assert counts["undone"] + counts["refused"] == undo.size
        if counts["undone"]:
            self.latest.clear()

    def undo(self, change_set: ChangeSet, undo: Any) -> None:
        """Undo, and hold the outcome against the values before, and against the whole state if nothing came between."""
        expected = undoing.preview(change_set)
        try:
            with transaction.atomic():
                undo()
        except Refused:
            assert expected.refusal
            return
        assert not expected.refusal
        for value, after in zip(expected.values, undoing.preview(change_set).values, strict=True):
            wanted = value.now if value.was_edited else value.change.before
            assert after.now == wanted, f"{value.change}: {after.now!r}"
        if self.latest and self.latest[-1][0] == change_set.pk:
            assert self.snapshot() == self.latest.pop()[1], "undoing the latest change restores everything"
        else:
            self.latest.clear()

    def note_decisions(self, decisions: Iterable[Decision]) -> None:
        for decision in decisions:
            self.decided[decision.pk] = self.seen_by(decision.item.finding)

    def note(self, change_set: ChangeSet | None, before: dict[Any, Any]) -> None:
        if change_set:
            self.latest.append((change_set.pk, before))

    def set(self, record: Record, name: str, value: str) -> None:
        before = self.snapshot()
        try:
            with transaction.atomic():
                done = correcting.set_fields(
                    record_id=record.pk, changes={name: value}, cause="by hand", by=self.steward
                )
        except Refused:
            return
        self.note(done, before)

    def snapshot(self) -> dict[Any, Any]:
        rows = Record.objects.values_list("source", "external_id", "fields", "golden", "refs")
        return {row[:2]: (row[2], row[3], sorted(row[4] or [])) for row in rows}

    def seen_by(self, finding: Finding) -> Any:
        """The values that a claim rests on, as they are now."""
        names = {"Name", "City"}  # a merge rests on all that is compared
        if finding.action == "set":
            names = {*finding.proposal["changes"], *(name for why in finding.evidence for name in why["fields"])}
        rows = Record.objects.filter(pk__in=finding.subjects).order_by("id").values_list("fields", flat=True)
        return [{name: row.get(name) for name in names} for row in rows]

    def root(self, record: Record, records: dict[int, Record]) -> Record:
        path = [record.pk]
        while record.golden_id is not None:
            assert record.golden_id not in path, "golden pointers go round in a circle"
            path.append(record.golden_id)
            record = records[record.golden_id]
        return record

    def claim(self, subjects: tuple[int, ...], proposal: Any, field: str) -> Claim:
        return Claim(subjects, proposal, 0.9, (Evidence("test", 1.0, "because", (field,)),), "scripted")

    def pick(self, rows: Any, place: int) -> Any:
        found = list(rows.order_by("id"))
        return found[place % len(found)]


@pytest.mark.slow
def test_nothing_is_lost_and_every_undo_restores(db: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    install(monkeypatch, lambda batch: [])
    monkeypatch.setattr(registry, "available", lambda: {"scripted": ScriptedDetector, "second": ScriptedDetector})
    monkeypatch.setattr(measuring, "measure_source", lambda **_: None)
    # renewed from a thread of its own, which cannot see a job inside this test's transaction and would call it lost
    monkeypatch.setattr(leases, "RENEW_EVERY", timedelta(hours=1))
    Machine.folder = tmp_path
    run_state_machine_as_test(
        Machine,
        settings=settings(
            max_examples=8,
            stateful_step_count=30,
            deadline=None,
            phases=[Phase.generate],  # shrinking takes minutes: a failure prints its steps, which is enough
            suppress_health_check=list(HealthCheck),
        ),
    )
