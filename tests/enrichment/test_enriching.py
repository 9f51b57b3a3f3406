"""What look-ups know is proposed to a person, with its source and licence; nothing is written by itself."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest
from django.utils import timezone

from crmquality.models import Enrichment, Finding, LookedUp, Record
from crmquality.selectors.attributions import attributions
from crmquality.services import enriching, running, undoing
from crmquality.services.errors import Refused
from detectors.roles import Role
from review.models import Decision, ReviewItem
from review.services import deciding
from tests.connectors.fakes import served
from tests.enrichment.benches import ROWS, Register, http_settings

pytestmark = pytest.mark.django_db(transaction=True)
COLUMNS = {
    "Id": Role.ID, "Firm": Role.COMPANY, "Web": Role.WEBSITE, "Town": Role.CITY, "Zip": Role.POSTCODE,
}  # fmt: skip
RECORDS: list[list[str | None]] = [
    ["A1", "Acme", "http://acme.example", None, None],
    ["A2", "Bolt GmbH", "bolt.example", "Bärlin", "10115"],
    ["A3", "Twin", "twin.example", None, None],
    ["A4", "Nobody", None, None, None],
]
TERMS = {"key": "website", "provider": "Example Register", "licence": "CC BY 4.0"}


@pytest.fixture
def firms(make_source: Any) -> Any:
    return make_source("firms", COLUMNS, RECORDS, kind="accounts")


@pytest.fixture
def companies(firms: Any, tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> Enrichment:
    """A file that knows two of the firms."""
    monkeypatch.setattr("crmquality.enrichment.files.lookup_folder", lambda: tmp_path)
    (tmp_path / "companies.csv").write_text(ROWS)
    given = {"file": "companies.csv", "address": "Link"}
    return enriching.make(source=firms, name="register", adapter="file", given=given, terms=TERMS)


@pytest.fixture
def register() -> Iterator[Register]:
    with served(Register()) as fake:
        assert isinstance(fake, Register)
        yield fake


def ask(source: Any) -> list[tuple[str, str, str | None, float]]:
    """Run the detector; what it proposes: (external id, column, value, score)."""
    run = running.request_run(source=source, detector="enrichment")
    running.execute_run(run.pk)
    run.refresh_from_db()
    assert run.state == "succeeded", run.error
    names = dict(Record.objects.values_list("pk", "external_id"))
    found = Finding.objects.filter(source=source, detector="enrichment", state="open")
    return sorted(
        (names[one.subjects[0]], column, value, one.score)
        for one in found
        for column, value in one.proposal["changes"].items()
    )


def test_a_blank_is_filled_by_what_a_file_knows_and_nothing_is_written(firms, companies):
    assert ask(firms) == [("A1", "Town", "Boston", 0.9), ("A1", "Zip", "02108", 0.9)]
    assert Record.objects.get(external_id="A1").fields["Town"] is None
    companies.refresh_from_db()
    assert companies.error == ""
    assert companies.asked_at is not None


def test_a_value_that_differs_is_proposed_only_where_that_is_wanted(firms, companies):
    enriching.change(enrichment=companies, given=companies.settings, terms={"replaces": True})
    found = {(key, column): (value, score) for key, column, value, score in ask(firms)}
    assert found["A2", "Town"] == ("Berlin", 0.7)
    assert ("A2", "Zip") not in found
    assert ("A2", "Firm") not in found, "the same but for its spelling"
    assert ("A1", "Firm") not in found, "a legal form makes no other firm"


def test_only_the_roles_that_are_wanted_are_filled(firms, companies):
    enriching.change(enrichment=companies, given=companies.settings, terms={"fills": ["postcode"]})
    assert [column for _, column, _, _ in ask(firms)] == ["Zip"]


def test_what_is_accepted_stands_with_its_source_and_licence_until_it_is_undone(firms, companies, steward):
    ask(firms)
    item = ReviewItem.objects.open().select_related("finding").get(finding__proposal__changes__has_key="Town")
    assert {one["feature"] for one in item.finding.evidence} == {"look-up", "source", "licence"}
    decision = deciding.decide(item=item, verdict=Decision.Verdict.ACCEPT, user=steward)
    record = Record.objects.get(external_id="A1")
    assert record.fields["Town"] == "Boston"
    (one,) = attributions(record)
    assert (one.field, one.source, one.licence) == (
        "Town",
        "Example Register, https://register.example/1",
        "CC BY 4.0",
    )
    enriching.remove(enrichment=companies)
    assert attributions(record), "it stays when the look-up is forgotten"
    undoing.undo(change_set=decision.change_set)
    record.refresh_from_db()
    assert attributions(record) == []


def test_a_value_that_was_edited_since_is_not_attributed_to_the_look_up(firms, companies, steward):
    from crmquality.services import correcting

    ask(firms)
    item = ReviewItem.objects.open().get(finding__proposal__changes__has_key="Town")
    deciding.decide(item=item, verdict=Decision.Verdict.ACCEPT, user=steward)
    record = Record.objects.get(external_id="A1")
    correcting.set_fields(record_id=record.pk, changes={"Town": "Cambridge"}, cause="test")
    record.refresh_from_db()
    assert attributions(record) == []


def test_what_is_rejected_is_not_asked_again(firms, companies, steward):
    ask(firms)
    for item in ReviewItem.objects.open():
        deciding.decide(item=item, verdict=Decision.Verdict.REJECT, user=steward)
    ask(firms)
    assert not ReviewItem.objects.open().exists()


def test_a_service_is_asked_once_a_key_and_its_answers_are_kept(firms, register):
    given = http_settings(register)
    one = enriching.make(source=firms, name="service", adapter="http", given=given, terms=TERMS)
    assert "knows" not in enriching.try_out(one)
    first = ask(firms)
    assert [(key, column) for key, column, _, _ in first] == [("A1", "Town"), ("A1", "Zip")]
    asked = register.asked[1:]
    assert sorted(asked) == ["acme.example", "bolt.example", "twin.example"]
    assert ask(firms) == first
    assert register.asked[1:] == asked
    assert LookedUp.objects.filter(values__isnull=True).count() == 2
    assert not LookedUp.objects.filter(key__contains="example").exists(), "keys are kept as digests"


def test_an_answer_that_is_too_old_is_asked_for_again(firms, register):
    one = enriching.make(source=firms, name="s", adapter="http", given=http_settings(register), terms=TERMS)
    ask(firms)
    LookedUp.objects.update(at=timezone.now() - timedelta(days=91))
    register.known["acme.example"][0]["seat"]["town"] = "Cambridge"
    assert ("A1", "Town", "Cambridge", 0.9) in ask(firms)
    LookedUp.objects.update(at=timezone.now() - timedelta(days=181))
    assert enriching.sweep_answers() == 3
    assert not one.answers.exists()


def test_a_service_that_does_not_answer_withdraws_no_proposal_and_is_named(firms, register):
    one = enriching.make(source=firms, name="s", adapter="http", given=http_settings(register), terms=TERMS)
    before = ask(firms)
    LookedUp.objects.update(at=timezone.now() - timedelta(days=91))
    register.down = True
    assert ask(firms) == before
    one.refresh_from_db()
    assert "answered 503" in one.error


def test_a_run_asks_for_so_many_keys_at_most_and_the_next_for_the_rest(firms, register):
    terms = {**TERMS, "most": 2}
    enriching.make(source=firms, name="s", adapter="http", given=http_settings(register), terms=terms)
    ask(firms)
    assert LookedUp.objects.count() == 2
    ask(firms)
    assert LookedUp.objects.count() == 3


def test_one_that_is_off_or_whose_column_is_gone_is_not_asked(firms, companies):
    enriching.change(enrichment=companies, given=companies.settings, terms={"is_on": False})
    assert ask(firms) == []
    enriching.change(enrichment=companies, given=companies.settings, terms={"is_on": True})
    firms.roles.pop("Web")
    firms.save()
    assert ask(firms) == []
    companies.refresh_from_db()
    assert "No column holds a website" in companies.error


@pytest.mark.parametrize(
    "terms",
    [{"key": "email"}, {"licence": " "}, {"provider": ""}, {"fills": ["planet"]}, {"keep_days": 0}, {"most": 0}],
)
def test_terms_that_do_not_do_are_refused_and_nothing_is_kept(firms, companies, terms):
    with pytest.raises(Refused):
        enriching.make(
            source=firms, name="other", adapter="file", given={"file": "companies.csv"}, terms={**TERMS, **terms}
        )
    with pytest.raises(Refused):
        enriching.make(source=firms, name="register", adapter="file", given={"file": "c.csv"}, terms=TERMS)
    with pytest.raises(Refused):
        enriching.make(source=firms, name="x", adapter="oracle", given={}, terms=TERMS)
    assert Enrichment.objects.count() == 1


def test_a_token_is_kept_encrypted_and_is_not_sent_to_another_address(firms, register):
    given = http_settings(register)
    one = enriching.make(source=firms, name="s", adapter="http", given=given, terms=TERMS)
    assert b"register-token" not in bytes(one.secrets)
    assert "token" not in one.settings
    assert enriching.held_secrets(one) == {"token"}
    without = {name: value for name, value in given.items() if name != "token"}
    enriching.change(enrichment=one, given=without, terms={})
    assert enriching.held_secrets(one) == {"token"}
    enriching.change(enrichment=one, given={**without, "address": "https://elsewhere.example/c"}, terms={})
    assert enriching.held_secrets(one) == set()
