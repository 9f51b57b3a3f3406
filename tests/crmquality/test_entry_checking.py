"""Check at entry: errors, better values, completions and possible duplicates of a record that is being typed."""

from __future__ import annotations

import pytest
from rest_framework.test import APIClient

from crmquality.models import AccessPolicy, Record
from crmquality.services import resident, validating
from crmquality.services.resident_completing import Frequent
from crmquality.services.resident_keeping import Keeper
from crmquality.services.resident_places import Places
from crmquality.services.resident_serving import listening
from detectors.roles import Role

pytestmark = pytest.mark.django_db(transaction=True)

COLUMNS = {
    "Contact ID": Role.ID,
    "Given name": Role.GIVEN_NAME,
    "Family name": Role.FAMILY_NAME,
    "Email": Role.EMAIL,
    "Phone": Role.PHONE,
    "City": Role.CITY,
    "State": Role.REGION,
    "Postcode": Role.POSTCODE,
    "Country": Role.COUNTRY,
    "Owner": Role.OWNER,
}
SURNAMES = ["Ray", "Poe", "Fox", "Kim", "Day", "Orr", "Lund", "Voss", "Hale", "Beck"]
ROWS = [
    ["C1", "Ann", "Przybylski", "ann@lake.org", "+12025550101", "Boston", "MA", "02108", "US", "sales"],
    ["C2", "Zoe", "Quackenbush", "zoe@sea.org", "+12025550177", "Austin", "TX", "78701", "US", "other"],
    *(
        [
            f"P{n}",
            "Bob",
            SURNAMES[n % 10],
            f"b{n}@x{n}.org",
            f"+1202555{1000 + n}",
            "Reno",
            "NV",
            "89501",
            "US",
            "other",
        ]
        for n in range(60)
    ),
]
ANN = {"Given name": "Anne", "Family name": "Przybylski", "Email": "ann@lake.org", "Phone": "202 555 0101"}


@pytest.fixture
def people(make_source):
    return make_source("people", COLUMNS, ROWS)


@pytest.fixture(scope="module")
def places():
    held = Places()
    held.read()
    return held


@pytest.fixture
def index(people, places, monkeypatch, tmp_path):
    """The process of the resident index, in a thread."""
    path = tmp_path / "r.sock"
    monkeypatch.setattr(resident, "socket_path", lambda: path)
    monkeypatch.setattr(resident, "PATIENCE", 60.0)  # what is asked here is the answer, not how fast it comes
    keeper = Keeper()
    keeper.tend()
    with listening(path, keeper, places):
        yield keeper
    resident._line.close()


@pytest.fixture
def away(monkeypatch, tmp_path):
    monkeypatch.setattr(resident, "socket_path", lambda: tmp_path / "none.sock")


@pytest.fixture
def check(people):
    def ask(user, values, **more):
        client = APIClient()
        client.force_login(user)
        return client.post("/api/v1/check/", {"source": "people", "values": values, **more}, format="json")

    return ask


def by_column(rows):
    return {row["column"]: row for row in rows}


def test_a_record_being_typed_is_answered_with_errors_better_values_and_completions(index, check, steward):
    typed = {
        "Email": "bob@gmial.com",
        "Phone": "12",
        "City": "Bostn",
        "State": "",
        "Postcode": "02108",
        "Country": "US",
    }
    said = check(steward, typed).json()
    fields, better = by_column(said["fields"]), by_column(said["suggestions"])
    assert list(fields) == list(typed)
    assert not fields["Phone"]["valid"]
    assert fields["Phone"]["words"]
    assert better["Email"]["value"] == "bob@gmail.com"
    assert (better["City"]["value"], better["City"]["by"], better["City"]["completes"]) == (
        "Boston",
        "addresses",
        False,
    )
    assert better["State"]["value"] == "MA"
    assert better["State"]["completes"]
    assert better["State"]["probability"] > 0.9
    assert said["no_duplicates"] == said["no_addresses"] == ""


def test_possible_duplicates_are_named_with_reasons_the_likeliest_first(index, check, steward, people):
    answer = check(steward, ANN)
    assert answer["Cache-Control"] == "no-store"
    first = answer.json()["duplicates"][0]
    ann = Record.objects.get(external_id="C1")
    assert (first["record"], first["external_id"], first["source"]) == (ann.pk, "C1", "people")
    assert first["title"] == "Ann Przybylski"
    assert first["probability"] > 0.9
    assert any("ann@lake.org" in reason["words"] for reason in first["reasons"])


