"""What a table's own records say of places: their countries, how a city is written, where its postcodes begin.

For the rows that no gazetteer knows better. What stands in one row only says nothing.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Collection, Iterator, Sequence
from itertools import pairwise

from detectors.addresses.proposing import Correction
from detectors.addresses.standardising import place_key, plain
from detectors.addresses.triples import Triple
from detectors.addresses.worldwide import cities_of, rules_of

_COMPANY = 2
"""Rows that do something in one way from which on it is the table's way, not one typist's."""
_ONE_COUNTRY = 0.8
"""Share of a region's (city's) rows that name the same country, to tell it of one that names none."""
_OTHER_WAY = 0.1
"""Share of a name's rows that may hold it in the other column, and of a city's postcodes that may begin as no other."""
_MANY = 10
"""Rows of a city from which on it is known where its postcodes begin."""
_EXCHANGED = 0.9
_START = re.compile(r"\d{2}")
"""Where a postcode's area stands. Not in British ones: any city has many of theirs, and each is rare."""


class Records:
    """The places of a table. home: countries with a gazetteer, of which nothing is said here but exchanged cells."""

    def __init__(self, triples: Sequence[Triple], countries: Sequence[str], home: Collection[str]) -> None:
        self._home = frozenset(home)
        self._cities: Counter[tuple[str, str]] = Counter()
        self._regions: Counter[tuple[str, str]] = Counter()
        self._starts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        written: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
        for (triple, country), rows in Counter(zip(triples, countries, strict=True)).items():
            city, region = plain(triple.city.strip()), plain(triple.region.strip())
            self._cities[country, city] += rows
            self._regions[country, region] += rows
            if country in self._home or not city:
                continue
            if start := _start(triple.postcode):
                self._starts[country, city][start] += rows
            if name := _usual_name(triple.city, country):
                written[country, name][triple.city.strip()] += rows
        self._written = {place: _usual(rows) for place, rows in written.items()}
        self._told = {place: rows.total() for place, rows in written.items()}

    def exchanged(self, triple: Triple, country: str) -> bool:
        """Whether the city's cell holds what other rows have as a region, and the region's what they have as a city."""
        city, region = plain(triple.city.strip()), plain(triple.region.strip())
        if not city or not region or city == region:
            return False
        right = self._regions[country, city], self._cities[country, region]
        wrong = self._cities[country, city] - 1, self._regions[country, region] - 1
        return min(right) >= _COMPANY and all(w <= _OTHER_WAY * r for w, r in zip(wrong, right, strict=True))

    def city(self, name: str, country: str) -> str:
        """A city abroad as most rows write it, where two or more do; else as it is given."""
        place = country, _usual_name(name, country)
        return self._written[place] if self._told.get(place, 0) >= _COMPANY else name

    def postcode(self, triple: Triple, country: str) -> tuple[Correction, ...]:
        """The postcode with two signs exchanged, where that alone makes it begin as those of its city do."""
        rules = rules_of(country) if len(country) == 2 and country not in self._home else None
        starts = self._starts.get((country, plain(triple.city.strip())))
        own = _start(triple.postcode)
        if rules is None or starts is None or starts.total() < _MANY or not own or starts[own] > 1:
            return ()
        if sum(rows for rows in starts.values() if rows == 1) > 1 + _OTHER_WAY * starts.total():
            return ()
        usual = {start for start, rows in starts.items() if rows > max(_COMPANY, _OTHER_WAY * starts.total() / 2)}
        given = triple.postcode.strip()
        fitting = [code for code in _neighbours_exchanged(given) if _start(code) in usual]
        if len(fitting) != 1 or (rules.postcode and not rules.postcode.fullmatch(fitting[0])):
            return ()
        held = sum(starts[start] for start in usual)
        reason = (
            f"{held} of {starts.total()} records of {triple.city.strip()} have a postcode that begins with "
            f"{', '.join(sorted(usual)[:3])}; {given} does with two signs exchanged"
        )
        return (Correction("postcode", fitting[0], _EXCHANGED, "postcode-exchanged", reason),)


def countries_told(triples: Sequence[Triple], countries: Sequence[str]) -> list[str]:
    """The countries, a blank one as nearly all rows with its region, else with its city, say."""
    if "" not in countries:
        return list(countries)
    said: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    for triple, country in zip(triples, countries, strict=True):
        if country not in {"", "?"}:
            said["region", plain(triple.region)][country] += 1
            said["city", plain(triple.city)][country] += 1
    told = []
    for triple, country in zip(triples, countries, strict=True):
        for key in () if country else (("region", plain(triple.region)), ("city", plain(triple.city))):
            (likely, rows) = max(said[key].items(), key=lambda one: one[1]) if key[1] and key in said else ("", 0)
            if rows >= _COMPANY and rows >= _ONE_COUNTRY * said[key].total():
                country = likely
                break
        told.append(country)
    return told


def _usual(rows: Counter[str]) -> str:
    return max(rows, key=lambda text: (rows[text], text))


def _start(postcode: str) -> str:
    found = _START.match(postcode.strip())
    return found[0] if found else ""


def _neighbours_exchanged(code: str) -> Iterator[str]:
    """The code with two neighbouring letters or digits exchanged, whatever separates them."""
    places = [at for at, sign in enumerate(code) if sign.isalnum()]
    made = set()
    for one, two in pairwise(places):
        if code[one] != code[two]:
            made.add(code[:one] + code[two] + code[one + 1 : two] + code[one] + code[two + 1 :])
    yield from sorted(made)


def _usual_name(city: str, country: str) -> str:
    """The usual name of a city that is written by any of its names; "" where it is not known."""
    known = cities_of(country).get(place_key(city[:80])) if city else None
    return known.usual if known else ""
