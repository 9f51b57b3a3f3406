"""A run that goes on from the latest one finds what a run over everything finds, and says what it did."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
import pytest

from benchmarks._people import ROLES, generate
from crmquality.cli.main import main
from crmquality.models import Finding, JobState, Record, Run, RunBasis, Source
from crmquality.services import following, importing, learning, running
from crmquality.services.sisters import batch_for
from detectors.contract import Batch, RunContext
from detectors.duplicates.detector import DuplicateDetector
from detectors.duplicates.golden import Merger
from detectors.missing_values import is_missing
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.services import deciding

pytestmark = pytest.mark.django_db(transaction=True)

Claims = dict[str, tuple[str, str, str, Any]]
WHO = {"key": Role.ID, **ROLES}


@pytest.fixture
def load(tmp_path: Path):
    """load(frame) imports these records and no others; gives the duplicates run that follows, done."""

    def imported(frame: pd.DataFrame, name: str = "people") -> Run:
        file = tmp_path / "people.csv"
        frame.to_csv(file, index_label="key")
        job = importing.request_import(
            source=importing.get_source(name=name, kind="contacts"),
            file=file,
            roles={column: role.value for column, role in WHO.items()},
            complete=True,
            run_after_import=True,
        )
        importing.execute_import(job.pk)
        return done(Run.objects.get(source=job.source, detector="duplicates", state=JobState.QUEUED))

    return imported


def done(run: Run) -> Run:
    running.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == JobState.SUCCEEDED, run.error
    return run


def run(source: Source, **asked: Any) -> Run:
    return done(running.request_run(source=source, detector="duplicates", **asked))


def serve(source: Source) -> None:
    """Let one model serve, so that a run over everything fits nothing anew."""
    fitted = DuplicateDetector().fit(batch_for(source, DuplicateDetector()), [], RunContext())
    kept = learning.keep_version(source=source, detector=fitted, roles=source.column_roles, labels=0)
    learning.activate(version=kept)


def claimed(source: Source) -> Claims:
    rows = Finding.objects.filter(source=source, detector="duplicates").exclude(state="withdrawn")
    return {one.fingerprint: (one.state, one.rule, one.values_digest, one.proposal) for one in rows}


def people(rows: int, seed: int) -> pd.DataFrame:
    return generate(rows, corruption="clerk", share=0.3, seed=seed)[0]


def spoiled(frame: pd.DataFrame, pool: pd.DataFrame, rng: np.random.Generator) -> pd.DataFrame:
    """The records after some were added, changed and deleted."""
    frame = frame.drop(rng.choice(frame.index, rng.integers(0, 8), replace=False))
    for record in rng.choice(frame.index, rng.integers(0, 12), replace=False):
        columns = rng.choice(list(ROLES), 3, replace=False)
        frame.loc[record, columns] = pool.loc[rng.choice(pool.index), columns]
    return pd.concat(
        [frame, pool.loc[rng.choice(pool.index.difference(frame.index), rng.integers(0, 12), replace=False)]]
    )


@pytest.mark.parametrize("seed", [1, 2])
def test_after_random_imports_the_claims_are_those_of_a_run_over_everything(load, seed):
    pool, rng = people(2000, seed), np.random.default_rng(seed)
    frame = pool.sample(1500, random_state=seed)
    first = load(frame)
    source = first.source
    assert first.changed is None
    serve(source)
    assert run(source, only_changes=True).changed is None  # another model
    followed = 0
    for _ in range(8):
        frame = spoiled(frame, pool, rng)
        before = {record.external_id: record.version for record in Record.objects.live()}
        went_on = load(frame)
        after = {record.external_id: record.version for record in Record.objects.live()}
        assert went_on.records_seen == len(frame)
        if went_on.changed is not None:
            followed += 1
            assert went_on.changed == len(set(before.items()) ^ set(after.items())) - sum(
                before[key] != after[key] for key in before.keys() & after.keys()
            )
        mine = claimed(source)
        assert len(mine) == went_on.found > 100
        whole = run(source)
        assert whole.changed is None
        assert claimed(source) == mine
        assert (whole.found, whole.found_new, whole.withdrawn) == (went_on.found, 0, 0)
    assert followed == 8


def test_without_a_model_that_serves_it_goes_on_with_what_the_whole_run_fitted(load):
    pool, rng = people(1500, 5), np.random.default_rng(5)
    frame = pool.iloc[:1200]
    source = load(frame).source
    basis = RunBasis.objects.get()
    for _ in range(3):
        frame = spoiled(frame, pool, rng)
        assert load(frame).changed > 0
        again = RunBasis.objects.get()
        assert again.kept == basis.kept
        detector = DuplicateDetector()
        since = following.Since(frozenset(Record.objects.values_list("pk", flat=True)), {}, basis.kept)
        found = detector.detect_since(batch_for(source, detector), RunContext(source=source.name), since)
        assert {one.fingerprint for one in found} == claimed(source).keys()


def test_claims_about_others_are_left_as_they_are_stored(load):
    frame = people(1200, 7)
    source = load(frame).source
    first = Finding.objects.order_by("-score", "pk").first()
    evidence = dict(Finding.objects.values_list("pk", "last_run"))
    touched = Record.objects.get(pk=first.subjects[0])
    frame.loc[int(touched.external_id), "town"] = "Elsewhere"
    second = load(frame)
    assert second.changed == 1
    anew = {pk for pk, last in Finding.objects.values_list("pk", "last_run") if last != evidence.get(pk)}
    assert first.pk in anew
    assert len(anew) < len(evidence) / 10
    assert second.found == Finding.objects.exclude(state="withdrawn").count()
    assert source.runs.filter(detector="duplicates").count() == 2


def test_decisions_merges_and_their_undoing_are_followed(load, steward):
    source = load(people(1200, 9)).source
    serve(source)
    run(source)
    items = list(ReviewItem.objects.filter(source=source, action="merge").order_by("-score")[:4])
    accepted = deciding.decide(item=items[0], verdict=Decision.Verdict.ACCEPT, user=steward)
    deciding.decide(item=items[1], verdict=Decision.Verdict.REJECT, user=steward)
    assert run(source, only_changes=True).changed >= 2
    mine = claimed(source)
    assert run(source).changed is None
    assert claimed(source) == mine
    assert Finding.objects.get(pk=items[1].finding_id).state == Finding.State.SETTLED
    deciding.undo_decision(decision=accepted, user=steward)
    deciding.decide(item=items[2], verdict=Decision.Verdict.ACCEPT, user=steward)
    assert run(source, only_changes=True).changed >= 3
    mine = claimed(source)
    assert run(source).changed is None
    assert claimed(source) == mine


def test_a_sister_sources_records_and_the_links_it_asks_about_are_followed(make_source):
    pool, rng = people(500, 17), np.random.default_rng(17)
    contacts, leads = (
        make_source(
            name, WHO, [[f"{name}{n}", *row] for n, row in zip(part.index, part.to_numpy(), strict=True)], kind=name
        )
        for name, part in (("contacts", pool.iloc[::2]), ("leads", pool.iloc[1::2]))
    )
    for source in (contacts, leads):
        run(source)
        serve(source)
        run(source)
    for source in (leads, contacts, leads):
        for record in Record.objects.filter(pk__in=rng.choice(Record.objects.values_list("pk", flat=True), 12)):
            other = pool.loc[rng.choice(pool.index)]
            values = record.fields | {"mail": other["mail"], "born": other["born"]}
            Record.objects.filter(pk=record.pk).update(fields=values, version=record.version + 1)
        went_on = run(source, only_changes=True)
        assert went_on.changed >= 10
        mine = claimed(source)
        assert went_on.found == sum(state == "open" for state, *_ in mine.values()) > 0
        whole = run(source)
        assert claimed(source) == mine
        assert (whole.found, whole.found_new, whole.withdrawn) == (went_on.found, 0, 0)


def test_everything_is_done_anew_where_much_changed_or_something_else_did(load):
    frame = people(1100, 11)
    source = load(frame).source
    assert run(source, only_changes=True).changed == 0
    few = frame.copy()
    few.loc[few.index[:80], "town"] = "Elsewhere"
    assert load(few).changed == 80
    few.loc[few.index[:80], "town"] = "Nowhere"
    many = load(few)  # 160 of 1,100 since everything was looked at
    assert many.changed is None
    assert any("160 records changed" in remark for remark in many.remarks)
    source.roles |= {"sex": Role.IGNORE.value}
    source.save()
    other = run(source, only_changes=True)
    assert other.changed is None
    assert any("roles" in remark for remark in other.remarks)
    assert run(source, only_changes=True).changed == 0
    assert run(source).changed is None


def test_a_run_over_everything_is_what_becomes_of_a_waiting_one_when_a_person_asks_for_it(load):
    source = load(people(1100, 21)).source
    waiting = running.request_run(source=source, detector="duplicates", only_changes=True)
    assert running.request_run(source=source, detector="duplicates", only_changes=True) == waiting
    asked = running.request_run(source=source, detector="duplicates")
    assert (asked, asked.only_changes) == (waiting, False)
    running.request_run(source=source, detector="duplicates", only_changes=True)
    assert done(waiting).changed is None
    going = running.request_run(source=source, detector="duplicates", only_changes=True)
    Run.objects.filter(pk=going.pk).update(state=JobState.RUNNING)
    assert running.request_run(source=source, detector="duplicates").only_changes


def test_a_worker_that_dies_while_storing_leaves_the_claims_and_what_to_go_on_from(load, monkeypatch):
    frame = people(1100, 13)
    source = load(frame).source
    before, basis = claimed(source), RunBasis.objects.get()
    record = Record.objects.get(pk=Finding.objects.first().subjects[0])
    Record.objects.filter(pk=record.pk).update(
        fields=dict.fromkeys(record.fields), version=9
    )  # it is like no other now

    def killed(*_: Any) -> None:
        raise SystemExit

    with monkeypatch.context() as patch:
        patch.setattr(following, "keep", killed)  # the claims were written a moment before, in one transaction
        job = running.request_run(source=source, detector="duplicates", only_changes=True)
        with pytest.raises(SystemExit):
            running.execute_run(job.pk)
    assert claimed(source) == before
    assert RunBasis.objects.get().versions == basis.versions
    Run.objects.filter(pk=job.pk).update(lease_until="2000-01-01T00:00:00Z")
    assert done(job).changed == 1
    assert claimed(source) != before


def test_a_record_that_changed_while_the_latest_run_read_is_not_missed(load, monkeypatch):
    frame = people(1100, 15)
    source = load(frame).source
    record = Record.objects.get(pk=Finding.objects.first().subjects[0])
    read = running.batch_for

    def changed_first(*given: Any) -> Any:
        Record.objects.filter(pk=record.pk).update(version=7)
        return read(*given)

    with monkeypatch.context() as patch:
        patch.setattr(running, "batch_for", changed_first)
        assert run(source, only_changes=True).changed == 0
    assert run(source, only_changes=True).changed == 1
    assert run(source, only_changes=True).changed == 0


def test_page_api_and_terminal_say_whether_a_run_went_on_and_how_much_changed(load, steward, client, capsys):
    source = load(people(1100, 19)).source
    client.force_login(steward)
    whole = source.runs.get(detector="duplicates")
    assert "everything anew" in client.get(f"/runs/{whole.pk}/").content.decode()
    Record.objects.filter(pk__in=Finding.objects.first().subjects).update(version=5)
    Run.objects.filter(state=JobState.QUEUED).delete()
    client.post(f"/sources/{source.pk}/run/", {"only_changes": "1"})
    went_on = done(source.runs.get(detector="duplicates", state=JobState.QUEUED))
    page = client.get(f"/runs/{went_on.pk}/").content.decode()
    assert f"went on from the latest run: {went_on.changed} records changed" in page
    assert f"{went_on.changed} changed of" in client.get("/runs/").content.decode()
    Run.objects.filter(state=JobState.QUEUED).delete()
    asked = {"source": source.pk, "detector": "duplicates", "only_changes": True}
    told = client.post("/api/v1/runs/", asked, content_type="application/json").json()
    assert [(row["only_changes"], row["changed"]) for row in told] == [(True, None)]
    done(Run.objects.get(pk=told[0]["id"]))
    assert client.get(f"/api/v1/runs/{told[0]['id']}/").json()["changed"] == 0
    assert main(["run", source.name, "--detector", "duplicates", "--changes", "--here", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)["changed"] == 0
    assert main(["run", source.name, "--detector", "duplicates", "--changes", "--here"]) == 0
    assert "went on from the latest run, 0 records changed" in capsys.readouterr().out


def test_dates_of_a_few_rows_are_read_as_the_whole_column_says():
    days = ["31/12/2024", "3/4/2024", None, "5/6/2024", "2024-01-02"]
    rows = [[f"{n}", "Ann", "Lee", day] for n, day in enumerate(days)]
    roles = {"n": Role.ID, "first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "at": Role.UPDATED_AT}
    batch = Batch(pd.DataFrame(rows, columns=list(roles), dtype=object), roles)
    whole = Merger(batch)
    for some in ([1], [0, 3], [1, 2, 4]):
        few = Merger(batch, rows=np.array(some))
        assert few.updated[some].tolist() == whole.updated[some].tolist()
        assert few.filled[some].tolist() == whole.filled[some].tolist()
        assert few.golden(some) == whole.golden(some)


def test_a_code_in_a_few_rows_is_a_value_where_the_whole_column_holds_codes():
    states = pd.Series(["CA", "NY", "NC", "TX", "WA"], dtype=object)
    assert not is_missing(states.iloc[[2]], states).any()
    assert is_missing(states.iloc[[2]]).all()


def test_versions_are_kept_in_little_room():
    ids = np.arange(5, 100_005)
    versions = following.Versions(ids[ids % 7 > 0], np.ones(len(ids), np.int64)[ids % 7 > 0])
    packed = versions.packed()
    again = following.Versions.unpacked(packed)
    assert (again.ids == versions.ids).all()
    assert (again.versions == versions.versions).all()
    assert len(packed) < 10_000
    none = following.Versions.unpacked(following.Versions(ids[:0], ids[:0]).packed())
    assert not len(none.ids)
    assert none.changed_since(versions) == (pytest.approx([]), len(versions.ids))
