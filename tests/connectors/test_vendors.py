"""What is particular to each vendor: quotas, limits, what else refers to a row, names of fields."""

from __future__ import annotations

import time
from typing import Any, ClassVar

import pytest

from crmquality.connectors import delivering
from crmquality.connectors.contract import Line, Merge, System, Write
from crmquality.connectors.faults import Denied, Invalid, QuotaSpent, Stale, Throttled, Unreachable
from crmquality.connectors.http import Lent
from crmquality.connectors.hubspot import HubSpotConnector
from crmquality.connectors.testing import HOOK
from detectors.mapping_names import read_name
from detectors.roles import Role
from tests.connectors.fakes import Answer, Asked, Fake, hubspot, served
from tests.connectors.vendor_benches import VENDORS, vendor_bench


@pytest.mark.parametrize("kind", list(VENDORS))
def test_blank_and_filled_values_are_pulled_alike_whole_or_since(kind: str) -> None:
    with vendor_bench(kind) as bench, bench.connect() as system:
        about = next(one for one in system.describe() if one.name == bench.about)
        pages = list(system.pull(bench.about, about.names, None))
        row = pages[0].frame.row(0, named=True)
        bench.edit(row[about.key], bench.text_field, "Boston")
        changed = [
            one
            for page in system.pull(bench.about, about.names, pages[-1].cursor)
            for one in page.frame.iter_rows(named=True)
        ]
        found = next(one for one in changed if one[about.key] == row[about.key])
        writable = [one.name for one in about.fields if one.writable and one.name != bench.text_field]
        assert {name: found[name] for name in writable} == {name: row[name] for name in writable}


@pytest.mark.parametrize("kind", list(VENDORS))
def test_a_value_that_is_none_of_its_kind_makes_no_call(kind: str) -> None:
    with vendor_bench(kind) as bench, bench.connect() as system:
        about = next(one for one in system.describe() if one.name == bench.about)
        number = next(one.name for one in about.fields if one.kind == "number" and one.writable)
        key = next(iter(system.pull(bench.about, about.names, None))).frame[about.key][0]
        row = system.get(bench.about, [key])[key]
        with pytest.raises(Invalid):
            system.calls(Write(bench.about, key, {number: (None, "a dozen")}), row)
        with pytest.raises(Invalid):
            system.calls(Write(bench.about, key, {"no_such_field": (None, "x")}), row)


@pytest.mark.parametrize("kind", ["hubspot", "salesforce"])
def test_the_systems_own_quota_is_read_from_its_answers(kind: str) -> None:
    with vendor_bench(kind) as bench, bench.connect() as system:
        assert system.quota() is None
        system.describe()
        quota = system.quota()
        assert quota is not None
        assert 0 < quota.used < quota.limit


def test_salesforce_tells_of_deleted_rows() -> None:
    with vendor_bench("salesforce") as bench, bench.connect() as system:
        about = next(one for one in system.describe() if one.name == "Account")
        *_, last = system.pull("Account", about.names, None)
        key = "001A00000000003"
        assert bench.delete(key)
        pages = list(system.pull("Account", about.names, last.cursor))
        assert key in [one for page in pages for one in page.deleted]
        assert key not in [one for page in pages for one in page.frame["Id"]]
        assert system.get("Account", [key]) == {}


def test_what_odoo_sells_to_a_merged_partner_moves_and_comes_back() -> None:
    with vendor_bench("odoo") as bench, bench.connect() as system:
        fake: Any = bench.fake  # type: ignore[attr-defined]
        plan = system.plan_merge(Merge("res.partner", "1", ("2",)))
        delivering.carry_out_whole(system, plan, key="merge")
        assert fake.objects["sale.order"]["2"]["partner_id"] == 1
        assert not fake.objects["res.partner"]["2"]["active"]
        delivering.carry_out(system, plan.undo, key="undo")
        assert fake.objects["sale.order"]["2"]["partner_id"] == 2
        assert fake.objects["res.partner"]["2"]["active"]


def test_a_lookup_of_dynamics_is_written_as_a_reference_and_can_be_blank() -> None:
    with vendor_bench("dynamics") as bench, bench.connect() as system:
        account, other = (f"00000001-0000-4000-8000-{number:012x}" for number in (1, 2))
        contact = f"00000002-0000-4000-8000-{1:012x}"
        for before, after in ((account, other), (other, None), (None, account)):
            write = Write("contact", contact, {"parentcustomerid": (before, after)})
            assert delivering.do(system, write, key="move") is delivering.Done.WRITTEN
            assert system.get("contact", [contact])[contact].values["parentcustomerid"] == after


