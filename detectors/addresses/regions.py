"""Regions written otherwise than their column writes them, and regions that changed places with the city."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from detectors.addresses.gazetteer import Gazetteer
from detectors.addresses.standardising import place_key
from detectors.addresses.triples import Triple
from detectors.addresses.worldwide import cities_of, rules_of

KEPT_BY = 0.8
"""Share of a country's rows that must write regions in one form for the others to be rewritten in it."""
FEWEST = 10
"""Rows with a region from which on a country's rows have a form."""


@dataclass(frozen=True, slots=True)
class Written:
    """The region of a row as the other rows of its country write it, and their share."""

    row: int
    value: str
    share: float


def exchanged(triple: Triple, country: str, table: Gazetteer | None) -> bool:
    """Whether the city's cell holds a region and the region's cell a city of it, and not the other way round."""
    code = region_code(triple.city, country, table)
    if not code or not triple.region.strip() or region_code(triple.region, country, table):
        return False
    key = place_key(triple.region)
    return bool(table.postcodes(key, code)) if table else key in cities_of(country)


def region_code(text: str, country: str, table: Gazetteer | None) -> str | None:
    """The code of a region of this country by code or name; None if it is none."""
    if not text.strip():
        return None
    if table:
        return table.region_code(text)
    rules = rules_of(country) if country.isalpha() else None
    return rules.regions.get(place_key(text)) if rules else None


def rewritten(
    triples: Sequence[Triple], countries: Sequence[str], tables: Mapping[str, Gazetteer]
) -> Iterator[Written]:
    """Rows whose region is a code where nearly all of their country's are names, or a name where they are codes.

    A code becomes the name that most rows of the region have; where none has, the home table's.
    """
    rows: dict[str, list[tuple[int, str, bool]]] = {}
    names: dict[tuple[str, str], Counter[str]] = {}
    for row, (triple, country) in enumerate(zip(triples, countries, strict=True)):
        code = region_code(triple.region, country, tables.get(country))
        if code is None:
            continue
        short = triple.region.strip() == code
        rows.setdefault(country, []).append((row, code, short))
        if not short and len(triple.region.strip().rstrip(".")) > 3:
            names.setdefault((country, code), Counter())[triple.region.strip()] += 1
    for country, found in rows.items():
        codes = sum(short for _, _, short in found) / len(found)
        if len(found) < FEWEST or not (codes >= KEPT_BY or codes <= 1 - KEPT_BY):
            continue
        known = tables[country].region_names() if country in tables else {}
        for row, code, short in found:
            if short == (codes >= KEPT_BY):
                continue
            value = code if codes >= KEPT_BY else _usual(names.get((country, code)), known.get(code, ""))
            if value and value != triples[row].region.strip():
                yield Written(row, value, max(codes, 1 - codes))


def _usual(seen: Counter[str] | None, otherwise: str) -> str:
    return min(seen.items(), key=lambda item: (-item[1], item[0]))[0] if seen else otherwise
