"""Connectors to vendors' services, each with a small server made from its published API."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from crmquality.connectors.dynamics import DynamicsConnector
from crmquality.connectors.hubspot import HubSpotConnector
from crmquality.connectors.odoo import OdooConnector
from crmquality.connectors.salesforce import SalesforceConnector
from crmquality.connectors.testing import HOOK, Bench
from tests.connectors.fakes import Fake, dynamics, hubspot, odoo, salesforce, served

NAMES = ("Ann Lee", "Bob Ray", "Cy Poe", "Dee Fox", "Eve Orr", "Flo Ray", "Gus Lum")


class SalesforceBench(Bench):
    """An org with accounts and a contact of each."""

    about = "Account"
    text_field = "BillingCity"
    connector = SalesforceConnector()

    def __init__(self, fake: salesforce.Salesforce, *, bulk_from: int = 20_000) -> None:
        self.fake = fake
        self.given = {
            "address": fake.address, "consumer_key": salesforce.KEY, "consumer_secret": salesforce.SECRET,
            "objects": ["Account", "Contact"], "inactive": ["Account.IsActive__c=no"], "bulk_from": bulk_from,
        }  # fmt: skip
        for number, name in enumerate(NAMES):
            first, last = name.split()
            account = f"001A0000000000{number}"
            fake.add("Account", account, Name=f"{name} & Co", BillingCity="Bostn", AnnualRevenue=1.5 * number)
            person = {"FirstName": first, "LastName": last, "AccountId": account, "Birthdate": "1980-01-02"}
            fake.add("Contact", f"003A0000000000{number}", **person, Email=f"{first}@example.com".lower())

    def edit(self, key: str, name: str, value: str | None) -> None:
        self.fake.edit("Account", key, **{name: value})

    def deactivate(self, key: str) -> bool:
        self.fake.edit("Account", key, IsActive__c=False)
        return True

    def delete(self, key: str) -> bool:
        self.fake.edit("Account", key, IsDeleted=True)
        return True

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "consumer_secret": "wrong-and-secret"}


class HubSpotBench(Bench):
    """An account with companies and a contact of each."""

    about = "companies"
    text_field = "city"
    connector = HubSpotConnector()

    def __init__(self, fake: hubspot.HubSpot) -> None:
        self.fake = fake
        self.given = {
            "address": fake.address, "token": hubspot.TOKEN, "client_secret": hubspot.SECRET,
            "objects": ["companies", "contacts"],
        }  # fmt: skip
        for number, name in enumerate(NAMES, 1):
            first, last = name.split()
            fake.add(
                "companies", str(number), name=f"{name} & Co", city="Bostn", annualrevenue=f"{number}.50", ours="x"
            )
            fake.add("contacts", str(90 + number), firstname=first, lastname=last, associatedcompanyid=str(number))

    def edit(self, key: str, name: str, value: str | None) -> None:
        self.fake.edit("companies", key, **{name: value})

    def deactivate(self, key: str) -> bool:
        return False

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "token": "wrong-and-secret"}

    def webhook(self) -> tuple[Mapping[str, str], bytes]:
        body = json.dumps([{"subscriptionType": "company.propertyChange", "objectId": 3, "portalId": 62515}]).encode()
        return hubspot.signed(body, HOOK), body


class OdooBench(Bench):
    """A database with partners, a lead and an order of each."""

    about = "res.partner"
    text_field = "city"
    connector = OdooConnector()

    def __init__(self, fake: odoo.Odoo) -> None:
        self.fake = fake
        login = {"database": odoo.DATABASE, "user": odoo.USER, "api_key": odoo.KEY}
        self.given = {"address": fake.address, **login}
        for number, name in enumerate(NAMES, 1):
            fake.add("res.partner", number, name=name, city="Bostn", country_id=233, x_score=number / 4)
            fake.add("crm.lead", number, name=f"Deal of {name}", partner_id=number, date_deadline="2026-05-01")
            fake.add("sale.order", number, partner_id=number)

    def edit(self, key: str, name: str, value: str | None) -> None:
        self.fake.edit("res.partner", key, **{name: value})

    def deactivate(self, key: str) -> bool:
        self.fake.edit("res.partner", key, active=False)
        return True

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "api_key": "wrong-and-secret"}


class DynamicsBench(Bench):
    """An environment with accounts and a contact of each."""

    about = "account"
    text_field = "address1_city"
    connector = DynamicsConnector()

    def __init__(self, fake: dynamics.Dynamics) -> None:
        self.fake = fake
        login = {"tenant": dynamics.TENANT, "client_id": dynamics.CLIENT, "client_secret": dynamics.SECRET}
        address = {"address": fake.address, "login": fake.address}
        self.given = {**address, **login, "objects": ["account", "contact"]}
        for number, name in enumerate(NAMES, 1):
            first, last = name.split()
            account, contact = dynamics.guid(1, number), dynamics.guid(2, number)
            company = {"name": f"{name} & Co", "address1_city": "Bostn", "revenue": number / 2, "new_score": number}
            fake.add("account", account, **company, primarycontactid=contact)
            fake.add("contact", contact, firstname=first, lastname=last, parentcustomerid=account)

    def edit(self, key: str, name: str, value: str | None) -> None:
        self.fake.edit("account", key, **{name: value})

    def deactivate(self, key: str) -> bool:
        self.fake.edit("account", key, statecode=1)
        return True

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "client_secret": "wrong-and-secret"}


VENDORS: dict[str, tuple[Callable[[], Fake], Callable[[Any], Bench]]] = {
    "dynamics": (dynamics.Dynamics, DynamicsBench),
    "hubspot": (hubspot.HubSpot, HubSpotBench),
    "odoo": (odoo.Odoo, OdooBench),
    "salesforce": (salesforce.Salesforce, SalesforceBench),
    "salesforce, bulk": (salesforce.Salesforce, lambda fake: SalesforceBench(fake, bulk_from=1)),
}


@contextmanager
def vendor_bench(kind: str) -> Iterator[Bench]:
    """A bench on a server of this process."""
    make_fake, make_bench = VENDORS[kind]
    with served(make_fake()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmquality.connectors.salesforce.BULK_WAIT", 0.01)
        patch.setattr("crmquality.connectors.odoo.PAGE_ROWS", 3)
        yield make_bench(fake)
