"""Rows of countries without a gazetteer: held against the country's postcode rule and its larger cities, no more."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache

from rapidfuzz.distance import OSA

from detectors.addresses.proposing import Correction
from detectors.addresses.standardising import place_key
from detectors.addresses.triples import Triple
from detectors.addresses.worldwide import CountryRules, cities_of, rules_of

_LARGE = 100_000
"""Inhabitants from which a city is taken to be meant by a name one letter off: small places have like names."""


@lru_cache(maxsize=50_000)
def judge_abroad(triple: Triple, country: str) -> tuple[Correction, ...]:
    """Corrections of a record by its country's rules; empty where the country is unknown."""
    rules = rules_of(country) if len(country) == 2 else None
    return (*_postcode(triple, rules), *_city(triple, rules)) if rules else ()


def _postcode(triple: Triple, rules: CountryRules) -> Iterator[Correction]:
    given = triple.postcode.strip()
    if not given or len(given) > 12 or rules.postcode is None:
        return
    bare = re.sub(rf"^{rules.country}[- ]?|^[A-Z]{{1,2}}-(?=\d)", "", given, flags=re.IGNORECASE)
    if rules.postcode.fullmatch(bare):
        return
    repairs = {value for value in _repairs(bare) if rules.postcode.fullmatch(value)}
    if len(repairs) == 1:
        value = repairs.pop()
        example = f", like {rules.examples[0]}" if rules.examples else ""
        reason = f"{given} is no postcode of {rules.name}{example}; {value} is"
        yield Correction("postcode", value, 0.9, "postcode-format", reason)


def _repairs(code: str) -> Iterator[str]:
    """A postcode with a lost leading zero, a spreadsheet's ".0", look-alikes, or separators put right."""
    whole = code.removesuffix(".0")
    yield whole
    if whole.isdigit():
        yield "0" + whole
        yield from (whole[:at] + "-" + whole[at:] for at in (2, 3, 4, 5) if at < len(whole))
    yield re.sub(r"[\s.\-_]+", "", code)
    yield re.sub(r"[\s.\-_]+", " ", code)
    yield re.sub(r"[\s.\-_]+", "-", code)
    swapped = code.upper()
    for at, mark in enumerate(swapped):
        if mark in _LOOKALIKES:
            yield swapped[:at] + _LOOKALIKES[mark] + swapped[at + 1 :]


_LOOKALIKES = {"O": "0", "0": "O", "I": "1", "L": "1", "1": "I", "S": "5", "5": "S", "B": "8", "8": "B"}


def _city(triple: Triple, rules: CountryRules) -> Iterator[Correction]:
    key = place_key(triple.city)
    known = cities_of(rules.country)
    if not 6 <= len(key) <= 40 or key in known:
        return
    near = [
        city
        for other, city in known.items()
        if city.people >= _LARGE and abs(len(other) - len(key)) <= 1 and OSA.distance(key, other, score_cutoff=1) <= 1
    ]
    if len({city.usual for city in near}) == 1:
        typed = triple.city.strip().casefold()
        # Its usual name, else the one nearest to what was typed; of equals the longest: letters get lost more often.
        _, _, _, name = min(
            (city.name != city.usual, OSA.distance(typed, city.name.casefold()), -len(city.name), city.name)
            for city in near
        )
        reason = f"{name} is a city of {rules.name}; the record says {triple.city.strip()}"
        yield Correction("city", name, 0.75, "city-spelling", reason)