def test_the_records_of_other_sources_are_looked_through_too(index, check, steward, make_source):
    leads = {"key": Role.ID, "first": Role.GIVEN_NAME, "last": Role.FAMILY_NAME, "mail": Role.EMAIL}
    rows = [[f"L{n}", "Cy", f"Name{n}", f"cy{n}@w.org"] for n in range(40)]
    make_source("leads", leads, [*rows, ["L99", "Ida", "Featherstone", "ida@hill.org"]], kind="leads")
    index.tend()
    typed = {"Given name": "Ida", "Family name": "Featherstone", "Email": "ida@hill.org"}
    found = check(steward, typed).json()["duplicates"]
    assert [(one["external_id"], one["source"]) for one in found] == [("L99", "leads")]


def test_the_record_being_edited_is_no_duplicate_of_itself_and_its_other_values_count(index, check, steward):
    ann = Record.objects.get(external_id="C1")
    assert check(steward, ANN, record=ann.pk).json()["duplicates"] == []
    said = check(steward, {"City": "Bostn"}, record=ann.pk).json()
    assert by_column(said["suggestions"])["City"]["value"] == "Boston"  # by the record's own postcode
    assert check(steward, {"City": "Bostn"}).json()["suggestions"] == []


def test_a_sales_person_learns_nothing_of_a_record_they_may_not_see_but_that_it_is_there(index, check, sales):
    own = check(sales, ANN).json()["duplicates"][0]
    assert own["external_id"] == "C1"
    typed = {"Given name": "Zoe", "Family name": "Quackenbusch", "Email": "zoe@sea.org"}
    answer = check(sales, typed)
    (foreign,) = answer.json()["duplicates"]
    assert foreign["title"] == "A record you may not see"
    assert foreign["record"] is foreign["external_id"] is foreign["source"] is None
    assert {reason["words"] for reason in foreign["reasons"]} == {""}
    for secret in ("Quackenbush", "0177", "78701", "Austin", "C2"):
        assert secret not in answer.content.decode()
    other = Record.objects.get(external_id="C2")
    assert check(sales, {"City": "Reno"}, record=other.pk).status_code == 404


def test_whoever_sees_values_masked_sees_them_masked_here(index, check, steward, people):
    AccessPolicy.objects.create(
        source=people, number=1, columns=["family_name", "given_name", "email", "phone"], masked_for=["steward"]
    )
    typed = {"Given name": "Anne", "Family name": "Przybylsky", "Email": "ann@lake.org"}
    answer = check(steward, typed).json()["duplicates"][0]
    assert answer["title"] == "A•• P•••••••••"
    assert "Przybylski" not in str(answer)
    assert "0101" not in str(answer)
    ann = Record.objects.get(external_id="C1")
    masked = check(steward, {"Email": "a••@l•••.o••", "City": "Boston"}, record=ann.pk).json()
    assert list(by_column(masked["fields"])) == ["City"]  # a masked value says nothing, so nothing is said of it


def test_a_rule_of_one_column_speaks_of_its_field_and_one_of_several_of_the_record(away, check, steward, admin, people):
    validating.make_rule(
        source=people,
        config={"kind": "pattern", "name": "State in capitals", "field": "State", "pattern": "[A-Z]{2}"},
        user=admin,
    )
    conditions = [
        {"field": "City", "relation": "=", "value": "Reno"},
        {"field": "State", "relation": "=", "value": "MA"},
    ]
    validating.make_rule(
        source=people, config={"kind": "never", "name": "Reno is in Nevada", "conditions": conditions}, user=admin
    )
    said = check(steward, {"State": "mass", "City": "Reno"}).json()
    assert "State in capitals" in by_column(said["fields"])["State"]["words"]
    assert said["broken"] == []
    said = check(steward, {"State": "MA", "City": "Reno"}).json()
    assert [(one["rule"], one["columns"]) for one in said["broken"]] == [("Reno is in Nevada", ["City", "State"])]
    assert check(steward, {"State": "MA"}).json()["broken"] == []  # a rule that reads what is not known says nothing


def test_without_the_index_everything_else_is_answered(away, check, steward):
    said = check(steward, {"Email": "bob@gmial.com", "City": "Bostn"}).json()
    assert by_column(said["suggestions"])["Email"]["value"] == "bob@gmail.com"
    assert "does not run" in said["no_duplicates"]
    assert "does not run" in said["no_addresses"]
    assert said["duplicates"] == []


def test_gazetteers_that_are_still_read_are_said_to_be(people, check, steward, monkeypatch, tmp_path):
    path = tmp_path / "r.sock"
    monkeypatch.setattr(resident, "socket_path", lambda: path)
    with listening(path, Keeper(), Places()):
        said = check(steward, {"City": "Bostn", "Email": "x@y.org"}).json()
    resident._line.close()
    assert "being read" in said["no_addresses"]
    assert "being built" in said["no_duplicates"]


