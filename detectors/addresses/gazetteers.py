"""Gazetteers of the user's own: a national postcode file, an HTTP service, or an installed package's.

The built-in table is the US one. Further ones come from two doors, the first before the second:

- `CRMQUALITY_GAZETTEERS`: country and place, parted by semicolons: `DE=/data/de.csv;GB=https://places.example.com/v1`.
- The entry-point group `crmquality.gazetteers`: a callable without arguments that gives a `Gazetteer`.

A country has one gazetteer: the first that is found. The US table stays the home table, unless the US have another.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Mapping
from functools import cache
from importlib.metadata import entry_points
from pathlib import Path

from detectors.addresses.gazetteer import Gazetteer, us_gazetteer
from detectors.addresses.gazetteer_files import read_gazetteer
from detectors.addresses.gazetteer_http import HttpGazetteer

GROUP = "crmquality.gazetteers"
VARIABLE = "CRMQUALITY_GAZETTEERS"


class GazetteerError(ValueError):
    """A gazetteer that was asked for cannot be had; the message says which, and how to mend it."""


def installed() -> list[Gazetteer]:
    """All gazetteers, the home table first, then by country.

    Raises GazetteerError if one that was asked for cannot be read. Made once a process and setting.
    """
    return list(_installed(os.environ.get(VARIABLE, ""), tuple(sys.path)))


@cache
def _installed(text: str, path: tuple[str, ...]) -> tuple[Gazetteer, ...]:
    found: dict[str, Gazetteer] = {}
    for country, place in parse(text).items():
        found[country] = _opened(country, place)
    for entry in sorted(entry_points(group=GROUP), key=lambda entry: entry.name):
        made = entry.load()()
        if not isinstance(made, Gazetteer):
            raise GazetteerError(f"Entry point {GROUP}:{entry.name} gives {type(made).__name__}, not a Gazetteer.")
        found.setdefault(made.country, made)
    home = found.pop("US", None) or us_gazetteer()
    return home, *(found[country] for country in sorted(found))


def parse(text: str) -> Mapping[str, str]:
    """Country code -> file or address. Raises GazetteerError if the text is anything else."""
    found: dict[str, str] = {}
    for part in filter(None, (each.strip() for each in text.split(";"))):
        country, equals, place = (each.strip() for each in part.partition("="))
        if not equals or not place or len(country) != 2 or not country.isalpha():
            raise GazetteerError(
                f"{VARIABLE}: {part!r} is not a country and a file or address, such as DE=/data/de.csv"
            )
        found.setdefault(country.upper(), place)
    return found


def _opened(country: str, place: str) -> Gazetteer:
    if place.startswith(("http://", "https://")):
        return HttpGazetteer(country, place)
    try:
        return read_gazetteer(country, Path(place))
    except (OSError, ValueError) as error:
        raise GazetteerError(f"{VARIABLE}: {country}={place}: {error}") from error
