"""Look-ups that need no other record: what the US gazetteer knows of a town or a postcode.

They stand beside the look-ups of the table and are kept only where they tell something about its filled cells,
so that a table of another country is not read by the wrong book.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from detectors.addresses.gazetteer import TableGazetteer, us_gazetteer
from detectors.addresses.standardising import place_key
from detectors.prediction.engine.encoding import Column, Key
from detectors.prediction.engine.lookups import Lookup, Target
from detectors.roles import Role

RECOGNISED = 0.5
"""Share of distinct regions (places) of the target that the gazetteer must know before it is asked at all."""

CERTAIN = 20
"""Records' worth of proof that the gazetteer's own count of postcodes is scaled to."""


def known_lookups(columns: Mapping[str, Column], target_column: Column, target: Target) -> list[Lookup]:
    """What is known about a region or town column by the table's other columns, by their roles."""
    if target_column.role not in (Role.REGION, Role.CITY):
        return []
    found: list[Lookup] = []
    for column in columns.values():
        answers = _ANSWERS.get((column.role, target_column.role))
        if answers and column.name != target_column.name:
            lookup = _lookup(column, target_column, target, answers)
            if lookup:
                found.append(lookup)
    return found


class KnownLookup(Lookup):
    """A look-up whose pairs come from a book, not from the records."""


def _lookup(column: Column, target_column: Column, target: Target, answers: _Answers) -> Lookup | None:
    book = us_gazetteer()
    place = _places(book, target_column)
    if len(set(place.values())) < RECOGNISED * min(len(target_column.values), 60):
        return None
    pairs: list[int] = []
    for code, value in enumerate(column.values):
        shares = {place[name]: share for name, share in answers(book, value).items() if name in place}
        total = sum(shares.values())
        for position, share in shares.items():
            pairs += [code * target.size + position] * round(CERTAIN * share / total)
    key = Key(f"{column.name} in the US gazetteer", (column.name,), column.codes, len(column.values))
    return KnownLookup(key, target, np.array(pairs, dtype=np.int64)) if pairs else None


def _places(book: TableGazetteer, column: Column) -> dict[str, int]:
    """The gazetteer's name of a region or town -> its most frequent spelling in the column."""
    name = book.region_code if column.role is Role.REGION else place_key
    places: dict[str, int] = {}
    for code, value in enumerate(column.values):
        known = name(value)
        if known:
            places.setdefault(known, code)
    return places


_Answers = Callable[[TableGazetteer, str], Mapping[str, float]]


def _regions_of_town(book: TableGazetteer, town: str) -> dict[str, float]:
    key = place_key(town)
    return {region: float(len(book.postcodes(key, region))) for region in book.regions_of(key)}


def _region_of_postcode(book: TableGazetteer, postcode: str) -> dict[str, float]:
    area = book.area(postcode.strip()[:5])
    return {area.region: 1.0} if area else {}


def _towns_of_postcode(book: TableGazetteer, postcode: str) -> dict[str, float]:
    area = book.area(postcode.strip()[:5])
    return {place_key(area.preferred): 1.0} if area else {}


_ANSWERS: Mapping[tuple[Role | None, Role | None], _Answers] = {
    (Role.CITY, Role.REGION): _regions_of_town,
    (Role.POSTCODE, Role.REGION): _region_of_postcode,
    (Role.POSTCODE, Role.CITY): _towns_of_postcode,
}