def test_a_search_of_hubspot_goes_on_past_the_rows_it_gives_at_most(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("crmquality.connectors.hubspot.SEARCH_AT_MOST", 5)
    monkeypatch.setattr("crmquality.connectors.hubspot.PAGE_ROWS", 3)
    with vendor_bench("hubspot") as bench, bench.connect() as system:
        pages = list(system.pull("companies", ["id", "name"], '{"since": "2025-01-01T00:00:00Z"}'))
        assert {one for page in pages for one in page.frame["id"]} == {str(number) for number in range(1, 8)}


class TestHooksOfHubSpot:
    BODY = b'[{"subscriptionType": "company.propertyChange", "objectId": 3}]'
    SECRETS: ClassVar[dict[str, str]] = {"token": "x", "client_secret": hubspot.SECRET}

    def hear(self, headers: dict[str, str], body: bytes = BODY, address: str = HOOK) -> Any:
        return HubSpotConnector().hear(headers, body, self.SECRETS, address=address)

    def test_one_that_is_signed_for_this_address_within_five_minutes_is_heard(self) -> None:
        assert self.hear(hubspot.signed(self.BODY, HOOK))[0].object == "companies"
        assert self.hear(hubspot.signed(self.BODY, HOOK, at=time.time() - 290))

    def test_the_signs_that_hubspot_decodes_in_the_address_are_decoded_and_no_others(self) -> None:
        said = f"{HOOK}?to=a:b/c@d&n=1%202%25&x=!$'()*,;?"
        sent = f"{HOOK}?to=a%3Ab%2fc%40d&n=1%202%25&x=%21%24%27%28%29%2A%2C%3B%3F"
        assert self.hear(hubspot.signed(self.BODY, said), address=sent)

    def test_a_vector_that_was_computed_by_another_program(self, monkeypatch: pytest.MonkeyPatch) -> None:
        # printf '%s' 'POSThttps://a.example/h[]1700000000000' | openssl dgst -sha256 -hmac s3cret -binary | base64
        monkeypatch.setattr(time, "time", lambda: 1_700_000_100.0)
        headers = {
            "x-hubspot-signature-v3": "aoe2+g0RaVzK5GyXh1f7lRYSEdax0NQnQCZETxiqP5Y=",
            "x-hubspot-request-timestamp": "1700000000000",
        }
        secrets = {"client_secret": "s3cret"}
        assert HubSpotConnector().hear(headers, b"[]", secrets, address="https://a.example/h") == []

    @pytest.mark.parametrize("age", [301, -301, 1_700_000_000])
    def test_an_old_one_or_one_from_the_future_is_denied(self, age: int) -> None:
        with pytest.raises(Denied, match="five minutes"):
            self.hear(hubspot.signed(self.BODY, HOOK, at=time.time() - age))

    def test_whatever_is_changed_it_is_denied(self) -> None:
        headers = hubspot.signed(self.BODY, HOOK)
        later = {**headers, "x-hubspot-request-timestamp": str(int(headers["x-hubspot-request-timestamp"]) + 1)}
        other = {**headers, "x-hubspot-signature-v3": "é" + headers["x-hubspot-signature-v3"][1:]}
        for changed in (
            lambda: self.hear(headers, self.BODY.replace(b"3", b"4")),
            lambda: self.hear(headers, address=HOOK.replace("crm", "evil")),
            lambda: self.hear(headers, address=HOOK + "?x=1"),
            lambda: self.hear(later),
            lambda: self.hear(other),
            lambda: self.hear(hubspot.signed(self.BODY, HOOK, secret="another app's")),
        ):
            with pytest.raises(Denied, match="not signed"):
                changed()

    @pytest.mark.parametrize("missing", ["x-hubspot-signature-v3", "x-hubspot-request-timestamp"])
    def test_one_without_signature_or_time_is_denied_though_the_older_signature_is_there(self, missing: str) -> None:
        headers = hubspot.signed(self.BODY, HOOK)
        del headers[missing]
        with pytest.raises(Denied):
            self.hear(headers)

    @pytest.mark.parametrize("time_sent", ["", "soon", "-1", "1e9", "9" * 40, "١٢"])
    def test_a_time_that_is_none_is_denied(self, time_sent: str) -> None:
        headers = hubspot.signed(self.BODY, HOOK) | {"x-hubspot-request-timestamp": time_sent}
        with pytest.raises(Denied):
            self.hear(headers)

    def test_none_is_heard_where_no_client_secret_is_kept(self) -> None:
        with pytest.raises(Denied, match="client secret"):
            HubSpotConnector().hear(hubspot.signed(self.BODY, HOOK), self.BODY, {"token": "x"}, address=HOOK)

    @pytest.mark.django_db
    @pytest.mark.parametrize("behind", ["", "https://crm.example.com"])
    def test_it_is_verified_for_the_address_that_hubspot_calls(self, client: Any, settings: Any, behind: str) -> None:
        from crmquality.models import Connection
        from crmquality.services import vault

        settings.SITE_ADDRESS = behind
        made = Connection.objects.create(name="hubspot", connector="hubspot", settings={})
        made.secrets = vault.seal(self.SECRETS, bound_to=made.uid)
        made.save()
        path = f"/api/v1/hooks/{made.uid}/?portal=1%202"
        for address, status in ((f"{behind or 'http://testserver'}{path}", 202), (f"https://other.example{path}", 400)):
            headers = hubspot.signed(self.BODY, address)
            answer = client.post(path, self.BODY, "application/json", headers=headers)
            assert answer.status_code == status, answer.content


class _Says(Fake):
    """Answers all with one answer."""

    def __init__(self, said: Answer) -> None:
        super().__init__()
        self.said = said

    def answer(self, asked: Asked) -> Answer:
        return self.said


@pytest.mark.parametrize(
    ("kind", "said", "fault"),
    [
        ("salesforce", Answer([{"errorCode": "REQUEST_LIMIT_EXCEEDED", "message": "limit"}], 403), QuotaSpent),
        ("salesforce", Answer([{"errorCode": "UNABLE_TO_LOCK_ROW", "message": "busy"}], 400), Unreachable),
        ("hubspot", Answer({"message": "limit", "policyName": "DAILY"}, 429), QuotaSpent),
        ("hubspot", Answer({"message": "ten secondly limit", "policyName": "SECONDLY"}, 429), Throttled),
        ("dynamics", Answer({"error": {"message": "limit"}}, 429, {"Retry-After": "17"}), Throttled),
        ("odoo", Answer({"error": {"data": {"name": "odoo.exceptions.AccessError", "message": "no"}}}), Denied),
        ("odoo", Answer({"error": {"data": {"name": "psycopg2.OperationalError", "message": "x"}}}), Unreachable),
    ],
)
def test_what_a_vendor_refuses_is_sorted_by_what_is_to_be_done(kind: str, said: Answer, fault: type[Exception]) -> None:
    with served(_Says(said)) as fake, vendor_bench(kind) as bench:
        given = {**bench.given, "address": fake.address, **({"login": fake.address} if kind == "dynamics" else {})}
        with bench.connect(given=given) as system, pytest.raises(fault) as raised:
            system.check()
        if isinstance(raised.value, Throttled) and kind == "dynamics":
            assert raised.value.seconds == 17


def test_a_link_to_another_host_is_not_followed_with_our_login() -> None:
    with served(_Says(Answer({"value": [], "@odata.nextLink": "http://127.0.0.1:9/next"}))) as fake:
        session = Lent(fake.address, Line())
        with pytest.raises(Invalid, match="another place"):
            session.get("http://127.0.0.1:9/next")
        with pytest.raises(Invalid, match="another place"):
            session.get(fake.address + ".example.com/")
        session.close()


def test_a_version_that_is_gone_by_is_stale_in_every_vendors_words() -> None:
    for kind in VENDORS:
        with vendor_bench(kind) as bench, bench.connect() as system:
            assert _stale(system, bench.about, bench.text_field, bench.edit), kind


def _stale(system: System, about: str, field: str, edit: Any) -> bool:
    key_name = next(one for one in system.describe() if one.name == about).key
    key = next(iter(system.pull(about, [key_name, field], None))).frame[key_name][0]
    row = system.get(about, [key])[key]
    (call,) = system.calls(Write(about, key, {field: (row.values[field], "Ours")}), row)
    edit(key, field, "Theirs")
    with pytest.raises(Stale):
        system.send(call, key="stale")
    return system.get(about, [key])[key].values[field] == "Theirs"


@pytest.mark.parametrize(
    ("role", "names"),
    [
        (Role.GIVEN_NAME, ["FirstName", "firstname", "first_name", "givenName", "First Name"]),
        (Role.FAMILY_NAME, ["LastName", "lastname", "last_name", "familyName", "Surname"]),
        (Role.EMAIL, ["Email", "email", "emailaddress1", "email_from", "EMail", "e-mail"]),
        (Role.PHONE, ["Phone", "phone", "telephone1", "MobilePhone", "mobilephone", "mobile"]),
        (Role.CITY, ["MailingCity", "BillingCity", "city", "address1_city"]),
        (Role.POSTCODE, ["MailingPostalCode", "zip", "address1_postalcode", "postal_code"]),
        (Role.REGION, ["MailingState", "state", "address1_stateorprovince", "state_id"]),
        (Role.COUNTRY, ["MailingCountry", "country", "address1_country", "country_id"]),
        (Role.STREET, ["MailingStreet", "street", "address1_line1"]),
        (Role.WEBSITE, ["Website", "website", "websiteurl", "domain"]),
        (Role.JOB_TITLE, ["Title", "jobtitle", "job_title", "JobTitle"]),
    ],
)
def test_the_fields_of_all_vendors_mean_the_same_by_name(role: Role, names: list[str]) -> None:
    found = {name: getattr(read_name(name), "role", None) for name in names}
    assert found == dict.fromkeys(names, role)
