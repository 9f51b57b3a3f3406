"""Names that exist: "Denville, NJ 07834" and "Louise" are no misspellings of a commoner "Danville" and "Louis".

Nor is "Wiśniewska" one of "Wiśniewski", though both live in one house and share what tells the family name of others.
"""

from __future__ import annotations

import re

from detectors.addresses.gazetteer import us_gazetteer
from detectors.addresses.standardising import place_key
from detectors.addresses.worldwide import cities_of, country_code
from detectors.conflicts.repairs import Repair
from detectors.contract import Batch
from detectors.formats.names_by_mail import confirms
from detectors.prediction.engine.given_names import usual_gender
from detectors.roles import Role

_NUMBERS = (Role.PHONE, Role.FAX, Role.NATIONAL_ID, Role.TAX_ID, Role.BANK_ACCOUNT)
"""Numbers of one person or company: near another one they are another's, however common that is."""
_OWN = (
    *(Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME, Role.EMAIL, Role.DATE_OF_BIRTH),
    *_NUMBERS,
)
"""What says nothing about another person or company, though they share a house."""

_FEMININE = tuple(
    (re.compile(rf"(?<=\w{{3}}){man}$", re.IGNORECASE), woman)
    for man, woman in (
        ("i", "a"), ("y", "a"), ("ý", "á"), ("o", "a"), ("us", "a"), ("", "a"), ("", "e"), ("", "ová"), ("", "ova"),
    )
)  # fmt: skip
"""How a man's name ends, and the woman's form of it."""


def stands(batch: Batch, repair: Repair) -> bool:
    """Whether the cell stays as it is: its slip is a name as it should be, or its blank is not for others to fill."""
    row, field, value = repair.row, repair.field, repair.value
    if repair.rule == "known-elsewhere":
        return _is_ones_own(batch, row, field, value)
    if repair.rule not in ("misspelling", "slip") or value is None:
        return False
    if _is_other_gender(batch, field, str(batch.frame[field].iat[row]), value) or _is_said_by_mail(batch, row, field):
        return True
    return repair.rule == "misspelling" and (field in batch.columns(*_NUMBERS) or _exists(batch, row, field))


def _exists(batch: Batch, row: int, field: str) -> bool:
    """Whether a cell holds a name that exists: a given name in the census, or a town where the row says it is.

    False for a column that is known to hold neither.
    """
    if field == batch.column(Role.GIVEN_NAME):
        return bool(usual_gender(_cell(batch, Role.GIVEN_NAME, row)))
    return field == batch.column(Role.CITY) and _is_town(batch, row)


def _is_said_by_mail(batch: Batch, row: int, field: str) -> bool:
    """Whether the row's e-mail address holds the name as it stands: "Katrin" of katrin.fischer@ is no "Karin"."""
    if field not in batch.columns(Role.GIVEN_NAME, Role.FAMILY_NAME):
        return False
    return confirms(_cell(batch, Role.EMAIL, row), str(batch.frame[field].iat[row]))


def _is_ones_own(batch: Batch, row: int, field: str, value: str | None) -> bool:
    """Whether a value is one person's own and so no knowledge about another: a neighbour's telephone, or the row's id.

    A head office is not its own parent, though all its branches name it so.
    """
    if field in batch.columns(*_OWN):
        return True
    key = batch.column(Role.ID)
    return key is not None and value == batch.frame[key].iat[row]


def _is_other_gender(batch: Batch, field: str, one: str, other: str) -> bool:
    """Whether two names of persons are the forms of one name for a man and a woman: "Wiśniewska", "Wiśniewski"."""
    if field not in batch.columns(Role.NAME, Role.GIVEN_NAME, Role.FAMILY_NAME):
        return False
    return any(
        (feminine := ending.sub(after, man)) != man and feminine.casefold() == woman.casefold()
        for man, woman in ((one, other), (other, one))
        for ending, after in _FEMININE
    )


def _is_town(batch: Batch, row: int) -> bool:
    """Whether a row's city is a place of its region or postcode in the US, or a city of its country."""
    city, region, postcode, country = (
        _cell(batch, role, row) for role in (Role.CITY, Role.REGION, Role.POSTCODE, Role.COUNTRY)
    )
    key = place_key(city[:80])
    code = country_code(country[:80]) if country else "US"
    if not key or not code:
        return False
    if code != "US":
        return key in cities_of(code)
    book = us_gazetteer()
    area = book.area(postcode[:5])
    state = book.region_code(region) if region else None
    return bool((area and key in area.names) or (state and book.postcodes(key, state)))


def _cell(batch: Batch, role: Role, row: int) -> str:
    name = batch.column(role)
    value = None if name is None else batch.frame[name].iat[row]
    return value.strip() if isinstance(value, str) else ""
