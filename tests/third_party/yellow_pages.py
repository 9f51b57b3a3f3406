"""A look-up of firms by phone, as a third party would write it."""

from collections.abc import Mapping, Sequence
from typing import Any

from crmquality.connectors.contract import Line
from crmquality.connectors.settings import Setting
from crmquality.enrichment.contract import Adapter, Answer, LookUp
from crmquality.enrichment.matching import key_of
from detectors.roles import Role

FIRMS = (("+1 202 555 0101", "Acme", "Boston"), ("+1 202 555 0102", "Bolt", "Austin"))


class YellowPagesAdapter(Adapter):
    """The yellow pages of a country."""

    name = "yellowpages"
    title = "Yellow pages"
    is_local = True
    settings = (Setting("country", "Country", default="US"),)

    def open(self, key: Role, settings: Mapping[str, Any], secrets: Mapping[str, str], line: Line) -> LookUp:
        return YellowPages()


class YellowPages(LookUp):
    """Opened."""

    known = {key_of(Role.PHONE, phone): {Role.COMPANY: name, Role.CITY: city} for phone, name, city in FIRMS}

    def check(self) -> str:
        return f"{len(self.known)} firms."

    def gives(self) -> Sequence[Role]:
        return [Role.COMPANY, Role.CITY]

    def ask(self, keys: Sequence[str]) -> list[Answer | None]:
        return [Answer(self.known[key], self.known[key][Role.COMPANY]) if key in self.known else None for key in keys]
