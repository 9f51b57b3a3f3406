"""Addresses and telephone numbers that hang together: city, region, postcode and area code are of one place."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import zipcodes

from crmquality.sample.vocabulary import COUNTRIES, UNITED_STATES, Country

Strings = npt.NDArray[np.object_]
Integers = npt.NDArray[np.int64]
Table = dict[str, Strings]
"""Columns by name; all of one length; every cell a str, "" where there is no value."""

_LETTERS = np.array([ord(letter) for letter in "ABDEFGHJLNPQRSTUWXYZ"], dtype=np.uint32)


@dataclass(frozen=True, slots=True)
class _Cities:
    city: Strings
    region: Strings
    postcode: Strings
    landline: Strings


def strings(values: list[str] | tuple[str, ...]) -> Strings:
    """A column of these values."""
    column = np.empty(len(values), dtype=object)
    column[:] = values
    return column


def choose_countries(random: np.random.Generator, count: int) -> Integers:
    """Positions in COUNTRIES, by their share."""
    shares = np.array([country.share for country in COUNTRIES])
    return random.choice(len(COUNTRIES), size=count, p=shares / shares.sum())


def fill(random: np.random.Generator, patterns: Strings) -> Strings:
    """Replace # by a digit, % by one of 1-9, & by one of 2-9, @ by a letter; the rest stays."""
    if not len(patterns):
        return patterns
    text = patterns.astype(str)
    points = text.view(np.uint32).reshape(len(text), -1).copy()
    for sign, low in (("#", 0), ("%", 1), ("&", 2)):
        places = points == ord(sign)
        points[places] = ord("0") + random.integers(low, 10, size=int(places.sum()))
    places = points == ord("@")
    points[places] = random.choice(_LETTERS, size=int(places.sum()))
    filled = points.view(f"<U{points.shape[1]}").reshape(-1)
    return filled.astype(object)


def addresses(random: np.random.Generator, countries: Integers) -> Table:
    """One address a row: street, city, region, postcode, country, landline (E.164), area (code).

    countries: (n,) positions in COUNTRIES.
    """
    n = len(countries)
    table: Table = {name: np.full(n, "", dtype=object) for name in _ADDRESS}
    for position, country in enumerate(COUNTRIES):
        rows = np.flatnonzero(countries == position)
        if not len(rows):
            continue
        cities = _cities(country.code)
        chosen = random.integers(len(cities.city), size=len(rows))
        table["city"][rows] = cities.city[chosen]
        table["region"][rows] = cities.region[chosen]
        table["postcode"][rows] = fill(random, cities.postcode[chosen])
        table["country"][rows] = country.name
        table["street"][rows] = _streets(random, country, len(rows))
        numbers = fill(random, cities.landline[chosen])
        table["landline"][rows] = strings([f"+{country.calling_code}{x.replace(' ', '')}" for x in numbers])
        table["area"][rows] = strings([x.partition(" ")[0] for x in numbers])
    return table


_ADDRESS = ("street", "city", "region", "postcode", "country", "landline", "area")


def mobiles(random: np.random.Generator, countries: Integers, areas: Strings) -> Strings:
    """A mobile number a row (E.164). countries: positions in COUNTRIES; areas: codes, for countries that keep them."""
    numbers = np.full(len(countries), "", dtype=object)
    for position, country in enumerate(COUNTRIES):
        rows = np.flatnonzero(countries == position)
        patterns = random.choice(strings(country.mobiles), size=len(rows))
        local = [pattern.replace("~", area) for pattern, area in zip(patterns, areas[rows], strict=True)]
        numbers[rows] = strings([f"+{country.calling_code}{x}" for x in fill(random, strings(local))])
    return numbers


def _streets(random: np.random.Generator, country: Country, count: int) -> Strings:
    names = random.choice(strings(country.street_names), size=count)
    kinds = random.choice(strings(country.street_kinds), size=count)
    american = country is UNITED_STATES
    numbers = np.floor(random.lognormal(6.0 if american else 3.2, 1.1, size=count)).astype(int) % 9900 + 1
    units = np.where(american & (random.random(count) < 0.12), random.integers(1, 400, size=count), 0)
    rows = zip(names, kinds, numbers.tolist(), units.tolist(), strict=True)
    form = country.street.format
    return strings([form(name=n, kind=k, number=x) + (f" Apt {unit}" if unit else "") for n, k, x, unit in rows])


@lru_cache(maxsize=len(COUNTRIES))
def _cities(code: str) -> _Cities:
    country = next(country for country in COUNTRIES if country.code == code)
    rows = _american_cities() if country is UNITED_STATES else country.cities
    return _Cities(*(strings(column) for column in zip(*rows, strict=True)))


def _american_cities() -> tuple[tuple[str, str, str, str], ...]:
    """Every real standard ZIP code with its city, state and area code."""
    return tuple(
        (row["city"], row["state"], row["zip_code"], f"{row['area_codes'][0]} &######")
        for row in zipcodes.list_all()
        if row["zip_code_type"] == "STANDARD" and row["active"] and row["area_codes"]
    )
