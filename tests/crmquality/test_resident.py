"""The resident index as a service: it answers, follows every kind of change, and says when it cannot answer."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import psycopg
import pytest
from django.db import connection, transaction

from benchmarks._people import ROLES, generate
from crmquality.models import Change, ChangeSet, Import, Record, Source
from crmquality.models.jobs import JobState
from crmquality.services import correcting, resident, resident_serving
from crmquality.services.resident_keeping import ChangeFeed, Keeper, Unknown
from detectors.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)

ANN = {"first": "Ann", "last": "Przybylski", "born": "1970-02-03", "mail": "ann@lake.org", "street": "9 Elm Road"}
BY_ROLE = {"given_name": "Ann", "family_name": "Przybylski", "date_of_birth": "1970-02-03", "email": "ann@lake.org"}
ASK = {"limit": 5, "least": 0.5, "without": None}


@pytest.fixture
def people(make_source):
    frame, _ = generate(300, seed=3)
    return make_source("people", {"key": Role.ID, **ROLES}, [[f"P{n}", *row] for n, row in enumerate(frame.to_numpy())])


def add(source: Source, key: str, values: dict[str, str | None]) -> Record:
    return Record.objects.create(source=source, external_id=key, fields=dict.fromkeys(source.columns) | values)


def imported(source: Source) -> None:
    """An import that is over, as the importer leaves it."""
    from django.utils import timezone

    Import.objects.create(source=source, file_name="x.csv", state=JobState.SUCCEEDED, finished_at=timezone.now())


def found(keeper: Keeper, source: Source | None, values: dict[str, str | None]) -> list[int]:
    return [match.record for _, match in keeper.find("people", values, source=source.pk if source else None, **ASK)]


def test_records_written_by_an_import_are_found_once_it_is_over(people):
    keeper = Keeper()
    with pytest.raises(Unknown, match="being built"):
        found(keeper, people, ANN)
    keeper.tend()
    assert found(keeper, people, ANN) == []
    ann = add(people, "A1", ANN)
    imported(people)
    keeper.tend()
    assert found(keeper, people, ANN) == [ann.pk]
    assert found(keeper, None, BY_ROLE) == [ann.pk]
    assert keeper.status() == [
        {"source": people.pk, "state": "ready", "records": Record.objects.count(), "entities": ["people"], "why": ""}
    ]


def test_corrections_merges_and_undone_merges_are_followed(people, steward):
    ann, copy = add(people, "A1", ANN), add(people, "A2", ANN)
    keeper = Keeper()
    keeper.tend()
    keeper.tend()
    correcting.set_fields(
        record_id=ann.pk,
        changes={"first": "Zoe", "last": "Quux", "mail": "z@q.org", "born": "1999-09-09", "street": None},
        cause="a test",
        by=steward,
    )
    keeper.tend()
    assert found(keeper, people, ANN) == [copy.pk]
    edit = correcting.Edit(copy.pk, "golden", None, str(ann.pk), is_pointer=True)
    correcting.write(
        source=people,
        action=ChangeSet.Action.MERGE,
        cause="a test",
        by=steward,
        edits=[edit],
        locked={copy.pk: Record.objects.select_related("source__feed__connection").get(pk=copy.pk)},
    )
    keeper.tend()
    assert found(keeper, people, ANN) == []
    Record.objects.filter(pk=copy.pk).update(golden=None, version=9)
    Change.objects.create(change_set=ChangeSet.objects.latest("id"), record=copy, field="golden", is_pointer=True)
    keeper.tend()
    assert found(keeper, people, ANN) == [copy.pk]


def test_a_change_that_commits_late_is_not_missed(people):
    ann = add(people, "A1", ANN)
    late = ChangeSet.objects.create(source=people, action="edit", cause="late")
    feed = ChangeFeed()
    assert feed.poll() == {}
    settings = connection.settings_dict
    login = {"host": settings["HOST"], "user": settings["USER"], "password": settings["PASSWORD"]}
    sql = "INSERT INTO crmquality_change (change_set_id, record_id, field, reason) VALUES (%s, %s, 'first', '')"
    with psycopg.connect(dbname=settings["NAME"], **login) as other:
        other.execute(sql, [late.pk, ann.pk])  # has its id, and is not committed
        bob = Record.objects.exclude(pk=ann.pk).first()
        Change.objects.create(change_set=late, record=bob, field="first")
        assert feed.poll() == {people.pk: {bob.pk}}
        assert feed.poll() == {}
        other.commit()
    assert feed.poll() == {people.pk: {ann.pk}}
    assert feed.poll() == {}
    with transaction.atomic():
        Change.objects.create(change_set=late, record=ann, field="last")
    assert feed.poll() == {people.pk: {ann.pk}}


def test_new_roles_of_columns_build_the_index_anew(people):
    ann = add(people, "A1", ANN)
    keeper = Keeper()
    keeper.tend()
    assert found(keeper, people, ANN) == [ann.pk]
    people.roles = {name: role for name, role in people.roles.items() if name not in ("first", "last", "mail")}
    people.save()
    keeper.tend()
    assert "mail" not in keeper.held[people.pk].roles


def test_many_changes_at_once_build_the_index_anew(people, monkeypatch):
    monkeypatch.setattr("crmquality.services.resident_keeping.READ_AT_ONCE", 10)
    keeper = Keeper()
    keeper.tend()
    first = keeper.held[people.pk]
    frame, _ = generate(200, seed=8)
    for number, row in enumerate(frame.to_dict("records")):
        add(people, f"N{number}", row)
    ann = add(people, "A1", ANN)
    imported(people)
    keeper.tend()
    assert keeper.held[people.pk] is not first
    assert found(keeper, people, ANN) == [ann.pk]


def test_people_and_companies_of_one_source_are_asked_apart(make_source):
    rows = [[f"P{n}", "Ann", f"Name{n}", None, f"x{n}@y.org"] for n in range(40)]
    rows += [[f"C{n}", None, None, f"Acme Works {n} Ltd", f"c{n}@z.org"] for n in range(40)]
    roles = {"key": Role.ID, "first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME}
    roles |= {"firm": Role.COMPANY, "mail": Role.EMAIL}
    source = make_source("mixed", roles, rows)
    keeper = Keeper()
    keeper.tend()
    asked = {"firm": "ACME works 7 limited", "mail": "c7@z.org"}
    matches = keeper.find("organisations", asked, source=source.pk, **ASK)
    assert [Record.objects.get(pk=match.record).external_id for _, match in matches][:1] == ["C7"]


def test_a_source_of_other_things_has_no_index(make_source):
    orders = make_source("orders", {"key": Role.ID, "amount": Role.AMOUNT}, [["1", "2"]], kind="orders")
    keeper = Keeper()
    keeper.tend()
    with pytest.raises(Unknown, match="neither people"):
        found(keeper, orders, {})


def test_a_household_is_shown_beside_a_record_of_any_source(people, make_source, client, steward, monkeypatch):
    home = {"last": "Przybylski", "street": "9 Elm Road", "tel": "2025550142", "town": "Lakeville", "zip": "54321"}
    ann = add(people, "A1", ANN | home | {"sex": "F"})
    paul = add(people, "A2", home | {"first": "Paul", "born": "1961-11-20", "mail": "p99@sea.org", "sex": "M"})
    keeper = Keeper()
    keeper.tend()
    with pytest.raises(Unknown):
        keeper.related(ann.pk, source=people.pk + 1, limit=5)
    assert [(one[1], one[2]) for one in keeper.related(ann.pk, source=people.pk, limit=5)] == [
        (paul.pk, "same household or office")
    ]
    monkeypatch.setattr(
        resident, "_ask", lambda asked: {"related": keeper.related(asked["record"], source=asked["source"], limit=5)}
    )
    client.force_login(steward)
    page = client.get(f"/records/{ann.pk}/").content.decode()
    assert f'href="/records/{paul.pk}/"' in page
    assert "same household or office" in page
    monkeypatch.undo()
    monkeypatch.setattr(resident, "socket_path", lambda: Path("/nowhere/r.sock"))
    assert "the index of records is not ready" in client.get(f"/records/{ann.pk}/").content.decode()


def test_without_the_process_the_answer_is_not_ready(people, monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "socket_path", lambda: tmp_path / "none.sock")
    with pytest.raises(resident.NotReady, match="does not run"):
        resident.find_like("people", ANN, source=people)


def test_the_process_answers_and_follows_and_comes_back_after_a_restart(people, monkeypatch, tmp_path):
    path = tmp_path / "r.sock"
    monkeypatch.setattr(resident, "socket_path", lambda: path)
    ann = add(people, "A1", ANN)
    for _ in range(2):  # the second is a restart: the kept connection of this thread died with the first
        until, ready = threading.Event(), threading.Event()
        process = threading.Thread(
            target=resident_serving.serve, args=(path,), kwargs={"ready": ready.set, "until": until}
        )
        process.start()
        try:
            assert ready.wait(30)
            matches = _once_ready(lambda: resident.find_like("people", ANN, source=people, least=0.5))
            assert [one.record for one in matches] == [ann.pk]
            assert matches[0].probability > 0.9
            assert matches[0].source == people.pk
            assert any(reason.feature == "e-mail" and reason.weight > 5 for reason in matches[0].reasons)
            assert resident.find_like("people", ANN, source=people, least=0.5, without=ann.pk) == []
            assert resident.status()["sources"][0]["state"] == "ready"
            with pytest.raises(resident_serving.AlreadyRuns):
                resident_serving.serve(path)
        finally:
            until.set()
            process.join(30)
    with pytest.raises(resident.NotReady):
        resident.find_like("people", ANN, source=people)


def _once_ready(ask):
    for _ in range(300):
        try:
            return ask()
        except resident.NotReady:
            time.sleep(0.1)
    raise AssertionError("never ready")
