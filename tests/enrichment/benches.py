"""Look-ups to try: a file, and a small register over HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from crmquality.enrichment.files import FileAdapter
from crmquality.enrichment.http import HttpAdapter
from crmquality.enrichment.testing import Bench
from detectors.roles import Role
from tests.connectors.fakes import Answer, Asked, Fake

TOKEN = "register-token"
ROWS = """Company,Website,City,Postal code,Industry,Umsatz,Link
Acme Ltd,https://www.acme.example/about,Boston,02108,Tools,12.5,https://register.example/1
Bolt GmbH,bolt.example,Berlin,10115,,7,https://register.example/2
Twin One,twin.example,Rome,,,,
Twin Two,www.twin.example,Oslo,,,,
"""


class FileBench(Bench):
    """A CSV file with two companies of one domain."""

    adapter = FileAdapter()
    key = Role.WEBSITE
    given = {"file": "companies.csv", "columns": ["Umsatz=amount"], "address": "Link"}
    known = (
        "acme.example",
        {
            Role.COMPANY: "Acme Ltd", Role.CITY: "Boston", Role.POSTCODE: "02108", Role.INDUSTRY: "Tools",
            Role.AMOUNT: "12.5",
        },
    )  # fmt: skip
    shared = "twin.example"

    def __init__(self, folder: Path) -> None:
        (folder / "companies.csv").write_text(ROWS)


class Register(Fake):
    """A register: GET /companies?domain= gives a list of those who hold it; /by/DOMAIN one of them."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.down = False
        self.known: dict[str, list[dict[str, Any]]] = {
            "acme.example": [
                {"name": "Acme Ltd", "seat": {"town": "Boston", "zip": "02108"}, "links": ["https://reg.example/1"]}
            ],
            "twin.example": [{"name": "Twin One"}, {"name": "Twin Two"}],
        }

    def answer(self, asked: Asked) -> Answer:
        """By domain."""
        if asked.headers.get("X-Key") != TOKEN:
            return Answer({"detail": "who are you?"}, 401)
        if self.down:
            return Answer({}, 503)
        if asked.path.startswith("/by/"):
            found = self.known.get(asked.path.removeprefix("/by/"), [])
            return Answer(found[0]) if len(found) == 1 else Answer({}, 404)
        self.asked.append(asked.query["domain"])
        return Answer({"companies": self.known.get(asked.query["domain"], [])})


class HttpBench(Bench):
    """The register, asked by a parameter."""

    adapter = HttpAdapter()
    key = Role.WEBSITE
    known = ("acme.example", {Role.COMPANY: "Acme Ltd", Role.CITY: "Boston", Role.POSTCODE: "02108"})
    shared = "twin.example"

    def __init__(self, fake: Register) -> None:
        self.given = http_settings(fake)

    def wrong_login(self) -> Mapping[str, Any]:
        return {**self.given, "token": "wrong-and-secret"}


def http_settings(fake: Register, **more: Any) -> dict[str, Any]:
    """What a person fills in to ask the register."""
    values = ["company=name", "city=seat.town", "postcode=seat.zip"]
    place = {"address": f"{fake.address}/companies", "parameter": "domain", "within": "companies"}
    return {
        **place, "header": "X-Key", "token": TOKEN, "values": values, "title": "name", "entry": "links.0", **more,
    }  # fmt: skip
