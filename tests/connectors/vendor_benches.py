"""Connectors to vendors' services, each with a small server made from its published API."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import pytest

from crmquality.connectors.salesforce import SalesforceConnector
from crmquality.connectors.testing import Bench
from tests.connectors.fakes import Fake, salesforce, served

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


VENDORS: dict[str, tuple[Callable[[], Fake], Callable[[Any], Bench]]] = {
    "salesforce": (salesforce.Salesforce, SalesforceBench),
    "salesforce, bulk": (salesforce.Salesforce, lambda fake: SalesforceBench(fake, bulk_from=1)),
}


@contextmanager
def vendor_bench(kind: str) -> Iterator[Bench]:
    """A bench on a server of this process."""
    make_fake, make_bench = VENDORS[kind]
    with served(make_fake()) as fake, pytest.MonkeyPatch.context() as patch:
        patch.setattr("crmquality.connectors.salesforce.BULK_WAIT", 0.01)
        yield make_bench(fake)