@pytest.mark.parametrize(
    ("body", "where"),
    [
        ({"source": "people", "values": {"Nose": "x"}}, "Nose"),
        ({"source": "elsewhere", "values": {"City": "x"}}, "source"),
        ({"source": "people", "values": {}}, "values"),
        ({"source": "people", "values": {"City": "x" * 10_001}}, "10,000"),
        ({"source": True, "values": {"City": "x"}}, "source"),
        ({"source": "9" * 400, "values": {"City": "x"}}, "source"),
        ({"source": "people", "values": {"City": ["x"]}}, "values.City"),
        ([], "Invalid data"),
    ],
)
def test_a_malformed_question_is_told_what_and_where(away, people, steward, body, where):
    client = APIClient()
    client.force_login(steward)
    answer = client.post("/api/v1/check/", body, format="json")
    assert answer.status_code == 400
    assert where in answer.json()["detail"]


def test_an_auditor_checks_nothing(away, check, make_user):
    assert check(make_user("auditor"), {"City": "x"}).status_code == 403


def test_the_script_that_any_form_includes_is_small_and_writes_no_markup(settings):
    script = (settings.BASE_DIR / "templates" / "static" / "entry-check.js").read_text()
    assert len(script.encode()) <= 6_500
    assert "innerHTML" not in script
    assert "submit" not in script


class TestCompletions:
    """The fixture's 60 people of Reno, two of whom alone live elsewhere, are joined by some of one company."""

    @pytest.fixture
    def people(self, make_source):
        columns = {**COLUMNS, "Company": Role.COMPANY}
        rows = [
            [*row, ["Lakeside Works", "Lakeside Wharf", "Lake Alone"][n % 3] if n < 8 else None]
            for n, row in enumerate(ROWS)
        ]
        for row in rows[10:20]:
            row[3] = row[3].split("@")[0] + "@reno-mail.org"
        return make_source("people", columns, rows)

    def offered(self, answer):
        said = answer.json()["suggestions"]
        return {(one["column"], one["value"]) for one in said if one["by"] == "records"}

    def test_what_was_begun_goes_on_as_many_records_have_it(self, index, check, steward):
        typed = {"City": "re", "Company": "lakesi", "Email": "zed@ren"}
        answer = check(steward, typed)
        assert self.offered(answer) == {
            ("City", "Reno"),
            ("Company", "Lakeside Works"),
            ("Company", "Lakeside Wharf"),
            ("Email", "zed@reno-mail.org"),
        }
        assert all(one["completes"] for one in answer.json()["suggestions"] if one["by"] == "records")

    def test_what_few_records_hold_or_what_is_whole_or_hardly_begun_is_not_offered(self, index, check, steward):
        assert self.offered(check(steward, {"City": "Bost", "Company": "Lake Al", "Email": "ann@lak"})) == set()
        assert self.offered(check(steward, {"City": "Reno", "Company": "l", "Email": "@reno"})) == set()

    def test_no_value_of_a_person_is_offered(self, index, check, steward):
        typed = {"Given name": "Bo", "Family name": "Ra", "Email": "b1", "Phone": "+1202", "Postcode": "895"}
        assert self.offered(check(steward, typed)) == set()

    def test_a_sales_person_is_offered_places_and_nothing_of_whom_colleagues_deal_with(self, index, check, sales):
        typed = {"City": "re", "Company": "lakesi", "Email": "zed@ren"}
        assert self.offered(check(sales, typed)) == {("City", "Reno")}

    def test_a_column_that_is_masked_for_the_reader_is_not_completed(self, index, check, steward, people):
        AccessPolicy.objects.create(source=people, number=1, masked_for=["steward"], columns=["email"], sales_decide=[])
        assert self.offered(check(steward, {"City": "re", "Email": "zed@ren"})) == {("City", "Reno")}

    def test_values_that_records_lost_are_offered_no_longer_once_they_are_counted_anew(
        self, index, check, steward, people, monkeypatch
    ):
        from crmquality.services import correcting, resident_keeping

        for record in Record.objects.filter(fields__Company="Lakeside Works"):
            correcting.set_fields(record_id=record.pk, changes={"Company": "Hill"}, cause="test")
        monkeypatch.setattr(resident_keeping, "COUNTED_EVERY", -1.0)
        index.tend()
        assert self.offered(check(steward, {"Company": "Lakeside Wo"})) == set()
        assert self.offered(check(steward, {"Company": "Hi"})) == {("Company", "Hill")}

    def test_of_ways_to_write_a_value_the_most_frequent_is_offered_and_the_most_frequent_value_first(self):
        held = Frequent.of([("Boston", 90), ("Bonn", 70), ("BOSTON", 5), ("Bo\U0001f600", 3), ("ßtadt", 3)])
        assert held.going_on("bO", 2) == ["Boston", "Bonn"]
        assert held.going_on("BOS", 2) == ["Boston"]
        assert held.going_on("sst", 2) == ["ßtadt"]
        assert held.going_on("boston", 2) == held.going_on("zz", 2) == []

    def test_a_source_without_an_index_has_none_and_says_nothing_of_it(self, away, check, steward, people):
        assert self.offered(check(steward, {"City": "re"})) == set()
